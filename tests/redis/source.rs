//! Streams read from positions on.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arrow_array::{cast::AsArray, types::Int64Type};
use arrow_schema::DataType;
use weir_connector::{Source, SourceContext, SourceEvent, SourceFactory, Split, connector};
use weir_env::SystemClock;
use weir_tests::wait::{Seen, until};

use crate::{Server, printed, sorted, table, with_server};

pub(crate) fn source(server: &Server, options: &[(&str, &str)]) -> Box<dyn SourceFactory> {
    let mut all = vec![("data-type", "stream"), ("key", "s")];
    all.extend(options);
    let table = table(server, 0, &[("n", DataType::Int64)], &all);
    connector("redis")
        .and_then(|redis| redis.source(&table))
        .expect("valid")
}

pub(crate) async fn open(
    server: &Server,
    factory: &dyn SourceFactory,
    splits: Vec<Split>,
) -> Box<dyn Source> {
    let schema = table(server, 0, &[("n", DataType::Int64)], &[]).schema;
    let context = SourceContext {
        schema,
        batch_rows: 10,
        known_splits: Arc::default(),
        subtask: 0,
        parallelism: 1,
        takes_checkpoints: true,
        clock: Arc::new(SystemClock::new()),
        counters: Arc::default(),
        dead_letters: None,
    };
    factory.open(splits, context).await.expect("opens")
}

/// Adds entries with these numbers.
pub(crate) async fn add(server: &Server, numbers: std::ops::Range<i64>) {
    let mut all = redis::pipe();
    for n in numbers {
        all.cmd("XADD").arg("s").arg("*").arg("n").arg(n);
    }
    all.exec_async(&mut server.connection().await)
        .await
        .expect("adds");
}

/// The numbers of the next event; none: a split or all have ended.
pub(crate) async fn next(source: &mut dyn Source) -> Option<Vec<i64>> {
    let event = tokio::time::timeout(Duration::from_secs(20), source.next()).await;
    match event.expect("in time").expect("reads") {
        SourceEvent::Rows { batch, .. } => {
            Some(batch.column(0).as_primitive::<Int64Type>().values().to_vec())
        }
        SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } | SourceEvent::End => None,
    }
}

#[test]
fn bounded_streams_are_read_whole_with_what_is_known_of_entries() {
    with_server(&[], async |server: Arc<Server>| {
        for n in 0..25 {
            server.run::<()>(&format!("XADD a {n}-1 n {n}")).await;
        }
        server.run::<()>("XADD b 1700000000123-4 n 100 other x").await;
        // What was deleted is not there, and is not waited for.
        server.run::<()>("XADD b 1700000000124-0 n 101").await;
        server.run::<()>("XDEL b 1700000000124-0").await;
        let sql = format!(
            "CREATE TABLE entries (n INT, id STRING METADATA VIRTUAL, at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, stream STRING METADATA VIRTUAL)
                 WITH ('connector' = 'redis', 'url' = '{}', 'data-type' = 'stream', 'key' = 'a; b; none', 'scan.bounded.mode' = 'latest');
             CREATE TABLE out (stream STRING, entries BIGINT, total BIGINT, last STRING, at TIMESTAMP_LTZ(3)) WITH ('connector' = 'print');
             INSERT INTO out SELECT stream, COUNT(*), SUM(n), MAX(id), MAX(at) FROM entries GROUP BY stream;",
            server.url
        );
        for parallelism in [1, 2, 4] {
            let rows = weir_tests::changes::materialize(printed(&sql, parallelism).await);
            let rows = sorted(rows.expect("changes"));
            assert_eq!(
                rows,
                [
                    r#"{"stream":"a","entries":25,"total":300,"last":"9-1","at":"1970-01-01 00:00:00.024Z"}"#,
                    r#"{"stream":"b","entries":1,"total":100,"last":"1700000000123-4","at":"2023-11-14 22:13:20.123Z"}"#,
                ]
            );
        }
    });
}

