use std::{collections::BTreeMap, sync::Arc};

use arrow_array::{ArrayRef, BinaryArray, Int32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use proptest::prelude::*;

use super::*;
use crate::format::{FORMAT, Format, Messages, random};

fn format(options: &[(&str, &str)]) -> Format {
    let mut given: BTreeMap<_, _> = [("format".to_owned(), "raw".to_owned())].into();
    given.extend(
        options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    Format::of_table("test", &[FORMAT], &given).expect("a format").0
}

fn schema(data_type: DataType) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("v", data_type, true)]))
}

fn batch(array: ArrayRef) -> RecordBatch {
    RecordBatch::try_new(schema(array.data_type().clone()), vec![array]).expect("a batch")
}

fn message(format: &Format, batch: &RecordBatch) -> Vec<u8> {
    let mut messages = Messages::default();
    format.write_messages(batch, &mut messages);
    messages.get(0).to_vec()
}

fn read(format: &Format, data_type: DataType, message: &[u8]) -> Result<RecordBatch, String> {
    let schema = schema(data_type);
    let mut decoder = format.message_decoder(&schema, &schema)?;
    decoder.push(message)?;
    decoder.take().map_err(|error| error.to_string())
}

#[test]
fn numbers_are_their_bytes_the_highest_first_unless_told_otherwise() {
    let numbers = batch(Arc::new(Int32Array::from(vec![0x0102_0304])));
    for (endianness, bytes) in [("big-endian", [1, 2, 3, 4]), ("little-endian", [4, 3, 2, 1])] {
        let format = format(&[("raw.endianness", endianness)]);
        assert_eq!(message(&format, &numbers), bytes);
        assert_eq!(read(&format, DataType::Int32, &bytes), Ok(numbers.clone()));
    }
    let error = read(&format(&[]), DataType::Int64, &[1, 2]).expect_err("too short");
    assert_eq!(error, "column 'v': it has 2 bytes, and the column's type 8");
}

#[test]
fn texts_are_written_in_the_charset_of_the_table() {
    let text = batch(Arc::new(StringArray::from(vec!["né€"])));
    for (charset, written, back) in [
        ("UTF-8", "né€".as_bytes(), "né€"),
        ("ISO-8859-1", b"n\xe9?", "né?"),
        ("US-ASCII", b"n??", "n??"),
    ] {
        let format = format(&[("raw.charset", charset)]);
        assert_eq!(message(&format, &text), written, "{charset}");
        let expected = batch(Arc::new(StringArray::from(vec![back])));
        assert_eq!(read(&format, DataType::Utf8, written), Ok(expected), "{charset}");
    }
    let broken = read(&format(&[]), DataType::Utf8, b"a\xffb");
    assert_eq!(broken, Ok(batch(Arc::new(StringArray::from(vec!["a\u{fffd}b"])))));
}

#[test]
fn a_table_has_one_column_of_bytes_or_a_number() {
    let format = format(&[]);
    assert_eq!(format.check_columns(&schema(DataType::Binary)), Ok(()));
    let two = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Utf8, true),
        Field::new("b", DataType::Utf8, true),
    ]));
    for (schema, expected) in [
        (two, "room for one column, and there are 2: a, b"),
        (schema(DataType::Date32), "column 'v' is DATE"),
    ] {
        let error = format.check_columns(&schema).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// What is read of a file of these bytes, handed over in pieces of `piece` bytes.
fn read_file(format: &Format, schema: &SchemaRef, bytes: &[u8], piece: usize) -> RecordBatch {
    let mut decoder = format.decoder(schema, schema).expect("a decoder");
    decoder.begin_file();
    let (mut start, mut end) = (0, 0);
    while start < bytes.len() {
        end = (end + piece).min(bytes.len());
        let input = Input {
            bytes: &bytes[start..end],
            at_end: end == bytes.len(),
            stop: usize::MAX,
        };
        start += decoder.decode(input, usize::MAX).expect("records").bytes;
    }
    decoder.take().expect("a batch")
}

#[test]
fn a_line_of_a_file_is_a_row() {
    let format = format(&[]);
    for (text, lines) in [
        ("", vec![]),
        ("a\nb", vec!["a", "b"]),
        ("a\r\n\n b \n", vec!["a", "", " b "]),
    ] {
        for piece in 1..=text.len().max(1) {
            let read = read_file(&format, &schema(DataType::Utf8), text.as_bytes(), piece);
            assert_eq!(
                read,
                batch(Arc::new(StringArray::from(lines.clone()))),
                "{text:?}"
            );
        }
    }
    assert!(format.is_splittable(&schema(DataType::Binary)));
    assert!(!format.is_splittable(&schema(DataType::Int64)));
}

#[test]
fn a_null_is_an_empty_message() {
    let nulls = batch(Arc::new(BinaryArray::from(vec![None])));
    assert_eq!(message(&format(&[]), &nulls), b"");
}

proptest! {
    #[test]
    fn what_is_written_reads_back(seed in any::<u64>(), rows in 0..20_usize, little: bool) {
        let endianness = if little { "little-endian" } else { "big-endian" };
        let format = format(&[("raw.endianness", endianness)]);
        for (name, data_type) in random::all_types() {
            let schema = Arc::new(Schema::new(vec![Field::new(name, data_type.clone(), false)]));
            if format.check_columns(&schema).is_err() {
                continue;
            }
            let batch = random::batch(&schema, rows, seed);
            let mut messages = Messages::default();
            format.write_messages(&batch, &mut messages);
            let mut decoder = format.message_decoder(&schema, &schema).expect("a decoder");
            for message in messages.iter() {
                decoder.push(message).expect("a row");
            }
            prop_assert_eq!(&decoder.take().expect("a batch"), &batch);
            if data_type != DataType::Binary {
                let mut file = Vec::new();
                format.encoder().write(&batch, &mut file);
                prop_assert_eq!(read_file(&format, &schema, &file, 7), batch);
            }
        }
    }
}
