//! A column's options, and its values for given rows.

use std::{sync::Arc, time::Duration};

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, ListArray, StringArray, StructArray, Time32MillisecondArray,
    Time32SecondArray, Time64MicrosecondArray, Time64NanosecondArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, TimeUnit};

use super::{
    key,
    random::{FieldRandom, RowRandom},
    useless,
};
use crate::{
    OptionError,
    format::{parse_decimal, sql_type},
    options::{Checked, invalid},
};

const DAY_MS: i64 = 86_400_000;

/// Strings and arrays longer than this are refused: a batch of them would not fit into memory.
const MAX_LENGTH: i64 = 1 << 20;

/// Makes the values of one column.
#[derive(Clone, Debug)]
pub(super) struct Generator {
    data_type: DataType,
    kind: Kind,
    random: FieldRandom,
    /// The share of nulls, and their chance.
    null_rate: f64,
    null_random: FieldRandom,
}

#[derive(Clone, Debug)]
enum Kind {
    /// `start` in row 0, then one more per row.
    Sequence {
        start: i64,
        end: i64,
    },
    Bool,
    /// Integers and decimals, these as multiples of their scale.
    Number {
        min: i128,
        max: i128,
    },
    Float {
        min: f64,
        max: f64,
    },
    /// Hexadecimal digits, as Flink makes them.
    Text {
        length: usize,
    },
    Bytes {
        length: usize,
    },
    /// The current date or time.
    Now,
    Timestamp {
        max_past: Duration,
    },
    Array {
        length: usize,
        item: Box<Generator>,
    },
    Row(Vec<Generator>),
}

/// Adds the paths of the field and all fields in it.
pub(super) fn add_paths(path: &str, field: &Field, paths: &mut Vec<String>) {
    paths.push(path.to_owned());
    match field.data_type() {
        DataType::Struct(fields) => {
            fields
                .iter()
                .for_each(|field| add_paths(&format!("{path}.{}", field.name()), field, paths));
        }
        DataType::List(item) => add_paths(&format!("{path}.element"), item, paths),
        _ => {}
    }
}

impl Generator {
    /// A generator of the field with that path, as the options say.
    pub(super) fn new(
        path: &str,
        field: &Field,
        options: &Checked<'_>,
        seed: i64,
    ) -> Result<Self, OptionError> {
        let data_type = field.data_type();
        let is_sequence = options.word(&key(path, "kind")) == Some("sequence");
        refuse_useless(path, data_type, is_sequence, options)?;
        let null_rate = options.float(&key(path, "null-rate")).unwrap_or(0.0);
        if !(0.0..=1.0).contains(&null_rate) {
            return Err(invalid(
                &key(path, "null-rate"),
                format!("{null_rate} is not between 0 and 1"),
            ));
        }
        if null_rate > 0.0 && !field.is_nullable() {
            return Err(invalid(&key(path, "null-rate"), format!("'{path}' is NOT NULL")));
        }
        Ok(Self {
            data_type: data_type.clone(),
            kind: if is_sequence {
                sequence(path, data_type, options)?
            } else {
                random(path, data_type, options, seed)?
            },
            random: FieldRandom::new(seed, path, 0),
            null_rate,
            null_random: FieldRandom::new(seed, path, 1),
        })
    }

    /// How many rows a sequence in it has values for.
    pub(super) fn rows(&self) -> Option<u64> {
        match &self.kind {
            Kind::Sequence { start, end } => Some(end.abs_diff(*start).saturating_add(1)),
            Kind::Row(fields) => fields.iter().filter_map(Self::rows).min(),
            _ => None,
        }
    }

