//! The state of an aggregation without windows. Nothing outside this file holds any, so that snapshots have one place to look: `snapshot`.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, cast::AsArray, types::Int64Type};
use arrow_schema::DataType;
use weir_model::Failure;

use crate::{
    operator::{
        aggregate::{Accumulators, Shapes},
        keys::{GroupTable, Groups},
        ttl::Ttl,
    },
    state::{Dirty, Frozen, Snapshot},
};

mod snapshot;

/// Groups that have lost all their rows before their memory is given back, unless none has any.
const DEAD_GROUPS: usize = 4096;

/// The groups, how many rows each has, and its accumulators.
#[derive(Debug)]
pub(in crate::operator) struct State {
    key_types: Vec<DataType>,
    keys: GroupTable,
    aggregates: Accumulators,
    dead: usize,
    /// When groups go that nothing writes; none: never.
    ttl: Option<Ttl>,
    dirty: Dirty,
    /// Keys of groups that have been forgotten since the last snapshot, and may have been in an earlier one.
    deleted: Vec<Vec<ArrayRef>>,
    /// What the snapshot that has begun has yet to say.
    frozen: Frozen,
    /// What was said of it before it was asked for: it was about to be written.
    claimed: Option<Snapshot>,
}

/// The groups that the rows of a batch belong to.
#[derive(Debug, Default)]
pub(in crate::operator) struct Touched {
    /// The group of each row; none: all rows are of group 0.
    pub(in crate::operator) ids: Option<Vec<u32>>,
    /// How many groups there are now.
    pub(in crate::operator) total: usize,
    /// Each group once, first those that were there before.
    pub(in crate::operator) groups: Vec<u32>,
    /// How many of them were there before.
    pub(in crate::operator) known: usize,
}

impl State {
    /// No groups; of those to come, each goes so long after it was last written, ms; 0: never.
    pub(in crate::operator) fn new(
        key_types: Vec<DataType>,
        aggregates: &Shapes,
        ttl_ms: u64,
    ) -> Result<Self, Failure> {
        Ok(Self {
            keys: GroupTable::new(&key_types)?,
            key_types,
            aggregates: Accumulators::new(aggregates)?,
            dead: 0,
            ttl: Ttl::new(ttl_ms),
            dirty: Dirty::default(),
            deleted: Vec::new(),
            frozen: Frozen::default(),
            claimed: None,
        })
    }

    /// Whether groups go with time.
    pub(in crate::operator) fn expires(&self) -> bool {
        self.ttl.is_some()
    }

    /// When groups go, ms since 1970.
    pub(in crate::operator) fn timer_ms(&self) -> Option<i64> {
        self.ttl.as_ref()?.timer_ms()
    }

    /// Finds the groups of rows with these keys, and writes them; new keys get new groups, and so do those whose time is over.
    pub(in crate::operator) fn touch(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        now_ms: i64,
    ) -> Result<Touched, Failure> {
        let before = self.keys.len();
        let groups = self.keys.intern(keys, rows)?;
        let (ids, total) = (groups.ids.map(<[u32]>::to_vec), groups.total);
        let mut known: Vec<u32> = match &ids {
            Some(ids) => ids.iter().copied().filter(|&id| (id as usize) < before).collect(),
            None => (0..before as u32).collect(),
        };
        known.sort_unstable();
        known.dedup();
        self.claim(&known)?;
        let mut touched = Touched {
            ids,
            total,
            known: known.len(),
            groups: known,
        };
        touched.groups.extend(before as u32..total as u32);
        if let Some(ttl) = &self.ttl {
            let known = touched.groups[..touched.known].iter().copied();
            let rows = self.aggregates.rows();
            let is_empty = |group: usize| rows.get(group..group + 1) == [0];
            let gone = |group: &u32| ttl.is_over(*group, now_ms) || is_empty(*group as usize);
            let gone: Vec<u32> = known.filter(gone).collect();
            self.renew(&gone, &mut touched, now_ms)?;
        }
        self.write(&touched.groups, now_ms);
        Ok(touched)
    }

