//! Windows of so many rows of a key: `COUNT_TUMBLE(TABLE t PARTITION BY k, 100)`, `COUNT_HOP(TABLE t PARTITION BY k, 10, 100)`.
//!
//! Flink has them in its DataStream API only (`countWindow(size)`, `countWindow(size, slide)`); the functions are ours.

use std::sync::Arc;

use datafusion_common::{DFSchema, Result, ScalarValue};
use datafusion_expr::{Expr, planner::RelationPlannerContext};
use sqlparser::ast;
use weir_model::Location;

use super::{Windows, refuse};
use crate::{error, logical::simplify};

/// The column that a window of rows adds.
pub(crate) const WINDOW_ID: &str = "window_id";

/// The most rows of a window.
const MAX_ROWS: i64 = i32::MAX as i64;
/// The most windows that a row may be in.
const MAX_WINDOWS: u64 = 1_000;

/// Windows of so many rows of a key, one ending with every slide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Count {
    /// Rows of a window; positive.
    pub size: u64,
    /// Rows from the end of one to the end of the next; positive.
    pub slide: u64,
}

impl Windows {
    /// COUNT_HOP's; a row must not be in too many.
    pub(super) fn count(size: u64, slide: u64, at: Location) -> Result<Self> {
        if size.div_ceil(slide) > MAX_WINDOWS {
            return refuse(error::unsupported(
                at,
                format!(
                    "a row would be in {} windows of COUNT_HOP, {MAX_WINDOWS} at most are supported: choose a longer slide",
                    size.div_ceil(slide)
                ),
            ));
        }
        Ok(Self::Count(Count { size, slide }))
    }
}

/// A number of rows.
pub(super) fn rows(
    expr: ast::Expr,
    name: &str,
    at: Location,
    context: &mut dyn RelationPlannerContext,
) -> Result<u64> {
    let schema = DFSchema::empty();
    let planned = context.sql_to_expr(expr, &schema)?;
    let value = match simplify::coerce_and_simplify(planned, &Arc::new(schema))? {
        Expr::Literal(ScalarValue::Int32(Some(rows)), _) => i64::from(rows),
        Expr::Literal(ScalarValue::Int64(Some(rows)), _) => rows,
        _ => 0,
    };
    if !(1..=MAX_ROWS).contains(&value) {
        let what = name.to_lowercase();
        return refuse(error::invalid(
            at,
            format!("the {what} of a window by count is a number of rows from 1 to {MAX_ROWS}"),
        ));
    }
    Ok(value.unsigned_abs())
}
