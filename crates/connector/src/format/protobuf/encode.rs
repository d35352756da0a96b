//! Columns into Protobuf's messages, fields in the order of their numbers.
//!
//! A null is a field that is not there. So is the default of a field of which it cannot be told that it is there.

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, ListArray, MapArray, StringArray,
    cast::AsArray,
    types::{
        Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
        TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    },
};
use arrow_schema::{DataType, TimeUnit};

use super::plan::{self, Default, Scalar, Shape, Type};

/// The rows of columns as messages.
pub(super) struct Message<'a> {
    /// In the order of their numbers.
    fields: Vec<Field<'a>>,
}

struct Field<'a> {
    number: u32,
    array: &'a dyn Array,
    shape: Writer<'a>,
}

enum Writer<'a> {
    One {
        of: Cells<'a>,
        /// What is left out, as nobody can tell that it is there.
        left_out: Option<&'a Default>,
    },
    Many {
        list: &'a ListArray,
        of: Cells<'a>,
        is_packed: bool,
    },
    Map {
        map: &'a MapArray,
        key: Cells<'a>,
        value: Cells<'a>,
    },
}

/// Values of a column, or of those within it.
struct Cells<'a> {
    array: &'a dyn Array,
    values: Values<'a>,
    /// What stands for null where there must be a value.
    null: &'a [u8],
}

