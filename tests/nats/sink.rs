//! The sink: what is stored when rows have been written.

use std::sync::Arc;

use serde_json::json;
use weir_tests::{
    connectors::{rows, writer},
    local,
};

use crate::{Server, table, with_server};

const SUBJECT: (&str, &str) = ("subject", "s");

#[test]
fn rows_are_stored_with_what_columns_say_of_them() {
    with_server(&[], async |server: Arc<Server>| {
        server.stream("s", &["s", "other.*"], json!({})).await;
        let options = format!(
            "WITH ('connector' = 'nats', 'url' = '{}', 'subject' = 's', 'format' = 'json')",
            server.url
        );
        let sql = format!(
            "CREATE TABLE plain (n INT, t STRING) {options};
             CREATE TABLE messages (
                 n INT, t STRING, subject STRING METADATA, id STRING METADATA FROM 'message-id', headers MAP<STRING, BYTES> METADATA) {options};
             INSERT INTO plain VALUES (1, 'a');
             INSERT INTO messages VALUES (2, 'b', 'other.x', 'two', MAP['kind', x'6b']);"
        );
        for stored in [2, 3] {
            local::run(&sql, Some(1))
                .await
                .unwrap_or_else(|refused| panic!("{refused:?}"));
            let messages = server.stored("s").await;
            // The id of the one is new each time, that of the other is known.
            assert_eq!(messages.len(), stored);
        }
        let messages = server.stored("s").await;
        let of = |subject: &str| {
            messages
                .iter()
                .find(|message| message.subject == subject)
                .expect("is stored")
        };
        let (plain, said) = (of("s"), of("other.x"));
        assert_eq!(plain.data, r#"{"n":1,"t":"a"}"#);
        assert_eq!(said.data, r#"{"n":2,"t":"b"}"#);
        assert!(plain.headers.contains("Nats-Msg-Id: "), "{}", plain.headers);
        assert!(said.headers.contains("Nats-Msg-Id: two\r\n"), "{}", said.headers);
        assert!(said.headers.contains("kind: k\r\n"), "{}", said.headers);
    });
}

#[test]
fn a_checkpoint_waits_until_all_is_stored() {
    with_server(&[], async |server: Arc<Server>| {
        server.stream("s", &["s"], json!({})).await;
        let mut sink = writer(&table(&server, &[SUBJECT, ("sink.max-in-flight", "50")])).await;
        for batch in 0..10 {
            sink.write(rows("n", batch * 100..(batch + 1) * 100))
                .await
                .expect("writes");
        }
        assert!(sink.prepare(1).await.expect("prepares").is_empty());
        assert_eq!(server.numbers("s").await, (0..1000).collect::<Vec<_>>());
        sink.finish().await.expect("finishes");
    });
}

#[test]
fn what_no_other_try_mends_fails_at_once() {
    with_server(&["--config", "/dev/null"], async |server: Arc<Server>| {
        server.stream("s", &["s"], json!({ "max_msg_size": 5 })).await;
        let mut sink = writer(&table(&server, &[SUBJECT])).await;
        sink.write(rows("n", [123_456])).await.expect("waits");
        let error = sink.flush().await.expect_err("it is too long");
        assert_eq!(error.class, weir_model::FailureClass::User, "{error}");
        assert!(
            error.message.contains("message size exceeds maximum allowed"),
            "{error}"
        );
    });
}
