//! Hashes of key columns, a column at a time. Frozen: savepoints depend on which key group a key falls into.
//!
//! Each key part mixes into a running hash that starts at 0 ([`weir_checkpoint::key_group`]):
//!
//! - integers, dates, times and timestamps: the value, sign-extended to 64 bits; unsigned integers zero-extended;
//! - booleans: 0 or 1;
//! - floats: the bits of the value as `f64`, with -0.0 as 0.0 and every NaN as the positive quiet NaN;
//! - `DECIMAL`: the low 64 bits of the unscaled value, then the high ones;
//! - strings and binary: as bytes;
//! - rows: field by field; a null row as one null;
//! - a null: [`NULL_PART`].

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray,
    cast::AsArray,
    types::{
        Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
        Int64Type, IntervalYearMonthType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
        Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use weir_checkpoint::key_group::{NULL_PART, mix, mix_bytes};
use weir_model::Failure;

/// Mixes a key column into the running hashes of its rows.
pub fn mix_column(column: &ArrayRef, hashes: &mut [u64]) -> Result<(), Failure> {
    let nulls = column.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let nulls = nulls.as_ref();
    match column.data_type() {
        DataType::Null => hashes.iter_mut().for_each(|hash| *hash = mix(*hash, NULL_PART)),
        DataType::Boolean => {
            let values = column.as_boolean().values();
            each(hashes, nulls, |i| u64::from(values.value(i)));
        }
        DataType::Int8 => integers::<Int8Type>(column, nulls, hashes, |v| i64::from(v) as u64),
        DataType::Int16 => integers::<Int16Type>(column, nulls, hashes, |v| i64::from(v) as u64),
        DataType::Int32 => integers::<Int32Type>(column, nulls, hashes, |v| i64::from(v) as u64),
        DataType::Int64 => integers::<Int64Type>(column, nulls, hashes, |v| v as u64),
        DataType::UInt8 => integers::<UInt8Type>(column, nulls, hashes, u64::from),
        DataType::UInt16 => integers::<UInt16Type>(column, nulls, hashes, u64::from),
        DataType::UInt32 => integers::<UInt32Type>(column, nulls, hashes, u64::from),
        DataType::UInt64 => integers::<UInt64Type>(column, nulls, hashes, |v| v),
        DataType::Float32 => integers::<Float32Type>(column, nulls, hashes, |v| float_part(f64::from(v))),
        DataType::Float64 => integers::<Float64Type>(column, nulls, hashes, float_part),
        DataType::Date32 => integers::<Date32Type>(column, nulls, hashes, |v| i64::from(v) as u64),
        DataType::Date64 => integers::<Date64Type>(column, nulls, hashes, |v| v as u64),
        DataType::Time32(TimeUnit::Second) => {
            integers::<Time32SecondType>(column, nulls, hashes, |v| i64::from(v) as u64);
        }
        DataType::Time32(_) => {
            integers::<Time32MillisecondType>(column, nulls, hashes, |v| i64::from(v) as u64);
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            integers::<Time64NanosecondType>(column, nulls, hashes, |v| v as u64);
        }
        DataType::Time64(_) => integers::<Time64MicrosecondType>(column, nulls, hashes, |v| v as u64),
        DataType::Timestamp(unit, _) => timestamps(*unit, column, nulls, hashes),
        DataType::Interval(IntervalUnit::YearMonth) => {
            integers::<IntervalYearMonthType>(column, nulls, hashes, |v| i64::from(v) as u64);
        }
        DataType::Decimal128(_, _) => decimals(column, nulls, hashes),
        DataType::Utf8 => bytes(hashes, nulls, |i| column.as_string::<i32>().value(i).as_bytes()),
        DataType::LargeUtf8 => bytes(hashes, nulls, |i| column.as_string::<i64>().value(i).as_bytes()),
        DataType::Utf8View => bytes(hashes, nulls, |i| column.as_string_view().value(i).as_bytes()),
        DataType::Binary => bytes(hashes, nulls, |i| column.as_binary::<i32>().value(i)),
        DataType::LargeBinary => bytes(hashes, nulls, |i| column.as_binary::<i64>().value(i)),
        DataType::BinaryView => bytes(hashes, nulls, |i| column.as_binary_view().value(i)),
        DataType::Struct(_) => rows(column, nulls, hashes)?,
        other => return Err(Failure::user(format!("a column of type {other} cannot be a key"))),
    }
    Ok(())
}

/// A float's key part: equal values have equal bits.
fn float_part(value: f64) -> u64 {
    if value.is_nan() {
        0x7ff8_0000_0000_0000
    } else {
        // Adding zero turns -0.0 into 0.0.
        (value + 0.0).to_bits()
    }
}

#[inline]
fn each(hashes: &mut [u64], nulls: Option<&NullBuffer>, part: impl Fn(usize) -> u64) {
    match nulls {
        None => hashes
            .iter_mut()
            .enumerate()
            .for_each(|(i, hash)| *hash = mix(*hash, part(i))),
        Some(nulls) => hashes.iter_mut().enumerate().for_each(|(i, hash)| {
            *hash = mix(*hash, if nulls.is_null(i) { NULL_PART } else { part(i) });
        }),
    }
}

#[inline]
fn bytes<'a>(hashes: &mut [u64], nulls: Option<&NullBuffer>, value: impl Fn(usize) -> &'a [u8]) {
    for (i, hash) in hashes.iter_mut().enumerate() {
        let null = nulls.is_some_and(|nulls| nulls.is_null(i));
        *hash = if null {
            mix(*hash, NULL_PART)
        } else {
            mix_bytes(*hash, value(i))
        };
    }
}

