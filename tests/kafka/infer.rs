//! Tables that are inferred of topics, and run as they are.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::json;
use weir_connector::{Table, infer};
use weir_env::SystemClock;
use weir_tests::{kafka::Record, local, registry::Registry};

use crate::{Broker, with_broker};

/// The definition of a table `t` of the topic, and how many messages were looked at.
async fn inferred(broker: &Broker, given: &[(&str, &str)]) -> (String, usize) {
    let bootstrap = broker.kafka().bootstrap();
    let own = [
        ("topic", broker.topic.as_str()),
        ("properties.bootstrap.servers", bootstrap.as_str()),
        ("scan.startup.mode", "earliest-offset"),
        ("scan.bounded.mode", "latest-offset"),
    ];
    let options = own.iter().chain(given);
    let mut options: BTreeMap<_, _> = options
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let table = Table::without_columns("t".into(), "kafka".into(), options.clone());
    let found = infer::infer(&table, Arc::new(SystemClock::new()), 100, Duration::from_secs(30)).await;
    let found = found.expect("a table");
    options.extend(found.options);
    (
        infer::create_table("t", "kafka", &options, &found.columns),
        found.records,
    )
}

async fn rows(ddl: &str) -> Vec<String> {
    let sql = format!("{ddl} CREATE TABLE shown WITH ('connector' = 'print') AS SELECT * FROM t;");
    let (mut printed, _) = local::run(&sql, Some(1)).await.expect("it runs");
    let mut rows = printed.remove("shown").unwrap_or_default();
    rows.sort();
    rows
}

#[test]
fn a_topic_of_objects_is_a_table_of_their_members() {
    with_broker(async |broker| {
        broker
            .kafka()
            .create_topic(&broker.topic, 2, &[])
            .await
            .expect("a topic");
        let records = [
            Record::value(
                0,
                r#"{"id": 1, "at": "2024-01-01 10:00:00.5", "user": {"name": "a"}}"#,
            ),
            Record::value(1, r#"{"id": 2, "user": {"name": "b", "tags": ["x"]}}"#),
        ];
        broker
            .kafka()
            .produce(&broker.topic, &records)
            .await
            .expect("produced");
        let (ddl, looked_at) = inferred(&broker, &[]).await;
        assert_eq!(looked_at, 2);
        assert!(
            ddl.contains("`at` TIMESTAMP(3)") && ddl.contains("'format' = 'json'"),
            "{ddl}"
        );
        let rows = rows(&ddl).await;
        assert_eq!(rows.len(), 2, "{ddl}");
        assert!(rows.iter().any(|row| row.contains(r#""tags":["x"]"#)), "{rows:?}");
    });
}

#[test]
fn a_topic_with_a_schema_in_a_registry_is_a_table_of_its_fields() {
    with_broker(async |broker| {
        let registry = Registry::start().await.expect("a registry");
        let fields = json!([{"name": "id", "type": "int"}, {"name": "note", "type": ["null", "string"]}]);
        let schema = json!({"type": "record", "name": "order", "fields": fields}).to_string();
        let id = registry.add(&format!("{}-value", broker.topic), &schema);
        broker
            .kafka()
            .create_topic(&broker.topic, 1, &[])
            .await
            .expect("a topic");
        let message = vec![
            0,
            0,
            0,
            0,
            u8::try_from(id).expect("a small id"),
            0x02,
            0x02,
            0x02,
            b'a',
        ];
        broker
            .kafka()
            .produce(&broker.topic, &[Record::value(0, message)])
            .await
            .expect("produced");
        let url = registry.url();
        let (ddl, _) = inferred(
            &broker,
            &[("format", "avro-confluent"), ("avro-confluent.url", &url)],
        )
        .await;
        assert!(ddl.contains("`id` INT NOT NULL,\n    `note` STRING\n"), "{ddl}");
        assert_eq!(rows(&ddl).await, [r#"{"id":1,"note":"a"}"#]);
    });
}
