//! The sink: what is in Redis when rows have been written.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arrow_array::{ArrayRef, Int8Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use futures::StreamExt;
use weir_connector::changelog;
use weir_tests::wait::{Seen, until};

use crate::{Server, class, table, with_server, writer};

/// Fields of an entry with their values.
type Fields = Vec<(String, Vec<u8>)>;

/// Changes `(kind, k, v)`.
pub(crate) fn rows(changes: &[(&str, i64, Option<&str>)]) -> RecordBatch {
    let kinds = ["+I", "-U", "+U", "-D"];
    let kind = |text: &str| kinds.iter().position(|k| *k == text).expect("a kind") as i8;
    let columns: [(&str, ArrayRef); 3] = [
        ("k", Arc::new(changes.iter().map(|c| c.1).collect::<Int64Array>())),
        (
            "v",
            Arc::new(changes.iter().map(|c| c.2).collect::<StringArray>()),
        ),
        (
            changelog::OP_COLUMN,
            Arc::new(changes.iter().map(|c| kind(c.0)).collect::<Int8Array>()),
        ),
    ];
    RecordBatch::try_from_iter(columns).expect("changes")
}

pub(crate) const COLUMNS: &[(&str, DataType)] = &[("k", DataType::Int64), ("v", DataType::Utf8)];

#[test]
fn values_of_every_type_are_in_each_data_type_as_they_are() {
    with_server(&[], async |server: Arc<Server>| {
        let columns = "k INT NOT NULL, b STRING, c DOUBLE, d DECIMAL(10, 2), e TIMESTAMP(3), f TIMESTAMP_LTZ(3), g DATE, h BOOLEAN, i BYTES, l TIME";
        let to = |name: &str, columns: &str, options: &str| {
            format!(
                "CREATE TABLE {name} ({columns}) WITH ('connector' = 'redis', 'url' = '{}', {options});",
                server.url
            )
        };
        let keyed = format!("{columns}, PRIMARY KEY (k) NOT ENFORCED");
        let sql = format!(
            "{} {} {}
             CREATE VIEW made AS SELECT 7 AS k, 'a \"b\" ü' AS b, 1.5e-3 AS c, 12.30 AS d, TIMESTAMP '2024-02-29 12:34:56.789' AS e,
                 TO_TIMESTAMP_LTZ(1000, 3) AS f, DATE '2024-02-29' AS g, TRUE AS h, x'00ff' AS i, TIME '01:02:03' AS l;
             INSERT INTO hashes SELECT * FROM made; INSERT INTO strings SELECT * FROM made; INSERT INTO entries SELECT * FROM made;",
            to("hashes", &keyed, "'key.prefix' = 'h:'"),
            to("strings", &keyed, "'data-type' = 'string', 'key.prefix' = 's:'"),
            to("entries", columns, "'data-type' = 'stream', 'key' = 'x'"),
        );
        weir_tests::local::run(&sql, Some(1)).await.expect("runs");
        let text: BTreeMap<String, Vec<u8>> = server.run("HGETALL h:7").await;
        assert_eq!(text["i"], b"\x00\xff");
        let mut text: BTreeMap<_, _> = text
            .into_iter()
            .map(|(k, v)| (k, String::from_utf8_lossy(&v).into_owned()))
            .collect();
        text.remove("i");
        let expected = [
            ("b", "a \"b\" ü"),
            ("c", "0.0015"),
            ("d", "12.30"),
            ("e", "2024-02-29 12:34:56.789"),
            ("f", "1970-01-01 00:00:01.000Z"),
            ("g", "2024-02-29"),
            ("h", "true"),
            ("l", "01:02:03"),
        ];
        let expected: BTreeMap<_, _> = expected
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        assert_eq!(text, expected);
        assert_eq!(
            server.run::<String>("GET s:7").await,
            r#"{"b":"a \"b\" ü","c":0.0015,"d":12.30,"e":"2024-02-29 12:34:56.789","f":"1970-01-01 00:00:01.000Z","g":"2024-02-29","h":true,"i":"AP8=","l":"01:02:03"}"#
        );
        let entries: Vec<(String, Fields)> = server.run("XRANGE x - +").await;
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].1.len(), 10);
        assert_eq!(entries[0].1[0], ("k".to_owned(), b"7".to_vec()));
        assert_eq!(entries[0].1[8], ("i".to_owned(), b"\x00\xff".to_vec()));
    });
}

