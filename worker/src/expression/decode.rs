//! Bytes to expressions, with Flink's functions and DataFusion's.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use arrow_schema::Schema;
use datafusion_common::DataFusionError;
use datafusion_execution::{TaskContext, config::SessionConfig, runtime_env::RuntimeEnv};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_proto::{
    physical_plan::{DefaultPhysicalExtensionCodec, from_proto::parse_physical_expr},
    protobuf::PhysicalExprNode,
};
use prost::Message;
use weir_model::Failure;

/// The functions that expressions may name. Immutable: made once because it holds some 250 of them.
static FUNCTIONS: LazyLock<TaskContext> = LazyLock::new(|| {
    TaskContext::new(
        None,
        "weir".into(),
        SessionConfig::new(),
        weir_functions::registry(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        Arc::new(RuntimeEnv::default()),
    )
});

/// The physical expression in `bytes`, over the columns of `input`.
pub(super) fn parse(bytes: &[u8], input: &Schema) -> Result<Arc<dyn PhysicalExpr>, Failure> {
    let node = PhysicalExprNode::decode(bytes)
        .map_err(|e| Failure::internal(format!("an expression of the job graph is damaged: {e}")))?;
    parse_physical_expr(&node, &FUNCTIONS, input, &DefaultPhysicalExtensionCodec {})
        .map_err(|e| unreadable(&e))
}

/// An expression that this binary cannot read.
pub(super) fn unreadable(error: &DataFusionError) -> Failure {
    Failure::internal(format!(
        "an expression of the job graph cannot be read: {}",
        error.strip_backtrace()
    ))
}

#[cfg(test)]
pub(super) fn knows(function: &str) -> bool {
    FUNCTIONS.scalar_functions().contains_key(function)
}
