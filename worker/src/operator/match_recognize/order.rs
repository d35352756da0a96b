//! The order in which rows are matched.

use std::sync::Arc;

use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices};
use arrow_array::{Array, RecordBatch, UInt32Array, cast::AsArray, types::TimestampMillisecondType};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{ArrowError, DataType, SchemaRef, TimeUnit};
use arrow_select::take::take_record_batch;
use weir_model::Failure;
use weir_proto::graph;

use crate::expression::describe_row;

/// By event time first, if rows have one, then by other columns, then as they came.
#[derive(Debug)]
pub(super) struct Order {
    columns: Vec<(usize, SortOptions)>,
    has_event_time: bool,
}

impl Order {
    pub(super) fn decode(spec: &graph::MatchRecognize, input: &SchemaRef) -> Result<Self, Failure> {
        let time = spec
            .time_column
            .map(|column| (column as usize, SortOptions::default()));
        let is_time = |t: &DataType| matches!(t, DataType::Timestamp(TimeUnit::Millisecond, _));
        if time.is_some_and(|(c, _)| c >= input.fields().len() || !is_time(input.field(c).data_type())) {
            return Err(Failure::internal("a pattern over a time that is no TIMESTAMP(3)"));
        }
        let others = spec.order.iter().map(|by| {
            let options = SortOptions {
                descending: by.descending,
                nulls_first: by.nulls_first,
            };
            (by.column as usize, options)
        });
        Ok(Self {
            columns: time.into_iter().chain(others).collect(),
            has_event_time: time.is_some(),
        })
    }

    /// The column of event time.
    pub(super) fn time(&self) -> Option<usize> {
        let first = self.columns.first().filter(|_| self.has_event_time);
        first.map(|(column, _)| *column)
    }

    /// The event times of rows, ms.
    pub(super) fn times(&self, batch: &RecordBatch) -> Result<ScalarBuffer<i64>, Failure> {
        let time = self
            .time()
            .ok_or_else(|| Failure::internal("rows without an event time were to wait for it"))?;
        let times = batch.column(time);
        match times.nulls().and_then(|n| n.iter().position(|valid| !valid)) {
            Some(row) => Err(Failure::user(
                "the time that MATCH_RECOGNIZE orders rows by is null; filter such rows out before",
            )
            .at(describe_row(batch, row))),
            None => Ok(times.as_primitive::<TimestampMillisecondType>().values().clone()),
        }
    }

    /// Rows in order; of rows that order alike, the one that came first is first.
    pub(super) fn sorted(&self, batch: RecordBatch) -> Result<RecordBatch, Failure> {
        let rows = batch.num_rows() as u32;
        let indices = match self.columns.as_slice() {
            [] => return Ok(batch),
            [(time, _)] if self.has_event_time => {
                let times = batch
                    .column(*time)
                    .as_primitive::<TimestampMillisecondType>()
                    .values();
                if times.is_sorted() {
                    return Ok(batch);
                }
                let mut indices: Vec<u32> = (0..rows).collect();
                indices.sort_by_key(|row| times[*row as usize]);
                UInt32Array::from(indices)
            }
            order => {
                let column = |(column, options): &(usize, SortOptions)| SortColumn {
                    values: Arc::clone(batch.column(*column)),
                    options: Some(*options),
                };
                let arrival = SortColumn {
                    values: Arc::new(UInt32Array::from_iter_values(0..rows)),
                    options: None,
                };
                let columns: Vec<SortColumn> = order.iter().map(column).chain([arrival]).collect();
                lexsort_to_indices(&columns, None).map_err(|e| broken(&e))?
            }
        };
        take_record_batch(&batch, &indices).map_err(|e| broken(&e))
    }
}

fn broken(error: &ArrowError) -> Failure {
    Failure::internal(format!("rows cannot be put in the order of their time: {error}"))
}
