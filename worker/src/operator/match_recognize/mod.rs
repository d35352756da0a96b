//! Patterns in the rows of each key, in the order of their time: MATCH_RECOGNIZE.
//!
//! Rows wait until the watermark passes them, then go in order through an automaton per key. Conditions that read a row alone are
//! columns of the input; those that look back at the rows matched before are computed for all keys together.
//!
//! - `nfa`: a pattern as an automaton. Leans on nothing.
//! - `runs`: the partial matches of a key. Leans on `nfa`.
//! - `values`: what expressions read of a match. Leans on `runs`.
//! - `plan`: what the job graph says, decoded. Leans on all of the above.
//! - `state`: what is kept between rows. Leans on `runs` and `values`.
//! - `firing`: rows whose time has come. Leans on all of the above.

mod firing;
mod nfa;
mod plan;
mod runs;
mod state;
mod values;

use arrow::compute::filter_record_batch;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use weir_model::{EventTime, Failure};
use weir_proto::graph;

use self::{
    firing::Firing,
    plan::Plan,
    state::{State, Waiting},
};
use super::{Context, Operator};

/// Partial matches are looked through for those that are too old this often within the time that they may take.
const SWEEPS: i64 = 8;

/// Finds patterns.
#[derive(Debug)]
pub(super) struct MatchRecognize {
    plan: Plan,
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
        let has_event_time = spec.time_column.is_some();
        let waiting = Waiting::new(SchemaRef::clone(input), plan::order(spec, input)?, has_event_time);
        Ok(Self {
            state: State::new(plan.key_types.clone(), waiting)?,
            plan,
            input: SchemaRef::clone(input),
            has_event_time,
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
        let Some(within_ms) = self.plan.rules.within_ms else {
            return self.state.forget();
        };
        let now = self.now.0;
        if self.sweep_ms.is_some_and(|at| now >= at) || self.state.is_blocked() {
            let none = RecordBatch::new_empty(SchemaRef::clone(&self.input));
            let found = Firing::new(&self.plan, &mut self.state, &none, &[]).expire(now)?;
            for batch in found {
                context.emit(batch);
            }
            self.sweep_ms = None;
        }
        if self.sweep_ms.is_none() {
            let oldest = self
                .state
                .earliest_start()
                .map(|start| start.saturating_add(within_ms));
            self.sweep_ms = oldest.map(|at| at.max(now.saturating_add(within_ms / SWEEPS)));
        }
        self.state.forget()
    }

    /// Matches the rows up to the watermark.
    fn reach(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.now = self.now.max(watermark);
        if let Some(rows) = self.state.waiting.due(self.now.0)? {
            let times = self.state.waiting.times(&rows)?.clone();
            self.fire(&rows, times.values(), context)?;
        }
        self.sweep(context)
    }
}

impl Operator for MatchRecognize {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        if !self.has_event_time {
            self.now = EventTime(context.now_ms);
            let rows = self.state.waiting.sorted(batch)?;
            self.fire(&rows, &vec![context.now_ms; rows.num_rows()], context)?;
            return self.sweep(context);
        }
        let watermark = self.now.0;
        let times = self.state.waiting.times(&batch)?.values();
        if times.iter().all(|t| *t > watermark) {
            return self.state.waiting.add(batch);
        }
        let late = (0..).zip(times.iter()).filter(|(_, t)| **t <= watermark);
        context.drop_late(late.map(|(row, _)| row));
        let in_time: BooleanArray = times.iter().map(|t| Some(*t > watermark)).collect();
        let in_time = filter_record_batch(&batch, &in_time)
            .map_err(|e| Failure::internal(format!("late rows cannot be dropped: {e}")))?;
        self.state.waiting.add(in_time)
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
}

#[cfg(test)]
mod tests;
