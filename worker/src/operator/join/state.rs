//! The state of a join: both sides over one table of keys. Nothing outside this file and `side` holds any.

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{ArrowError, DataType};
use arrow_select::filter::filter;
use weir_model::Failure;

use super::side::Side;
use crate::{
    operator::{keys::GroupTable, ttl::sooner},
    state::{Scope, Snapshot, Table},
};

/// The rows of both inputs by key.
#[derive(Debug)]
pub(super) struct State {
    key_types: Vec<DataType>,
    keys: GroupTable,
    /// By port: left, right.
    sides: [Side; 2],
    /// Rows whose memory was given back since keys were last looked through, and how many keys there were then.
    freed: usize,
    known_keys: usize,
}

impl State {
    pub(super) fn new(keys: &[DataType], sides: [Side; 2]) -> Result<Self, Failure> {
        Ok(Self {
            keys: GroupTable::new(keys)?,
            key_types: keys.to_vec(),
            sides,
            freed: 0,
            known_keys: 0,
        })
    }

    /// The groups of rows with these keys.
    pub(super) fn groups(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>, Failure> {
        let groups = self.keys.intern(keys, rows)?;
        let ids = groups.ids.map_or_else(|| vec![0; rows], <[u32]>::to_vec);
        let total = groups.total;
        self.sides.iter_mut().for_each(|side| side.reserve_groups(total));
        Ok(ids)
    }

    /// The side of a port, and the other one.
    pub(super) fn sides(&mut self, port: usize) -> (&mut Side, &mut Side) {
        let [left, right] = &mut self.sides;
        if port == 0 { (left, right) } else { (right, left) }
    }

    /// Whether rows go with time.
    pub(super) fn expires(&self) -> bool {
        self.sides.iter().any(Side::expires)
    }

    /// When rows go, ms since 1970.
    pub(super) fn timer_ms(&self) -> Option<i64> {
        sooner(self.sides[0].timer_ms(), self.sides[1].timer_ms())
    }

    /// Tells it the time, ms since 1970.
    pub(super) fn set_now(&mut self, now_ms: i64) {
        self.sides.iter_mut().for_each(|side| side.set_now(now_ms));
    }

    /// Lets rows go whose time is over.
    pub(super) fn sweep(&mut self) -> Result<(), Failure> {
        self.sides.iter_mut().for_each(Side::sweep);
        self.compact().map(drop)
    }

    /// Gives back the memory of rows that are gone, and of keys that no row has, once that is worth it.
    ///
    /// Renumbers the rows of the sides for which it returns the old numbers, in the order of the new ones.
    pub(super) fn compact(&mut self) -> Result<[Option<Vec<u32>>; 2], Failure> {
        let mut kept = [None, None];
        for (side, kept) in self.sides.iter_mut().zip(&mut kept) {
            if side.is_sparse() {
                self.freed += side.dead();
                *kept = Some(side.compact()?);
            }
        }
        // All keys are looked through: so many rows must have gone, or keys come, that this is nothing beside them.
        let changed = self.freed.max(self.keys.len().saturating_sub(self.known_keys));
        if changed * 2 >= self.keys.len() && kept.iter().any(Option::is_some) {
            self.forget_keys()?;
            (self.freed, self.known_keys) = (0, self.keys.len());
        }
        Ok(kept)
    }

    /// A table of rows per side.
    pub(super) fn tables(&self) -> Vec<Table> {
        vec![self.sides[0].table("left"), self.sides[1].table("right")]
    }

    /// Where a column of a side's input is in the rows of its table.
    pub(super) fn place(&self, side: usize, column: usize) -> usize {
        self.sides[side].place(column)
    }

    /// Notes what changes from now on.
    pub(super) fn track_changes(&mut self) {
        self.sides.iter_mut().for_each(Side::track_changes);
    }

    /// Says the rows of both sides, or what has changed of them.
    pub(super) fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        let mut sides = self.sides.iter_mut().enumerate();
        sides.try_for_each(|(table, side)| side.snapshot(scope, table, into))
    }

    /// Takes rows of a side's table behind those that are there; returns them with the columns of the input.
    pub(super) fn restore(&mut self, table: usize, rows: &RecordBatch) -> Result<RecordBatch, Failure> {
        let keys = &rows.columns()[..self.key_types.len()];
        let groups = self.groups(keys, rows.num_rows())?;
        self.sides[table].restore(rows, &groups)
    }

    /// All rows are there.
    pub(super) fn restored(&mut self) {
        self.known_keys = self.keys.len();
    }

    /// How many rows each side and how many keys there is memory for.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> ([usize; 2], usize) {
        ([self.sides[0].len(), self.sides[1].len()], self.keys.len())
    }

    /// Numbers the keys anew that rows have, if they are fewer than the others.
    fn forget_keys(&mut self) -> Result<(), Failure> {
        let mut live = vec![false; self.keys.len()];
        self.sides.iter().for_each(|side| side.mark_groups(&mut live));
        let count = live.iter().filter(|live| **live).count();
        if self.key_types.is_empty() || count * 2 > live.len() {
            return Ok(());
        }
        let mut keys = GroupTable::new(&self.key_types)?;
        for from in (0..live.len()).step_by(PART) {
            let part = from..live.len().min(from + PART);
            let is_live = BooleanArray::from(live[part.clone()].to_vec());
            let columns = self.keys.keys(part)?;
            let columns = columns.iter().map(|column| filter(column, &is_live));
            let columns = columns.collect::<Result<Vec<_>, _>>().map_err(|e| lost(&e))?;
            keys.intern(&columns, columns.first().map_or(0, Array::len))?;
        }
        let mut next = 0;
        let name = |live: &bool| {
            let name = next;
            next += u32::from(*live);
            name
        };
        let names: Vec<u32> = live.iter().map(name).collect();
        for side in &mut self.sides {
            side.rename_groups(&names, count);
        }
        self.keys = keys;
        Ok(())
    }
}

/// Keys that are read back at once.
const PART: usize = 8192;

fn lost(error: &ArrowError) -> Failure {
    Failure::internal(format!("the keys of a join cannot be read back: {error}"))
}
