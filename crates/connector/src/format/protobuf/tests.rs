use std::{collections::BTreeMap, path::Path};

use arrow_array::{Array as _, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;
use prost_reflect::{DynamicMessage, prost::Message as _};

use super::*;
use crate::format::{FORMAT, Format, json, random};

const DESCRIPTORS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/src/format/protobuf/tests/descriptors.binpb"
);

fn try_format(given: &[(&str, &str)]) -> Result<Format, OptionError> {
    let default = [
        ("format", "protobuf"),
        (DESCRIPTOR_FILE, DESCRIPTORS),
        (MESSAGE, "test.All"),
    ];
    let mut options: BTreeMap<_, _> = default
        .iter()
        .chain(given)
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    embed(&mut options)?;
    Ok(Format::of_table("test", &[FORMAT], &options)?.0)
}

fn format(given: &[(&str, &str)]) -> Format {
    try_format(given).expect("a format")
}

fn schema(fields: &[(&str, DataType)]) -> SchemaRef {
    let fields = fields
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn inner() -> DataType {
    let fields = vec![
        Field::new("deep", random::list(DataType::Int64, false), true),
        Field::new("y", DataType::Utf8, true),
        Field::new("x", DataType::Int32, true),
    ];
    DataType::Struct(fields.into())
}

/// Columns of all fields of `test.All`, but for the choice.
fn all() -> SchemaRef {
    schema(&[
        ("maybe", DataType::Int32),
        ("b", DataType::Boolean),
        ("i32", DataType::Int32),
        ("i64", DataType::Int64),
        ("u32", DataType::Int64),
        ("u64", DataType::Int64),
        ("s32", DataType::Int32),
        ("s64", DataType::Int64),
        ("x32", DataType::Int64),
        ("x64", DataType::Int64),
        ("sx32", DataType::Int32),
        ("sx64", DataType::Int64),
        ("f32", DataType::Float32),
        ("f64", DataType::Float64),
        ("text", DataType::Utf8),
        ("bytes", DataType::Binary),
        ("color", DataType::Utf8),
        ("inner", inner()),
        (
            "at",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ),
        ("numbers", random::list(DataType::Int32, false)),
        ("unpacked", random::list(DataType::Int32, false)),
        ("words", random::list(DataType::Utf8, false)),
        ("inners", random::list(inner(), false)),
        ("counts", random::map(DataType::Utf8, DataType::Int64)),
        ("by_number", random::map(DataType::Int32, inner())),
    ])
}

fn rows(format: &Format, read: &SchemaRef, messages: &[&[u8]]) -> Result<RecordBatch, String> {
    let mut decoder = format.message_decoder(read, read)?;
    for message in messages {
        decoder.push(message)?;
    }
    decoder.take().map_err(|error| error.to_string())
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

/// What Python's protobuf wrote: a message with all, one with nothing, and one of another type.
fn of_python() -> Vec<Vec<u8>> {
    let mut file: &[u8] = include_bytes!("tests/messages.binpb");
    let mut messages = Vec::new();
    while let Some((message, len)) = delimited(file).expect("a length") {
        messages.push(message.to_vec());
        file = &file[len..];
    }
    assert_eq!((messages.len(), file.len()), (3, 0));
    messages
}

fn messages(format: &Format, batch: &RecordBatch) -> Messages {
    let mut messages = Messages::default();
    format.write_messages(batch, &mut messages);
    messages
}

#[test]
fn fields_are_read_and_written_as_the_specification_shows() {
    let read = schema(&[
        ("i32", DataType::Int32),
        ("text", DataType::Utf8),
        ("inner", inner()),
        ("numbers", random::list(DataType::Int32, false)),
    ]);
    // 150 in field 2, "testing" in field 14, an inner message whose field 1 is 150, and 3, 270, 86942 packed.
    let message = [
        &[0x10, 0x96, 0x01][..],
        &[0x72, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67],
        &[0x8a, 0x01, 0x03, 0x08, 0x96, 0x01],
        &[0x9a, 0x01, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05],
    ]
    .concat();
    let batch = rows(&format(&[]), &read, &[&message]).expect("the examples");
    assert_eq!(
        shown(&batch),
        [r#"{"i32":150,"text":"testing","inner":{"deep":null,"y":null,"x":150},"numbers":[3,270,86942]}"#]
    );
    assert_eq!(messages(&format(&[]), &batch).get(0), message);
}

#[test]
fn messages_of_python_are_read_and_written_the_same() {
    let written = of_python();
    let batch = rows(&format(&[]), &all(), &[&written[0], &written[1]]).expect("rows");
    assert_eq!(
        shown(&batch),
        [
            concat!(
                r#"{"maybe":0,"b":true,"i32":-7,"i64":1099511627776,"u32":4000000000,"u64":1152921504606846976,"s32":-3,"#,
                r#""s64":-1125899906842624,"x32":9,"x64":10,"sx32":-11,"sx64":-12,"f32":0.5,"f64":-0.25,"text":"né","bytes":"AP8=","#,
                r#""color":"BLUE","inner":{"deep":[1,-1],"y":"","x":1},"at":"2024-02-29 10:15:30.123456Z","numbers":[1,2,-3],"#,
                r#""unpacked":[4,5],"words":["a","","b"],"inners":[{"deep":null,"y":null,"x":1},{"deep":null,"y":null,"x":0}],"#,
                r#""counts":{"k":1},"by_number":{"3":{"deep":null,"y":"z","x":0}}}"#
            ),
            concat!(
                r#"{"maybe":null,"b":false,"i32":0,"i64":0,"u32":0,"u64":0,"s32":0,"s64":0,"x32":0,"x64":0,"sx32":0,"sx64":0,"#,
                r#""f32":0.0,"f64":0.0,"text":"","bytes":"","color":"UNKNOWN","inner":null,"at":null,"numbers":null,"unpacked":null,"#,
                r#""words":null,"inners":null,"counts":null,"by_number":null}"#
            ),
        ]
    );
    let ours = messages(&format(&[]), &batch);
    let Format::Protobuf(config) = format(&[]) else {
        panic!("another format");
    };
    for (index, theirs) in written.iter().take(2).enumerate() {
        let parsed = |bytes: &[u8]| {
            let mut message = DynamicMessage::decode(config.message.clone(), bytes).expect("a message");
            message.clear_field_by_name("other");
            // Nanoseconds were cut off.
            message.clear_field_by_name("at");
            message
        };
        assert_eq!(parsed(ours.get(index)), parsed(theirs));
    }
    assert!(ours.get(1).is_empty(), "nothing is written of defaults");
}

#[test]
fn old_messages_have_defaults_required_fields_and_groups() {
    let read = schema(&[
        ("id", DataType::Int32),
        ("name", DataType::Utf8),
        ("numbers", random::list(DataType::Int32, true)),
    ]);
    let old = [(MESSAGE, "test.Old")];
    let message = &of_python()[2];
    let batch = rows(&format(&old), &read, &[message]).expect("a row");
    assert_eq!(shown(&batch), [r#"{"id":3,"name":null,"numbers":[1,2]}"#]);
    let with_defaults = format(&[old[0], (READ_DEFAULTS, "true")]);
    let batch = rows(&with_defaults, &read, &[&[0x08, 0x03]]).expect("a row");
    assert_eq!(shown(&batch), [r#"{"id":3,"name":"nobody","numbers":[]}"#]);
    let error = rows(&format(&old), &read, &[&[]]).expect_err("nothing");
    assert_eq!(error, "the message field 'id': is not there, but required");
    let error =
        rows(&format(&old), &read, &[&[0x08, 0x03, 0x24]]).expect_err("a group that has not begun ends");
    assert!(error.contains("written in no known way"), "{error}");
}

#[test]
fn what_comes_later_counts_and_parts_of_a_message_are_one() {
    let read = schema(&[
        ("i32", DataType::Int32),
        ("one", DataType::Utf8),
        ("other", DataType::Int64),
        ("inner", inner()),
        ("numbers", random::list(DataType::Int32, true)),
    ]);
    let message = [
        &[0x10, 0x01, 0x10, 0x02][..],
        // Of the choice, first the one and then the other.
        &[0xd2, 0x01, 0x01, b'a', 0xd8, 0x01, 0x07],
        // x = 1, y = "b"; then x = 2, deep = -1.
        &[
            0x8a, 0x01, 0x05, 0x08, 0x01, 0x12, 0x01, b'b', 0x8a, 0x01, 0x04, 0x08, 0x02, 0x18, 0x01,
        ],
        // 3 packed; 4 and 5 not.
        &[0x9a, 0x01, 0x01, 0x03, 0x98, 0x01, 0x04, 0x98, 0x01, 0x05],
        // An unknown field, and a known one in another way than its type's.
        &[0xfa, 0x3f, 0x02, 0x01, 0x01, 0x12, 0x01, 0xff],
    ]
    .concat();
    let batch = rows(&format(&[]), &read, &[&message]).expect("a row");
    assert_eq!(
        shown(&batch),
        [r#"{"i32":2,"one":null,"other":7,"inner":{"deep":[-1],"y":"b","x":2},"numbers":[3,4,5]}"#]
    );
}

#[test]
fn an_enum_is_its_name_or_its_number() {
    let names = schema(&[("color", DataType::Utf8)]);
    let minus_one = [&[0x80, 0x01][..], &[0xff; 9], &[0x01]].concat();
    let batch = rows(
        &format(&[]),
        &names,
        &[&[0x80, 0x01, 0x05], &[0x80, 0x01, 0x63], &minus_one],
    )
    .expect("rows");
    assert_eq!(
        shown(&batch),
        [r#"{"color":"BLUE"}"#, r#"{"color":"99"}"#, r#"{"color":"ODD"}"#]
    );
    let written = messages(&format(&[]), &batch);
    assert_eq!(
        [written.get(1), written.get(2)],
        [&[0x80, 0x01, 0x63][..], &minus_one]
    );
    let numbers = schema(&[("color", DataType::Int8)]);
    let batch = rows(&format(&[]), &numbers, &[&minus_one]).expect("a row");
    assert_eq!(shown(&batch), [r#"{"color":-1}"#]);
    assert_eq!(messages(&format(&[]), &batch).get(0), minus_one);
}

#[test]
fn a_column_without_a_field_or_of_another_type_is_refused_by_both_names() {
    for (name, data_type, expected) in [
        (
            "nothing",
            DataType::Int32,
            "column 'nothing': the message test.All has no field of that name, but b, i32",
        ),
        (
            "i32",
            DataType::Int64,
            "column 'i32': the field test.All.i32 is int32, which is no BIGINT",
        ),
        (
            "numbers",
            DataType::Int32,
            "the field test.All.numbers is repeated int32, which is no INT",
        ),
        (
            "counts",
            random::list(DataType::Int64, true),
            "the field test.All.counts is a map, which is no ARRAY",
        ),
        (
            "inner",
            DataType::Utf8,
            "the field test.All.inner is test.Inner, which is no STRING",
        ),
        (
            "inner",
            DataType::Struct(vec![Field::new("z", DataType::Utf8, true)].into()),
            "column 'inner': column 'z': the message test.Inner has no field",
        ),
    ] {
        let error = format(&[])
            .check_columns(&schema(&[(name, data_type)]))
            .expect_err("refused")
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(format(&[]).check_columns(&all()), Ok(()));
}

#[test]
fn options_that_name_no_type_are_refused() {
    let missing = Path::new("nowhere.binpb").display().to_string();
    for (given, expected) in [
        (
            (DESCRIPTOR_FILE, missing.as_str()),
            "option 'protobuf.descriptor-file': 'nowhere.binpb' cannot be read",
        ),
        (
            (
                DESCRIPTOR_FILE,
                concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            ),
            "has no descriptors",
        ),
        (
            (MESSAGE, "test.Al"),
            "the descriptor has no message 'test.Al': it has",
        ),
    ] {
        let error = try_format(&[given]).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
    let bare: BTreeMap<_, _> = [("format", "protobuf"), (MESSAGE, "test.All")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    let error = Format::of_table("test", &[FORMAT], &bare)
        .expect_err("no descriptor")
        .to_string();
    assert!(
        error.contains("option 'protobuf.descriptor-file': is needed"),
        "{error}"
    );
}

#[test]
fn of_a_bad_message_nothing_is_kept_wherever_it_ends() {
    let format = format(&[]);
    let whole = &of_python()[0];
    let mut decoder = format.message_decoder(&all(), &all()).expect("a decoder");
    let mut bad = 0;
    for end in 0..whole.len() {
        match decoder.push(&whole[..end]) {
            // A message may end behind any of its fields.
            Ok(()) => decoder.truncate(0),
            Err(reason) => {
                assert!(reason.contains("ends within a value"), "{reason}");
                bad += 1;
            }
        }
        assert_eq!(decoder.rows(), 0);
    }
    assert!(bad > 100, "{bad}");
    decoder.push(whole).expect("a row");
    assert_eq!(decoder.take().expect("a batch").num_rows(), 1);
    for message in [
        &[0x00, 0x01][..],
        &[0x16],
        &[0x72, 0x01, 0xff],
        &[0x0b; 70],
        &[0xff; 12],
    ] {
        assert!(decoder.push(message).is_err(), "{message:?}");
    }
}

#[test]
fn numbers_without_sign_are_whole_where_the_column_is_wider_and_negative_as_in_java_where_it_is_not() {
    let largest = [0x20, 0xff, 0xff, 0xff, 0xff, 0x0f];
    for (data_type, expected) in [
        (DataType::Int64, r#"{"u32":4294967295}"#),
        (DataType::Int32, r#"{"u32":-1}"#),
    ] {
        let batch = rows(&format(&[]), &schema(&[("u32", data_type)]), &[&largest]).expect("a row");
        assert_eq!(shown(&batch), [expected]);
        assert_eq!(messages(&format(&[]), &batch).get(0), largest);
    }
}

#[test]
fn nulls_within_arrays_and_maps_are_written_as_what_stands_for_them() {
    let read = schema(&[
        ("words", random::list(DataType::Utf8, true)),
        ("counts", random::map(DataType::Utf8, DataType::Int64)),
    ]);
    let mut decoder = Format::named("json", "test", &BTreeMap::new())
        .map(|format| format.message_decoder(&read, &read).expect("a decoder"))
        .expect("JSON");
    decoder
        .push(br#"{"words": ["a", null], "counts": {"k": null}}"#)
        .expect("a row");
    let batch = decoder.take().expect("a batch");
    let format = format(&[(NULL_LITERAL, "NULL")]);
    let written = messages(&format, &batch);
    let back = rows(&format, &read, &[written.get(0)]).expect("a row");
    assert_eq!(shown(&back), [r#"{"words":["a","NULL"],"counts":{"k":0}}"#]);
}

#[test]
fn files_have_the_length_of_each_message_before_it() {
    let format = format(&[]);
    let file: &[u8] = include_bytes!("tests/messages.binpb");
    let read = schema(&[("i64", DataType::Int64)]);
    for piece in [1, 7, 1000] {
        let mut decoder = format.decoder(&read, &read).expect("a decoder");
        decoder.begin_file();
        let (mut start, mut end) = (0, 0);
        while start < file.len() {
            end = (end + piece).min(file.len());
            let input = Input {
                bytes: &file[start..end],
                at_end: end == file.len(),
                stop: usize::MAX,
            };
            start += decoder.decode(input, usize::MAX).expect("messages").bytes;
        }
        let batch = decoder.take().expect("a batch");
        assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), 1 << 40);
        assert_eq!(
            batch.num_rows(),
            3,
            "the fields of another type are those of this one, as far as numbers go"
        );
    }
}

/// A batch of what can be in messages: of arrays and maps there are none without values, and enums are known.
fn batch(rows: usize, seed: u64) -> RecordBatch {
    let written = random::batch(&all(), rows, seed);
    let format = format(&[]);
    let messages = messages(&format, &written);
    let bytes: Vec<_> = messages.iter().collect();
    self::rows(&format, &all(), &bytes).expect("rows")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_reads_back_here_and_elsewhere(seed in any::<u64>(), rows in 0..20_usize) {
        let batch = batch(rows, seed);
        let format = format(&[]);
        let Format::Protobuf(config) = &format else {
            panic!("another format");
        };
        let ours = messages(&format, &batch);
        let theirs: Vec<_> = ours
            .iter()
            .map(|message| {
                let message = DynamicMessage::decode(config.message.clone(), message).expect("a message");
                prop_assert!(message.unknown_fields().next().is_none());
                Ok(message.encode_to_vec())
            })
            .collect::<Result<_, TestCaseError>>()?;
        let theirs: Vec<_> = theirs.iter().map(Vec::as_slice).collect();
        let ours: Vec<_> = ours.iter().collect();
        prop_assert_eq!(&self::rows(&format, &all(), &ours).expect("rows"), &batch);
        let read = self::rows(&format, &all(), &theirs).expect("rows");
        // Their maps are in no order.
        for name in ["i64", "f32", "text", "inner", "inners", "numbers", "at", "color"] {
            prop_assert_eq!(read.column_by_name(name), batch.column_by_name(name));
        }
        prop_assert_eq!(read.column_by_name("counts").map(|map| map.as_map().keys().len()), batch.column_by_name("counts").map(|map| map.as_map().keys().len()));
    }

    #[test]
    fn no_bytes_are_the_end_of_a_decoder(message in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut decoder = format(&[]).message_decoder(&all(), &all()).expect("a decoder");
        let pushed = decoder.push(&message);
        prop_assert_eq!(decoder.take().expect("a batch").num_rows(), usize::from(pushed.is_ok()));
    }
}
