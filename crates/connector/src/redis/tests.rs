use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};

use super::*;
use crate::{ChangelogMode, options::Options};

fn table(options: &[(&str, &str)], fields: Vec<Field>) -> Table {
    let mut all = Options::from([("url".to_owned(), "redis://ann:secret@localhost:6380/3".to_owned())]);
    all.extend(
        options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    all.retain(|_, value| value != "-");
    Table {
        name: "t".into(),
        connector: "redis".into(),
        options: all,
        schema: Arc::new(Schema::new(fields)),
    }
}

fn id() -> Field {
    origin::key(Field::new("id", DataType::Int64, false))
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

#[test]
fn keyed_data_types_take_changes_and_others_are_appended_to() {
    let mode = |options: &[(&str, &str)]| {
        let sink = Redis.sink(&table(options, vec![id(), text("v")])).expect("valid");
        sink.changelog_mode()
    };
    assert_eq!(mode(&[]), ChangelogMode::All);
    assert_eq!(mode(&[("data-type", "string")]), ChangelogMode::All);
    assert_eq!(
        mode(&[("data-type", "stream"), ("key", "s")]),
        ChangelogMode::Append
    );
    assert_eq!(
        mode(&[("data-type", "pubsub"), ("key", "s")]),
        ChangelogMode::Append
    );
}

#[test]
fn passwords_are_shown_neither_by_debug_nor_in_errors() {
    let sink = Redis
        .sink(&table(&[("password", "secret")], vec![id(), text("v")]))
        .expect("valid");
    assert!(!format!("{sink:?}").contains("secret"), "{sink:?}");
    for url in [
        "http://ann:secret@h",
        "redis://ann:secret@h/x",
        "redis://ann:secret@h:port",
    ] {
        let error = Redis
            .sink(&table(&[("url", url)], vec![id(), text("v")]))
            .expect_err("refused");
        let said = error.to_string();
        assert!(
            !said.contains("secret") && said.contains("write redis://host:6379"),
            "{said}"
        );
    }
}

#[test]
fn wrong_tables_are_refused() {
    let check = |options: &[(&str, &str)], fields: Vec<Field>, expected: &str| {
        let error = Redis
            .sink(&table(options, fields))
            .expect_err("refused")
            .to_string();
        assert!(error.contains(expected), "{error}");
    };
    let plain = || vec![id(), text("v")];
    let stream = ("data-type", "stream");
    check(&[], vec![text("v")], "needs a PRIMARY KEY");
    check(&[], vec![id()], "needs a column beside its PRIMARY KEY");
    check(&[("url", "-")], plain(), "needs the option 'url'");
    check(&[("host", "h")], plain(), "says the same as 'url'");
    check(
        &[("url", "-"), ("host", "h"), ("port", "70000")],
        plain(),
        "is no port",
    );
    check(&[stream], plain(), "needs the option 'key'");
    check(&[stream, ("key", "a;b")], plain(), "names several streams");
    check(
        &[stream, ("key", "s"), ("ttl", "1 s")],
        plain(),
        "is for 'data-type' = 'hash' or 'string'",
    );
    check(
        &[("key", "s")],
        plain(),
        "is for 'data-type' = 'stream' or 'pubsub', and the table's is 'hash'",
    );
    let more = vec![id(), text("v"), text("w")];
    let plain_string = [("data-type", "string"), ("value.format", "plain")];
    check(&plain_string, more, "use 'json'");
    check(
        &[("hash.field-column", "v")],
        plain(),
        "'v' is no column of the PRIMARY KEY",
    );
    check(
        &[("hash.field-column", "id")],
        plain(),
        "needs another column in the PRIMARY KEY",
    );
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    check(
        &[],
        vec![id(), Field::new("l", list, true)],
        "column 'l' is ARRAY",
    );
    check(&[("timeout", "0 s")], plain(), "more than nothing");
}

#[test]
fn what_can_be_read_and_looked_up_is_said() {
    let stream = [("data-type", "stream"), ("key", "s")];
    let source = Redis
        .source(&table(&[], vec![id(), text("v")]))
        .expect_err("refused");
    assert!(source.to_string().contains("FOR SYSTEM_TIME AS OF"), "{source}");
    let lookup = Redis
        .lookup(&table(&stream, vec![text("v")]))
        .expect_err("refused");
    assert!(lookup.to_string().contains("only hashes and strings"), "{lookup}");
    let full = [("lookup.cache", "FULL")];
    let lookup = Redis
        .lookup(&table(&full, vec![id(), text("v")]))
        .expect_err("refused");
    assert!(lookup.to_string().contains("use 'PARTIAL'"), "{lookup}");
    let check = |more: (&str, &str), expected: &str| {
        let options = [stream[0], stream[1], more];
        let error = Redis
            .source(&table(&options, vec![text("v")]))
            .expect_err("refused");
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(("key", "a;a"), "names a stream twice");
    check(("scan.startup.mode", "id"), "'id' needs 'scan.startup.id'");
    check(("scan.startup.id", "5-1"), "needs 'scan.startup.mode' = 'id'");
}
