use std::sync::Arc;

use arrow_schema::Schema;

use super::*;
use crate::ChangelogMode;

fn table(options: &[(&str, &str)], fields: Vec<Field>) -> Table {
    let mut all: crate::options::Options = [
        ("url".to_owned(), "jdbc:postgresql://localhost/shop".to_owned()),
        ("table-name".to_owned(), "sales.orders".to_owned()),
    ]
    .into();
    all.extend(
        options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    Table {
        name: "t".into(),
        connector: "jdbc".into(),
        options: all,
        schema: Arc::new(Schema::new(fields)),
    }
}

fn id() -> Field {
    Field::new("id", DataType::Int64, false)
}

#[test]
fn a_table_with_a_key_takes_changes_and_one_without_is_appended_to() {
    let mode = |field| {
        Jdbc.sink(&table(&[], vec![field]))
            .expect("valid")
            .changelog_mode()
    };
    assert_eq!(mode(id()), ChangelogMode::Append);
    assert_eq!(mode(origin::key(id())), ChangelogMode::All);
}

#[test]
fn passwords_are_not_shown() {
    let sink = Jdbc
        .sink(&table(&[("password", "secret")], vec![id()]))
        .expect("valid");
    assert!(!format!("{sink:?}").contains("secret"), "{sink:?}");
}

#[test]
fn wrong_tables_are_refused() {
    let check = |options: &[(&str, &str)], field: Field, expected: &str| {
        let error = Jdbc.sink(&table(options, vec![field])).expect_err("refused");
        assert_eq!(error.to_string(), expected);
    };
    check(
        &[("url", "jdbc:oracle:x")],
        id(),
        "option 'url': databases of kind 'oracle' are not supported, only 'postgresql'",
    );
    check(
        &[("table-name", "a.b.c")],
        id(),
        "option 'table-name': 'a.b.c' is neither 'table' nor 'schema.table'",
    );
    check(
        &[("sink.buffer-flush.max-rows", "0")],
        id(),
        "option 'sink.buffer-flush.max-rows': 0 is too small: it must be at least 1",
    );
    let bytes = Arc::new(Field::new("item", DataType::Binary, true));
    check(
        &[],
        Field::new("all", DataType::List(bytes), true),
        "column 'all' is ARRAY: bytes within other values cannot be written",
    );
}
