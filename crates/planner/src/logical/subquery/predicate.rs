//! IN and NOT IN with SQL's nulls, and both and EXISTS as values.
//!
//! `x NOT IN (SELECT y ...)` is not true where `x` or some `y` is null, unless there are no rows. An anti join does not
//! know that, so whether a `y` is null, and whether there is one at all, is asked for beside it.

use std::{mem, sync::Arc};

use datafusion_common::{
    DFSchema, Result, ScalarValue, internal_err, plan_err,
    tree_node::{Transformed, TreeNode},
};
use datafusion_expr::{
    BinaryExpr, Case, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Projection,
    Subquery,
    expr::{Exists, InSubquery},
    lit, not,
    utils::{conjunction, split_conjunction_owned},
};
use datafusion_optimizer::{
    OptimizerConfig, OptimizerRule, decorrelate_predicate_subquery::DecorrelatePredicateSubquery,
    utils::NamePreserver,
};

use crate::logical::aggregates;

/// What a subquery's column is called where it is compared.
const COMPARED: &str = "$in";

/// The plan with predicates that the rules for subqueries take.
pub(super) fn spell_out(plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<LogicalPlan> {
    let spelt = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Filter(filter) if has_predicate(&filter.predicate) => {
            let all = conditions(filter.predicate, filter.input.schema())?;
            let filter = Filter::try_new(all, filter.input)?;
            Ok(Transformed::yes(LogicalPlan::Filter(filter)))
        }
        LogicalPlan::Join(mut join) if join.filter.as_ref().is_some_and(has_predicate) => {
            let both = join.left.schema().join(join.right.schema())?;
            join.filter = join.filter.map(|filter| conditions(filter, &both)).transpose()?;
            Ok(Transformed::yes(LogicalPlan::Join(join)))
        }
        LogicalPlan::Projection(projection) if projection.expr.iter().any(has_predicate) => {
            Ok(Transformed::yes(with_marks(projection, config)?))
        }
        other => Ok(Transformed::no(other)),
    });
    Ok(spelt?.data)
}

fn has_predicate(expr: &Expr) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::InSubquery(_) | Expr::Exists(_))))
        .unwrap_or(false)
}

fn conditions(all: Expr, schema: &DFSchema) -> Result<Expr> {
    let mut parts = Vec::new();
    for part in split_conjunction_owned(all) {
        condition(part, schema, &mut parts)?;
    }
    conjunction(parts).map_or_else(|| internal_err!("a condition of no parts"), Ok)
}

/// A part of a WHERE or an ON: null is as good as false.
fn condition(part: Expr, schema: &DFSchema, parts: &mut Vec<Expr>) -> Result<()> {
    let part = match part {
        Expr::Not(inner) => match *inner {
            Expr::InSubquery(within) => Expr::InSubquery(InSubquery {
                negated: !within.negated,
                ..within
            }),
            other => not(other),
        },
        other => other,
    };
    match part {
        Expr::InSubquery(within) if within.negated && !within.expr.contains_outer() => {
            not_in(within, schema, parts)
        }
        Expr::InSubquery(_) | Expr::Exists(_) => {
            parts.push(part);
            Ok(())
        }
        Expr::Not(ref inner) if matches!(inner.as_ref(), Expr::Exists(_)) => {
            parts.push(part);
            Ok(())
        }
        other => {
            parts.push(value(other, true, schema)?);
            Ok(())
        }
    }
}

/// `x NOT IN (SELECT y ...)`
fn not_in(within: InSubquery, schema: &DFSchema, parts: &mut Vec<Expr>) -> Result<()> {
    let nullable = is_nullable(&within, schema)?;
    let InSubquery { expr, subquery, .. } = within;
    let is_correlated = !subquery.outer_ref_columns.is_empty();
    if nullable && is_correlated {
        let differs = |x: Expr, y: Expr| x.eq(y).is_not_false();
        parts.push(not(exists(&expr, subquery, schema, differs)?));
        return Ok(());
    }
    if nullable {
        // Null: there are no rows. 0: no y is null. 1: some y is null.
        let nulls = nulls_of(&subquery)?;
        parts.push(case(
            nulls,
            [(0, expr.as_ref().clone().is_not_null()), (1, lit(false))],
            lit(true),
        ));
    }
    parts.push(not(exists(&expr, subquery, schema, Expr::eq)?));
    Ok(())
}

/// An expression with IN as a value. `positive`: null is as good as false.
fn value(expr: Expr, positive: bool, schema: &DFSchema) -> Result<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: op @ (Operator::And | Operator::Or),
            right,
        }) => Ok(Expr::BinaryExpr(BinaryExpr {
            left: Box::new(value(*left, positive, schema)?),
            op,
            right: Box::new(value(*right, positive, schema)?),
        })),
        Expr::InSubquery(within) if within.negated => {
            let within = InSubquery {
                negated: false,
                ..within
            };
            Ok(not(value(Expr::InSubquery(within), false, schema)?))
        }
        Expr::InSubquery(within) => {
            let simple = positive || within.expr.contains_outer() || !is_nullable(&within, schema)?;
            if simple {
                Ok(Expr::InSubquery(within))
            } else {
                three_valued(within, schema)
            }
        }
        other => Ok(other
            .map_children(|e| Ok(Transformed::yes(value(e, false, schema)?)))?
            .data),
    }
}

