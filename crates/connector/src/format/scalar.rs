//! Scalars from their text, whatever the format.

use arrow_schema::{Field, TimeUnit};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    column::Values,
    sql_type,
    value::{parse_date, parse_decimal, parse_time, parse_timestamp, time_in_unit},
};

/// What a text was in its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    /// A number without fraction and exponent.
    Whole,
    Number,
    Bool,
    /// An object or an array.
    Other,
}

/// Why a literal does not fit a column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Problem {
    Unfit,
    Zoned,
}

impl Problem {
    /// The same for a person: which value and which type.
    pub(crate) fn reason(self, text: &[u8], field: &Field) -> String {
        let (shown, wanted) = (shown(text), sql_type(field.data_type()));
        match self {
            Self::Unfit => format!("{shown} is not a {wanted}"),
            Self::Zoned => format!(
                "{shown} names a time zone, which a {wanted} does not have: declare the column TIMESTAMP_LTZ"
            ),
        }
    }
}

/// A value for a message, cut off where it gets long.
pub(crate) fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("'{}...'", &text[..end]),
        None => format!("'{text}'"),
    }
}

/// Appends a literal to a column of scalars other than text.
#[inline]
pub(crate) fn append(values: &mut Values, text: &[u8], kind: Kind) -> Result<(), Problem> {
    if kind == Kind::Other {
        return Err(Problem::Unfit);
    }
    let unfit = Problem::Unfit;
    match values {
        Values::Int64(vec) => vec.push(whole(text, kind).ok_or(unfit)?),
        Values::Int32(vec) => vec.push(narrow(text, kind).ok_or(unfit)?),
        Values::Int16(vec) => vec.push(narrow(text, kind).ok_or(unfit)?),
        Values::Int8(vec) => vec.push(narrow(text, kind).ok_or(unfit)?),
        Values::Float64(vec) => vec.push(number(text, kind).ok_or(unfit)?),
        Values::Float32(vec) => vec.push(number(text, kind).ok_or(unfit)?),
        Values::Bool(bits) => bits.append(truth(text, kind).ok_or(unfit)?),
        Values::Decimal {
            values,
            precision,
            scale,
        } if kind != Kind::Bool => {
            values.push(parse_decimal(text.trim_ascii(), *precision, *scale).ok_or(unfit)?);
        }
        _ if kind != Kind::String => return Err(unfit),
        Values::Bytes(bytes) => {
            STANDARD.decode_vec(text, &mut bytes.bytes).map_err(|_| unfit)?;
            bytes.end();
        }
        Values::Date(vec) => vec.push(parse_date(text.trim_ascii()).ok_or(unfit)?),
        Values::Time32(vec, unit) => {
            vec.push(time_in_unit(parse_time(text.trim_ascii()).ok_or(unfit)?, *unit) as i32);
        }
        Values::Time64(vec, unit) => {
            vec.push(time_in_unit(parse_time(text.trim_ascii()).ok_or(unfit)?, *unit));
        }
        Values::Timestamp { values, unit, zoned } => values.push(timestamp(text, *unit, *zoned)?),
        _ => return Err(unfit),
    }
    Ok(())
}

fn timestamp(text: &[u8], unit: TimeUnit, zoned: bool) -> Result<i64, Problem> {
    let moment = parse_timestamp(text.trim_ascii()).ok_or(Problem::Unfit)?;
    if moment.zone_s.is_some() && !zoned {
        return Err(Problem::Zoned);
    }
    moment.in_unit(unit).ok_or(Problem::Unfit)
}

#[inline]
fn whole(text: &[u8], kind: Kind) -> Option<i64> {
    match kind {
        Kind::Whole => parse_whole(text),
        Kind::String => std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok(),
        // 5.0 and 1e3 are whole, 1.5 is not; beyond 2^53 a float could not tell.
        Kind::Number => {
            let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
            (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
        }
        Kind::Bool | Kind::Other => None,
    }
}

#[inline]
fn parse_whole(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > 18 {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let number = digits
        .iter()
        .fold(0, |number, b| number * 10 + i64::from(b - b'0'));
    Some(if negative { -number } else { number })
}

#[inline]
fn narrow<T: TryFrom<i64>>(text: &[u8], kind: Kind) -> Option<T> {
    whole(text, kind)?.try_into().ok()
}

#[inline]
fn number<T: std::str::FromStr>(text: &[u8], kind: Kind) -> Option<T> {
    if kind == Kind::Bool {
        return None;
    }
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

fn truth(text: &[u8], kind: Kind) -> Option<bool> {
    match kind {
        Kind::Bool => Some(text == b"true"),
        Kind::String if text.trim_ascii().eq_ignore_ascii_case(b"true") => Some(true),
        Kind::String if text.trim_ascii().eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}
