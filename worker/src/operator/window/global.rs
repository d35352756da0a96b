//! The phase after the shuffle: merges partial rows by pane and key, and emits a window once the watermark has passed it.

use std::ops::Range;

use arrow::compute::sum;
use arrow_array::{ArrayRef, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use weir_model::{EventTime, Failure};
use weir_proto::graph::{self, AggregateFunction};

use super::{
    pane::{Pane, Panes},
    partial::{self, Layout},
    tumble::{Part, Tumble},
};
use crate::operator::{Context, Operator, aggregate::Shape};

/// Aggregates partial rows into the results of windows.
#[derive(Debug)]
pub(in crate::operator) struct WindowAggregate {
    window: Tumble,
    keys: usize,
    layout: Layout,
    panes: Panes,
    output: SchemaRef,
    watermark: EventTime,
}

impl WindowAggregate {
    pub(in crate::operator) fn new(
        spec: &graph::WindowAggregate,
        input: &SchemaRef,
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let keys = spec.key_count as usize;
        let partial_columns = |a: &graph::Aggregate| {
            if a.function() == AggregateFunction::Avg {
                2
            } else {
                1
            }
        };
        let layout = Layout::new(keys, spec.aggregates.iter().map(partial_columns));
        let types: Vec<DataType> = input.fields().iter().map(|f| f.data_type().clone()).collect();
        if types.len() != layout.columns() {
            return Err(Failure::internal(format!(
                "a window aggregate over {} columns instead of {}",
                types.len(),
                layout.columns()
            )));
        }
        let shapes = spec
            .aggregates
            .iter()
            .zip(&layout.partials)
            .map(|(aggregate, columns)| Shape::of_partial(aggregate, &types[columns.start]))
            .collect::<Result<Vec<_>, _>>()?;
        partial::check(input, &partial::types(&types[..keys], &shapes))?;
        let moment = DataType::Timestamp(TimeUnit::Millisecond, None);
        let results = shapes.iter().map(|s| s.result_type().clone());
        let emitted: Vec<DataType> = types[..keys]
            .iter()
            .cloned()
            .chain(results)
            .chain(vec![moment; 3])
            .collect();
        partial::check(&output, &emitted)?;
        Ok(Self {
            window: Tumble::new(spec.window.as_ref())?.over(layout.pane),
            keys,
            layout,
            panes: Panes::new(types[..keys].to_vec(), shapes)?,
            output,
            watermark: EventTime::MIN,
        })
    }

    fn merge(&mut self, batch: &RecordBatch, part: &Part) -> Result<(), Failure> {
        let columns = |range: Range<usize>| {
            range
                .map(|c| part.of(batch.column(c)))
                .collect::<Result<Vec<ArrayRef>, Failure>>()
        };
        let keys = columns(0..self.keys)?;
        let partials = self
            .layout
            .partials
            .iter()
            .map(|p| columns(p.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let rows = part.of(batch.column(self.layout.rows))?;
        self.panes.pane(part.start)?.merge(&keys, &partials, &rows)
    }

    /// The results of a window, in batches.
    fn emit(&self, start: i64, pane: &Pane, pieces: &mut Vec<RecordBatch>) -> Result<(), Failure> {
        let end = self.window.end(start);
        for groups in partial::chunks(pane.len()) {
            let rows = groups.len();
            let mut columns = pane.keys(groups.clone())?;
            columns.extend(pane.results(groups)?);
            for moment in [start, end, self.window.last(start).0] {
                columns.push(partial::moments(&self.output, columns.len(), vec![moment; rows]));
            }
            pieces.push(partial::batch(&self.output, columns)?);
        }
        Ok(())
    }

    fn fire(&mut self, context: &mut Context) -> Result<(), Failure> {
        let (window, watermark) = (self.window, self.watermark);
        let mut pieces = Vec::new();
        while let Some((start, pane)) = self.panes.pop(|start| window.last(start) <= watermark) {
            self.emit(start, &pane, &mut pieces)?;
            self.panes.recycle(pane);
        }
        partial::emit_coalesced(&self.output, pieces, context)
    }
}

impl Operator for WindowAggregate {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        for part in self.window.split(&batch)? {
            if self.window.last(part.start) <= self.watermark {
                let rows = part.of(batch.column(self.layout.rows))?;
                context.late_rows += sum(rows.as_primitive::<Int64Type>())
                    .unwrap_or_default()
                    .unsigned_abs();
            } else {
                self.merge(&batch, &part)?;
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.watermark = self.watermark.max(watermark);
        self.fire(context)
    }

    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.watermark = EventTime::MAX;
        self.fire(context)
    }
}