fn integers<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    nulls: Option<&NullBuffer>,
    hashes: &mut [u64],
    part: impl Fn(T::Native) -> u64,
) {
    let array: &PrimitiveArray<T> = column.as_primitive();
    match nulls {
        None => hashes
            .iter_mut()
            .zip(array.values())
            .for_each(|(hash, value)| *hash = mix(*hash, part(*value))),
        Some(_) => each(hashes, nulls, |i| part(array.values()[i])),
    }
}

fn timestamps(unit: TimeUnit, column: &ArrayRef, nulls: Option<&NullBuffer>, hashes: &mut [u64]) {
    match unit {
        TimeUnit::Second => integers::<TimestampSecondType>(column, nulls, hashes, |v| v as u64),
        TimeUnit::Millisecond => integers::<TimestampMillisecondType>(column, nulls, hashes, |v| v as u64),
        TimeUnit::Microsecond => integers::<TimestampMicrosecondType>(column, nulls, hashes, |v| v as u64),
        TimeUnit::Nanosecond => integers::<TimestampNanosecondType>(column, nulls, hashes, |v| v as u64),
    }
}

fn decimals(column: &ArrayRef, nulls: Option<&NullBuffer>, hashes: &mut [u64]) {
    let values = column.as_primitive::<Decimal128Type>().values();
    for (i, hash) in hashes.iter_mut().enumerate() {
        let null = nulls.is_some_and(|nulls| nulls.is_null(i));
        *hash = if null {
            mix(*hash, NULL_PART)
        } else {
            mix(mix(*hash, values[i] as u64), (values[i] >> 64) as u64)
        };
    }
}

