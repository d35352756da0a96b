//! Columns of a batch, their types resolved once, to be written as text a value at a time.

use std::fmt::Write as _;

use arrow_array::{
    Array, BinaryArray, BooleanArray, Decimal128Array, Float32Array, Float64Array, StringArray, UInt64Array,
    cast::AsArray,
    types::{
        Date32Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType,
        Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType,
    },
};
use arrow_buffer::NullBuffer;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, TimeUnit};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::value::{TimestampStyle, write_date, write_decimal, write_time, write_timestamp};

/// The fields of an object, each with what precedes its value: `{"a":` or `,"b":`.
pub(crate) struct Members<'a>(Vec<(Vec<u8>, Cells<'a>)>);

impl<'a> Members<'a> {
    pub(crate) fn new(named: impl Iterator<Item = (&'a str, &'a dyn Array)>, style: TimestampStyle) -> Self {
        let member = |(index, (name, array)): (usize, (&'a str, &'a dyn Array))| {
            let mut lead = vec![if index == 0 { b'{' } else { b',' }];
            write_string(name.as_bytes(), &mut lead);
            lead.push(b':');
            (lead, Cells::new(array, style))
        };
        Self(named.enumerate().map(member).collect())
    }

    /// Writes a row as a JSON object.
    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) {
        for (lead, cells) in &self.0 {
            out.extend_from_slice(lead);
            cells.write(row, out);
        }
        out.extend_from_slice(if self.0.is_empty() { b"{}" } else { b"}" });
    }
}

