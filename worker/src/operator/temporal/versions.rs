//! Versions of keys by the times from which they are valid.

mod snapshot;

use std::{cmp::Reverse, collections::BTreeMap};

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use weir_model::Failure;

use crate::{
    operator::{keys::GroupTable, rank::RowStore, ttl::Ttl},
    state::{Dirty, numbered::NumberedRows},
};

/// No version.
pub(super) const NONE: u32 = u32::MAX;
/// In place of the version before one that is gone.
const GONE: u32 = NONE - 1;
/// So many keys without a version are not worth the work.
const SPARE_KEYS: usize = 1 << 16;
/// Keys that are read back at once.
const PART: usize = 8192;

/// Versions of keys, those of a key linked from the newest to the oldest.
#[derive(Debug)]
pub(super) struct Versions {
    schema: SchemaRef,
    /// The number of a version is its time, of which a key has one version.
    layout: NumberedRows,
    key_types: Vec<DataType>,
    keys: GroupTable,
    /// The newest version of each key, by its slot.
    newest: Vec<u32>,
    /// Keys that have a version.
    live_keys: usize,
    rows: RowStore,
    /// By slot: the time from which the version is valid, and the version before it.
    times: Vec<i64>,
    older: Vec<u32>,
    /// Keys with a version before the one that is valid from that time on.
    superseded: BTreeMap<i64, Vec<u32>>,
    /// When rows or versions last came for each key, if versions go without that.
    ttl: Option<Ttl>,
    changes: Changes,
}

/// What has changed since the last snapshot.
#[derive(Debug, Default)]
struct Changes {
    /// Slots of versions that are new.
    new: Dirty,
    /// By what versions are found that were known and are gone.
    gone: Vec<Vec<ArrayRef>>,
    /// Keys whose time began anew, or that have no versions any more; of no interest where versions do not go with time.
    touched: Dirty,
    /// Keys of those that were forgotten.
    forgotten: Vec<Vec<ArrayRef>>,
}

impl Versions {
    /// None yet, with the key in these columns; those of a key live for so long after rows or versions came for it, ms, or for ever if
    /// that is 0.
    pub(super) fn new(
        schema: SchemaRef,
        keys: &[usize],
        key_types: Vec<DataType>,
        ttl_ms: u64,
    ) -> Result<Self, Failure> {
        Ok(Self {
            layout: NumberedRows::new(&schema, schema.fields().len(), keys),
            keys: GroupTable::new(&key_types)?,
            key_types,
            schema,
            newest: Vec::new(),
            live_keys: 0,
            rows: RowStore::default(),
            times: Vec::new(),
            older: Vec::new(),
            superseded: BTreeMap::new(),
            ttl: Ttl::new(ttl_ms),
            changes: Changes::default(),
        })
    }

