//! Days, months and years in the proleptic Gregorian calendar; rows of any temporal type.

use arrow_array::{Array, Int64Array, cast::AsArray, types::Int64Type};
use arrow_schema::DataType;
use chrono::{Datelike, NaiveDate};
use datafusion_common::{Result, exec_err};

use crate::{call::Call, time::per_second};

pub(super) const NANOS: i64 = 1_000_000_000;
pub(super) const DAY_NANOS: i64 = 86_400 * NANOS;
const CE_DAYS: i64 = 719_163;

/// A wall-clock reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// Days since 1970-01-01.
    pub days: i64,
    /// Nanoseconds since midnight.
    pub nanos: i64,
}

impl Reading {
    /// Of so many units since 1970.
    #[inline]
    pub(super) fn of(units: i64, per_second: i64) -> Self {
        let per_day = 86_400 * per_second;
        Self {
            days: units.div_euclid(per_day),
            nanos: units.rem_euclid(per_day) * (NANOS / per_second),
        }
    }

    /// Units since 1970; none beyond what they count.
    #[inline]
    pub(super) fn units(self, per_second: i64) -> Option<i64> {
        self.days
            .checked_mul(86_400 * per_second)?
            .checked_add(self.nanos / (NANOS / per_second))
    }

    /// Milliseconds since 1970.
    pub(super) fn ms(self) -> i64 {
        self.days * 86_400_000 + self.nanos / 1_000_000
    }

    pub(super) fn date(self) -> NaiveDate {
        date(self.days)
    }
}

/// The date that many days after 1970-01-01; years beyond ±262,000 are cut off.
pub(super) fn date(days: i64) -> NaiveDate {
    i32::try_from(days + CE_DAYS)
        .ok()
        .and_then(NaiveDate::from_num_days_from_ce_opt)
        .unwrap_or(if days < 0 { NaiveDate::MIN } else { NaiveDate::MAX })
}

/// Days since 1970-01-01.
pub(super) fn days(date: NaiveDate) -> i64 {
    i64::from(date.num_days_from_ce()) - CE_DAYS
}

/// A date's days, if there is such a date.
pub(super) fn civil(year: i64, month: u32, day: u32) -> Option<i64> {
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day).map(days)
}

/// The same day some months later, or the last one of that month.
pub(super) fn add_months(from: i64, months: i64) -> Option<i64> {
    let date = date(from);
    let month = i64::from(date.year()) * 12 + i64::from(date.month0()) + months;
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) as u32 + 1);
    (28..=31)
        .rev()
        .filter(|last| date.day().min(*last) == date.day() || *last < date.day())
        .find_map(|last| civil(year, month, date.day().min(last)))
}

/// Whole months from one reading to another, negative if that is earlier.
pub(super) fn months_between(from: Reading, to: Reading) -> i64 {
    if to.days < from.days || (to.days == from.days && to.nanos < from.nanos) {
        return -months_between(to, from);
    }
    let (a, b) = (from.date(), to.date());
    let months = i64::from(b.year() - a.year()) * 12 + i64::from(b.month()) - i64::from(a.month());
    let reached = add_months(from.days, months)
        .is_some_and(|days| days < to.days || (days == to.days && from.nanos <= to.nanos));
    if reached { months } else { months - 1 }
}

/// A column of dates, times or timestamps.
pub(super) struct Readings {
    units: Int64Array,
    scale: Scale,
}

#[derive(Clone, Copy)]
enum Scale {
    Days,
    PerSecond(i64),
}

impl Readings {
    pub(super) fn new(call: &Call<'_>, index: usize) -> Result<Self> {
        let column = call.column(index)?;
        let scale = match column.data_type() {
            DataType::Date32 => Scale::Days,
            DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit) => {
                Scale::PerSecond(per_second(*unit))
            }
            DataType::Null => Scale::PerSecond(1),
            other => return exec_err!("{} takes a DATE or a TIMESTAMP, not {other}", call.name),
        };
        let narrow = matches!(column.data_type(), DataType::Date32 | DataType::Time32(_));
        let column = if narrow {
            arrow_cast::cast(&column, &DataType::Int32)?
        } else {
            column
        };
        let units = arrow_cast::cast(&column, &DataType::Int64)?;
        Ok(Self {
            units: units.as_primitive::<Int64Type>().clone(),
            scale,
        })
    }

    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<Reading> {
        if self.units.is_null(row) {
            return None;
        }
        let units = self.units.value(row);
        Some(match self.scale {
            Scale::Days => Reading {
                days: units,
                nanos: 0,
            },
            Scale::PerSecond(per_second) => Reading::of(units, per_second),
        })
    }
}
