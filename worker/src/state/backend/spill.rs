//! Rows of an operator that are in the database and not in memory.

use std::{
    ops::Range,
    sync::{Arc, Weak},
    time::Duration,
};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::DataType;
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::oneshot};
use weir_model::Failure;

use super::{Shared, closed, due::DueIndex, encode::encode};
use crate::state::{
    Change, MemoryBudget, Snapshot, Table,
    codec::{Codec, prefix},
    store::{Batch, Rocks, Store},
};

/// Rows that are read at once.
pub(super) const ROWS: usize = 4096;

/// Takes rows of a table, by its position.
type Sink<'a> = dyn FnMut(usize, RecordBatch) -> Result<(), Failure> + 'a;

/// One operator's way to its rows in the database. Calls block on the disk.
pub struct Spill {
    pub(super) shared: Arc<Shared>,
    pub(super) operator: usize,
    partition: RowConverter,
    /// By table, its whole key.
    keys: Vec<RowConverter>,
    database: Weak<Rocks>,
    /// When rows of the database are due, if that is kept.
    pub(super) due: Option<Arc<Mutex<DueIndex>>>,
    /// Threads that read ahead.
    runtime: Handle,
}

/// All rows of a key group, table by table, as the database has them.
pub struct Slice {
    /// Which key group.
    pub group: u32,
    /// Tables by their positions, with some of their rows.
    pub rows: Vec<(usize, RecordBatch)>,
}

/// A key group that is read on another thread.
pub struct Reading(oneshot::Receiver<Result<Slice, Failure>>);

impl Reading {
    /// Its rows; none: not yet.
    pub fn take(&mut self) -> Result<Option<Slice>, Failure> {
        match self.0.try_recv() {
            Ok(slice) => slice.map(Some),
            Err(oneshot::error::TryRecvError::Empty) => Ok(None),
            Err(oneshot::error::TryRecvError::Closed) => Err(closed()),
        }
    }
}

/// Values of the columns by which rows of an operator's state are found, a row each.
pub struct Partitions {
    groups: Vec<u32>,
    rows: Rows,
}

