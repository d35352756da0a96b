//! A server that is silent, full, or gone for a while: nothing is lost, and nothing goes on for ever.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use weir_env::{Clock, SystemClock};
use weir_model::FailureClass;
use weir_tests::connectors::{next, numbers, open_all, rows, writer};

use crate::{Server, meanwhile, table, with_server};

const QUICK: (&str, &str) = ("timeout", "500 ms");
const SUBJECT: (&str, &str) = ("subject", "s");
const STREAM: (&str, &str) = ("stream", "s");

#[test]
fn rows_wait_for_a_server_that_is_killed_and_are_stored_once() {
    with_server(&[], async |server: Arc<Server>| {
        server.stream("s", &["s"], json!({})).await;
        let mut sink = writer(&table(&server, &[SUBJECT, QUICK])).await;
        for round in 0..3 {
            sink.write(rows("n", round * 100..round * 100 + 50))
                .await
                .expect("writes");
            server.process.lock().await.kill().expect("kills");
            let start = meanwhile(&server, Duration::from_millis(500), async |server| {
                server.process.lock().await.start_again().await.expect("starts");
            });
            let write = async {
                sink.write(rows("n", round * 100 + 50..(round + 1) * 100))
                    .await
                    .expect("waits");
                sink.prepare(1).await.expect("it was sent again");
            };
            tokio::join!(write, start);
        }
        assert_eq!(server.numbers("s").await, (0..300).collect::<Vec<_>>());
    });
}

#[test]
fn rows_wait_for_a_silent_server_and_are_stored_once() {
    with_server(&[], async |server: Arc<Server>| {
        server.stream("s", &["s"], json!({})).await;
        let mut sink = writer(&table(&server, &[SUBJECT, QUICK])).await;
        sink.write(rows("n", 0..10)).await.expect("writes");
        sink.flush().await.expect("flushes");
        server.process.lock().await.freeze().expect("freezes");
        let thaw = meanwhile(&server, Duration::from_millis(1500), async |server| {
            server.process.lock().await.thaw().expect("thaws");
        });
        let write = async {
            sink.write(rows("n", 10..20)).await.expect("waits");
            sink.flush().await.expect("it was sent again");
        };
        tokio::join!(write, thaw);
        assert_eq!(server.numbers("s").await, (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn rows_wait_for_room_in_a_full_stream() {
    with_server(&[], async |server: Arc<Server>| {
        server
            .stream("s", &["s"], json!({ "max_msgs": 5, "discard": "new" }))
            .await;
        let mut sink = writer(&table(&server, &[SUBJECT, QUICK])).await;
        let purge = meanwhile(&server, Duration::from_millis(700), async |server| {
            assert_eq!(server.numbers("s").await, [0, 1, 2, 3, 4]);
            server.ask("STREAM.PURGE.s", json!({})).await;
        });
        let write = async {
            sink.write(rows("n", 0..8)).await.expect("waits");
            sink.flush().await.expect("there is room");
        };
        tokio::join!(write, purge);
        assert_eq!(server.numbers("s").await, [5, 6, 7]);
    });
}

#[test]
fn a_server_that_stays_away_is_an_outside_failure() {
    with_server(&[], async |server: Arc<Server>| {
        server.stream("s", &["s"], json!({})).await;
        let retries = [
            QUICK,
            SUBJECT,
            STREAM,
            ("sink.max-retries", "2"),
            ("scan.max-retries", "2"),
        ];
        let table = table(&server, &retries);
        let mut sink = writer(&table).await;
        let mut source = open_all(&table).await;
        sink.write(rows("n", [1])).await.expect("writes");
        sink.flush().await.expect("flushes");
        assert_eq!(numbers(source.as_mut(), 1).await, [1]);
        server.process.lock().await.kill().expect("kills");
        let clock = SystemClock::new();
        let written = async {
            sink.write(rows("n", [2])).await?;
            sink.flush().await
        };
        let (written, read) = tokio::join!(written, next(source.as_mut()));
        for error in [
            written.expect_err("nobody is there"),
            read.expect_err("nobody is there"),
        ] {
            assert_eq!(error.class, FailureClass::External, "{error}");
            assert!(
                error.message.contains("cannot connect to NATS at 127.0.0.1:"),
                "{error}"
            );
        }
        // 0.2 s, then 0.4 s.
        let took = clock.elapsed();
        assert!(
            took >= Duration::from_millis(600) && took < Duration::from_secs(8),
            "{took:?}"
        );
    });
}

#[test]
fn a_reader_goes_on_where_it_was_when_the_server_is_there_again() {
    with_server(&[], async |server: Arc<Server>| {
        server.stream("s", &["s"], json!({})).await;
        server.publish("s", 0..10).await;
        let mut source = open_all(&table(&server, &[STREAM, QUICK])).await;
        assert_eq!(numbers(source.as_mut(), 10).await, (0..10).collect::<Vec<_>>());
        for round in 1..4 {
            server.process.lock().await.kill().expect("kills");
            let start = meanwhile(&server, Duration::from_millis(400), async |server| {
                server.process.lock().await.start_again().await.expect("starts");
                server.publish("s", round * 10..(round + 1) * 10).await;
            });
            let (read, ()) = tokio::join!(numbers(source.as_mut(), 10), start);
            assert_eq!(read, (round * 10..(round + 1) * 10).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_reader_whose_consumer_is_taken_away_makes_another_one() {
    with_server(&[], async |server: Arc<Server>| {
        server.stream("s", &["s"], json!({})).await;
        server.publish("s", 0..5).await;
        let mut source = open_all(&table(&server, &[STREAM, QUICK])).await;
        assert_eq!(numbers(source.as_mut(), 5).await, [0, 1, 2, 3, 4]);
        let names = server.ask("CONSUMER.NAMES.s", json!({})).await;
        let name = names["consumers"][0].as_str().expect("a name");
        let gone = server.ask(&format!("CONSUMER.DELETE.s.{name}"), json!({})).await;
        assert_eq!(gone["success"], true, "{gone}");
        server.publish("s", 5..8).await;
        assert_eq!(numbers(source.as_mut(), 3).await, [5, 6, 7]);
    });
}
