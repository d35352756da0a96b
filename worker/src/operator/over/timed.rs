//! The operator that emits each row once: when the watermark has reached its time, or at once in the order of arrival.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::{concat::concat_batches, filter::filter_record_batch};
use weir_model::{EventTime, Failure};
use weir_proto::graph::{self, over_aggregate::Order as Ordering};

use super::{
    by_key::ByKey,
    call::functions,
    due::{Due, TimeOrder},
    rows::{Rows, Segment},
    spec::{Lookback, Spec},
    state::Timed,
};
use crate::{
    operator::{Context, Operator, rank::rows::FRESH},
    state::{Scope, Snapshot, Table},
};

/// Rows of an emitted batch at most.
const EMIT_ROWS: usize = 8192;

/// Computes functions over rows that are only appended.
#[derive(Debug)]
pub(super) struct TimedOver {
    spec: Spec,
    lookback: Lookback,
    input: SchemaRef,
    /// None: by arrival.
    order: Option<TimeOrder>,
    state: Timed,
    watermark: EventTime,
}

impl TimedOver {
    pub(super) fn new(spec: Spec, graph: &graph::OverAggregate, input: &SchemaRef) -> Result<Self, Failure> {
        let order = match graph.order() {
            Ordering::EventTime => Some(TimeOrder::new(&graph.order_by, input)?),
            Ordering::Arrival | Ordering::Columns => None,
        };
        let functions = functions(&spec.calls, input, &spec.arguments)?;
        Ok(Self {
            state: Timed::new(&spec, functions, input, order.as_ref().map(TimeOrder::time))?,
            lookback: spec.lookback(),
            input: Arc::clone(input),
            order,
            watermark: EventTime::MIN,
            spec,
        })
    }

    fn fire(&mut self, context: &mut Context) -> Result<(), Failure> {
        let due = self.state.waiting.due(self.watermark.0)?;
        let Some(order) = self.order.as_ref().filter(|_| !due.is_empty()) else {
            return self.expire(self.watermark.0.saturating_add(1));
        };
        let batch = match due.as_slice() {
            [one] => one.clone(),
            _ => concat_batches(&self.input, &due).map_err(broken)?,
        };
        let due = order.sort(batch)?;
        self.take(&due, self.watermark.0.saturating_add(1), context)
    }

    /// Emits rows with their results. The rows to come have at least the time `next_ms`.
    fn take(&mut self, due: &Due, next_ms: i64, context: &mut Context) -> Result<(), Failure> {
        let ids = self
            .state
            .touch(&self.spec.keys_of(&due.batch), due.batch.num_rows())?;
        let by_key = ByKey::new(ids);
        self.state
            .note_seen(by_key.segments().map(|positions| by_key.key(positions[0])));
        let arguments = self.spec.arguments_of(&due.batch);
        let rows = self.rows(due, &by_key, &arguments)?;
        let mut columns: Vec<ArrayRef> = self
            .spec
            .passed
            .iter()
            .map(|column| ArrayRef::clone(due.batch.column(*column)))
            .collect();
        for function in &mut self.state.functions {
            columns.push(by_key.put_back(function.compute(&rows)?)?);
        }
        let emitted = RecordBatch::try_new(Arc::clone(&self.spec.output), columns).map_err(broken)?;
        for from in (0..emitted.num_rows()).step_by(EMIT_ROWS) {
            context.emit(emitted.slice(from, EMIT_ROWS.min(emitted.num_rows() - from)));
        }
        if !self.lookback.is_nothing() {
            self.keep(due, &by_key, &arguments, next_ms)?;
        }
        self.expire(next_ms)
    }

    /// The rows by key, behind those of the key that frames still reach.
    fn rows(&self, due: &Due, by_key: &ByKey, arguments: &[ArrayRef]) -> Result<Rows, Failure> {
        let mut rows = Rows {
            columns: Vec::new(),
            segments: Vec::new(),
            ties: Vec::with_capacity(by_key.order.len()),
            times: Vec::with_capacity(by_key.order.len()),
            groups: self.state.keys(),
            carries: true,
        };
        let mut places: Vec<u32> = Vec::with_capacity(by_key.order.len());
        for positions in by_key.segments() {
            let group = by_key.key(positions[0]);
            let begin = places.len();
            for kept in self.state.kept(group) {
                places.push(kept.slot);
                rows.times.push(kept.time);
                // They have come out already: no row to come orders alike.
                rows.ties.push(u32::MAX);
            }
            let first = places.len();
            places.extend(positions.iter().map(|position| position | FRESH));
            rows.times
                .extend(positions.iter().map(|p| due.times[*p as usize]));
            rows.ties.extend(positions.iter().map(|p| due.ties[*p as usize]));
            rows.segments.push(Segment {
                group,
                begin,
                first,
                end: places.len(),
            });
        }
        rows.columns = if places.len() == by_key.order.len() && by_key.is_in_place() {
            arguments.to_vec()
        } else {
            self.state.rows.gather(&places, arguments, arguments.len())?
        };
        Ok(rows)
    }

