use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};

use super::*;
use crate::{options::Options, origin};

fn table(connector: &str, options: &[(&str, &str)], more: Option<Field>) -> Table {
    let scheme = if connector == "websocket" { "wss" } else { "https" };
    let mut all = Options::from([
        (
            "url".to_owned(),
            format!("{scheme}://ann:hunter2@host/path?key=hunter2"),
        ),
        ("format".to_owned(), "json".to_owned()),
        ("header.Authorization".to_owned(), "Bearer hunter2".to_owned()),
    ]);
    all.extend(
        options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    let n = Field::new("n", DataType::Int64, true);
    Table {
        name: "t".into(),
        connector: connector.into(),
        options: all,
        schema: Arc::new(Schema::new([n].into_iter().chain(more).collect::<Vec<_>>())),
    }
}

#[test]
fn secrets_are_shown_neither_by_debug_nor_in_errors() {
    let said = format!(
        "{:?} {:?} {:?} {:?}",
        Http.sink(&table(
            "http",
            &[("username", "ann"), ("password", "hunter2")],
            None
        ))
        .expect("valid"),
        Http.source(&table("http", &[], None)).expect("valid"),
        Sse.source(&table("sse", &[], None)).expect("valid"),
        WebSocket.source(&table("websocket", &[], None)).expect("valid"),
    );
    assert!(
        said.contains("https://host/path") && !said.contains("hunter2"),
        "{said}"
    );
    for wrong in [
        ("url", "ftp://hunter2"),
        ("header.X", "hunter2\n"),
        ("header.a b", "hunter2"),
    ] {
        let error = Http
            .sink(&table("http", &[wrong], None))
            .expect_err("refused")
            .to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn wrong_tables_are_refused() {
    let check = |options: &[(&str, &str)], more: Option<Field>, expected: &str| {
        let table = table("http", options, more);
        let refused = match Http.source(&table) {
            Err(error) => error.to_string(),
            Ok(_) => Http.sink(&table).expect_err("refused").to_string(),
        };
        assert!(refused.contains(expected), "{refused}");
    };
    check(
        &[("url", "host/path")],
        None,
        "write http://host/path or https://host/path",
    );
    check(&[("password", "x")], None, "needs 'username'");
    check(&[("timeout", "0 s")], None, "more than nothing");
    check(&[("scan.interval", "0 s")], None, "more than nothing");
    check(&[("scan.records-pointer", "data")], None, "it begins with '/'");
    check(
        &[("format", "csv"), ("sink.body", "array")],
        None,
        "'array' is of JSON",
    );
    check(
        &[("sink.idempotency-key-header", "a b")],
        None,
        "is no name of a header",
    );
    check(&[("sink.max-in-flight", "0")], None, "at least 1");
    let key = origin::metadata(Field::new("key", DataType::Utf8, true), "idempotency-key", false);
    check(&[("sink.body", "lines")], Some(key), "'key' does");
    let error = Sse
        .sink(&table("sse", &[], None))
        .expect_err("refused")
        .to_string();
    assert!(error.contains("only reads"), "{error}");
    let wrong = WebSocket
        .source(&table("websocket", &[("url", "https://host")], None))
        .expect_err("refused");
    assert!(
        wrong
            .to_string()
            .contains("write wss://host/path or ws://host/path"),
        "{wrong}"
    );
}
