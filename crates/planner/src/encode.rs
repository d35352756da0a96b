//! Expressions, schemas and tables as bytes. Every expression is decoded again before it leaves, as a worker will.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use arrow_schema::{Field, Schema};
use datafusion_common::DFSchema;
use datafusion_execution::{TaskContext, config::SessionConfig, runtime_env::RuntimeEnv};
use datafusion_expr::{
    Expr, execution_props::ExecutionProps, physical_planning_context::PhysicalPlanningContext,
};
use datafusion_physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion_proto::{
    physical_plan::{
        DefaultPhysicalExtensionCodec, from_proto::parse_physical_expr, to_proto::serialize_physical_expr,
    },
    protobuf::PhysicalExprNode,
};
use prost::Message;
use weir_connector::Table;
use weir_model::{ErrorCode, Problem};
use weir_proto::graph;

use crate::{
    error::{self, Result, plan_defect},
    logical::functions,
};

/// What a worker resolves functions with.
static TASK: LazyLock<TaskContext> = LazyLock::new(|| {
    TaskContext::new(
        None,
        "planner".into(),
        SessionConfig::new(),
        functions::registry(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        Arc::new(RuntimeEnv::default()),
    )
});

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
    parse_physical_expr(&node, &TASK, input, &codec).map_err(plan_defect)?;
    Ok(bytes)
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
