//! The state of operators whose rows wait for their time. Nothing outside this file holds any.

use arrow::compute::{
    concat_batches, filter, filter_record_batch, not, sort_to_indices, take, take_record_batch,
};
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{ArrowError, Schema};
use weir_model::Failure;

use super::columns;
use crate::state::{NumberedRows, Scope, Snapshot, Table, numbered::Restored, table::Due};

/// Rows of a restored batch at most: neighbours are due at about the same time, others are not to be touched.
const RESTORED_ROWS: usize = 8192;

/// Rows that the watermark has not reached, in the order of arrival. They are numbered as they come.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The column of their time, if rows have one.
    time: Option<usize>,
    layout: NumberedRows,
    batches: Vec<WaitingBatch>,
    /// The number of the next row.
    next: i64,
    /// By what rows are found that the last snapshot had and that are gone since; none: changes are not tracked.
    gone: Option<Vec<Vec<ArrayRef>>>,
    /// Rows of the table that the state begins with.
    restored: Vec<RecordBatch>,
}

#[derive(Debug)]
struct WaitingBatch {
    rows: RecordBatch,
    /// The time of each, ms.
    times: ScalarBuffer<i64>,
    /// The number of each.
    numbers: ScalarBuffer<i64>,
    earliest: i64,
    latest: i64,
    /// Whether the last snapshot had them.
    is_saved: bool,
}

impl Waiting {
    /// No rows of this schema, which are partitioned by these columns.
    pub(super) fn new(schema: &Schema, keys: &[usize], time: Option<usize>) -> Self {
        Self {
            layout: NumberedRows::new(schema, schema.fields().len(), keys),
            time,
            batches: Vec::new(),
            next: 0,
            gone: None,
            restored: Vec::new(),
        }
    }

    /// Keeps rows until their time has come, ms.
    pub(super) fn add(&mut self, rows: RecordBatch, times: ScalarBuffer<i64>) {
        let first = self.next;
        self.next += rows.num_rows() as i64;
        let numbers = (first..self.next).collect();
        self.batches
            .extend(WaitingBatch::new(rows, times, numbers, false));
    }

    /// Takes the rows out that have this time or an earlier one, in the order of arrival. Batches that are all behind it are not touched.
    pub(super) fn due(&mut self, watermark: i64) -> Result<Vec<RecordBatch>, Failure> {
        let mut due = Vec::new();
        if self.batches.iter().all(|batch| batch.earliest > watermark) {
            return Ok(due);
        }
        for batch in std::mem::take(&mut self.batches) {
            if batch.earliest > watermark {
                self.batches.push(batch);
            } else if batch.latest <= watermark {
                self.goes(&batch);
                due.push(batch.rows);
            } else {
                let is_due: BooleanArray = batch.times.iter().map(|t| Some(*t <= watermark)).collect();
                if let Some(part) = batch.part(&is_due)? {
                    self.goes(&part);
                    due.push(part.rows);
                }
                let waits = not(&is_due).map_err(broken)?;
                self.batches.extend(batch.part(&waits)?);
            }
        }
        Ok(due)
    }

    /// Notes that rows are gone, if a snapshot has to say so.
    fn goes(&mut self, batch: &WaitingBatch) {
        if let Some(gone) = self.gone.as_mut().filter(|_| batch.is_saved) {
            let columns = batch.rows.columns();
            gone.push(self.layout.found_by(columns, batch.numbers.to_vec()));
        }
    }

    /// The table of these rows.
    pub(super) fn table(&self) -> Table {
        let table = self.layout.table("waiting");
        match self.time {
            Some(time) => table.due(Due::at(self.layout.place(time), 0)),
            None => table,
        }
    }

    /// Notes changes from now on.
    pub(super) fn track_changes(&mut self) {
        self.gone = Some(Vec::new());
        self.batches.iter_mut().for_each(|batch| batch.is_saved = true);
    }

    /// Says what waits, as rows of the table of this number, or how that has changed.
    pub(super) fn snapshot(
        &mut self,
        scope: Scope,
        table: usize,
        into: &mut Snapshot,
    ) -> Result<(), Failure> {
        if let Some(gone) = self.gone.as_mut().filter(|_| scope == Scope::Changes) {
            for found_by in gone.drain(..) {
                into.delete(table, found_by)?;
            }
        }
        for batch in &mut self.batches {
            if scope == Scope::All || !batch.is_saved {
                let columns = batch.rows.columns();
                let found_by = self.layout.found_by(columns, batch.numbers.to_vec());
                into.write(table, self.layout.kept(found_by, columns))?;
            }
            batch.is_saved |= scope == Scope::Changes;
        }
        Ok(())
    }

    /// Takes rows of the table.
    pub(super) fn restore(&mut self, rows: &RecordBatch) {
        self.restored.push(rows.clone());
    }

    /// All rows were given: they wait in the order in which they came once, whatever their keys are.
    pub(super) fn restored(&mut self) -> Result<(), Failure> {
        let (Some(first), Some(time)) = (self.restored.first(), self.time) else {
            return Ok(());
        };
        let rows = concat_batches(&first.schema(), &self.restored).map_err(broken)?;
        self.restored = Vec::new();
        let Restored { numbers, rows, .. } = self.layout.restored(&rows)?;
        let numbers = Int64Array::new(numbers, None);
        let order = sort_to_indices(&numbers, None, None).map_err(broken)?;
        let rows = take_record_batch(&rows, &order).map_err(broken)?;
        let numbers = take(&numbers, &order, None).map_err(broken)?;
        let numbers = numbers.as_primitive::<Int64Type>().values();
        self.next = numbers.last().map_or(self.next, |last| self.next.max(last + 1));
        let times = columns::values::<i64>(rows.column(time));
        for from in (0..rows.num_rows()).step_by(RESTORED_ROWS) {
            let length = RESTORED_ROWS.min(rows.num_rows() - from);
            self.batches.extend(WaitingBatch::new(
                rows.slice(from, length),
                times.slice(from, length),
                numbers.slice(from, length),
                true,
            ));
        }
        Ok(())
    }
}

impl WaitingBatch {
    /// None if there are no rows.
    fn new(
        rows: RecordBatch,
        times: ScalarBuffer<i64>,
        numbers: ScalarBuffer<i64>,
        is_saved: bool,
    ) -> Option<Self> {
        let (earliest, latest) = (times.iter().min().copied()?, times.iter().max().copied()?);
        Some(Self {
            rows,
            times,
            numbers,
            earliest,
            latest,
            is_saved,
        })
    }

    fn part(&self, wanted: &BooleanArray) -> Result<Option<Self>, Failure> {
        let numbers_of = |all: &ScalarBuffer<i64>| {
            let some = filter(&Int64Array::new(all.clone(), None), wanted).map_err(broken)?;
            Ok::<_, Failure>(some.as_primitive::<Int64Type>().values().clone())
        };
        let rows = filter_record_batch(&self.rows, wanted).map_err(broken)?;
        let (times, numbers) = (numbers_of(&self.times)?, numbers_of(&self.numbers)?);
        Ok(Self::new(rows, times, numbers, self.is_saved))
    }
}

fn broken(error: ArrowError) -> Failure {
    Failure::internal(format!(
        "rows that wait for their time cannot be told apart: {error}"
    ))
}
