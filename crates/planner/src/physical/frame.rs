//! The rows that a function OVER a window looks at.

use std::fmt;

use datafusion_common::ScalarValue;
use datafusion_expr::{WindowFrameBound, WindowFrameUnits, expr::WindowFunctionParams};
use weir_model::Location;

use super::format::duration;
use crate::error::{self, Result};

/// The rows from some before a row to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Where it begins.
    pub start: Start,
    /// Whether rows that order as the row does belong to it, though they come later.
    pub with_peers: bool,
}

/// Where a frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the first row of the key.
    First,
    /// So many rows before.
    Rows(u64),
    /// With rows so much earlier, ms.
    Range(i64),
}

impl Frame {
    /// From the first row on.
    pub(crate) const ALL_BEFORE: Self = Self {
        start: Start::First,
        with_peers: false,
    };

    /// Whether it is the one of an OVER that says none.
    pub(crate) fn is_default(self) -> bool {
        self.start == Start::First
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.start, self.with_peers) {
            (Start::First, true) => Ok(()),
            (Start::First, false) => f.write_str(" ROWS"),
            (Start::Rows(0), _) => f.write_str(" ROWS CURRENT ROW"),
            (Start::Rows(rows), _) => write!(f, " ROWS {rows} PRECEDING"),
            (Start::Range(0), _) => f.write_str(" RANGE CURRENT ROW"),
            (Start::Range(ms), _) => write!(f, " RANGE {} PRECEDING", duration(ms)),
        }
    }
}

/// The frame of a call; `by_arrival`: no rows are equal in the order.
pub(crate) fn of(params: &WindowFunctionParams, by_arrival: bool, at: Location) -> Result<Frame> {
    let frame = &params.window_frame;
    if frame.units == WindowFrameUnits::Groups {
        return Err(error::unsupported(
            at,
            "GROUPS is not Flink's SQL: write ROWS or RANGE",
        ));
    }
    if frame.end_bound != WindowFrameBound::CurrentRow {
        return Err(error::unsupported(
            at,
            "a frame ends with the CURRENT ROW: write ROWS or RANGE BETWEEN ... PRECEDING AND CURRENT ROW",
        ));
    }
    let is_range = frame.units == WindowFrameUnits::Range;
    let start = match &frame.start_bound {
        WindowFrameBound::Preceding(bound) if bound.is_null() => Start::First,
        WindowFrameBound::Preceding(bound) if is_range => Start::Range(milliseconds(bound, at)?),
        WindowFrameBound::Preceding(ScalarValue::UInt64(Some(rows))) => Start::Rows(*rows),
        WindowFrameBound::CurrentRow if is_range => Start::Range(0),
        WindowFrameBound::CurrentRow => Start::Rows(0),
        _ => {
            return Err(error::unsupported(
                at,
                "a frame begins with UNBOUNDED PRECEDING, a constant number of rows PRECEDING, or an INTERVAL PRECEDING",
            ));
        }
    };
    Ok(Frame {
        start,
        with_peers: is_range && !(by_arrival && start == Start::First),
    })
}

/// Refuses frames by time in an order by something else.
pub(crate) fn check_time(
    frame: Frame,
    is_timed: bool,
    params: &WindowFunctionParams,
    at: Location,
) -> Result<()> {
    let is_by_time = matches!(frame.start, Start::Range(_));
    if is_by_time && !is_timed {
        return Err(error::unsupported(
            super::rank::place_of(params).unwrap_or(at),
            "RANGE with a bound needs an order by one TIMESTAMP(3) column, ascending: write ROWS, or RANGE UNBOUNDED PRECEDING",
        ));
    }
    Ok(())
}

fn milliseconds(bound: &ScalarValue, at: Location) -> Result<i64> {
    const DAY_MS: i64 = 86_400_000;
    let ScalarValue::IntervalMonthDayNano(Some(interval)) = bound else {
        return Err(error::unsupported(
            at,
            "RANGE reaches back by an INTERVAL, in an order by time: write RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW, or ROWS",
        ));
    };
    let ms = i64::from(interval.days) * DAY_MS + interval.nanoseconds / 1_000_000;
    if interval.months != 0 || ms < 0 {
        return Err(error::unsupported(
            at,
            "RANGE reaches back by days or less: months and years differ in length",
        ));
    }
    Ok(ms)
}
