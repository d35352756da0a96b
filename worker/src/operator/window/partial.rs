//! What travels between the phases: keys, the partial columns of each aggregate, the pane's start, how many raw rows.

use std::{ops::Range, sync::Arc};

use arrow_array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use weir_model::Failure;

use super::EMIT_ROWS;
use crate::operator::{
    Context,
    aggregate::{Shape, Shapes},
};

/// Where the columns of partial rows are.
#[derive(Debug)]
pub(in crate::operator) struct Layout {
    /// Per aggregate, its first partial column and how many there are.
    pub(in crate::operator) partials: Vec<Range<usize>>,
    /// The pane's start.
    pub(in crate::operator) pane: usize,
    /// How many raw rows.
    pub(in crate::operator) rows: usize,
}

impl Layout {
    /// The columns after so many keys, given how many partial columns each aggregate has.
    pub(in crate::operator) fn new(keys: usize, partials: impl Iterator<Item = usize>) -> Self {
        let mut next = keys;
        let partials: Vec<_> = partials
            .map(|columns| {
                next += columns;
                next - columns..next
            })
            .collect();
        Self {
            partials,
            pane: next,
            rows: next + 1,
        }
    }

    /// How many columns there are.
    pub(in crate::operator) fn columns(&self) -> usize {
        self.rows + 1
    }
}

/// Refuses a schema whose column types are not these.
pub(in crate::operator) fn check(schema: &Schema, types: &[DataType]) -> Result<(), Failure> {
    let planned = schema.fields().iter().map(|f| f.data_type());
    let same = |(planned, ours): (&DataType, &DataType)| match (planned, ours) {
        (DataType::Timestamp(a, _), DataType::Timestamp(b, _)) => a == b,
        _ => planned == ours,
    };
    if planned.len() == types.len() && planned.clone().zip(types).all(same) {
        return Ok(());
    }
    Err(Failure::internal(format!(
        "an aggregate makes columns of types {types:?} where {:?} are planned",
        planned.collect::<Vec<_>>()
    )))
}

/// The types of partial rows with these keys, up to the pane and the count of rows.
pub(in crate::operator) fn types(keys: &[DataType], aggregates: &Shapes) -> Vec<DataType> {
    let partials = aggregates.iter().flat_map(Shape::partial_types);
    let timestamp = DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, None);
    keys.iter()
        .cloned()
        .chain(partials)
        .chain([timestamp, DataType::Int64])
        .collect()
}

/// Moments as a column of the type that the schema has at this place.
pub(in crate::operator) fn moments(schema: &Schema, column: usize, moments: Vec<i64>) -> ArrayRef {
    let array = TimestampMillisecondArray::from(moments);
    match schema.field(column).data_type() {
        DataType::Timestamp(_, zone) => Arc::new(array.with_timezone_opt(zone.clone())),
        _ => Arc::new(array),
    }
}

/// A batch of computed columns.
pub(in crate::operator) fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch, Failure> {
    RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|e| Failure::internal(format!("aggregated rows do not have the planned columns: {e}")))
}

/// Groups in the ranges in which they are emitted.
pub(in crate::operator) fn chunks(groups: usize) -> impl Iterator<Item = Range<usize>> {
    (0..groups)
        .step_by(EMIT_ROWS)
        .map(move |from| from..groups.min(from + EMIT_ROWS))
}

/// Emits batches in order, small neighbours joined up to the size of an emitted batch.
pub(in crate::operator) fn emit_coalesced(
    schema: &SchemaRef,
    pieces: Vec<RecordBatch>,
    context: &mut Context,
) -> Result<(), Failure> {
    let mut joined: Vec<RecordBatch> = Vec::new();
    let mut rows = 0;
    for piece in pieces {
        if rows + piece.num_rows() > EMIT_ROWS {
            emit_joined(schema, &mut joined, context)?;
            rows = 0;
        }
        rows += piece.num_rows();
        joined.push(piece);
    }
    emit_joined(schema, &mut joined, context)
}

fn emit_joined(
    schema: &SchemaRef,
    pieces: &mut Vec<RecordBatch>,
    context: &mut Context,
) -> Result<(), Failure> {
    let batch = match pieces.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        several => concat_batches(schema, several)
            .map_err(|e| Failure::internal(format!("cannot join the rows of windows: {e}")))?,
    };
    pieces.clear();
    context.emit(batch);
    Ok(())
}