    /// The keys' numbers.
    fn groups(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>, Failure> {
        let groups = self.keys.intern(keys, rows)?;
        let ids = groups.ids.map_or_else(|| vec![0; rows], <[u32]>::to_vec);
        if self.newest.len() < groups.total {
            self.newest.resize(groups.total, NONE);
        }
        Ok(ids)
    }

    /// Adds versions, none of which has a null in its key; of those of one time, the one that comes last is valid.
    pub(super) fn add(
        &mut self,
        batch: &RecordBatch,
        keys: &[ArrayRef],
        times: &[i64],
        now_ms: i64,
    ) -> Result<(), Failure> {
        let groups = self.groups(keys, batch.num_rows())?;
        self.drop_over(&groups, now_ms)?;
        self.insert(batch, &groups, times, false)?;
        self.touch(&groups, now_ms);
        Ok(())
    }

    /// Links versions of these keys in; the last snapshot knows them or does not.
    fn insert(
        &mut self,
        batch: &RecordBatch,
        groups: &[u32],
        times: &[i64],
        is_known: bool,
    ) -> Result<(), Failure> {
        let all: Vec<u32> = (0..batch.num_rows() as u32).collect();
        let mut slots = Vec::new();
        self.rows
            .add(batch.columns(), batch.num_rows(), &all, &mut slots)?;
        let places = slots.iter().max().map_or(0, |slot| *slot as usize + 1);
        if self.times.len() < places {
            self.times.resize(places, 0);
            self.older.resize(places, GONE);
        }
        for (slot, time) in slots.iter().zip(times) {
            self.times[*slot as usize] = *time;
        }
        if is_known {
            self.changes.new.unmark(&slots);
        } else {
            self.changes.new.mark(slots.iter().copied());
        }
        let mut order = all;
        order.sort_unstable_by_key(|row| (groups[*row as usize], Reverse((times[*row as usize], *row))));
        let mut replaced = Vec::new();
        let mut rows = order.into_iter().peekable();
        while let Some(row) = rows.next() {
            let group = groups[row as usize];
            let mut newer = self.link(slots[row as usize], group, NONE, &mut replaced);
            while let Some(row) = rows.next_if(|row| groups[*row as usize] == group) {
                newer = self.link(slots[row as usize], group, newer, &mut replaced);
            }
        }
        self.remove(&replaced)
    }

    /// Forgets versions that are linked no more.
    fn remove(&mut self, slots: &[u32]) -> Result<(), Failure> {
        self.note_gone(slots)?;
        for slot in slots {
            self.rows.remove(*slot);
            self.older[*slot as usize] = GONE;
        }
        Ok(())
    }

    /// Begins the time of keys anew that have a version.
    fn touch(&mut self, groups: &[u32], now_ms: i64) {
        let newest = &self.newest;
        let has_version = |group: &u32| newest.get(*group as usize).is_some_and(|slot| *slot != NONE);
        if let Some(ttl) = &mut self.ttl {
            let groups = groups.iter().copied().filter(has_version);
            ttl.write(groups.clone(), now_ms);
            self.changes.touched.mark(groups);
        }
    }

    /// Drops the versions of those of these keys whose time is over.
    fn drop_over(&mut self, groups: &[u32], now_ms: i64) -> Result<(), Failure> {
        self.begin_times(now_ms);
        let Some(ttl) = &self.ttl else { return Ok(()) };
        let over = groups.iter().copied().filter(|group| ttl.is_over(*group, now_ms));
        let over: Vec<u32> = over.collect();
        self.drop_keys(&over)
    }

    /// Begins the time of all keys, if none has one: they were restored from a job whose versions did not go with time.
    fn begin_times(&mut self, now_ms: i64) {
        let is_begun = |ttl: &Ttl| ttl.timer_ms().is_some();
        if self.live_keys > 0 && !self.ttl.as_ref().is_none_or(is_begun) {
            let all: Vec<u32> = (0..self.newest.len() as u32).collect();
            self.touch(&all, now_ms);
        }
    }

    /// Drops all versions of keys.
    fn drop_keys(&mut self, groups: &[u32]) -> Result<(), Failure> {
        let mut gone = Vec::new();
        for group in groups {
            let Some(newest) = self.newest.get_mut(*group as usize) else {
                continue;
            };
            let newest = std::mem::replace(newest, NONE);
            if newest != NONE {
                self.live_keys -= 1;
                self.changes.touched.mark([*group]);
                self.chain(newest, &mut gone);
            }
        }
        self.remove(&gone)
    }

    /// Adds a version and those before it.
    fn chain(&self, mut version: u32, to: &mut Vec<u32>) {
        while version != NONE {
            to.push(version);
            version = self.older[version as usize];
        }
    }

    /// Whether versions go when nothing comes for their key.
    pub(super) fn has_ttl(&self) -> bool {
        self.ttl.is_some()
    }

    /// When versions go next, ms since 1970.
    pub(super) fn timer_ms(&self) -> Option<i64> {
        self.ttl.as_ref()?.timer_ms()
    }

    /// Drops the versions of the keys for which nothing has come for too long.
    pub(super) fn drop_untouched(&mut self, now_ms: i64) -> Result<(), Failure> {
        let Some(ttl) = &mut self.ttl else { return Ok(()) };
        let due = ttl.due(now_ms);
        self.drop_keys(&due)?;
        self.rows.tidy()?;
        self.forget_keys()
    }

    /// Links a version in behind those that are newer, of which `newer` is one; returns it. Of two of one time, the one that has come
    /// first is replaced.
    fn link(&mut self, slot: u32, group: u32, mut newer: u32, replaced: &mut Vec<u32>) -> u32 {
        let time = self.times[slot as usize];
        if newer != NONE && self.times[newer as usize] == time {
            replaced.push(slot);
            return newer;
        }
        let mut at = if newer == NONE {
            self.newest[group as usize]
        } else {
            self.older[newer as usize]
        };
        self.live_keys += usize::from(newer == NONE && at == NONE);
        while at != NONE && self.times[at as usize] > time {
            newer = at;
            at = self.older[at as usize];
        }
        if at != NONE && self.times[at as usize] == time {
            replaced.push(at);
            at = self.older[at as usize];
        }
        self.older[slot as usize] = at;
        if newer == NONE {
            self.newest[group as usize] = slot;
        } else {
            self.older[newer as usize] = slot;
            self.supersede(self.times[newer as usize], group);
        }
        if at != NONE {
            self.supersede(time, group);
        }
        slot
    }

    fn supersede(&mut self, time: i64, group: u32) {
        let groups = self.superseded.entry(time).or_default();
        if groups.last() != Some(&group) {
            groups.push(group);
        }
    }

    /// The version of each of these keys that is valid at a time: its slot, or [`NONE`].
    pub(super) fn valid(
        &mut self,
        keys: &[ArrayRef],
        times: &[i64],
        now_ms: i64,
    ) -> Result<Vec<u32>, Failure> {
        let mut groups = self.groups(keys, times.len())?;
        self.drop_over(&groups, now_ms)?;
        self.touch(&groups, now_ms);
        for nulls in keys.iter().filter_map(Array::logical_nulls) {
            for (group, _) in groups.iter_mut().zip(&nulls).filter(|(_, valid)| !valid) {
                *group = NONE;
            }
        }
        let mut order: Vec<u32> = (0..times.len() as u32).collect();
        order.sort_unstable_by_key(|row| (groups[*row as usize], Reverse(times[*row as usize])));
        let mut valid = vec![NONE; times.len()];
        let (mut group, mut at) = (NONE, NONE);
        for row in order {
            let row = row as usize;
            if groups[row] != group {
                group = groups[row];
                at = self.newest.get(group as usize).copied().unwrap_or(NONE);
            }
            while at != NONE && self.times[at as usize] > times[row] {
                at = self.older[at as usize];
            }
            valid[row] = at;
        }
        Ok(valid)
    }

    /// The columns of versions.
    pub(super) fn columns(&self, slots: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        if slots.is_empty() {
            let empty = RecordBatch::new_empty(SchemaRef::clone(&self.schema));
            return Ok(empty.columns().to_vec());
        }
        self.rows.gather(slots, &[], self.schema.fields().len())
    }

    /// Drops the versions before the one that is valid at the watermark, and gives memory back.
    pub(super) fn drop_superseded(&mut self, watermark: i64) -> Result<(), Failure> {
        let mut groups = Vec::new();
        while let Some(entry) = self.superseded.first_entry() {
            if *entry.key() > watermark {
                break;
            }
            groups.append(&mut entry.remove());
        }
        groups.sort_unstable();
        groups.dedup();
        let mut gone = Vec::new();
        for group in groups {
            let mut at = self.newest[group as usize];
            while at != NONE && self.times[at as usize] > watermark {
                at = self.older[at as usize];
            }
            if at != NONE {
                let over = std::mem::replace(&mut self.older[at as usize], NONE);
                self.chain(over, &mut gone);
            }
        }
        self.remove(&gone)?;
        self.rows.tidy()?;
        self.forget_keys()
    }

    /// Numbers the keys anew that have a version, if most have none: rows came with them that waited for one.
    fn forget_keys(&mut self) -> Result<(), Failure> {
        if self.newest.len() < 2 * self.live_keys + SPARE_KEYS || self.key_types.is_empty() {
            return Ok(());
        }
        let live: Vec<u32> = (0_u32..)
            .zip(&self.newest)
            .filter(|(_, newest)| **newest != NONE)
            .map(|(group, _)| group)
            .collect();
        self.note_forgotten()?;
        self.changes.touched.keep(&live);
        let mut keys = GroupTable::new(&self.key_types)?;
        for part in live.chunks(PART) {
            keys.intern(&self.keys.keys_of(part)?, part.len())?;
        }
        let mut names = vec![NONE; self.newest.len()];
        for (name, group) in (0_u32..).zip(&live) {
            names[*group as usize] = name;
        }
        for groups in self.superseded.values_mut() {
            groups.retain_mut(|group| {
                *group = names[*group as usize];
                *group != NONE
            });
        }
        if let Some(ttl) = &mut self.ttl {
            ttl.keep(&live);
        }
        self.newest = live.iter().map(|group| self.newest[*group as usize]).collect();
        self.keys = keys;
        Ok(())
    }

    /// Versions that are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.sizes().0
    }

    /// Keys that are kept.
    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.newest.len()
    }
}
