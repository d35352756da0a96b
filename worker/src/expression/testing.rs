//! Expressions and batches for tests.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion_common::{ScalarValue, config::ConfigOptions};
use datafusion_expr::Operator;
use datafusion_physical_expr::{
    PhysicalExpr, ScalarFunctionExpr,
    expressions::{BinaryExpr, CastExpr, Column, lit},
};
use datafusion_proto::physical_plan::{DefaultPhysicalExtensionCodec, to_proto::serialize_physical_expr};
use prost::Message;
use weir_proto::graph;

pub(crate) type Expr = Arc<dyn PhysicalExpr>;

pub(crate) fn column(name: &str, schema: &Schema) -> Expr {
    Arc::new(Column::new_with_schema(name, schema).expect("the column exists"))
}

pub(crate) fn binary(left: Expr, operator: Operator, right: Expr) -> Expr {
    Arc::new(BinaryExpr::new(left, operator, right))
}

pub(crate) fn cast(expression: Expr, to: DataType) -> Expr {
    Arc::new(CastExpr::new(expression, to, None))
}

pub(crate) fn literal(value: ScalarValue) -> Expr {
    lit(value)
}

pub(crate) fn get_field(base: Expr, name: &str, schema: &Schema) -> Expr {
    let arguments = vec![base, lit(name)];
    let function = datafusion_functions::core::get_field();
    Arc::new(
        ScalarFunctionExpr::try_new(function, arguments, schema, Arc::new(ConfigOptions::default()))
            .expect("the field exists"),
    )
}

/// As the planner sends it.
pub(crate) fn bytes(expression: &Expr) -> Vec<u8> {
    serialize_physical_expr(expression, &DefaultPhysicalExtensionCodec {})
        .expect("the expression serializes")
        .encode_to_vec()
}

pub(crate) fn named(name: &str, expression: &Expr) -> graph::NamedExpr {
    graph::NamedExpr {
        name: name.into(),
        expr: bytes(expression),
    }
}

/// A batch of nullable columns.
pub(crate) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let schema = schema(
        &columns
            .iter()
            .map(|(n, c)| (*n, c.data_type().clone()))
            .collect::<Vec<_>>(),
    );
    RecordBatch::try_new(schema, columns.into_iter().map(|(_, c)| c).collect())
        .expect("columns of one length")
}

/// A schema of nullable columns.
pub(crate) fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(
        columns
            .iter()
            .map(|(n, t)| Field::new(*n, t.clone(), true))
            .collect::<Vec<_>>(),
    ))
}
