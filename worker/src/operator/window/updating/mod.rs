//! Windows whose results come early, and change: before the watermark reaches their end, and behind it as long as late rows are allowed.
//!
//! A row is added to each window that it belongs to, not to a pane that windows share: what a window has added up to is there at any time.
//!
//! - `state`: the open windows. Leans on a group's state.
//! - `snapshot`: the same as rows of a table. Leans on `state`.

mod snapshot;
mod state;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use weir_model::{EventTime, Failure};
use weir_proto::graph;

use self::{
    snapshot::Due,
    state::{State, Window},
};
use super::{
    EMIT_ROWS,
    input::Raw,
    partial,
    windows::{Attached, Kind, Windows},
};
use crate::{
    operator::{Context, Operator},
    state::{Scope, Snapshot, Table},
};

/// Aggregates raw rows into results of windows that change.
#[derive(Debug)]
pub(in crate::operator) struct UpdatingWindowAggregate {
    windows: Windows,
    raw: Raw,
    state: State,
    out: Out,
    when: When,
    /// When changes of windows that have not ended are due, ms; they have waited since the first of them.
    early_due_ms: Option<i64>,
    /// The same of windows that have ended.
    late_due_ms: Option<i64>,
    watermark: EventTime,
}

/// When results come.
#[derive(Clone, Copy, Debug)]
struct When {
    early_ms: Option<i64>,
    late_ms: i64,
    lateness_ms: i64,
}

impl When {
    fn new(emit: &graph::Emit) -> Self {
        let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        Self {
            early_ms: emit.early_delay_ms.map(ms),
            late_ms: ms(emit.late_delay_ms),
            lateness_ms: ms(emit.allowed_lateness_ms),
        }
    }
}

/// Changes that wait to be emitted.
#[derive(Debug)]
struct Out {
    output: SchemaRef,
    pieces: Vec<RecordBatch>,
}

impl UpdatingWindowAggregate {
    pub(in crate::operator) fn new(
        spec: &graph::WindowAggregate,
        input: &SchemaRef,
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let emit = spec.emit.as_ref().filter(|_| spec.raw);
        let emit = emit.ok_or_else(|| Failure::internal("windows that change take raw rows"))?;
        let (raw, keys, shapes) = Raw::new(&spec.keys, &spec.aggregates, input)?;
        let moment = DataType::Timestamp(TimeUnit::Millisecond, None);
        let results = shapes.iter().map(|s| s.result_type().clone());
        let emitted = keys.iter().cloned().chain(results).chain(vec![moment; 3]);
        partial::check(&output, &emitted.chain([DataType::Int8]).collect::<Vec<_>>())?;
        let windows = Windows::new(spec.window.as_ref())?;
        if windows.kind == Kind::Attached(Attached::Session) {
            return Err(Failure::internal("the results of sessions do not change"));
        }
        Ok(Self {
            windows,
            raw,
            state: State::new(keys, shapes)?,
            out: Out {
                output,
                pieces: Vec::new(),
            },
            when: When::new(emit),
            early_due_ms: None,
            late_due_ms: None,
            watermark: EventTime::MIN,
        })
    }

    /// The last end of windows that the watermark has reached, allowing for so much.
    fn ended(&self, allowed_ms: i64) -> i64 {
        self.watermark.0.saturating_add(1).saturating_sub(allowed_ms)
    }

    /// Emits what has changed of windows that have not ended.
    fn emit_early(&mut self) -> Result<(), Failure> {
        self.early_due_ms = None;
        let ended = self.ended(0);
        for (end, window) in self.state.running(ended) {
            self.out.changes(end, window)?;
        }
        Ok(())
    }

    /// Emits what has changed of windows that have ended.
    fn emit_late(&mut self) -> Result<(), Failure> {
        self.late_due_ms = None;
        let ended = self.ended(0);
        for (end, window) in self.state.ended(ended) {
            window.has_fired = true;
            self.out.changes(end, window)?;
        }
        Ok(())
    }

    /// Fires windows that have ended, and emits once more those that end by a moment.
    fn fire_ended(&mut self, over: i64) -> Result<(), Failure> {
        let ended = self.ended(0);
        for (end, window) in self.state.ended(ended) {
            if !window.has_fired || end <= over {
                window.has_fired = true;
                self.out.changes(end, window)?;
            }
        }
        Ok(())
    }

