//! Rows in the order of their event time, emitted as the watermark passes them.

use std::sync::Arc;

use arrow::compute::{SortColumn, SortOptions, concat_batches, filter_record_batch, lexsort_to_indices};
use arrow_array::{
    Array, BooleanArray, RecordBatch, TimestampMillisecondArray, cast::AsArray,
    types::TimestampMillisecondType,
};
use arrow_schema::{ArrowError, DataType, SchemaRef, TimeUnit};
use arrow_select::take::take_record_batch;
use weir_model::{EventTime, Failure};
use weir_proto::graph;

use super::{Context, Operator};
use crate::expression::describe_row;

/// Rows of an emitted batch at most.
const EMIT_ROWS: usize = 8192;

/// Sorts rows by event time and other columns.
#[derive(Debug)]
pub(super) struct Sort {
    order: Vec<(usize, SortOptions)>,
    schema: SchemaRef,
    waiting: Waiting,
    watermark: EventTime,
}

/// The state: rows that the watermark has not reached.
#[derive(Debug, Default)]
struct Waiting {
    batches: Vec<RecordBatch>,
    /// The earliest time among them, ms.
    earliest: Option<i64>,
}

impl Sort {
    pub(super) fn new(spec: &graph::Sort, input: &SchemaRef) -> Result<Self, Failure> {
        let order: Vec<(usize, SortOptions)> = spec
            .order
            .iter()
            .map(|by| {
                let options = SortOptions {
                    descending: by.descending,
                    nulls_first: by.nulls_first,
                };
                (by.column as usize, options)
            })
            .collect();
        let is_time = |t: &DataType| matches!(t, DataType::Timestamp(TimeUnit::Millisecond, _));
        let fits = order.iter().all(|(c, _)| *c < input.fields().len());
        if !fits
            || !order
                .first()
                .is_some_and(|(c, _)| is_time(input.field(*c).data_type()))
        {
            return Err(Failure::internal(
                "a sort by another column than TIMESTAMP(3) first",
            ));
        }
        Ok(Self {
            order,
            schema: Arc::clone(input),
            waiting: Waiting::default(),
            watermark: EventTime::MIN,
        })
    }

    fn times<'a>(&self, batch: &'a RecordBatch) -> Result<&'a TimestampMillisecondArray, Failure> {
        let times = batch.column(self.order[0].0);
        match times.nulls().and_then(|n| n.iter().position(|valid| !valid)) {
            Some(row) => Err(Failure::user(
                "the time that rows are sorted by is null; filter such rows out before",
            )
            .at(describe_row(batch, row))),
            None => Ok(times.as_primitive::<TimestampMillisecondType>()),
        }
    }

    fn fire(&mut self, context: &mut Context) -> Result<(), Failure> {
        let watermark = self.watermark.0;
        if self.waiting.earliest.is_none_or(|earliest| earliest > watermark) {
            return Ok(());
        }
        let all = concat_batches(&self.schema, &self.waiting.batches).map_err(broken)?;
        self.waiting = Waiting::default();
        let times = self.times(&all)?;
        let is_due: BooleanArray = times.values().iter().map(|t| Some(*t <= watermark)).collect();
        let rest = arrow::compute::not(&is_due).map_err(broken)?;
        let rest = filter_record_batch(&all, &rest).map_err(broken)?;
        self.keep(rest)?;
        let due = filter_record_batch(&all, &is_due).map_err(broken)?;
        let columns: Vec<SortColumn> = self
            .order
            .iter()
            .map(|(column, options)| SortColumn {
                values: Arc::clone(due.column(*column)),
                options: Some(*options),
            })
            .collect();
        let indices = lexsort_to_indices(&columns, None).map_err(broken)?;
        let sorted = take_record_batch(&due, &indices).map_err(broken)?;
        for from in (0..sorted.num_rows()).step_by(EMIT_ROWS) {
            context.emit(sorted.slice(from, EMIT_ROWS.min(sorted.num_rows() - from)));
        }
        Ok(())
    }

    fn keep(&mut self, batch: RecordBatch) -> Result<(), Failure> {
        let earliest = self.times(&batch)?.values().iter().copied().min();
        self.waiting.earliest = self.waiting.earliest.into_iter().chain(earliest).min();
        if batch.num_rows() > 0 {
            self.waiting.batches.push(batch);
        }
        Ok(())
    }
}

fn broken(error: ArrowError) -> Failure {
    Failure::internal(format!("rows cannot be sorted: {error}"))
}

impl Operator for Sort {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        let watermark = self.watermark.0;
        let times = self.times(&batch)?.values();
        if times.iter().all(|t| *t > watermark) {
            return self.keep(batch);
        }
        let late = (0..).zip(times.iter()).filter(|(_, t)| **t <= watermark);
        context.drop_late(late.map(|(row, _)| row));
        let in_time: BooleanArray = times.iter().map(|t| Some(*t > watermark)).collect();
        self.keep(filter_record_batch(&batch, &in_time).map_err(broken)?)
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