enum Values<'a> {
    Bool(&'a BooleanArray),
    /// Numbers that are written as seven bits a byte, or in a fixed way.
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32], Scalar),
    Int64(&'a [i64], Scalar),
    Float(&'a [f32]),
    Double(&'a [f64]),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Enum(&'a StringArray, &'a [(i32, String)]),
    Message(Message<'a>),
    Timestamp(&'a [i64], i64),
    /// A type that the table was not checked for.
    None,
}

impl<'a> Message<'a> {
    /// Of columns in the order of the plan's; `null_literal` stands for nulls among texts.
    pub(super) fn new(plan: &'a plan::Message, columns: &'a [ArrayRef], null_literal: &'a str) -> Self {
        let fields = plan.fields.iter().zip(columns);
        let mut fields: Vec<_> = fields
            .map(|(field, array)| Field::new(field, array.as_ref(), null_literal))
            .collect();
        fields.sort_by_key(|field| field.number);
        Self { fields }
    }

    /// Appends a row.
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) {
        for field in &self.fields {
            if field.array.is_valid(row) {
                field.write(row, out);
            }
        }
    }
}

impl<'a> Field<'a> {
    fn new(plan: &'a plan::Field, array: &'a dyn Array, null_literal: &'a str) -> Self {
        let cells = |of: &'a Type, array: &'a dyn Array| Cells::new(of, array, null_literal);
        let shape = match &plan.shape {
            Shape::One {
                of,
                has_presence,
                default,
            } => Writer::One {
                of: cells(of, array),
                left_out: (!has_presence).then_some(default),
            },
            Shape::Many { of, is_packed } => {
                let list = array.as_list::<i32>();
                Writer::Many {
                    list,
                    of: cells(of, list.values().as_ref()),
                    is_packed: *is_packed,
                }
            }
            Shape::Map { key, value, .. } => {
                let map = array.as_map();
                Writer::Map {
                    map,
                    key: cells(key, map.keys().as_ref()),
                    value: cells(value, map.values().as_ref()),
                }
            }
        };
        Self {
            number: plan.number,
            array,
            shape,
        }
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        match &self.shape {
            Writer::One { of, left_out } => {
                if left_out.is_none_or(|default| !of.is(row, default)) {
                    write_tag(self.number, of.wire(), out);
                    of.write(row, out);
                }
            }
            Writer::Many { list, of, is_packed } => {
                let offsets = list.value_offsets();
                let items = offsets[row] as usize..offsets[row + 1] as usize;
                if !is_packed {
                    for item in items {
                        write_tag(self.number, of.wire(), out);
                        of.write(item, out);
                    }
                } else if !items.is_empty() {
                    write_tag(self.number, DELIMITED, out);
                    write_within(out, |out| items.for_each(|item| of.write(item, out)));
                }
            }
            Writer::Map { map, key, value } => {
                let offsets = map.value_offsets();
                for entry in offsets[row] as usize..offsets[row + 1] as usize {
                    write_tag(self.number, DELIMITED, out);
                    write_within(out, |out| {
                        write_tag(1, key.wire(), out);
                        key.write(entry, out);
                        write_tag(2, value.wire(), out);
                        value.write(entry, out);
                    });
                }
            }
        }
    }
}

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const DELIMITED: u32 = 2;
const FIXED32: u32 = 5;

impl<'a> Cells<'a> {
    fn new(of: &'a Type, array: &'a dyn Array, null_literal: &'a str) -> Self {
        let values = Values::new(of, array, null_literal);
        let null = if matches!(values, Values::Text(_)) {
            null_literal.as_bytes()
        } else {
            &[]
        };
        Self { array, values, null }
    }

    fn wire(&self) -> u32 {
        match &self.values {
            Values::Int32(_, scalar) | Values::Int64(_, scalar) => match scalar {
                Scalar::Fixed32 { .. } => FIXED32,
                Scalar::Fixed64 => FIXED64,
                _ => VARINT,
            },
            Values::Bool(_) | Values::Int8(_) | Values::Int16(_) | Values::Enum(..) | Values::None => VARINT,
            Values::Float(_) => FIXED32,
            Values::Double(_) => FIXED64,
            Values::Text(_) | Values::Bytes(_) | Values::Message(_) | Values::Timestamp(..) => DELIMITED,
        }
    }

    /// Whether a value is a default.
    fn is(&self, row: usize, default: &Default) -> bool {
        match (&self.values, default) {
            (Values::Bool(bits), Default::Bits(default)) => u64::from(bits.value(row)) == *default,
            (Values::Int8(values), Default::Bits(default)) => i64::from(values[row]) as u64 == *default,
            (Values::Int16(values), Default::Bits(default)) => i64::from(values[row]) as u64 == *default,
            (Values::Int32(values, _), Default::Bits(default)) => i64::from(values[row]) as u64 == *default,
            (Values::Int64(values, _), Default::Bits(default)) => values[row] as u64 == *default,
            (Values::Float(values), Default::Bits(default)) => u64::from(values[row].to_bits()) == *default,
            (Values::Double(values), Default::Bits(default)) => values[row].to_bits() == *default,
            (Values::Enum(texts, names), Default::Bits(default)) => {
                i64::from(number_of(texts.value(row), names)) as u64 == *default
            }
            (Values::Text(texts), Default::Bytes(default)) => texts.value(row).as_bytes() == default,
            (Values::Bytes(bytes), Default::Bytes(default)) => bytes.value(row) == default,
            _ => false,
        }
    }

    /// Appends a value, without its tag; what stands for null if it is null.
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.array.is_valid(row) {
            return self.values.write(row, out);
        }
        match self.wire() {
            VARINT => out.push(0),
            FIXED32 => out.extend_from_slice(&[0; 4]),
            FIXED64 => out.extend_from_slice(&[0; 8]),
            _ => {
                write_varint(self.null.len() as u64, out);
                out.extend_from_slice(self.null);
            }
        }
    }
}

impl<'a> Values<'a> {
    fn new(of: &'a Type, array: &'a dyn Array, null_literal: &'a str) -> Self {
        match (of, array.data_type()) {
            (Type::Scalar(_), DataType::Boolean) => Self::Bool(array.as_boolean()),
            (Type::Scalar(_), DataType::Int8) => Self::Int8(array.as_primitive::<Int8Type>().values()),
            (Type::Scalar(_), DataType::Int16) => Self::Int16(array.as_primitive::<Int16Type>().values()),
            (Type::Scalar(scalar), DataType::Int32) => {
                Self::Int32(array.as_primitive::<Int32Type>().values(), *scalar)
            }
            (Type::Scalar(scalar), DataType::Int64) => {
                Self::Int64(array.as_primitive::<Int64Type>().values(), *scalar)
            }
            (Type::Scalar(_), DataType::Float32) => Self::Float(array.as_primitive::<Float32Type>().values()),
            (Type::Scalar(_), DataType::Float64) => {
                Self::Double(array.as_primitive::<Float64Type>().values())
            }
            (Type::Scalar(_), DataType::Utf8) => Self::Text(array.as_string()),
            (Type::Scalar(_), DataType::Binary) => Self::Bytes(array.as_binary()),
            (Type::Enum(names), DataType::Utf8) => Self::Enum(array.as_string(), names),
            (Type::Message(message), DataType::Struct(_)) => {
                Self::Message(Message::new(message, array.as_struct().columns(), null_literal))
            }
            (Type::Timestamp { per_second }, DataType::Timestamp(unit, _)) => {
                let values = match unit {
                    TimeUnit::Second => array.as_primitive::<TimestampSecondType>().values(),
                    TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().values(),
                    TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().values(),
                    TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().values(),
                };
                Self::Timestamp(values, *per_second)
            }
            _ => Self::None,
        }
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Bool(bits) => out.push(u8::from(bits.value(row))),
            Self::Int8(values) => write_varint(i64::from(values[row]) as u64, out),
            Self::Int16(values) => write_varint(i64::from(values[row]) as u64, out),
            Self::Int32(values, Scalar::Uint32) => write_varint(u64::from(values[row] as u32), out),
            Self::Int32(values, scalar) => write_whole(values[row].into(), *scalar, out),
            Self::Int64(values, scalar) => write_whole(values[row], *scalar, out),
            Self::Float(values) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::Double(values) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::Text(texts) => write_bytes(texts.value(row).as_bytes(), out),
            Self::Bytes(bytes) => write_bytes(bytes.value(row), out),
            Self::Enum(texts, names) => {
                write_varint(i64::from(number_of(texts.value(row), names)) as u64, out);
            }
            Self::Message(message) => write_within(out, |out| message.write(row, out)),
            Self::Timestamp(values, per_second) => write_within(out, |out| {
                let seconds = values[row].div_euclid(*per_second);
                let nanos = values[row].rem_euclid(*per_second) * (1_000_000_000 / per_second);
                for (number, value) in [(1, seconds), (2, nanos)] {
                    if value != 0 {
                        write_tag(number, VARINT, out);
                        write_varint(value as u64, out);
                    }
                }
            }),
            Self::None => out.push(0),
        }
    }
}

fn write_whole(number: i64, scalar: Scalar, out: &mut Vec<u8>) {
    match scalar {
        Scalar::Sint => write_varint(((number << 1) ^ (number >> 63)) as u64, out),
        Scalar::Fixed32 { .. } => out.extend_from_slice(&(number as u32).to_le_bytes()),
        Scalar::Fixed64 => out.extend_from_slice(&number.to_le_bytes()),
        Scalar::Uint32 => write_varint((number as u32).into(), out),
        _ => write_varint(number as u64, out),
    }
}

/// The number of an enum's name: of what is none, the number that it is, or 0.
fn number_of(name: &str, names: &[(i32, String)]) -> i32 {
    let known = names.iter().find(|(_, known)| known == name);
    known.map_or_else(|| name.parse().unwrap_or(0), |(number, _)| *number)
}

#[inline]
fn write_tag(number: u32, wire: u32, out: &mut Vec<u8>) {
    write_varint(u64::from(number) << 3 | u64::from(wire), out);
}

#[inline]
fn write_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends what `write` does, with its length before it.
pub(super) fn write_within(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.push(0);
    write(out);
    let len = (out.len() - start - 1) as u64;
    if len < 0x80 {
        out[start] = len as u8;
        return;
    }
    // Most are short; others are moved by as much as their length is longer.
    let mut before = Vec::with_capacity(10);
    write_varint(len, &mut before);
    out.splice(start..=start, before);
}
