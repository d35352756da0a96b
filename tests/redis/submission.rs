//! What is said before a job exists.

use std::{sync::Arc, time::Duration};

use weir_env::{Clock, SystemClock};

use crate::{Server, failure, sink, sink::COLUMNS, table, with_server};

#[test]
fn wrong_passwords_and_databases_are_said_and_nothing_is_created() {
    with_server(&["--requirepass", "right"], async |server: Arc<Server>| {
        let check = async |options: &[(&str, &str)], expected: Option<&str>| {
            let checked = sink(&table(&server, 1, COLUMNS, options)).check().await;
            let said = checked.err().map(|error| error.to_string());
            match (said, expected) {
                (None, None) => {}
                (Some(said), Some(expected)) if said.contains(expected) => {
                    assert!(!said.contains("right") && !said.contains("wrong-one"), "{said}");
                }
                (said, expected) => panic!("{said:?} instead of {expected:?}"),
            }
        };
        check(&[], Some("NOAUTH")).await;
        check(
            &[("password", "wrong-one")],
            Some("cannot connect to Redis at 127.0.0.1:"),
        )
        .await;
        check(
            &[("password", "right"), ("username", "nobody")],
            Some("cannot connect to Redis"),
        )
        .await;
        check(&[("password", "right")], None).await;
        check(&[("password", "right"), ("database", "9")], None).await;
        check(
            &[("password", "right"), ("database", "999")],
            Some("out of range"),
        )
        .await;
        let url = server.url.replace("redis://", "redis://:right@");
        check(&[("url", &url)], None).await;
        let size: i64 = {
            let client = redis::Client::open(url).expect("a URL");
            let mut connection = client.get_multiplexed_async_connection().await.expect("connects");
            redis::cmd("DBSIZE")
                .query_async(&mut connection)
                .await
                .expect("answers")
        };
        assert_eq!(size, 0);
    });
}

#[test]
fn a_server_that_is_away_or_silent_is_said_in_bounded_time() {
    with_server(&[], async |server: Arc<Server>| {
        let clock = SystemClock::new();
        let check = async |options: &[(&str, &str)], expected: &str| {
            let start = clock.elapsed();
            let checked = sink(&table(&server, 1, COLUMNS, options)).check().await;
            let said = checked.expect_err("refused").to_string();
            assert!(said.contains(expected), "{said}");
            let now = clock.elapsed();
            assert!(now < start + Duration::from_secs(3), "{start:?} to {now:?}");
        };
        check(
            &[("url", "redis://127.0.0.1:1")],
            "cannot connect to Redis at 127.0.0.1:1",
        )
        .await;
        check(
            &[("url", "redis://no-such-host.invalid")],
            "cannot connect to Redis",
        )
        .await;
        let tls = server.url.replace("redis://", "rediss://");
        check(&[("url", &tls), ("timeout", "500 ms")], "cannot connect to Redis").await;
        server.process.lock().await.freeze().expect("freezes");
        check(&[("timeout", "500 ms")], "cannot connect to Redis").await;
        server.process.lock().await.thaw().expect("thaws");
    });
}

#[test]
fn a_stream_that_is_none_is_said_of_sinks_and_sources() {
    with_server(&[], async |server: Arc<Server>| {
        server.run::<()>("SET s text").await;
        let entries = format!(
            "CREATE TABLE entries (k INT) WITH ('connector' = 'redis', 'url' = '{}', 'data-type' = 'stream', 'key' = 's');",
            server.url
        );
        let writes = failure(&format!("{entries} INSERT INTO entries VALUES (1);")).await;
        assert_eq!(writes, "key 's' of Redis holds a string, and no stream");
        let reads = failure(&format!(
            "{entries} CREATE TABLE out (k INT) WITH ('connector' = 'print'); INSERT INTO out SELECT k FROM entries;"
        ))
        .await;
        assert_eq!(reads, "key 's' of Redis holds a string, and no stream");
    });
}
