//! Rows to topics: what messages are made of, where they go, and what comes of a broker that is not there.

use std::{collections::BTreeMap, time::Duration};

use weir_env::{Clock as _, SystemClock};
use weir_model::FailureClass;
use weir_tests::{cluster, kafka::Kafka};

use crate::{
    with_broker,
    writer::{changes, context, factory, options, rows, seen, sink},
};

/// Runs a script with the brokers in the place of `{brokers}`.
async fn run(sql: &str, kafka: &Kafka) {
    let sql = sql.replace("{brokers}", &kafka.bootstrap());
    weir_tests::local::run(&sql, Some(2)).await.expect("runs");
}

#[test]
fn messages_have_the_key_the_value_and_the_metadata_that_columns_say() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        let other = format!("{topic}-other");
        for topic in [topic, &other] {
            kafka.create_topic(topic, 3, &[]).await.expect("a topic");
        }
        let sql = format!(
            "CREATE TABLE t (
                 k STRING, n BIGINT,
                 at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp',
                 said MAP<STRING, BYTES> METADATA FROM 'headers',
                 to_topic STRING METADATA FROM 'topic'
             ) WITH ('connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{{brokers}}',
                 'key.format' = 'csv', 'key.fields' = 'k', 'value.format' = 'json', 'value.fields-include' = 'EXCEPT_KEY');
             INSERT INTO t (k, n, at, said) VALUES ('foobar', 1, TO_TIMESTAMP_LTZ(1000, 3), MAP['a', x'01', 'b', x'02']);
             INSERT INTO t (k, n, at, to_topic) VALUES ('21', 2, TO_TIMESTAMP_LTZ(2000, 3), '{other}');"
        );
        run(&sql, kafka).await;
        let records = kafka.read_committed(topic).await.expect("reads");
        let [record] = records.as_slice() else {
            panic!("one record: {records:?}");
        };
        assert_eq!(record.key.as_deref(), Some(&b"foobar"[..]));
        assert_eq!(record.text(), r#"{"n":1}"#);
        assert_eq!(record.timestamp_ms, Some(1000));
        assert_eq!(
            record.headers,
            [("a".to_owned(), vec![1]), ("b".to_owned(), vec![2])]
        );
        let records = kafka.read_committed(&other).await.expect("reads");
        let [record] = records.as_slice() else {
            panic!("one record: {records:?}");
        };
        assert_eq!(
            (record.text(), record.timestamp_ms),
            (r#"{"n":2}"#.to_owned(), Some(2000))
        );
        assert!(record.headers.is_empty());
    });
}

#[test]
fn keys_go_where_kafkas_own_clients_send_them() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 7, &[]).await.expect("a topic");
        let sql = format!(
            "CREATE TABLE t (k STRING) WITH ('connector' = 'kafka', 'topic' = '{topic}',
                 'properties.bootstrap.servers' = '{{brokers}}', 'key.format' = 'csv', 'key.fields' = 'k', 'format' = 'json');
             INSERT INTO t VALUES ('21'), ('foobar'), ('a-little-bit-long-string');"
        );
        run(&sql, kafka).await;
        // The hashes that the Java client's own tests hold murmur2 to.
        let partition = |hash: i32| Some((hash & i32::MAX) % 7);
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
        ] {
            let records = kafka.read_committed(topic).await.expect("reads");
            let of_key = |record: &&weir_tests::kafka::Record| record.key.as_deref() == Some(key.as_bytes());
            let found = records.iter().find(of_key).expect("a record");
            assert_eq!(found.partition, partition(hash), "{key}");
        }
    });
}

#[test]
fn rows_without_keys_go_to_one_partition_or_in_turn() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        for (partitioner, expected) in [("fixed", vec![0, 8, 0]), ("round-robin", vec![2, 3, 3])] {
            let topic = format!("{topic}-{partitioner}");
            kafka.create_topic(&topic, 3, &[]).await.expect("a topic");
            let given = [
                ("sink.partitioner", partitioner),
                ("sink.delivery-guarantee", "none"),
            ];
            let sink = factory(kafka, &topic, &given);
            let mut writer = sink.open(context(1, (4, 5), None)).await.expect("opens");
            writer.write(rows(0..8)).await.expect("writes");
            writer.prepare(1).await.expect("prepares");
            assert!(writer.finish().await.expect("finishes").is_empty());
            let records = kafka.read_committed(&topic).await.expect("reads");
            let in_partition = |p| {
                records
                    .iter()
                    .filter(|record| record.partition == Some(p))
                    .count()
            };
            assert_eq!([0, 1, 2].map(in_partition).to_vec(), expected, "{partitioner}");
        }
    });
}

#[test]
fn what_a_topic_lacks_is_said_at_submission() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        let check = async |given: &[(&str, &str)]| {
            let checked = factory(kafka, topic, given).check().await;
            checked.err().map(|error| error.to_string()).unwrap_or_default()
        };
        let missing = check(&[]).await;
        assert!(missing.contains(&format!("has no topic '{topic}'")), "{missing}");
        kafka.create_topic(topic, 1, &[]).await.expect("a topic");
        assert_eq!(check(&[]).await, "");
        let closed = format!("127.0.0.1:{}", cluster::free_port().expect("a port"));
        let clock = SystemClock::new();
        let unreachable = check(&[("properties.bootstrap.servers", &closed)]).await;
        assert!(
            unreachable.contains(&format!("cannot reach Kafka at {closed}")),
            "{unreachable}"
        );
        assert!(clock.elapsed() < Duration::from_secs(20));
    });
}

