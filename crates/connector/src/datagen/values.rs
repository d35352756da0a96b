//! A column's values for given rows.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, ListArray, StringArray, StructArray, Time32MillisecondArray,
    Time32SecondArray, Time64MicrosecondArray, Time64NanosecondArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, TimeUnit};

use super::{
    field::{Generator, Kind},
    random::RowRandom,
};

const DAY_MS: i64 = 86_400_000;

impl Generator {
    /// The values of these rows.
    pub(super) fn column(&self, rows: &[u64], now_ms: i64) -> Result<ArrayRef, ArrowError> {
        let nulls = (self.null_rate > 0.0).then(|| {
            let valid = |at: usize| self.null_random.of_row(rows[at]).unit() >= self.null_rate;
            NullBuffer::new(BooleanBuffer::collect_bool(rows.len(), valid))
        });
        let draws = || rows.iter().map(|row| self.random.of_row(*row));
        match &self.kind {
            Kind::Bool => Ok(Arc::new(BooleanArray::new(
                BooleanBuffer::collect_bool(rows.len(), |at| self.random.of_row(rows[at]).bits() & 1 == 1),
                nulls,
            ))),
            Kind::Sequence { start, .. } => self.numbers(
                rows.iter().map(|row| i128::from(*start) + i128::from(*row)),
                nulls,
            ),
            Kind::Number { min, max } => {
                self.numbers(draws().map(|mut draw| draw.between(*min, *max)), nulls)
            }
            Kind::Float { min, max } => {
                self.floats(draws().map(|mut draw| float(&mut draw, *min, *max)), nulls)
            }
            Kind::Text { length } => {
                let text = joined(draws(), rows.len() * length, |mut draw, out| {
                    append_hex(&mut draw, *length, out);
                });
                Ok(Arc::new(StringArray::try_new(
                    equal_offsets(*length, rows.len()),
                    text,
                    nulls,
                )?))
            }
            Kind::Bytes { length } => {
                let bytes = joined(draws(), rows.len() * length, |mut draw, out| {
                    append_bytes(&mut draw, *length, out);
                });
                Ok(Arc::new(BinaryArray::try_new(
                    equal_offsets(*length, rows.len()),
                    bytes,
                    nulls,
                )?))
            }
            Kind::Now => self.moments(std::iter::repeat_n(now_ms, rows.len()), nulls),
            Kind::Timestamp { max_past } => {
                let past = max_past.as_millis() as i128;
                self.moments(
                    draws().map(|mut draw| now_ms - draw.between(0, past) as i64),
                    nulls,
                )
            }
            Kind::Array { length, item } => {
                let DataType::List(field) = &self.data_type else {
                    return Err(mismatch(&self.data_type));
                };
                let items: Vec<_> = rows
                    .iter()
                    .flat_map(|row| (0..*length as u64).map(move |at| row.wrapping_mul(*length as u64) + at))
                    .collect();
                let items = item.column(&items, now_ms)?;
                let offsets = equal_offsets(*length, rows.len());
                Ok(Arc::new(ListArray::try_new(
                    Arc::clone(field),
                    offsets,
                    items,
                    nulls,
                )?))
            }
            Kind::Row(fields) => {
                let DataType::Struct(named) = &self.data_type else {
                    return Err(mismatch(&self.data_type));
                };
                let columns = fields
                    .iter()
                    .map(|field| field.column(rows, now_ms))
                    .collect::<Result<_, _>>()?;
                Ok(Arc::new(StructArray::try_new_with_length(
                    named.clone(),
                    columns,
                    nulls,
                    rows.len(),
                )?))
            }
        }
    }