    /// Gives the keys of groups, which are in ascending order, new groups without rows; the old ones are left to be forgotten.
    pub(super) fn renew(&mut self, gone: &[u32], touched: &mut Touched, now_ms: i64) -> Result<(), Failure> {
        if gone.is_empty() {
            return Ok(());
        }
        self.dead += self.with_rows(gone);
        self.keys.renew(gone);
        // Their keys are those of the new groups now, which are written.
        self.dirty.unmark(gone);
        let Some(ids) = &mut touched.ids else {
            return self.begin_anew(touched, now_ms);
        };
        self.aggregates.forget_rows(gone);
        let first = touched.total as u32;
        for id in ids.iter_mut() {
            if let Ok(at) = gone.binary_search(id) {
                *id = first + at as u32;
            }
        }
        let is_gone = |group: &u32| gone.binary_search(group).is_ok();
        touched.known -= touched.groups[..touched.known]
            .iter()
            .filter(|g| is_gone(g))
            .count();
        touched.groups.retain(|group| !is_gone(group));
        touched.total += gone.len();
        let renewed: Vec<u32> = (first..touched.total as u32).collect();
        self.write(&renewed, now_ms);
        touched.groups.extend(renewed);
        Ok(())
    }

    /// Forgets the one group that there is without keys, and begins another.
    fn begin_anew(&mut self, touched: &mut Touched, now_ms: i64) -> Result<(), Failure> {
        self.keep(&[])?;
        self.keys.intern(&[], 1)?;
        self.write(&[0], now_ms);
        touched.known = 0;
        Ok(())
    }

    fn write(&mut self, groups: &[u32], now_ms: i64) {
        self.mark(groups);
        if let Some(ttl) = &mut self.ttl {
            ttl.write(groups.iter().copied(), now_ms);
        }
    }

    /// How many of these groups have rows.
    fn with_rows(&self, groups: &[u32]) -> usize {
        self.rows(groups).iter().filter(|rows| **rows != 0).count()
    }

    /// Takes raw rows of these groups: per aggregate its argument.
    pub(in crate::operator) fn update(
        &mut self,
        groups: Groups<'_>,
        arguments: &[Option<ArrayRef>],
    ) -> Result<(), Failure> {
        self.aggregates.update(groups, arguments)
    }

    /// Takes raw rows back.
    pub(in crate::operator) fn retract(
        &mut self,
        groups: Groups<'_>,
        arguments: &[Option<ArrayRef>],
    ) -> Result<(), Failure> {
        self.aggregates.retract(groups, arguments)
    }

    /// Takes partial rows: per aggregate its partial columns, and how many raw rows each is.
    pub(in crate::operator) fn merge(
        &mut self,
        groups: Groups<'_>,
        partials: &[Vec<ArrayRef>],
        rows: &ArrayRef,
    ) -> Result<(), Failure> {
        self.aggregates.merge(groups, partials, rows)
    }

    /// How many rows each of these groups has.
    pub(in crate::operator) fn rows(&self, groups: &[u32]) -> Vec<i64> {
        self.aggregates.rows().gather(groups)
    }

    /// The key columns of these groups.
    pub(in crate::operator) fn keys(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        self.keys.keys_of(groups)
    }

    /// The result columns of these groups.
    pub(in crate::operator) fn results(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        self.aggregates.results_of(groups)
    }

    /// Lets groups go whose time is over.
    pub(super) fn sweep(&mut self, now_ms: i64) -> Result<(), Failure> {
        let mut due = self.ttl.as_mut().map(|ttl| ttl.due(now_ms)).unwrap_or_default();
        // One without rows has said so, and its key may be another group's by now.
        let rows = self.aggregates.rows();
        due.retain(|&group| rows.get(group as usize..group as usize + 1) != [0]);
        self.claim(&due)?;
        let died = due.len();
        self.aggregates.forget_rows(&due);
        self.mark(&due);
        self.bury(died, 0)
    }

