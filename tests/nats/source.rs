//! Streams read from positions on.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use weir_tests::{
    changes,
    connectors::{is_silent, next, numbers, open, open_all, source},
    local,
};

use crate::{Server, headers, table, with_server};

const STREAM: (&str, &str) = ("stream", "s");
const BOUNDED: (&str, &str) = ("scan.bounded.mode", "latest");

#[test]
fn bounded_streams_are_read_whole_with_what_is_known_of_messages() {
    with_server(&[], async |server: Arc<Server>| {
        server.stream("a", &["a.*"], json!({})).await;
        server.stream("b", &["b"], json!({})).await;
        server.publish("a.x", 0..250).await;
        server.publish("a.y", 250..251).await;
        let client = server.client().await;
        let mut all = headers("Nats-Msg-Id", "one");
        all.insert("kind", "k");
        client
            .publish_with_headers("b", all, "{\"n\":1000}".into())
            .await
            .expect("is sent");
        client.flush().await.expect("is sent");
        server.publish("b", [7]).await;
        let sql = format!(
            "CREATE TABLE messages (
                 n INT, stream STRING METADATA VIRTUAL, subject STRING METADATA VIRTUAL, sequence BIGINT METADATA VIRTUAL,
                 stored TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, id STRING METADATA FROM 'message-id' VIRTUAL,
                 headers MAP<STRING, BYTES> METADATA VIRTUAL)
                 WITH ('connector' = 'nats', 'url' = '{}', 'stream' = 'a; b', 'scan.bounded.mode' = 'latest', 'format' = 'json');
             CREATE TABLE out (subject STRING, messages BIGINT, total BIGINT, last BIGINT, id STRING, kind STRING, is_now BOOLEAN) WITH ('connector' = 'print');
             INSERT INTO out SELECT subject, COUNT(*), SUM(n), MAX(sequence), MAX(id), MAX(CAST(headers['kind'] AS STRING)),
                 MIN(stored) > TO_TIMESTAMP_LTZ(1700000000000, 3) FROM messages GROUP BY subject;",
            server.url
        );
        for parallelism in [1, 3] {
            let (mut printed, _) = local::run(&sql, Some(parallelism))
                .await
                .unwrap_or_else(|refused| panic!("{refused:?}"));
            let mut rows = changes::materialize(printed.remove("out").unwrap_or_default()).expect("changes");
            rows.sort_unstable();
            assert_eq!(
                rows,
                [
                    r#"{"subject":"a.x","messages":250,"total":31125,"last":250,"id":null,"kind":null,"is_now":true}"#,
                    r#"{"subject":"a.y","messages":1,"total":250,"last":251,"id":null,"kind":null,"is_now":true}"#,
                    r#"{"subject":"b","messages":2,"total":1007,"last":2,"id":"one","kind":"k","is_now":true}"#,
                ]
            );
        }
    });
}

#[test]
fn reading_goes_on_behind_any_position() {
    with_server(&[], async |server: Arc<Server>| {
        server.stream("s", &["s"], json!({})).await;
        server.publish("s", 0..450).await;
        let table = table(&server, &[STREAM, BOUNDED]);
        let mut splits = source(&table).splits(2).await.expect("splits");
        assert_eq!(splits.len(), 1);
        server.publish("s", 450..460).await;
        let mut seen = Vec::new();
        loop {
            let mut source = open(&table, splits).await;
            for _ in 0..2 {
                let before = seen.len();
                seen.extend(numbers(source.as_mut(), 1).await);
                if seen.len() == before {
                    assert_eq!(seen, (0..450).collect::<Vec<_>>(), "and nothing that came later");
                    assert!(source.positions().is_empty());
                    return;
                }
            }
            splits = source.positions();
        }
    });
}