#[test]
fn a_broker_that_is_down_for_a_while_loses_nothing_and_one_that_stays_down_is_a_failure() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let folder = cluster::folder().expect("a folder");
        let Some(mut kafka) = Kafka::start(folder.path()).await.expect("Kafka starts") else {
            return;
        };
        kafka.create_topic("t", 2, &[]).await.expect("a topic");
        let small = [("properties.queue.buffering.max.messages", "100")];
        let sink = factory(&kafka, "t", &small);
        let mut writer = sink.open(context(1, (0, 1), None)).await.expect("opens");
        writer.write(rows(0..50)).await.expect("writes");
        writer.prepare(1).await.expect("prepares");
        kafka.kill().expect("it runs");
        let mut writing = tokio::spawn(async move {
            writer.write(rows(50..1000)).await.expect("writes");
            writer.prepare(2).await.expect("prepares");
        });
        tokio::time::timeout(Duration::from_secs(2), &mut writing)
            .await
            .expect_err("what does not fit waits");
        kafka.start_again().await.expect("it starts");
        writing.await.expect("all is written");
        assert_eq!(seen(&kafka, "t").await, (0..1000).collect::<Vec<_>>());

        let hasty = [
            ("properties.delivery.timeout.ms", "1500"),
            ("properties.linger.ms", "0"),
        ];
        let sink = factory(&kafka, "t", &hasty);
        let mut writer = sink.open(context(2, (0, 1), None)).await.expect("opens");
        writer.write(rows(0..1)).await.expect("writes");
        writer.prepare(1).await.expect("prepares");
        kafka.kill().expect("it runs");
        writer.write(rows(1..2)).await.expect("writes");
        let error = writer.prepare(2).await.expect_err("it is down");
        assert_eq!(error.class, FailureClass::External);
        assert!(error.message.contains("records were not delivered"), "{error}");
        let error = writer.write(rows(2..3)).await.expect_err("it is not forgotten");
        assert_eq!(error.class, FailureClass::External);
    });
}

#[test]
fn a_changing_result_leaves_the_last_row_of_each_key() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 2, &[]).await.expect("a topic");
        let sql = format!(
            "CREATE TABLE made (k INT, n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '4000', 'rows-per-second' = '1000000',
                 'fields.k.min' = '0', 'fields.k.max' = '20', 'fields.n.min' = '0', 'fields.n.max' = '9');
             CREATE VIEW small AS SELECT k, SUM(n) AS n FROM made GROUP BY k HAVING COUNT(*) < 10 OR MOD(k, 3) <> 0;
             CREATE TABLE counts (k INT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED)
                 WITH ('connector' = 'upsert-kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{}',
                       'key.format' = 'json', 'value.format' = 'json', 'sink.buffer-flush.max-rows' = '7',
                       'sink.delivery-guarantee' = 'exactly-once');
             INSERT INTO counts SELECT * FROM small;
             CREATE TABLE shown (k INT, n BIGINT) WITH ('connector' = 'print');
             INSERT INTO shown SELECT * FROM small;",
            kafka.bootstrap()
        );
        let (mut printed, _) = weir_tests::local::run(&sql, Some(2)).await.expect("runs");
        let expected =
            weir_tests::changes::materialize(printed.remove("shown").expect("rows")).expect("changes");
        let mut expected: Vec<_> = expected.into_iter().collect();
        expected.sort_unstable();
        assert_eq!(expected.len(), 14, "keys are left that no multiple of three is");
        let records = kafka.read_committed(topic).await.expect("reads");
        let last: BTreeMap<_, _> = records
            .iter()
            .map(|record| (record.key.clone(), record))
            .collect();
        let left = last.values().filter(|record| record.value.is_some());
        let mut found: Vec<_> = left.map(|record| record.text()).collect();
        found.sort_unstable();
        assert_eq!(found, expected);
    });
}

#[test]
fn a_key_that_is_gone_is_a_message_without_value() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        for guarantee in ["at-least-once", "exactly-once"] {
            let topic = format!("{topic}-{guarantee}");
            kafka.create_topic(&topic, 1, &[]).await.expect("a topic");
            let given = [
                ("key.format", "json"),
                ("value.format", "json"),
                ("value.fields-include", "EXCEPT_KEY"),
                ("sink.delivery-guarantee", guarantee),
            ];
            let mut options = options(kafka, &topic, &given);
            options.remove("format");
            let factory = sink("upsert-kafka", options, true);
            let mut writer = factory.open(context(1, (0, 1), None)).await.expect("opens");
            let first = changes(&[("+I", 1, "a"), ("+I", 2, "b"), ("-U", 1, "a"), ("+U", 1, "x")]);
            writer.write(first).await.expect("writes");
            let mut commits = writer.prepare(1).await.expect("prepares");
            let second = changes(&[("-D", 2, "b"), ("+I", 3, "c"), ("-D", 3, "c"), ("+I", 4, "d")]);
            writer.write(second).await.expect("writes");
            commits.extend(writer.finish().await.expect("finishes"));
            factory.commit(&commits).await.expect("commits");
            let records = kafka.read_committed(&topic).await.expect("reads");
            let text = |bytes: &Option<Vec<u8>>| match bytes {
                None => "gone".to_owned(),
                Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            };
            let found: Vec<_> = records
                .iter()
                .map(|r| format!("{} {}", text(&r.key), text(&r.value)))
                .collect();
            let expected = [
                r#"{"k":2} {"v":"b"}"#,
                r#"{"k":1} {"v":"x"}"#,
                r#"{"k":2} gone"#,
                r#"{"k":3} gone"#,
                r#"{"k":4} {"v":"d"}"#,
            ];
            assert_eq!(found, expected, "{guarantee}");
        }
    });
}