#[test]
fn reading_goes_on_behind_any_position() {
    with_server(&[], async |server: Arc<Server>| {
        add(&server, 0..95).await;
        let factory = source(&server, &[("scan.bounded.mode", "latest")]);
        let mut splits = factory.splits(2).await.expect("splits");
        assert_eq!(splits.len(), 1);
        add(&server, 95..100).await;
        let mut seen = Vec::new();
        loop {
            let mut source = open(&server, factory.as_ref(), splits).await;
            for _ in 0..3 {
                let Some(numbers) = next(source.as_mut()).await else {
                    assert_eq!(seen, (0..95).collect::<Vec<_>>(), "and nothing that came later");
                    assert!(source.positions().is_empty());
                    return;
                };
                seen.extend(numbers);
            }
            splits = source.positions();
        }
    });
}

#[test]
fn a_new_job_begins_where_it_is_told_to() {
    with_server(&[], async |server: Arc<Server>| {
        for (id, n) in [("10-1", 1), ("20-1", 2), ("20-2", 3), ("30-1", 4)] {
            server.run::<()>(&format!("XADD s {id} n {n}")).await;
        }
        let check = async |options: &[(&str, &str)], expected: &[i64]| {
            let mut options = options.to_vec();
            options.push(("scan.bounded.mode", "latest"));
            let factory = source(&server, &options);
            let splits = factory.splits(1).await.expect("splits");
            let mut source = open(&server, factory.as_ref(), splits).await;
            let seen = next(source.as_mut()).await.unwrap_or_default();
            assert_eq!(seen, expected, "{options:?}");
        };
        check(&[], &[1, 2, 3, 4]).await;
        check(&[("scan.startup.mode", "latest")], &[]).await;
        let timestamp = ("scan.startup.mode", "timestamp");
        check(&[timestamp, ("scan.startup.timestamp-millis", "20")], &[2, 3, 4]).await;
        check(
            &[timestamp, ("scan.startup.timestamp-millis", "0")],
            &[1, 2, 3, 4],
        )
        .await;
        let id = ("scan.startup.mode", "id");
        check(&[id, ("scan.startup.id", "20-1")], &[3, 4]).await;
    });
}

#[test]
fn entries_come_as_they_are_added_to_a_reader_that_is_let_down_often() {
    with_server(&[], async |server: Arc<Server>| {
        let factory = source(&server, &[]);
        assert!(!factory.is_bounded());
        let splits = factory.splits(1).await.expect("splits");
        let mut source = open(&server, factory.as_ref(), splits).await;
        for _ in 0..50 {
            let waited = tokio::time::timeout(Duration::from_millis(5), source.next()).await;
            assert!(waited.is_err(), "there is nothing");
        }
        let asked = until(
            "the one question to have come",
            Duration::from_secs(5),
            async || {
                let stats: String = server.run("INFO clients").await;
                Ok(if stats.contains("blocked_clients:1") {
                    Seen::Done(())
                } else {
                    Seen::NotYet(stats)
                })
            },
        );
        asked.await.expect("it came");
        for numbers in [0..3, 3..50] {
            add(&server, numbers.clone()).await;
            let mut seen = Vec::new();
            while seen.len() < numbers.clone().count() {
                seen.extend(next(source.as_mut()).await.expect("entries"));
            }
            assert_eq!(seen, numbers.collect::<Vec<_>>());
        }
        let stats: BTreeMap<String, String> = server
            .run::<String>("INFO commandstats")
            .await
            .lines()
            .filter_map(|line| line.split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())))
            .collect();
        // As many as there were answers, which have up to ten entries each.
        let calls = stats["cmdstat_xread"]
            .split(',')
            .next()
            .and_then(|calls| calls.strip_prefix("calls="));
        let calls: u64 = calls.and_then(|calls| calls.parse().ok()).expect("a count");
        assert!(calls < 50, "{stats:?}");
    });
}
