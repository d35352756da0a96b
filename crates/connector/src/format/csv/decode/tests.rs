use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;

use super::*;
use crate::format::{csv::write_records, json::write_lines};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("t", DataType::Timestamp(TimeUnit::Millisecond, None), true),
    ]))
}

fn decode(config: &Config, text: &[u8]) -> Result<(String, Taken), BadRecord> {
    let mut decoder = Decode::new(config, &schema(), &schema()).expect("types that CSV holds");
    decoder.begin_file();
    let taken = decoder.decode(
        Input {
            bytes: text,
            at_end: true,
            stop: usize::MAX,
        },
        usize::MAX,
    )?;
    let mut out = Vec::new();
    write_lines(&decoder.take().expect("a batch"), &mut out);
    Ok((String::from_utf8(out).expect("text"), taken))
}

#[test]
fn records_become_rows_as_the_options_say() {
    let plain = Config::default();
    let check = |config: &Config, text: &str, expected: &[&str]| {
        let (rows, taken) = decode(config, text.as_bytes()).expect("decodes");
        assert_eq!(rows.lines().collect::<Vec<_>>(), expected, "{text:?}");
        assert_eq!(taken.bytes, text.len());
    };
    check(
        &plain,
        "1,a,2024-01-01 10:00:00\r\n\n2,\"x, \"\"y\"\"\nz\",\n,,\n 3 ,\" b\",2024-01-01T10:00:00.5",
        &[
            r#"{"n":1,"s":"a","t":"2024-01-01 10:00:00.000"}"#,
            r#"{"n":2,"s":"x, \"y\"\nz","t":null}"#,
            r#"{"n":null,"s":"","t":null}"#,
            r#"{"n":3,"s":" b","t":"2024-01-01 10:00:00.500"}"#,
        ],
    );
    let options = Config {
        delimiter: b';',
        quote: b'\'',
        allow_comments: true,
        null_literal: Some("n/a".into()),
        header: true,
        ..Config::default()
    };
    check(
        &options,
        "# it's a comment; \n#;'\nn;s;t\n1;'n/a';n/a\nn/a;n/a;\n#end",
        &[r#"{"n":1,"s":"n/a","t":null}"#, r#"{"n":null,"s":null,"t":null}"#],
    );
    check(&options, "n;s;t", &[]);
    check(&plain, "", &[]);
}

#[test]
fn bad_records_fail_with_their_line_or_are_skipped_or_null() {
    let text = b"1,a,\n2,\"b\nb\",\nthree,c,\n4,d\n5,\"e\"f,\n6,\xff,\n7,g,,,\n8,\"h,\n";
    let ignoring = Config {
        ignore_parse_errors: true,
        ..Config::default()
    };
    let (rows, taken) = decode(&ignoring, text).expect("nothing is fatal");
    let read: Vec<_> = rows
        .lines()
        .map(|row| &row[..row.find(",\"t\"").expect("a time")])
        .collect();
    let expected = [
        r#"{"n":1,"s":"a""#,
        r#"{"n":2,"s":"b\nb""#,
        r#"{"n":null,"s":"c""#,
        r#"{"n":4,"s":"d""#,
        r#"{"n":7,"s":"g""#,
    ];
    assert_eq!(read, expected);
    assert_eq!((taken.skipped, taken.lines, taken.bytes), (3, 9, text.len()));

    let mut rest = text.as_slice();
    for (line, reason) in [
        (3, "field 'n': 'three' is not a BIGINT"),
        (0, "the record has 2 fields, but the table has 3 columns"),
        (0, "the record is not CSV: text follows the end of a quoted field"),
        (0, "the record is not UTF-8 at byte 3"),
        (0, "the record has 5 fields, but the table has 3 columns"),
        (0, "the record is not CSV: a quoted field does not end"),
    ] {
        let bad = decode(&Config::default(), rest).expect_err("refused");
        assert_eq!((bad.line, bad.reason.as_str()), (line, reason));
        rest = &rest[bad.offset..];
        rest = &rest[memchr::memchr(b'\n', rest).expect("a line end") + 1..];
    }
    assert_eq!(rest, b"");
}

#[test]
fn only_the_columns_that_are_read_are_parsed() {
    let read = Arc::new(Schema::new(vec![Field::new("s", DataType::Utf8, true)]));
    let mut decoder = Decode::new(&Config::default(), &schema(), &read).expect("a decoder");
    let input = Input {
        bytes: b"no number,a,no time\n",
        at_end: false,
        stop: usize::MAX,
    };
    decoder.decode(input, 10).expect("decodes");
    assert_eq!(
        decoder.take().expect("a batch").column(0).as_ref(),
        &StringArray::from(vec!["a"])
    );
}

proptest! {
    #[test]
    fn records_that_are_written_read_back(
        rows in proptest::collection::vec((any::<Option<i64>>(), any::<Option<String>>(), -1e300..1e300_f64), 0..20),
        pieces in 1..9_usize,
        delimiter in proptest::sample::select(b",;\t|".to_vec()),
    ) {
        let schema = Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("s", DataType::Utf8, true),
            Field::new("f", DataType::Float64, true),
        ]));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| row.1.as_deref()).collect::<StringArray>()),
            Arc::new(rows.iter().map(|row| Some(row.2)).collect::<Float64Array>()),
        ];
        let written = RecordBatch::try_new(Arc::clone(&schema), columns).expect("a batch");
        let config = Config { delimiter, null_literal: Some("null".into()), ..Config::default() };
        let mut text = Vec::new();
        write_records(&config, &written, &mut text);
        let mut decoder = Decode::new(&config, &schema, &schema).expect("a decoder");
        // Read with ever more of the text at hand, as from a file.
        let mut taken = 0;
        for piece in 1..=pieces {
            let end = text.len() * piece / pieces;
            let input = Input { bytes: &text[taken..end], at_end: piece == pieces, stop: usize::MAX };
            taken += decoder.decode(input, usize::MAX).expect("decodes").bytes;
        }
        prop_assert_eq!(taken, text.len());
        prop_assert_eq!(decoder.take().expect("a batch"), written);
    }
}
