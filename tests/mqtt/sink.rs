//! The sink: what comes to those who listen when rows have been written.

use std::sync::Arc;

use rumqttc::v5::mqttbytes::QoS;
use weir_tests::{
    connectors::{rows, writer},
    local,
};

use crate::{Broker, table, with_broker};

#[test]
fn rows_come_with_what_columns_say_of_them() {
    with_broker("", async |broker: Arc<Broker>| {
        let mut listener = broker.client("listener", false).await;
        listener.subscribe("#").await;
        let sql = format!(
            "CREATE TABLE messages (n INT, topic STRING METADATA, kept BOOLEAN METADATA FROM 'retained', p MAP<STRING, BYTES> METADATA FROM 'user-properties')
                 WITH ('connector' = 'mqtt', 'url' = '{}', 'format' = 'json');
             INSERT INTO messages VALUES (1, 'a/b', TRUE, MAP['kind', x'6b']);",
            broker.url
        );
        local::run(&sql, Some(1))
            .await
            .unwrap_or_else(|refused| panic!("{refused:?}"));
        let message = listener.message().await;
        assert_eq!(
            (message.topic.as_ref(), message.payload.as_ref()),
            (&b"a/b"[..], &b"{\"n\":1}"[..])
        );
        assert_eq!(message.qos, QoS::AtLeastOnce);
        let properties = message.properties.expect("properties").user_properties;
        assert_eq!(properties, [("kind".to_owned(), "k".to_owned())]);
        let mut later = broker.client("later", false).await;
        later.subscribe("a/#").await;
        assert!(later.message().await.retain);
    });
}

#[test]
fn a_checkpoint_waits_until_all_have_come_at_each_quality() {
    with_broker("max_queued_messages 0", async |broker: Arc<Broker>| {
        let mut listener = broker.client("listener", false).await;
        listener.subscribe("t").await;
        for qos in ["0", "1", "2"] {
            let mut sink = writer(&table(&broker, &[("topic", "t"), ("qos", qos)])).await;
            for batch in 0..5 {
                sink.write(rows("n", batch * 100..(batch + 1) * 100))
                    .await
                    .expect("writes");
            }
            assert!(sink.prepare(1).await.expect("prepares").is_empty());
            assert_eq!(
                listener.numbers(500).await,
                (0..500).collect::<Vec<_>>(),
                "quality {qos}"
            );
            sink.finish().await.expect("finishes");
        }
    });
}

#[test]
fn what_may_not_be_written_fails_at_once() {
    let acl = "allow_anonymous true\nacl_file ";
    let folder = weir_tests::cluster::folder().expect("a folder");
    let path = folder.path().join("acl");
    std::fs::write(&path, "topic readwrite open/#\n").expect("is written");
    with_broker(
        &format!("{acl}{}", path.display()),
        async |broker: Arc<Broker>| {
            let mut open = writer(&table(&broker, &[("topic", "open/t")])).await;
            open.write(rows("n", [1])).await.expect("writes");
            open.flush().await.expect("it may");
            let mut sink = writer(&table(&broker, &[("topic", "closed")])).await;
            sink.write(rows("n", [1])).await.expect("waits");
            let error = sink.flush().await.expect_err("it may not");
            assert_eq!(error.class, weir_model::FailureClass::User, "{error}");
            assert!(error.message.contains("NotAuthorized"), "{error}");
        },
    );
}