    /// Emits changes that wait for nothing, and notes when others are due.
    fn settle(&mut self, early: bool, late: bool, now_ms: i64) -> Result<(), Failure> {
        if late {
            // A window that only late rows have opened fires with them.
            self.fire_ended(i64::MIN)?;
        }
        match self.when.early_ms {
            Some(0) if early => self.emit_early()?,
            Some(delay) if early => {
                self.early_due_ms.get_or_insert(now_ms.saturating_add(delay));
            }
            _ => {}
        }
        if late && self.when.late_ms == 0 {
            self.emit_late()?;
        } else if late {
            let due = now_ms.saturating_add(self.when.late_ms);
            self.late_due_ms.get_or_insert(due);
        }
        self.stop_timers();
        Ok(())
    }

    /// The watermark has come to its new place: windows fire, and go when no late rows are allowed any more.
    fn fire(&mut self, context: &mut Context) -> Result<(), Failure> {
        let over = self.ended(self.when.lateness_ms);
        // What waits for its delay must come before the window goes.
        self.fire_ended(over)?;
        self.state.forget(over)?;
        self.stop_timers();
        self.out.send(context)
    }

    /// Nothing is due where nothing waits.
    fn stop_timers(&mut self) {
        let ended = self.ended(0);
        if self.early_due_ms.is_some() && !self.state.running(ended).any(|(_, w)| w.is_changed()) {
            self.early_due_ms = None;
        }
        if self.late_due_ms.is_some() && !self.state.ended(ended).any(|(_, w)| w.is_changed()) {
            self.late_due_ms = None;
        }
    }
}

impl Out {
    fn changes(&mut self, end: i64, window: &mut Window) -> Result<(), Failure> {
        if !window.is_changed() {
            return Ok(());
        }
        let mut changes = window.take_changes()?;
        let known = changes.rows_before.len();
        let first = changes.keys.len() + changes.after.len();
        for (part, moment) in [window.start, end, end.saturating_sub(1)].into_iter().enumerate() {
            let moments = vec![moment; changes.rows_after.len()];
            let column = partial::moments(&self.output, first + part, moments);
            changes.before.push(column.slice(0, known));
            changes.after.push(column);
        }
        let batch = changes.batch(&self.output)?;
        for from in (0..batch.num_rows()).step_by(EMIT_ROWS) {
            let rows = EMIT_ROWS.min(batch.num_rows() - from);
            self.pieces.push(batch.slice(from, rows));
        }
        Ok(())
    }

    fn send(&mut self, context: &mut Context) -> Result<(), Failure> {
        partial::emit_coalesced(&self.output, std::mem::take(&mut self.pieces), context)
    }
}

impl Operator for UpdatingWindowAggregate {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        let (ended, over) = (self.ended(0), self.ended(self.when.lateness_ms));
        let (mut early, mut late) = (false, false);
        for part in self.windows.grid.split(&batch)? {
            let rows = part.len(batch.num_rows());
            let mut windows = self.windows.all_of_pane(part.start);
            windows.retain(|(_, end)| *end > over);
            if windows.is_empty() {
                context.drop_late(part.rows(batch.num_rows()));
                continue;
            }
            let (keys, arguments) = self.raw.columns(&batch, &part)?;
            for (start, end) in windows {
                self.state.window(start, end)?.add(&keys, &arguments, rows)?;
                (early, late) = (early || end > ended, late || end <= ended);
            }
        }
        self.settle(early, late, context.now_ms)?;
        self.out.send(context)
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.watermark = self.watermark.max(watermark);
        self.fire(context)
    }

    fn is_timed(&self) -> bool {
        self.when.early_ms.is_some_and(|ms| ms > 0) || self.when.late_ms > 0
    }

    fn timer_ms(&self) -> Option<i64> {
        self.early_due_ms.into_iter().chain(self.late_due_ms).min()
    }

    fn on_processing_time(&mut self, context: &mut Context) -> Result<(), Failure> {
        let is_due = |due: Option<i64>| due.is_some_and(|due| due <= context.now_ms);
        let (early, late) = (is_due(self.early_due_ms), is_due(self.late_due_ms));
        if early {
            self.emit_early()?;
        }
        if late {
            self.emit_late()?;
        }
        self.out.send(context)
    }

    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.watermark = EventTime::MAX;
        self.fire(context)
    }

    fn tables(&self) -> Vec<Table> {
        vec![self.state.table()]
    }

    fn track_changes(&mut self) {
        self.state.track_changes();
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        let due = Due {
            ended: self.ended(0),
            early_ms: self.early_due_ms,
            late_ms: self.late_due_ms,
        };
        self.state.snapshot(scope, due, into)
    }

    fn restore(&mut self, _table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        self.state.restore(rows)
    }

    fn restored(&mut self, watermark: EventTime) -> Result<(), Failure> {
        self.watermark = watermark;
        (self.early_due_ms, self.late_due_ms) = self.state.restored(self.ended(0));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
