//! The first rows per row of the outer query: `LATERAL (SELECT ... WHERE inner.k = outer.k ORDER BY ... LIMIT n)`.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion_common::{
    Column, DFSchema, Result, internal_err,
    tree_node::{Transformed, TransformedResult, TreeNode},
};
use datafusion_expr::{
    BinaryExpr, Expr, ExprFunctionExt, ExprSchemable, FetchType, Limit, LogicalPlan, LogicalPlanBuilder,
    Operator, SkipType, expr::Sort as SortExpr, expr::WindowFunction, lit, utils::conjunction,
};
use datafusion_optimizer::decorrelate::PullUpCorrelatedExpr;

use crate::logical::{ranking, simplify};

/// The plan with every LIMIT of correlated rows as the first rows of each key, the condition above them.
pub(super) fn per_key(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Limit(limit) = node else {
            return Ok(Transformed::no(node));
        };
        let limit = with_constants(limit)?;
        let ranked = ranked(&limit)?;
        Ok(Transformed::yes(ranked.unwrap_or(LogicalPlan::Limit(limit))))
    });
    Ok(rewritten?.data)
}

/// The limit with its numbers as literals, whatever type they were given.
fn with_constants(limit: Limit) -> Result<Limit> {
    let none = Arc::new(DFSchema::empty());
    let constant = |expr: Option<Box<Expr>>| {
        let simple = expr.map(|expr| simplify::simplify(expr.cast_to(&DataType::Int64, &none)?, &none));
        simple.map(|expr| expr.map(Box::new)).transpose()
    };
    Ok(Limit {
        skip: constant(limit.skip)?,
        fetch: constant(limit.fetch)?,
        input: limit.input,
    })
}

/// None where the rows are not correlated, or not by equalities alone.
fn ranked(limit: &Limit) -> Result<Option<LogicalPlan>> {
    let outer = limit.input.all_out_ref_exprs();
    let (SkipType::Literal(skip), FetchType::Literal(Some(fetch))) =
        (limit.get_skip_type()?, limit.get_fetch_type()?)
    else {
        return Ok(None);
    };
    if outer.is_empty() {
        return Ok(None);
    }
    let (order, rows, wanted) = parts(limit);
    let mut pull_up = PullUpCorrelatedExpr::new();
    let rows = rows.clone().rewrite(&mut pull_up).data()?;
    let filters = pull_up.join_filters;
    let keys: Option<Vec<Expr>> = filters.iter().map(|filter| key(filter, rows.schema())).collect();
    let Some(keys) =
        keys.filter(|keys| pull_up.can_pull_up && !pull_up.pulled_up_scalar_agg && !keys.is_empty())
    else {
        return Ok(None);
    };
    let numbered = LogicalPlanBuilder::from(rows.clone())
        .window([row_number(&keys, order)?])?
        .build()?;
    let Some(number) = numbered.schema().columns().pop() else {
        return internal_err!("rows are numbered by a column");
    };
    let number = Expr::Column(number);
    let (first, last) = (skip as i64, skip.saturating_add(fetch) as i64);
    let mut range = number.clone().lt_eq(lit(last));
    if first > 0 {
        range = number.gt(lit(first)).and(range);
    }
    let correlated = filters
        .into_iter()
        .map(|filter| with_outer(filter, rows.schema(), &outer))
        .collect::<Result<Vec<_>>>()?;
    let Some(correlated) = conjunction(correlated) else {
        return Ok(None);
    };
    LogicalPlanBuilder::from(numbered)
        .filter(range)?
        .filter(correlated)?
        .project(wanted)?
        .build()
        .map(Some)
}

/// The order, the rows that are ordered, and what is wanted of them.
fn parts(limit: &Limit) -> (&[SortExpr], &LogicalPlan, Vec<Expr>) {
    let all = || {
        limit
            .input
            .schema()
            .columns()
            .into_iter()
            .map(Expr::Column)
            .collect()
    };
    match limit.input.as_ref() {
        LogicalPlan::Sort(sort) => (&sort.expr, &sort.input, all()),
        LogicalPlan::Projection(projection) => match projection.input.as_ref() {
            LogicalPlan::Sort(sort) => (&sort.expr, &sort.input, projection.expr.clone()),
            _ => (&[], &limit.input, all()),
        },
        _ => (&[], &limit.input, all()),
    }
}

/// The side of an equality that is of these rows.
fn key(filter: &Expr, rows: &DFSchema) -> Option<Expr> {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Eq,
        right,
    }) = filter
    else {
        return None;
    };
    let inner = |expr: &Expr| {
        expr.column_refs()
            .into_iter()
            .filter(|c| rows.has_column(c))
            .count()
    };
    let all = |expr: &Expr| expr.column_refs().len();
    if inner(left) == all(left) && all(left) > 0 && inner(right) == 0 {
        Some(left.as_ref().clone())
    } else if inner(right) == all(right) && all(right) > 0 && inner(left) == 0 {
        Some(right.as_ref().clone())
    } else {
        None
    }
}

fn row_number(keys: &[Expr], order: &[SortExpr]) -> Result<Expr> {
    let Some(function) = ranking::window_function(ranking::ROW_NUMBER) else {
        return internal_err!("there is no ROW_NUMBER");
    };
    let order = if order.is_empty() {
        // Any rows will do; within a key, its columns order nothing.
        vec![keys[0].clone().sort(true, true)]
    } else {
        order.to_vec()
    };
    Expr::from(WindowFunction::new(function, Vec::new()))
        .partition_by(keys.to_vec())
        .order_by(order)
        .build()
}

/// The condition with the columns that are not of these rows as those of the outer query.
fn with_outer(filter: Expr, rows: &DFSchema, outer: &[Expr]) -> Result<Expr> {
    let is_outer = |column: &Column| {
        let known = |e: &&Expr| matches!(e, Expr::OuterReferenceColumn(_, c) if c == column);
        outer.iter().find(known).cloned()
    };
    filter
        .transform_up(|e| match &e {
            Expr::Column(column) if !rows.has_column(column) => match is_outer(column) {
                Some(reference) => Ok(Transformed::yes(reference)),
                None => Ok(Transformed::no(e)),
            },
            _ => Ok(Transformed::no(e)),
        })
        .data()
}
