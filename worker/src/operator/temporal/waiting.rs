//! Rows that wait for the watermark to reach their time.

use std::{collections::BTreeMap, sync::Arc};

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array, cast::AsArray};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, SchemaRef};
use arrow_select::{interleave::interleave_record_batch, take::take_arrays};
use weir_model::Failure;

use super::state::broken;
use crate::{
    operator::{columns, keys::normal},
    state::{
        Scope, Snapshot, Table,
        numbered::{NumberedRows, Restored},
        table,
    },
};

/// Rows that are given out together, about.
const DUE_ROWS: usize = 8192;

/// Rows until the watermark has reached their time, numbered as they come.
#[derive(Debug)]
pub(super) struct Waiting {
    time: usize,
    layout: NumberedRows,
    /// By the earliest time of the rows that are left in a batch, and its place in the order of arrival.
    batches: BTreeMap<(i64, u64), Batch>,
    arrived: u64,
    /// The number of the next row.
    next: i64,
    /// By what rows are found that the last snapshot knows and that are gone since; none: changes are not tracked.
    gone: Option<Vec<Vec<ArrayRef>>>,
    /// Rows of the table that the state begins with.
    restored: Vec<RecordBatch>,
}

#[derive(Debug)]
struct Batch {
    rows: RecordBatch,
    times: ScalarBuffer<i64>,
    numbers: ScalarBuffer<i64>,
    /// The rows, by time.
    by_time: Vec<u32>,
    /// How many of these have left.
    gone: usize,
    is_late: bool,
    /// Whether the last snapshot knows them.
    is_known: bool,
}

/// Rows whose time the watermark has reached, in the order of arrival.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) rows: RecordBatch,
    pub(super) times: Vec<i64>,
    /// Whether the watermark had reached their time when they came.
    pub(super) is_late: bool,
}

impl Batch {
    /// By what its rows are found.
    fn key(&self, layout: &NumberedRows) -> Vec<ArrayRef> {
        let keys = layout.keys().iter().map(|column| self.rows.column(*column));
        NumberedRows::key(keys.map(normal).collect(), self.numbers.to_vec())
    }
}

