//! A URL that is asked again and again.

use std::time::Duration;

use weir_model::FailureClass;
use weir_tests::{
    connectors::{is_silent, next, numbers, open, open_all, source},
    local,
};

use crate::{
    run, table,
    web::{Answer, Web},
};

const OFTEN: (&str, &str) = ("scan.interval", "50 ms");
const ARRAY: (&str, &str) = ("scan.records", "array");

#[test]
fn records_are_found_in_an_answer() {
    run(async {
        let web = Web::start();
        *web.site.then.get() =
            Answer::of(200, r#"{"data":{"items":[{"n":1,"t":"a"},{"n":2,"t":"b"}]}}"#).header("x-page", "7");
        let sql = format!(
            "CREATE TABLE items (n INT, t STRING, h MAP<STRING, BYTES> METADATA FROM 'headers' VIRTUAL, at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL)
                 WITH ('connector' = 'http', 'url' = '{}', 'format' = 'json', 'header.Accept' = 'application/json',
                     'scan.records' = 'array', 'scan.records-pointer' = '/data/items', 'scan.bounded.mode' = 'once');
             CREATE TABLE out (n INT, t STRING, page STRING, is_now BOOLEAN) WITH ('connector' = 'print');
             INSERT INTO out SELECT n, t, CAST(h['x-page'] AS STRING), at > TO_TIMESTAMP_LTZ(1700000000000, 3) FROM items;",
            web.url("/items?page=1"),
        );
        let (mut printed, _) = local::run(&sql, Some(2))
            .await
            .unwrap_or_else(|refused| panic!("{refused:?}"));
        let mut rows = printed.remove("out").unwrap_or_default();
        rows.sort_unstable();
        assert_eq!(
            rows,
            [
                r#"{"n":1,"t":"a","page":"7","is_now":true}"#,
                r#"{"n":2,"t":"b","page":"7","is_now":true}"#
            ]
        );
        let asked = web.asked();
        let asked = asked.last().expect("it was asked");
        assert_eq!(
            (asked.path.as_str(), asked.header("accept")),
            ("/items?page=1", Some("application/json"))
        );
    });
}

#[test]
fn an_answer_is_read_when_it_is_another_one() {
    run(async {
        let web = Web::start();
        let tagged = |tag: &str, text: &str| Answer::of(200, text).header("etag", tag);
        web.answer([
            tagged("\"1\"", "[{\"n\":1}]"),
            Answer::of(304, ""),
            Answer::of(304, ""),
            tagged("\"2\"", "[{\"n\":2},{\"n\":3}]"),
        ]);
        // From here on the server does not say whether it is the same.
        *web.site.then.get() = Answer::of(200, "[{\"n\":2},{\"n\":3}]");
        let table = table("http", &web.url("/"), &[OFTEN, ARRAY]);
        let mut source = open_all(&table).await;
        assert_eq!(numbers(source.as_mut(), 3).await, [1, 2, 3]);
        assert!(is_silent(source.as_mut(), Duration::from_millis(400)).await);
        let asked = web.asked();
        assert!(asked.len() >= 6, "{}", asked.len());
        let tags: Vec<_> = asked
            .iter()
            .map(|asked| asked.header("if-none-match"))
            .take(5)
            .collect();
        assert_eq!(
            tags,
            [None, Some("\"1\""), Some("\"1\""), Some("\"1\""), Some("\"2\"")]
        );
        // What was read is known after a failure, too.
        let splits = source.positions();
        drop(source);
        let mut source = open(&table, splits).await;
        assert!(is_silent(source.as_mut(), Duration::from_millis(300)).await);
        *web.site.then.get() = Answer::of(200, "[{\"n\":4}]");
        assert_eq!(numbers(source.as_mut(), 1).await, [4]);
        let all = crate::table("http", &web.url("/"), &[OFTEN, ARRAY, ("scan.emit", "all")]);
        let mut source = open_all(&all).await;
        assert_eq!(numbers(source.as_mut(), 3).await, [4, 4, 4]);
    });
}

#[test]
fn an_answer_of_many_records_is_behind_the_reader_when_all_of_it_is() {
    run(async {
        let web = Web::start();
        let many: Vec<_> = (0..250).map(|n| format!("{{\"n\":{n}}}")).collect();
        *web.site.then.get() = Answer::of(200, &many.join("\n"));
        let table = table("http", &web.url("/"), &[OFTEN, ("scan.records", "lines")]);
        let mut source = open_all(&table).await;
        // Batches have a hundred rows.
        assert_eq!(numbers(source.as_mut(), 101).await.len(), 200);
        let splits = source.positions();
        let mut again = open(&table, splits).await;
        assert_eq!(numbers(again.as_mut(), 250).await, (0..250).collect::<Vec<_>>());
        let mut behind = open(&table, again.positions()).await;
        assert!(is_silent(behind.as_mut(), Duration::from_millis(300)).await);
    });
}

#[test]
fn a_server_that_is_away_is_asked_again_and_one_that_refuses_is_not() {
    run(async {
        let mut web = Web::start();
        *web.site.then.get() = Answer::of(200, "{\"n\":1}");
        let table = table("http", &web.url("/x?key=hunter2"), &[OFTEN]);
        let factory = source(&table);
        factory.check().await.expect("it is there");
        web.stop();
        let said = factory.check().await.expect_err("it is away").to_string();
        assert!(
            said.starts_with("GET http://127.0.0.1:") && !said.contains("hunter2"),
            "{said}"
        );
        let mut reader = open_all(&table).await;
        assert!(is_silent(reader.as_mut(), Duration::from_millis(300)).await);
        web.answer([Answer::of(500, "oh")]);
        web.start_again();
        assert_eq!(numbers(reader.as_mut(), 1).await, [1]);
        web.answer([Answer::of(403, "not you")]);
        let error = next(reader.as_mut()).await.expect_err("refused");
        assert_eq!(error.class, FailureClass::User);
        assert!(error.message.ends_with("/x: 403 Forbidden: not you"), "{error}");
        *web.site.then.get() = Answer::of(200, "{\"n\":");
        let mut reader = open_all(&table).await;
        let error = next(reader.as_mut()).await.expect_err("no JSON");
        assert_eq!(error.class, FailureClass::User);
        assert!(
            error.place.as_ref().is_some_and(|place| place.ends_with("/x")),
            "{error}"
        );
    });
}
