//! Pairs of a row that has come and a row that is kept, as the join's columns.

use std::sync::Arc;

use arrow::compute::take;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::SchemaRef;
use weir_connector::changelog;
use weir_model::Failure;

use super::side::{NONE, Side};

/// Pairs that wait to be emitted; either row may be missing.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    /// Rows of the batch.
    pub(super) come: Vec<u32>,
    /// Rows of the other side.
    pub(super) kept: Vec<u32>,
    /// What each pair does to the result.
    pub(super) ops: Vec<i8>,
    /// Whether the left row has a match, of a join that says so.
    marks: Vec<bool>,
}

impl Pairs {
    #[inline]
    pub(super) fn push(&mut self, come: u32, kept: u32, op: i8) {
        self.come.push(come);
        self.kept.push(kept);
        self.ops.push(op);
    }

    /// A left row, and whether it has a match.
    #[inline]
    pub(super) fn push_marked(&mut self, come: u32, kept: u32, op: i8, mark: bool) {
        self.push(come, kept, op);
        self.marks.push(mark);
    }

    pub(super) fn len(&self) -> usize {
        self.ops.len()
    }

    /// Some of the columns of left, then right, as a batch, and what each row does if the schema has that.
    pub(super) fn batch(
        &mut self,
        schema: &SchemaRef,
        columns: &[usize],
        source: &Rows<'_>,
    ) -> Result<RecordBatch, Failure> {
        let mut arrays = source.columns(columns, &self.come, &self.kept)?;
        let ops = std::mem::take(&mut self.ops);
        if !self.marks.is_empty() {
            arrays.push(Arc::new(BooleanArray::from(std::mem::take(&mut self.marks))));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(ops.len()));
        if changelog::is_changelog(schema) {
            arrays.push(changelog::column(ops));
        }
        self.come.clear();
        self.kept.clear();
        RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
            .map_err(|e| Failure::internal(format!("joined rows do not have the planned columns: {e}")))
    }
}

/// Where the rows of pairs are.
pub(super) struct Rows<'a> {
    /// The port that rows have come on.
    pub(super) port: usize,
    /// How many columns the left side has.
    pub(super) left: usize,
    /// The rows that have come.
    pub(super) batch: &'a RecordBatch,
    /// The other side.
    pub(super) other: &'a Side,
}

impl Rows<'_> {
    /// Columns of left, then right, of pairs.
    pub(super) fn columns(
        &self,
        columns: &[usize],
        come: &[u32],
        kept: &[u32],
    ) -> Result<Vec<ArrayRef>, Failure> {
        let indices: UInt32Array = if come.contains(&NONE) {
            come.iter().map(|&row| (row != NONE).then_some(row)).collect()
        } else {
            UInt32Array::from(come.to_vec())
        };
        let column = |&column: &usize| {
            let (side, index) = if column < self.left {
                (0, column)
            } else {
                (1, column - self.left)
            };
            if side == self.port {
                return take(self.batch.column(index), &indices, None)
                    .map_err(|e| Failure::internal(format!("rows of a join cannot be picked: {e}")));
            }
            self.other.column(index, kept)
        };
        columns.iter().map(column).collect()
    }
}
