use arrow_array::{cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, Field};

use super::*;
use crate::changelog::op_field;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        op_field(),
    ]))
}

fn config(dialect: Dialect) -> Config {
    Config {
        dialect,
        has_schema: false,
        rows: json::Config::default(),
    }
}

/// The rows of changes, as `+I 1 a`.
fn decoded(config: Config, changes: &[&str]) -> Result<Vec<String>, String> {
    let mut decoder = Decode::new(config, &schema()).expect("a decoder");
    changes
        .iter()
        .try_for_each(|change| decoder.record(change.as_bytes()))?;
    let batch = decoder.take().expect("a batch");
    let ops = changelog::texts(changelog::ops(&batch).expect("changes"));
    let (ids, names) = (
        batch.column(0).as_primitive::<Int64Type>(),
        batch.column(1).as_string::<i32>(),
    );
    let text = |row| {
        let name = if names.is_null(row) {
            "null"
        } else {
            names.value(row)
        };
        format!("{} {} {name}", ops.as_string::<i32>().value(row), ids.value(row))
    };
    Ok((0..batch.num_rows()).map(text).collect())
}

#[test]
fn debezium_has_the_row_before_and_the_row_after() {
    let rows = decoded(
        config(Dialect::Debezium),
        &[
            r#"{"op":"r","before":null,"after":{"id":1,"name":"a"},"source":{"lsn":7,"table":"t"},"ts_ms":1}"#,
            r#"{ "before" : {"id":1,"name":"a"}, "after" : {"id":1,"name":"b}"}, "op" : "u" }"#,
            r#"{"before":{"id":1,"name":"b}"},"after":null,"op":"d"}"#,
            r#"{"op":"t","before":null,"after":null}"#,
            "",
        ],
    );
    assert_eq!(
        rows,
        Ok(["+I 1 a", "-U 1 a", "+U 1 b}", "-D 1 b}"]
            .map(String::from)
            .to_vec())
    );
}

#[test]
fn debezium_with_its_schema_has_the_change_as_payload() {
    let config = Config {
        has_schema: true,
        ..config(Dialect::Debezium)
    };
    let change = r#"{"schema":{"op":"u"},"payload":{"after":{"id":2,"name":null},"op":"c"}}"#;
    assert_eq!(decoded(config, &[change]), Ok(vec!["+I 2 null".to_owned()]));
}

#[test]
fn canal_and_maxwell_say_what_fields_were_before() {
    let canal = [
        r#"{"data":[{"id":"1","name":"a"},{"id":"2","name":"b"}],"type":"INSERT"}"#,
        r#"{"data":[{"id":"1","name":"c"}],"old":[{"name":"a"}],"type":"UPDATE"}"#,
        r#"{"data":[{"id":"2","name":"b"}],"type":"DELETE"}"#,
        r#"{"sql":"ALTER TABLE t","type":"ALTER"}"#,
    ];
    let expected = ["+I 1 a", "+I 2 b", "-U 1 a", "+U 1 c", "-D 2 b"].map(String::from);
    assert_eq!(decoded(config(Dialect::Canal), &canal), Ok(expected.to_vec()));
    let maxwell = [
        r#"{"database":"d","table":"t","type":"insert","data":{"id":1,"name":"a"}}"#,
        r#"{"type":"insert","data":{"id":2,"name":"b"}}"#,
        r#"{"type":"update","data":{"id":1,"name":"c"},"old":{"name":"a"}}"#,
        r#"{"type":"delete","data":{"id":2,"name":"b"}}"#,
    ];
    assert_eq!(decoded(config(Dialect::Maxwell), &maxwell), Ok(expected.to_vec()));
}

#[test]
fn of_a_bad_change_nothing_is_kept_and_it_says_what_is_wrong() {
    for (change, wrong) in [
        (
            r#"{"op":"u","before":null,"after":{"id":1}}"#,
            "REPLICA IDENTITY FULL",
        ),
        (r#"{"op":"u","before":{"id":1},"after":{"id":"x"}}"#, "field 'id'"),
        (r#"{"op":"x","after":{"id":1}}"#, "'op' is \"x\""),
        (r#"{"after":{"id":1}}"#, "has no 'op'"),
        (r#"{"op":"c","after":{"id":1}"#, "is not JSON"),
        ("[1]", "an object"),
    ] {
        let mut decoder = Decode::new(config(Dialect::Debezium), &schema()).expect("a decoder");
        let error = decoder.record(change.as_bytes()).expect_err("refused");
        assert!(error.contains(wrong), "{change}: {error}");
        assert_eq!(Decoder::rows(&decoder), 0);
        assert_eq!(decoder.take().expect("a batch").num_rows(), 0);
    }
}

#[test]
fn changes_come_back_as_they_were_written() {
    let changes = [
        r#"{"op":"c","before":null,"after":{"id":1,"name":"a"}}"#,
        r#"{"op":"u","before":{"id":1,"name":"a"},"after":{"id":1,"name":"b"}}"#,
        r#"{"op":"d","before":{"id":1,"name":"b"},"after":null}"#,
    ];
    let mut decoder = Decode::new(config(Dialect::Debezium), &schema()).expect("a decoder");
    for change in changes {
        decoder.record(change.as_bytes()).expect("a change");
    }
    let batch = decoder.take().expect("a batch");
    for dialect in [Dialect::Debezium, Dialect::Canal, Dialect::Maxwell] {
        let written = Changes::new(config(dialect), &batch);
        let lines: Vec<String> = (0..batch.num_rows())
            .map(|row| {
                let mut out = Vec::new();
                written.write(row, &mut out);
                String::from_utf8(out).expect("text")
            })
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        // An update is a deletion and an insertion.
        let expected = ["+I 1 a", "-D 1 a", "+I 1 b", "-D 1 b"].map(String::from);
        assert_eq!(decoded(config(dialect), &lines), Ok(expected.to_vec()));
    }
}