#[test]
fn a_new_job_begins_where_it_is_told_to() {
    with_server(&[], async |server: Arc<Server>| {
        server.stream("s", &["s.>"], json!({})).await;
        server.publish("s.a", 1..3).await;
        tokio::time::timeout(Duration::from_millis(20), std::future::pending::<()>())
            .await
            .expect_err("it is later");
        let info = server.ask("STREAM.INFO.s", json!({})).await;
        let created = info["ts"].as_str().expect("a time").to_owned();
        server.publish("s.b.c", 3..5).await;
        let check = async |options: &[(&str, &str)], expected: &[i64]| {
            let all = [&[STREAM, BOUNDED], options].concat();
            let mut source = open_all(&table(&server, &all)).await;
            assert_eq!(numbers(source.as_mut(), 100).await, expected, "{options:?}");
        };
        check(&[], &[1, 2, 3, 4]).await;
        check(&[("scan.startup.mode", "latest")], &[]).await;
        let sequence = ("scan.startup.mode", "sequence");
        check(&[sequence, ("scan.startup.sequence", "2")], &[2, 3, 4]).await;
        check(&[sequence, ("scan.startup.sequence", "5")], &[]).await;
        let behind = table(&server, &[STREAM, sequence, ("scan.startup.sequence", "6")]);
        let refused = source(&behind)
            .check()
            .await
            .expect_err("it is not there")
            .to_string();
        assert!(
            refused.contains("ends at 4, before 'scan.startup.sequence' = '6'"),
            "{refused}"
        );
        let time = ("scan.startup.mode", "timestamp");
        check(&[time, ("scan.startup.timestamp-millis", "0")], &[1, 2, 3, 4]).await;
        let utc: arrow_array::timezone::Tz = "+00:00".parse().expect("a zone");
        let between = arrow_cast::parse::string_to_datetime(&utc, &created).expect("a time");
        let ms = between.timestamp_millis().to_string();
        check(&[time, ("scan.startup.timestamp-millis", &ms)], &[3, 4]).await;
        check(&[("subject", "s.a")], &[1, 2]).await;
        check(&[("subject", "s.*.c; s.z")], &[3, 4]).await;
        check(&[("subject", "s.z")], &[]).await;
    });
}

#[test]
fn messages_come_as_they_are_stored_to_a_reader_that_is_let_down_often() {
    with_server(&[], async |server: Arc<Server>| {
        server.stream("s", &["s"], json!({})).await;
        let table = table(&server, &[STREAM]);
        let factory = source(&table);
        assert!(!factory.is_bounded());
        let mut source = open_all(&table).await;
        for _ in 0..50 {
            assert!(is_silent(source.as_mut(), Duration::from_millis(5)).await);
        }
        for (from, to) in [(0, 3), (3, 5000)] {
            server.publish("s", from..to).await;
            let mut seen = Vec::new();
            while seen.len() < (to - from) as usize {
                // Whoever asks gives up now and then.
                let numbers =
                    tokio::time::timeout(Duration::from_micros(300), numbers(source.as_mut(), 1)).await;
                seen.extend(numbers.unwrap_or_default());
            }
            assert_eq!(seen, (from..to).collect::<Vec<_>>());
        }
        let consumers = server.ask("CONSUMER.NAMES.s", json!({})).await;
        assert_eq!(consumers["total"], 1, "{consumers}");
    });
}

#[test]
fn what_is_deleted_is_left_out() {
    with_server(&[], async |server: Arc<Server>| {
        server.stream("s", &["s"], json!({ "max_msgs": 10 })).await;
        server.publish("s", 0..5).await;
        let table = table(&server, &[STREAM, BOUNDED]);
        let splits = source(&table).splits(1).await.expect("splits");
        // The one that it would end with.
        let deleted = server.ask("STREAM.MSG.DELETE.s", json!({ "seq": 5 })).await;
        assert_eq!(deleted["success"], true, "{deleted}");
        let mut source = open(&table, splits).await;
        assert_eq!(numbers(source.as_mut(), 100).await, [0, 1, 2, 3]);
        let table = crate::table(&server, &[STREAM]);
        let mut source = open_all(&table).await;
        assert_eq!(numbers(source.as_mut(), 4).await.len(), 4);
        let splits = source.positions();
        drop(source);
        server.publish("s", 5..30).await;
        let mut source = open(&table, splits).await;
        assert_eq!(numbers(source.as_mut(), 10).await, (20..30).collect::<Vec<_>>());
    });
}

#[test]
fn a_stream_that_is_another_one_fails_with_both_ends() {
    with_server(&[], async |server: Arc<Server>| {
        server.stream("s", &["s"], json!({})).await;
        server.publish("s", 0..5).await;
        let table = table(&server, &[STREAM]);
        let mut source = open_all(&table).await;
        numbers(source.as_mut(), 5).await;
        let splits = source.positions();
        drop(source);
        server.ask("STREAM.DELETE.s", json!({})).await;
        server.stream("s", &["s"], json!({})).await;
        server.publish("s", 0..2).await;
        let mut source = open(&table, splits).await;
        let error = next(source.as_mut()).await.expect_err("it is another one");
        assert_eq!(error.class, weir_model::FailureClass::User);
        assert!(
            error.message.contains("ends at 2, and was read up to 5"),
            "{error}"
        );
    });
}
