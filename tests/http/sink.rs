//! Rows in requests.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use weir_env::{Clock, SystemClock};
use weir_model::FailureClass;
use weir_tests::{
    connectors::{rows, sink, writer},
    local,
};

use crate::{
    run, table,
    web::{Answer, Web},
};

const KEY: (&str, &str) = ("sink.idempotency-key-header", "Idempotency-Key");

#[test]
fn each_row_is_sent_with_what_columns_say_of_it() {
    run(async {
        let web = Web::start();
        let sql = format!(
            "CREATE TABLE hook (n INT, t STRING, k STRING METADATA FROM 'idempotency-key', h MAP<STRING, BYTES> METADATA FROM 'headers', url STRING METADATA)
                 WITH ('connector' = 'http', 'url' = '{}', 'sink.method' = 'PUT', 'format' = 'json', 'header.X-Table' = 'hook',
                     'username' = 'ann', 'password' = 'secret', 'sink.idempotency-key-header' = 'Idempotency-Key');
             INSERT INTO hook VALUES (7, 'a \"b\"', 'seven', MAP['X-Row', x'37'], '{}');",
            web.url("/hook"),
            web.url("/other?x=1"),
        );
        local::run(&sql, Some(1))
            .await
            .unwrap_or_else(|refused| panic!("{refused:?}"));
        let asked: Vec<_> = web
            .asked()
            .into_iter()
            .filter(|asked| asked.method != "OPTIONS")
            .collect();
        assert_eq!(asked.len(), 1);
        let asked = &asked[0];
        assert_eq!(
            (asked.method.as_str(), asked.path.as_str()),
            ("PUT", "/other?x=1")
        );
        assert_eq!(asked.text(), "{\"n\":7,\"t\":\"a \\\"b\\\"\"}");
        let headers = [
            "x-table",
            "x-row",
            "idempotency-key",
            "content-type",
            "authorization",
        ];
        assert_eq!(
            headers.map(|name| asked.header(name).unwrap_or_default()),
            ["hook", "7", "seven", "application/json", "Basic YW5uOnNlY3JldA=="]
        );
    });
}

#[test]
fn rows_are_sent_together_when_there_are_many() {
    run(async {
        let web = Web::start();
        for (body, format, content_type, first) in [
            (
                "array",
                "json",
                "application/json",
                "[{\"n\":0},{\"n\":1},{\"n\":2}]",
            ),
            (
                "lines",
                "json",
                "application/x-ndjson",
                "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n",
            ),
            ("lines", "csv", "text/csv", "0\n1\n2\n"),
        ] {
            let options = [
                ("sink.body", body),
                ("sink.buffer-flush.max-rows", "3"),
                ("format", format),
            ];
            let mut sink = writer(&table("http", &web.url("/"), &options)).await;
            sink.write(rows("n", 0..7)).await.expect("writes");
            sink.prepare(1).await.expect("prepares");
            let asked = web.asked();
            assert_eq!(asked.len(), 3, "{body}");
            assert_eq!(
                (asked[0].text(), asked[0].header("content-type")),
                (first, Some(content_type))
            );
            assert!(
                asked[2].text().contains('6') && !asked[2].text().contains('5'),
                "{}",
                asked[2].text()
            );
        }
    });
}

#[test]
fn an_overloaded_server_is_asked_again_when_it_says_so_with_the_same_key() {
    run(async {
        let web = Web::start();
        web.answer([
            Answer::of(503, "busy"),
            Answer::of(429, "slow down").header("retry-after", "1"),
        ]);
        let mut sink = writer(&table("http", &web.url("/"), &[KEY])).await;
        let clock = SystemClock::new();
        sink.write(rows("n", 0..2)).await.expect("waits");
        sink.flush().await.expect("it was taken then");
        let took = clock.elapsed();
        // 0.2 s, and 1 s as the server says.
        assert!(
            took >= Duration::from_millis(1200) && took < Duration::from_secs(8),
            "{took:?}"
        );
        let asked = web.asked();
        let facts: Vec<_> = asked
            .iter()
            .map(|asked| (asked.text(), asked.header("idempotency-key")))
            .collect();
        assert_eq!(
            facts.iter().map(|fact| fact.0).collect::<Vec<_>>(),
            ["{\"n\":0}", "{\"n\":0}", "{\"n\":0}", "{\"n\":1}"]
        );
        let keys: BTreeSet<_> = facts.iter().map(|fact| fact.1.expect("a key")).collect();
        assert_eq!(keys.len(), 2, "{facts:?}");
    });
}

