//! Functions that the runtime answers: the time at which a row passes, the clock, the watermark, chance.
//!
//! PROCTIME() is more than the reading that it gives: a column of it alone stands for the time at which rows pass, until it is used as
//! a value.

use datafusion_common::tree_node::TreeNode;
use datafusion_expr::{Expr, expr::ScalarFunction};

use super::functions;

/// A call of PROCTIME().
pub(crate) fn call() -> Expr {
    let function = functions::scalar("PROCTIME").expect("PROCTIME is a function of ours");
    Expr::ScalarFunction(ScalarFunction::new_udf(function, Vec::new()))
}

/// Whether the expression is a call of PROCTIME().
pub(crate) fn is_call(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.name() == "PROCTIME")
}

/// The argument of CURRENT_WATERMARK, if the expression is a call of it.
pub(crate) fn watermark_of(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::ScalarFunction(call) if call.func.name() == "CURRENT_WATERMARK" => call.args.first(),
        _ => None,
    }
}

/// Whether an expression asks how far event time has come.
pub(crate) fn reads_watermark(expr: &Expr) -> bool {
    expr.exists(|e| Ok(watermark_of(e).is_some())).unwrap_or(false)
}
