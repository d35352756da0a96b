//! The part of a source that computes: projection, event time, watermarks per split, filter.
//!
//! - `rising`: what rows say of time. Leans on nothing.
//! - `pace`: when the watermark of a split rises within a batch. Leans on nothing.

mod pace;
mod rising;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use arrow_array::{Array, RecordBatch, RecordBatchOptions, cast::AsArray};
use arrow_schema::{DataType, Schema, SchemaRef, TimeUnit};
use weir_connector::Comparison;
use weir_model::{EventTime, Failure};
use weir_proto::{graph, schema};

use self::{
    pace::{EveryRows, Stretch},
    rising::Rising,
};
use super::Context;
use crate::expression::{self, Expression, Filter, Projection, Selection, describe_row};

/// What a source subtask may say about time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitsWatermark {
    /// Nothing yet: a split that is active has shown no event time, or the source has none.
    Unknown,
    /// The minimum over the active splits; `EventTime::MAX` once all have ended. Never falls.
    Active(EventTime),
    /// No split is active and not all have ended: time need not wait for this subtask. Carries the furthest that its splits have come, if
    /// any has come anywhere, so that time can advance when everything is idle.
    Idle(Option<EventTime>),
}

impl SplitsWatermark {
    /// What holds others back that keep together with the subtask; none: nothing does.
    pub fn held_back_by(self) -> Option<EventTime> {
        match self {
            Self::Active(at) => Some(at).filter(|at| *at != EventTime::MAX),
            Self::Unknown | Self::Idle(_) => None,
        }
    }
}

/// One subtask's rows from the reader to the next operator.
#[derive(Debug)]
pub struct SourceStage {
    projection: Projection,
    filter: Option<Filter>,
    time: Option<Time>,
    emitted: SchemaRef,
    /// What chance begins with, once it was asked for.
    seed: Option<u64>,
    /// Projected rows of a split that are yet to be emitted, with the split's watermark behind them.
    waiting: VecDeque<(usize, RecordBatch, Option<EventTime>)>,
}

impl SourceStage {
    /// The stage of a subtask that reads `splits` splits and emits rows of `output`, the operator's schema.
    pub fn new(source: &graph::Source, output: SchemaRef, splits: usize) -> Result<Self, Failure> {
        let scan = scan_schema(source)?;
        let projected = projected_schema(source, &scan, &output)?;
        let projection = Projection::decode(&source.projection, &scan, Arc::clone(&projected))?;
        let filter = source
            .filter
            .as_deref()
            .map(|bytes| Filter::decode(bytes, &projected))
            .transpose()?;
        let time = source
            .watermark
            .as_ref()
            .map(|w| Time::new(w, &projected, splits))
            .transpose()?;
        Ok(Self {
            projection,
            filter,
            time,
            emitted: output,
            seed: None,
            waiting: VecDeque::new(),
        })
    }

    /// Whether expressions read what the runtime says: the caller sets the context's time.
    pub fn is_surrounded(&self) -> bool {
        let of_filter = self.filter.as_ref().is_some_and(Filter::is_surrounded);
        let of_time = |time: &Time| time.expression.expression.is_surrounded();
        self.projection.is_surrounded() || of_filter || self.time.as_ref().is_some_and(of_time)
    }

    fn surround(&mut self, context: &mut Context) {
        if !self.is_surrounded() {
            return;
        }
        let surroundings = context.surroundings(&mut self.seed);
        self.projection.surround(surroundings);
        if let Some(filter) = &mut self.filter {
            filter.surround(surroundings);
        }
        if let Some(time) = &mut self.time {
            time.expression.expression.surround(surroundings);
        }
    }

