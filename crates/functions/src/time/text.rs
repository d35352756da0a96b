//! Times from and to text.

use arrow_array::{
    Array, ArrayRef,
    cast::AsArray,
    types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMillisecondType},
};
use arrow_schema::DataType;
use chrono::{Datelike, TimeZone};
use datafusion_common::{DataFusionError, Result, ScalarValue, exec_err};
use datafusion_expr::ColumnarValue;

use super::{
    calendar::{NANOS, Reading, Readings, civil},
    pattern::{Pattern, number, push_number},
    per_second,
};
use crate::call::{Call, Text, Values};

/// The pattern of a call, taken apart once where it is a constant, and again when it changes where it is a column.
struct Patterns<'a> {
    text: Text<'a>,
    last: Option<(&'a str, Pattern)>,
}

impl<'a> Patterns<'a> {
    /// The argument, or another pattern where it is left out.
    fn new(call: &Call<'a>, index: usize, otherwise: &'a str) -> Result<Self> {
        let text = if call.count() > index {
            call.text(index)?
        } else {
            Text::One(Some(otherwise))
        };
        Ok(Self { text, last: None })
    }

    fn get(&mut self, row: usize) -> Result<Option<&Pattern>> {
        let Some(text) = self.text.get(row) else {
            return Ok(None);
        };
        if self.last.as_ref().is_none_or(|(last, _)| *last != text) {
            let pattern = Pattern::parse(text).map_err(DataFusionError::Execution)?;
            self.last = Some((text, pattern));
        }
        Ok(self.last.as_ref().map(|(_, pattern)| pattern))
    }
}

const SECONDS: &str = "yyyy-MM-dd HH:mm:ss";

/// `DATE_FORMAT(time, pattern)`; a text is read as a timestamp first.
pub(super) fn date_format(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::new(call, 1, SECONDS)?;
    if call.args[0].data_type() == DataType::Utf8 {
        let text = call.text(0)?;
        return call.try_texts(|row, out| {
            let at = text.get(row).and_then(read_timestamp);
            Ok(patterns
                .get(row)?
                .zip(at)
                .map(|(pattern, at)| pattern.write(at, out)))
        });
    }
    let times = Readings::new(call, 0)?;
    call.try_texts(|row, out| {
        let pattern = patterns.get(row)?;
        Ok(pattern
            .zip(times.get(row))
            .map(|(pattern, at)| pattern.write(at, out)))
    })
}

pub(super) fn from_unixtime(call: &Call<'_>) -> Result<ArrayRef> {
    let (seconds, mut patterns) = (call.values::<Int64Type>(0)?, Patterns::new(call, 1, SECONDS)?);
    call.try_texts(|row, out| {
        let at = seconds.get(row).map(|seconds| Reading::of(seconds, 1));
        Ok(patterns
            .get(row)?
            .zip(at)
            .map(|(pattern, at)| pattern.write(at, out)))
    })
}

pub(super) fn to_date(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    if call.count() == 1 {
        return Ok(call.numbers::<Date32Type>(|row| i32::try_from(read_date(text.get(row)?)?).ok()));
    }
    let mut patterns = Patterns::new(call, 1, SECONDS)?;
    call.try_numbers::<Date32Type>(|row| {
        let pattern = patterns.get(row)?;
        let at = pattern
            .zip(text.get(row))
            .and_then(|(pattern, text)| pattern.read(text, true));
        Ok(at.and_then(|at| i32::try_from(at.days).ok()))
    })
}

pub(super) fn to_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    if call.count() == 1 {
        return Ok(
            call.numbers::<TimestampMillisecondType>(|row| read_timestamp(text.get(row)?)?.units(1_000))
        );
    }
    let mut patterns = Patterns::new(call, 1, SECONDS)?;
    call.try_numbers::<TimestampMillisecondType>(|row| {
        let pattern = patterns.get(row)?;
        let at = pattern
            .zip(text.get(row))
            .and_then(|(pattern, text)| pattern.read(text, false));
        Ok(at.and_then(|at| at.units(1_000)))
    })
}

