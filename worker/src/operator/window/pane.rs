//! The state of a window aggregate: panes of groups. Nothing outside this file holds any; `snapshot` says it as rows.

use std::{collections::BTreeMap, ops::Range};

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use weir_model::Failure;

use crate::{
    operator::{
        aggregate::{Accumulators, Shapes, parts},
        keys::{GroupTable, Groups},
    },
    state::{Dirty, table::Part},
};

/// The groups of one pane and their accumulators.
#[derive(Debug)]
pub(in crate::operator) struct Pane {
    groups: GroupTable,
    aggregates: Accumulators,
    dirty: Dirty,
    /// How many groups, from the first on, have been in a snapshot.
    told: usize,
}

impl Pane {
    /// No groups yet.
    pub(in crate::operator) fn new(keys: &[DataType], aggregates: &Shapes) -> Result<Self, Failure> {
        Ok(Self {
            groups: GroupTable::new(keys)?,
            aggregates: Accumulators::new(aggregates)?,
            dirty: Dirty::default(),
            told: 0,
        })
    }

    /// Takes raw rows: their keys, and per aggregate its argument.
    pub(in crate::operator) fn update(
        &mut self,
        keys: &[ArrayRef],
        arguments: &[Option<ArrayRef>],
        rows: usize,
    ) -> Result<(), Failure> {
        let groups = self.groups.intern(keys, rows)?;
        self.dirty.mark_rows(groups.ids, rows);
        self.aggregates.update(groups, arguments)
    }

    /// Takes partial rows: their keys, per aggregate its partial columns, and how many raw rows each is.
    pub(in crate::operator) fn merge(
        &mut self,
        keys: &[ArrayRef],
        partials: &[Vec<ArrayRef>],
        rows: &ArrayRef,
    ) -> Result<(), Failure> {
        let groups = self.groups.intern(keys, rows.len())?;
        self.dirty.mark_rows(groups.ids, rows.len());
        self.aggregates.merge(groups, partials, rows)
    }

    /// Takes all rows of another pane.
    pub(in crate::operator) fn absorb(&mut self, other: &Self) -> Result<(), Failure> {
        for groups in super::partial::chunks(other.len()) {
            let keys = other.keys(groups.clone())?;
            let numbered = self.groups.intern(&keys, groups.len())?;
            self.dirty.mark_rows(numbered.ids, groups.len());
            self.aggregates.absorb(numbered, &other.aggregates, groups)?;
        }
        Ok(())
    }

    /// The groups of some groups of another pane in this one, made if need be.
    pub(in crate::operator) fn number(
        &mut self,
        other: &Self,
        groups: Range<usize>,
        ids: &mut Vec<u32>,
    ) -> Result<(), Failure> {
        let keys = other.keys(groups.clone())?;
        match self.groups.intern(&keys, groups.len())?.ids {
            Some(numbers) => ids.extend_from_slice(numbers),
            None => ids.resize(ids.len() + groups.len(), 0),
        }
        Ok(())
    }

    /// Takes all rows of another pane, whose groups have these numbers here. Returns whether one of its aggregates has no value.
    pub(in crate::operator) fn absorb_numbered(
        &mut self,
        other: &Self,
        ids: &[u32],
    ) -> Result<bool, Failure> {
        let groups = Groups {
            ids: Some(ids),
            rows: ids.len(),
            total: self.groups.len(),
        };
        self.aggregates.absorb(groups, &other.aggregates, 0..ids.len())
    }

    /// Takes a row of no values for every group: where there are groups without rows, accumulators must know that.
    pub(in crate::operator) fn seed(&mut self, aggregates: &Shapes) -> Result<(), Failure> {
        let all: Vec<u32> = (0..self.groups.len() as u32).collect();
        let groups = Groups {
            ids: Some(&all),
            rows: all.len(),
            total: all.len(),
        };
        self.aggregates.seed(groups, aggregates)
    }

    /// How many raw rows each of some groups has, as numbers.
    pub(in crate::operator) fn counts(&self, groups: Range<usize>) -> &[i64] {
        self.aggregates.rows().get(groups)
    }

    /// Forgets all rows; groups keep their numbers.
    pub(in crate::operator) fn clear_rows(&mut self) {
        self.aggregates.clear();
    }

    /// How many groups there are.
    pub(in crate::operator) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The key columns of some groups.
    pub(in crate::operator) fn keys(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        self.groups.keys(groups)
    }

    /// The partial columns of some groups, aggregate by aggregate.
    pub(in crate::operator) fn partials(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        self.aggregates.partials(groups)
    }

    /// How many raw rows each of some groups has.
    pub(in crate::operator) fn rows(&self, groups: Range<usize>) -> ArrayRef {
        self.aggregates.rows().column(groups)
    }

    /// The result columns of some groups.
    pub(in crate::operator) fn results(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        self.aggregates.results(groups)
    }

    /// Notes from now on which groups are written. Those that there are have been in a snapshot.
    pub(super) fn track_changes(&mut self) {
        self.dirty.track();
        self.told = self.len();
    }

    /// The groups that were written since the last call. All have been in a snapshot then.
    pub(super) fn take_dirty(&mut self) -> Vec<u32> {
        self.told = self.len();
        self.dirty.take()
    }