    /// Rows of a split, with the scan schema, arrived. The caller forwards [`SourceStage::watermark`] after the rows emitted, and goes on
    /// while some are [left](SourceStage::has_more).
    ///
    /// # Errors
    /// A user failure for a row that cannot be computed or whose event time is null.
    pub fn on_rows(
        &mut self,
        split: usize,
        batch: RecordBatch,
        context: &mut Context,
    ) -> Result<(), Failure> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.surround(context);
        let rows = self.projection.project(&batch)?;
        match &mut self.time {
            None => self.waiting.push_back((split, rows, None)),
            Some(time) => {
                let mut start = 0;
                for Stretch {
                    rows: count,
                    watermark,
                } in time.stretches(split, &rows)?
                {
                    self.waiting
                        .push_back((split, rows.slice(start, count), watermark));
                    start += count;
                }
            }
        }
        self.go_on(context)
    }

    /// Whether rows that arrived are yet to be emitted: a watermark comes between.
    pub fn has_more(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Emits rows up to where the watermark rises.
    pub fn go_on(&mut self, context: &mut Context) -> Result<(), Failure> {
        let Some((split, rows, watermark)) = self.waiting.pop_front() else {
            return Ok(());
        };
        if let Some(time) = &mut self.time {
            time.on_stretch(split, watermark);
        }
        let selection = match &self.filter {
            Some(filter) => filter.select(&rows)?,
            None => Selection::All,
        };
        let columns = &rows.columns()[..self.emitted.fields().len()];
        let (columns, count) = selection.columns(columns, rows.num_rows())?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let emitted = RecordBatch::try_new_with_options(Arc::clone(&self.emitted), columns, &options)
            .map_err(|e| {
                Failure::internal(format!("a source's rows do not have the planned columns: {e}"))
            })?;
        context.emit(emitted);
        Ok(())
    }

    /// A split has no more rows: it no longer holds time back.
    pub fn on_split_end(&mut self, split: usize) {
        if let Some(time) = &mut self.time {
            time.splits[split].ended = true;
            time.advance();
        }
    }

    /// More splits may come to be: that there is none, or none that has not ended, is no end of time.
    pub fn await_splits(&mut self) {
        if let Some(time) = &mut self.time {
            time.awaits_splits = true;
            time.watermark = SplitsWatermark::Unknown;
            time.advance();
        }
    }

    /// A split has come to be: its index is the next one.
    pub fn on_split_added(&mut self) {
        if let Some(time) = &mut self.time {
            time.splits.push(time.unread.clone());
            time.advance();
        }
    }

    /// Time has passed: splits without rows for their timeout become idle. `now` is monotone, from any fixed start; call at least twice per
    /// idle timeout, since silence is measured from tick to tick.
    pub fn on_tick(&mut self, now: Duration) {
        if let Some(time) = &mut self.time {
            time.on_tick(now);
        }
    }

    /// The source is not read: silence is measured anew from the next tick.
    pub fn restart_silence(&mut self) {
        for split in self.time.iter_mut().flat_map(|time| &mut time.splits) {
            split.stirred |= !split.idle;
        }
    }

    /// How long a split may stay silent before it is idle; none if it may for ever.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.time.as_ref()?.idle_timeout
    }

    /// Splits begin where their event time had come to in an earlier deployment.
    pub fn restore(&mut self, watermarks: impl Iterator<Item = Option<EventTime>>) {
        if let Some(time) = &mut self.time {
            for (split, watermark) in time.splits.iter_mut().zip(watermarks) {
                split.watermark = watermark;
            }
            time.advance();
        }
    }

    /// How far the event time of a split has come.
    pub fn split_watermark(&self, split: usize) -> Option<EventTime> {
        self.time.as_ref()?.splits.get(split)?.watermark
    }

    /// What the splits together say about time now.
    pub fn watermark(&self) -> SplitsWatermark {
        self.time
            .as_ref()
            .map_or(SplitsWatermark::Unknown, |time| time.watermark)
    }
}

/// What holds for all rows that a source keeps, of the columns that it scans.
pub fn comparisons(source: &graph::Source, output: &SchemaRef) -> Result<Vec<Comparison>, Failure> {
    let Some(filter) = &source.filter else {
        return Ok(Vec::new());
    };
    let scan = scan_schema(source)?;
    let projected = projected_schema(source, &scan, output)?;
    expression::comparisons(filter, &source.projection, &scan, &projected)
}

fn scan_schema(source: &graph::Source) -> Result<SchemaRef, Failure> {
    schema::decode(&source.scan_schema)
        .map_err(|e| Failure::internal(format!("the scan schema of a source cannot be read: {e}")))
}

