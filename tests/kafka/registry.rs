//! Messages of Avro that name their schemas in a registry.

use serde_json::{Value, json};
use weir_tests::{
    kafka::Record,
    local::{self, Refused},
    registry::Registry,
};

use crate::{Broker, with_broker};

const BOUNDED: [(&str, &str); 2] = [
    ("scan.startup.mode", "earliest-offset"),
    ("scan.bounded.mode", "latest-offset"),
];

/// A message: the schema's id, and the record.
fn named(id: usize, record: &[u8]) -> Vec<u8> {
    let id = u32::try_from(id).expect("an id").to_be_bytes();
    [&[0], &id[..], record].concat()
}

fn schema(fields: &[Value]) -> String {
    json!({"type": "record", "name": "order", "namespace": "shop", "fields": fields}).to_string()
}

async fn rows(
    broker: &Broker,
    registry: &Registry,
    columns: &str,
    more: &[(&str, &str)],
) -> Result<(Vec<String>, u64), Refused> {
    let url = registry.url();
    let own = [("format", "avro-confluent"), ("avro-confluent.url", url.as_str())];
    let options: Vec<_> = BOUNDED.iter().chain(&own).chain(more).copied().collect();
    let (mut rows, skipped) = broker.run(columns, &options, "SELECT * FROM t").await?;
    rows.sort();
    Ok((rows, skipped))
}

/// Two schemas of orders, the second with more, and messages of both in two partitions.
async fn orders(broker: &Broker, registry: &Registry) {
    let id = json!({"name": "id", "type": "int"});
    let first = registry.add(
        "orders-value",
        &schema(&[id.clone(), json!({"name": "note", "type": "string"})]),
    );
    let total = json!({"name": "total", "type": ["double", "null"]});
    let second = registry.add("orders-value", &schema(&[total, id]));
    broker
        .kafka()
        .create_topic(&broker.topic, 2, &[])
        .await
        .expect("a topic");
    let half = [&[0x00][..], &0.5_f64.to_le_bytes(), &[0x04]].concat();
    let records = [
        Record::value(0, named(first, &[0x02, 0x02, b'a'])),
        Record::value(0, named(second, &half)),
        Record::value(0, named(first, &[0x06, 0x02, b'c'])),
        Record::value(1, named(second, &[0x02, 0x08])),
    ];
    broker
        .kafka()
        .produce(&broker.topic, &records)
        .await
        .expect("produced");
}

const COLUMNS: &str = "id BIGINT NOT NULL, total DOUBLE, note STRING";
const ROWS: [&str; 4] = [
    r#"{"id":1,"total":null,"note":"a"}"#,
    r#"{"id":2,"total":0.5,"note":null}"#,
    r#"{"id":3,"total":null,"note":"c"}"#,
    r#"{"id":4,"total":null,"note":null}"#,
];

#[test]
fn each_message_is_read_by_the_schema_that_it_names() {
    with_broker(async |broker| {
        let registry = Registry::start().await.expect("a registry");
        orders(&broker, &registry).await;
        let (read, _) = rows(&broker, &registry, COLUMNS, &[]).await.expect("rows");
        assert_eq!(read, ROWS);
    });
}

#[test]
fn a_registry_that_fails_for_a_while_is_waited_for() {
    with_broker(async |broker| {
        let registry = Registry::start().await.expect("a registry");
        orders(&broker, &registry).await;
        registry.kept().failing = 3;
        let (read, _) = rows(&broker, &registry, COLUMNS, &[]).await.expect("rows");
        assert_eq!(read, ROWS);
        let kept = registry.kept();
        assert_eq!((kept.failing, kept.failed), (0, 3), "it did fail");
        // Each reader asks for each schema once, and for those that failed again.
        assert!(kept.requests <= 2 * 2 + 3 + 2, "{} requests", kept.requests);
    });
}

