//! Rows whose time has come, in order.

use arrow_array::{Array, RecordBatch, UInt32Array, cast::AsArray, types::TimestampMillisecondType};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{ArrowError, DataType, SchemaRef, TimeUnit};
use arrow_select::take::take_record_batch;
use weir_model::Failure;
use weir_proto::graph::SortColumn;

use crate::{
    expression::describe_row,
    operator::rank::order::{Order as _, RowOrder},
};

/// Rows in the order of their time.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) batch: RecordBatch,
    /// The time of each, ms.
    pub(super) times: ScalarBuffer<i64>,
    /// A number per row: rows have the same if they order alike.
    pub(super) ties: Vec<u32>,
}

/// An order by event time first.
#[derive(Debug)]
pub(super) struct TimeOrder {
    time: usize,
    /// Of an order by further columns, all of them.
    all: Option<RowOrder>,
}

impl TimeOrder {
    pub(super) fn new(order: &[SortColumn], input: &SchemaRef) -> Result<Self, Failure> {
        let is_time = |t: &DataType| matches!(t, DataType::Timestamp(TimeUnit::Millisecond, _));
        let Some(first) = order
            .first()
            .filter(|first| !first.descending && is_time(input.field(first.column as usize).data_type()))
        else {
            return Err(Failure::internal(
                "an OVER by another column than TIMESTAMP(3) first",
            ));
        };
        let all = (order.len() > 1)
            .then(|| RowOrder::new(order, input))
            .transpose()?;
        Ok(Self {
            time: first.column as usize,
            all,
        })
    }

    /// The column of the time.
    pub(super) fn time(&self) -> usize {
        self.time
    }

    /// The times of rows, none of which may be null.
    pub(super) fn times(&self, batch: &RecordBatch) -> Result<ScalarBuffer<i64>, Failure> {
        let times = batch.column(self.time);
        match times.nulls().and_then(|n| n.iter().position(|valid| !valid)) {
            Some(row) => Err(Failure::user(
                "the time that OVER orders by is null; filter such rows out before",
            )
            .at(describe_row(batch, row))),
            None => Ok(times.as_primitive::<TimestampMillisecondType>().values().clone()),
        }
    }

    /// The rows in order; of rows that order alike, those that came first come first.
    pub(super) fn sort(&self, batch: RecordBatch) -> Result<Due, Failure> {
        match &self.all {
            None => self.by_time(batch),
            Some(order) => self.by_all(&batch, order),
        }
    }

    fn by_time(&self, batch: RecordBatch) -> Result<Due, Failure> {
        let mut times = self.times(&batch)?;
        let batch = if times.is_sorted() {
            batch
        } else {
            let mut order: Vec<(i64, u32)> = times.iter().copied().zip(0..).collect();
            order.sort_unstable();
            times = order.iter().map(|(time, _)| *time).collect();
            reordered(&batch, order.into_iter().map(|(_, row)| row).collect())?
        };
        let ties = ties(batch.num_rows(), |row| times[row] == times[row - 1]);
        Ok(Due { batch, times, ties })
    }

    fn by_all(&self, batch: &RecordBatch, order: &RowOrder) -> Result<Due, Failure> {
        let keys = order.keys(batch)?;
        let mut rows: Vec<u32> = (0..batch.num_rows() as u32).collect();
        rows.sort_by(|a, b| keys.row(*a as usize).cmp(&keys.row(*b as usize)));
        let ties = ties(rows.len(), |row| {
            keys.row(rows[row] as usize) == keys.row(rows[row - 1] as usize)
        });
        let batch = reordered(batch, rows)?;
        Ok(Due {
            times: self.times(&batch)?,
            batch,
            ties,
        })
    }
}

/// A number per row that grows where a row does not order as the one before.
fn ties(rows: usize, ties_with_previous: impl Fn(usize) -> bool) -> Vec<u32> {
    let mut number = 0;
    let next = |row: usize| {
        number += u32::from(row > 0 && !ties_with_previous(row));
        number
    };
    (0..rows).map(next).collect()
}

fn reordered(batch: &RecordBatch, rows: Vec<u32>) -> Result<RecordBatch, Failure> {
    let broken = |e: ArrowError| Failure::internal(format!("rows cannot be put in order: {e}"));
    take_record_batch(batch, &UInt32Array::from(rows)).map_err(broken)
}
