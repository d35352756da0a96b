//! The state of an aggregation without windows. Nothing outside this file holds any, so that snapshots have one place to look.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use weir_model::Failure;

use crate::operator::{
    aggregate::{Accumulator, Count, Shapes},
    keys::{GroupTable, Groups},
    ttl::Ttl,
};

/// Groups that have lost all their rows before their memory is given back, unless none has any.
const DEAD_GROUPS: usize = 4096;

/// The groups, how many rows each has, and its accumulators.
#[derive(Debug)]
pub(in crate::operator) struct State {
    key_types: Vec<DataType>,
    keys: GroupTable,
    /// Rows per group; COUNT(*) is this.
    rows: Count,
    /// None: COUNT(*).
    aggregates: Vec<Option<Box<dyn Accumulator>>>,
    dead: usize,
    /// When groups go that nothing writes; none: never.
    ttl: Option<Ttl>,
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
        let accumulators = aggregates
            .iter()
            .map(|a| (!a.is_count_star()).then(|| a.accumulator()).transpose());
        Ok(Self {
            keys: GroupTable::new(&key_types)?,
            key_types,
            rows: Count::default(),
            aggregates: accumulators.collect::<Result<_, _>>()?,
            dead: 0,
            ttl: Ttl::new(ttl_ms),
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
        let mut touched = Touched {
            ids,
            total,
            known: known.len(),
            groups: known,
        };
        touched.groups.extend(before as u32..total as u32);
        if let Some(ttl) = &self.ttl {
            let known = touched.groups[..touched.known].iter().copied();
            let is_empty = |group: usize| self.rows.get(group..group + 1) == [0];
            let gone = |group: &u32| ttl.is_over(*group, now_ms) || is_empty(*group as usize);
            let gone: Vec<u32> = known.filter(gone).collect();
            self.renew(&gone, &mut touched, now_ms)?;
        }
        self.write(touched.groups.iter().copied(), now_ms);
        Ok(touched)
    }

    /// Gives the keys of groups, which are in ascending order, new groups without rows; the old ones are left to be forgotten.
    pub(super) fn renew(&mut self, gone: &[u32], touched: &mut Touched, now_ms: i64) -> Result<(), Failure> {
        if gone.is_empty() {
            return Ok(());
        }
        self.dead += self.rows.gather(gone).iter().filter(|rows| **rows != 0).count();
        self.keys.renew(gone);
        let Some(ids) = &mut touched.ids else {
            return self.begin_anew(touched, now_ms);
        };
        self.rows.forget(gone);
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
        touched.groups.extend(first..touched.total as u32);
        self.write(first..touched.total as u32, now_ms);
        Ok(())
    }

    /// Forgets the one group that there is without keys, and begins another.
    fn begin_anew(&mut self, touched: &mut Touched, now_ms: i64) -> Result<(), Failure> {
        self.keep(&[])?;
        self.keys.intern(&[], 1)?;
        self.write([0], now_ms);
        touched.known = 0;
        Ok(())
    }

    fn write(&mut self, groups: impl IntoIterator<Item = u32>, now_ms: i64) {
        if let Some(ttl) = &mut self.ttl {
            ttl.write(groups, now_ms);
        }
    }

    /// Takes raw rows of these groups: per aggregate its argument.
    pub(in crate::operator) fn update(
        &mut self,
        groups: Groups<'_>,
        arguments: &[Option<ArrayRef>],
    ) -> Result<(), Failure> {
        self.rows.rows(groups);
        for (accumulator, argument) in self.aggregates.iter_mut().zip(arguments) {
            if let Some(accumulator) = accumulator {
                accumulator.update(groups, argument.as_ref())?;
            }
        }
        Ok(())
    }

    /// Takes raw rows back.
    pub(in crate::operator) fn retract(
        &mut self,
        groups: Groups<'_>,
        arguments: &[Option<ArrayRef>],
    ) -> Result<(), Failure> {
        self.rows.take_back(groups);
        for (accumulator, argument) in self.aggregates.iter_mut().zip(arguments) {
            if let Some(accumulator) = accumulator {
                accumulator.retract(groups, argument.as_ref())?;
            }
        }
        Ok(())
    }

    /// Takes partial rows: per aggregate its partial columns, and how many raw rows each is.
    pub(in crate::operator) fn merge(
        &mut self,
        groups: Groups<'_>,
        partials: &[Vec<ArrayRef>],
        rows: &ArrayRef,
    ) -> Result<(), Failure> {
        self.rows.add(groups, rows);
        for (accumulator, partial) in self.aggregates.iter_mut().zip(partials) {
            if let Some(accumulator) = accumulator {
                accumulator.merge(groups, partial)?;
            }
        }
        Ok(())
    }

    /// How many rows each of these groups has.
    pub(in crate::operator) fn rows(&self, groups: &[u32]) -> Vec<i64> {
        self.rows.gather(groups)
    }

    /// The key columns of these groups.
    pub(in crate::operator) fn keys(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        self.keys.keys_of(groups)
    }

    /// The result columns of these groups.
    pub(in crate::operator) fn results(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let result = |accumulator: &Option<Box<dyn Accumulator>>| match accumulator {
            Some(accumulator) => accumulator.finish_of(groups),
            None => Accumulator::finish_of(&self.rows, groups),
        };
        self.aggregates.iter().map(result).collect()
    }

    /// Lets groups go whose time is over.
    pub(super) fn sweep(&mut self, now_ms: i64) -> Result<(), Failure> {
        let due = self.ttl.as_mut().map(|ttl| ttl.due(now_ms)).unwrap_or_default();
        let died = self.rows.gather(&due).iter().filter(|rows| **rows != 0).count();
        self.rows.forget(&due);
        self.bury(died, 0)
    }

    /// Notes that so many groups have no rows now, and so many had none before; forgets them when they are many.
    pub(in crate::operator) fn bury(&mut self, dead: usize, dead_before: usize) -> Result<(), Failure> {
        self.dead = (self.dead + dead).saturating_sub(dead_before);
        let groups = self.keys.len();
        if self.dead == 0 || self.dead < DEAD_GROUPS.min(groups) || self.dead * 2 < groups {
            return Ok(());
        }
        let counts = self.rows.get(0..groups);
        let live: Vec<u32> = (0_u32..)
            .zip(counts)
            .filter(|(_, rows)| **rows != 0)
            .map(|(group, _)| group)
            .collect();
        self.keep(&live)
    }

    /// Keeps only these groups, which are numbered in this order from now on.
    fn keep(&mut self, live: &[u32]) -> Result<(), Failure> {
        let keys = self.keys.keys_of(live)?;
        self.keys = GroupTable::new(&self.key_types)?;
        self.keys.intern(&keys, live.len())?;
        self.rows.keep_only(live);
        for accumulator in self.aggregates.iter_mut().flatten() {
            accumulator.keep(live)?;
        }
        if let Some(ttl) = &mut self.ttl {
            ttl.keep(live);
        }
        self.dead = 0;
        Ok(())
    }

    /// How many groups it holds.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}
