//! A side as rows of a table: the columns of a row, its id, how many rows it matches if that is counted, and when it was last written
//! if rows go with time.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, UInt32Array,
    cast::AsArray,
    types::{Int64Type, UInt32Type},
};
use arrow_schema::DataType;
use arrow_select::filter::filter;
use weir_model::Failure;

use super::{NONE, Side, broken};
use crate::{
    operator::{join::told::Told, keys::normal},
    state::{Scope, Snapshot, Table, numbered::NumberedRows},
};

/// Rows that are said at once.
const PART: usize = 1 << 16;

impl Side {
    /// The table of its rows.
    pub(in crate::operator::join) fn table(&self, name: &'static str) -> Table {
        let counted = self.matches.is_some().then_some(DataType::UInt32);
        let timed = self.ttl.is_some().then_some(DataType::Int64);
        let further: Vec<DataType> = counted.into_iter().chain(timed).collect();
        self.layout.table_with(name, &further)
    }

    /// Where a column of the input is in the rows of the table.
    pub(in crate::operator::join) fn place(&self, column: usize) -> usize {
        self.layout.place(column)
    }

    /// Notes what changes from now on.
    pub(in crate::operator::join) fn track_changes(&mut self) {
        self.told.get_or_insert_default().track(self.groups.len());
    }

    /// Says its rows as those of the table of this number, or what has changed of them.
    pub(in crate::operator::join) fn snapshot(
        &mut self,
        scope: Scope,
        table: usize,
        into: &mut Snapshot,
    ) -> Result<(), Failure> {
        if scope == Scope::Changes && self.told.is_some() {
            self.say_changes(table, into)
        } else {
            self.say_all(table, into)
        }
    }

    /// Says the rows segment by segment, which copies none where none are gone.
    fn say_all(&self, table: usize, into: &mut Snapshot) -> Result<(), Failure> {
        for (segment, &start) in self.segments.iter().zip(&self.starts) {
            let rows = start..start + segment.num_rows() as u32;
            let groups = &self.groups[rows.start as usize..rows.end as usize];
            let live: Vec<bool> = groups.iter().map(|group| *group != NONE).collect();
            let key = self.layout.keys().iter().map(|column| segment.column(*column));
            let key = NumberedRows::key(key.map(normal).collect(), self.ids(rows.clone()));
            let mut columns = self.layout.kept(key, segment.columns());
            columns.extend(self.further(rows));
            if live.contains(&false) {
                let live = BooleanArray::from(live);
                let columns = columns.iter().map(|column| filter(column, &live));
                into.write(table, columns.collect::<Result<_, _>>().map_err(|e| broken(&e))?)?;
            } else {
                into.write(table, columns)?;
            }
        }
        Ok(())
    }

    fn say_changes(&mut self, table: usize, into: &mut Snapshot) -> Result<(), Failure> {
        let gone = self.gone()?;
        let Some(told) = &mut self.told else {
            return Ok(());
        };
        for found_by in told.take_forgotten().into_iter().chain(gone) {
            into.delete(table, found_by)?;
        }
        let (written, new) = told.take_written();
        let rows = written.into_iter().chain(new);
        let rows: Vec<u32> = rows.filter(|row| self.is_kept(*row)).collect();
        for rows in rows.chunks(PART.min(into.chunk_rows())) {
            let batch = self.batch(rows)?;
            let mut columns = self.layout.kept(self.key(rows)?, batch.columns());
            columns.extend(self.further(rows.iter().copied()));
            into.write(table, columns)?;
        }
        Ok(())
    }

    /// By what rows are found that were told of and are gone, as far as their memory is there; none if there are none.
    pub(super) fn gone(&self) -> Result<Option<Vec<ArrayRef>>, Failure> {
        let gone = self.told.as_ref().map_or(&[][..], Told::gone);
        if gone.is_empty() {
            return Ok(None);
        }
        self.key(gone).map(Some)
    }

    /// By what rows are found.
    fn key(&self, rows: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let keys = self.layout.keys().iter();
        let keys = keys.map(|column| self.column(*column, rows).map(|column| normal(&column)));
        let keys = keys.collect::<Result<_, _>>()?;
        Ok(NumberedRows::key(keys, self.ids(rows.iter().copied())))
    }

    /// The ids of rows; while none are given, their numbers.
    fn ids(&self, rows: impl Iterator<Item = u32>) -> Vec<i64> {
        match &self.told {
            Some(told) => rows.map(|row| told.id(row)).collect(),
            None => rows.map(i64::from).collect(),
        }
    }

    /// What is kept with rows besides their columns.
    fn further(&self, rows: impl Iterator<Item = u32> + Clone) -> impl Iterator<Item = ArrayRef> {
        let counts = self.matches.as_ref().map(|counts| -> ArrayRef {
            let counts = rows.clone().map(|row| counts[row as usize]);
            Arc::new(UInt32Array::from_iter_values(counts))
        });
        let times = self.ttl.as_ref().map(|ttl| -> ArrayRef {
            let rows: Vec<u32> = rows.collect();
            Arc::new(Int64Array::from(ttl.written_ms(&rows)))
        });
        counts.into_iter().chain(times)
    }

    /// Takes rows of the table, of these groups, behind all others; returns their own columns.
    ///
    /// Those of a key come by their ids, so they hang as they did.
    pub(in crate::operator::join) fn restore(
        &mut self,
        rows: &RecordBatch,
        groups: &[u32],
    ) -> Result<RecordBatch, Failure> {
        let restored = self.layout.restored(rows)?;
        let mut further = self.layout.further(rows).iter();
        let mut next = || {
            further
                .next()
                .ok_or_else(|| Failure::internal("a join's rows of state lack columns"))
        };
        if self.matches.is_some() {
            let matches = next()?.as_primitive::<UInt32Type>().values();
            self.append(restored.rows.clone(), groups, matches)?;
        } else {
            self.append(restored.rows.clone(), groups, &[])?;
        }
        if let Some(ttl) = &mut self.ttl {
            let written = next()?.as_primitive::<Int64Type>().values();
            let rows = self.groups.len() as u32 - groups.len() as u32..;
            rows.zip(written).for_each(|(row, at)| ttl.write([row], *at));
        }
        self.told.get_or_insert_default().restored(&restored.numbers);
        Ok(restored.rows)
    }
}
