//! ROW_NUMBER as DataFusion's planner sees it. It is never computed there: plans that hold it become operators of ours.

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::{Result, not_impl_err};
use datafusion_expr::{
    PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl,
    function::{PartitionEvaluatorArgs, WindowUDFFieldArgs},
};

/// The name of the function, as DataFusion has names.
pub(crate) const ROW_NUMBER: &str = "row_number";

static FUNCTION: LazyLock<Arc<WindowUDF>> =
    LazyLock::new(|| Arc::new(WindowUDF::new_from_impl(RowNumber::new())));

/// The window function of that name, in any case.
pub(crate) fn window_function(name: &str) -> Option<Arc<WindowUDF>> {
    name.eq_ignore_ascii_case(ROW_NUMBER)
        .then(|| Arc::clone(&FUNCTION))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowNumber {
    signature: Signature,
}

impl RowNumber {
    fn new() -> Self {
        Self {
            signature: Signature::nullary(Volatility::Immutable),
        }
    }
}

// The trait ties the name to the function.
#[allow(clippy::unnecessary_literal_bound)]
impl WindowUDFImpl for RowNumber {
    fn name(&self) -> &str {
        ROW_NUMBER
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, _args: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        not_impl_err!("ROW_NUMBER outside of a plan")
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(args.name(), DataType::Int64, false)))
    }
}
