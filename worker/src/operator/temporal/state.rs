//! The state of a temporal join: rows that wait for their time, and versions by key. Nothing outside this file holds any.

use std::{cmp::Reverse, collections::BTreeMap};

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::interleave::interleave_record_batch;
use weir_model::Failure;

use crate::operator::{keys::GroupTable, rank::RowStore, ttl::Ttl};

/// No version.
pub(super) const NONE: u32 = u32::MAX;
/// Rows that are given out together, about.
const DUE_ROWS: usize = 8192;
/// So many keys without a version are not worth the work.
const SPARE_KEYS: usize = 1 << 16;

#[derive(Debug)]
pub(super) struct State {
    pub(super) waiting: Waiting,
    pub(super) versions: Versions,
}

/// Rows until the watermark has reached their time.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By the earliest time of the rows that are left in a batch, and its place in the order of arrival.
    batches: BTreeMap<(i64, u64), Batch>,
    arrived: u64,
}

#[derive(Debug)]
struct Batch {
    rows: RecordBatch,
    times: ScalarBuffer<i64>,
    /// The rows, by time.
    by_time: Vec<u32>,
    /// How many of these have left.
    gone: usize,
    is_late: bool,
}

/// Rows whose time the watermark has reached, in the order of arrival.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) rows: RecordBatch,
    pub(super) times: Vec<i64>,
    /// Whether the watermark had reached their time when they came.
    pub(super) is_late: bool,
}

impl Waiting {
    pub(super) fn add(&mut self, rows: RecordBatch, times: ScalarBuffer<i64>, is_late: bool) {
        let mut by_time: Vec<u32> = (0..times.len() as u32).collect();
        if !times.is_sorted() {
            by_time.sort_by_key(|row| times[*row as usize]);
        }
        let Some(first) = by_time.first() else { return };
        let at = (times[*first as usize], self.arrived);
        self.arrived += 1;
        let batch = Batch {
            rows,
            times,
            by_time,
            gone: 0,
            is_late,
        };
        self.batches.insert(at, batch);
    }

    /// The rows that are due at a watermark.
    pub(super) fn due(&mut self, watermark: i64) -> Result<Vec<Due>, Failure> {
        let mut parts = Vec::new();
        while let Some(entry) = self.batches.first_entry() {
            if entry.key().0 > watermark {
                break;
            }
            let ((_, arrival), mut batch) = entry.remove_entry();
            let left = &batch.by_time[batch.gone..];
            let count = left.partition_point(|row| batch.times[*row as usize] <= watermark);
            let mut rows = left[..count].to_vec();
            rows.sort_unstable();
            batch.gone += count;
            parts.push((arrival, rows, batch));
        }
        parts.sort_by_key(|(arrival, ..)| *arrival);
        let due = pieces(&parts)?;
        for (arrival, _, batch) in parts {
            if let Some(next) = batch.by_time.get(batch.gone) {
                self.batches.insert((batch.times[*next as usize], arrival), batch);
            }
        }
        Ok(due)
    }

    /// Rows that wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.batches.values().map(|b| b.by_time.len() - b.gone).sum()
    }
}

/// Rows of batches as batches of a good size; late ones by themselves.
fn pieces(parts: &[(u64, Vec<u32>, Batch)]) -> Result<Vec<Due>, Failure> {
    let mut due = Vec::new();
    let mut from = 0;
    while from < parts.len() {
        let is_late = parts[from].2.is_late;
        let (mut to, mut count) = (from, 0);
        while to < parts.len() && parts[to].2.is_late == is_late && (count < DUE_ROWS || to == from) {
            count += parts[to].1.len();
            to += 1;
        }
        due.push(piece(&parts[from..to], is_late)?);
        from = to;
    }
    Ok(due)
}

fn piece(parts: &[(u64, Vec<u32>, Batch)], is_late: bool) -> Result<Due, Failure> {
    if let [(_, rows, batch)] = parts
        && rows.len() == batch.rows.num_rows()
    {
        return Ok(Due {
            rows: batch.rows.clone(),
            times: batch.times.to_vec(),
            is_late,
        });
    }
    let (mut places, mut times) = (Vec::new(), Vec::new());
    for (part, (_, rows, batch)) in parts.iter().enumerate() {
        places.extend(rows.iter().map(|row| (part, *row as usize)));
        times.extend(rows.iter().map(|row| batch.times[*row as usize]));
    }
    let batches: Vec<&RecordBatch> = parts.iter().map(|(_, _, batch)| &batch.rows).collect();
    let rows = interleave_record_batch(&batches, &places).map_err(|e| broken(&e))?;
    Ok(Due { rows, times, is_late })
}

