//! When event time needs rows of a state that may be in the database alone: their partitions by time.
//!
//! They are in a database of their own, which no checkpoint has: all of it follows from the rows, from which it is made where an operator
//! first lets go of its state. A partition may be in it for rows that have gone since, which costs a look at it.

use std::{ops::Range, sync::Arc};

use arrow_array::RecordBatch;
use arrow_row::RowConverter;
use parking_lot::Mutex;
use weir_model::{EventTime, Failure};

use super::{
    Shared,
    local::Scratch,
    spill::{ROWS, Spill, beginning_with, converter, found},
};
use crate::state::{
    Change,
    codec::Codec,
    store::{Batch, Rocks, Store},
};

/// The bytes of a time, and those of a time and the key group behind it.
const TIME_BYTES: usize = 8;
const PLACE_BYTES: usize = TIME_BYTES + 4;

/// Partitions of an operator's state, by when they are due.
pub(super) struct DueIndex {
    shared: Arc<Shared>,
    operator: usize,
    partition: RowConverter,
    database: Rocks,
    _folder: Scratch,
    /// All before this has been taken.
    from: Vec<u8>,
    /// All that was due by this time has been taken.
    passed: i64,
}

impl DueIndex {
    /// Of the rows of an operator that are in the database.
    pub(super) fn new(
        shared: &Arc<Shared>,
        operator: usize,
        partition: RowConverter,
        rows: &Rocks,
    ) -> Result<Self, Failure> {
        let config = &shared.config;
        let folder = Scratch::new(config.folder.join(format!("due-{operator}")));
        let index = Self {
            shared: Arc::clone(shared),
            operator,
            partition,
            database: Rocks::open(folder.path(), &config.memory)?,
            _folder: folder,
            from: Vec::new(),
            passed: i64::MIN,
        };
        index.read(rows)?;
        Ok(index)
    }

    fn read(&self, database: &Rocks) -> Result<(), Failure> {
        let codecs = self.shared.codecs[self.operator].iter().enumerate();
        for (number, codec) in codecs.filter(|(_, codec)| codec.table().due.is_some()) {
            let groups = self.shared.config.key_groups.clone();
            let of_group = |group| beginning_with(codec.prefix(group).to_vec());
            let groups: Vec<Range<Vec<u8>>> = groups.map(of_group).collect();
            let mut rows = Batch::default();
            let note = |rows: &mut Batch| {
                let entries = rows.iter().map(|(key, value)| (key, value.unwrap_or_default()));
                let decoded = codec.decode(entries)?;
                rows.clear();
                self.note_rows(number, &decoded)
            };
            database.scan(&groups, &mut |key, value| {
                rows.put(key, value);
                if rows.len() < ROWS {
                    return Ok(());
                }
                note(&mut rows)
            })?;
            if !rows.is_empty() {
                note(&mut rows)?;
            }
        }
        Ok(())
    }

    /// Notes when the rows are due that a change writes.
    pub(super) fn note(&self, change: &Change) -> Result<(), Failure> {
        match change {
            Change::Write { table, rows } => self.note_rows(*table, rows),
            // They are looked for in vain.
            Change::Delete { .. } => Ok(()),
        }
    }

    fn note_rows(&self, table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        let of_table = self.shared.codecs[self.operator][table].table();
        let Some(due) = of_table.due else {
            return Ok(());
        };
        let columns = &rows.columns()[..of_table.partition];
        let partitions = found(&self.shared, (self.operator, table), &self.partition, columns)?;
        let (mut batch, mut entry) = (Batch::default(), Vec::new());
        for (row, time) in due.times(rows).into_iter().enumerate() {
            let Some(time) = time else { continue };
            let (group, values) = partitions.get(row);
            entry.clear();
            // What comes too late is due next.
            entry.extend_from_slice(&sortable(time.max(self.passed)));
            entry.extend_from_slice(&group.to_be_bytes());
            entry.extend_from_slice(values);
            batch.put(&entry, &[]);
        }
        self.database.write(&mut batch)
    }

    /// Takes out so many partitions with rows that are due by a time, the earliest first: fewer if there are no more.
    pub(super) fn take(&mut self, until: i64, most: usize) -> Result<Vec<(u32, Vec<u8>)>, Failure> {
        let mut end = sortable(until).to_vec();
        // Behind all key groups.
        end.extend([u8::MAX; PLACE_BYTES]);
        let entries = self.database.first_keys(&self.from, &end, most)?;
        match entries.last() {
            Some(last) if entries.len() == most => {
                self.from.clone_from(last);
                self.from.push(0);
            }
            _ => {
                self.passed = until;
                self.from = sortable(until).to_vec();
            }
        }
        let mut taken = Batch::default();
        for entry in &entries {
            taken.delete(entry);
        }
        self.database.write(&mut taken)?;
        let partition = |mut entry: Vec<u8>| {
            let values = entry.split_off(PLACE_BYTES.min(entry.len()));
            let group = entry.last_chunk().copied().unwrap_or_default();
            (u32::from_be_bytes(group), values)
        };
        Ok(entries.into_iter().map(partition).collect())
    }
}

impl Spill {
    /// Whether event time ever needs rows that are in the database alone.
    pub fn is_timed(&self) -> bool {
        let mut tables = self.shared.codecs[self.operator].iter().map(Codec::table);
        tables.any(|table| table.due.is_some())
    }

    /// Notes when the rows of the database are due, if event time needs any and that is not done; from now on, those that are written to it
    /// as well.
    pub fn index(&mut self) -> Result<(), Failure> {
        if self.due.is_some() || !self.is_timed() {
            return Ok(());
        }
        let fields = &self.shared.codecs[self.operator][0].table().schema.fields()[..self.columns()];
        let partition = converter(fields.iter().map(|f| f.data_type().clone()).collect())?;
        let database = self.database()?;
        let due = DueIndex::new(&self.shared, self.operator, partition, &database)?;
        self.due = Some(Arc::new(Mutex::new(due)));
        Ok(())
    }

    /// Forgets when rows are due: all of them are in memory.
    pub fn forget_index(&mut self) {
        self.due = None;
    }

    /// Notes when rows are due that a checkpoint is to have.
    pub fn note(&self, changes: &[Change]) -> Result<(), Failure> {
        match &self.due {
            Some(due) => changes.iter().try_for_each(|change| due.lock().note(change)),
            None => Ok(()),
        }
    }

    /// Takes out so many partitions with rows that are due by a time, the earliest first: fewer if there are no more.
    pub fn take_due(&self, until: EventTime, most: usize) -> Result<Vec<(u32, Vec<u8>)>, Failure> {
        match &self.due {
            Some(due) => due.lock().take(until.0, most),
            None => Ok(Vec::new()),
        }
    }
}

/// A time as bytes that sort as it does.
fn sortable(time: i64) -> [u8; TIME_BYTES] {
    (time.cast_unsigned() ^ 1 << 63).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_bytes() {
        let times = [i64::MIN, -1_000, -1, 0, 1, 256, i64::MAX];
        assert!(times.map(sortable).is_sorted());
    }
}
