//! One expression, with types coerced and made as cheap as it can be.

use std::sync::Arc;

use datafusion_common::{DFSchema, DFSchemaRef, DataFusionError, config::ConfigOptions};
use datafusion_expr::{
    BinaryExpr, Expr, Operator, interval_arithmetic::NullableInterval, simplify::SimplifyContext,
};
use datafusion_optimizer::simplify_expressions::ExprSimplifier;

/// The expression with constants folded and casts moved to literals.
pub(crate) fn simplify(expr: Expr, schema: &DFSchemaRef) -> Result<Expr, DataFusionError> {
    simplifier(schema).simplify(expr)
}

/// The same for rows that fulfil some conditions: what a column is known to be takes its place.
pub(crate) fn simplify_where(
    expr: Expr,
    conditions: &[&Expr],
    schema: &DFSchemaRef,
) -> Result<Expr, DataFusionError> {
    let known = conditions.iter().filter_map(|condition| match condition {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Eq,
            right,
        }) => match (left.as_ref(), right.as_ref()) {
            (column @ Expr::Column(_), Expr::Literal(value, _)) if !value.is_null() => {
                Some((column.clone(), NullableInterval::from(value.clone())))
            }
            _ => None,
        },
        _ => None,
    });
    simplifier(schema).with_guarantees(known.collect()).simplify(expr)
}

/// The same after coercing types.
pub(crate) fn coerce_and_simplify(expr: Expr, schema: &DFSchemaRef) -> Result<Expr, DataFusionError> {
    let simplifier = simplifier(schema);
    let coerced = simplifier.coerce(expr, schema as &DFSchema)?;
    simplifier.simplify(coerced)
}

fn simplifier(schema: &DFSchemaRef) -> ExprSimplifier {
    let context = SimplifyContext::builder()
        .with_schema(Arc::clone(schema))
        .with_config_options(Arc::new(ConfigOptions::default()))
        .build();
    ExprSimplifier::new(context)
}
