//! Growing typed columns: what decoders append to, and can take back from when a record turns out to be bad.
//!
//! Arrow's own builders cannot be cut back, which a decoder needs when the second half of a record does not parse.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, ListArray, MapArray, StringArray, StructArray,
    Time32MillisecondArray, Time32SecondArray, Time64MicrosecondArray, Time64NanosecondArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, FieldRef, Fields, TimeUnit};

/// A column that grows by a value or a null at a time and can be cut back.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) field: FieldRef,
    nulls: NullBufferBuilder,
    pub(crate) values: Values,
}

/// The values of a column, nulls included as any value.
#[derive(Debug)]
pub(crate) enum Values {
    Bool(BooleanBufferBuilder),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Decimal {
        values: Vec<i128>,
        precision: u8,
        scale: i8,
    },
    Text(Bytes),
    Bytes(Bytes),
    Date(Vec<i32>),
    /// Time of day in seconds or milliseconds.
    Time32(Vec<i32>, TimeUnit),
    /// Time of day in micro- or nanoseconds.
    Time64(Vec<i64>, TimeUnit),
    /// `zoned` is TIMESTAMP_LTZ: a moment, not a wall-clock reading.
    Timestamp {
        values: Vec<i64>,
        unit: TimeUnit,
        zoned: bool,
    },
    Row(Vec<Column>),
    Array(Vec<i32>, Box<Column>),
    Map {
        offsets: Vec<i32>,
        key: Box<Column>,
        value: Box<Column>,
    },
}

/// Byte strings one after the other.
#[derive(Debug)]
pub(crate) struct Bytes {
    ends: Vec<i32>,
    pub(crate) bytes: Vec<u8>,
}

impl Bytes {
    fn new() -> Self {
        Self {
            ends: vec![0],
            bytes: Vec::new(),
        }
    }

    fn truncate(&mut self, len: usize) {
        self.ends.truncate(len + 1);
        self.bytes.truncate(self.ends[len] as usize);
    }

    /// Ends a value whose bytes were appended to `bytes`.
    pub(crate) fn end(&mut self) {
        self.ends.push(self.bytes.len() as i32);
    }
}

/// Appends a null to each, or to none: the error names a column that may not be null.
pub(crate) fn append_nulls(columns: &mut [Column]) -> Result<(), String> {
    if let Some(strict) = columns.iter().find(|column| !column.field.is_nullable()) {
        let name = strict.field.name();
        return Err(format!("field '{name}': is null, but the column is NOT NULL"));
    }
    columns.iter_mut().for_each(Column::append_null);
    Ok(())
}

/// Appends to each a null, or any value where it may not be null.
pub(crate) fn append_absent(columns: &mut [Column]) {
    for column in columns {
        if column.field.is_nullable() {
            column.append_null();
        } else {
            column.values.append_default();
            column.end_value();
        }
    }
}

impl Column {
    /// An empty column of that type; the error says which type cannot be decoded.
    pub(crate) fn new(field: &FieldRef) -> Result<Self, String> {
        let values = Values::new(field.data_type())
            .map_err(|reason| format!("column '{}': {reason}", field.name()))?;
        Ok(Self {
            field: Arc::clone(field),
            nulls: NullBufferBuilder::new(0),
            values,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.nulls.len()
    }

    /// Says that a value was appended to `values`.
    #[inline]
    pub(crate) fn end_value(&mut self) {
        self.nulls.append_non_null();
    }

    /// Appends a null, whether or not the column is declared NOT NULL.
    pub(crate) fn append_null(&mut self) {
        self.nulls.append_null();
        self.values.append_default();
    }

    /// Appends a value that means nothing, where there must be one.
    pub(crate) fn append_default(&mut self) {
        self.nulls.append_non_null();
        self.values.append_default();
    }

    /// Forgets all but the first `len` values.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.nulls.truncate(len);
        self.values.truncate(len);
    }

    /// The column as an array, leaving it empty.
    pub(crate) fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        let len = self.nulls.len();
        let nulls = self.nulls.finish();
        self.values.take(self.field.data_type(), len, nulls)
    }
}

