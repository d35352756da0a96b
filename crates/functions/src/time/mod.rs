//! Functions of dates and times. The session's time zone is UTC, so a moment reads as its wall clock there.
//!
//! - `calendar`: days, months and years; rows of any temporal type. Leans on nothing.
//! - `pattern`: Java's date patterns, to write and to read. Leans on `calendar`.
//! - `text`: times from and to text. Leans on both.
//! - `part`: fields of times, rounding, differences. Leans on `calendar`.

mod calendar;
mod part;
mod pattern;
mod text;

use arrow_schema::{DataType, TimeUnit};
use datafusion_common::{Result, plan_err};

use crate::define::{DATE, Def, Gives, INT, LONG, TEXT, TIMESTAMP, TIMESTAMP_LTZ, Takes, def};

use Takes::{Any, Int, Text, Time};

/// The type of the second argument.
const SECOND: Gives = Gives::Of(|types| Ok(types[1].clone()));
const FIRST: Gives = Gives::Of(|types| Ok(types[0].clone()));
const ADDED: Gives = Gives::Of(added);

pub(crate) const FUNCTIONS: &[Def] = &[
    def("CONVERT_TZ", &[Text, Text, Text], TEXT, text::convert_tz),
    def("DATE_FORMAT", &[Any, Text], TEXT, text::date_format),
    def("FROM_UNIXTIME", &[Int, Text], TEXT, text::from_unixtime).optional(1),
    def("TO_DATE", &[Text, Text], DATE, text::to_date).optional(1),
    def("TO_TIMESTAMP", &[Text, Text], TIMESTAMP, text::to_timestamp).optional(1),
    def(
        "TO_TIMESTAMP_LTZ",
        &[Any, Any, Text],
        TIMESTAMP_LTZ,
        text::to_timestamp_ltz,
    )
    .optional(2),
    def("UNIX_TIMESTAMP", &[Text, Text], LONG, text::unix_timestamp).optional(1),
    def("$TIME_TEXT", &[Any], TEXT, text::time_text),
    def("YEAR", &[Time], LONG, |call| part::field(call, part::year)),
    def("QUARTER", &[Time], LONG, |call| part::field(call, part::quarter)),
    def("MONTH", &[Time], LONG, |call| part::field(call, part::month)),
    def("WEEK", &[Time], LONG, |call| part::field(call, part::week)),
    def("DAYOFYEAR", &[Time], LONG, |call| {
        part::field(call, part::day_of_year)
    }),
    def("DAYOFMONTH", &[Time], LONG, |call| part::field(call, part::day)),
    def("DAYOFWEEK", &[Time], LONG, |call| {
        part::field(call, part::day_of_week)
    }),
    def("HOUR", &[Time], LONG, |call| part::field(call, part::hour)),
    def("MINUTE", &[Time], LONG, |call| part::field(call, part::minute)),
    def("SECOND", &[Time], LONG, |call| part::field(call, part::second)),
    def("$ISODOW", &[Time], LONG, |call| {
        part::field(call, part::iso_day_of_week)
    }),
    def("$ISOYEAR", &[Time], LONG, |call| {
        part::field(call, part::iso_year)
    }),
    def("$DECADE", &[Time], LONG, |call| part::field(call, part::decade)),
    def("$CENTURY", &[Time], LONG, |call| part::field(call, part::century)),
    def("$MILLENNIUM", &[Time], LONG, |call| {
        part::field(call, part::millennium)
    }),
    def("$EPOCH", &[Time], LONG, |call| part::field(call, part::epoch)),
    def("$FLOOR", &[Time, Text], FIRST, part::floor),
    def("$CEIL", &[Time, Text], FIRST, part::ceil),
    def("$TIMESTAMPDIFF", &[Text, Time, Time], INT, part::diff),
    def("$TIMESTAMPADD", &[Int, Time, Text], ADDED, part::add),
    def("$ADD_MONTHS", &[Int, Time], SECOND, part::add_months),
];

/// A date becomes a timestamp where a time is added, which the planner sees to.
fn added(types: &[DataType]) -> Result<DataType> {
    match &types[1] {
        DataType::Time32(_) | DataType::Time64(_) => {
            plan_err!("TIMESTAMPADD takes no TIME: CAST it AS TIMESTAMP(3)")
        }
        other => Ok(other.clone()),
    }
}

/// Units of this size in a second.
fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

pub(crate) use text::time_text;

/// Whether a pattern can be written and read, or why not.
pub(crate) fn check_pattern(text: &str) -> Result<(), String> {
    pattern::Pattern::parse(text).map(drop)
}

#[cfg(test)]
mod tests;