/// `x IN (SELECT y ...)`: true, false or null.
fn three_valued(within: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let unknown = if within.subquery.outer_ref_columns.is_empty() {
        let is_null = within.expr.as_ref().clone().is_null();
        case(
            nulls_of(&within.subquery)?,
            [(0, is_null), (1, lit(true))],
            lit(false),
        )
    } else {
        let compared = |x: Expr, y: Expr| x.eq(y).is_null();
        exists(&within.expr, within.subquery.clone(), schema, compared)?
    };
    Ok(Expr::Case(Case {
        expr: None,
        when_then_expr: vec![
            (Box::new(Expr::InSubquery(within)), Box::new(lit(true))),
            (
                Box::new(unknown),
                Box::new(Expr::Literal(ScalarValue::Boolean(None), None)),
            ),
        ],
        else_expr: Some(Box::new(lit(false))),
    }))
}

fn is_nullable(within: &InSubquery, schema: &DFSchema) -> Result<bool> {
    let inner = within.subquery.subquery.schema();
    Ok(within.expr.nullable(schema)? || inner.fields().iter().any(|f| f.is_nullable()))
}

/// `EXISTS (SELECT ... WHERE compare(x, y))`, `x` being of the outer query.
fn exists(
    x: &Expr,
    subquery: Subquery,
    schema: &DFSchema,
    compare: impl Fn(Expr, Expr) -> Expr,
) -> Result<Expr> {
    let Some(y) = subquery.subquery.schema().columns().into_iter().next() else {
        return plan_err!("IN takes a subquery of one column");
    };
    let mut outer = subquery.outer_ref_columns;
    let reference = |e: Expr| match e {
        Expr::Column(column) => {
            let field = schema.qualified_field_from_column(&column)?.1;
            let reference = Expr::OuterReferenceColumn(Arc::clone(field), column);
            if !outer.contains(&reference) {
                outer.push(reference.clone());
            }
            Ok(Transformed::yes(reference))
        }
        other => Ok(Transformed::no(other)),
    };
    let x = x.clone().transform_up(reference)?.data;
    let compared = Expr::Column(datafusion_common::Column::new_unqualified(COMPARED));
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone())
        .project([Expr::Column(y).alias(COMPARED)])?
        .filter(compare(x, compared))?
        .build()?;
    Ok(Expr::Exists(Exists {
        subquery: Subquery {
            subquery: Arc::new(plan),
            outer_ref_columns: outer,
            spans: subquery.spans,
        },
        negated: false,
    }))
}

/// Of the one column of an uncorrelated subquery: 1 if it is null in some row, 0 if in none, null if there are no rows.
///
/// A greatest value changes twice at most while rows are only added, so that what depends on it stays quiet.
fn nulls_of(subquery: &Subquery) -> Result<Expr> {
    let (Some(y), Some(max)) = (
        subquery.subquery.schema().columns().into_iter().next(),
        aggregates::aggregate("max"),
    ) else {
        return plan_err!("IN takes a subquery of one column");
    };
    let flag = Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(Box::new(Expr::Column(y).is_null()), Box::new(lit(1_i32)))],
        else_expr: Some(Box::new(lit(0_i32))),
    });
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone())
        .aggregate(Vec::<Expr>::new(), [max.call(vec![flag])])?
        .build()?;
    Ok(Expr::ScalarSubquery(Subquery {
        subquery: Arc::new(plan),
        outer_ref_columns: Vec::new(),
        spans: subquery.spans.clone(),
    }))
}

fn case(of: Expr, whens: [(i32, Expr); 2], otherwise: Expr) -> Expr {
    let whens = whens
        .into_iter()
        .map(|(number, then)| (Box::new(lit(number)), Box::new(then)));
    Expr::Case(Case {
        expr: Some(Box::new(of)),
        when_then_expr: whens.collect(),
        else_expr: Some(Box::new(otherwise)),
    })
}

/// A projection whose predicates are columns of its input: marks of joins.
fn with_marks(projection: Projection, config: &dyn OptimizerConfig) -> Result<LogicalPlan> {
    let names = NamePreserver::new_for_projection();
    let mut input = Arc::unwrap_or_clone(projection.input);
    let mut exprs = Vec::with_capacity(projection.expr.len());
    for expr in projection.expr {
        if !has_predicate(&expr) {
            exprs.push(expr);
            continue;
        }
        let name = names.save(&expr);
        let expr = value(expr, false, input.schema())?;
        let (marked, expr) = embed(input, expr, config)?;
        input = marked;
        exprs.push(name.restore(expr));
    }
    Projection::try_new(exprs, Arc::new(input)).map(LogicalPlan::Projection)
}

/// DataFusion's rule marks rows for conditions only, so the expression is made one, and taken out of the result.
fn embed(input: LogicalPlan, expr: Expr, config: &dyn OptimizerConfig) -> Result<(LogicalPlan, Expr)> {
    let filter = Filter::try_new(expr.is_null(), Arc::new(input))?;
    let rewritten = DecorrelatePredicateSubquery::new().rewrite(LogicalPlan::Filter(filter), config)?;
    let mut plan = rewritten.data;
    if let LogicalPlan::Projection(projection) = plan {
        plan = Arc::unwrap_or_clone(projection.input);
    }
    match plan {
        LogicalPlan::Filter(mut filter) => {
            let condition = mem::replace(&mut filter.predicate, lit(true));
            match condition {
                Expr::IsNull(expr) => Ok((Arc::unwrap_or_clone(filter.input), *expr)),
                other => internal_err!("a condition became {other}"),
            }
        }
        other => internal_err!("a condition became {}", other.display()),
    }
}