macro_rules! each_vec {
    ($values:expr, $vec:ident => $plain:expr, $($rest:tt)*) => {
        match $values {
            Values::Int8($vec) => $plain,
            Values::Int16($vec) => $plain,
            Values::Int32($vec) | Values::Date($vec) | Values::Time32($vec, _) => $plain,
            Values::Int64($vec) | Values::Time64($vec, _) | Values::Timestamp { values: $vec, .. } => $plain,
            Values::Float32($vec) => $plain,
            Values::Float64($vec) => $plain,
            Values::Decimal { values: $vec, .. } => $plain,
            $($rest)*
        }
    };
}

impl Values {
    fn new(data_type: &DataType) -> Result<Self, String> {
        Ok(match data_type {
            DataType::Boolean => Self::Bool(BooleanBufferBuilder::new(0)),
            DataType::Int8 => Self::Int8(Vec::new()),
            DataType::Int16 => Self::Int16(Vec::new()),
            DataType::Int32 => Self::Int32(Vec::new()),
            DataType::Int64 => Self::Int64(Vec::new()),
            DataType::Float32 => Self::Float32(Vec::new()),
            DataType::Float64 => Self::Float64(Vec::new()),
            DataType::Decimal128(precision, scale) => Self::Decimal {
                values: Vec::new(),
                precision: *precision,
                scale: *scale,
            },
            DataType::Utf8 => Self::Text(Bytes::new()),
            DataType::Binary => Self::Bytes(Bytes::new()),
            DataType::Date32 => Self::Date(Vec::new()),
            DataType::Time32(unit) => Self::Time32(Vec::new(), *unit),
            DataType::Time64(unit) => Self::Time64(Vec::new(), *unit),
            DataType::Timestamp(unit, zone) => Self::Timestamp {
                values: Vec::new(),
                unit: *unit,
                zoned: zone.is_some(),
            },
            DataType::Struct(fields) => Self::Row(columns(fields)?),
            DataType::List(item) => Self::Array(vec![0], Box::new(Column::new(item)?)),
            DataType::Map(entries, _) => {
                let DataType::Struct(fields) = entries.data_type() else {
                    return Err("a map without entries".into());
                };
                let [key, value] = &fields[..] else {
                    return Err("a map without keys and values".into());
                };
                Self::Map {
                    offsets: vec![0],
                    key: Box::new(Column::new(key)?),
                    value: Box::new(Column::new(value)?),
                }
            }
            other => return Err(format!("values of type {other} cannot be read")),
        })
    }

    fn append_default(&mut self) {
        each_vec!(self, vec => vec.push(Default::default()),
            Self::Bool(bits) => bits.append(false),
            Self::Text(bytes) | Self::Bytes(bytes) => bytes.end(),
            Self::Row(columns) => columns.iter_mut().for_each(Column::append_null),
            Self::Array(offsets, item) => offsets.push(item.len() as i32),
            Self::Map { offsets, key, .. } => offsets.push(key.len() as i32),
        );
    }

    fn truncate(&mut self, len: usize) {
        each_vec!(self, vec => vec.truncate(len),
            Self::Bool(bits) => bits.truncate(len),
            Self::Text(bytes) | Self::Bytes(bytes) => bytes.truncate(len),
            Self::Row(columns) => columns.iter_mut().for_each(|column| column.truncate(len)),
            Self::Array(offsets, item) => {
                offsets.truncate(len + 1);
                item.truncate(offsets[len] as usize);
            }
            Self::Map { offsets, key, value } => {
                offsets.truncate(len + 1);
                key.truncate(offsets[len] as usize);
                value.truncate(offsets[len] as usize);
            }
        );
    }

