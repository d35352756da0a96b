//! Raw bytes: tables of one column, whose value is all that there is in a message or a line.
//!
//! Numbers are written as so many bytes, in files with nothing between them; texts and bytes are lines there, each ended by a line
//! feed, which they must not have themselves.

use std::str;

use arrow_array::{
    Array, BinaryArray, BooleanArray, RecordBatch, StringArray,
    cast::AsArray,
    types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type},
};
use arrow_schema::{ArrowError, DataType, SchemaRef};

use super::{
    BadRecord, Decoder, Input, Taken,
    column::{Column, Values},
    record::{Record, Records},
    sql_type,
};
use crate::options::{Checked, OptionDef, OptionKind, option};

const CHARSET: &str = "raw.charset";
const ENDIANNESS: &str = "raw.endianness";

/// The options of the format.
pub const OPTIONS: &[OptionDef] = &[
    option(
        CHARSET,
        OptionKind::OneOf(&["UTF-8", "US-ASCII", "ISO-8859-1"]),
        Some("UTF-8"),
        "how texts are written; bytes that are no text are read as the replacement character, and characters that it lacks are written as `?`",
    ),
    option(
        ENDIANNESS,
        OptionKind::OneOf(&["big-endian", "little-endian"]),
        Some("big-endian"),
        "which byte of a number comes first",
    ),
];

/// How characters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    Utf8,
    Ascii,
    Latin1,
}

/// The format's options, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    charset: Charset,
    little_endian: bool,
}

impl Config {
    pub(crate) fn new(options: &Checked<'_>) -> Self {
        Self {
            charset: match options.word(CHARSET) {
                Some("US-ASCII") => Charset::Ascii,
                Some("ISO-8859-1") => Charset::Latin1,
                _ => Charset::Utf8,
            },
            little_endian: options.word(ENDIANNESS) == Some("little-endian"),
        }
    }
}

/// How many bytes a number has; none of what is as long as it is.
fn width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Boolean | DataType::Int8 => Some(1),
        DataType::Int16 => Some(2),
        DataType::Int32 | DataType::Float32 => Some(4),
        DataType::Int64 | DataType::Float64 => Some(8),
        _ => None,
    }
}

/// Whether its rows are lines in files, so that reading may start at any of them.
pub(crate) fn is_lines(schema: &SchemaRef) -> bool {
    let fields = schema.fields().iter();
    fields
        .map(|field| field.data_type())
        .all(|data_type| width(data_type).is_none())
}

/// Refuses all columns but a single one of a type that is a row of bytes.
pub(crate) fn check_columns(schema: &SchemaRef) -> Result<(), String> {
    let [field] = &schema.fields()[..] else {
        let names: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        return Err(format!(
            "the format 'raw' has room for one column, and there are {}: {}",
            names.len(),
            names.join(", ")
        ));
    };
    match field.data_type() {
        DataType::Utf8 | DataType::Binary => Ok(()),
        number if width(number).is_some() => Ok(()),
        other => Err(format!(
            "column '{}' is {}, but the format 'raw' holds STRING, BYTES, BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT or DOUBLE",
            field.name(),
            sql_type(other)
        )),
    }
}

/// Reads a message's bytes as a value.
#[derive(Debug)]
pub(crate) struct Value(Config);

/// A decoder of messages, which takes lines of files too.
pub(crate) type Decode = Records<Value>;

/// A decoder of the columns that are read: the single one, or none.
pub(crate) fn decoder(config: Config, read: &SchemaRef) -> Result<Decode, String> {
    Records::new(read, Value(config))
}

impl Value {
    fn number<const N: usize>(&self, message: &[u8]) -> Result<[u8; N], String> {
        let mut bytes: [u8; N] = message
            .try_into()
            .map_err(|_| format!("it has {} bytes, and the column's type {N}", message.len()))?;
        if self.0.little_endian {
            bytes.reverse();
        }
        Ok(bytes)
    }

    fn append(&self, message: &[u8], values: &mut Values) -> Result<(), String> {
        match values {
            Values::Text(text) => {
                append_text(self.0.charset, message, &mut text.bytes);
                text.end();
            }
            Values::Bytes(bytes) => {
                bytes.bytes.extend_from_slice(message);
                bytes.end();
            }
            Values::Bool(bits) => {
                let [byte] = self.number(message)?;
                bits.append(byte != 0);
            }
            Values::Int8(vec) => vec.push(i8::from_be_bytes(self.number(message)?)),
            Values::Int16(vec) => vec.push(i16::from_be_bytes(self.number(message)?)),
            Values::Int32(vec) => vec.push(i32::from_be_bytes(self.number(message)?)),
            Values::Int64(vec) => vec.push(i64::from_be_bytes(self.number(message)?)),
            Values::Float32(vec) => vec.push(f32::from_be_bytes(self.number(message)?)),
            Values::Float64(vec) => vec.push(f64::from_be_bytes(self.number(message)?)),
            _ => return Err("the column is of a type that is not read from raw bytes".into()),
        }
        Ok(())
    }
}

impl Record for Value {
    fn read(&mut self, message: &[u8], columns: &mut [Column]) -> Result<(), String> {
        for column in columns {
            self.append(message, &mut column.values)
                .map_err(|reason| format!("column '{}': {reason}", column.field.name()))?;
            column.end_value();
        }
        Ok(())
    }
}

