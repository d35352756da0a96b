//! Expressions, schemas and tables as bytes. Every expression is decoded again before it leaves, as a worker will.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use arrow_schema::{Field, Schema};
use datafusion_common::{
    DFSchema,
    tree_node::{TreeNode, TreeNodeRecursion},
};
use datafusion_execution::{TaskContext, config::SessionConfig, runtime_env::RuntimeEnv};
use datafusion_expr::{
    Expr, ScalarUDF, execution_props::ExecutionProps, physical_planning_context::PhysicalPlanningContext,
};
use datafusion_physical_expr::{PhysicalExpr, ScalarFunctionExpr, create_physical_expr};
use datafusion_proto::{
    physical_plan::{
        DefaultPhysicalExtensionCodec, from_proto::parse_physical_expr, to_proto::serialize_physical_expr,
    },
    protobuf::PhysicalExprNode,
};
use prost::Message;
use weir_connector::Table;
use weir_functions::wasm;
use weir_model::{ErrorCode, Problem};
use weir_proto::graph;

use crate::{
    error::{self, Result, plan_defect},
    logical::functions,
};

/// What a worker resolves functions with.
static TASK: LazyLock<TaskContext> = LazyLock::new(|| task(functions::registry()));

fn task(functions: HashMap<String, Arc<ScalarUDF>>) -> TaskContext {
    TaskContext::new(
        None,
        "planner".into(),
        SessionConfig::new(),
        functions,
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        Arc::new(RuntimeEnv::default()),
    )
}

/// Whether a worker can compute the expression; it may be well-typed and yet have no implementation.
pub(crate) fn check(expr: &Expr, input: &Schema) -> Result<()> {
    encode(&physical(expr, input)?, input).map(drop)
}

/// The expression over the columns of a schema.
pub(crate) fn expr(expr: &Expr, input: &Schema) -> Result<Vec<u8>> {
    encode(&physical(expr, input)?, input)
}

/// Named expressions over the columns of a schema.
pub(crate) fn projection(columns: &[(String, Expr)], input: &Schema) -> Result<Vec<graph::NamedExpr>> {
    let named = columns.iter().map(|(name, column)| {
        Ok(graph::NamedExpr {
            name: name.clone(),
            expr: expr(column, input)?,
        })
    });
    named.collect()
}

/// The columns that named expressions make of those of a schema.
pub(crate) fn projected_schema(columns: &[(String, Expr)], input: &Schema) -> Result<Schema> {
    let fields = columns.iter().map(|(name, column)| {
        let expr = physical(column, input)?;
        let data_type = expr.data_type(input).map_err(plan_defect)?;
        Ok(Field::new(
            name,
            data_type,
            expr.nullable(input).map_err(plan_defect)?,
        ))
    });
    Ok(Schema::new(fields.collect::<Result<Vec<_>>>()?))
}

fn physical(expr: &Expr, input: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let schema = DFSchema::try_from(input.clone()).map_err(plan_defect)?;
    create_physical_expr(
        expr,
        &schema,
        &ExecutionProps::new(),
        &PhysicalPlanningContext::default(),
    )
    .map_err(plan_defect)
}

fn encode(expr: &Arc<dyn PhysicalExpr>, input: &Schema) -> Result<Vec<u8>> {
    let codec = DefaultPhysicalExtensionCodec {};
    let bytes = serialize_physical_expr(expr, &codec)
        .map_err(plan_defect)?
        .encode_to_vec();
    let node = PhysicalExprNode::decode(bytes.as_slice()).map_err(|_| {
        let detail = "an expression nests too deeply: compute a part of it in a view";
        Problem::new(ErrorCode::SqlUnsupported, detail)
    })?;
    let functions = wasm_functions(expr).map_err(plan_defect)?;
    if functions.is_empty() {
        parse_physical_expr(&node, &TASK, input, &codec).map_err(plan_defect)?;
        return Ok(bytes);
    }
    let mut known = functions::registry();
    known.extend(functions.iter().map(|f| (f.name().to_owned(), Arc::clone(f))));
    parse_physical_expr(&node, &task(known), input, &codec).map_err(plan_defect)?;
    let appended = graph::ExpressionFunctions {
        functions: functions.iter().filter_map(|f| definition(f)).collect(),
    };
    Ok([bytes, appended.encode_to_vec()].concat())
}

/// The functions of WebAssembly modules that an expression calls.
fn wasm_functions(expr: &Arc<dyn PhysicalExpr>) -> datafusion_common::Result<Vec<Arc<ScalarUDF>>> {
    let mut found: Vec<Arc<ScalarUDF>> = Vec::new();
    expr.apply(|node| {
        if let Some(call) = node.downcast_ref::<ScalarFunctionExpr>() {
            let function = call.fun();
            if wasm::encode(function).is_some() && found.iter().all(|f| f.name() != function.name()) {
                found.push(Arc::new(function.clone()));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn definition(function: &ScalarUDF) -> Option<graph::WasmFunction> {
    Some(graph::WasmFunction {
        name: function.name().to_owned(),
        definition: wasm::encode(function)?,
    })
}

/// A schema.
pub(crate) fn schema(schema: &Schema) -> Result<Vec<u8>> {
    weir_proto::schema::encode(schema).map_err(|e| error::internal(format!("encoding a schema failed: {e}")))
}

/// A table.
pub(crate) fn table(table: &Table) -> Result<graph::Table> {
    let Table {
        name,
        connector,
        options,
        schema: columns,
    } = table.clone();
    Ok(graph::Table {
        name,
        connector,
        options: options.into_iter().collect(),
        schema: schema(&columns)?,
    })
}
