use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use proptest::prelude::*;

use super::*;
use crate::format::json::write_lines;

fn decode(config: Config, fields: Vec<Field>, text: &[u8]) -> Result<(RecordBatch, Taken), BadRecord> {
    let mut decoder = Decode::new(config, &Arc::new(Schema::new(fields))).expect("types that JSON holds");
    let taken = decoder.decode(
        Input {
            bytes: text,
            at_end: true,
            stop: usize::MAX,
        },
        usize::MAX,
    )?;
    Ok((decoder.take().expect("a batch"), taken))
}

fn encoded(batch: &RecordBatch) -> String {
    let mut out = Vec::new();
    write_lines(batch, &mut out);
    String::from_utf8(out).expect("text")
}

fn row(fields: Vec<Field>) -> DataType {
    DataType::Struct(fields.into())
}

fn map(value: DataType) -> DataType {
    let entries = vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", value, true),
    ];
    DataType::Map(Arc::new(Field::new("entries", row(entries), false)), false)
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, true)))
}

/// Decodes `{"v": <json>}` into a column of that type and encodes what came out.
fn through(data_type: &DataType, json: &str) -> Result<String, String> {
    let fields = vec![Field::new("v", data_type.clone(), true)];
    let line = format!("{{\"v\":{json}}}");
    let (batch, _) = decode(Config::default(), fields, line.as_bytes()).map_err(|bad| bad.reason)?;
    let out = encoded(&batch);
    Ok(out
        .strip_prefix("{\"v\":")
        .and_then(|out| out.strip_suffix("}\n"))
        .expect("an object")
        .to_owned())
}

#[test]
fn values_of_every_type_are_read_and_written() {
    let ms = TimeUnit::Millisecond;
    let utc = || Some("UTC".into());
    for (data_type, json, expected) in [
        (DataType::Boolean, "true", "true"),
        (DataType::Boolean, "\"FALSE\"", "false"),
        (DataType::Int8, "-128", "-128"),
        (DataType::Int16, "\" 32767 \"", "32767"),
        (DataType::Int32, "5.0", "5"),
        (DataType::Int32, "1e3", "1000"),
        (DataType::Int64, "9223372036854775807", "9223372036854775807"),
        (DataType::Int64, "-9223372036854775808", "-9223372036854775808"),
        (DataType::Int64, "null", "null"),
        (DataType::Float32, "0.1", "0.1"),
        (DataType::Float64, "1", "1.0"),
        (DataType::Float64, "\"NaN\"", "\"NaN\""),
        (DataType::Float64, "\"-Infinity\"", "\"-Infinity\""),
        (DataType::Decimal128(10, 2), "12.345", "12.35"),
        (DataType::Decimal128(10, 2), "\"-0.5\"", "-0.50"),
        (DataType::Decimal128(10, 0), "7", "7"),
        (DataType::Utf8, "\"a\\u00e9\\n\\\"b\\\\/\"", "\"aé\\n\\\"b\\\\/\""),
        (DataType::Utf8, "12.50", "\"12.50\""),
        (DataType::Utf8, "true", "\"true\""),
        (DataType::Utf8, "{\"a\": [1]}", "\"{\\\"a\\\": [1]}\""),
        (DataType::Utf8, "\"\\u0001\"", "\"\\u0001\""),
        (DataType::Binary, "\"AQID\"", "\"AQID\""),
        (DataType::Date32, "\"2024-02-29\"", "\"2024-02-29\""),
        (
            DataType::Time32(TimeUnit::Second),
            "\"10:15:30.9\"",
            "\"10:15:30\"",
        ),
        (DataType::Time32(ms), "\"10:15:30.9\"", "\"10:15:30.900\""),
        (
            DataType::Time64(TimeUnit::Nanosecond),
            "\"10:15:30.000000001\"",
            "\"10:15:30.000000001\"",
        ),
        (
            DataType::Timestamp(TimeUnit::Second, None),
            "\"2024-01-01T10:00:00\"",
            "\"2024-01-01 10:00:00\"",
        ),
        (
            DataType::Timestamp(ms, None),
            "\"2024-01-01 10:00:00\"",
            "\"2024-01-01 10:00:00.000\"",
        ),
        (
            DataType::Timestamp(TimeUnit::Microsecond, None),
            "\"1969-12-31 23:59:59.5\"",
            "\"1969-12-31 23:59:59.500000\"",
        ),
        (
            DataType::Timestamp(TimeUnit::Nanosecond, None),
            "\"2024-01-01 10:00:00\"",
            "\"2024-01-01 10:00:00.000000000\"",
        ),
        (
            DataType::Timestamp(ms, utc()),
            "\"2024-01-01 10:00:00.5Z\"",
            "\"2024-01-01 10:00:00.500Z\"",
        ),
        (
            DataType::Timestamp(ms, utc()),
            "\"2024-01-01T12:00:00+02:00\"",
            "\"2024-01-01 10:00:00.000Z\"",
        ),
        (list(DataType::Int64), "[1, null, 3]", "[1,null,3]"),
        (list(list(DataType::Utf8)), "[[], [\"a\"]]", "[[],[\"a\"]]"),
        (
            map(DataType::Int64),
            "{\"a\":1, \"b\":null}",
            "{\"a\":1,\"b\":null}",
        ),
        (map(DataType::Int64), "{}", "{}"),
        (
            row(vec![
                Field::new("a", DataType::Int64, true),
                Field::new("b", DataType::Utf8, true),
            ]),
            "{\"x\":[{}],\"b\":\"y\"}",
            "{\"a\":null,\"b\":\"y\"}",
        ),
        (row(vec![Field::new("a", DataType::Int64, true)]), "null", "null"),
    ] {
        assert_eq!(
            through(&data_type, json),
            Ok(expected.to_owned()),
            "{data_type} from {json}"
        );
    }
}