    /// Notes that so many groups have no rows now, and so many had none before; forgets them when they are many.
    pub(in crate::operator) fn bury(&mut self, dead: usize, dead_before: usize) -> Result<(), Failure> {
        self.dead = (self.dead + dead).saturating_sub(dead_before);
        let groups = self.keys.len();
        if self.dead == 0 || self.dead < DEAD_GROUPS.min(groups) || self.dead * 2 < groups {
            return Ok(());
        }
        let live = self.live();
        self.keep(&live)
    }

    /// Keeps only these groups, which are numbered in this order from now on.
    fn keep(&mut self, live: &[u32]) -> Result<(), Failure> {
        let frozen = self.frozen.next(usize::MAX);
        self.say_early(&frozen)?;
        self.note_deleted(live)?;
        let keys = self.keys.keys_of(live)?;
        self.keys = GroupTable::new(&self.key_types)?;
        self.keys.intern(&keys, live.len())?;
        self.aggregates.keep(live)?;
        if let Some(ttl) = &mut self.ttl {
            ttl.keep(live);
        }
        self.dead = 0;
        Ok(())
    }

    /// Notes the keys of written groups that are about to be forgotten, and the new numbers of the others.
    fn note_deleted(&mut self, live: &[u32]) -> Result<(), Failure> {
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        for group in self.dirty.take() {
            match live.binary_search(&group) {
                Ok(new) => kept.push(new as u32),
                Err(_) => gone.push(group),
            }
        }
        self.dirty.mark(kept);
        if !gone.is_empty() {
            self.deleted.push(self.keys.keys_of(&gone)?);
        }
        Ok(())
    }

    /// The groups that have rows.
    fn live(&self) -> Vec<u32> {
        let counts = self.aggregates.rows().get(0..self.keys.len());
        let live = (0_u32..).zip(counts).filter(|(_, rows)| **rows != 0);
        live.map(|(group, _)| group).collect()
    }

    /// Notes what is written from now on.
    pub(in crate::operator) fn track_changes(&mut self) {
        self.dirty.track();
    }

    /// These groups are written.
    pub(in crate::operator) fn mark(&mut self, groups: &[u32]) {
        self.dirty.mark(groups.iter().copied());
    }

    /// The groups that were written since the last call.
    pub(in crate::operator) fn take_dirty(&mut self) -> Vec<u32> {
        self.dirty.take()
    }

    /// The types of the columns that it is kept in besides the keys: what the accumulators say, and when a group was last written if
    /// groups go with time.
    pub(in crate::operator) fn state_types(&self) -> Vec<DataType> {
        let mut types = self.aggregates.state_types();
        types.extend(self.ttl.as_ref().map(|_| DataType::Int64));
        types
    }

    /// Those columns of any groups.
    pub(in crate::operator) fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let mut columns = self.aggregates.state_of(groups)?;
        if let Some(ttl) = &self.ttl {
            columns.push(Arc::new(Int64Array::from(ttl.written_ms(groups))));
        }
        Ok(columns)
    }

    /// Takes groups: their keys, which are new, and those columns.
    pub(in crate::operator) fn restore(
        &mut self,
        keys: &[ArrayRef],
        state: &[ArrayRef],
    ) -> Result<(), Failure> {
        let first = self.keys.len() as u32;
        let groups = self.keys.intern(keys, state[0].len())?;
        self.aggregates.restore(groups, state)?;
        if let (Some(ttl), Some(written)) = (&mut self.ttl, state.last()) {
            let written = written.as_primitive::<Int64Type>().values();
            for (group, written) in (first..).zip(written) {
                ttl.write([group], *written);
            }
        }
        Ok(())
    }

    /// How many groups it holds.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}