fn append_text(charset: Charset, bytes: &[u8], out: &mut Vec<u8>) {
    let mut push = |c: char| out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    match charset {
        Charset::Utf8 => match str::from_utf8(bytes) {
            Ok(text) => out.extend_from_slice(text.as_bytes()),
            Err(_) => out.extend_from_slice(String::from_utf8_lossy(bytes).as_bytes()),
        },
        Charset::Latin1 => {
            for byte in bytes {
                push(char::from(*byte));
            }
        }
        Charset::Ascii => {
            let ascii = |byte: &u8| {
                if byte.is_ascii() {
                    char::from(*byte)
                } else {
                    char::REPLACEMENT_CHARACTER
                }
            };
            for byte in bytes {
                push(ascii(byte));
            }
        }
    }
}

impl Decode {
    /// The record at the front and its whole length; none if it is not all there.
    fn split<'a>(&self, rest: &'a [u8], at_end: bool) -> Option<(&'a [u8], usize)> {
        let fixed = self.rows.schema().fields().first();
        if let Some(width) = fixed.and_then(|field| width(field.data_type())) {
            return match rest.get(..width) {
                Some(record) => Some((record, width)),
                None if at_end && !rest.is_empty() => Some((rest, rest.len())),
                None => None,
            };
        }
        match memchr::memchr(b'\n', rest) {
            Some(end) => Some((rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]), end + 1)),
            None if at_end && !rest.is_empty() => Some((rest, rest.len())),
            None => None,
        }
    }
}

impl Decoder for Decode {
    fn begin_file(&mut self) {}

    fn has_lines(&self) -> bool {
        is_lines(self.rows.schema())
    }

    fn decode(&mut self, input: Input<'_>, max_rows: usize) -> Result<Taken, BadRecord> {
        let mut taken = Taken::default();
        while self.rows.len() < max_rows && taken.bytes < input.stop {
            let Some((record, len)) = self.split(&input.bytes[taken.bytes..], input.at_end) else {
                break;
            };
            let value = &mut self.record;
            let outcome = self.rows.push(|columns| value.read(record, columns));
            outcome.map_err(|reason| BadRecord {
                offset: taken.bytes,
                len: Some(len),
                line: taken.lines,
                reason,
            })?;
            taken.bytes += len;
            taken.lines += 1;
        }
        Ok(taken)
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        self.rows.take()
    }
}

/// The rows of a batch as bytes.
pub(crate) struct Texts<'a> {
    config: Config,
    array: Option<&'a dyn Array>,
    values: Kind<'a>,
}

enum Kind<'a> {
    None,
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Bool(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
}

impl<'a> Texts<'a> {
    /// Of the single column of a batch.
    pub(crate) fn new(config: Config, batch: &'a RecordBatch) -> Self {
        let array = batch.columns().first().map(AsRef::as_ref);
        Self {
            config,
            array,
            values: array.map_or(Kind::None, Kind::new),
        }
    }

    /// Appends a row; nothing if it is null.
    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.array.is_none_or(|array| array.is_null(row)) {
            return;
        }
        match self.values {
            Kind::None => {}
            Kind::Text(texts) => write_text(self.config.charset, texts.value(row), out),
            Kind::Bytes(bytes) => out.extend_from_slice(bytes.value(row)),
            Kind::Bool(bits) => out.push(u8::from(bits.value(row))),
            Kind::Int8(values) => self.number(values[row].to_be_bytes(), out),
            Kind::Int16(values) => self.number(values[row].to_be_bytes(), out),
            Kind::Int32(values) => self.number(values[row].to_be_bytes(), out),
            Kind::Int64(values) => self.number(values[row].to_be_bytes(), out),
            Kind::Float32(values) => self.number(values[row].to_be_bytes(), out),
            Kind::Float64(values) => self.number(values[row].to_be_bytes(), out),
        }
    }

    fn number<const N: usize>(&self, mut bytes: [u8; N], out: &mut Vec<u8>) {
        if self.config.little_endian {
            bytes.reverse();
        }
        out.extend_from_slice(&bytes);
    }
}

impl<'a> Kind<'a> {
    fn new(array: &'a dyn Array) -> Self {
        match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Binary => Self::Bytes(array.as_binary()),
            DataType::Boolean => Self::Bool(array.as_boolean()),
            DataType::Int8 => Self::Int8(array.as_primitive::<Int8Type>().values()),
            DataType::Int16 => Self::Int16(array.as_primitive::<Int16Type>().values()),
            DataType::Int32 => Self::Int32(array.as_primitive::<Int32Type>().values()),
            DataType::Int64 => Self::Int64(array.as_primitive::<Int64Type>().values()),
            DataType::Float32 => Self::Float32(array.as_primitive::<Float32Type>().values()),
            DataType::Float64 => Self::Float64(array.as_primitive::<Float64Type>().values()),
            _ => Self::None,
        }
    }
}

fn write_text(charset: Charset, text: &str, out: &mut Vec<u8>) {
    let last = match charset {
        Charset::Utf8 => return out.extend_from_slice(text.as_bytes()),
        Charset::Latin1 => 0xff,
        Charset::Ascii => 0x7f,
    };
    let byte = |c: char| u8::try_from(u32::from(c)).ok().filter(|byte| *byte <= last);
    out.extend(text.chars().map(|c| byte(c).unwrap_or(b'?')));
}

/// Appends each row as a record of a file: nothing for a null among numbers.
pub(crate) fn write_records(config: Config, batch: &RecordBatch, out: &mut Vec<u8>) {
    let texts = Texts::new(config, batch);
    let ends_lines = is_lines(batch.schema_ref());
    for row in 0..batch.num_rows() {
        texts.write(row, out);
        if ends_lines {
            out.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests;