#[test]
fn a_changing_result_leaves_its_last_version_of_each_key() {
    with_server(&[], async |server: Arc<Server>| {
        let sql = format!(
            "CREATE TABLE made (k INT, n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '4000', 'rows-per-second' = '1000000',
                 'fields.k.min' = '0', 'fields.k.max' = '20', 'fields.n.min' = '0', 'fields.n.max' = '9');
             CREATE TABLE sums (k INT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED)
                 WITH ('connector' = 'redis', 'url' = '{}', 'key.prefix' = 'sum:', 'sink.buffer-flush.max-rows' = '7');
             INSERT INTO sums SELECT k, SUM(n) FROM made GROUP BY k;
             CREATE TABLE shown (k INT, n BIGINT) WITH ('connector' = 'print');
             INSERT INTO shown SELECT k, SUM(n) FROM made GROUP BY k;",
            server.url
        );
        let (mut printed, _) = weir_tests::local::run(&sql, Some(2)).await.expect("runs");
        let mut expected =
            weir_tests::changes::materialize(printed.remove("shown").expect("rows")).expect("changes");
        expected.sort_unstable();
        assert_eq!(expected.len(), 21);
        let mut found = Vec::new();
        for key in server.keys().await {
            let k = key.strip_prefix("sum:").expect("the prefix");
            let n: i64 = server.run(&format!("HGET {key} n")).await;
            found.push(format!(r#"{{"k":{k},"n":{n}}}"#));
        }
        found.sort_unstable();
        assert_eq!(found, expected);
    });
}

#[test]
fn rows_that_a_result_takes_back_are_deleted_and_other_fields_stay() {
    with_server(&[], async |server: Arc<Server>| {
        let mut sink = writer(&table(&server, 1, COLUMNS, &[])).await;
        server.run::<()>("HSET 2 other x").await;
        let added = [("+I", 1, Some("a")), ("+I", 2, Some("b")), ("+I", 3, Some("c"))];
        sink.write(rows(&added)).await.expect("writes");
        sink.flush().await.expect("flushes");
        assert_eq!(server.hash("2").await, ["other=x", "v=b"]);
        let changes = [
            ("-U", 1, Some("a")),
            ("+U", 1, None),
            ("-D", 2, Some("b")),
            ("-U", 3, Some("c")),
            ("+U", 4, Some("c")),
        ];
        sink.write(rows(&changes)).await.expect("writes");
        assert_eq!(sink.prepare(1).await.expect("prepares"), Vec::<String>::new());
        assert_eq!(server.keys().await, ["2", "4"]);
        assert_eq!(server.hash("2").await, ["other=x"]);
        assert_eq!(server.hash("4").await, ["v=c"]);
        assert_eq!(sink.finish().await.expect("finishes"), Vec::<String>::new());
    });
}

#[test]
fn a_batch_goes_in_one_round_trip_when_input_pauses_or_there_is_enough() {
    with_server(&[], async |server: Arc<Server>| {
        let options = [("data-type", "string"), ("sink.buffer-flush.max-rows", "3")];
        let mut sink = writer(&table(&server, 1, COLUMNS, &options)).await;
        sink.write(rows(&[("+I", 1, Some("a")), ("+I", 2, Some("b"))]))
            .await
            .expect("writes");
        assert!(server.keys().await.is_empty(), "they wait");
        sink.write(rows(&[("+I", 3, Some("c"))])).await.expect("writes");
        assert_eq!(server.keys().await, ["1", "2", "3"]);
        sink.write(rows(&[("+I", 4, Some("d"))])).await.expect("writes");
        sink.flush().await.expect("flushes");
        assert_eq!(server.run::<String>("GET 4").await, "d");
        let stats: String = server.run("INFO commandstats").await;
        assert!(stats.contains("cmdstat_mset:calls=2,"), "{stats}");
    });
}

#[test]
fn a_column_can_name_the_fields_of_a_hash() {
    with_server(&[], async |server: Arc<Server>| {
        let sql = format!(
            "CREATE TABLE windows (campaign STRING, at STRING, n BIGINT, PRIMARY KEY (campaign, at) NOT ENFORCED)
                 WITH ('connector' = 'redis', 'url' = '{}', 'hash.field-column' = 'at');
             INSERT INTO windows VALUES ('c1', '10', 5), ('c1', '20', 6), ('c2', '10', 7);",
            server.url
        );
        weir_tests::local::run(&sql, Some(1)).await.expect("runs");
        assert_eq!(server.hash("c1").await, ["10=5", "20=6"]);
        assert_eq!(server.hash("c2").await, ["10=7"]);
    });
}

#[test]
fn keys_are_there_for_their_time_from_when_they_were_last_written() {
    with_server(&[], async |server: Arc<Server>| {
        for (data_type, key) in [("hash", "1"), ("string", "2")] {
            let options = [("data-type", data_type), ("ttl", "300 ms")];
            let mut sink = writer(&table(&server, 1, COLUMNS, &options)).await;
            let k = key.parse().expect("a number");
            sink.write(rows(&[("+I", k, Some("a"))])).await.expect("writes");
            sink.flush().await.expect("flushes");
            let left: i64 = server.run(&format!("PTTL {key}")).await;
            assert!((1..=300).contains(&left), "{data_type}: {left}");
            let gone = until("the key to go", Duration::from_secs(5), async || {
                Ok(match server.run::<i64>(&format!("EXISTS {key}")).await {
                    0 => Seen::Done(()),
                    _ => Seen::NotYet("it is there".into()),
                })
            });
            gone.await.expect("it goes");
        }
    });
}

#[test]
fn a_stream_keeps_about_as_many_entries_as_wanted() {
    with_server(
        &["--stream-node-max-entries", "10"],
        async |server: Arc<Server>| {
            let options = [("data-type", "stream"), ("key", "s"), ("stream.max-length", "50")];
            let mut sink = writer(&table(&server, 0, COLUMNS, &options)).await;
            for k in 0..500 {
                let row = rows(&[("+I", k, Some("x"))]);
                sink.write(row.project(&[0, 1]).expect("without kinds"))
                    .await
                    .expect("writes");
            }
            sink.finish().await.expect("finishes");
            let length: i64 = server.run("XLEN s").await;
            assert!((50..70).contains(&length), "{length}");
            let last: Vec<(String, BTreeMap<String, String>)> = server.run("XREVRANGE s + - COUNT 1").await;
            assert_eq!(last[0].1["k"], "499", "the newest are kept");
        },
    );
}

#[test]
fn rows_are_published_as_json() {
    with_server(&[], async |server: Arc<Server>| {
        let client = redis::Client::open(server.url.as_str()).expect("a URL");
        let mut subscriber = client.get_async_pubsub().await.expect("connects");
        subscriber.subscribe("news").await.expect("subscribes");
        let sql = format!(
            "CREATE TABLE news (k INT, tags ARRAY<STRING>) WITH ('connector' = 'redis', 'url' = '{}', 'data-type' = 'pubsub', 'key' = 'news');
             INSERT INTO news VALUES (1, ARRAY['a', 'b']);",
            server.url
        );
        weir_tests::local::run(&sql, Some(1)).await.expect("runs");
        let message = tokio::time::timeout(Duration::from_secs(5), subscriber.on_message().next()).await;
        let payload: String = message
            .expect("in time")
            .expect("a message")
            .get_payload()
            .expect("text");
        assert_eq!(payload, r#"{"k":1,"tags":["a","b"]}"#);
    });
}

#[test]
fn a_key_of_another_type_is_the_users_failure_and_is_named() {
    with_server(&[], async |server: Arc<Server>| {
        server.run::<()>("SET 2 text").await;
        let mut sink = writer(&table(&server, 1, COLUMNS, &[])).await;
        sink.write(rows(&[("+I", 1, Some("a")), ("+I", 2, Some("b"))]))
            .await
            .expect("waits");
        let error = sink.flush().await.expect_err("it holds a string");
        assert_eq!(class(&error), weir_model::FailureClass::User);
        assert!(error.message.contains("key '2': WRONGTYPE"), "{error}");
    });
}
