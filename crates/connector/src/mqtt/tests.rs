use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};

use super::*;
use crate::options::Options;

fn table(options: &[(&str, &str)]) -> Table {
    let mut all = Options::from([
        ("url".to_owned(), "mqtt://localhost".to_owned()),
        ("username".to_owned(), "ann".to_owned()),
        ("password".to_owned(), "hunter2".to_owned()),
        ("format".to_owned(), "json".to_owned()),
    ]);
    all.extend(
        options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    Table {
        name: "t".into(),
        connector: "mqtt".into(),
        options: all,
        schema: Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)])),
    }
}

#[test]
fn secrets_are_shown_neither_by_debug_nor_in_errors() {
    let topic = ("topic", "t");
    let said = format!(
        "{:?} {:?}",
        Mqtt.sink(&table(&[topic])).expect("valid"),
        Mqtt.source(&table(&[topic])).expect("valid")
    );
    assert!(
        said.contains("localhost:1883") && !said.contains("hunter2"),
        "{said}"
    );
    for url in ["mqtt://ann:hunter2@h", "hunter2", "mqtt://h:hunter2"] {
        let error = Mqtt
            .sink(&table(&[topic, ("url", url)]))
            .expect_err("refused")
            .to_string();
        assert!(!error.contains("hunter2") && error.contains("'url'"), "{error}");
    }
}

#[test]
fn wrong_tables_are_refused() {
    let check = |options: &[(&str, &str)], expected: &str| {
        let table = table(options);
        let refused = match Mqtt.source(&table) {
            Err(error) => error.to_string(),
            Ok(_) => Mqtt.sink(&table).expect_err("refused").to_string(),
        };
        assert!(refused.contains(expected), "{refused}");
    };
    let topic = ("topic", "t");
    check(&[], "needs the option 'topic'");
    check(&[("topic", "a;b+")], "'b+' is no topic");
    check(&[("topic", "a/#")], "rows are written to one");
    check(&[("topic", "a;b")], "rows are written to one");
    check(&[topic, ("qos", "2")], "'2' is for writing alone");
    check(&[topic, ("qos", "3")], "is not one of '0', '1', '2'");
    check(&[topic, ("scan.shared-group", "a/b")], "is no name");
    check(&[topic, ("scan.max-in-flight", "0")], "at least 1");
    check(&[topic, ("tls.ca-file", "/ca.pem")], "is for TLS");
    check(
        &[topic, ("url", "mqtts://h"), ("tls.key-file", "/k")],
        "needs 'tls.certificate-file'",
    );
    check(&[topic, ("timeout", "0 s")], "more than nothing");
    Mqtt.sink(&table(&[topic, ("qos", "2")]))
        .expect("each once to the broker");
}
