//! Aggregates windows by rows: each is emitted with its last row, and what is not complete in the end never is, as in Flink.

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array, cast::AsArray};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::{filter::prep_null_mask_filter, take::take};
use weir_model::Failure;
use weir_proto::graph;

use super::{
    numbering::Numbering,
    state::{Picked, State},
};
use crate::{
    operator::{
        Context, Operator,
        aggregate::{Shape, Shapes},
        keys::normal_columns,
        window::partial,
    },
    state::{Scope, Snapshot, Table},
};

/// Rows of an emitted batch at most.
const EMIT_ROWS: usize = 8192;

/// Aggregates rows into the results of their windows.
#[derive(Debug)]
pub(in crate::operator) struct CountWindowAggregate {
    keys: Vec<usize>,
    shapes: Shapes,
    /// The column that says which rows are aggregated; none: all.
    filter: Option<usize>,
    pub(super) state: State,
    output: SchemaRef,
}

impl CountWindowAggregate {
    pub(in crate::operator) fn new(
        spec: &graph::CountWindowAggregate,
        input: &SchemaRef,
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let window = spec.window.as_ref();
        let window = window.ok_or_else(|| Failure::internal("an aggregate by windows without them"))?;
        let (numbering, keys) = Numbering::new(window, input)?;
        let filter = spec.filter.map(|column| column as usize);
        let is_boolean =
            |column: usize| input.fields().get(column).map(|f| f.data_type()) == Some(&DataType::Boolean);
        if filter.is_some_and(|column| !is_boolean(column)) {
            return Err(Failure::internal("a filter of windows is no BOOLEAN"));
        }
        let shapes = spec
            .aggregates
            .iter()
            .map(|a| Shape::of_raw(a, input))
            .collect::<Result<Vec<_>, _>>()?;
        let mut types: Vec<DataType> = keys.iter().map(|&k| input.field(k).data_type().clone()).collect();
        types.extend(shapes.iter().map(|s| s.result_type().clone()));
        types.push(DataType::Int64);
        partial::check(&output, &types)?;
        Ok(Self {
            state: State::new(numbering, &shapes)?,
            keys,
            shapes,
            filter,
            output,
        })
    }

    /// The arguments of the aggregates, once per row and window.
    fn arguments(&self, batch: &RecordBatch, picked: &Picked) -> Result<Vec<Option<ArrayRef>>, Failure> {
        let all =
            picked.rows.len() == batch.num_rows() && (0_u32..).zip(&picked.rows).all(|(i, row)| i == *row);
        let rows = UInt32Array::from(if all { Vec::new() } else { picked.rows.clone() });
        let argument = |column: usize| {
            if all {
                return Ok(ArrayRef::clone(batch.column(column)));
            }
            take(batch.column(column), &rows, None)
                .map_err(|e| Failure::internal(format!("cannot multiply rows of windows: {e}")))
        };
        self.shapes
            .iter()
            .map(|shape| shape.column.map(argument).transpose())
            .collect()
    }
}

impl Operator for CountWindowAggregate {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        let keys: Vec<ArrayRef> = self.keys.iter().map(|&k| batch.column(k).clone()).collect();
        let filter = self
            .filter
            .map(|column| truths(batch.column(column).as_boolean()));
        let picked = self
            .state
            .pick(&keys, batch.num_rows(), filter.as_ref(), context.now_ms)?;
        let arguments = self.arguments(&batch, &picked)?;
        self.state.update(&picked.windows, &arguments)?;
        let complete = &picked.complete;
        for from in (0..complete.len()).step_by(EMIT_ROWS) {
            let part = from..complete.len().min(from + EMIT_ROWS);
            let columns = self.state.results(complete, part)?;
            context.emit(partial::batch(&self.output, columns)?);
        }
        self.state.tidy(complete.len())
    }

    fn tables(&self) -> Vec<Table> {
        self.state.tables()
    }

    fn track_changes(&mut self) {
        self.state.track_changes();
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        self.state.snapshot(scope, into)
    }

    fn restore(&mut self, table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        self.state.restore(table, rows.columns())
    }

    fn is_partitioned(&self) -> bool {
        true
    }

    fn partition(&self, _port: usize, batch: &RecordBatch) -> Vec<ArrayRef> {
        normal_columns(batch, &self.keys)
    }

    fn is_timed(&self) -> bool {
        self.state.numbering.expires()
    }

    fn timer_ms(&self) -> Option<i64> {
        self.state.numbering.timer_ms()
    }

    fn on_processing_time(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.state.sweep(context.now_ms)
    }
}

/// Which rows are true: null is not.
fn truths(column: &BooleanArray) -> BooleanArray {
    if column.null_count() > 0 {
        prep_null_mask_filter(column)
    } else {
        column.clone()
    }
}