    fn numbers(
        &self,
        numbers: impl Iterator<Item = i128>,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError> {
        Ok(match &self.data_type {
            DataType::Int8 => Arc::new(Int8Array::try_new(numbers.map(|n| n as i8).collect(), nulls)?),
            DataType::Int16 => Arc::new(Int16Array::try_new(numbers.map(|n| n as i16).collect(), nulls)?),
            DataType::Int32 => Arc::new(Int32Array::try_new(numbers.map(|n| n as i32).collect(), nulls)?),
            DataType::Int64 => Arc::new(Int64Array::try_new(numbers.map(|n| n as i64).collect(), nulls)?),
            DataType::Float32 | DataType::Float64 => return self.floats(numbers.map(|n| n as f64), nulls),
            DataType::Decimal128(precision, scale) => {
                // A sequence counts in ones, whatever the scale.
                let one = if matches!(self.kind, Kind::Sequence { .. }) {
                    10_i128.pow((*scale).max(0) as u32)
                } else {
                    1
                };
                let values: ScalarBuffer<i128> = numbers.map(|n| n * one).collect();
                Arc::new(
                    Decimal128Array::try_new(values, nulls)?.with_precision_and_scale(*precision, *scale)?,
                )
            }
            DataType::Utf8 => {
                let texts: Vec<_> = numbers.map(|n| n.to_string()).collect();
                let (offsets, bytes, _) = StringArray::from_iter_values(texts).into_parts();
                Arc::new(StringArray::try_new(offsets, bytes, nulls)?)
            }
            other => return Err(mismatch(other)),
        })
    }

    fn floats(
        &self,
        numbers: impl Iterator<Item = f64>,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError> {
        Ok(match &self.data_type {
            DataType::Float32 => Arc::new(Float32Array::try_new(numbers.map(|n| n as f32).collect(), nulls)?),
            _ => Arc::new(Float64Array::try_new(numbers.collect(), nulls)?),
        })
    }

    /// Moments in milliseconds as dates, times or timestamps.
    fn moments(
        &self,
        ms: impl Iterator<Item = i64>,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError> {
        let time = |per_second: i64| move |ms: i64| ms.rem_euclid(DAY_MS) * per_second / 1_000;
        let since_1970 = |per_second: i64| {
            move |ms: i64| (i128::from(ms) * i128::from(per_second)).div_euclid(1_000) as i64
        };
        Ok(match &self.data_type {
            DataType::Date32 => Arc::new(Date32Array::try_new(
                ms.map(|ms| ms.div_euclid(DAY_MS) as i32).collect(),
                nulls,
            )?),
            DataType::Time32(TimeUnit::Second) => Arc::new(Time32SecondArray::try_new(
                ms.map(time(1)).map(|time| time as i32).collect(),
                nulls,
            )?),
            DataType::Time32(_) => Arc::new(Time32MillisecondArray::try_new(
                ms.map(time(1_000)).map(|time| time as i32).collect(),
                nulls,
            )?),
            DataType::Time64(TimeUnit::Nanosecond) => Arc::new(Time64NanosecondArray::try_new(
                ms.map(time(1_000_000_000)).collect(),
                nulls,
            )?),
            DataType::Time64(_) => Arc::new(Time64MicrosecondArray::try_new(
                ms.map(time(1_000_000)).collect(),
                nulls,
            )?),
            DataType::Timestamp(TimeUnit::Second, zone) => Arc::new(
                TimestampSecondArray::try_new(ms.map(since_1970(1)).collect(), nulls)?
                    .with_timezone_opt(zone.clone()),
            ),
            DataType::Timestamp(TimeUnit::Millisecond, zone) => Arc::new(
                TimestampMillisecondArray::try_new(ms.collect(), nulls)?.with_timezone_opt(zone.clone()),
            ),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => Arc::new(
                TimestampMicrosecondArray::try_new(ms.map(since_1970(1_000_000)).collect(), nulls)?
                    .with_timezone_opt(zone.clone()),
            ),
            DataType::Timestamp(TimeUnit::Nanosecond, zone) => Arc::new(
                TimestampNanosecondArray::try_new(ms.map(since_1970(1_000_000_000)).collect(), nulls)?
                    .with_timezone_opt(zone.clone()),
            ),
            other => return Err(mismatch(other)),
        })
    }
}

fn mismatch(data_type: &DataType) -> ArrowError {
    ArrowError::SchemaError(format!("{data_type} is not made this way"))
}

fn float(draw: &mut RowRandom, min: f64, max: f64) -> f64 {
    let share = draw.unit();
    // Not min + share * (max - min): the difference of the bounds may be infinite.
    (min * (1.0 - share) + max * share).clamp(min, max)
}

fn joined(
    draws: impl Iterator<Item = RowRandom>,
    bytes: usize,
    append: impl Fn(RowRandom, &mut Vec<u8>),
) -> Buffer {
    let mut out = Vec::with_capacity(bytes);
    draws.for_each(|draw| append(draw, &mut out));
    Buffer::from_vec(out)
}

fn append_hex(draw: &mut RowRandom, length: usize, out: &mut Vec<u8>) {
    let end = out.len() + length;
    while out.len() < end {
        let bits = draw.bits();
        let digits = (end - out.len()).min(16);
        out.extend((0..digits).map(|nth| b"0123456789abcdef"[(bits >> (4 * nth)) as usize & 15]));
    }
}

fn append_bytes(draw: &mut RowRandom, length: usize, out: &mut Vec<u8>) {
    let end = out.len() + length;
    while out.len() < end {
        let bytes = draw.bits().to_le_bytes();
        out.extend_from_slice(&bytes[..(end - out.len()).min(8)]);
    }
}

fn equal_offsets(length: usize, rows: usize) -> OffsetBuffer<i32> {
    OffsetBuffer::from_repeated_length(length, rows)
}
