//! Versions as rows of two tables: the versions, and when rows or versions last came for each key, if versions go without that.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_schema::DataType;
use weir_model::Failure;

use super::{GONE, NONE, Versions};
use crate::{
    operator::keys::normal,
    state::{
        Scope, Snapshot, Table,
        numbered::{NumberedRows, Restored},
    },
};

impl Versions {
    /// The table of versions.
    pub(in crate::operator::temporal) fn table(&self) -> Table {
        self.layout.table("versions")
    }

    /// The table of the keys' times, ms since 1970, if they have some.
    pub(in crate::operator::temporal) fn times_table(&self) -> Option<Table> {
        let is_timed = self.ttl.is_some();
        is_timed.then(|| Table::new("times", &self.key_types, &[], &[DataType::Int64]))
    }

    /// Notes what changes from now on.
    pub(in crate::operator::temporal) fn track_changes(&mut self) {
        self.changes.new.track();
        if self.ttl.is_some() {
            self.changes.touched.track();
        }
    }

    /// Notes which of these versions are gone, of those that the last snapshot knows.
    pub(super) fn note_gone(&mut self, slots: &[u32]) -> Result<(), Failure> {
        if !self.changes.new.is_tracking() {
            return Ok(());
        }
        let known = slots
            .iter()
            .copied()
            .filter(|slot| !self.changes.new.contains(*slot));
        let known: Vec<u32> = known.collect();
        if !known.is_empty() {
            let keys = self.layout.keys().iter().copied();
            let keys = self.rows.gather_columns(&known, &[], keys)?;
            let key = self.key(keys.iter(), &known);
            self.changes.gone.push(key);
        }
        Ok(())
    }

    /// Notes the keys that were touched and are about to be forgotten.
    pub(super) fn note_forgotten(&mut self) -> Result<(), Failure> {
        let is_forgotten = |group: &u32| !self.is_live(*group) && self.changes.touched.contains(*group);
        let groups: Vec<u32> = (0..self.newest.len() as u32).filter(is_forgotten).collect();
        if !groups.is_empty() {
            self.changes.forgotten.push(self.keys.keys_of(&groups)?);
        }
        Ok(())
    }

    fn is_live(&self, group: u32) -> bool {
        self.newest[group as usize] != NONE
    }

    /// By what versions with these keys are found.
    fn key<'a>(&self, keys: impl Iterator<Item = &'a ArrayRef>, slots: &[u32]) -> Vec<ArrayRef> {
        let times = slots.iter().map(|slot| self.times[*slot as usize]);
        NumberedRows::key(keys.map(normal).collect(), times.collect())
    }

    /// Says the versions as rows of the table of this number, or what has changed of them.
    pub(in crate::operator::temporal) fn snapshot(
        &mut self,
        scope: Scope,
        table: usize,
        into: &mut Snapshot,
    ) -> Result<(), Failure> {
        let slots = if scope == Scope::All {
            (0..self.older.len() as u32).collect()
        } else {
            for found_by in self.changes.gone.drain(..) {
                into.delete(table, found_by)?;
            }
            self.changes.new.take()
        };
        let is_there = |slot: &u32| self.older[*slot as usize] != GONE;
        let slots: Vec<u32> = slots.into_iter().filter(is_there).collect();
        for slots in slots.chunks(into.chunk_rows()) {
            let columns = self.columns(slots)?;
            let key = self.key(self.layout.keys().iter().map(|key| &columns[*key]), slots);
            into.write(table, self.layout.kept(key, &columns))?;
        }
        Ok(())
    }

    /// Says the times of keys that have versions as rows of the table of this number, or what has changed of them.
    pub(in crate::operator::temporal) fn snapshot_times(
        &mut self,
        scope: Scope,
        table: usize,
        into: &mut Snapshot,
    ) -> Result<(), Failure> {
        let groups = if scope == Scope::All {
            (0..self.newest.len() as u32).collect()
        } else {
            for keys in self.changes.forgotten.drain(..) {
                into.delete(table, keys)?;
            }
            self.changes.touched.take()
        };
        let (live, gone): (Vec<u32>, Vec<u32>) = groups.into_iter().partition(|group| self.is_live(*group));
        if scope == Scope::Changes && !gone.is_empty() {
            into.delete(table, self.keys.keys_of(&gone)?)?;
        }
        let Some(ttl) = &self.ttl else { return Ok(()) };
        for groups in live.chunks(into.chunk_rows()) {
            let mut columns = self.keys.keys_of(groups)?;
            columns.push(Arc::new(Int64Array::from(ttl.written_ms(groups))));
            into.write(table, columns)?;
        }
        Ok(())
    }

    /// Takes rows of the table of versions.
    pub(in crate::operator::temporal) fn restore(&mut self, rows: &RecordBatch) -> Result<(), Failure> {
        let Restored { keys, numbers, rows } = self.layout.restored(rows)?;
        let groups = self.groups(&keys, rows.num_rows())?;
        self.insert(&rows, &groups, &numbers, true)?;
        self.rows.tidy()
    }

    /// Drops versions that were not there when it came to this watermark, while changes are noted.
    pub(in crate::operator::temporal) fn restored(&mut self, watermark: i64) -> Result<(), Failure> {
        if self.changes.new.is_tracking() {
            self.drop_superseded(watermark)?;
        }
        Ok(())
    }

    /// Takes rows of the table of times.
    pub(in crate::operator::temporal) fn restore_times(&mut self, rows: &RecordBatch) -> Result<(), Failure> {
        let (times, keys) = rows
            .columns()
            .split_last()
            .ok_or_else(|| Failure::internal("times of a temporal join's keys have no columns"))?;
        let groups = self.groups(keys, rows.num_rows())?;
        let times = times.as_primitive::<Int64Type>().values();
        if let Some(ttl) = &mut self.ttl {
            groups
                .iter()
                .zip(times)
                .for_each(|(group, at)| ttl.write([*group], *at));
        }
        Ok(())
    }
}