#[test]
fn what_the_server_refuses_fails_at_once_in_its_words() {
    run(async {
        let web = Web::start();
        for (answer, expected) in [
            (
                Answer::of(422, "{\"error\":\n  \"n is too small\"}"),
                "422 Unprocessable Entity: {\"error\": \"n is too small\"}",
            ),
            (Answer::of(302, "").header("location", "/elsewhere"), "302 Found"),
        ] {
            web.answer([answer]);
            let url = web.url("/hook?key=hunter2");
            let mut sink = writer(&table(
                "http",
                &url,
                &[("header.Authorization", "Bearer hunter2")],
            ))
            .await;
            let written = async {
                sink.write(rows("n", [1])).await?;
                sink.flush().await
            };
            let error = written.await.expect_err("refused");
            assert_eq!(error.class, FailureClass::User);
            assert!(
                error.message.starts_with("POST http://127.0.0.1:") && error.message.ends_with(expected),
                "{error}"
            );
            assert!(!error.message.contains("hunter2"), "{error}");
            assert_eq!(web.asked().len(), 1);
        }
    });
}

#[test]
fn no_more_requests_are_on_their_way_than_may_be() {
    run(async {
        let web = Web::start();
        *web.site.then.get() = Answer::of(200, "").after(Duration::from_millis(30));
        for (max, expected) in [("1", 1), ("4", 4)] {
            web.site.most_at_once.store(0, Ordering::SeqCst);
            let mut sink = writer(&table("http", &web.url("/"), &[("sink.max-in-flight", max)])).await;
            sink.write(rows("n", 0..20)).await.expect("writes");
            sink.flush().await.expect("flushes");
            assert_eq!(web.site.most_at_once.load(Ordering::SeqCst), expected);
            let mut sent: Vec<_> = web.asked().iter().map(|asked| asked.text().to_owned()).collect();
            let in_order: Vec<_> = (0..20).map(|n| format!("{{\"n\":{n}}}")).collect();
            if expected > 1 {
                sent.sort_unstable_by_key(|text| (text.len(), text.clone()));
            }
            assert_eq!(sent, in_order);
        }
    });
}

#[test]
fn rows_wait_for_a_server_that_is_away_or_too_slow() {
    run(async {
        let mut web = Web::start();
        let mut sink = writer(&table("http", &web.url("/"), &[("timeout", "300 ms")])).await;
        for round in 0..2 {
            sink.write(rows("n", [round])).await.expect("writes");
            sink.flush().await.expect("flushes");
            web.stop();
            let start = async {
                SystemClock::new().sleep(Duration::from_millis(500)).await;
                // The first time it does not answer in time.
                web.answer([Answer::of(200, "").after(Duration::from_secs(2))]);
                web.start_again();
            };
            let write = async {
                sink.write(rows("n", [round + 100])).await?;
                sink.prepare(1).await
            };
            let ((), written) = tokio::join!(start, write);
            written.expect("it was sent again");
        }
        let sent: BTreeSet<_> = web.asked().iter().map(|asked| asked.text().to_owned()).collect();
        assert_eq!(
            sent.into_iter().collect::<Vec<_>>(),
            ["{\"n\":0}", "{\"n\":100}", "{\"n\":101}", "{\"n\":1}"]
        );
    });
}

#[test]
fn a_server_that_stays_away_is_an_outside_failure() {
    run(async {
        let mut web = Web::start();
        let table = table("http", &web.url("/hook"), &[("sink.max-retries", "2")]);
        sink(&table).check().await.expect("it is there");
        web.stop();
        let said = sink(&table).check().await.expect_err("it is away").to_string();
        assert!(said.contains("/hook: ") && said.contains("refused"), "{said}");
        let mut sink = writer(&table).await;
        let clock = SystemClock::new();
        let written = async {
            sink.write(rows("n", [1])).await?;
            sink.flush().await
        };
        let error = written.await.expect_err("nobody is there");
        assert_eq!(error.class, FailureClass::External, "{error}");
        let took = clock.elapsed();
        assert!(
            took >= Duration::from_millis(600) && took < Duration::from_secs(8),
            "{took:?}"
        );
    });
}