impl Partitions {
    /// The key group of a row, and its values as bytes.
    pub fn get(&self, row: usize) -> (u32, &[u8]) {
        (self.groups[row], self.rows.row(row).data())
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

impl Spill {
    /// Of an operator, by its position; none: its state is in one piece.
    pub(super) fn new(
        shared: &Arc<Shared>,
        operator: usize,
        runtime: Handle,
    ) -> Result<Option<Self>, Failure> {
        let tables = shared.codecs[operator].iter().map(Codec::table);
        let types = |table: &Table| {
            let columns = table.schema.fields()[..table.partition].iter();
            columns.map(|f| f.data_type().clone()).collect::<Vec<_>>()
        };
        let mut types = tables.map(types);
        let Some(first) = types.next().filter(|first| !first.is_empty()) else {
            return Ok(None);
        };
        if types.any(|other| other != first) {
            return Ok(None);
        }
        let keys = shared.codecs[operator].iter().map(|codec| {
            let columns = codec.table().schema.fields()[..codec.table().key].iter();
            converter(columns.map(|f| f.data_type().clone()).collect())
        });
        let keys = keys.collect::<Result<_, _>>()?;
        Ok(Some(Self {
            shared: Arc::clone(shared),
            operator,
            partition: converter(first)?,
            keys,
            database: Weak::new(),
            due: None,
            runtime,
        }))
    }

    /// Whether the rows that the operator begins with were left in the database.
    pub fn has_rows_left(&self) -> bool {
        let left = self.shared.left.get();
        left.is_some_and(|left| left[self.operator])
    }

    /// The key groups of its rows.
    pub fn key_groups(&self) -> Range<u32> {
        self.shared.config.key_groups.clone()
    }

    /// How many columns its tables are partitioned by.
    pub fn columns(&self) -> usize {
        self.shared.codecs[self.operator][0].table().partition
    }

    /// How long the worker has run.
    pub fn elapsed(&self) -> Duration {
        self.shared.config.clock.elapsed()
    }

    /// The worker's memory.
    pub fn memory(&self) -> &MemoryBudget {
        &self.shared.config.memory
    }

    /// Whether operators have yet to say what a checkpoint is to have: until then, nothing else is to be [written](Self::write).
    pub fn is_held(&self) -> bool {
        self.shared.order.is_held()
    }

    /// Rows of values of the partition's columns.
    pub fn partitions(&self, columns: &[ArrayRef]) -> Result<Partitions, Failure> {
        found(&self.shared, (self.operator, 0), &self.partition, columns)
    }

    /// Rows of values of all columns of a table's key.
    pub fn keys(&self, table: usize, columns: &[ArrayRef]) -> Result<Partitions, Failure> {
        found(&self.shared, (self.operator, table), &self.keys[table], columns)
    }

    /// Writes what `snapshot` says: the changes of the operator since the last checkpoint, which is written before. Later checkpoints have
    /// them, and [`load`](Self::load) finds them.
    pub fn write(
        &mut self,
        tables: Vec<Table>,
        snapshot: impl FnOnce(&mut Snapshot) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.is_held() {
            return Err(Failure::internal(
                "state was to be written while a checkpoint was being said",
            ));
        }
        self.shared.order.wait();
        let gathered = Arc::new(Mutex::new(Batch::default()));
        let sink = {
            let (shared, operator, gathered) =
                (Arc::clone(&self.shared), self.operator, Arc::clone(&gathered));
            let due = self.due.clone();
            Box::new(move |change| {
                if let Some(due) = &due {
                    due.lock().note(&change)?;
                }
                gather(&shared, operator, change, &mut gathered.lock())
            })
        };
        let mut streamed = Snapshot::streamed(tables, sink);
        snapshot(&mut streamed)?;
        let rest = std::mem::take(&mut *gathered.lock());
        let mut local = self.shared.local.lock();
        local.write(rest)?;
        self.database = Arc::downgrade(&local.database()?);
        Ok(())
    }

    /// Reads the rows of these partitions, which ascend, table by table.
    pub fn load(&mut self, partitions: &[(u32, &[u8])], sink: &mut Sink<'_>) -> Result<(), Failure> {
        let database = self.database()?;
        for (table, codec) in self.shared.codecs[self.operator].iter().enumerate() {
            let is_whole = codec.table().key == codec.table().partition;
            self.load_table(&database, (table, is_whole), partitions, sink)?;
        }
        Ok(())
    }

    /// Begins to read all rows of a key group.
    pub fn read(&mut self, group: u32) -> Result<Reading, Failure> {
        let (database, shared, operator) = (self.database()?, Arc::clone(&self.shared), self.operator);
        let (out, slice) = oneshot::channel();
        self.runtime.spawn_blocking(move || {
            // Whoever asked may have gone.
            let _ = out.send(slice_of(&database, &shared.codecs[operator], group));
        });
        Ok(Reading(slice))
    }

    /// Reads the rows of a table with these keys, which ascend.
    pub fn load_keys(
        &mut self,
        table: usize,
        keys: &[(u32, &[u8])],
        sink: &mut Sink<'_>,
    ) -> Result<(), Failure> {
        let database = self.database()?;
        self.load_table(&database, (table, true), keys, sink)
    }

    /// Reads all rows of key groups, from this one on, until there are about so many bytes; returns the key group behind them, or none if
    /// those were the last.
    pub fn load_groups(
        &mut self,
        first: Option<u32>,
        bytes: usize,
        sink: &mut Sink<'_>,
    ) -> Result<Option<u32>, Failure> {
        let database = self.database()?;
        let key_groups = self.shared.config.key_groups.clone();
        let codecs = &self.shared.codecs[self.operator];
        let mut tables = vec![Batch::default(); codecs.len()];
        let mut next = first.unwrap_or(key_groups.start);
        while next < key_groups.end && tables.iter().map(Batch::bytes).sum::<usize>() < bytes {
            for (number, rows) in tables.iter_mut().enumerate() {
                let all = beginning_with(prefix(next, self.operator as u16, number as u8).to_vec());
                database.scan_few(&[all], &mut |key, value| {
                    rows.put(key, value);
                    Ok(())
                })?;
            }
            next += 1;
        }
        for (number, (codec, rows)) in codecs.iter().zip(tables).enumerate() {
            if !rows.is_empty() {
                let entries = rows.iter().map(|(key, value)| (key, value.unwrap_or_default()));
                sink(number, codec.decode(entries)?)?;
            }
        }
        Ok((next < key_groups.end).then_some(next))
    }

    fn load_table(
        &self,
        database: &Rocks,
        (number, is_whole): (usize, bool),
        partitions: &[(u32, &[u8])],
        sink: &mut Sink<'_>,
    ) -> Result<(), Failure> {
        let codec = &self.shared.codecs[self.operator][number];
        let mut rows = Batch::default();
        let give = |rows: &mut Batch, sink: &mut Sink<'_>| {
            let entries = rows.iter().map(|(key, value)| (key, value.unwrap_or_default()));
            let decoded = codec.decode(entries)?;
            rows.clear();
            sink(number, decoded)
        };
        for partitions in partitions.chunks(ROWS) {
            let keys: Vec<Vec<u8>> = partitions
                .iter()
                .map(|(group, values)| {
                    [&prefix(*group, self.operator as u16, number as u8), *values].concat()
                })
                .collect();
            if is_whole {
                let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
                for (key, value) in keys.iter().zip(database.get_many(&keys)?) {
                    if let Some(value) = value {
                        rows.put(key, &value);
                    }
                }
            } else {
                let ranges: Vec<_> = keys.into_iter().map(beginning_with).collect();
                database.scan_few(&ranges, &mut |key, value| {
                    rows.put(key, value);
                    if rows.len() < ROWS {
                        return Ok(());
                    }
                    give(&mut rows, sink)
                })?;
            }
            if !rows.is_empty() {
                give(&mut rows, sink)?;
            }
        }
        Ok(())
    }

    pub(super) fn database(&mut self) -> Result<Arc<Rocks>, Failure> {
        if let Some(database) = self.database.upgrade() {
            return Ok(database);
        }
        let database = self.shared.local.lock().database()?;
        self.database = Arc::downgrade(&database);
        Ok(database)
    }
}

/// Rows of values of columns of a table of an operator, by their positions.
pub(super) fn found(
    shared: &Shared,
    (operator, table): (usize, usize),
    converter: &RowConverter,
    columns: &[ArrayRef],
) -> Result<Partitions, Failure> {
    let rows = converter.convert_columns(columns).map_err(|e| unfit(&e))?;
    let table = shared.codecs[operator][table].table();
    let groups = table.key_groups(columns, rows.num_rows(), shared.config.max_parallelism)?;
    Ok(Partitions { groups, rows })
}

pub(super) fn converter(types: Vec<DataType>) -> Result<RowConverter, Failure> {
    let converter = RowConverter::new(types.into_iter().map(SortField::new).collect());
    converter.map_err(|e| unfit(&e))
}

fn gather(shared: &Shared, operator: usize, change: Change, gathered: &mut Batch) -> Result<(), Failure> {
    let codecs = &shared.codecs[operator..=operator];
    let bytes = shared.config.memory.written_bytes();
    let key_groups = &shared.config.key_groups;
    encode(codecs, key_groups, vec![vec![change]], bytes, &mut |batch| {
        gathered.append(&batch);
        Ok(())
    })?;
    if gathered.bytes() < bytes {
        return Ok(());
    }
    shared.local.lock().write(std::mem::take(gathered))
}

fn slice_of(database: &Rocks, codecs: &[Codec], group: u32) -> Result<Slice, Failure> {
    let mut slice = Vec::new();
    for (table, codec) in codecs.iter().enumerate() {
        let mut rows = Batch::default();
        let mut give = |rows: &mut Batch| {
            let entries = rows.iter().map(|(key, value)| (key, value.unwrap_or_default()));
            slice.push((table, codec.decode(entries)?));
            rows.clear();
            Ok(())
        };
        database.scan(
            &[beginning_with(codec.prefix(group).to_vec())],
            &mut |key, value| {
                rows.put(key, value);
                if rows.len() < ROWS {
                    return Ok(());
                }
                give(&mut rows)
            },
        )?;
        if !rows.is_empty() {
            give(&mut rows)?;
        }
    }
    Ok(Slice { group, rows: slice })
}

/// The keys that begin with these bytes, of which the first ones are never the greatest.
pub(super) fn beginning_with(start: Vec<u8>) -> Range<Vec<u8>> {
    let mut end = start.clone();
    while end.last() == Some(&u8::MAX) {
        end.pop();
    }
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    start..end
}

fn unfit(error: &arrow_schema::ArrowError) -> Failure {
    Failure::internal(format!(
        "the keys of a state's partitions cannot be encoded: {error}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_all_keys_that_begin_so() {
        let range = beginning_with(vec![1, 2, 255, 255]);
        assert_eq!(range, vec![1, 2, 255, 255]..vec![1, 3]);
        assert!(range.contains(&vec![1, 2, 255, 255, 0]));
        assert!(!range.contains(&vec![1, 2, 255, 254, 9]));
    }
}
