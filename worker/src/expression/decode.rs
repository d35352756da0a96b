//! Bytes to expressions, with Flink's functions and DataFusion's.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use arrow_schema::Schema;
use datafusion_common::DataFusionError;
use datafusion_execution::{TaskContext, config::SessionConfig, runtime_env::RuntimeEnv};
use datafusion_expr::ScalarUDF;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_proto::{
    physical_plan::{DefaultPhysicalExtensionCodec, from_proto::parse_physical_expr},
    protobuf::PhysicalExprNode,
};
use prost::Message;
use weir_functions::wasm;
use weir_model::Failure;
use weir_proto::graph;

/// The functions that expressions may name. Immutable: made once because it holds some 250 of them.
static FUNCTIONS: LazyLock<TaskContext> = LazyLock::new(|| task(weir_functions::registry()));

fn task(functions: HashMap<String, Arc<ScalarUDF>>) -> TaskContext {
    TaskContext::new(
        None,
        "weir".into(),
        SessionConfig::new(),
        functions,
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        Arc::new(RuntimeEnv::default()),
    )
}

/// The physical expression in `bytes`, over the columns of `input`.
pub(super) fn parse(bytes: &[u8], input: &Schema) -> Result<Arc<dyn PhysicalExpr>, Failure> {
    let node = PhysicalExprNode::decode(bytes)
        .map_err(|e| Failure::internal(format!("an expression of the job graph is damaged: {e}")))?;
    let own = own_functions(bytes)?;
    let task = own.as_ref().unwrap_or(&FUNCTIONS);
    parse_physical_expr(&node, task, input, &DefaultPhysicalExtensionCodec {}).map_err(|e| unreadable(&e))
}

/// All functions and those of WebAssembly modules that are appended to an expression; none if there are none.
fn own_functions(bytes: &[u8]) -> Result<Option<TaskContext>, Failure> {
    let appended = graph::ExpressionFunctions::decode(bytes)
        .map_err(|e| Failure::internal(format!("the functions of an expression are damaged: {e}")))?;
    if appended.functions.is_empty() {
        return Ok(None);
    }
    let mut functions = FUNCTIONS.scalar_functions().clone();
    for function in appended.functions {
        let decoded = wasm::decode(&function.name, &function.definition).map_err(|e| unreadable(&e))?;
        functions.insert(function.name, decoded);
    }
    Ok(Some(task(functions)))
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
