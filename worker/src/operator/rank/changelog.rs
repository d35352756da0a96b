//! The operator that emits, per batch, how the first rows of its keys change.

use std::{fmt::Debug, hash::BuildHasher, sync::Arc};

use arrow_array::{ArrayRef, Int8Array, Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_row::{RowConverter, SortField};
use arrow_schema::DataType;
use foldhash::fast::FixedState;
use weir_connector::changelog;
use weir_model::Failure;

use super::{
    Shape,
    changes::Changes,
    order::{Keys, Order},
    rows::{FRESH, RowStore},
    snapshot::Said,
};
use crate::{
    operator::{
        Context, Operator,
        keys::{GroupTable, Groups, normal_columns},
        ttl::Ttl,
    },
    state::{Dirty, Scope, Snapshot, Table, numbered::Restored},
};

/// Groups without rows before their memory is given back, unless none has any.
const DEAD_GROUPS: usize = 4096;

/// The rows of each group that a rank needs.
pub(super) trait Content<C: Keys>: Debug + Send {
    /// Takes the rows of a batch.
    fn update(
        &mut self,
        groups: Groups<'_>,
        keys: &C,
        ops: Option<&Int8Array>,
        fresh: &mut Fresh<'_>,
        rows: &mut RowStore,
    ) -> Result<(), Failure>;

    /// The slots of the first rows of each group that the batch changed, before and after.
    fn changes(&mut self, visit: &mut dyn FnMut(&[u32], &[u32]));

    /// The groups that the batch changed.
    fn changed(&self) -> Vec<u32>;

    /// Keeps what must be kept of the batch, and forgets what left.
    fn settle(&mut self, fresh: &mut Fresh<'_>, rows: &mut RowStore) -> Result<(), Failure>;

    /// Forgets the rows of a group; says whether there were any.
    fn forget(&mut self, group: u32, rows: &mut RowStore) -> bool;

    /// Whether a group has rows.
    fn has_rows(&self, group: u32) -> bool;

    /// Keeps only these groups, which are numbered in this order from now on.
    fn keep(&mut self, groups: &[u32]);

    /// The names of the tables of its rows and of when their groups were written.
    fn tables(&self) -> [&'static str; 2];

    /// Notes from now on what changes.
    fn track(&mut self);

    /// Says all rows.
    fn all(&self, said: &mut Said);

    /// Says the rows that came and went since the last time: those of these groups.
    fn news(&mut self, groups: &[u32], said: &mut Said);

    /// Takes rows that a snapshot said, with their numbers; those of a group in the order of these.
    fn restore(
        &mut self,
        groups: Groups<'_>,
        keys: &C,
        numbers: &[i64],
        fresh: &mut Fresh<'_>,
        rows: &mut RowStore,
    ) -> Result<(), Failure>;
}

/// The batch at hand, and the slots that its rows get.
#[derive(Debug)]
pub(in crate::operator) struct Fresh<'a> {
    columns: &'a [ArrayRef],
    batch_rows: usize,
    kept: Vec<u32>,
    /// Slots of all rows of the batch; only those of kept rows mean something.
    slots: Vec<u32>,
}

impl<'a> Fresh<'a> {
    pub(in crate::operator) fn new(columns: &'a [ArrayRef], batch_rows: usize) -> Self {
        Self {
            columns,
            batch_rows,
            kept: Vec::new(),
            slots: Vec::new(),
        }
    }

    /// Marks those of the slots that are rows of this batch.
    pub(super) fn keep(&mut self, slots: impl Iterator<Item = u32>) {
        self.kept
            .extend(slots.filter(|s| s & FRESH != 0).map(|s| s & !FRESH));
    }

    /// Marks rows of this batch.
    pub(super) fn keep_rows(&mut self, rows: impl Iterator<Item = u32>) {
        self.kept.extend(rows);
    }

    /// Gives slots to the marked rows.
    pub(super) fn store(&mut self, rows: &mut RowStore) -> Result<(), Failure> {
        self.kept.sort_unstable();
        let mut slots = Vec::with_capacity(self.kept.len());
        rows.add(self.columns, self.batch_rows, &self.kept, &mut slots)?;
        self.slots.resize(self.batch_rows, 0);
        for (row, slot) in self.kept.iter().zip(slots) {
            self.slots[*row as usize] = slot;
        }
        Ok(())
    }

    /// The slot of a stored row.
    pub(super) fn slot_of_row(&self, row: usize) -> u32 {
        self.slots[row]
    }

    /// The slot that stands for this one: its own unless it is a row of this batch.
    pub(super) fn slot(&self, slot: u32) -> u32 {
        if slot & FRESH == 0 {
            slot
        } else {
            self.slots[(slot & !FRESH) as usize]
        }
    }

    /// A hash of each whole row; rows that differ have different ones but for a chance of one in 2^128.
    pub(in crate::operator) fn hashes(&self) -> Result<Vec<u128>, Failure> {
        let fields = self.columns.iter().map(|c| SortField::new(c.data_type().clone()));
        let broken = |e| Failure::user(format!("rows of such columns cannot be compared: {e}"));
        let converter = RowConverter::new(fields.collect()).map_err(broken)?;
        let rows = converter.convert_columns(self.columns).map_err(broken)?;
        let (low, high) = (FixedState::with_seed(1), FixedState::with_seed(2));
        let hash = |row: arrow_row::Row<'_>| {
            u128::from(low.hash_one(row.data())) | u128::from(high.hash_one(row.data())) << 64
        };
        Ok(rows.iter().map(hash).collect())
    }
}

/// Emits changes of the first rows of each key.
#[derive(Debug)]
pub(super) struct ChangelogRank<O, L> {
    shape: Shape,
    order: O,
    groups: GroupTable,
    content: L,
    rows: RowStore,
    changes: Changes,
    /// Groups without rows.
    dead: usize,
    /// When groups go that nothing changes; none: never.
    ttl: Option<Ttl>,
    /// Groups changed since the last snapshot.
    dirty: Dirty,
}

impl<O: Order, L: Content<O::Keys>> ChangelogRank<O, L> {
    pub(super) fn new(shape: Shape, order: O, groups: GroupTable, content: L) -> Self {
        Self {
            ttl: Ttl::new(shape.ttl_ms),
            dead: 0,
            dirty: Dirty::default(),
            shape,
            order,
            groups,
            content,
            rows: RowStore::default(),
            changes: Changes::default(),
        }
    }

    /// Forgets the rows of groups; their keys stay until they are many.
    fn forget(&mut self, groups: impl IntoIterator<Item = u32>) {
        for group in groups {
            self.dead += usize::from(self.content.forget(group, &mut self.rows));
            self.dirty.mark([group]);
        }
    }

    /// Forgets the keys of groups without rows when they are many, or all. A snapshot has to have said that these are gone.
    fn bury(&mut self) -> Result<(), Failure> {
        let groups = self.groups.len();
        if !self.dirty.is_empty()
            || self.dead == 0
            || self.dead < DEAD_GROUPS.min(groups)
            || self.dead * 2 < groups
        {
            return Ok(());
        }
        let live: Vec<u32> = (0..groups as u32)
            .filter(|group| self.content.has_rows(*group))
            .collect();
        let keys = self.groups.keys_of(&live)?;
        self.groups = GroupTable::new(&self.shape.key_types)?;
        self.groups.intern(&keys, live.len())?;
        self.content.keep(&live);
        if let Some(ttl) = &mut self.ttl {
            ttl.keep(&live);
        }
        self.dead = 0;
        Ok(())
    }

    /// Says when groups were written: of all, or of those that were since the last time.
    fn say_times(&self, scope: Scope, changed: &[u32], into: &mut Snapshot) -> Result<(), Failure> {
        let Some(ttl) = &self.ttl else {
            return Ok(());
        };
        let has_rows = |group: &u32| self.content.has_rows(*group);
        let (live, dead): (Vec<u32>, Vec<u32>) = match scope {
            Scope::All => (
                (0..self.groups.len() as u32).filter(has_rows).collect(),
                Vec::new(),
            ),
            Scope::Changes => changed.iter().partition(|group| has_rows(group)),
        };
        if !dead.is_empty() {
            into.delete(1, self.groups.keys_of(&dead)?)?;
        }
        if live.is_empty() {
            return Ok(());
        }
        let mut columns = self.groups.keys_of(&live)?;
        columns.push(Arc::new(Int64Array::from(ttl.written_ms(&live))));
        into.write(1, columns)
    }

    /// Takes times that groups were written at. Their rows came before.
    fn restore_times(&mut self, rows: &RecordBatch) -> Result<(), Failure> {
        let (written, keys) = rows
            .columns()
            .split_last()
            .ok_or_else(|| Failure::internal("no times are among the times of a rank's state"))?;
        let known = self.groups.len();
        let groups = self.groups.intern(keys, rows.num_rows())?;
        if groups.total > known {
            return Err(Failure::internal(
                "a key of a rank's state has a time and no rows",
            ));
        }
        if let Some(ttl) = &mut self.ttl {
            for (row, at) in written.as_primitive::<Int64Type>().values().iter().enumerate() {
                ttl.write([groups.ids.map_or(0, |ids| ids[row])], *at);
            }
        }
        Ok(())
    }

    /// How many groups and how many rows it holds.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.groups.len(), self.rows.sizes().0)
    }
}