#[test]
fn values_that_do_not_fit_are_refused_with_what_was_wrong() {
    let timestamp = DataType::Timestamp(TimeUnit::Millisecond, None);
    let nested = row(vec![Field::new("a", list(DataType::Int64), true)]);
    for (data_type, json, expected) in [
        (DataType::Int8, "128", "field 'v': '128' is not a TINYINT"),
        (DataType::Int32, "1.5", "field 'v': '1.5' is not a INT"),
        (
            DataType::Int64,
            "9223372036854775808",
            "field 'v': '9223372036854775808' is not a BIGINT",
        ),
        (DataType::Int64, "true", "field 'v': 'true' is not a BIGINT"),
        (DataType::Int64, "[1]", "field 'v': '[1]' is not a BIGINT"),
        (DataType::Int64, "\"\"", "field 'v': '' is not a BIGINT"),
        (DataType::Boolean, "1", "field 'v': '1' is not a BOOLEAN"),
        (
            DataType::Decimal128(3, 1),
            "100",
            "field 'v': '100' is not a DECIMAL(3, 1)",
        ),
        (DataType::Binary, "\"?\"", "field 'v': '?' is not a BYTES"),
        (
            DataType::Date32,
            "\"2024-02-30\"",
            "field 'v': '2024-02-30' is not a DATE",
        ),
        (DataType::Date32, "19000", "field 'v': '19000' is not a DATE"),
        (
            timestamp.clone(),
            "\"yesterday\"",
            "field 'v': 'yesterday' is not a TIMESTAMP(3)",
        ),
        (
            timestamp,
            "\"2024-01-01T10:00:00Z\"",
            "field 'v': '2024-01-01T10:00:00Z' names a time zone, which a TIMESTAMP(3) does not have: declare the \
             column TIMESTAMP_LTZ",
        ),
        (list(DataType::Int64), "{}", "field 'v': '{}' is not an array"),
        (map(DataType::Int64), "[1]", "field 'v': '[1]' is not an object"),
        (nested.clone(), "3", "field 'v': '3' is not an object"),
        (nested, "{\"a\":[1,\"x\"]}", "field 'v.a': 'x' is not a BIGINT"),
        (
            DataType::Utf8,
            "\"\\x\"",
            "the line is not JSON: expected a string with valid escapes at column 10",
        ),
        (
            DataType::Int64,
            "01",
            "the line is not JSON: expected a number without leading zeros at column 8",
        ),
        (
            DataType::Int64,
            "1} x",
            "the line is not JSON: expected the end of the line at column 9",
        ),
    ] {
        assert_eq!(
            through(&data_type, json),
            Err(expected.to_owned()),
            "{data_type} from {json}"
        );
    }
}