/// `TO_TIMESTAMP_LTZ(number [, precision])` and `TO_TIMESTAMP_LTZ(text [, pattern [, zone]])`.
pub(super) fn to_timestamp_ltz(call: &Call<'_>) -> Result<ArrayRef> {
    if call.args[0].data_type() == DataType::Utf8 {
        return ltz_of_text(call);
    }
    let seconds = if call.count() > 1 {
        match &call.args[1] {
            ColumnarValue::Scalar(ScalarValue::Int32(Some(0)) | ScalarValue::Int64(Some(0))) => true,
            ColumnarValue::Scalar(ScalarValue::Int32(Some(3)) | ScalarValue::Int64(Some(3))) => false,
            _ => return exec_err!("the precision of TO_TIMESTAMP_LTZ is 0 (seconds) or 3 (milliseconds)"),
        }
    } else {
        false
    };
    let column = call.column(0)?;
    let factor = if seconds { 1_000 } else { 1 };
    match column.data_type() {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Null => {
            let column = arrow_cast::cast(&column, &DataType::Int64)?;
            let numbers = Values::Many(column.as_primitive::<Int64Type>());
            call.try_numbers::<TimestampMillisecondType>(|row| match numbers.get(row) {
                Some(number) => number.checked_mul(factor).map_or_else(
                    || exec_err!("{number} seconds since 1970 are beyond the range of a timestamp"),
                    |ms| Ok(Some(ms)),
                ),
                None => Ok(None),
            })
        }
        DataType::Float32 | DataType::Float64 => {
            let column = arrow_cast::cast(&column, &DataType::Float64)?;
            let numbers = Values::Many(column.as_primitive::<Float64Type>());
            Ok(call
                .numbers::<TimestampMillisecondType>(|row| Some((numbers.get(row)? * factor as f64) as i64)))
        }
        DataType::Decimal128(_, scale) => {
            let divisor = 10_i128.pow(u32::from(scale.unsigned_abs()));
            let numbers = column.as_primitive::<Decimal128Type>();
            Ok(call.numbers::<TimestampMillisecondType>(|row| {
                let value = numbers.is_valid(row).then(|| numbers.value(row))?;
                i64::try_from(value.checked_mul(i128::from(factor))? / divisor).ok()
            }))
        }
        other => exec_err!("TO_TIMESTAMP_LTZ takes a number or a STRING, not {other}"),
    }
}

fn ltz_of_text(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    if call.count() == 1 {
        return Ok(
            call.numbers::<TimestampMillisecondType>(|row| read_timestamp(text.get(row)?)?.units(1_000))
        );
    }
    let mut patterns = Patterns::new(call, 1, SECONDS)?;
    let mut zones = Zones::new(if call.count() > 2 {
        call.text(2)?
    } else {
        Text::One(Some("UTC"))
    });
    call.try_numbers::<TimestampMillisecondType>(|row| {
        let pattern = patterns.get(row)?;
        let at = pattern
            .zip(text.get(row))
            .and_then(|(pattern, text)| pattern.read(text, false));
        Ok(at
            .zip(zones.get(row)?)
            .and_then(|(at, zone)| zone.to_utc(at))
            .and_then(|at| at.units(1_000)))
    })
}

/// A time zone by name (`Europe/Berlin`) or distance from UTC (`GMT+08:00`).
#[derive(Clone, Copy)]
enum Zone {
    Fixed(i64),
    Named(chrono_tz::Tz),
}

impl Zone {
    fn parse(name: &str) -> Result<Self> {
        let offset = name
            .strip_prefix("GMT")
            .or_else(|| name.strip_prefix("UTC"))
            .unwrap_or(name);
        let fixed = || {
            let (sign, digits) = match offset.split_at_checked(1)? {
                ("+", digits) => (1, digits),
                ("-", digits) => (-1, digits),
                _ => return None,
            };
            let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
            Some(sign * (hours.parse::<i64>().ok()? * 3_600 + minutes.parse::<i64>().ok()? * 60))
        };
        if offset.is_empty() {
            return Ok(Self::Fixed(0));
        }
        match fixed() {
            Some(seconds) => Ok(Self::Fixed(seconds)),
            None => name
                .parse()
                .map(Self::Named)
                .or_else(|_| exec_err!("there is no time zone '{name}'")),
        }
    }

    /// The reading in UTC of a reading in this zone. What a gap skips moves on, what an overlap repeats is the first.
    fn to_utc(self, at: Reading) -> Option<Reading> {
        let seconds = at.days * 86_400 + at.nanos / NANOS;
        let shift = match self {
            Self::Fixed(offset) => offset,
            Self::Named(zone) => {
                let naive = chrono::DateTime::from_timestamp(seconds, 0)?.naive_utc();
                let local = zone.from_local_datetime(&naive);
                if let Some(found) = local.earliest() {
                    seconds - found.timestamp()
                } else {
                    let before = naive - chrono::TimeDelta::hours(3);
                    seconds - 10_800 - zone.from_local_datetime(&before).earliest()?.timestamp()
                }
            }
        };
        Some(Reading::of(seconds - shift, 1).with_fraction(at))
    }

    fn local(self, at: Reading) -> Option<Reading> {
        let seconds = at.days * 86_400 + at.nanos / NANOS;
        let local = match self {
            Self::Fixed(offset) => seconds + offset,
            Self::Named(zone) => {
                let moment = chrono::DateTime::from_timestamp(seconds, 0)?;
                moment.with_timezone(&zone).naive_local().and_utc().timestamp()
            }
        };
        Some(Reading::of(local, 1).with_fraction(at))
    }
}

impl Reading {
    fn with_fraction(self, of: Self) -> Self {
        Self {
            nanos: self.nanos + of.nanos % NANOS,
            ..self
        }
    }
}

struct Zones<'a> {
    name: Text<'a>,
    last: Option<(&'a str, Zone)>,
}