impl<O: Order, L: Content<O::Keys>> Operator for ChangelogRank<O, L> {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        self.bury()?;
        let key_columns: Vec<ArrayRef> = self
            .shape
            .keys
            .iter()
            .map(|k| ArrayRef::clone(batch.column(*k)))
            .collect();
        let keys = self.order.keys(&batch)?;
        let columns = &batch.columns()[..self.shape.columns];
        let mut fresh = Fresh::new(columns, batch.num_rows());
        let known = self.groups.len();
        let groups = self.groups.intern(&key_columns, batch.num_rows())?;
        if let Some(ttl) = &mut self.ttl {
            // Those of a job that had no such time before.
            self.dirty.mark(ttl.begin(known, context.now_ms));
            let of_rows = groups.ids.unwrap_or(&[0]);
            let is_over = |group: &&u32| (**group as usize) < known && ttl.is_over(**group, context.now_ms);
            for group in of_rows.iter().filter(is_over) {
                self.dead += usize::from(self.content.forget(*group, &mut self.rows));
                self.dirty.mark([*group]);
            }
        }
        self.content
            .update(groups, &keys, changelog::ops(&batch), &mut fresh, &mut self.rows)?;
        let new = groups.total - known;
        let (shape, changes) = (&self.shape, &mut self.changes);
        let (mut died, mut revived) = (0, 0);
        self.content.changes(&mut |before, after| {
            died += usize::from(!before.is_empty() && after.is_empty());
            revived += usize::from(before.is_empty() && !after.is_empty());
            changes.add(shape, before, after);
        });
        self.dead = (self.dead + died + new).saturating_sub(revived);
        if self.ttl.is_some() || self.dirty.is_tracking() {
            let changed = self.content.changed();
            self.dirty.mark(changed.iter().copied());
            if let Some(ttl) = &mut self.ttl {
                ttl.write(changed, context.now_ms);
            }
        }
        if let Some(emitted) = self.changes.take(shape, &self.rows, columns)? {
            context.emit(emitted);
        }
        self.content.settle(&mut fresh, &mut self.rows)?;
        self.rows.tidy()
    }

    fn is_timed(&self) -> bool {
        self.ttl.is_some()
    }

    fn timer_ms(&self) -> Option<i64> {
        self.ttl.as_ref()?.timer_ms()
    }

    fn on_processing_time(&mut self, context: &mut Context) -> Result<(), Failure> {
        let due = self.ttl.as_mut().map(|ttl| ttl.due(context.now_ms));
        self.forget(due.unwrap_or_default());
        self.bury()?;
        self.rows.tidy()
    }

    fn tables(&self) -> Vec<Table> {
        let [rows, written] = self.content.tables();
        let mut tables = vec![self.shape.kept.table(rows)];
        if self.ttl.is_some() {
            tables.push(Table::new(
                written,
                &self.shape.key_types,
                &[],
                &[DataType::Int64],
            ));
        }
        tables
    }

    fn track_changes(&mut self) {
        self.dirty.track();
        self.content.track();
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        let (mut said, mut changed) = (Said::default(), Vec::new());
        match scope {
            Scope::All => self.content.all(&mut said),
            Scope::Changes => {
                changed = self.dirty.take();
                self.content.news(&changed, &mut said);
            }
        }
        said.tell(&self.shape, &self.groups, &self.rows, into)?;
        self.say_times(scope, &changed, into)
    }

    fn restore(&mut self, table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        if table > 0 {
            return self.restore_times(rows);
        }
        let Restored { keys, numbers, rows } = self.shape.kept.restored(rows)?;
        let order = self.order.keys(&rows)?;
        let groups = self.groups.intern(&keys, rows.num_rows())?;
        let mut fresh = Fresh::new(rows.columns(), rows.num_rows());
        self.content
            .restore(groups, &order, &numbers, &mut fresh, &mut self.rows)?;
        self.rows.tidy()
    }

    fn is_partitioned(&self) -> bool {
        true
    }

    fn partition(&self, _port: usize, batch: &RecordBatch) -> Vec<ArrayRef> {
        normal_columns(batch, &self.shape.keys)
    }
}