#[test]
fn fields_are_matched_by_name_in_any_order_and_number() {
    let fields = || {
        vec![
            Field::new("a", DataType::Int64, true),
            Field::new("b", DataType::Utf8, true),
        ]
    };
    let text = br#"{"a":1,"b":"x"}
{"b":"y","a":2}
{"c":{"a":9},"a":3,"d":[1,{"b":2}],"b":"z"}
{"b":"only"}
{}
{"a":4,"a":5,"b":"p","b":"q"}
{"\u0061":6}
{"A":7}
"#;
    let (batch, taken) = decode(Config::default(), fields(), text).expect("decodes");
    let expected = r#"{"a":1,"b":"x"}
{"a":2,"b":"y"}
{"a":3,"b":"z"}
{"a":null,"b":"only"}
{"a":null,"b":null}
{"a":5,"b":"q"}
{"a":6,"b":null}
{"a":null,"b":null}
"#;
    assert_eq!(encoded(&batch), expected);
    assert_eq!(
        taken,
        Taken {
            bytes: text.len(),
            lines: 8,
            skipped: 0
        }
    );
    let (none, _) = decode(Config::default(), vec![], text).expect("decodes");
    assert_eq!(
        (none.num_rows(), none.num_columns()),
        (8, 0),
        "rows are counted even if no column is read"
    );
}

