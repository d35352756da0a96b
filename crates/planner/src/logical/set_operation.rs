//! INTERSECT ALL and EXCEPT ALL, by counting: how often a row is in either input says how often it is in the result.

use datafusion_common::{Column, Result, internal_err, tree_node::Transformed};
use datafusion_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder, lit, when};

use super::{aggregates, unnest::UnnestNode};
use crate::parse::set_operation::ALL;

/// How often a row is in either input.
const COUNTS: [&str; 2] = ["$left", "$right"];

/// The plan with every operation that was marked as one with ALL spelled out. DataFusion takes such an operation for a
/// semi or an anti join, which would give each row as often as the first input has it.
pub(crate) fn expand_all(plan: LogicalPlan) -> Result<LogicalPlan> {
    let expanded = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join)
            if matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
                && is_marked(&join.right) =>
        {
            let is_intersect = join.join_type == JoinType::LeftSemi;
            Ok(Transformed::yes(counted(&join.left, &join.right, is_intersect)?))
        }
        other => Ok(Transformed::no(other)),
    });
    Ok(expanded?.data)
}

fn is_marked(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => alias.alias.table() == ALL || is_marked(&alias.input),
        LogicalPlan::Projection(projection) => is_marked(&projection.input),
        _ => false,
    }
}

fn counted(left: &LogicalPlan, right: &LogicalPlan, is_intersect: bool) -> Result<LogicalPlan> {
    let both = LogicalPlanBuilder::from(with_counts(left, [1, 0])?)
        .union(with_counts(right, [0, 1])?)?
        .build()?;
    let Some(sum) = aggregates::aggregate("sum") else {
        return internal_err!("there is no SUM");
    };
    let columns = both.schema().columns();
    let (rows, counts) = columns.split_at(left.schema().fields().len());
    let sums = counts
        .iter()
        .map(|count| sum.call(vec![Expr::Column(count.clone())]));
    let counted = LogicalPlanBuilder::from(both.clone())
        .aggregate(rows.iter().cloned().map(Expr::Column), sums)?
        .build()?;
    let columns = counted.schema().columns();
    let count = |side: usize| Expr::Column(columns[rows.len() + side].clone());
    let times = if is_intersect {
        when(count(0).lt(count(1)), count(0)).otherwise(count(1))?
    } else {
        count(0) - count(1)
    };
    // By the names that the first input has, as parents know them.
    let names = left.schema().iter().zip(&columns);
    let names: Vec<Expr> = names
        .map(|((qualifier, field), column)| {
            Expr::Column(column.clone()).alias_qualified(qualifier.cloned(), field.name())
        })
        .collect();
    LogicalPlanBuilder::from(UnnestNode::repeat(counted, times)?)
        .project(names)?
        .build()
}

/// The rows by number, each with how often it stands for itself in either input.
fn with_counts(plan: &LogicalPlan, counts: [i64; 2]) -> Result<LogicalPlan> {
    let columns = plan.schema().columns().into_iter().enumerate();
    let columns = columns.map(|(i, column): (usize, Column)| Expr::Column(column).alias(format!("${i}")));
    let counts = COUNTS
        .iter()
        .zip(counts)
        .map(|(name, count)| lit(count).alias(*name));
    LogicalPlanBuilder::from(plan.clone())
        .project(columns.chain(counts))?
        .build()
}