#[test]
fn a_schema_that_is_missing_or_does_not_fit_is_said_at_its_message_or_skipped() {
    with_broker(async |broker| {
        let registry = Registry::start().await.expect("a registry");
        orders(&broker, &registry).await;
        let other = registry.add("other", &schema(&[json!({"name": "id", "type": "string"})]));
        let records = [
            Record::value(0, named(99, &[0x02])),
            Record::value(0, named(other, &[0x02, b'x'])),
            Record::value(0, b"{\"id\": 7}".to_vec()),
        ];
        broker
            .kafka()
            .produce(&broker.topic, &records)
            .await
            .expect("produced");
        let skip = [("avro-confluent.ignore-parse-errors", "true")];
        let (read, skipped) = rows(&broker, &registry, COLUMNS, &skip).await.expect("rows");
        assert_eq!((read, skipped), (ROWS.map(str::to_owned).to_vec(), 3));
        let Err(Refused::Running(failure)) = rows(&broker, &registry, COLUMNS, &[]).await else {
            panic!("the schema is not there");
        };
        assert!(
            failure.message.contains("schemas/ids/99: Schema not found"),
            "{}",
            failure.message
        );
        assert_eq!(failure.place, Some(format!("{}/0@3", broker.topic)));
    });
}

#[test]
fn rows_that_are_written_register_their_schema_and_are_read_back() {
    with_broker(async |broker| {
        let registry = Registry::start().await.expect("a registry");
        registry.kept().login = Some("Basic dTpwOnc=".into());
        broker
            .kafka()
            .create_topic(&broker.topic, 1, &[])
            .await
            .expect("a topic");
        let url = registry.url();
        let options = [
            ("key.format", "avro-confluent"),
            ("key.fields", "k"),
            ("key.avro-confluent.url", url.as_str()),
            ("key.avro-confluent.basic-auth.credentials-source", "USER_INFO"),
            ("key.avro-confluent.basic-auth.user-info", "u:p:w"),
            ("key.avro-confluent.subject", "keys/of it"),
            ("value.format", "avro-confluent"),
            ("value.fields-include", "EXCEPT_KEY"),
            ("value.avro-confluent.url", url.as_str()),
            ("value.avro-confluent.basic-auth.credentials-source", "USER_INFO"),
            ("value.avro-confluent.basic-auth.user-info", "u:p:w"),
        ];
        let with = broker
            .options(&options)
            .into_iter()
            .filter(|(key, _)| key != "format");
        let with = with.chain(BOUNDED.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let with = with.map(|(key, value)| format!(", '{key}' = '{value}'"));
        let with = with.collect::<String>();
        let table = format!(
            "CREATE TABLE t (k STRING NOT NULL, v DECIMAL(10, 2), at TIMESTAMP(3), tags ARRAY<STRING>) WITH ('connector' = 'kafka'{with});"
        );
        let values =
            "('a', 1.50, TIMESTAMP '2024-01-01 10:00:00.123', ARRAY['x', 'y']), ('b', -0.01, NULL, NULL)";
        let insert = format!(
            "{table} INSERT INTO t SELECT k, CAST(v AS DECIMAL(10, 2)), at, tags FROM (VALUES {values}) AS s (k, v, at, tags);"
        );
        local::run(&insert, Some(1)).await.expect("it is written");
        {
            let kept = registry.kept();
            let subjects: Vec<_> = kept.subjects.keys().cloned().collect();
            assert_eq!(
                subjects,
                ["keys/of it".to_owned(), format!("{}-value", broker.topic)]
            );
            let id = kept.subjects[&format!("{}-value", broker.topic)][0];
            let text = kept.schemas[id - 1]["schema"].as_str().expect("text");
            let value: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(value["fields"][0]["name"], "v");
        }
        let read = format!("{table} CREATE TABLE shown WITH ('connector' = 'print') AS SELECT * FROM t;");
        let (mut printed, _) = local::run(&read, Some(1)).await.expect("it is read");
        let mut rows = printed.remove("shown").unwrap_or_default();
        rows.sort();
        assert_eq!(
            rows,
            [
                r#"{"k":"a","v":1.50,"at":"2024-01-01 10:00:00.123","tags":["x","y"]}"#,
                r#"{"k":"b","v":-0.01,"at":null,"tags":null}"#
            ]
        );
        registry.kept().login = Some("Basic other".into());
        let Err(Refused::Planning(problem)) = local::run(&read, Some(1)).await else {
            panic!("the login is refused");
        };
        assert!(
            problem.detail.contains("refuses the login: Unauthorized"),
            "{}",
            problem.detail
        );
    });
}
