//! Messages that are no text: Protobuf in the value, raw bytes in the key.

use weir_tests::{local, repository};

use crate::with_broker;

#[test]
fn messages_of_protobuf_with_raw_keys_are_written_and_read_back() {
    with_broker(async |broker| {
        broker
            .kafka()
            .create_topic(&broker.topic, 1, &[])
            .await
            .expect("a topic");
        let descriptor = repository::root().join("tests/sql/protobuf/descriptors.binpb");
        let descriptor = descriptor.display().to_string();
        let options = [
            ("key.format", "raw"),
            ("key.fields", "i64"),
            ("key.raw.endianness", "little-endian"),
            ("value.format", "protobuf"),
            ("value.fields-include", "EXCEPT_KEY"),
            ("value.protobuf.message-name", "test.All"),
            ("value.protobuf.descriptor-file", descriptor.as_str()),
            ("scan.startup.mode", "earliest-offset"),
            ("scan.bounded.mode", "latest-offset"),
        ];
        let options = broker
            .options(&options)
            .into_iter()
            .filter(|(key, _)| key != "format");
        let options = options.map(|(key, value)| format!(", '{key}' = '{value}'"));
        let options = options.collect::<String>();
        let table = format!(
            "CREATE TABLE t (i64 BIGINT, text STRING, color STRING, numbers ARRAY<INT>, counts MAP<STRING, BIGINT>) \
             WITH ('connector' = 'kafka'{options});"
        );
        let insert = format!(
            "{table} INSERT INTO t SELECT n, s, c, ARRAY[1, 2], MAP['k', n] FROM (VALUES (CAST(1 AS BIGINT), 'a', 'BLUE'), (258, '', 'RED')) AS v (n, s, c);"
        );
        local::run(&insert, Some(1)).await.expect("it is written");
        let records = broker
            .kafka()
            .read_committed(&broker.topic)
            .await
            .expect("records");
        let keys: Vec<_> = records.iter().filter_map(|record| record.key.clone()).collect();
        assert_eq!(keys, [[1, 0, 0, 0, 0, 0, 0, 0], [2, 1, 0, 0, 0, 0, 0, 0]]);
        let read = format!("{table} CREATE TABLE shown WITH ('connector' = 'print') AS SELECT * FROM t;");
        let (mut printed, _) = local::run(&read, Some(1)).await.expect("it is read");
        let mut rows = printed.remove("shown").unwrap_or_default();
        rows.sort();
        assert_eq!(
            rows,
            [
                r#"{"i64":1,"text":"a","color":"BLUE","numbers":[1,2],"counts":{"k":1}}"#,
                r#"{"i64":258,"text":"","color":"RED","numbers":[1,2],"counts":{"k":258}}"#
            ]
        );
    });
}