/// The columns that are emitted as planned; those that exist for time alone as their expressions say.
fn projected_schema(
    source: &graph::Source,
    scan: &SchemaRef,
    output: &SchemaRef,
) -> Result<SchemaRef, Failure> {
    let emitted = output.fields().len();
    let planned = source
        .watermark
        .as_ref()
        .map_or(source.projection.len(), |w| w.emitted_columns as usize);
    if planned != emitted || emitted > source.projection.len() {
        return Err(Failure::internal(format!(
            "a source of {emitted} columns that emits {planned} of {}",
            source.projection.len()
        )));
    }
    let mut fields = output.fields().to_vec();
    for named in &source.projection[emitted..] {
        let field = Expression::decode(&named.expr, scan)?.field().as_ref().clone();
        fields.push(Arc::new(field.with_name(&named.name)));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Event time of a source subtask.
#[derive(Debug)]
struct Time {
    column: usize,
    expression: Rising,
    idle_timeout: Option<Duration>,
    splits: Vec<SplitTime>,
    /// A split of which nothing was read.
    unread: SplitTime,
    /// More splits may come.
    awaits_splits: bool,
    watermark: SplitsWatermark,
}

#[derive(Clone, Debug, Default)]
struct SplitTime {
    watermark: Option<EventTime>,
    ended: bool,
    idle: bool,
    /// Rows came since the last tick.
    stirred: bool,
    /// The tick at which rows had last come; the first tick, before any.
    last_rows: Option<Duration>,
    /// Where watermarks come with rows.
    pace: Option<EveryRows>,
}

impl Time {
    fn new(spec: &graph::Watermark, projected: &SchemaRef, splits: usize) -> Result<Self, Failure> {
        let column = spec.time_column as usize;
        let field = projected
            .fields()
            .get(column)
            .ok_or_else(|| Failure::internal(format!("the event-time column {column} does not exist")))?;
        let expression = Rising::new(Expression::decode(&spec.expr, projected)?, projected);
        for field in [field, expression.expression.field()] {
            if !matches!(field.data_type(), DataType::Timestamp(TimeUnit::Millisecond, _)) {
                return Err(Failure::internal(format!(
                    "event time of type {} in '{}' instead of TIMESTAMP(3)",
                    field.data_type(),
                    field.name()
                )));
            }
        }
        let split = SplitTime {
            pace: spec.every_rows.map(EveryRows::new),
            ..SplitTime::default()
        };
        let mut time = Self {
            column,
            expression,
            idle_timeout: (spec.idle_timeout_ms > 0).then(|| Duration::from_millis(spec.idle_timeout_ms)),
            splits: vec![split.clone(); splits],
            unread: split,
            awaits_splits: false,
            watermark: SplitsWatermark::Unknown,
        };
        time.advance();
        Ok(time)
    }

    /// The stretches of a batch between which the watermark of its split rises.
    fn stretches(&mut self, split: usize, rows: &RecordBatch) -> Result<Vec<Stretch>, Failure> {
        let times = rows.column(self.column);
        if let Some(nulls) = times.nulls().filter(|n| n.null_count() > 0) {
            let row = (0..nulls.len()).find(|&i| nulls.is_null(i)).unwrap_or_default();
            let name = rows.schema_ref().field(self.column).name().clone();
            return Err(Failure::user(format!(
                "the event-time column '{name}' is null; give every row a time or filter such rows out before"
            ))
            .at(describe_row(rows, row)));
        }
        if let Some(pace) = &mut self.splits[split].pace {
            let implied = self.expression.expression.evaluate(rows)?;
            return Ok(pace.stretches(times.as_primitive(), implied.as_primitive()));
        }
        Ok(vec![Stretch {
            rows: rows.num_rows(),
            watermark: self.expression.max(rows)?,
        }])
    }

    /// Rows of a split are there, behind which its watermark is this one.
    fn on_stretch(&mut self, split: usize, watermark: Option<EventTime>) {
        let split = &mut self.splits[split];
        split.watermark = split.watermark.max(watermark);
        split.idle = false;
        split.stirred = true;
        self.advance();
    }

    fn on_tick(&mut self, now: Duration) {
        let Some(timeout) = self.idle_timeout else { return };
        for split in &mut self.splits {
            let stirred = std::mem::take(&mut split.stirred);
            match split.last_rows {
                Some(last) if !stirred => split.idle = now.saturating_sub(last) >= timeout,
                _ => split.last_rows = Some(now),
            }
        }
        self.advance();
    }

    fn advance(&mut self) {
        self.watermark = match (self.current(), self.watermark) {
            (SplitsWatermark::Active(now), before) => {
                SplitsWatermark::Active(now.max(reached(before).unwrap_or(now)))
            }
            (SplitsWatermark::Idle(now), before) => SplitsWatermark::Idle(now.max(reached(before))),
            // A split that was idle from the start has woken up: it has a watermark then.
            (SplitsWatermark::Unknown, before) => before,
        };
    }

    /// What the splits say, whatever was said before.
    fn current(&self) -> SplitsWatermark {
        let mut unended = self.splits.iter().filter(|s| !s.ended).peekable();
        if unended.peek().is_none() && !self.awaits_splits {
            return SplitsWatermark::Active(EventTime::MAX);
        }
        let mut active = unended.filter(|s| !s.idle).peekable();
        if active.peek().is_none() {
            return SplitsWatermark::Idle(self.splits.iter().filter_map(|s| s.watermark).max());
        }
        // None is less than any time: a split without one holds back all.
        active
            .map(|s| s.watermark)
            .min()
            .flatten()
            .map_or(SplitsWatermark::Unknown, SplitsWatermark::Active)
    }
}

fn reached(watermark: SplitsWatermark) -> Option<EventTime> {
    match watermark {
        SplitsWatermark::Unknown => None,
        SplitsWatermark::Active(time) => Some(time),
        SplitsWatermark::Idle(time) => time,
    }
}

#[cfg(test)]
mod tests;
