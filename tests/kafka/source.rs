//! The source: from where to where, and what comes of messages.

use weir_connector::OptionError;
use weir_tests::{kafka::Record, local::Refused};

use crate::{Broker, with_broker};

const EARLIEST: (&str, &str) = ("scan.startup.mode", "earliest-offset");
const TO_LATEST: (&str, &str) = ("scan.bounded.mode", "latest-offset");

/// Options, and the numbers that are read with them.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [i64]);

/// A record `{"n": n}` made at that time; 0: now.
fn numbered(partition: i32, n: i64, timestamp_ms: i64) -> Record {
    Record {
        timestamp_ms: Some(timestamp_ms),
        ..Record::value(partition, format!("{{\"n\": {n}}}"))
    }
}

/// Makes the topic with five messages in each of two partitions: 0 to 4 and 10 to 14, at 1 to 5 seconds.
async fn ten_messages(broker: &Broker) {
    let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
    kafka.create_topic(topic, 2, &[]).await.expect("a topic");
    let records: Vec<_> = (0..5)
        .flat_map(|n| {
            [
                numbered(0, n, (n + 1) * 1000),
                numbered(1, 10 + n, (n + 1) * 1000),
            ]
        })
        .collect();
    kafka.produce(topic, &records).await.expect("produced");
}

async fn numbers(broker: &Broker, options: &[(&str, &str)]) -> Vec<i64> {
    let rows = broker.rows("n BIGINT", options).await.expect("it runs");
    let number = |row: &String| {
        let text = row.trim_start_matches("{\"n\":").trim_end_matches('}');
        text.parse().unwrap_or_else(|_| panic!("a number: {row}"))
    };
    let mut numbers: Vec<_> = rows.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn reading_begins_where_the_table_says() {
    with_broker(async |broker| {
        ten_messages(&broker).await;
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.commit("begins", topic, 0, 3).await.expect("committed");
        kafka.commit("begins", topic, 1, 5).await.expect("committed");
        kafka.commit("half", topic, 0, 4).await.expect("committed");
        let all = [0, 1, 2, 3, 4, 10, 11, 12, 13, 14];
        let group = ("scan.startup.mode", "group-offsets");
        let reset = |to| ("properties.auto.offset.reset", to);
        let cases: [Case<'_>; 9] = [
            (&[EARLIEST], &all),
            (&[("scan.startup.mode", "latest-offset")], &[]),
            (&[("properties.group.id", "begins")], &[3, 4]),
            (&[group, ("properties.group.id", "half"), reset("latest")], &[4]),
            (
                &[group, ("properties.group.id", "half"), reset("earliest")],
                &[4, 10, 11, 12, 13, 14],
            ),
            (&[reset("earliest")], &all),
            (
                &[
                    ("scan.startup.mode", "timestamp"),
                    ("scan.startup.timestamp-millis", "2500"),
                ],
                &[2, 3, 4, 12, 13, 14],
            ),
            (
                &[
                    ("scan.startup.mode", "timestamp"),
                    ("scan.startup.timestamp-millis", "9000"),
                ],
                &[],
            ),
            (
                &[
                    ("scan.startup.mode", "specific-offsets"),
                    ("scan.startup.specific-offsets", "partition:0,offset:4"),
                ],
                &[4, 10, 11, 12, 13, 14],
            ),
        ];
        for (options, expected) in cases {
            let found = numbers(&broker, &[options, &[TO_LATEST]].concat()).await;
            assert_eq!(found, expected, "{options:?}");
        }
        let missing = broker
            .rows("n BIGINT", &[group, ("properties.group.id", "half"), TO_LATEST])
            .await;
        let said = format!("{:?}", missing.expect_err("partition 1 has no offset"));
        assert!(
            said.contains("group 'half' has committed no offset of partition 1"),
            "{said}"
        );
    });
}

#[test]
fn reading_ends_where_the_table_says() {
    with_broker(async |broker| {
        ten_messages(&broker).await;
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.commit("ends", topic, 0, 2).await.expect("committed");
        kafka.commit("ends", topic, 1, 0).await.expect("committed");
        let cases: [Case<'_>; 4] = [
            (
                &[
                    ("scan.bounded.mode", "group-offsets"),
                    ("properties.group.id", "ends"),
                ],
                &[0, 1],
            ),
            (
                &[
                    ("scan.bounded.mode", "timestamp"),
                    ("scan.bounded.timestamp-millis", "1001"),
                ],
                &[0, 10],
            ),
            (
                &[
                    ("scan.bounded.mode", "timestamp"),
                    ("scan.bounded.timestamp-millis", "0"),
                ],
                &[],
            ),
            (
                &[
                    ("scan.bounded.mode", "specific-offsets"),
                    ("scan.bounded.specific-offsets", "partition:1,offset:3"),
                ],
                &[10, 11, 12],
            ),
        ];
        for (options, expected) in cases {
            let found = numbers(&broker, &[options, &[EARLIEST]].concat()).await;
            assert_eq!(found, expected, "{options:?}");
        }
    });
}

#[test]
fn a_bounded_read_ends_behind_markers_of_transactions_and_deleted_messages() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 3, &[]).await.expect("a topic");
        let transactions = kafka.transactions(topic).await.expect("a producer");
        let records = [numbered(0, 1, 0), numbered(0, 2, 0)];
        transactions.begin(topic, &records).expect("written");
        transactions.commit().expect("committed");
        transactions.begin(topic, &[numbered(0, 3, 0)]).expect("written");
        transactions.abort().expect("aborted");
        // Nothing but what was taken back.
        transactions.begin(topic, &[numbered(1, 4, 0)]).expect("written");
        transactions.abort().expect("aborted");
        kafka
            .produce(topic, &[numbered(2, 5, 0), numbered(2, 6, 0)])
            .await
            .expect("produced");
        kafka.delete_before(topic, 2, 2).await.expect("deleted");
        assert_eq!(numbers(&broker, &[EARLIEST, TO_LATEST]).await, [1, 2]);
        let uncommitted = ("properties.isolation.level", "read_uncommitted");
        assert_eq!(
            numbers(&broker, &[EARLIEST, TO_LATEST, uncommitted]).await,
            [1, 2, 3, 4]
        );
        // An open transaction hides what is behind it, also what is not its own.
        transactions.begin(topic, &[numbered(0, 7, 0)]).expect("written");
        kafka
            .produce(topic, &[numbered(0, 8, 0)])
            .await
            .expect("produced");
        assert_eq!(numbers(&broker, &[EARLIEST, TO_LATEST]).await, [1, 2]);
        transactions.commit().expect("committed");
        assert_eq!(numbers(&broker, &[EARLIEST, TO_LATEST]).await, [1, 2, 7, 8]);
    });
}

