//! The part of a source that computes: projection, event time, watermarks per split, filter.

use std::{sync::Arc, time::Duration};

use arrow::compute::max;
use arrow_array::{
    Array, ArrayRef, RecordBatch, RecordBatchOptions, cast::AsArray, new_null_array,
    types::TimestampMillisecondType,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion_expr::Operator as BinaryOperator;
use datafusion_physical_expr::{
    PhysicalExpr,
    expressions::{BinaryExpr, CastExpr, Column, Literal},
};
use weir_model::{EventTime, Failure};
use weir_proto::{graph, schema};

use super::Context;
use crate::expression::{Expression, Filter, Projection, Selection, describe_row};

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

/// One subtask's rows from the reader to the next operator.
#[derive(Debug)]
pub struct SourceStage {
    projection: Projection,
    filter: Option<Filter>,
    time: Option<Time>,
    emitted: SchemaRef,
}

impl SourceStage {
    /// The stage of a subtask that reads `splits` splits and emits rows of `output`, the operator's schema.
    pub fn new(source: &graph::Source, output: SchemaRef, splits: usize) -> Result<Self, Failure> {
        let scan = schema::decode(&source.scan_schema)
            .map_err(|e| Failure::internal(format!("the scan schema of a source cannot be read: {e}")))?;
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
        })
    }

    /// Rows of a split, with the scan schema, arrived. The caller forwards [`SourceStage::watermark`] after the rows emitted.
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
        let rows = self.projection.project(&batch)?;
        if let Some(time) = &mut self.time {
            time.on_rows(split, &rows)?;
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

    /// Time has passed: splits without rows for their timeout become idle. `now` is monotone, from any fixed start; call at least twice per
    /// idle timeout, since silence is measured from tick to tick.
    pub fn on_tick(&mut self, now: Duration) {
        if let Some(time) = &mut self.time {
            time.on_tick(now);
        }
    }

    /// How long a split may stay silent before it is idle; none if it may for ever.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.time.as_ref()?.idle_timeout
    }

    /// What the splits together say about time now.
    pub fn watermark(&self) -> SplitsWatermark {
        self.time
            .as_ref()
            .map_or(SplitsWatermark::Unknown, |time| time.watermark)
    }
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
        let mut time = Self {
            column,
            expression,
            idle_timeout: (spec.idle_timeout_ms > 0).then(|| Duration::from_millis(spec.idle_timeout_ms)),
            splits: vec![SplitTime::default(); splits],
            watermark: SplitsWatermark::Unknown,
        };
        time.advance();
        Ok(time)
    }

    fn on_rows(&mut self, split: usize, rows: &RecordBatch) -> Result<(), Failure> {
        let times = rows.column(self.column);
        if let Some(nulls) = times.nulls().filter(|n| n.null_count() > 0) {
            let row = (0..nulls.len()).find(|&i| nulls.is_null(i)).unwrap_or_default();
            let name = rows.schema_ref().field(self.column).name().clone();
            return Err(Failure::user(format!(
                "the event-time column '{name}' is null; give every row a time or filter such rows out before"
            ))
            .at(describe_row(rows, row)));
        }
        let highest = self.expression.max(rows)?;
        let split = &mut self.splits[split];
        split.watermark = split.watermark.max(highest);
        split.idle = false;
        split.stirred = true;
        self.advance();
        Ok(())
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
        if unended.peek().is_none() {
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

/// A watermark expression, of which only the maximum over rows matters.
#[derive(Debug)]
struct Rising {
    expression: Expression,
    /// The one timestamp column that it reads, if a later value there never makes an earlier watermark: then the row with
    /// the latest time decides, and one row is computed instead of all.
    monotone_in: Option<usize>,
    schema: SchemaRef,
}

impl Rising {
    fn new(expression: Expression, schema: &SchemaRef) -> Self {
        let leaf = match expression.computed() {
            Some(computed) => monotone_leaf(computed),
            None => expression.as_leaf(),
        };
        let monotone_in = leaf
            .and_then(|leaf| expression.leaf_column(leaf))
            .filter(|&column| {
                matches!(
                    schema.field(column).data_type(),
                    DataType::Timestamp(TimeUnit::Millisecond, _)
                )
            });
        // The one row has nulls in all other columns.
        let fields: Vec<Field> = schema
            .fields()
            .iter()
            .map(|f| f.as_ref().clone().with_nullable(true))
            .collect();
        Self {
            expression,
            monotone_in,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    fn max(&self, rows: &RecordBatch) -> Result<Option<EventTime>, Failure> {
        let Some(column) = self.monotone_in else {
            return Ok(max_time(&self.expression.evaluate(rows)?));
        };
        let times = rows.column(column);
        if self.expression.as_leaf().is_some() {
            return Ok(max_time(times));
        }
        let Some(latest) = max_time(times) else {
            return Ok(None);
        };
        let columns = rows.columns().iter().enumerate().map(|(i, c)| {
            if i == column {
                timestamp(latest, c.data_type())
            } else {
                new_null_array(c.data_type(), 1)
            }
        });
        let row = RecordBatch::try_new(Arc::clone(&self.schema), columns.collect())
            .map_err(|e| Failure::internal(format!("cannot make a row for the watermark: {e}")))?;
        Ok(max_time(&self.expression.evaluate(&row)?))
    }
}

fn max_time(times: &ArrayRef) -> Option<EventTime> {
    max(times.as_primitive::<TimestampMillisecondType>()).map(EventTime)
}

fn timestamp(time: EventTime, data_type: &DataType) -> ArrayRef {
    let array = arrow_array::TimestampMillisecondArray::from(vec![time.0]);
    match data_type {
        DataType::Timestamp(_, zone) => Arc::new(array.with_timezone_opt(zone.clone())),
        _ => Arc::new(array),
    }
}

/// The leaf in which an expression never falls: `leaf`, `leaf ± interval`, or a cast of such to a timestamp.
fn monotone_leaf(expression: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    if let Some(column) = expression.downcast_ref::<Column>() {
        return Some(column.index());
    }
    if let Some(cast) = expression.downcast_ref::<CastExpr>() {
        return matches!(cast.cast_type(), DataType::Timestamp(..))
            .then(|| monotone_leaf(cast.expr()))
            .flatten();
    }
    let binary = expression.downcast_ref::<BinaryExpr>()?;
    if !matches!(binary.op(), BinaryOperator::Plus | BinaryOperator::Minus) {
        return None;
    }
    let by = binary.right().downcast_ref::<Literal>()?.value();
    matches!(by.data_type(), DataType::Interval(_) | DataType::Duration(_))
        .then(|| monotone_leaf(binary.left()))?
}

#[cfg(test)]
mod tests;
