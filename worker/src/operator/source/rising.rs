//! What rows say of time.

use std::sync::Arc;

use arrow::compute::max;
use arrow_array::{ArrayRef, RecordBatch, cast::AsArray, new_null_array, types::TimestampMillisecondType};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion_expr::Operator as BinaryOperator;
use datafusion_physical_expr::{
    PhysicalExpr,
    expressions::{BinaryExpr, CastExpr, Column, Literal},
};
use weir_model::{EventTime, Failure};

use crate::expression::Expression;

/// A watermark expression, of which only the maximum over rows matters.
#[derive(Debug)]
pub(super) struct Rising {
    /// The expression.
    pub(super) expression: Expression,
    /// The one timestamp column that it reads, if a later value there never makes an earlier watermark: then the row with
    /// the latest time decides, and one row is computed instead of all.
    pub(super) monotone_in: Option<usize>,
    schema: SchemaRef,
}

impl Rising {
    pub(super) fn new(expression: Expression, schema: &SchemaRef) -> Self {
        let leaf = match expression.computed() {
            Some(computed) => monotone_leaf(computed),
            None => expression.as_leaf(),
        };
        let monotone_in = leaf
            .and_then(|leaf| expression.leaf_column(leaf))
            .filter(|&column| {
                matches!(
                    schema.field(column).data_type(),
                    DataType::Timestamp(TimeUnit::Millisecond, _)
                )
            });
        // The one row has nulls in all other columns.
        let fields: Vec<Field> = schema
            .fields()
            .iter()
            .map(|f| f.as_ref().clone().with_nullable(true))
            .collect();
        Self {
            expression,
            monotone_in,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    /// The greatest over rows; none if all are null.
    pub(super) fn max(&self, rows: &RecordBatch) -> Result<Option<EventTime>, Failure> {
        let Some(column) = self.monotone_in else {
            return Ok(max_time(&self.expression.evaluate(rows)?));
        };
        let times = rows.column(column);
        if self.expression.as_leaf().is_some() {
            return Ok(max_time(times));
        }
        let Some(latest) = max_time(times) else {
            return Ok(None);
        };
        let columns = rows.columns().iter().enumerate().map(|(i, c)| {
            if i == column {
                timestamp(latest, c.data_type())
            } else {
                new_null_array(c.data_type(), 1)
            }
        });
        let row = RecordBatch::try_new(Arc::clone(&self.schema), columns.collect())
            .map_err(|e| Failure::internal(format!("cannot make a row for the watermark: {e}")))?;
        Ok(max_time(&self.expression.evaluate(&row)?))
    }
}

fn max_time(times: &ArrayRef) -> Option<EventTime> {
    max(times.as_primitive::<TimestampMillisecondType>()).map(EventTime)
}

fn timestamp(time: EventTime, data_type: &DataType) -> ArrayRef {
    let array = arrow_array::TimestampMillisecondArray::from(vec![time.0]);
    match data_type {
        DataType::Timestamp(_, zone) => Arc::new(array.with_timezone_opt(zone.clone())),
        _ => Arc::new(array),
    }
}

/// The leaf in which an expression never falls: `leaf`, `leaf ± interval`, or a cast of such to a timestamp.
fn monotone_leaf(expression: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    if let Some(column) = expression.downcast_ref::<Column>() {
        return Some(column.index());
    }
    if let Some(cast) = expression.downcast_ref::<CastExpr>() {
        return matches!(cast.cast_type(), DataType::Timestamp(..))
            .then(|| monotone_leaf(cast.expr()))
            .flatten();
    }
    let binary = expression.downcast_ref::<BinaryExpr>()?;
    if !matches!(binary.op(), BinaryOperator::Plus | BinaryOperator::Minus) {
        return None;
    }
    let by = binary.right().downcast_ref::<Literal>()?.value();
    matches!(by.data_type(), DataType::Interval(_) | DataType::Duration(_))
        .then(|| monotone_leaf(binary.left()))?
}
