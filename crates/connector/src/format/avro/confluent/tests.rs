use std::collections::BTreeMap;

use arrow_schema::{DataType, Field, Schema as Columns};

use super::*;
use crate::format::{Format, random};

fn format(given: &[(&str, &str)]) -> Result<Config, OptionError> {
    let url = (URL, "http://u:secret@registry:8081/base/");
    let given: BTreeMap<_, _> = [url]
        .iter()
        .chain(given)
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    match Format::named("avro-confluent", "kafka", &given)? {
        Format::AvroConfluent(config) => Ok(config),
        other => panic!("{other:?}"),
    }
}

fn columns(fields: &[(&str, DataType)]) -> SchemaRef {
    let fields = fields
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
    Arc::new(Columns::new(fields.collect::<Vec<_>>()))
}

fn learn(config: &Config, id: u32, schema: &str) {
    config.registry.learn(id, Schema::parse(schema));
}

const LONG: &str = r#"{"type": "record", "name": "r", "fields": [{"name": "n", "type": "long"}]}"#;

#[test]
fn a_schema_that_is_not_known_is_lacked_until_it_is() {
    let config = format(&[]).expect("a format");
    let message = [0, 0, 0, 1, 2, 0x0e];
    let registry = config.registry();
    assert_eq!(registry.lacks(&message), Some(0x0102));
    assert_eq!(registry.lacks(b"{}"), None, "it names none");
    let read = columns(&[("n", DataType::Int64)]);
    let mut decoder = config.message_decoder(&read).expect("a decoder");
    assert_eq!(decoder.push(&message), Err("schema 258 was not fetched".into()));
    learn(&config, 0x0102, LONG);
    assert_eq!(registry.lacks(&message), None);
    decoder.push(&message).expect("a row");
    let batch = decoder.take().expect("a batch");
    assert_eq!(batch.num_rows(), 1, "of the bad one nothing was kept");
}

#[test]
fn a_message_that_names_no_schema_or_one_of_no_use_says_so() {
    let config = format(&[]).expect("a format");
    config.registry.learn(7, Err("it is gone".into()));
    learn(
        &config,
        8,
        r#"{"type": "record", "name": "r", "fields": [{"name": "n", "type": "string"}]}"#,
    );
    let read = columns(&[("n", DataType::Int64)]);
    let mut decoder = config.message_decoder(&read).expect("a decoder");
    for (message, expected) in [
        (&b""[..], "too short"),
        (&[0, 0, 0], "too short"),
        (b"{\"n\": 1}", "begins with the byte 123"),
        (&[0, 0, 0, 0, 7, 2], "it is gone"),
        (
            &[0, 0, 0, 0, 8, 2],
            "schema 8 does not fit the table: field 'n': a value of Avro's type string is no BIGINT",
        ),
    ] {
        let reason = decoder.push(message).expect_err("refused");
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn rows_of_all_types_are_read_back() {
    let config = format(&[]).expect("a format");
    let schema = random::schema_of(&random::all_types());
    config.check_columns(&schema).expect("all types");
    learn(&config, 5, &schema_of(&schema, true).expect("a schema"));
    let writer = Config {
        id: Some(5),
        ..config.clone()
    };
    let batch = random::batch(&schema, 40, 9);
    let mut messages = Messages::default();
    writer.write_messages(&batch, &mut messages);
    assert!(messages.get(0).starts_with(&[0, 0, 0, 0, 5]));
    let mut decoder = config.message_decoder(&schema).expect("a decoder");
    for message in messages.iter() {
        decoder.push(message).expect("a row");
    }
    assert_eq!(decoder.take().expect("a batch"), batch);
}

#[test]
fn a_schema_of_the_tables_own_is_written_as_its_columns_are() {
    let own = r#"{"type": "record", "name": "Mine", "doc": "x", "fields": [{"name": "n", "type": ["null", "long"], "doc": "y"}]}"#;
    let config = format(&[(SCHEMA, own)]).expect("a format");
    assert_eq!(config.check_columns(&columns(&[("n", DataType::Int64)])), Ok(()));
    for (fields, expected) in [
        (vec![("m", DataType::Int64)], "field 'n' is not 'm'"),
        (vec![("n", DataType::Int32)], "of field 'n', long is not int"),
        (
            vec![("n", DataType::Int64), ("m", DataType::Int64)],
            "record Mine is not record",
        ),
    ] {
        let reason = config.check_columns(&columns(&fields)).expect_err("refused");
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn options_that_make_no_sense_are_refused_and_no_login_is_shown() {
    for (given, expected) in [
        (vec![(URL, "registry:8081")], "http://"),
        (vec![(URL, "no address")], "is no address"),
        (vec![(SCHEMA, "{")], "is not JSON"),
        (vec![(BASIC_USER, "somebody")], "user:password"),
        (
            vec![(BASIC_SOURCE, "USER_INFO")],
            "needs 'avro-confluent.basic-auth.user-info'",
        ),
        (
            vec![(BEARER_SOURCE, "STATIC_TOKEN")],
            "needs 'avro-confluent.bearer-auth.token'",
        ),
        (vec![(BASIC_USER, "a:b"), (BEARER_TOKEN, "t")], "give one of them"),
    ] {
        let reason = format(&given).expect_err("refused").to_string();
        assert!(reason.contains(expected), "{reason}");
    }
    let config = format(&[(BEARER_TOKEN, "hidden")]).expect("a format");
    let shown = format!("{config:?}");
    assert!(shown.contains("http://registry:8081/base"), "{shown}");
    assert!(!shown.contains("secret") && !shown.contains("hidden"), "{shown}");
}
