//! Subqueries made ready for DataFusion's rules, which make joins of them: what those rules cannot do, or do otherwise
//! than SQL says, is written in terms of what they can.
//!
//! - [`single`]: a subquery that stands for one value fails when it gives more rows. Leans on nothing.
//! - [`top`]: the first rows per row of the outer query. Leans on nothing.
//! - [`predicate`]: IN and NOT IN with SQL's nulls, and both and EXISTS as values. Leans on nothing.

mod predicate;
mod single;
mod top;

use datafusion_common::{DataFusionError, Result, tree_node::TreeNode, tree_node::TreeNodeRecursion};
use datafusion_expr::{Expr, LogicalPlan};
use datafusion_optimizer::OptimizerConfig;
use weir_model::{ErrorCode, Location, Problem};

use super::expr_place;

/// The plan with subqueries that the rules take.
pub(super) fn prepare(plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<LogicalPlan> {
    check_windows(&plan)?;
    let plan = top::per_key(plan)?;
    let plan = predicate::spell_out(plan, config)?;
    single::check_rows(plan)
}

/// Refuses subqueries that no rule has made a join of.
pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
    plan.apply(|node| {
        if let LogicalPlan::Subquery(subquery) = node {
            let at = subquery.outer_ref_columns.iter().find_map(place);
            return refuse(at, LATERAL);
        }
        node.apply_expressions(|expr| {
            expr.apply(|e| match e {
                Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_) => {
                    refuse(place(expr).or_else(|| inner_place(e)), SUBQUERY)
                }
                Expr::OuterReferenceColumn(..) => refuse(place(e), SUBQUERY),
                _ => Ok(TreeNodeRecursion::Continue),
            })
        })
    })?;
    Ok(())
}

const LATERAL: &str = "this LATERAL subquery cannot be made a join: it may filter by columns of the tables before it in its WHERE, with \
                       equalities if it aggregates or has a LIMIT";
const SUBQUERY: &str = "a subquery cannot stand here, or cannot be made a join: it may stand in SELECT, WHERE and HAVING, and filter by \
                        columns of the outer query in its WHERE, with equalities if it aggregates or has a LIMIT";

/// Functions over rows of a correlated subquery would see the rows of all outer rows once the condition is a join's.
fn check_windows(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| match node {
        LogicalPlan::Window(window) => match window.input.all_out_ref_exprs().first() {
            Some(outer) => refuse(place(outer), SUBQUERY),
            None => Ok(TreeNodeRecursion::Continue),
        },
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(())
}

/// Where an expression stands, by the first column of it or of an outer query in it.
fn place(expr: &Expr) -> Option<Location> {
    expr_place(expr).or_else(|| {
        let mut found = None;
        let walked = expr.apply(|e| {
            if let Expr::OuterReferenceColumn(_, column) = e {
                found = expr_place(&Expr::Column(column.clone()));
            }
            Ok(if found.is_some() {
                TreeNodeRecursion::Stop
            } else {
                TreeNodeRecursion::Continue
            })
        });
        walked.ok().and(found)
    })
}

/// Where the first column in a subquery stands.
fn inner_place(expr: &Expr) -> Option<Location> {
    let plan = match expr {
        Expr::ScalarSubquery(subquery) => &subquery.subquery,
        Expr::InSubquery(within) => &within.subquery.subquery,
        Expr::Exists(exists) => &exists.subquery.subquery,
        _ => return None,
    };
    let mut found = None;
    let walked = plan.apply(|node| {
        found = found.or_else(|| node.expressions().iter().find_map(place));
        Ok(TreeNodeRecursion::Continue)
    });
    walked.ok().and(found)
}

fn refuse<T>(at: Option<Location>, detail: &str) -> Result<T> {
    let problem = Problem::new(ErrorCode::SqlUnsupported, detail);
    let problem = match at {
        Some(at) => problem.at(at),
        None => problem,
    };
    Err(DataFusionError::External(Box::new(problem)))
}