/// A column, its type resolved once.
pub(crate) struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Null,
    Bool(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt64(&'a UInt64Array),
    Float32(&'a Float32Array),
    Float64(&'a Float64Array),
    Decimal(&'a Decimal128Array, i8),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Date(&'a [i32]),
    Time32(&'a [i32], TimeUnit),
    Time64(&'a [i64], TimeUnit),
    Timestamp {
        values: &'a [i64],
        unit: TimeUnit,
        zoned: bool,
        style: TimestampStyle,
    },
    Row(Members<'a>),
    Array(&'a [i32], Box<Cells<'a>>),
    Map {
        offsets: &'a [i32],
        keys: Box<Cells<'a>>,
        values: Box<Cells<'a>>,
    },
    /// Types that no table has: their text as a string.
    Other(ArrayFormatter<'a>),
}

impl<'a> Cells<'a> {
    pub(crate) fn new(array: &'a dyn Array, style: TimestampStyle) -> Self {
        Self {
            nulls: array.nulls(),
            values: Values::new(array, style),
        }
    }

    /// Writes a value as JSON.
    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            out.extend_from_slice(b"null");
        } else {
            self.values.write(row, out);
        }
    }
}

impl<'a> Values<'a> {
    fn new(array: &'a dyn Array, style: TimestampStyle) -> Self {
        match array.data_type() {
            DataType::Boolean => Self::Bool(array.as_boolean()),
            DataType::Int8 => Self::Int8(array.as_primitive::<Int8Type>().values()),
            DataType::Int16 => Self::Int16(array.as_primitive::<Int16Type>().values()),
            DataType::Int32 => Self::Int32(array.as_primitive::<Int32Type>().values()),
            DataType::Int64 => Self::Int64(array.as_primitive::<Int64Type>().values()),
            DataType::UInt64 => Self::UInt64(array.as_primitive()),
            DataType::Float32 => Self::Float32(array.as_primitive()),
            DataType::Float64 => Self::Float64(array.as_primitive()),
            DataType::Decimal128(_, scale) => Self::Decimal(array.as_primitive(), *scale),
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Binary => Self::Bytes(array.as_binary()),
            DataType::Date32 => Self::Date(array.as_primitive::<Date32Type>().values()),
            DataType::Time32(unit) => Self::Time32(
                match unit {
                    TimeUnit::Second => array.as_primitive::<Time32SecondType>().values(),
                    _ => array.as_primitive::<Time32MillisecondType>().values(),
                },
                *unit,
            ),
            DataType::Time64(unit) => Self::Time64(
                match unit {
                    TimeUnit::Nanosecond => array.as_primitive::<Time64NanosecondType>().values(),
                    _ => array.as_primitive::<Time64MicrosecondType>().values(),
                },
                *unit,
            ),
            DataType::Timestamp(unit, zone) => Self::Timestamp {
                values: match unit {
                    TimeUnit::Second => array.as_primitive::<TimestampSecondType>().values(),
                    TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().values(),
                    TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().values(),
                    TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().values(),
                },
                unit: *unit,
                zoned: zone.is_some(),
                style,
            },
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns().iter().map(AsRef::as_ref);
                Self::Row(Members::new(
                    fields.iter().map(|field| field.name().as_str()).zip(columns),
                    style,
                ))
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Self::Array(list.value_offsets(), Box::new(Cells::new(list.values(), style)))
            }
            DataType::Map(..) => {
                let map = array.as_map();
                Self::Map {
                    offsets: map.value_offsets(),
                    keys: Box::new(Cells::new(map.keys(), style)),
                    values: Box::new(Cells::new(map.values(), style)),
                }
            }
            _ => ArrayFormatter::try_new(array, &FormatOptions::default()).map_or(Self::Null, Self::Other),
        }
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
            Self::Int8(values) => write_int(values[row], out),
            Self::Int16(values) => write_int(values[row], out),
            Self::Int32(values) => write_int(values[row], out),
            Self::Int64(values) => write_int(values[row], out),
            Self::UInt64(array) => write_int(array.value(row), out),
            Self::Float32(array) => write_float(array.value(row), out),
            Self::Float64(array) => write_float(array.value(row), out),
            Self::Decimal(array, scale) => write_decimal(array.value(row), *scale, out),
            Self::Text(array) => write_string(array.value(row).as_bytes(), out),
            Self::Bytes(array) => {
                write_quoted(out, |out| out.extend(STANDARD.encode(array.value(row)).bytes()));
            }
            Self::Date(values) => write_quoted(out, |out| write_date(values[row], out)),
            Self::Time32(values, unit) => write_quoted(out, |out| write_time(values[row].into(), *unit, out)),
            Self::Time64(values, unit) => write_quoted(out, |out| write_time(values[row], *unit, out)),
            Self::Timestamp {
                values,
                unit,
                zoned,
                style,
            } => {
                write_quoted(out, |out| {
                    write_timestamp(values[row], *unit, *zoned, *style, out);
                });
            }
            Self::Row(members) => members.write(row, out),
            Self::Array(offsets, items) => {
                out.push(b'[');
                for (nth, item) in (offsets[row]..offsets[row + 1]).enumerate() {
                    if nth > 0 {
                        out.push(b',');
                    }
                    items.write(item as usize, out);
                }
                out.push(b']');
            }
            Self::Map {
                offsets,
                keys,
                values,
            } => {
                out.push(b'{');
                for (nth, entry) in (offsets[row]..offsets[row + 1]).enumerate() {
                    if nth > 0 {
                        out.push(b',');
                    }
                    keys.write_name(entry as usize, out);
                    out.push(b':');
                    values.write(entry as usize, out);
                }
                out.push(b'}');
            }
            Self::Other(formatter) => {
                let mut text = String::new();
                let written = write!(text, "{}", formatter.value(row));
                debug_assert!(written.is_ok(), "writing to a string does not fail");
                write_string(text.as_bytes(), out);
            }
        }
    }
}

impl Cells<'_> {
    /// Writes a value that is not null without quotes and escapes; false, with nothing written, if it is null.
    pub(crate) fn write_plain(&self, row: usize, out: &mut Vec<u8>) -> bool {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return false;
        }
        let start = out.len();
        match &self.values {
            Values::Null => return false,
            Values::Text(array) => out.extend_from_slice(array.value(row).as_bytes()),
            values => values.write(row, out),
        }
        // All other values that JSON writes as strings hold nothing to escape.
        if !matches!(self.values, Values::Text(_)) && out[start] == b'"' {
            out.pop();
            out.remove(start);
        }
        true
    }

    /// Writes a map's key, which JSON wants to be a string.
    fn write_name(&self, row: usize, out: &mut Vec<u8>) {
        let start = out.len();
        self.write(row, out);
        if out[start] != b'"' {
            let name = out.split_off(start);
            write_string(&name, out);
        }
    }
}

fn write_int(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn write_float<F: ryu::Float + Into<f64> + Copy>(value: F, out: &mut Vec<u8>) {
    let wide: f64 = value.into();
    if wide.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else if wide.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else {
        out.extend_from_slice(if wide > 0.0 {
            b"\"Infinity\""
        } else {
            b"\"-Infinity\""
        });
    }
}

fn write_quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// Writes a string with its quotes; only what must be escaped is.
fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f)) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                let hex = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.extend([hex[usize::from(control >> 4)], hex[usize::from(control & 15)]]);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