    /// Keeps the rows that frames of later ones may reach.
    fn keep(
        &mut self,
        due: &Due,
        by_key: &ByKey,
        arguments: &[ArrayRef],
        next_ms: i64,
    ) -> Result<(), Failure> {
        let earliest = self.earliest(next_ms);
        let mut kept: Vec<(u32, u32, i64)> = Vec::new();
        for positions in by_key.segments() {
            let last_rows = positions.len().saturating_sub(self.lookback.rows);
            for (place, &position) in positions.iter().enumerate() {
                let time = due.times[position as usize];
                if place >= last_rows || (self.lookback.range_ms.is_some() && time >= earliest) {
                    kept.push((position, by_key.key(position), time));
                }
            }
        }
        kept.sort_unstable();
        self.state
            .keep(arguments, due.batch.num_rows(), &kept, self.lookback)?;
        for positions in by_key.segments() {
            self.state
                .prune(by_key.key(positions[0]), self.lookback, earliest);
        }
        Ok(())
    }

    /// The earliest time that frames of rows to come reach back to.
    fn earliest(&self, next_ms: i64) -> i64 {
        self.lookback
            .range_ms
            .map_or(i64::MIN, |range_ms| next_ms.saturating_sub(range_ms))
    }

    fn expire(&mut self, next_ms: i64) -> Result<(), Failure> {
        let keys_die = !self.spec.is_unbounded() && self.lookback.rows == 0;
        self.state.expire(self.lookback, self.earliest(next_ms), keys_die)
    }

    /// How many keys there are, and how many rows that frames still reach.
    #[cfg(test)]
    pub(super) fn state_sizes(&self) -> (usize, usize) {
        (self.state.keys(), self.state.rows.sizes().0)
    }

    /// Rows that came before the watermark reached their time wait for it; the others are counted as late.
    fn wait(
        &mut self,
        batch: RecordBatch,
        times: ScalarBuffer<i64>,
        context: &mut Context,
    ) -> Result<(), Failure> {
        let watermark = self.watermark.0;
        if times.iter().all(|t| *t > watermark) {
            self.state.waiting.add(batch, times);
            return Ok(());
        }
        let late = (0..).zip(times.iter()).filter(|(_, t)| **t <= watermark);
        context.drop_late(late.map(|(row, _)| row));
        let in_time: BooleanArray = times.iter().map(|t| Some(*t > watermark)).collect();
        let batch = filter_record_batch(&batch, &in_time).map_err(broken)?;
        let times = times.iter().copied().filter(|t| *t > watermark).collect();
        self.state.waiting.add(batch, times);
        Ok(())
    }
}

impl Operator for TimedOver {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if let Some(order) = &self.order {
            let times = order.times(&batch)?;
            return self.wait(batch, times, context);
        }
        let rows = batch.num_rows();
        let due = Due {
            times: vec![context.now_ms; rows].into(),
            ties: vec![0; rows],
            batch,
        };
        self.take(&due, context.now_ms, context)
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        if self.order.is_none() {
            return Ok(());
        }
        self.watermark = self.watermark.max(watermark);
        self.fire(context)
    }

    fn is_timed(&self) -> bool {
        self.order.is_none()
    }

    fn timer_ms(&self) -> Option<i64> {
        let earliest = self.state.earliest()?;
        let range_ms = self.lookback.range_ms.filter(|_| self.order.is_none())?;
        Some(earliest.saturating_add(range_ms).saturating_add(1))
    }

    fn on_processing_time(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.expire(context.now_ms)
    }

    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.on_watermark(EventTime::MAX, context)
    }

    fn tables(&self) -> Vec<Table> {
        let goes_after = self.lookback.range_ms.filter(|_| self.order.is_some());
        self.state.tables(goes_after)
    }

    /// Rows that wait are found by keys as they came: of floats that are one key, those may differ.
    fn is_partitioned(&self) -> bool {
        self.spec.has_plain_keys(&self.input)
    }

    fn partition(&self, _port: usize, batch: &RecordBatch) -> Vec<ArrayRef> {
        self.spec.keys_of(batch)
    }

    fn track_changes(&mut self) {
        self.state.track_changes();
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        self.state.snapshot(scope, into)
    }

    fn restore(&mut self, table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        self.state.restore(table, rows)
    }

    fn restored(&mut self, watermark: EventTime) -> Result<(), Failure> {
        if self.order.is_some() {
            self.watermark = watermark;
        }
        self.state.restored(self.lookback)
    }
}

fn broken(error: ArrowError) -> Failure {
    Failure::internal(format!("rows do not fit the functions OVER them: {error}"))
}
