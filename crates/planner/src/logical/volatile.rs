//! Conditions on the clock and on chance stay where they stand: below a join, they would be asked of other rows.

use datafusion_common::{Column, Result, tree_node::Transformed};
use datafusion_expr::{
    Expr, Filter, LogicalPlan, LogicalPlanBuilder,
    utils::{conjunction, split_conjunction_owned},
};

/// What such a condition gives, as a column that no condition is pushed through.
const PASSES: &str = "$passes";

/// The plan with its volatile conditions as columns that are filtered by.
pub(super) fn hold(plan: LogicalPlan) -> Result<LogicalPlan> {
    let held = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Filter(filter) if filter.predicate.is_volatile() => {
            hold_filter(filter).map(Transformed::yes)
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(held.data)
}

fn hold_filter(filter: Filter) -> Result<LogicalPlan> {
    let (volatile, stable): (Vec<Expr>, Vec<Expr>) = split_conjunction_owned(filter.predicate)
        .into_iter()
        .partition(Expr::is_volatile);
    let columns: Vec<Expr> = filter
        .input
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    let mut below = LogicalPlanBuilder::from(filter.input);
    if let Some(stable) = conjunction(stable) {
        below = below.filter(stable)?;
    }
    let Some(volatile) = conjunction(volatile) else {
        return below.build();
    };
    let passes = [volatile.alias(PASSES)];
    below
        .project(columns.iter().cloned().chain(passes))?
        .filter(Expr::Column(Column::new_unqualified(PASSES)))?
        .project(columns)?
        .build()
}