#[test]
fn with_ignored_errors_bad_lines_are_skipped_and_bad_values_are_null() {
    let fields = vec![
        Field::new("a", DataType::Int64, true),
        Field::new(
            "r",
            row(vec![
                Field::new("l", list(DataType::Int64), true),
                Field::new("s", DataType::Utf8, true),
            ]),
            true,
        ),
        Field::new("must", DataType::Int64, false),
    ];
    let text = br#"{"a":"x","r":{"l":[1,"y",3],"s":"t"},"must":1}
{"a":1,"r":7,"must":2}
{"a":2,"r":{"l":[1,2],"s":"cut
{"a":3,"must":"x"}
{"a":4}
{"a":5,"must":null}
nonsense
{"a":6,"r":{"l":[4]},"must":3}
"#;
    let config = Config {
        ignore_parse_errors: true,
        ..Config::default()
    };
    let (batch, taken) = decode(config, fields, text).expect("decodes");
    let expected = r#"{"a":null,"r":{"l":[1,null,3],"s":"t"},"must":1}
{"a":1,"r":null,"must":2}
{"a":6,"r":{"l":[4],"s":null},"must":3}
"#;
    assert_eq!(encoded(&batch), expected);
    assert_eq!(taken.skipped, 5);
}

#[test]
fn nulls_and_absent_fields_are_refused_where_the_table_says_so() {
    let strict = Config {
        fail_on_missing_field: true,
        ..Config::default()
    };
    for (config, nullable, text, expected) in [
        (strict, true, "{}", "field 'v': is missing"),
        (
            Config::default(),
            false,
            "{}",
            "field 'v': is missing, but the column is NOT NULL",
        ),
        (
            Config::default(),
            false,
            "{\"v\":null}",
            "field 'v': is null, but the column is NOT NULL",
        ),
    ] {
        let fields = vec![Field::new("v", DataType::Int64, nullable)];
        let bad = decode(config, fields, text.as_bytes()).expect_err("refused");
        assert_eq!(bad.reason, expected);
    }
}

#[test]
fn a_decoder_stops_where_it_is_told_and_leaves_what_is_not_whole() {
    let schema = Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, true)]));
    let mut decoder = Decode::new(Config::default(), &schema).expect("a decoder");
    let bytes = b"{\"v\":1}\n{\"v\":2}\n{\"v\":3}\n{\"v\"";
    let mut taken = |at_end, stop, max_rows| {
        decoder
            .decode(Input { bytes, at_end, stop }, max_rows)
            .map(|taken| (taken.bytes, taken.lines))
    };
    assert_eq!(taken(false, usize::MAX, 2), Ok((16, 2)), "rows wanted");
    assert_eq!(
        taken(false, 1, 100),
        Ok((8, 1)),
        "the record that starts before the stop is whole"
    );
    assert_eq!(taken(false, 0, 100), Ok((0, 0)));
    assert_eq!(
        taken(false, usize::MAX, 100),
        Ok((24, 3)),
        "the last line may go on"
    );
    let bad = taken(true, usize::MAX, 100).expect_err("the last line is cut off");
    assert_eq!((bad.offset, bad.line), (24, 3));
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let scalar = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        ".{0,12}".prop_map(serde_json::Value::from),
    ];
    scalar.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(".{0,6}", inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn round_trip_fields() -> Vec<Field> {
    let inner = vec![
        Field::new("t", DataType::Utf8, true),
        Field::new("d", DataType::Decimal128(20, 3), true),
    ];
    vec![
        Field::new("b", DataType::Boolean, true),
        Field::new("i", DataType::Int64, true),
        Field::new("f", DataType::Float64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("x", DataType::Binary, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("r", row(inner), true),
        Field::new("l", list(DataType::Utf8), true),
        Field::new("m", map(DataType::Int64), true),
    ]
}

type Cells = (Option<i64>, Option<f64>, Option<String>, Vec<String>);

/// Rows of all kinds of columns, made from numbers and strings.
fn batch(rows: &[Cells]) -> RecordBatch {
    let schema = Arc::new(Schema::new(round_trip_fields()));
    let mut columns = columns(&Fields::from(round_trip_fields())).expect("columns");
    for (i, f, s, many) in rows {
        for column in &mut columns {
            append_any(column, *i, *f, s.as_deref(), many);
        }
    }
    let arrays: Vec<ArrayRef> = columns
        .iter_mut()
        .map(|column| column.take().expect("an array"))
        .collect();
    RecordBatch::try_new(schema, arrays).expect("a batch")
}

fn append_any(column: &mut Column, i: Option<i64>, f: Option<f64>, s: Option<&str>, many: &[String]) {
    match (&mut column.values, i, f, s) {
        (Values::Bool(bits), Some(i), ..) => bits.append(i % 2 == 0),
        (Values::Int64(vec), Some(i), ..) => vec.push(i),
        (Values::Float64(vec), _, Some(f), _) => vec.push(f),
        (Values::Text(text) | Values::Bytes(text), _, _, Some(s)) => {
            text.bytes.extend_from_slice(s.as_bytes());
            text.end();
        }
        (Values::Timestamp { values, .. }, Some(i), ..) => values.push(i % 60_000_000_000_000_000),
        (Values::Decimal { values, .. }, Some(i), ..) => values.push(i.into()),
        (Values::Row(columns), Some(_), ..) => {
            for column in columns {
                append_any(column, i, f, s, many);
            }
        }
        (Values::Array(offsets, item), _, Some(_), _) => {
            for text in many {
                append_any(item, i, f, Some(text), &[]);
            }
            offsets.push(item.len() as i32);
        }
        (Values::Map { offsets, key, value }, _, _, Some(_)) => {
            for (nth, text) in many.iter().enumerate() {
                append_any(key, None, None, Some(&format!("{nth}{text}")), &[]);
                append_any(value, i, None, None, &[]);
            }
            offsets.push(key.len() as i32);
        }
        _ => return column.append_null(),
    }
    column.end_value();
}

proptest! {
    #[test]
    fn rows_that_are_written_read_back(
        rows in proptest::collection::vec(
            (any::<Option<i64>>(), any::<Option<f64>>(), any::<Option<String>>(), proptest::collection::vec(".{0,8}", 0..4)),
            0..20,
        ),
    ) {
        let written = batch(&rows);
        let text = encoded(&written);
        let (read, taken) = decode(Config::default(), round_trip_fields(), text.as_bytes()).expect("decodes");
        prop_assert_eq!(taken.bytes, text.len());
        // Arrow compares floats by value, and NaN is not equal to itself.
        prop_assert_eq!(encoded(&read), text);
        if rows.iter().all(|row| row.1.is_none_or(|f| !f.is_nan())) {
            prop_assert_eq!(read, written);
        }
    }

    #[test]
    fn any_json_is_read_or_refused_and_leaves_no_half_row(values in proptest::collection::vec(value(), 1..8)) {
        let line = |v: &serde_json::Value| format!("{{\"s\":\"k\",\"r\":{v},\"l\":{v},\"m\":{v},\"i\":{v}}}\n");
        let text = values.iter().map(line).collect::<Vec<_>>().concat();
        let config = Config { ignore_parse_errors: true, ..Config::default() };
        let (batch, taken) = decode(config, round_trip_fields(), text.as_bytes()).expect("nothing is fatal");
        prop_assert_eq!((batch.num_rows(), taken.skipped), (values.len(), 0), "all lines are objects");
        let _ = decode(Config::default(), round_trip_fields(), text.as_bytes());
    }

    #[test]
    fn damaged_lines_never_harm_their_neighbours(
        at in 0..60_usize,
        byte in any::<u8>().prop_filter("line ends make other lines", |b| *b != b'\n'),
    ) {
        let good = br#"{"i":1,"s":"text","r":{"t":"u","d":1.5},"l":["a","b"],"m":{"k":2}}"#;
        let mut bad = good.to_vec();
        bad[at] = byte;
        let text = [good.as_slice(), &bad, good].join(&b'\n');
        let config = Config { ignore_parse_errors: true, ..Config::default() };
        let (batch, taken) = decode(config, round_trip_fields(), &text).expect("nothing is fatal");
        prop_assert_eq!(batch.num_rows() as u64 + taken.skipped, 3);
        let whole = encoded(&batch.slice(0, 1));
        prop_assert_eq!(encoded(&batch.slice(batch.num_rows() - 1, 1)), whole);
    }
}
