//! Fields of times, rounding, sums and differences.

use arrow_array::{
    ArrayRef,
    types::{Int32Type, Int64Type},
};
use arrow_schema::DataType;
use chrono::Datelike;
use datafusion_common::{Result, exec_err};

use super::{
    calendar::{DAY_NANOS, NANOS, Reading, Readings, add_months as months_later, civil, months_between},
    per_second,
};
use crate::call::{Call, Values};

/// A field of each row's time.
pub(super) fn field(call: &Call<'_>, of: fn(Reading) -> i64) -> Result<ArrayRef> {
    let times = Readings::new(call, 0)?;
    Ok(call.numbers::<Int64Type>(|row| times.get(row).map(of)))
}

pub(super) fn year(at: Reading) -> i64 {
    i64::from(at.date().year())
}

pub(super) fn quarter(at: Reading) -> i64 {
    i64::from(at.date().month0() / 3 + 1)
}

pub(super) fn month(at: Reading) -> i64 {
    i64::from(at.date().month())
}

/// ISO 8601's.
pub(super) fn week(at: Reading) -> i64 {
    i64::from(at.date().iso_week().week())
}

pub(super) fn day(at: Reading) -> i64 {
    i64::from(at.date().day())
}

pub(super) fn day_of_year(at: Reading) -> i64 {
    i64::from(at.date().ordinal())
}

/// 1 is Sunday.
pub(super) fn day_of_week(at: Reading) -> i64 {
    (at.days + 4).rem_euclid(7) + 1
}

/// 1 is Monday.
pub(super) fn iso_day_of_week(at: Reading) -> i64 {
    (at.days + 3).rem_euclid(7) + 1
}

pub(super) fn iso_year(at: Reading) -> i64 {
    i64::from(at.date().iso_week().year())
}

pub(super) fn hour(at: Reading) -> i64 {
    at.nanos / (3_600 * NANOS)
}

pub(super) fn minute(at: Reading) -> i64 {
    at.nanos / (60 * NANOS) % 60
}

pub(super) fn second(at: Reading) -> i64 {
    at.nanos / NANOS % 60
}

pub(super) fn decade(at: Reading) -> i64 {
    year(at).div_euclid(10)
}

pub(super) fn century(at: Reading) -> i64 {
    let year = year(at);
    if year > 0 {
        (year + 99) / 100
    } else {
        (year - 99) / 100
    }
}

pub(super) fn millennium(at: Reading) -> i64 {
    let year = year(at);
    if year > 0 {
        (year + 999) / 1_000
    } else {
        (year - 999) / 1_000
    }
}

/// Seconds since 1970.
pub(super) fn epoch(at: Reading) -> i64 {
    at.ms().div_euclid(1_000)
}

/// A length of time as Flink names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Nanos(i64),
    Week,
    Months(i64),
}

impl Unit {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "MILLISECOND" => Self::Nanos(1_000_000),
            "SECOND" => Self::Nanos(NANOS),
            "MINUTE" => Self::Nanos(60 * NANOS),
            "HOUR" => Self::Nanos(3_600 * NANOS),
            "DAY" => Self::Nanos(DAY_NANOS),
            "WEEK" => Self::Week,
            "MONTH" => Self::Months(1),
            "QUARTER" => Self::Months(3),
            "YEAR" => Self::Months(12),
            _ => return None,
        })
    }

    fn of(call: &Call<'_>, index: usize) -> Result<Self> {
        let name = call.text(index)?.get(0).unwrap_or_default();
        Self::parse(name).map_or_else(|| exec_err!("'{name}' is no unit of time"), Ok)
    }
}

/// The start of the unit that the reading is in. Weeks begin on Sunday.
fn round_down(at: Reading, unit: Unit) -> Option<Reading> {
    Some(match unit {
        Unit::Nanos(nanos) => Reading {
            nanos: at.nanos - at.nanos % nanos,
            ..at
        },
        Unit::Week => Reading {
            days: at.days - (at.days + 4).rem_euclid(7),
            nanos: 0,
        },
        Unit::Months(months) => {
            let date = at.date();
            let month = i64::from(date.month0()) / months * months;
            Reading {
                days: civil(i64::from(date.year()), month as u32 + 1, 1)?,
                nanos: 0,
            }
        }
    })
}