/// Versions of keys, those of a key linked from the newest to the oldest.
#[derive(Debug)]
pub(super) struct Versions {
    schema: SchemaRef,
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
}

impl Versions {
    /// None yet; those of a key live for so long after rows or versions came for it, ms, or for ever if that is 0.
    pub(super) fn new(schema: SchemaRef, key_types: Vec<DataType>, ttl_ms: u64) -> Result<Self, Failure> {
        Ok(Self {
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
        self.drop_over(&groups, now_ms);
        let all: Vec<u32> = (0..batch.num_rows() as u32).collect();
        let mut slots = Vec::new();
        self.rows
            .add(batch.columns(), batch.num_rows(), &all, &mut slots)?;
        let places = slots.iter().max().map_or(0, |slot| *slot as usize + 1);
        if self.times.len() < places {
            self.times.resize(places, 0);
            self.older.resize(places, NONE);
        }
        for (slot, time) in slots.iter().zip(times) {
            self.times[*slot as usize] = *time;
        }
        let mut order = all;
        order.sort_unstable_by_key(|row| (groups[*row as usize], Reverse((times[*row as usize], *row))));
        let mut rows = order.into_iter().peekable();
        while let Some(row) = rows.next() {
            let group = groups[row as usize];
            let mut newer = self.link(slots[row as usize], group, NONE);
            while let Some(row) = rows.next_if(|row| groups[*row as usize] == group) {
                newer = self.link(slots[row as usize], group, newer);
            }
        }
        self.touch(&groups, now_ms);
        Ok(())
    }

    /// Begins the time of keys anew that have a version.
    fn touch(&mut self, groups: &[u32], now_ms: i64) {
        let newest = &self.newest;
        let has_version = |group: &u32| newest.get(*group as usize).is_some_and(|slot| *slot != NONE);
        if let Some(ttl) = &mut self.ttl {
            ttl.write(groups.iter().copied().filter(has_version), now_ms);
        }
    }

    /// Drops the versions of those of these keys whose time is over.
    fn drop_over(&mut self, groups: &[u32], now_ms: i64) {
        let Some(ttl) = &self.ttl else { return };
        let over = groups.iter().copied().filter(|group| ttl.is_over(*group, now_ms));
        let over: Vec<u32> = over.collect();
        for group in over {
            self.drop_key(group);
        }
    }

    /// Drops all versions of a key.
    fn drop_key(&mut self, group: u32) {
        let Some(newest) = self.newest.get_mut(group as usize) else {
            return;
        };
        let mut gone = std::mem::replace(newest, NONE);
        self.live_keys -= usize::from(gone != NONE);
        while gone != NONE {
            self.rows.remove(gone);
            gone = std::mem::replace(&mut self.older[gone as usize], NONE);
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
        for group in ttl.due(now_ms) {
            self.drop_key(group);
        }
        self.rows.tidy()?;
        self.forget_keys()
    }

    /// Links a version in behind those that are newer, of which `newer` is one; returns it.
    fn link(&mut self, slot: u32, group: u32, mut newer: u32) -> u32 {
        let time = self.times[slot as usize];
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
        self.drop_over(&groups, now_ms);
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
        for group in groups {
            let mut at = self.newest[group as usize];
            while at != NONE && self.times[at as usize] > watermark {
                at = self.older[at as usize];
            }
            if at == NONE {
                continue;
            }
            let mut gone = std::mem::replace(&mut self.older[at as usize], NONE);
            while gone != NONE {
                self.rows.remove(gone);
                gone = std::mem::replace(&mut self.older[gone as usize], NONE);
            }
        }
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
        let mut keys = GroupTable::new(&self.key_types)?;
        for part in live.chunks(DUE_ROWS) {
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

fn broken(error: &ArrowError) -> Failure {
    Failure::internal(format!("the rows of a temporal join cannot be kept: {error}"))
}
