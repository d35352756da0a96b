use std::{collections::BTreeMap, io::Cursor, sync::Arc};

use arrow_array::{Array, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, Field, Fields, Schema as Columns, TimeUnit};
use proptest::prelude::*;

use super::*;
use crate::format::{BadRecord, FORMAT, Format, Input, json, random};

fn format(options: &[(&str, &str)]) -> Format {
    let mut given: BTreeMap<_, _> = [("format".to_owned(), "avro".to_owned())].into();
    given.extend(
        options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    Format::of_table("test", &[FORMAT], &given).expect("a format").0
}

fn columns(fields: &[(&str, DataType, bool)]) -> SchemaRef {
    let fields = fields
        .iter()
        .map(|(name, data_type, is_nullable)| Field::new(*name, data_type.clone(), *is_nullable));
    Arc::new(Columns::new(fields.collect::<Vec<_>>()))
}

fn row(fields: &[(&str, DataType)]) -> DataType {
    let fields = fields
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), false));
    DataType::Struct(fields.collect::<Vec<_>>().into())
}

/// What is read of messages that a writer with another schema has written.
fn resolved(writer: &str, read: &SchemaRef, messages: &[&[u8]]) -> Result<RecordBatch, String> {
    let schema = Schema::parse(writer)?;
    let mut decoder = Records::new(read, Plain::new(Arc::new(schema), read)?)?;
    for message in messages {
        decoder.push(message)?;
    }
    MessageDecoder::take(&mut decoder).map_err(|error| error.to_string())
}

/// Each row as JSON.
fn shown(batch: &RecordBatch) -> Vec<String> {
    let mut text = Vec::new();
    json::write_lines(batch, &mut text);
    String::from_utf8(text)
        .expect("text")
        .lines()
        .map(str::to_owned)
        .collect()
}

fn messages(format: &Format, batch: &RecordBatch) -> Messages {
    let mut messages = Messages::default();
    format.write_messages(batch, &mut messages);
    messages
}

#[test]
fn numbers_are_written_as_the_specification_shows() {
    for (number, expected) in [
        (0, &[0x00][..]),
        (-1, &[0x01]),
        (1, &[0x02]),
        (-2, &[0x03]),
        (2, &[0x04]),
        (-64, &[0x7f]),
        (64, &[0x80, 0x01]),
        (8192, &[0x80, 0x80, 0x01]),
        (-8193, &[0x81, 0x80, 0x01]),
    ] {
        let mut out = Vec::new();
        encode::write_long(number, &mut out);
        assert_eq!(out, expected, "{number}");
        assert_eq!(decode::Bytes(&out).long().expect("a number"), number);
    }
    for number in [i64::MIN, i64::MAX] {
        let mut out = Vec::new();
        encode::write_long(number, &mut out);
        assert_eq!(
            (out.len(), decode::Bytes(&out).long().expect("a number")),
            (10, number)
        );
    }
    assert!(decode::Bytes(&[0xff; 11]).long().is_err(), "more than 64 bits");
}

#[test]
fn records_are_written_as_the_specification_shows() {
    let test = r#"{"type": "record", "name": "test", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "string"}]}"#;
    let a_and_b = columns(&[("a", DataType::Int64, false), ("b", DataType::Utf8, false)]);
    let batch = resolved(test, &a_and_b, &[&[0x36, 0x06, 0x66, 0x6f, 0x6f]]).expect("the example");
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), 27);
    assert_eq!(batch.column(1).as_string::<i32>().value(0), "foo");
    let written = messages(&format(&[]), &batch);
    assert_eq!(written.get(0), [0x36, 0x06, 0x66, 0x6f, 0x6f]);

    let array = r#"{"type": "record", "name": "t", "fields": [{"name": "l", "type": {"type": "array", "items": "long"}}]}"#;
    let list = columns(&[("l", random::list(DataType::Int64, false), false)]);
    let one_block: &[u8] = &[0x04, 0x06, 0x36, 0x00];
    // The same in two blocks, each with its size before.
    let two_blocks: &[u8] = &[0x01, 0x02, 0x06, 0x01, 0x02, 0x36, 0x00];
    let batch = resolved(array, &list, &[one_block, two_blocks]).expect("the examples");
    assert_eq!(
        batch
            .column(0)
            .as_list::<i32>()
            .values()
            .as_primitive::<Int64Type>()
            .values(),
        &[3, 27, 3, 27]
    );

    let optional = columns(&[("s", DataType::Utf8, true)]);
    let union = r#"{"type": "record", "name": "t", "fields": [{"name": "s", "type": ["null", "string"]}]}"#;
    let batch = resolved(union, &optional, &[&[0x00], &[0x02, 0x02, 0x61]]).expect("the examples");
    let written = messages(&format(&[]), &batch);
    assert_eq!(
        [written.get(0), written.get(1)],
        [&[0x00][..], &[0x02, 0x02, 0x61]]
    );
}