    fn take(
        &mut self,
        data_type: &DataType,
        len: usize,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Bool(bits) => Arc::new(BooleanArray::new(bits.finish(), nulls)),
            Self::Int8(vec) => Arc::new(Int8Array::try_new(emptied(vec), nulls)?),
            Self::Int16(vec) => Arc::new(Int16Array::try_new(emptied(vec), nulls)?),
            Self::Int32(vec) => Arc::new(Int32Array::try_new(emptied(vec), nulls)?),
            Self::Int64(vec) => Arc::new(Int64Array::try_new(emptied(vec), nulls)?),
            Self::Float32(vec) => Arc::new(Float32Array::try_new(emptied(vec), nulls)?),
            Self::Float64(vec) => Arc::new(Float64Array::try_new(emptied(vec), nulls)?),
            Self::Decimal {
                values,
                precision,
                scale,
            } => Arc::new(
                Decimal128Array::try_new(emptied(values), nulls)?
                    .with_precision_and_scale(*precision, *scale)?,
            ),
            Self::Text(text) => {
                let (offsets, bytes) = text.take();
                Arc::new(StringArray::try_new(offsets, bytes, nulls)?)
            }
            Self::Bytes(strings) => {
                let (offsets, bytes) = strings.take();
                Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?)
            }
            Self::Date(vec) => Arc::new(Date32Array::try_new(emptied(vec), nulls)?),
            Self::Time32(vec, TimeUnit::Second) => Arc::new(Time32SecondArray::try_new(emptied(vec), nulls)?),
            Self::Time32(vec, _) => Arc::new(Time32MillisecondArray::try_new(emptied(vec), nulls)?),
            Self::Time64(vec, TimeUnit::Nanosecond) => {
                Arc::new(Time64NanosecondArray::try_new(emptied(vec), nulls)?)
            }
            Self::Time64(vec, _) => Arc::new(Time64MicrosecondArray::try_new(emptied(vec), nulls)?),
            Self::Timestamp { values, unit, .. } => timestamps(emptied(values), *unit, data_type, nulls)?,
            Self::Row(columns) => {
                let DataType::Struct(fields) = data_type else {
                    return Err(mismatch(data_type));
                };
                let children = columns
                    .iter_mut()
                    .map(Column::take)
                    .collect::<Result<Vec<_>, _>>()?;
                Arc::new(StructArray::try_new_with_length(
                    fields.clone(),
                    children,
                    nulls,
                    len,
                )?)
            }
            Self::Array(offsets, item) => {
                let DataType::List(field) = data_type else {
                    return Err(mismatch(data_type));
                };
                let items = item.take()?;
                Arc::new(ListArray::try_new(
                    Arc::clone(field),
                    taken_offsets(offsets),
                    items,
                    nulls,
                )?)
            }
            Self::Map { offsets, key, value } => {
                let DataType::Map(entries, sorted) = data_type else {
                    return Err(mismatch(data_type));
                };
                let DataType::Struct(fields) = entries.data_type() else {
                    return Err(mismatch(data_type));
                };
                let pairs = StructArray::try_new(fields.clone(), vec![key.take()?, value.take()?], None)?;
                Arc::new(MapArray::try_new(
                    Arc::clone(entries),
                    taken_offsets(offsets),
                    pairs,
                    nulls,
                    *sorted,
                )?)
            }
        })
    }
}

impl Bytes {
    fn take(&mut self) -> (OffsetBuffer<i32>, Buffer) {
        (
            taken_offsets(&mut self.ends),
            Buffer::from_vec(with_room(&mut self.bytes)),
        )
    }
}

/// One column per field.
pub(crate) fn columns(fields: &Fields) -> Result<Vec<Column>, String> {
    fields.iter().map(Column::new).collect()
}

fn mismatch(data_type: &DataType) -> ArrowError {
    ArrowError::SchemaError(format!("a column was built for another type than {data_type}"))
}

/// The contents, leaving an empty vector of the same capacity: the next batch is likely to be as long.
fn with_room<T>(vec: &mut Vec<T>) -> Vec<T> {
    let room = vec.len();
    std::mem::replace(vec, Vec::with_capacity(room))
}

fn emptied<T: arrow_buffer::ArrowNativeType>(vec: &mut Vec<T>) -> ScalarBuffer<T> {
    ScalarBuffer::from(with_room(vec))
}

fn taken_offsets(ends: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let offsets = OffsetBuffer::new(emptied(ends));
    ends.push(0);
    offsets
}

fn timestamps(
    values: ScalarBuffer<i64>,
    unit: TimeUnit,
    data_type: &DataType,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    let DataType::Timestamp(_, zone) = data_type else {
        return Err(mismatch(data_type));
    };
    let zone = zone.clone();
    Ok(match unit {
        TimeUnit::Second => Arc::new(TimestampSecondArray::try_new(values, nulls)?.with_timezone_opt(zone)),
        TimeUnit::Millisecond => {
            Arc::new(TimestampMillisecondArray::try_new(values, nulls)?.with_timezone_opt(zone))
        }
        TimeUnit::Microsecond => {
            Arc::new(TimestampMicrosecondArray::try_new(values, nulls)?.with_timezone_opt(zone))
        }
        TimeUnit::Nanosecond => {
            Arc::new(TimestampNanosecondArray::try_new(values, nulls)?.with_timezone_opt(zone))
        }
    })
}
