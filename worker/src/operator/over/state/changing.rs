//! The state of rows that may be taken back, as rows of a table.

use std::mem;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::ArrowError;
use arrow_select::take::take;
use weir_model::Failure;

use super::{Changing, Entry};
use crate::state::{Scope, Snapshot, Table, numbered::Restored};

impl<K: Ord> Changing<K> {
    /// Rows by key and arrival, with the results that were emitted.
    pub(in crate::operator) fn tables(&self) -> Vec<Table> {
        vec![self.layout.table_with("rows", &self.result_types)]
    }

    /// Notes changes from now on.
    pub(in crate::operator) fn track_changes(&mut self) {
        self.touched.track();
        self.written.track();
        self.gone.since = self.next;
    }

    /// Notes that rows were written, which are in these slots now, of these keys.
    pub(in crate::operator) fn note_written(&mut self, rows: impl Iterator<Item = (u32, u32)> + Clone) {
        self.touched.mark(rows.clone().map(|(group, _)| group));
        self.written.mark(rows.map(|(_, slot)| slot));
    }

    /// Notes that rows are gone: these of some rows, and their numbers.
    pub(in crate::operator) fn note_gone(
        &mut self,
        columns: &[ArrayRef],
        rows: impl Iterator<Item = u32>,
        numbers: &[i64],
    ) -> Result<(), Failure> {
        let since = self.gone.since;
        let known = rows.zip(numbers).filter(|(_, number)| **number < since);
        let (rows, numbers): (Vec<u32>, Vec<i64>) = known.unzip();
        if rows.is_empty() {
            return Ok(());
        }
        let rows = UInt32Array::from(rows);
        let columns = columns.iter().map(|column| take(column, &rows, None));
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(broken)?;
        self.gone.rows.push(self.layout.found_by(&columns, numbers));
        Ok(())
    }

    /// Says what there is, or what has changed.
    pub(in crate::operator) fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        let groups = match scope {
            Scope::All => (0..self.sorted.len() as u32).collect(),
            Scope::Changes => self.touched.take(),
        };
        let of_groups = groups.iter().flat_map(|group| &self.sorted[*group as usize]);
        let told = of_groups.filter(|entry| scope == Scope::All || self.written.contains(entry.slot));
        let (slots, numbers): (Vec<u32>, Vec<i64>) = told.map(|entry| (entry.slot, entry.number)).unzip();
        if scope == Scope::Changes {
            for found_by in mem::take(&mut self.gone.rows) {
                into.delete(0, found_by)?;
            }
            self.gone.since = self.next;
            self.written.take();
        }
        self.write(&slots, &numbers, into)
    }

    fn write(&self, slots: &[u32], numbers: &[i64], into: &mut Snapshot) -> Result<(), Failure> {
        let all = self.columns + self.result_types.len();
        let chunk = into.chunk_rows();
        let chunks = slots.chunks(chunk).zip(numbers.chunks(chunk));
        for (slots, numbers) in chunks {
            let rows = self.rows.gather(slots, &[], all)?;
            let found_by = self.layout.found_by(&rows, numbers.to_vec());
            let mut columns = self.layout.kept(found_by, &rows);
            columns.extend_from_slice(&rows[self.columns..]);
            into.write(0, columns)?;
        }
        Ok(())
    }

    /// Rows of the table as they once came.
    pub(in crate::operator) fn input(&self, rows: &RecordBatch) -> Result<Restored, Failure> {
        self.layout.restored(rows)
    }

    /// Takes rows with their results: what each is ordered by, and its hash.
    pub(in crate::operator) fn restore(
        &mut self,
        restored: &Restored,
        rows: &RecordBatch,
        of_row: impl Fn(usize) -> (K, u128),
    ) -> Result<(), Failure> {
        self.restored_from.get_or_insert(self.sorted.len());
        let groups = self.touch(&restored.keys, rows.num_rows())?;
        let columns = [restored.rows.columns(), self.layout.further(rows)].concat();
        let all: Vec<u32> = (0..rows.num_rows() as u32).collect();
        let mut slots = Vec::new();
        self.rows.add(&columns, rows.num_rows(), &all, &mut slots)?;
        let places = groups.iter().zip(slots.into_iter().zip(&restored.numbers));
        for (row, (group, (slot, number))) in places.enumerate() {
            let (key, hash) = of_row(row);
            self.sorted[*group as usize].push(Entry {
                key,
                slot,
                hash,
                number: *number,
            });
            self.next = self.next.max(number + 1);
        }
        self.rows.tidy()
    }

    /// All rows were given.
    pub(in crate::operator) fn restored(&mut self) {
        // Their keys are new: none of them was there before.
        let from = self.restored_from.take().unwrap_or(self.sorted.len());
        for rows in &mut self.sorted[from..] {
            rows.sort_by(|a, b| a.key.cmp(&b.key).then(a.number.cmp(&b.number)));
            self.dead -= usize::from(!rows.is_empty());
        }
        if self.touched.is_tracking() {
            self.gone.since = self.next;
        }
    }
}

fn broken(error: ArrowError) -> Failure {
    Failure::internal(format!(
        "rows of the state of an OVER do not fit together: {error}"
    ))
}
