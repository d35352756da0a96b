//! The phase after the shuffle: merges partial rows by pane and key, and emits a window once the watermark has passed it. Without a phase
//! before, it takes raw rows.

use std::sync::Arc;

use arrow::compute::sum;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use weir_model::{EventTime, Failure};
use weir_proto::graph;

use super::{
    cumulate::Cumulating,
    emit::Emit,
    grid::Part,
    hop::HopMerge,
    input::Input,
    pane::Panes,
    partial,
    windows::{Attached, Kind, Windows},
};
use crate::{
    operator::{Context, Operator},
    state::{Scope, Snapshot, Table},
};

/// Its tables: the panes whose rows are in no other state, and the windows that cumulate.
const PANES: usize = 0;
const GROWING: usize = 1;

/// Aggregates rows into the results of windows.
#[derive(Debug)]
pub(in crate::operator) struct WindowAggregate {
    windows: Windows,
    input: Input,
    /// Panes whose rows are in no other state.
    panes: Panes,
    firing: Firing,
    emit: Emit,
    watermark: EventTime,
}

/// How panes become windows.
#[derive(Debug)]
enum Firing {
    /// Each is one.
    Panes,
    Hop(HopMerge),
    Cumulate(Cumulating),
}

impl WindowAggregate {
    pub(in crate::operator) fn new(
        spec: &graph::WindowAggregate,
        input: &SchemaRef,
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let (input, key_types, shapes) = Input::new(spec, input)?;
        let moment = DataType::Timestamp(TimeUnit::Millisecond, None);
        let results = shapes.iter().map(|s| s.result_type().clone());
        let emitted: Vec<DataType> = key_types
            .iter()
            .cloned()
            .chain(results)
            .chain(vec![moment; 3])
            .collect();
        partial::check(&output, &emitted)?;
        let windows = Windows::new(spec.window.as_ref())?;
        let windows = match &input {
            Input::Partial(_, layout) => windows.over(layout.pane),
            Input::Raw(_) => windows,
        };
        let panes = Panes::new(key_types.clone(), shapes.clone())?;
        let firing = match windows.kind {
            Kind::Tumble { .. } | Kind::Attached(_) => Firing::Panes,
            Kind::Hop(hops) => Firing::Hop(HopMerge::new(hops, &panes)?),
            Kind::Cumulate(steps) => {
                let growing = Panes::new(key_types.clone(), shapes)?;
                Firing::Cumulate(Cumulating::new(steps, growing))
            }
        };
        let start = match windows.kind {
            Kind::Attached(Attached::Session) => Some(
                key_types
                    .len()
                    .checked_sub(1)
                    .ok_or_else(|| Failure::internal("sessions without the key that is their start"))?,
            ),
            _ => None,
        };
        Ok(Self {
            windows,
            input,
            panes,
            firing,
            emit: Emit::new(output, start),
            watermark: EventTime::MIN,
        })
    }

    fn merge(&mut self, batch: &RecordBatch, part: &Part) -> Result<(), Failure> {
        let pane = match &mut self.firing {
            // Its pane has been taken up by the windows that have yet to fire.
            Firing::Cumulate(cumulating) if self.windows.last(part.start) <= self.watermark => {
                let start = cumulating.start(part.start);
                cumulating.growing.pane(start)?
            }
            _ => self.panes.pane(part.start)?,
        };
        self.input.add(pane, batch, part)
    }

    fn fire(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        let watermark = self.watermark.max(watermark);
        let fired = std::mem::replace(&mut self.watermark, watermark);
        match &mut self.firing {
            Firing::Panes => self.fire_panes()?,
            Firing::Hop(merge) => merge.fire(&mut self.panes, fired, watermark, &mut self.emit)?,
            Firing::Cumulate(cumulating) => {
                cumulating.fire(&mut self.panes, fired, watermark, &mut self.emit)?;
            }
        }
        self.emit.send(context)
    }

    fn fire_panes(&mut self) -> Result<(), Failure> {
        let (windows, watermark) = (self.windows, self.watermark);
        while let Some((start, pane)) = self.panes.pop(|pane| windows.last(pane) <= watermark) {
            let (first, end) = windows.of_pane(start);
            self.emit.groups(first, end, &pane)?;
            self.panes.recycle(start, pane)?;
        }
        Ok(())
    }
}

impl Operator for WindowAggregate {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        for part in self.windows.grid.split(&batch)? {
            if !self.windows.have_fired(part.start, self.watermark) {
                self.merge(&batch, &part)?;
                continue;
            }
            match &self.input {
                Input::Partial(_, layout) => {
                    let rows = part.of(batch.column(layout.rows))?;
                    let rows = sum(rows.as_primitive::<Int64Type>());
                    context.late_rows += rows.unwrap_or_default().unsigned_abs();
                }
                Input::Raw(_) => context.drop_late(part.rows(batch.num_rows())),
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.fire(watermark, context)
    }

    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.fire(EventTime::MAX, context)
    }

    fn tables(&self) -> Vec<Table> {
        let mut tables = vec![self.panes.table("panes")];
        if let Firing::Cumulate(cumulating) = &self.firing {
            tables.push(cumulating.growing.table("growing"));
        }
        tables
    }

    fn track_changes(&mut self) {
        self.panes.track_changes();
        if let Firing::Cumulate(cumulating) = &mut self.firing {
            cumulating.growing.track_changes();
        }
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        self.panes.snapshot(PANES, scope, into)?;
        match &mut self.firing {
            Firing::Cumulate(cumulating) => cumulating.growing.snapshot(GROWING, scope, into),
            // What hopping windows merge follows from the panes.
            Firing::Panes | Firing::Hop(_) => Ok(()),
        }
    }

    fn restore(&mut self, table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        match &mut self.firing {
            Firing::Cumulate(cumulating) if table == GROWING => cumulating.growing.restore(rows),
            _ => self.panes.restore(rows),
        }
    }

    fn is_windowed(&self) -> bool {
        true
    }

    fn needs(&self, table: usize, batch: &RecordBatch) -> Result<Vec<ArrayRef>, Failure> {
        let mut starts = self.windows.grid.starts(batch)?;
        if let (GROWING, Firing::Cumulate(cumulating)) = (table, &self.firing) {
            for pane in &mut starts {
                *pane = cumulating.start(*pane);
            }
        }
        let mut columns = self.input.keys(batch);
        columns.push(Arc::new(Int64Array::from(starts)));
        Ok(columns)
    }

    fn due(&self) -> Option<EventTime> {
        match &self.firing {
            Firing::Panes => self.panes.first().map(|pane| self.windows.last(pane)),
            Firing::Hop(merge) => merge.due(&self.panes, self.watermark),
            Firing::Cumulate(cumulating) => cumulating.due(&self.panes, self.watermark),
        }
    }

    fn restored(&mut self, watermark: EventTime) -> Result<(), Failure> {
        self.watermark = watermark;
        Ok(())
    }
}
