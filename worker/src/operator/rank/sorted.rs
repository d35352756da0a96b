//! All rows of each key in their order, for when rows are taken back: what follows the first ones may move up.

use std::collections::BTreeMap;

use arrow_array::Int8Array;
use weir_connector::changelog::adds;
use weir_model::Failure;

use super::{
    changelog::{Content, Fresh},
    order::Keys,
    rows::{NO_ROW, RowStore},
    snapshot::Said,
};
use crate::operator::keys::Groups;

/// The rows of each group by sort key and arrival.
#[derive(Debug)]
pub(super) struct Sorted<K> {
    limit: usize,
    groups: Vec<BTreeMap<(K, u64), Kept>>,
    arrivals: u64,
    /// The batch that last changed each group.
    changed_in: Vec<u32>,
    batch: u32,
    /// The groups that the batch at hand changed, and where their former slots end.
    changed: Vec<(u32, usize)>,
    before: Vec<u32>,
    after: Vec<u32>,
    /// Slots of rows taken back by the batch at hand.
    gone: Vec<u32>,
    /// Whether rows go with time: what is taken back may be gone.
    forgets: bool,
    /// What came and went since the last snapshot; none: nobody asks.
    news: Option<News>,
}

/// Rows that came and went.
#[derive(Debug, Default)]
struct News {
    /// Arrivals that no snapshot knows, in their order, with their group and slot; [`NO_ROW`] if it went again.
    came: Vec<(u64, u32, u32)>,
    /// The group and the arrival of rows that snapshots know.
    went: Vec<(u32, u64)>,
}