#[test]
fn several_topics_are_read_by_name_or_by_pattern() {
    with_broker(async |broker| {
        let kafka = broker.kafka();
        let (a, b) = (format!("{}-a", broker.topic), format!("{}-b", broker.topic));
        for (topic, n) in [(&a, 1), (&b, 2)] {
            kafka.create_topic(topic, 1, &[]).await.expect("a topic");
            kafka
                .produce(topic, &[numbered(0, n, 0)])
                .await
                .expect("produced");
        }
        let both = format!("{b}; {a}");
        let pattern = format!("{}-[a-z]", broker.topic);
        let none = [EARLIEST, TO_LATEST];
        for (option, topics) in [("topic", &both), ("topic-pattern", &pattern)] {
            let options = [&[(option, topics.as_str())], &none[..]].concat();
            let rows = broker
                .rows("n BIGINT, t STRING METADATA FROM 'topic'", &options)
                .await
                .expect("it runs");
            let mut rows: Vec<_> = rows
                .iter()
                .map(|row| row.replace(broker.topic.as_str(), "T"))
                .collect();
            rows.sort_unstable();
            assert_eq!(rows, [r#"{"n":1,"t":"T-a"}"#, r#"{"n":2,"t":"T-b"}"#], "{option}");
        }
    });
}

#[test]
fn rows_have_what_kafka_says_of_messages() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 2, &[]).await.expect("a topic");
        let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let with_headers = Record {
            headers: vec![header("a", "1"), header("b", "2"), header("a", "3")],
            ..numbered(1, 8, 2000)
        };
        let records = [numbered(1, 7, 1000), with_headers];
        kafka.produce(topic, &records).await.expect("produced");
        let columns = "`timestamp` TIMESTAMP_LTZ(3) METADATA, n BIGINT, p BIGINT METADATA FROM 'partition', `partition` INT METADATA,
             `offset` BIGINT METADATA, kind STRING METADATA FROM 'timestamp-type', epoch INT METADATA FROM 'leader-epoch',
             headers MAP<STRING, BYTES> METADATA";
        let query = "SELECT `timestamp`, n, p, `partition`, `offset`, kind, epoch, CAST(headers['a'] AS STRING) AS a, CARDINALITY(headers) AS h FROM t";
        let rows = broker
            .query(columns, &[EARLIEST, TO_LATEST], query)
            .await
            .expect("it runs");
        assert_eq!(
            rows,
            [
                r#"{"timestamp":"1970-01-01 00:00:01.000Z","n":7,"p":1,"partition":1,"offset":0,"kind":"CreateTime","epoch":0,"a":null,"h":0}"#,
                r#"{"timestamp":"1970-01-01 00:00:02.000Z","n":8,"p":1,"partition":1,"offset":1,"kind":"CreateTime","epoch":0,"a":"3","h":2}"#,
            ]
        );
        // Of the value nothing is read.
        let rows = broker
            .query(columns, &[EARLIEST, TO_LATEST], "SELECT `offset` FROM t")
            .await
            .expect("it runs");
        assert_eq!(rows, [r#"{"offset":0}"#, r#"{"offset":1}"#]);
    });
}