/// A null row mixes in one null; its fields then leave the hash alone.
fn rows(column: &ArrayRef, nulls: Option<&NullBuffer>, hashes: &mut [u64]) -> Result<(), Failure> {
    let fields = column.as_struct().columns();
    let Some(nulls) = nulls else {
        return fields.iter().try_for_each(|field| mix_column(field, hashes));
    };
    let null_hashes: Vec<u64> = hashes.iter().map(|&hash| mix(hash, NULL_PART)).collect();
    fields.iter().try_for_each(|field| mix_column(field, hashes))?;
    for (i, hash) in hashes.iter_mut().enumerate() {
        if nulls.is_null(i) {
            *hash = null_hashes[i];
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        BooleanArray, Decimal128Array, Float32Array, Float64Array, Int8Array, Int32Array, Int64Array,
        LargeStringArray, NullArray, StringArray, StringViewArray, StructArray, TimestampMillisecondArray,
        UInt8Array,
    };
    use arrow_schema::Field;

    use super::*;

    fn hashes(column: impl Array + 'static) -> Vec<u64> {
        let mut hashes = vec![0; column.len()];
        mix_column(&(Arc::new(column) as ArrayRef), &mut hashes).expect("can be a key");
        hashes
    }

    /// These numbers are in savepoints: they may never change.
    #[test]
    fn the_hash_of_each_type_is_frozen() {
        let one = 0xb456_bcfc_34c2_cb2c;
        assert_eq!(hashes(Int64Array::from(vec![1, 0])), [one, 0]);
        assert_eq!(hashes(BooleanArray::from(vec![true, false])), [one, 0]);
        assert_eq!(hashes(Int8Array::from(vec![-1])), [mix(0, u64::MAX)]);
        assert_eq!(hashes(UInt8Array::from(vec![255])), [mix(0, 255)]);
        assert_eq!(hashes(TimestampMillisecondArray::from(vec![1])), [one]);
        assert_eq!(
            hashes(Int32Array::from(vec![Some(1), None])),
            [one, mix(0, NULL_PART)]
        );
        assert_eq!(hashes(NullArray::new(1)), [mix(0, NULL_PART)]);
        assert_eq!(
            hashes(Float64Array::from(vec![1.5])),
            [mix(0, 0x3ff8_0000_0000_0000)]
        );
        assert_eq!(
            hashes(Decimal128Array::from(vec![-2])),
            [mix(mix(0, u64::MAX - 1), u64::MAX)]
        );
        assert_eq!(hashes(StringArray::from(vec!["DE"])), [mix(mix(0, 2), 0x4544)]);
        assert_eq!(hashes(StringArray::from(vec!["DE"])), [DE]);
    }

    const DE: u64 = 9_285_572_336_912_561_005;

    #[test]
    fn equal_values_of_different_layouts_hash_alike() {
        let words = ["", "a", "eight by", "a string of more than twelve bytes"];
        let plain = hashes(StringArray::from(words.to_vec()));
        assert_eq!(hashes(LargeStringArray::from(words.to_vec())), plain);
        assert_eq!(hashes(StringViewArray::from(words.to_vec())), plain);
        assert_eq!(
            hashes(Float32Array::from(vec![0.5])),
            hashes(Float64Array::from(vec![0.5]))
        );
        assert_eq!(
            hashes(Float64Array::from(vec![-0.0])),
            hashes(Float64Array::from(vec![0.0]))
        );
        assert_eq!(
            hashes(Float64Array::from(vec![-f64::NAN])),
            hashes(Float64Array::from(vec![f64::NAN]))
        );
        let sliced: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(5), Some(6)]).slice(1, 2));
        let mut of_slice = vec![0; 2];
        mix_column(&sliced, &mut of_slice).expect("can be a key");
        assert_eq!(of_slice, hashes(Int64Array::from(vec![5, 6])));
    }

    #[test]
    fn a_row_hashes_field_by_field_and_a_null_row_as_one_null() {
        let fields = vec![
            Field::new("a", DataType::Int64, true),
            Field::new("b", DataType::Utf8, true),
        ];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![1, 7])),
            Arc::new(StringArray::from(vec!["DE", "FR"])),
        ];
        let rows = StructArray::new(fields.into(), columns, Some(NullBuffer::from(vec![true, false])));
        assert_eq!(hashes(rows), [mix_bytes(mix(0, 1), b"DE"), mix(0, NULL_PART)]);
    }

    #[test]
    fn a_type_that_cannot_be_a_key_is_an_error() {
        let list: ArrayRef = Arc::new(arrow_array::ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1)]),
        ]));
        assert!(mix_column(&list, &mut [0]).is_err());
    }
}
