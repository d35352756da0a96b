use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};

use super::*;
use crate::options::Options;

fn table(options: &[(&str, &str)], fields: Vec<Field>) -> Table {
    let mut all = Options::from([
        ("url".to_owned(), "nats://ann:hunter2@localhost:4223".to_owned()),
        ("format".to_owned(), "json".to_owned()),
    ]);
    all.extend(
        options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    Table {
        name: "t".into(),
        connector: "nats".into(),
        options: all,
        schema: Arc::new(Schema::new(fields)),
    }
}

fn n() -> Field {
    Field::new("n", DataType::Int64, true)
}

#[test]
fn secrets_are_shown_neither_by_debug_nor_in_errors() {
    let subject = ("subject", "s");
    let ways = [
        ("username", "password"),
        ("token", "url"),
        ("nkey", "url"),
        ("credentials", "url"),
    ];
    for (key, other) in ways {
        let options = [
            subject,
            (key, "hunter2"),
            (other, if other == "url" { "localhost" } else { "hunter2" }),
        ];
        let sink = Nats.sink(&table(&options, vec![n()])).expect("valid");
        assert!(!format!("{sink:?}").contains("hunter2"), "{sink:?}");
    }
    let sink = Nats.sink(&table(&[subject], vec![n()])).expect("valid");
    assert!(format!("{sink:?}").contains("localhost:4223") && !format!("{sink:?}").contains("hunter2"));
    for url in [
        "http://ann:hunter2@h",
        "nats://ann:hunter2@",
        "nats://ann:hunter2@h:port",
        "",
    ] {
        let error = Nats
            .sink(&table(&[("url", url), subject], vec![n()]))
            .expect_err("refused")
            .to_string();
        assert!(
            !error.contains("hunter2") && error.contains("write nats://host:4222"),
            "{error}"
        );
    }
}

#[test]
fn wrong_tables_are_refused() {
    let check = |options: &[(&str, &str)], expected: &str| {
        let table = table(options, vec![n()]);
        let refused = match Nats.source(&table) {
            Err(error) => error.to_string(),
            Ok(_) => Nats.sink(&table).expect_err("refused").to_string(),
        };
        assert!(refused.contains(expected), "{refused}");
    };
    let stream = ("stream", "s");
    check(&[], "needs the option 'stream'");
    check(&[stream], "needs the option 'subject'");
    check(&[("stream", "a;a")], "names something twice");
    check(&[("stream", "a.b")], "names of streams have no '.'");
    check(&[stream, ("subject", "a;")], "a name that is empty");
    check(&[stream, ("subject", "a.*")], "rows are written to one");
    check(
        &[stream, ("scan.startup.mode", "timestamp")],
        "needs 'scan.startup.timestamp-millis'",
    );
    check(
        &[stream, ("scan.startup.sequence", "5")],
        "needs 'scan.startup.mode' = 'sequence'",
    );
    check(
        &[
            stream,
            ("scan.startup.mode", "sequence"),
            ("scan.startup.sequence", "0"),
        ],
        "at least 1",
    );
    check(&[stream, ("timeout", "0 s")], "more than nothing");
    check(&[stream, ("username", "ann")], "give both or none");
    check(&[stream, ("token", "t"), ("nkey", "n")], "give one of them");
    check(&[stream, ("tls.key-file", "/k")], "needs 'tls.certificate-file'");
}

#[test]
fn a_column_may_say_the_subject() {
    let said = crate::origin::metadata(Field::new("s", DataType::Utf8, true), "subject", false);
    Nats.sink(&table(&[], vec![n(), said])).expect("valid");
    let read_only = crate::origin::metadata(Field::new("s", DataType::Utf8, true), "subject", true);
    Nats.sink(&table(&[], vec![n(), read_only]))
        .expect_err("nobody says it");
}
