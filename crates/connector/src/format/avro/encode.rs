//! Columns into Avro's binary encoding, as the schema that is derived of them says.

use arrow_array::{
    Array, BinaryArray, BooleanArray, Decimal128Array, RecordBatch, StringArray,
    cast::AsArray,
    types::{
        Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        Time32MillisecondType, Time32SecondType, Time64MicrosecondType, TimestampMicrosecondType,
        TimestampMillisecondType, TimestampSecondType,
    },
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, TimeUnit};

/// The rows of a batch as records.
pub(crate) struct Rows<'a>(Vec<Cells<'a>>);

/// A column, its type resolved once.
struct Cells<'a> {
    /// Whether a value is of a union with null.
    is_nullable: bool,
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Bool(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    /// Seconds, which Avro has no type for: as milliseconds.
    Seconds32(&'a [i32]),
    Seconds64(&'a [i64]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Decimal(&'a Decimal128Array),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Row(Rows<'a>),
    Array(&'a [i32], Box<Cells<'a>>),
    Map {
        offsets: &'a [i32],
        keys: &'a StringArray,
        values: Box<Cells<'a>>,
    },
    /// A type that no schema was derived of.
    None,
}

impl<'a> Rows<'a> {
    /// Of a batch of columns that a schema is derived of.
    pub(crate) fn new(batch: &'a RecordBatch) -> Self {
        let fields = batch.schema_ref().fields().iter();
        let cells = fields.zip(batch.columns());
        Self(
            cells
                .map(|(field, array)| Cells::new(field, array.as_ref()))
                .collect(),
        )
    }

    /// Appends a row.
    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) {
        for cells in &self.0 {
            cells.write(row, out);
        }
    }
}

impl<'a> Cells<'a> {
    fn new(field: &Field, array: &'a dyn Array) -> Self {
        Self {
            is_nullable: field.is_nullable(),
            nulls: array.nulls(),
            values: Values::new(array),
        }
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_nullable {
            if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                out.push(0);
                return;
            }
            out.push(2);
        }
        self.values.write(row, out);
    }
}

impl<'a> Values<'a> {
    fn new(array: &'a dyn Array) -> Self {
        match array.data_type() {
            DataType::Boolean => Self::Bool(array.as_boolean()),
            DataType::Int8 => Self::Int8(array.as_primitive::<Int8Type>().values()),
            DataType::Int16 => Self::Int16(array.as_primitive::<Int16Type>().values()),
            DataType::Int32 => Self::Int32(array.as_primitive::<Int32Type>().values()),
            DataType::Int64 => Self::Int64(array.as_primitive::<Int64Type>().values()),
            DataType::Float32 => Self::Float32(array.as_primitive::<Float32Type>().values()),
            DataType::Float64 => Self::Float64(array.as_primitive::<Float64Type>().values()),
            DataType::Decimal128(..) => Self::Decimal(array.as_primitive()),
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Binary => Self::Bytes(array.as_binary()),
            DataType::Date32 => Self::Int32(array.as_primitive::<Date32Type>().values()),
            DataType::Time32(TimeUnit::Second) => {
                Self::Seconds32(array.as_primitive::<Time32SecondType>().values())
            }
            DataType::Time32(_) => Self::Int32(array.as_primitive::<Time32MillisecondType>().values()),
            DataType::Time64(TimeUnit::Microsecond) => {
                Self::Int64(array.as_primitive::<Time64MicrosecondType>().values())
            }
            DataType::Timestamp(TimeUnit::Second, _) => {
                Self::Seconds64(array.as_primitive::<TimestampSecondType>().values())
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                Self::Int64(array.as_primitive::<TimestampMillisecondType>().values())
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Self::Int64(array.as_primitive::<TimestampMicrosecondType>().values())
            }
            DataType::Struct(fields) => {
                let cells = fields.iter().zip(array.as_struct().columns());
                Self::Row(Rows(
                    cells
                        .map(|(field, array)| Cells::new(field, array.as_ref()))
                        .collect(),
                ))
            }
            DataType::List(item) => {
                let list = array.as_list::<i32>();
                Self::Array(
                    list.value_offsets(),
                    Box::new(Cells::new(item, list.values().as_ref())),
                )
            }
            DataType::Map(entries, _) => {
                let map = array.as_map();
                let (DataType::Struct(pair), Some(keys)) = (entries.data_type(), map.keys().as_string_opt())
                else {
                    return Self::None;
                };
                Self::Map {
                    offsets: map.value_offsets(),
                    keys,
                    values: Box::new(Cells::new(&pair[1], map.values().as_ref())),
                }
            }
            _ => Self::None,
        }
    }

    #[inline]
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Int64(values) => write_long(values[row], out),
            Self::Int32(values) => write_long(values[row].into(), out),
            Self::Text(texts) => write_bytes(texts.value(row).as_bytes(), out),
            Self::Float64(values) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::Bool(bits) => out.push(u8::from(bits.value(row))),
            Self::Int8(values) => write_long(values[row].into(), out),
            Self::Int16(values) => write_long(values[row].into(), out),
            Self::Seconds32(values) => write_long(i64::from(values[row]) * 1_000, out),
            Self::Seconds64(values) => write_long(values[row].saturating_mul(1_000), out),
            Self::Float32(values) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::Decimal(values) => write_bytes(shortest(&values.value(row).to_be_bytes()), out),
            Self::Bytes(bytes) => write_bytes(bytes.value(row), out),
            Self::Row(rows) => rows.write(row, out),
            Self::Array(offsets, items) => {
                let range = offsets[row]..offsets[row + 1];
                begin_block(range.len(), out);
                for item in range {
                    items.write(item as usize, out);
                }
                out.push(0);
            }
            Self::Map {
                offsets,
                keys,
                values,
            } => {
                let range = offsets[row]..offsets[row + 1];
                begin_block(range.len(), out);
                for entry in range {
                    write_bytes(keys.value(entry as usize).as_bytes(), out);
                    values.write(entry as usize, out);
                }
                out.push(0);
            }
            Self::None => {}
        }
    }
}

/// Writes how many values follow; where there are none, the end is all.
fn begin_block(count: usize, out: &mut Vec<u8>) {
    if count > 0 {
        write_long(count as i64, out);
    }
}

/// Writes a number as seven bits a byte, the lowest first, with its sign in the lowest bit.
#[inline]
pub(super) fn write_long(number: i64, out: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Writes a length and so many bytes.
#[inline]
pub(super) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}

/// A two's complement number without bytes that say nothing.
fn shortest(number: &[u8; 16]) -> &[u8] {
    let is_needed = |at: usize| {
        let fill = if number[at + 1] >= 0x80 { 0xff } else { 0 };
        number[at] != fill
    };
    let start = (0..15).find(|at| is_needed(*at)).unwrap_or(15);
    &number[start..]
}
