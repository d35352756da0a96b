//! The first rows of each key, when rows are only appended: no other rows are kept. Or the one row of each key, when it is said what that is.

use std::{cmp::Ordering, slice};

use arrow_array::Int8Array;
use weir_connector::RowKind;
use weir_model::Failure;

use super::{
    changelog::{Content, Fresh},
    order::Keys,
    rows::{FRESH, RowStore},
    snapshot::Said,
};
use crate::operator::keys::Groups;

/// The first rows of each group, and what they were before the batch at hand.
#[derive(Debug)]
pub(super) struct Tops<K> {
    limit: usize,
    prefers_later: bool,
    /// A row takes the place of its key's, or takes it away.
    upserts: bool,
    lists: Vec<List<K>>,
    /// The batch that last changed each group.
    changed_in: Vec<u32>,
    batch: u32,
    changed: Vec<Changed>,
    /// The slots that changed groups had before the batch.
    before: Vec<u32>,
    after: Vec<u32>,
    /// How many rows of each group snapshots know.
    told: Vec<u32>,
}

/// A group that the batch at hand changed, and where its former slots end.
#[derive(Debug)]
struct Changed {
    group: u32,
    before: usize,
}

#[derive(Clone, Debug)]
struct Entry<K> {
    key: K,
    slot: u32,
}

/// Entries in their order; one alone needs no memory elsewhere.
#[derive(Clone, Debug, Default)]
enum List<K> {
    #[default]
    Empty,
    One(Entry<K>),
    Many(Vec<Entry<K>>),
}

impl<K> List<K> {
    fn entries(&self) -> &[Entry<K>] {
        match self {
            Self::Empty => &[],
            Self::One(entry) => slice::from_ref(entry),
            Self::Many(entries) => entries,
        }
    }

    fn entries_mut(&mut self) -> &mut [Entry<K>] {
        match self {
            Self::Empty => &mut [],
            Self::One(entry) => slice::from_mut(entry),
            Self::Many(entries) => entries,
        }
    }

    /// Puts an entry at a place; the last one makes room if the list is full.
    fn insert(&mut self, place: usize, entry: Entry<K>, limit: usize) {
        match self {
            Self::Many(entries) => {
                if entries.len() == limit {
                    entries.pop();
                }
                entries.insert(place, entry);
            }
            Self::One(_) if limit > 1 => {
                if let Self::One(old) = std::mem::take(self) {
                    let both = if place == 0 {
                        vec![entry, old]
                    } else {
                        vec![old, entry]
                    };
                    *self = Self::Many(both);
                }
            }
            Self::Empty | Self::One(_) => *self = Self::One(entry),
        }
    }
}

impl<K: Clone> Tops<K> {
    /// The first so many rows of each group; `prefers_later`: of rows that order alike, the later one comes first.
    pub(super) fn new(limit: usize, prefers_later: bool) -> Self {
        Self {
            limit,
            prefers_later,
            upserts: false,
            lists: Vec::new(),
            changed_in: Vec::new(),
            batch: 0,
            changed: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            told: Vec::new(),
        }
    }

    /// The row of each group that came last, unless it was taken away.
    pub(super) fn upserts() -> Self {
        Self {
            upserts: true,
            ..Self::new(1, true)
        }
    }

    /// Forgets all rows, whose slots mean nothing any more; says whether snapshots know any.
    pub(super) fn clear(&mut self) -> bool {
        self.lists.fill_with(List::default);
        self.told.iter().any(|told| *told > 0)
    }

    /// The slots of each group in their order.
    pub(super) fn lists(&self) -> impl Iterator<Item = impl Iterator<Item = u32>> {
        self.lists
            .iter()
            .map(|list| list.entries().iter().map(|e| e.slot))
    }

    /// What is there of each group after the batch; what was before is known.
    fn upsert<C: Keys<Key = K>>(&mut self, groups: Groups<'_>, keys: &C, ops: Option<&Int8Array>) {
        for row in 0..groups.rows {
            let kind = ops.and_then(|ops| RowKind::from_byte(ops.value(row)));
            if kind == Some(RowKind::UpdateBefore) {
                continue;
            }
            let group = groups.ids.map_or(0, |ids| ids[row] as usize);
            self.remember(group);
            self.lists[group] = match kind {
                Some(RowKind::Delete) => List::Empty,
                _ => List::One(Entry {
                    key: keys.key(row),
                    slot: FRESH | row as u32,
                }),
            };
        }
    }

    fn remember(&mut self, group: usize) {
        if self.changed_in[group] != self.batch {
            self.changed_in[group] = self.batch;
            self.before
                .extend(self.lists[group].entries().iter().map(|e| e.slot));
            self.changed.push(Changed {
                group: group as u32,
                before: self.before.len(),
            });
        }
    }
}

impl<C: Keys> Content<C> for Tops<C::Key> {
    fn tables(&self) -> [&'static str; 2] {
        ["first rows", "first rows written"]
    }

