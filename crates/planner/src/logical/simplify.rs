//! One expression, with types coerced and made as cheap as it can be.

use std::sync::Arc;

use datafusion_common::{DFSchema, DFSchemaRef, DataFusionError, config::ConfigOptions};
use datafusion_expr::{Expr, simplify::SimplifyContext};
use datafusion_optimizer::simplify_expressions::ExprSimplifier;

/// The expression with constants folded and casts moved to literals.
pub(crate) fn simplify(expr: Expr, schema: &DFSchemaRef) -> Result<Expr, DataFusionError> {
    simplifier(schema).simplify(expr)
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