impl Waiting {
    /// No rows of this schema, which are partitioned by these columns and have a time in that one.
    pub(super) fn new(schema: &SchemaRef, keys: &[usize], time: usize) -> Self {
        Self {
            layout: NumberedRows::new(schema, schema.fields().len(), keys),
            time,
            batches: BTreeMap::new(),
            arrived: 0,
            next: 0,
            gone: None,
            restored: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, rows: RecordBatch, times: ScalarBuffer<i64>, is_late: bool) {
        let first = self.next;
        self.next += rows.num_rows() as i64;
        let numbers = (first..self.next).collect();
        self.insert(rows, times, numbers, is_late, false);
    }

    fn insert(
        &mut self,
        rows: RecordBatch,
        times: ScalarBuffer<i64>,
        numbers: ScalarBuffer<i64>,
        is_late: bool,
        is_known: bool,
    ) {
        let mut by_time: Vec<u32> = (0..times.len() as u32).collect();
        if !times.is_sorted() {
            by_time.sort_by_key(|row| times[*row as usize]);
        }
        let Some(first) = by_time.first() else { return };
        let at = (times[*first as usize], self.arrived);
        self.arrived += 1;
        let batch = Batch {
            rows,
            times,
            numbers,
            by_time,
            gone: 0,
            is_late,
            is_known,
        };
        self.batches.insert(at, batch);
    }

    /// The rows that are due at a watermark.
    pub(super) fn due(&mut self, watermark: i64) -> Result<Vec<Due>, Failure> {
        let mut parts = Vec::new();
        while let Some(entry) = self.batches.first_entry() {
            if entry.key().0 > watermark {
                break;
            }
            let ((_, arrival), mut batch) = entry.remove_entry();
            let left = &batch.by_time[batch.gone..];
            let count = left.partition_point(|row| batch.times[*row as usize] <= watermark);
            let mut rows = left[..count].to_vec();
            rows.sort_unstable();
            self.goes(&batch, &rows)?;
            batch.gone += count;
            parts.push((arrival, rows, batch));
        }
        parts.sort_by_key(|(arrival, ..)| *arrival);
        let due = pieces(&parts)?;
        for (arrival, _, batch) in parts {
            if let Some(next) = batch.by_time.get(batch.gone) {
                self.batches.insert((batch.times[*next as usize], arrival), batch);
            }
        }
        Ok(due)
    }

    /// Notes that rows of a batch are gone, if a snapshot has to say so.
    fn goes(&mut self, batch: &Batch, rows: &[u32]) -> Result<(), Failure> {
        if let Some(gone) = self.gone.as_mut().filter(|_| batch.is_known) {
            let rows = UInt32Array::from(rows.to_vec());
            let key = take_arrays(&batch.key(&self.layout), &rows, None);
            gone.push(key.map_err(|e| broken(&e))?);
        }
        Ok(())
    }

    /// The table of these rows: behind their columns, whether they are late.
    pub(super) fn table(&self) -> Table {
        let time = table::Due::at(self.layout.place(self.time), 0);
        let table = self.layout.table_with("waiting", &[DataType::Boolean]);
        table.due(time)
    }

    /// Notes changes from now on.
    pub(super) fn track_changes(&mut self) {
        self.gone = Some(Vec::new());
        self.batches.values_mut().for_each(|batch| batch.is_known = true);
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
        for batch in self.batches.values_mut() {
            if scope == Scope::All || !batch.is_known {
                let key = batch.key(&self.layout);
                let mut columns = self.layout.kept(key, batch.rows.columns());
                columns.push(Arc::new(BooleanArray::from(vec![
                    batch.is_late;
                    batch.times.len()
                ])));
                if batch.gone > 0 {
                    let left = UInt32Array::from(batch.by_time[batch.gone..].to_vec());
                    columns = take_arrays(&columns, &left, None).map_err(|e| broken(&e))?;
                }
                into.write(table, columns)?;
            }
            batch.is_known |= scope == Scope::Changes;
        }
        Ok(())
    }

    /// Takes rows of the table.
    pub(super) fn restore(&mut self, rows: &RecordBatch) {
        self.restored.push(rows.clone());
    }

    /// All rows were given: they wait in the order in which they once came, whatever their keys are.
    pub(super) fn restored(&mut self) -> Result<(), Failure> {
        let restored = std::mem::take(&mut self.restored);
        let mut order = Vec::new();
        for (batch, rows) in restored.iter().enumerate() {
            let late = self.layout.further(rows)[0].as_boolean();
            let numbers = self.layout.restored(rows)?.numbers;
            let numbers = numbers.iter().enumerate();
            order.extend(numbers.map(|(row, number)| (late.value(row), *number, (batch, row))));
        }
        order.sort_unstable();
        let last = order.iter().map(|(_, number, _)| *number).max();
        self.next = last.map_or(self.next, |last| self.next.max(last + 1));
        let batches: Vec<&RecordBatch> = restored.iter().collect();
        for alike in order.chunk_by(|(one, ..), (other, ..)| one == other) {
            for part in alike.chunks(DUE_ROWS) {
                let places: Vec<(usize, usize)> = part.iter().map(|(.., place)| *place).collect();
                let rows = interleave_record_batch(&batches, &places).map_err(|e| broken(&e))?;
                let Restored { numbers, rows, .. } = self.layout.restored(&rows)?;
                let times = columns::values::<i64>(rows.column(self.time));
                self.insert(rows, times, numbers, part[0].0, true);
            }
        }
        Ok(())
    }

    /// Rows that wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.batches.values().map(|b| b.by_time.len() - b.gone).sum()
    }
}

/// Rows of batches as batches of a good size; late ones by themselves.
fn pieces(parts: &[(u64, Vec<u32>, Batch)]) -> Result<Vec<Due>, Failure> {
    let mut due = Vec::new();
    let mut from = 0;
    while from < parts.len() {
        let is_late = parts[from].2.is_late;
        let (mut to, mut count) = (from, 0);
        while to < parts.len() && parts[to].2.is_late == is_late && (count < DUE_ROWS || to == from) {
            count += parts[to].1.len();
            to += 1;
        }
        due.push(piece(&parts[from..to], is_late)?);
        from = to;
    }
    Ok(due)
}

fn piece(parts: &[(u64, Vec<u32>, Batch)], is_late: bool) -> Result<Due, Failure> {
    if let [(_, rows, batch)] = parts
        && rows.len() == batch.rows.num_rows()
    {
        return Ok(Due {
            rows: batch.rows.clone(),
            times: batch.times.to_vec(),
            is_late,
        });
    }
    let (mut places, mut times) = (Vec::new(), Vec::new());
    for (part, (_, rows, batch)) in parts.iter().enumerate() {
        places.extend(rows.iter().map(|row| (part, *row as usize)));
        times.extend(rows.iter().map(|row| batch.times[*row as usize]));
    }
    let batches: Vec<&RecordBatch> = parts.iter().map(|(_, _, batch)| &batch.rows).collect();
    let rows = interleave_record_batch(&batches, &places).map_err(|e| broken(&e))?;
    Ok(Due { rows, times, is_late })
}