#[test]
fn columns_come_from_the_key_and_from_the_value() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 1, &[]).await.expect("a topic");
        let keyed = |key: Option<&str>, value: &str| Record {
            key: key.map(|key| key.as_bytes().to_vec()),
            ..Record::value(0, value)
        };
        let records = [
            keyed(Some(r#"{"id": 1, "more": 5}"#), r#"{"id": 11, "v": "a"}"#),
            keyed(None, r#"{"id": 12, "v": "b"}"#),
        ];
        kafka.produce(topic, &records).await.expect("produced");
        let options = [
            EARLIEST,
            TO_LATEST,
            ("key.format", "json"),
            ("key.fields", "k_id"),
            ("key.fields-prefix", "k_"),
            ("value.fields-include", "EXCEPT_KEY"),
        ];
        let rows = broker
            .rows("k_id BIGINT, id BIGINT, v STRING", &options)
            .await
            .expect("it runs");
        assert_eq!(
            rows,
            [
                r#"{"k_id":1,"id":11,"v":"a"}"#,
                r#"{"k_id":null,"id":12,"v":"b"}"#
            ]
        );
        let rows = broker
            .query("k_id BIGINT, id BIGINT, v STRING", &options, "SELECT k_id FROM t")
            .await
            .expect("it runs");
        assert_eq!(rows, [r#"{"k_id":1}"#, r#"{"k_id":null}"#]);
        // What is in both is what the value says.
        let options = [EARLIEST, TO_LATEST, ("key.format", "json"), ("key.fields", "id")];
        let rows = broker
            .rows("id BIGINT, v STRING", &options)
            .await
            .expect("it runs");
        assert_eq!(rows, [r#"{"id":11,"v":"a"}"#, r#"{"id":12,"v":"b"}"#]);
    });
}

#[test]
fn a_bad_message_fails_the_job_with_its_place_or_is_skipped_and_counted() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 1, &[]).await.expect("a topic");
        let tombstone = Record {
            partition: Some(0),
            key: Some(b"k".to_vec()),
            ..Record::default()
        };
        let records = [
            numbered(0, 1, 0),
            tombstone,
            Record::value(0, "{bad"),
            numbered(0, 2, 0),
        ];
        kafka.produce(topic, &records).await.expect("produced");
        let failed = broker.rows("n BIGINT", &[EARLIEST, TO_LATEST]).await;
        let Err(Refused::Running(failure)) = failed else {
            panic!("it fails: {failed:?}");
        };
        let place = format!("{topic}/0@2");
        assert_eq!(failure.place.as_deref(), Some(place.as_str()), "{failure:?}");
        assert_eq!(failure.class, weir_model::FailureClass::User);
        let ignore = ("json.ignore-parse-errors", "true");
        let (rows, skipped) = broker
            .run("n BIGINT", &[EARLIEST, TO_LATEST, ignore], "SELECT * FROM t")
            .await
            .expect("it runs");
        assert_eq!(rows, [r#"{"n":1}"#, r#"{"n":2}"#]);
        assert_eq!(skipped, 2);
    });
}

#[test]
fn what_is_not_there_is_said_when_a_job_is_submitted() {
    with_broker(async |broker| {
        broker
            .kafka()
            .create_topic(&broker.topic, 1, &[])
            .await
            .expect("a topic");
        let check = async |options: &[(&str, &str)], expected: &[&str]| {
            let factory = broker.factory(&[options, &[EARLIEST]].concat());
            let error = factory.check().await.expect_err("it is not there");
            assert!(matches!(error, OptionError::Unavailable { .. }), "{error:?}");
            let said = error.to_string();
            assert!(expected.iter().all(|part| said.contains(part)), "{said}");
        };
        broker.factory(&[EARLIEST]).check().await.expect("it is there");
        let near = format!("{}x", broker.topic);
        let meant = format!("did you mean '{}'", broker.topic);
        check(&[("topic", &near)], &[&near, &broker.kafka().bootstrap(), &meant]).await;
        check(
            &[
                ("topic-pattern", "nothing-.*"),
                ("scan.topic-partition-discovery.interval", "0 s"),
            ],
            &["no topic", "topic-pattern"],
        )
        .await;
        let nobody = format!("127.0.0.1:{}", weir_tests::cluster::free_port().expect("a port"));
        check(
            &[("properties.bootstrap.servers", &nobody)],
            &[&nobody, "Connection refused"],
        )
        .await;
    });
}

#[test]
fn a_topic_of_upserts_says_what_is_there_of_each_key() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 2, &[]).await.expect("a topic");
        let upsert = |id: i64, value: Option<&str>| Record {
            partition: Some((id % 2) as i32),
            key: Some(format!("{{\"id\": {id}}}").into_bytes()),
            value: value.map(|v| format!("{{\"id\": {id}, \"v\": \"{v}\"}}").into_bytes()),
            ..Record::default()
        };
        let records = [
            upsert(1, Some("a")),
            upsert(2, Some("b")),
            upsert(3, None),
            upsert(1, Some("c")),
            upsert(2, None),
            upsert(4, Some("d")),
            upsert(4, None),
            upsert(4, Some("e")),
        ];
        kafka.produce(topic, &records).await.expect("produced");
        let sql = format!(
            "CREATE TABLE t (v STRING NOT NULL, id BIGINT, `offset` BIGINT METADATA VIRTUAL, PRIMARY KEY (id) NOT ENFORCED) WITH (
                 'connector' = 'upsert-kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{}', 'key.format' = 'json',
                 'value.format' = 'json', 'scan.bounded.mode' = 'latest-offset');
             CREATE TABLE rows_of (id BIGINT, v STRING) WITH ('connector' = 'print');
             INSERT INTO rows_of SELECT id, v FROM t;
             CREATE TABLE counted (v STRING, n BIGINT) WITH ('connector' = 'print');
             INSERT INTO counted SELECT v, COUNT(*) FROM t GROUP BY v;",
            kafka.bootstrap()
        );
        let (mut printed, stats) = weir_tests::local::run(&sql, Some(2)).await.expect("it runs");
        let mut left = |table: &str| {
            let changes = printed.remove(table).expect("rows");
            let rows = weir_tests::changes::materialize(changes).expect("changes");
            let mut rows: Vec<_> = rows.into_iter().collect();
            rows.sort_unstable();
            rows
        };
        assert_eq!(left("rows_of"), [r#"{"id":1,"v":"c"}"#, r#"{"id":4,"v":"e"}"#]);
        assert_eq!(left("counted"), [r#"{"v":"c","n":1}"#, r#"{"v":"e","n":1}"#]);
        let skipped: u64 = stats.sources.iter().map(|source| source.skipped_records).sum();
        assert_eq!(skipped, 0, "a message without value says something");
    });
}

#[test]
fn changes_of_another_database_are_read_with_what_kafka_says_of_them() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 1, &[]).await.expect("a topic");
        let change = |before: &str, after: &str, op: &str| {
            Record::value(
                0,
                format!(r#"{{"before": {before}, "after": {after}, "op": "{op}"}}"#),
            )
        };
        let records = [
            change("null", r#"{"id": 1, "v": "a"}"#, "c"),
            change("null", r#"{"id": 2, "v": "b"}"#, "c"),
            change(r#"{"id": 1, "v": "a"}"#, r#"{"id": 1, "v": "c"}"#, "u"),
            change(r#"{"id": 2, "v": "b"}"#, "null", "d"),
            // As Debezium puts behind a delete.
            Record {
                partition: Some(0),
                key: Some(b"2".to_vec()),
                ..Record::default()
            },
        ];
        kafka.produce(topic, &records).await.expect("produced");
        let options = [EARLIEST, TO_LATEST, ("format", "debezium-json")];
        let columns = "id BIGINT, v STRING, o BIGINT METADATA FROM 'offset'";
        let (rows, skipped) = broker
            .run(columns, &options, "SELECT * FROM t")
            .await
            .expect("it runs");
        assert_eq!(skipped, 0);
        assert_eq!(
            rows,
            [
                r#"{"$op":"+I","id":1,"v":"a","o":0}"#,
                r#"{"$op":"+I","id":2,"v":"b","o":1}"#,
                r#"{"$op":"-U","id":1,"v":"a","o":2}"#,
                r#"{"$op":"+U","id":1,"v":"c","o":2}"#,
                r#"{"$op":"-D","id":2,"v":"b","o":3}"#,
            ]
        );
    });
}
