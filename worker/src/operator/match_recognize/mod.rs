//! Patterns in the rows of each key, in the order of their time: MATCH_RECOGNIZE.
//!
//! Rows wait until the watermark passes them, then go in order through an automaton per key. Conditions that read a row alone are
//! columns of the input; those that look back at the rows matched before are computed for all keys together.
//!
//! - `nfa`: a pattern as an automaton. Leans on nothing.
//! - `runs`: the partial matches of a key. Leans on `nfa`.
//! - `values`: what expressions read of a match. Leans on `runs`.
//! - `plan`: what the job graph says, decoded. Leans on all of the above.
//! - `order`: in which order rows are matched. Leans on nothing.
//! - `state`: what is kept between rows, and as rows of tables. Leans on `runs` and `values`.
//! - `firing`: rows whose time has come. Leans on all of the above.

mod firing;
mod nfa;
mod order;
mod plan;
mod runs;
mod state;
mod values;

use arrow::compute::{concat_batches, filter_record_batch};
use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::{ArrowError, SchemaRef};
use weir_model::{EventTime, Failure};
use weir_proto::graph;

use self::{firing::Firing, order::Order, plan::Plan, state::State};
use super::{Context, Operator};
use crate::state::{Scope, Snapshot, Table};

/// Partial matches are looked through for those that are too old this often within the time that they may take.
const SWEEPS: i64 = 8;

/// Finds patterns.
#[derive(Debug)]
pub(super) struct MatchRecognize {
    plan: Plan,
    order: Order,
    state: State,
    input: SchemaRef,
    /// Whether rows have an event time; else they are matched as they come.
    has_event_time: bool,
    /// How far time has come.
    now: EventTime,
    /// When partial matches are looked through next, ms; none: when there are any.
    sweep_ms: Option<i64>,
}

impl MatchRecognize {
    pub(super) fn new(
        spec: &graph::MatchRecognize,
        input: &SchemaRef,
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let plan = Plan::decode(spec, input, output)?;
        let order = Order::decode(spec, input)?;
        Ok(Self {
            state: State::new(input, &plan.keys, order.time())?,
            has_event_time: order.time().is_some(),
            plan,
            order,
            input: SchemaRef::clone(input),
            now: EventTime::MIN,
            sweep_ms: None,
        })
    }

    /// Matches rows that are in order.
    fn fire(&mut self, rows: &RecordBatch, times: &[i64], context: &mut Context) -> Result<(), Failure> {
        let found = Firing::new(&self.plan, &mut self.state, rows, times).run()?;
        for batch in found {
            context.emit(batch);
        }
        Ok(())
    }

    /// Drops partial matches that are too old, if it is time to, and keys without any.
    fn sweep(&mut self, context: &mut Context) -> Result<(), Failure> {
        if self.plan.rules.within_ms.is_none() {
            return self.state.forget();
        }
        let now = self.now.0;
        if self.sweep_ms.is_some_and(|at| now >= at) || self.state.is_blocked() {
            let none = RecordBatch::new_empty(SchemaRef::clone(&self.input));
            let found = Firing::new(&self.plan, &mut self.state, &none, &[]).expire(now)?;
            for batch in found {
                context.emit(batch);
            }
            self.sweep_ms = None;
        }
        self.plan_sweep();
        self.state.forget()
    }

    fn plan_sweep(&mut self) {
        if let (Some(within_ms), None) = (self.plan.rules.within_ms, self.sweep_ms) {
            let oldest = self.state.earliest_start();
            let oldest = oldest.map(|start| start.saturating_add(within_ms));
            let soonest = self.now.0.saturating_add(within_ms / SWEEPS);
            self.sweep_ms = oldest.map(|at| at.max(soonest));
        }
    }

    /// Matches the rows up to the watermark.
    fn reach(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.now = self.now.max(watermark);
        let due = self.state.waiting.due(self.now.0)?;
        if !due.is_empty() {
            let due = concat_batches(&self.input, &due).map_err(|e| broken(&e))?;
            let rows = self.order.sorted(due)?;
            let times = self.order.times(&rows)?;
            self.fire(&rows, &times, context)?;
        }
        self.sweep(context)
    }
}

impl Operator for MatchRecognize {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        if !self.has_event_time {
            self.now = EventTime(context.now_ms);
            let rows = self.order.sorted(batch)?;
            self.fire(&rows, &vec![context.now_ms; rows.num_rows()], context)?;
            return self.sweep(context);
        }
        let watermark = self.now.0;
        let times = self.order.times(&batch)?;
        if times.iter().all(|t| *t > watermark) {
            self.state.waiting.add(batch, times);
            return Ok(());
        }
        let late = (0..).zip(times.iter()).filter(|(_, t)| **t <= watermark);
        context.drop_late(late.map(|(row, _)| row));
        let in_time: BooleanArray = times.iter().map(|t| Some(*t > watermark)).collect();
        let in_time = filter_record_batch(&batch, &in_time).map_err(|e| broken(&e))?;
        let times = self.order.times(&in_time)?;
        self.state.waiting.add(in_time, times);
        Ok(())
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        if self.has_event_time {
            self.reach(watermark, context)?;
        }
        Ok(())
    }

    fn output_watermark(&self, watermark: EventTime) -> EventTime {
        // A match that waits for an earlier one comes out with the time of its last row.
        let held = self.state.earliest_blocked().map(|end| EventTime(end - 1));
        held.map_or(watermark, |held| held.min(watermark))
    }

    fn is_timed(&self) -> bool {
        !self.has_event_time
    }

    fn timer_ms(&self) -> Option<i64> {
        self.sweep_ms.filter(|_| !self.has_event_time)
    }

    fn on_processing_time(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.now = EventTime(context.now_ms);
        self.sweep(context)
    }

    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        if self.has_event_time {
            self.reach(EventTime::MAX, context)?;
        }
        Ok(())
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
        self.state.restore(table, rows, self.plan.rules.pattern.len())
    }

    fn restored(&mut self, watermark: EventTime) -> Result<(), Failure> {
        if self.has_event_time {
            self.now = watermark;
        }
        self.state.restored()?;
        self.plan_sweep();
        Ok(())
    }
}

fn broken(error: &ArrowError) -> Failure {
    Failure::internal(format!("rows of a pattern do not fit together: {error}"))
}

#[cfg(test)]
mod tests;