    /// About how much memory a row's value takes, bytes.
    pub(super) fn row_bytes(&self) -> usize {
        match &self.kind {
            Kind::Text { length } | Kind::Bytes { length } => *length,
            Kind::Array { length, item } => length * item.row_bytes(),
            Kind::Row(fields) => fields.iter().map(Self::row_bytes).sum(),
            _ => 8,
        }
    }

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

fn sequence(path: &str, data_type: &DataType, options: &Checked<'_>) -> Result<Kind, OptionError> {
    let (least, greatest) = whole_range(data_type);
    let bound = |option: &str, meaning: &str| {
        let number = options
            .int(&key(path, option))
            .ok_or_else(|| OptionError::Missing {
                connector: "datagen".into(),
                option: key(path, option),
                meaning: meaning.into(),
            })?;
        if (least..=greatest).contains(&number) {
            return Ok(number);
        }
        Err(invalid(
            &key(path, option),
            format!("'{number}' is not a {}", sql_type(data_type)),
        ))
    };
    let start = bound("start", "the first number of the sequence")?;
    let end = bound("end", "the last number of the sequence")?;
    if start > end {
        return Err(invalid(
            &key(path, "end"),
            format!("{end} is less than '{}', {start}", key(path, "start")),
        ));
    }
    Ok(Kind::Sequence { start, end })
}

/// The whole numbers that a sequence of that type can hold.
fn whole_range(data_type: &DataType) -> (i64, i64) {
    match data_type {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        DataType::Decimal128(precision, scale) => {
            let digits = i32::from(*precision) - i32::from(*scale).max(0);
            let greatest = 10_i64
                .checked_pow(digits.max(0) as u32)
                .map_or(i64::MAX, |limit| limit - 1);
            (-greatest, greatest)
        }
        _ => (i64::MIN, i64::MAX),
    }
}

fn random(path: &str, data_type: &DataType, options: &Checked<'_>, seed: i64) -> Result<Kind, OptionError> {
    Ok(match data_type {
        DataType::Boolean => Kind::Bool,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let (least, greatest) = whole_range(data_type);
            let parse = |text: &str| {
                let number = text.trim().parse::<i64>().ok()?;
                (least..=greatest).contains(&number).then_some(number.into())
            };
            bounds(path, options, (least.into(), greatest.into()), parse, data_type)?
        }
        DataType::Decimal128(precision, scale) => {
            let greatest = 10_i128.pow(u32::from(*precision)) - 1;
            let parse = |text: &str| parse_decimal(text.trim().as_bytes(), *precision, *scale);
            bounds(path, options, (-greatest, greatest), parse, data_type)?
        }
        DataType::Float32 => float_bounds(path, options, f32::MAX.into())?,
        DataType::Float64 => float_bounds(path, options, f64::MAX)?,
        DataType::Utf8 => Kind::Text {
            length: length(path, options, 100)?,
        },
        DataType::Binary => Kind::Bytes {
            length: length(path, options, 20)?,
        },
        DataType::Date32 | DataType::Time32(_) | DataType::Time64(_) => Kind::Now,
        DataType::Timestamp(..) => Kind::Timestamp {
            max_past: options.duration(&key(path, "max-past")).unwrap_or_default(),
        },
        DataType::List(item) => Kind::Array {
            length: length(path, options, 3)?,
            item: Box::new(item_generator(&format!("{path}.element"), item, options, seed)?),
        },
        DataType::Struct(fields) => Kind::Row(
            fields
                .iter()
                .map(|field| Generator::new(&format!("{path}.{}", field.name()), field, options, seed))
                .collect::<Result<_, _>>()?,
        ),
        other => {
            let reason = format!(
                "column '{path}': values of type {} cannot be made up",
                sql_type(other)
            );
            return Err(OptionError::Unsupported { reason });
        }
    })
}

fn item_generator(
    path: &str,
    item: &Field,
    options: &Checked<'_>,
    seed: i64,
) -> Result<Generator, OptionError> {
    let generator = Generator::new(path, item, options, seed)?;
    match generator.rows() {
        Some(_) => Err(invalid(
            &key(path, "kind"),
            "the elements of an array cannot be a sequence",
        )),
        None => Ok(generator),
    }
}

fn bounds(
    path: &str,
    options: &Checked<'_>,
    (least, greatest): (i128, i128),
    parse: impl Fn(&str) -> Option<i128>,
    data_type: &DataType,
) -> Result<Kind, OptionError> {
    let bound = |option: &str, default| match options.text(&key(path, option)) {
        None => Ok(default),
        Some(text) => parse(text).ok_or_else(|| {
            invalid(
                &key(path, option),
                format!("'{text}' is not a {}", sql_type(data_type)),
            )
        }),
    };
    let (min, max) = (bound("min", least)?, bound("max", greatest)?);
    if min > max {
        return Err(invalid(
            &key(path, "max"),
            format!("is less than '{}'", key(path, "min")),
        ));
    }
    Ok(Kind::Number { min, max })
}

fn float_bounds(path: &str, options: &Checked<'_>, greatest: f64) -> Result<Kind, OptionError> {
    let min = options.float(&key(path, "min")).unwrap_or(-greatest);
    let max = options.float(&key(path, "max")).unwrap_or(greatest);
    if min > max {
        return Err(invalid(
            &key(path, "max"),
            format!("is less than '{}'", key(path, "min")),
        ));
    }
    Ok(Kind::Float { min, max })
}

fn length(path: &str, options: &Checked<'_>, default: i64) -> Result<usize, OptionError> {
    let length = options.int_at_least(&key(path, "length"), 0)?.unwrap_or(default);
    if length > MAX_LENGTH {
        return Err(invalid(
            &key(path, "length"),
            format!("{length} is more than {MAX_LENGTH}"),
        ));
    }
    Ok(length as usize)
}

/// Refuses options that say nothing about a field of that type.
fn refuse_useless(
    path: &str,
    data_type: &DataType,
    is_sequence: bool,
    options: &Checked<'_>,
) -> Result<(), OptionError> {
    let is_number =
        data_type.is_integer() || data_type.is_floating() || matches!(data_type, DataType::Decimal128(..));
    let is_text = *data_type == DataType::Utf8;
    let has_length = is_text || matches!(data_type, DataType::Binary | DataType::List(_));
    for (option, useful, meant_for) in [
        (
            "kind",
            !is_sequence || is_number || is_text,
            "numbers and STRING if it is 'sequence'",
        ),
        ("min", is_number && !is_sequence, "random numbers"),
        ("max", is_number && !is_sequence, "random numbers"),
        (
            "length",
            has_length && !is_sequence,
            "random STRING, BYTES and ARRAY",
        ),
        (
            "max-past",
            matches!(data_type, DataType::Timestamp(..)),
            "timestamps",
        ),
        ("start", is_sequence, "fields whose 'kind' is 'sequence'"),
        ("end", is_sequence, "fields whose 'kind' is 'sequence'"),
    ] {
        if !useful && options.is_given(&key(path, option)) {
            return Err(useless(path, option, data_type, meant_for));
        }
    }
    Ok(())
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