impl News {
    fn take_back(&mut self, group: u32, arrival: u64) {
        match self.came.binary_search_by_key(&arrival, |came| came.0) {
            // Of another group, a row that was read back may have the same.
            Ok(at) if self.came[at].1 == group => self.came[at].2 = NO_ROW,
            _ => self.went.push((group, arrival)),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    slot: u32,
    /// A hash of the whole row, wide enough to tell rows apart.
    row: u128,
}

impl<K> Sorted<K> {
    /// Shows the first so many rows of each group.
    pub(super) fn new(limit: usize, forgets: bool) -> Self {
        Self {
            limit,
            forgets,
            news: None,
            groups: Vec::new(),
            arrivals: 0,
            changed_in: Vec::new(),
            batch: 0,
            changed: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            gone: Vec::new(),
        }
    }
}

impl<C: Keys> Content<C> for Sorted<C::Key> {
    fn tables(&self) -> [&'static str; 2] {
        ["rows", "rows written"]
    }

    fn update(
        &mut self,
        groups: Groups<'_>,
        keys: &C,
        ops: Option<&Int8Array>,
        fresh: &mut Fresh<'_>,
        rows: &mut RowStore,
    ) -> Result<(), Failure> {
        self.batch = self.batch.wrapping_add(1);
        self.groups.resize_with(groups.total, BTreeMap::new);
        self.changed_in.resize(groups.total, self.batch.wrapping_sub(1));
        let is_added = |row: usize| ops.is_none_or(|ops| adds(ops.value(row)));
        let hashes = fresh.hashes()?;
        fresh.keep_rows((0..groups.rows as u32).filter(|row| is_added(*row as usize)));
        fresh.store(rows)?;
        for (row, &hash) in hashes.iter().enumerate() {
            let group = groups.ids.map_or(0, |ids| ids[row] as usize);
            let sorted = &mut self.groups[group];
            if self.changed_in[group] != self.batch {
                self.changed_in[group] = self.batch;
                self.before
                    .extend(sorted.values().take(self.limit).map(|kept| kept.slot));
                self.changed.push((group as u32, self.before.len()));
            }
            let key = keys.key(row);
            if is_added(row) {
                let kept = Kept {
                    slot: fresh.slot_of_row(row),
                    row: hash,
                };
                if let Some(news) = &mut self.news {
                    news.came.push((self.arrivals, group as u32, kept.slot));
                }
                sorted.insert((key, self.arrivals), kept);
                self.arrivals += 1;
                continue;
            }
            let alike = sorted.range((key.clone(), 0)..=(key, u64::MAX));
            let found = alike
                .rev()
                .find(|(_, kept)| kept.row == hash)
                .map(|(place, _)| place.clone());
            let removed = found.and_then(|place| sorted.remove_entry(&place));
            match removed {
                Some(((_, arrival), kept)) => {
                    self.gone.push(kept.slot);
                    if let Some(news) = &mut self.news {
                        news.take_back(group as u32, arrival);
                    }
                }
                None if self.forgets => {}
                None => return Err(Failure::internal("a row is taken back that was never added")),
            }
        }
        Ok(())
    }

    fn changes(&mut self, visit: &mut dyn FnMut(&[u32], &[u32])) {
        let mut start = 0;
        for (group, before) in &self.changed {
            self.after.clear();
            let sorted = &self.groups[*group as usize];
            self.after
                .extend(sorted.values().take(self.limit).map(|kept| kept.slot));
            visit(&self.before[start..*before], &self.after);
            start = *before;
        }
    }

    fn changed(&self) -> Vec<u32> {
        self.changed.iter().map(|(group, _)| *group).collect()
    }

    fn forget(&mut self, group: u32, rows: &mut RowStore) -> bool {
        let sorted = std::mem::take(&mut self.groups[group as usize]);
        for ((_, arrival), kept) in &sorted {
            rows.remove(kept.slot);
            if let Some(news) = &mut self.news {
                news.take_back(group, *arrival);
            }
        }
        !sorted.is_empty()
    }

    fn has_rows(&self, group: u32) -> bool {
        !self.groups[group as usize].is_empty()
    }

    fn keep(&mut self, groups: &[u32]) {
        let sorted = |group: &u32| std::mem::take(&mut self.groups[*group as usize]);
        self.groups = groups.iter().map(sorted).collect();
        self.changed_in = groups
            .iter()
            .map(|group| self.changed_in[*group as usize])
            .collect();
    }

    fn settle(&mut self, _fresh: &mut Fresh<'_>, rows: &mut RowStore) -> Result<(), Failure> {
        self.gone.drain(..).for_each(|slot| rows.remove(slot));
        self.changed.clear();
        self.before.clear();
        Ok(())
    }

    fn track(&mut self) {
        self.news = Some(News::default());
    }

    fn all(&self, said: &mut Said) {
        for (group, sorted) in (0..).zip(&self.groups) {
            for ((_, arrival), kept) in sorted {
                said.write(group, *arrival as i64, kept.slot);
            }
        }
    }

    fn news(&mut self, _groups: &[u32], said: &mut Said) {
        let Some(news) = &mut self.news else {
            return;
        };
        for (group, arrival) in news.went.drain(..) {
            said.delete(group, arrival as i64);
        }
        for (arrival, group, slot) in news.came.drain(..) {
            if slot != NO_ROW {
                said.write(group, arrival as i64, slot);
            }
        }
    }

    fn restore(
        &mut self,
        groups: Groups<'_>,
        keys: &C,
        numbers: &[i64],
        fresh: &mut Fresh<'_>,
        rows: &mut RowStore,
    ) -> Result<(), Failure> {
        fresh.keep_rows(0..groups.rows as u32);
        fresh.store(rows)?;
        let hashes = fresh.hashes()?;
        self.groups.resize_with(groups.total, BTreeMap::new);
        self.changed_in.resize(groups.total, self.batch);
        for (row, (&number, &hash)) in numbers.iter().zip(&hashes).enumerate() {
            let group = groups.ids.map_or(0, |ids| ids[row] as usize);
            let (slot, arrival) = (fresh.slot_of_row(row), number as u64);
            self.groups[group].insert((keys.key(row), arrival), Kept { slot, row: hash });
            self.arrivals = self.arrivals.max(arrival + 1);
        }
        Ok(())
    }
}
