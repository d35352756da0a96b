//! A window function without an aggregation: every row once per window that it belongs to.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use arrow_select::take::take;
use weir_model::Failure;
use weir_proto::graph;

use super::{
    EMIT_ROWS, partial,
    windows::{Kind, Windows},
};
use crate::operator::{Context, Operator};

/// Adds the columns of windows to rows. No row is late: nothing waits for a window's end.
#[derive(Debug)]
pub(in crate::operator) struct WindowTable {
    windows: Windows,
    output: SchemaRef,
}

/// Rows of a batch, each with a window.
#[derive(Default)]
struct Assigned {
    rows: Vec<u32>,
    starts: Vec<i64>,
    ends: Vec<i64>,
}

impl Assigned {
    fn push(&mut self, row: u32, start: i64, end: i64) {
        self.rows.push(row);
        self.starts.push(start);
        self.ends.push(end);
    }
}

impl WindowTable {
    pub(in crate::operator) fn new(
        spec: &graph::WindowTable,
        input: &SchemaRef,
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let moment = DataType::Timestamp(TimeUnit::Millisecond, None);
        let types: Vec<DataType> = input
            .fields()
            .iter()
            .map(|f| f.data_type().clone())
            .chain(vec![moment; 3])
            .collect();
        partial::check(&output, &types)?;
        Ok(Self {
            windows: Windows::new(spec.window.as_ref())?,
            output,
        })
    }

    fn assign(&self, row: u32, time: i64, assigned: &mut Assigned) {
        match self.windows.kind {
            Kind::Tumble { .. } | Kind::Attached(_) => {
                let (start, end) = self.windows.of_pane(self.windows.grid.start(time));
                assigned.push(row, start, end);
            }
            Kind::Hop(hops) => {
                let mut start = hops.last_start(time);
                while start.saturating_add(hops.size_ms) > time {
                    assigned.push(row, start, start.saturating_add(hops.size_ms));
                    let Some(earlier) = start.checked_sub(hops.slide_ms) else {
                        break;
                    };
                    start = earlier;
                }
            }
            Kind::Cumulate(steps) => {
                let start = steps.start(time);
                let last = start.saturating_add(steps.max_size_ms);
                let mut end = self.windows.grid.start(time).saturating_add(steps.step_ms);
                while end <= last {
                    assigned.push(row, start, end);
                    let Some(later) = end.checked_add(steps.step_ms) else {
                        break;
                    };
                    end = later;
                }
            }
        }
    }

    fn emit(&self, batch: &RecordBatch, assigned: Assigned, context: &mut Context) -> Result<(), Failure> {
        let Assigned { rows, starts, ends } = assigned;
        let rows = UInt32Array::from(rows);
        let gather = |column: &ArrayRef| {
            take(column, &rows, None)
                .map_err(|e| Failure::internal(format!("cannot repeat rows for their windows: {e}")))
        };
        let mut columns = batch
            .columns()
            .iter()
            .map(gather)
            .collect::<Result<Vec<_>, _>>()?;
        let times = ends.iter().map(|end| end.saturating_sub(1)).collect();
        for moments in [starts, ends, times] {
            columns.push(partial::moments(&self.output, columns.len(), moments));
        }
        context.emit(
            RecordBatch::try_new(Arc::clone(&self.output), columns).map_err(|e| {
                Failure::internal(format!("rows with windows do not have the planned columns: {e}"))
            })?,
        );
        Ok(())
    }
}

impl Operator for WindowTable {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        let times = self.windows.grid.times(&batch)?;
        let mut assigned = Assigned::default();
        for (row, &time) in times.values().iter().enumerate() {
            self.assign(row as u32, time, &mut assigned);
            if assigned.rows.len() >= EMIT_ROWS {
                self.emit(&batch, std::mem::take(&mut assigned), context)?;
            }
        }
        if !assigned.rows.is_empty() {
            self.emit(&batch, assigned, context)?;
        }
        Ok(())
    }
}