fn later(at: Reading, unit: Unit, times: i64) -> Option<Reading> {
    let nanos = match unit {
        Unit::Nanos(nanos) => nanos,
        Unit::Week => 7 * DAY_NANOS,
        Unit::Months(months) => {
            let days = months_later(at.days, months.checked_mul(times)?)?;
            return Some(Reading { days, ..at });
        }
    };
    let sum = i128::from(at.nanos) + i128::from(nanos) * i128::from(times);
    let days = i64::try_from(sum.div_euclid(i128::from(DAY_NANOS))).ok()?;
    Some(Reading {
        days: at.days.checked_add(days)?,
        nanos: sum.rem_euclid(i128::from(DAY_NANOS)) as i64,
    })
}

/// A column of the result's type; a time beyond it is null.
fn times(call: &Call<'_>, mut of: impl FnMut(usize) -> Option<Reading>) -> Result<ArrayRef> {
    let units: arrow_array::Int64Array = match call.result {
        DataType::Date32 => {
            let days: arrow_array::Int32Array = (0..call.rows)
                .map(|row| i32::try_from(of(row)?.days).ok())
                .collect();
            return Ok(arrow_cast::cast(&days, &DataType::Date32)?);
        }
        DataType::Timestamp(unit, _) => {
            let per_second = per_second(*unit);
            (0..call.rows).map(|row| of(row)?.units(per_second)).collect()
        }
        other => return exec_err!("{} does not give {other}", call.name),
    };
    Ok(arrow_cast::cast(&units, call.result)?)
}

pub(super) fn floor(call: &Call<'_>) -> Result<ArrayRef> {
    let (at, unit) = (Readings::new(call, 0)?, Unit::of(call, 1)?);
    times(call, |row| round_down(at.get(row)?, unit))
}

pub(super) fn ceil(call: &Call<'_>) -> Result<ArrayRef> {
    let (at, unit) = (Readings::new(call, 0)?, Unit::of(call, 1)?);
    times(call, |row| {
        let at = at.get(row)?;
        let down = round_down(at, unit)?;
        if down == at {
            Some(at)
        } else {
            later(down, unit, 1)
        }
    })
}

/// `$TIMESTAMPADD(count, time, unit)`.
pub(super) fn add(call: &Call<'_>) -> Result<ArrayRef> {
    let (count, at, unit) = (
        call.values::<Int64Type>(0)?,
        Readings::new(call, 1)?,
        Unit::of(call, 2)?,
    );
    times(call, |row| later(at.get(row)?, unit, count.get(row)?))
}

/// `$ADD_MONTHS(months, time)`.
pub(super) fn add_months(call: &Call<'_>) -> Result<ArrayRef> {
    let (months, at): (Values<'_, Int64Type>, _) = (call.values(0)?, Readings::new(call, 1)?);
    times(call, |row| later(at.get(row)?, Unit::Months(1), months.get(row)?))
}

/// `$TIMESTAMPDIFF(unit, from, to)`: whole units between, towards zero.
pub(super) fn diff(call: &Call<'_>) -> Result<ArrayRef> {
    let unit = Unit::of(call, 0)?;
    let (from, to) = (Readings::new(call, 1)?, Readings::new(call, 2)?);
    Ok(call.numbers::<Int32Type>(|row| {
        let (from, to) = (from.get(row)?, to.get(row)?);
        let whole = match unit {
            Unit::Nanos(nanos) => (to.ms() - from.ms()) / (nanos / 1_000_000),
            Unit::Week => (to.ms() - from.ms()) / (7 * 86_400_000),
            Unit::Months(months) => months_between(from, to) / months,
        };
        Some(whole as i32)
    }))
}