#[test]
fn the_schema_of_a_table_is_the_one_that_flink_derives() {
    let table = columns(&[
        ("id", DataType::Int64, false),
        ("price", DataType::Decimal128(10, 2), true),
        ("at", DataType::Timestamp(TimeUnit::Millisecond, None), true),
        ("inner", row(&[("x", DataType::Int8)]), true),
        ("tags", random::map(DataType::Utf8, DataType::Utf8), false),
    ]);
    let derived = |legacy| schema_of(&table, legacy).expect("a schema");
    let expected = concat!(
        r#"{"type":"record","name":"record","fields":[{"name":"id","type":"long"},"#,
        r#"{"name":"price","type":["null",{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}],"default":null},"#,
        r#"{"name":"at","type":["null",{"type":"long","logicalType":"timestamp-millis"}],"default":null},"#,
        r#"{"name":"inner","type":["null",{"type":"record","name":"record_inner","fields":[{"name":"x","type":"int"}]}],"default":null},"#,
        r#"{"name":"tags","type":{"type":"map","values":["null","string"]}}],"namespace":"org.apache.flink.avro.generated"}"#,
    );
    assert_eq!(derived(true), expected);
    assert!(derived(false).contains(r#""logicalType":"local-timestamp-millis""#));
}

#[test]
fn columns_that_avro_has_no_type_for_are_refused() {
    for (name, data_type, expected) in [
        ("é", DataType::Int64, "the name of column 'é'"),
        ("1st", DataType::Int64, "the name of column '1st'"),
        (
            "t",
            DataType::Timestamp(TimeUnit::Nanosecond, None),
            "column 't' is TIMESTAMP(9)",
        ),
        ("m", random::map(DataType::Int32, DataType::Utf8), "keys of INT"),
        (
            "r",
            row(&[("a b", DataType::Int8)]),
            "column 'r' the name of column 'a b'",
        ),
    ] {
        let error = format(&[])
            .check_columns(&columns(&[(name, data_type, true)]))
            .expect_err("refused");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_writers_schema_is_resolved_against_the_table() {
    let writer = r#"{"type": "record", "name": "w", "namespace": "n", "fields": [
        {"name": "gone", "type": {"type": "array", "items": ["null", "w"]}},
        {"name": "wider", "type": "int"},
        {"name": "floats", "type": "long"},
        {"name": "nanos", "type": {"type": "long", "logicalType": "timestamp-nanos"}},
        {"name": "plain", "type": "long"},
        {"name": "any", "type": ["int", "null", "string", {"type": "enum", "name": "e", "symbols": ["A", "B"]}]},
        {"name": "never", "type": "null"}
    ]}"#;
    let read = columns(&[
        ("never", DataType::Int64, true),
        ("plain", DataType::Timestamp(TimeUnit::Second, None), false),
        ("wider", DataType::Int64, false),
        ("lacks", DataType::Utf8, true),
        ("any", DataType::Utf8, true),
        ("floats", DataType::Float64, false),
        ("nanos", DataType::Timestamp(TimeUnit::Millisecond, None), false),
    ]);
    // Nothing gone; 1; 2; -1 ns; 3000; branch 2, "x".
    let text: &[u8] = &[0x00, 0x02, 0x04, 0x01, 0xf0, 0x2e, 0x04, 0x02, 0x78];
    let symbol: &[u8] = &[0x00, 0x02, 0x04, 0x01, 0xf0, 0x2e, 0x06, 0x02];
    let null: &[u8] = &[0x02, 0x00, 0x00, 0x02, 0x04, 0x01, 0xf0, 0x2e, 0x02];
    let batch = resolved(writer, &read, &[text, symbol, null]).expect("rows");
    let expected = |any: &str| {
        format!(
            r#"{{"never":null,"plain":"1970-01-01 00:00:03","wider":1,"lacks":null,"any":{any},"floats":2.0,"nanos":"1969-12-31 23:59:59.999"}}"#
        )
    };
    assert_eq!(
        shown(&batch),
        [expected("\"x\""), expected("\"B\""), expected("null")]
    );
    let number = [0x00, 0x02, 0x04, 0x01, 0xf0, 0x2e, 0x00, 0x02];
    let error = resolved(writer, &read, &[&number]).expect_err("an int");
    assert_eq!(
        error,
        "the record field 'any': a value of Avro's type int is no STRING"
    );
}

#[test]
fn a_schema_that_does_not_fit_says_why() {
    let writer = |field: &str| {
        format!(r#"{{"type": "record", "name": "w", "fields": [{{"name": "v", "type": {field}}}]}}"#)
    };
    for (written, read, is_nullable, expected) in [
        (
            "\"string\"",
            DataType::Int64,
            true,
            "field 'v': a value of Avro's type string is no BIGINT",
        ),
        ("\"double\"", DataType::Float32, true, "type double is no FLOAT"),
        (
            "\"null\"",
            DataType::Utf8,
            false,
            "is null, but the column is NOT NULL",
        ),
        (
            "\"missing\"",
            DataType::Utf8,
            true,
            "names a type 'missing' that it does not define",
        ),
        (
            "{\"type\": \"array\", \"items\": \"string\"}",
            random::list(DataType::Int8, true),
            true,
            "string is no TINYINT",
        ),
    ] {
        let error =
            resolved(&writer(written), &columns(&[("v", read, is_nullable)]), &[]).expect_err("refused");
        assert!(error.contains(expected), "{error}");
    }
    let strict = columns(&[("w", DataType::Utf8, false)]);
    let error = resolved(&writer("\"int\""), &strict, &[]).expect_err("no such field");
    assert_eq!(error, "column 'w' is NOT NULL, and w has no field of that name");
    assert!(Schema::parse("{").expect_err("no JSON").contains("is not JSON"));
}

#[test]
fn decimals_are_rescaled_and_bounded() {
    let writer = r#"{"type": "record", "name": "w", "fields": [{"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 3}}]}"#;
    let read = columns(&[("d", DataType::Decimal128(4, 2), false)]);
    // 12.345, -12.345, 12.344, and 12.345 in more bytes than it needs.
    let padded: Vec<u8> = [vec![0x28], vec![0; 18], vec![0x30, 0x39]].concat();
    let batch = resolved(
        writer,
        &read,
        &[
            &[0x04, 0x30, 0x39],
            &[0x04, 0xcf, 0xc7],
            &[0x04, 0x30, 0x38],
            &padded[..],
        ],
    );
    let batch = batch.map(|batch| {
        batch
            .column(0)
            .as_primitive::<arrow_array::types::Decimal128Type>()
            .values()
            .to_vec()
    });
    // The last has a length of 20 and 20 bytes.
    assert_eq!(batch, Ok(vec![1235, -1235, 1234, 1235]));
    let error = resolved(writer, &read, &[&[0x06, 0x0f, 0x42, 0x40]]).expect_err("1000.000");
    assert!(error.contains("more digits than DECIMAL(4, 2)"), "{error}");
}

#[test]
fn of_a_bad_message_nothing_is_kept_wherever_it_ends() {
    let schema = random::schema_of(&random::all_types());
    let format = format(&[]);
    let batch = random::batch(&schema, 2, 11);
    let written = messages(&format, &batch);
    let mut decoder = format.message_decoder(&schema, &schema).expect("a decoder");
    decoder.push(written.get(0)).expect("a row");
    let whole = written.get(1);
    for end in 0..whole.len() {
        let error = decoder.push(&whole[..end]).expect_err("cut off");
        assert!(error.contains("ends within a value"), "{error}");
    }
    let longer = [whole, &[0]].concat();
    let error = decoder.push(&longer).expect_err("too long");
    assert_eq!(
        error,
        "the record has 1 bytes behind it: it is written with another schema"
    );
    decoder.push(whole).expect("a row");
    assert_eq!(decoder.take().expect("a batch"), batch);
}

#[test]
fn values_within_each_other_and_counts_that_lie_are_no_end_of_memory() {
    let endless = r#"{"type": "record", "name": "w", "fields": [{"name": "self", "type": ["null", "w"]}, {"name": "nulls", "type": {"type": "array", "items": "null"}}]}"#;
    let nothing = columns(&[]);
    let error = resolved(endless, &nothing, &[&vec![0x02; 100_000]]).expect_err("too deep");
    assert!(error.contains("within each other"), "{error}");
    let many = [0x00, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let error = resolved(endless, &nothing, &[&many]).expect_err("too many");
    assert!(error.contains("which are not there"), "{error}");
}

#[test]
fn only_columns_that_are_read_are_decoded() {
    let types = random::all_types();
    let schema = random::schema_of(&types);
    let batch = random::batch(&schema, 50, 5);
    let format = format(&[]);
    let written = messages(&format, &batch);
    let pruned = Fields::from(vec![Field::new("y", DataType::Utf8, false)]);
    let read = columns(&[
        ("text", DataType::Utf8, true),
        ("row_strict", DataType::Struct(pruned), false),
    ]);
    let mut decoder = format.message_decoder(&schema, &read).expect("a decoder");
    for message in written.iter() {
        decoder.push(message).expect("a row");
    }
    let rows = decoder.take().expect("a batch");
    let of = |batch: &RecordBatch, name: &str| Arc::clone(batch.column_by_name(name).expect("a column"));
    assert_eq!(&of(&rows, "text"), &of(&batch, "text"));
    let whole = of(&batch, "row_strict");
    assert_eq!(
        of(&rows, "row_strict").as_struct().column(0),
        whole.as_struct().column(1)
    );
}

/// What is read of a file, handed over in pieces, and what is wrong with it.
fn read_file(
    format: &Format,
    read: &SchemaRef,
    file: &[u8],
    piece: usize,
) -> Result<(RecordBatch, u64), BadRecord> {
    let mut decoder = format.decoder(read, read).expect("a decoder");
    decoder.begin_file();
    let (mut start, mut end, mut skipped) = (0, 0, 0);
    while start < file.len() {
        end = (end + piece).min(file.len());
        let input = Input {
            bytes: &file[start..end],
            at_end: end == file.len(),
            stop: usize::MAX,
        };
        let taken = decoder.decode(input, usize::MAX)?;
        start += taken.bytes;
        skipped += taken.skipped;
    }
    Ok((decoder.take().expect("a batch"), skipped))
}

fn written_file(format: &Format, batches: &[RecordBatch]) -> Vec<u8> {
    let mut file = Vec::new();
    format.encoder().write_header(&batches[0].schema(), &mut file);
    for batch in batches {
        format.encoder().write(batch, &mut file);
    }
    file
}

#[test]
fn files_of_another_writer_are_read() {
    let line = row(&[("count", DataType::Int32), ("item", DataType::Utf8)]);
    let read = columns(&[
        ("id", DataType::Int64, false),
        ("customer", DataType::Utf8, true),
        ("state", DataType::Utf8, false),
        ("total", DataType::Decimal128(10, 2), false),
        ("tax", DataType::Decimal128(10, 3), false),
        (
            "placed",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            false,
        ),
        ("shown", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        ("day", DataType::Date32, false),
        ("at", DataType::Time32(TimeUnit::Millisecond), false),
        ("token", DataType::Utf8, false),
        ("digest", DataType::Binary, false),
        ("weight", DataType::Float64, false),
        ("lines", random::list(line, false), false),
    ]);
    let files: [&[u8]; 4] = [
        include_bytes!("tests/fastavro_null.avro"),
        include_bytes!("tests/fastavro_deflate.avro"),
        include_bytes!("tests/fastavro_snappy.avro"),
        include_bytes!("tests/fastavro_zstandard.avro"),
    ];
    for file in files {
        let (batch, _) = read_file(&format(&[]), &read, file, 100).expect("rows");
        let rows = shown(&batch);
        assert_eq!(rows.len(), 6);
        assert_eq!(
            rows[2],
            concat!(
                r#"{"id":2,"customer":"c2","state":"NEW","total":-123.43,"tax":2.001,"placed":"2024-02-29 10:15:30.123456Z","#,
                r#""shown":"2024-02-29 11:15:30.123","day":"2024-02-29","at":"10:15:30.123","#,
                r#""token":"01234567-89ab-cdef-0123-456789abcdef","digest":"AP8=","weight":0.5,"#,
                r#""lines":[{"count":0,"item":"i0"},{"count":1,"item":"i1"}]}"#
            )
        );
    }
}

#[test]
fn what_is_behind_a_bad_record_of_a_block_is_skipped_if_wished() {
    let schema = columns(&[("s", DataType::Utf8, false)]);
    let words = Arc::new(arrow_array::StringArray::from(vec!["one", "two", "three"]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![words]).expect("a batch");
    let plain = format(&[("avro.codec", "null")]);
    let mut file = written_file(&plain, &[batch.clone(), batch.clone()]);
    let two = file
        .windows(3)
        .position(|window| window == b"two")
        .expect("is there");
    file[two] = 0xff;
    let error = read_file(&plain, &schema, &file, 10_000).expect_err("no text");
    assert!(
        error.reason.starts_with("record 2 of the block field 's'"),
        "{}",
        error.reason
    );
    let skipping = format(&[("avro.codec", "null"), ("avro.ignore-parse-errors", "true")]);
    let (rows, skipped) = read_file(&skipping, &schema, &file, 10_000).expect("the rest");
    assert_eq!((rows.num_rows(), skipped), (4, 2));
    for (at, expected) in [
        (two - 20, "ends within"),
        (file.len() - 1, "ends within a block"),
        (3, "within its header"),
    ] {
        let error = read_file(&skipping, &schema, &file[..at], 10_000).expect_err("cut off");
        assert!(error.reason.contains(expected), "{}", error.reason);
    }
    let error = read_file(&skipping, &schema, b"{\"s\": 1}", 10_000).expect_err("JSON");
    assert_eq!(error.reason, "the file is no container file of Avro");
}

#[test]
fn reading_goes_on_in_the_middle_of_a_file() {
    let schema = columns(&[("n", DataType::Int64, false)]);
    let format = format(&[]);
    let batches = [1, 2, 3].map(|seed| random::batch(&schema, 4, seed));
    let file = written_file(&format, &batches);
    let mut first = format.decoder(&schema, &schema).expect("a decoder");
    first.begin_file();
    let input = |from: usize| Input {
        bytes: &file[from..],
        at_end: true,
        stop: usize::MAX,
    };
    let taken = first.decode(input(0), 1).expect("a block");
    let mut second = format.decoder(&schema, &schema).expect("a decoder");
    assert_eq!(
        second.read_head(Input {
            bytes: &[],
            at_end: false,
            stop: 0
        }),
        Ok(None),
        "more is needed"
    );
    assert!(second.read_head(input(0)).expect("a head").is_some());
    second.decode(input(taken.bytes), usize::MAX).expect("the rest");
    assert_eq!(first.take().expect("a batch"), batches[0]);
    let rest = arrow_select::concat::concat_batches(&schema, &batches[1..]).expect("a batch");
    assert_eq!(second.take().expect("a batch"), rest);
}

#[test]
fn files_are_read_by_another_reader() {
    // Seconds become milliseconds; another reader has them as such.
    let types = random::all_types()
        .into_iter()
        .filter(|(name, _)| !["t0", "ts0", "i8", "i16"].contains(name));
    let schema = random::schema_of(&types.collect::<Vec<_>>());
    let batch = random::batch(&schema, 30, 3);
    for codec in ["null", "deflate", "snappy", "zstandard"] {
        let file = written_file(
            &format(&[("avro.codec", codec), ("avro.timestamp_mapping.legacy", "false")]),
            std::slice::from_ref(&batch),
        );
        let reader = arrow_avro::reader::ReaderBuilder::new()
            .build(Cursor::new(file))
            .expect("a reader");
        let read = reader.collect::<Result<Vec<_>, _>>().expect("rows");
        assert_eq!(
            read.iter().map(RecordBatch::num_rows).sum::<usize>(),
            30,
            "{codec}"
        );
        for name in ["i64", "f64", "text_strict", "bytes", "ts6", "date", "b_strict"] {
            let (theirs, ours) = (
                read[0].column_by_name(name).expect("a column"),
                batch.column_by_name(name).expect("a column"),
            );
            assert_eq!(
                theirs.to_data().buffers().len(),
                ours.to_data().buffers().len(),
                "{name}"
            );
            let show = |array: &dyn Array| {
                (0..array.len())
                    .map(|row| arrow_cast::display::array_value_to_string(array, row).expect("text"))
                    .collect::<Vec<_>>()
            };
            assert_eq!(show(theirs), show(ours), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_reads_back(seed in any::<u64>(), rows in 0..30_usize, legacy: bool, piece in 1..4000_usize, codec in 0..4_usize) {
        let legacy = legacy.to_string();
        let format = format(&[("avro.timestamp_mapping.legacy", &legacy), ("avro.codec", codec::NAMES[codec])]);
        let schema = random::schema_of(&random::all_types());
        format.check_columns(&schema).expect("all types");
        let batch = random::batch(&schema, rows, seed);
        let mut decoder = format.message_decoder(&schema, &schema).expect("a decoder");
        for message in messages(&format, &batch).iter() {
            decoder.push(message).expect("a row");
        }
        prop_assert_eq!(&decoder.take().expect("a batch"), &batch);
        let file = written_file(&format, std::slice::from_ref(&batch));
        let (read, _) = read_file(&format, &schema, &file, piece).expect("rows");
        prop_assert_eq!(read, batch);
    }

    #[test]
    fn no_bytes_are_the_end_of_a_decoder(message in prop::collection::vec(any::<u8>(), 0..300)) {
        let schema = random::schema_of(&random::all_types());
        let format = format(&[]);
        let mut decoder = format.message_decoder(&schema, &schema).expect("a decoder");
        let pushed = decoder.push(&message);
        prop_assert_eq!(decoder.take().expect("a batch").num_rows(), usize::from(pushed.is_ok()));
    }
}
