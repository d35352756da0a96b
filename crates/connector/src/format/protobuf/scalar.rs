//! Values of Protobuf without others within, into columns.

use super::{
    plan::Scalar,
    wire::{Bytes, Raw, VARINT, skip},
};
use crate::format::{
    column::Values,
    fault::{Outcome, fault},
    scalar::shown,
};

#[inline]
pub(super) fn append(scalar: Scalar, raw: Raw<'_>, values: &mut Values) -> Outcome<()> {
    let Raw { bits, bytes } = raw;
    match (scalar, values) {
        (Scalar::Text, Values::Text(texts)) => {
            if std::str::from_utf8(bytes).is_err() {
                return fault(format!("{} is not UTF-8", shown(bytes)));
            }
            texts.bytes.extend_from_slice(bytes);
            texts.end();
        }
        (Scalar::Bytes, Values::Bytes(strings)) => {
            strings.bytes.extend_from_slice(bytes);
            strings.end();
        }
        (Scalar::Bool, Values::Bool(flags)) => flags.append(bits != 0),
        (Scalar::Float, Values::Float32(vec)) => vec.push(f32::from_bits(bits as u32)),
        (Scalar::Double, Values::Float64(vec)) => vec.push(f64::from_bits(bits)),
        (scalar, values) => return whole(signed(scalar, bits), values),
    }
    Ok(())
}

/// A whole number as it is meant.
#[inline]
fn signed(scalar: Scalar, bits: u64) -> i64 {
    match scalar {
        Scalar::Sint => (bits >> 1) as i64 ^ -((bits & 1) as i64),
        Scalar::Uint32 | Scalar::Fixed32 { is_signed: false } => i64::from(bits as u32),
        Scalar::Fixed32 { is_signed: true } => i64::from(bits as i32),
        _ => bits as i64,
    }
}

#[inline]
fn whole(number: i64, values: &mut Values) -> Outcome<()> {
    let beyond = |data_type: &str| fault(format!("{number} is beyond what {data_type} holds"));
    match values {
        // What has no sign and is larger than the type is negative, as it is in Java; of more bits the lower ones count.
        Values::Int64(vec) => vec.push(number),
        Values::Int32(vec) => vec.push(number as i32),
        Values::Int16(vec) => match number.try_into() {
            Ok(number) => vec.push(number),
            Err(_) => return beyond("SMALLINT"),
        },
        Values::Int8(vec) => match number.try_into() {
            Ok(number) => vec.push(number),
            Err(_) => return beyond("TINYINT"),
        },
        _ => return fault("is read into a column of another type"),
    }
    Ok(())
}

/// `google.protobuf.Timestamp` in units of a second; what is below them is cut off towards the past.
pub(super) fn timestamp(message: &[u8], per_second: i64) -> Outcome<i64> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut bytes = Bytes(message);
    while !bytes.0.is_empty() {
        let tag = bytes.varint()?;
        match (tag >> 3, tag & 7) {
            (1, VARINT) => seconds = bytes.varint()? as i64,
            (2, VARINT) => nanos = i64::from(bytes.varint()? as i32),
            (number, wire) => skip(number, wire, &mut bytes)?,
        }
    }
    let below = nanos.div_euclid(1_000_000_000 / per_second);
    match seconds
        .checked_mul(per_second)
        .and_then(|units| units.checked_add(below))
    {
        Some(units) => Ok(units),
        None => fault(format!("{seconds} s are beyond what the column's type holds")),
    }
}
