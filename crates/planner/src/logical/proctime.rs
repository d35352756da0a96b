//! PROCTIME(): the time at which a row passes. It is a mark for windows; no expression computes it.

use std::{
    any::Any,
    sync::{Arc, LazyLock},
};

use arrow_schema::{DataType, TimeUnit};
use datafusion_common::{Result, not_impl_err, tree_node::TreeNode};
use datafusion_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// What is said where something else than a window reads it.
pub(crate) const ONLY_WINDOWS: &str =
    "PROCTIME() can only stand by itself, as a column that windows take their time from, yet";

#[derive(Debug, PartialEq, Eq, Hash)]
struct Proctime {
    signature: Signature,
}

static PROCTIME: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::nullary(Volatility::Volatile);
    Arc::new(ScalarUDF::new_from_impl(Proctime { signature }))
});

/// The function.
pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::clone(&PROCTIME)
}

/// Whether the expression is a call of it.
pub(crate) fn is_call(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if (call.func.inner().as_ref() as &dyn Any).is::<Proctime>())
}

/// Whether the expression holds a call of it.
pub(crate) fn has_call(expr: &Expr) -> bool {
    expr.exists(|e| Ok(is_call(e))).unwrap_or(false)
}

impl ScalarUDFImpl for Proctime {
    fn name(&self) -> &'static str {
        "proctime"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        not_impl_err!("{ONLY_WINDOWS}")
    }
}