    fn update(
        &mut self,
        groups: Groups<'_>,
        keys: &C,
        ops: Option<&Int8Array>,
        _fresh: &mut Fresh<'_>,
        _rows: &mut RowStore,
    ) -> Result<(), Failure> {
        self.batch = self.batch.wrapping_add(1);
        self.lists.resize_with(groups.total, List::default);
        // No batch has the number before this one's any more when numbers have come round.
        self.changed_in.resize(groups.total, self.batch.wrapping_sub(1));
        if self.upserts {
            self.upsert(groups, keys, ops);
            return Ok(());
        }
        for row in 0..groups.rows {
            let group = groups.ids.map_or(0, |ids| ids[row] as usize);
            let entries = self.lists[group].entries();
            let comes_before = |key: &C::Key| match keys.compare(row, key) {
                Ordering::Less => true,
                Ordering::Equal => self.prefers_later,
                Ordering::Greater => false,
            };
            if entries.len() == self.limit && entries.last().is_none_or(|e| !comes_before(&e.key)) {
                continue;
            }
            let place = entries.partition_point(|e| !comes_before(&e.key));
            self.remember(group);
            let entry = Entry {
                key: keys.key(row),
                slot: FRESH | row as u32,
            };
            self.lists[group].insert(place, entry, self.limit);
        }
        Ok(())
    }

    fn changes(&mut self, visit: &mut dyn FnMut(&[u32], &[u32])) {
        let mut start = 0;
        for Changed { group, before } in &self.changed {
            self.after.clear();
            let entries = self.lists[*group as usize].entries();
            self.after.extend(entries.iter().map(|e| e.slot));
            visit(&self.before[start..*before], &self.after);
            start = *before;
        }
    }

    fn changed(&self) -> Vec<u32> {
        self.changed.iter().map(|changed| changed.group).collect()
    }

    fn forget(&mut self, group: u32, rows: &mut RowStore) -> bool {
        let list = std::mem::take(&mut self.lists[group as usize]);
        for entry in list.entries() {
            rows.remove(entry.slot);
        }
        !list.entries().is_empty()
    }

    fn has_rows(&self, group: u32) -> bool {
        !self.lists[group as usize].entries().is_empty()
    }

    fn keep(&mut self, groups: &[u32]) {
        let list = |group: &u32| std::mem::take(&mut self.lists[*group as usize]);
        self.lists = groups.iter().map(list).collect();
        self.changed_in = groups
            .iter()
            .map(|group| self.changed_in[*group as usize])
            .collect();
        let told = |group: &u32| self.told.get(*group as usize).copied().unwrap_or_default();
        self.told = groups.iter().map(told).collect();
    }

    fn settle(&mut self, fresh: &mut Fresh<'_>, rows: &mut RowStore) -> Result<(), Failure> {
        let mut start = 0;
        for Changed { group, before } in &self.changed {
            let entries = self.lists[*group as usize].entries();
            for slot in &self.before[start..*before] {
                if !entries.iter().any(|e| e.slot == *slot) {
                    rows.remove(*slot);
                }
            }
            start = *before;
            fresh.keep(entries.iter().map(|e| e.slot));
        }
        fresh.store(rows)?;
        for Changed { group, .. } in self.changed.drain(..) {
            for entry in self.lists[group as usize].entries_mut() {
                entry.slot = fresh.slot(entry.slot);
            }
        }
        self.before.clear();
        Ok(())
    }

    /// Snapshots know a group's rows by their places: one that takes another's overwrites it.
    fn track(&mut self) {}

    fn all(&self, said: &mut Said) {
        for (group, list) in (0..).zip(&self.lists) {
            for (place, entry) in (0..).zip(list.entries()) {
                said.write(group, place, entry.slot);
            }
        }
    }

    fn news(&mut self, groups: &[u32], said: &mut Said) {
        self.told.resize(self.lists.len(), 0);
        for &group in groups {
            let entries = self.lists[group as usize].entries();
            for (place, entry) in (0..).zip(entries) {
                said.write(group, place, entry.slot);
            }
            let told = std::mem::replace(&mut self.told[group as usize], entries.len() as u32);
            (entries.len() as i64..i64::from(told)).for_each(|place| said.delete(group, place));
        }
    }

    fn restore(
        &mut self,
        groups: Groups<'_>,
        keys: &C,
        _numbers: &[i64],
        fresh: &mut Fresh<'_>,
        rows: &mut RowStore,
    ) -> Result<(), Failure> {
        fresh.keep_rows(0..groups.rows as u32);
        fresh.store(rows)?;
        self.lists.resize_with(groups.total, List::default);
        self.changed_in.resize(groups.total, self.batch);
        self.told.resize(groups.total, 0);
        for row in 0..groups.rows {
            let group = groups.ids.map_or(0, |ids| ids[row] as usize);
            self.told[group] += 1;
            let (list, slot) = (&mut self.lists[group], fresh.slot_of_row(row));
            let place = list.entries().len();
            if place < self.limit {
                let key = keys.key(row);
                list.insert(place, Entry { key, slot }, self.limit);
            } else {
                // The limit is lower than it was.
                rows.remove(slot);
            }
        }
        Ok(())
    }
}
