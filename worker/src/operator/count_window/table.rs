//! Gives rows the windows by rows that they are in: each row once per window, at once.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::take::take;
use weir_model::Failure;
use weir_proto::graph;

use super::numbering::Numbering;
use crate::{
    operator::{Context, Operator, keys::normal_columns, window::partial},
    state::{Scope, Snapshot, Table},
};

/// Rows with the number of their window.
#[derive(Debug)]
pub(in crate::operator) struct CountWindow {
    keys: Vec<usize>,
    numbering: Numbering,
    output: SchemaRef,
}

impl CountWindow {
    pub(in crate::operator) fn new(
        spec: &graph::CountWindow,
        input: &SchemaRef,
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let (numbering, keys) = Numbering::new(spec, input)?;
        let types = input.fields().iter().map(|f| f.data_type().clone());
        let types: Vec<DataType> = types.chain([DataType::Int64]).collect();
        partial::check(&output, &types)?;
        Ok(Self {
            keys,
            numbering,
            output,
        })
    }
}

impl Operator for CountWindow {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        let columns: Vec<ArrayRef> = self.keys.iter().map(|&k| batch.column(k).clone()).collect();
        let (keys, _) = self.numbering.keys(&columns, batch.num_rows(), context.now_ms)?;
        let windows = self.numbering.windows();
        let (mut rows, mut ids) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
        for (row, key) in (0_u32..).zip(keys) {
            for window in windows.of(self.numbering.count(key)) {
                rows.push(row);
                ids.push(window as i64);
            }
        }
        let rows = UInt32Array::from(rows);
        let columns = batch.columns().iter().map(|column| take(column, &rows, None));
        let columns = columns.collect::<Result<Vec<_>, _>>();
        let mut columns =
            columns.map_err(|e| Failure::internal(format!("cannot multiply rows of windows: {e}")))?;
        columns.push(Arc::new(Int64Array::from(ids)));
        context.emit(partial::batch(&self.output, columns)?);
        Ok(())
    }

    fn tables(&self) -> Vec<Table> {
        vec![self.numbering.table()]
    }

    fn track_changes(&mut self) {
        self.numbering.track_changes();
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        self.numbering.snapshot(scope, into).map(drop)
    }

    fn restore(&mut self, _table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        self.numbering.restore(rows.columns())
    }

    fn is_partitioned(&self) -> bool {
        true
    }

    fn partition(&self, _port: usize, batch: &RecordBatch) -> Vec<ArrayRef> {
        normal_columns(batch, &self.keys)
    }

    fn is_timed(&self) -> bool {
        self.numbering.expires()
    }

    fn timer_ms(&self) -> Option<i64> {
        self.numbering.timer_ms()
    }

    fn on_processing_time(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.numbering.sweep(context.now_ms);
        self.numbering.bury().map(drop)
    }
}