impl<'a> Zones<'a> {
    fn new(name: Text<'a>) -> Self {
        Self { name, last: None }
    }

    fn get(&mut self, row: usize) -> Result<Option<Zone>> {
        let Some(name) = self.name.get(row) else {
            return Ok(None);
        };
        if self.last.is_none_or(|(last, _)| last != name) {
            self.last = Some((name, Zone::parse(name)?));
        }
        Ok(self.last.map(|(_, zone)| zone))
    }
}

/// `CONVERT_TZ(text, from, to)`: a wall-clock reading in one zone as one in another.
pub(super) fn convert_tz(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let (mut from, mut to) = (Zones::new(call.text(1)?), Zones::new(call.text(2)?));
    let pattern = Pattern::parse(SECONDS).map_err(DataFusionError::Internal)?;
    call.try_texts(|row, out| {
        let (Some(text), Some(from), Some(to)) = (text.get(row), from.get(row)?, to.get(row)?) else {
            return Ok(None);
        };
        let at = pattern
            .read(text, true)
            .and_then(|at| from.to_utc(at))
            .and_then(|at| to.local(at));
        Ok(at.map(|at| pattern.write(at, out)))
    })
}

/// Seconds since 1970; the least BIGINT for a text that is no such time.
pub(super) fn unix_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, mut patterns) = (call.text(0)?, Patterns::new(call, 1, SECONDS)?);
    call.try_numbers::<Int64Type>(|row| {
        let pattern = patterns.get(row)?;
        Ok(pattern.zip(text.get(row)).map(|(pattern, text)| {
            let at = pattern.read(text, true);
            at.map_or(i64::MIN, |at| at.ms() / 1_000)
        }))
    })
}

/// `2024-02-29`, `2024-2`, `2024`; what follows a blank is left unread.
fn read_date(text: &str) -> Option<i64> {
    let text = text.trim();
    let date = text.split(' ').next()?;
    let mut parts = date.splitn(3, '-').map(str::trim);
    let year: i64 = parts.next()?.parse().ok().filter(|year| *year >= 0)?;
    let mut next = || parts.next().map_or(Some(1), |part| part.parse::<u32>().ok());
    civil(year, next()?, next()?)
}

/// `2024-02-29 [10:15:30[.123456789]]`, months to seconds with one or two digits.
fn read_timestamp(text: &str) -> Option<Reading> {
    let (year, rest) = number(text, 4, 4)?;
    let (month, rest) = number(rest.strip_prefix('-')?, 1, 2)?;
    let (day, rest) = number(rest.strip_prefix('-')?, 1, 2)?;
    let days = civil(year, month as u32, day as u32)?;
    if rest.is_empty() {
        return Some(Reading { days, nanos: 0 });
    }
    let (hour, rest) = number(rest.strip_prefix(' ')?, 1, 2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 1, 2)?;
    let (second, rest) = number(rest.strip_prefix(':')?, 1, 2)?;
    let nanos = match rest.strip_prefix('.') {
        None if rest.is_empty() => 0,
        None => return None,
        Some("") => 0,
        Some(digits) => {
            let (value, after) = number(digits, 1, 9)?;
            if !after.is_empty() {
                return None;
            }
            value * 10_i64.pow(9 - digits.len() as u32)
        }
    };
    let valid = hour < 24 && minute < 60 && second < 60;
    valid.then_some(Reading {
        days,
        nanos: (hour * 3_600 + minute * 60 + second) * NANOS + nanos,
    })
}

/// `CAST(time AS STRING)`: as many digits after the second as the type has.
pub(crate) fn time_text(call: &Call<'_>) -> Result<ArrayRef> {
    let data_type = call.args[0].data_type();
    let (has_date, unit) = match &data_type {
        DataType::Date32 => (true, None),
        DataType::Timestamp(unit, _) => (true, Some(*unit)),
        DataType::Time32(unit) | DataType::Time64(unit) => (false, Some(*unit)),
        other => return exec_err!("{other} is no time"),
    };
    let digits = unit.map(|unit| per_second(unit).ilog10() as usize);
    let times = Readings::new(call, 0)?;
    call.texts(|row, out| {
        let at = times.get(row)?;
        if has_date {
            let date = at.date();
            push_number(i64::from(date.year()), 4, out);
            out.push('-');
            push_number(i64::from(date.month()), 2, out);
            out.push('-');
            push_number(i64::from(date.day()), 2, out);
        }
        let Some(digits) = digits else {
            return Some(());
        };
        if has_date {
            out.push(' ');
        }
        push_number(at.nanos / (3_600 * NANOS), 2, out);
        out.push(':');
        push_number(at.nanos / (60 * NANOS) % 60, 2, out);
        out.push(':');
        push_number(at.nanos / NANOS % 60, 2, out);
        if digits > 0 {
            out.push('.');
            push_number(at.nanos % NANOS / 10_i64.pow(9 - digits as u32), digits, out);
        }
        Some(())
    })
}