    /// The key columns of any groups.
    pub(super) fn keys_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        self.groups.keys_of(groups)
    }

    /// The state of any groups, a row each, without their keys.
    pub(super) fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        self.aggregates.state_of(groups)
    }

    /// Takes groups: their keys, which are new, and their state.
    pub(super) fn restore(&mut self, keys: &[ArrayRef], state: &[ArrayRef]) -> Result<(), Failure> {
        let groups = self.groups.intern(keys, state[0].len())?;
        self.aggregates.restore(groups, state)?;
        self.told = self.len();
        Ok(())
    }

    /// Forgets all groups and keeps the memory.
    pub(in crate::operator) fn clear(&mut self) {
        self.groups.clear();
        self.clear_rows();
        self.dirty.take();
        self.told = 0;
    }
}

/// The live panes of an operator, by start.
#[derive(Debug)]
pub(in crate::operator) struct Panes {
    keys: Vec<DataType>,
    aggregates: Shapes,
    /// The columns that the state of a group is kept in.
    parts: Vec<Part>,
    live: BTreeMap<i64, Pane>,
    /// An emptied pane, whose memory the next one takes over.
    spare: Option<Pane>,
    pub(super) tracking: Tracking,
}

/// What has become of panes that were in a snapshot.
#[derive(Debug, Default)]
pub(super) struct Tracking {
    pub(super) is_on: bool,
    /// Keys of groups of panes that have gone since the last snapshot, with the pane's start.
    pub(super) deleted: Vec<(i64, Vec<ArrayRef>, usize)>,
}

impl Panes {
    /// No panes yet, of groups by keys of these types.
    pub(in crate::operator) fn new(keys: Vec<DataType>, aggregates: Shapes) -> Result<Self, Failure> {
        // Finds at once what cannot be aggregated.
        let spare = Pane::new(&keys, &aggregates)?;
        Ok(Self {
            parts: parts(&aggregates)?,
            keys,
            aggregates,
            live: BTreeMap::new(),
            spare: Some(spare),
            tracking: Tracking::default(),
        })
    }

    /// The aggregates of each pane.
    pub(in crate::operator) fn aggregates(&self) -> &Shapes {
        &self.aggregates
    }

    /// The pane that starts here, made if need be.
    pub(in crate::operator) fn pane(&mut self, start: i64) -> Result<&mut Pane, Failure> {
        match self.live.entry(start) {
            std::collections::btree_map::Entry::Occupied(pane) => Ok(pane.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => {
                let mut pane = match self.spare.take() {
                    Some(pane) => pane,
                    None => Pane::new(&self.keys, &self.aggregates)?,
                };
                if self.tracking.is_on {
                    pane.track_changes();
                }
                Ok(place.insert(pane))
            }
        }
    }

    /// An empty pane of the same groups and aggregates, which is not one of these.
    pub(in crate::operator) fn empty(&self) -> Result<Pane, Failure> {
        Pane::new(&self.keys, &self.aggregates)
    }

    /// The start of the earliest pane.
    pub(in crate::operator) fn first(&self) -> Option<i64> {
        self.live.first_key_value().map(|(start, _)| *start)
    }

    /// The start of the earliest pane that is not before this.
    pub(in crate::operator) fn first_from(&self, start: i64) -> Option<i64> {
        self.live.range(start..).next().map(|(start, _)| *start)
    }

    /// The panes that start in a range of time.
    pub(in crate::operator) fn range(&self, starts: Range<i64>) -> impl Iterator<Item = (i64, &Pane)> {
        self.live.range(starts).map(|(start, pane)| (*start, pane))
    }

    /// The pane that starts here, if there is one.
    pub(in crate::operator) fn get(&self, start: i64) -> Option<&Pane> {
        self.live.get(&start)
    }

    /// Removes the pane that starts here.
    pub(in crate::operator) fn remove(&mut self, start: i64) -> Option<Pane> {
        self.live.remove(&start)
    }

    /// Removes the earliest pane if `due` says so of its start.
    pub(in crate::operator) fn pop(&mut self, due: impl FnOnce(i64) -> bool) -> Option<(i64, Pane)> {
        let first = self.live.first_entry()?;
        due(*first.key()).then(|| first.remove_entry())
    }

    /// Takes back the pane that started here, which is no longer needed.
    pub(in crate::operator) fn recycle(&mut self, start: i64, mut pane: Pane) -> Result<(), Failure> {
        let told = if self.tracking.is_on { pane.told } else { 0 };
        for groups in super::partial::chunks(told) {
            let rows = groups.len();
            self.tracking.deleted.push((start, pane.keys(groups)?, rows));
        }
        if self.spare.is_none() {
            pane.clear();
            self.spare = Some(pane);
        }
        Ok(())
    }

    /// All panes, by start.
    pub(super) fn all(&mut self) -> impl Iterator<Item = (i64, &mut Pane)> {
        self.live.iter_mut().map(|(start, pane)| (*start, pane))
    }

    /// The types of the keys.
    pub(super) fn key_types(&self) -> &[DataType] {
        &self.keys
    }

    /// The columns that the state of a group is kept in.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }
}
