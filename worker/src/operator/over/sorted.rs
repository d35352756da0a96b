//! The rows of a key in their order, edited.

use std::collections::BTreeSet;

use super::{changes::Affected, state::Entry};
use crate::operator::rank::order::Word;

/// What an ORDER BY compares, as a time if it is one.
pub(super) trait TimeKey {
    /// Milliseconds, of an ascending order by a timestamp; a null is before or after all times, as it sorts.
    fn time(&self) -> i64;
}

impl TimeKey for Word {
    fn time(&self) -> i64 {
        match self.0 {
            0 => i64::MIN,
            1 => (self.1 ^ (1 << 63)) as i64,
            _ => i64::MAX,
        }
    }
}

/// Frames that reach back by time have one column to order by.
impl TimeKey for Box<[u8]> {
    fn time(&self) -> i64 {
        0
    }
}

/// Changes of the rows of one key.
#[derive(Debug)]
pub(super) struct Edits<K> {
    added: Vec<Entry<K>>,
    /// Positions among the rows.
    removed: BTreeSet<usize>,
    /// The row that was removed last.
    last: Option<usize>,
}

/// Where the rows of a key have changed.
#[derive(Debug)]
pub(super) struct Changed<K> {
    /// The first place that has another row.
    pub(super) from: usize,
    /// Behind the last place that has a row that was added, or lacks one that was removed.
    pub(super) until: usize,
    /// What the first and the last row that came or went are ordered by.
    pub(super) keys: (K, K),
}

impl<K: Ord + Clone> Edits<K> {
    pub(super) fn new() -> Self {
        Self {
            added: Vec::new(),
            removed: BTreeSet::new(),
            last: None,
        }
    }

    /// Adds a row. One that takes the place of its like is none.
    pub(super) fn add(&mut self, entries: &[Entry<K>], entry: Entry<K>, tells_rows_apart: bool) {
        let is_same = |last: &usize| {
            let gone = &entries[*last];
            tells_rows_apart && gone.hash == entry.hash && gone.key == entry.key
        };
        match self.last.filter(is_same) {
            Some(last) => {
                self.removed.remove(&last);
                self.last = None;
            }
            None => self.added.push(entry),
        }
    }

    /// Takes a row back; whether it was there.
    pub(super) fn remove(&mut self, entries: &[Entry<K>], key: &K, hash: u128) -> bool {
        let end = entries.partition_point(|e| e.key <= *key);
        let alike = entries[..end].iter().enumerate().rev();
        let mut alike = alike.take_while(|(_, e)| e.key == *key);
        let found = alike.find(|(place, e)| e.hash == hash && !self.removed.contains(place));
        if let Some((place, _)) = found {
            self.removed.insert(place);
            self.last = Some(place);
            return true;
        }
        let added = self.added.iter().rposition(|e| e.hash == hash && e.key == *key);
        added.is_some_and(|place| {
            self.added.remove(place);
            true
        })
    }

    /// Makes the changes; `affected` gets the rows that were removed. None if nothing changes.
    pub(super) fn apply(self, entries: &mut Vec<Entry<K>>, affected: &mut Affected) -> Option<Changed<K>> {
        let Self {
            mut added, removed, ..
        } = self;
        // Of rows that order alike, those that came first come first.
        added.sort_by(|a, b| a.key.cmp(&b.key));
        let removed_at = removed.first().map(|&at| (at, entries[at].key.clone()));
        let added_at = added
            .first()
            .map(|a| (entries.partition_point(|e| e.key <= a.key), a.key.clone()));
        let (from, first) = match (removed_at, added_at) {
            (Some(removed), Some(added)) => (removed.0.min(added.0), removed.1.min(added.1)),
            (one, other) => one.or(other)?,
        };
        let tail = entries.split_off(from);
        let (mut until, mut last) = (from, first.clone());
        let mut added = added.into_iter().peekable();
        let mut removed = removed.into_iter().peekable();
        for (place, entry) in (from..).zip(tail) {
            while let Some(next) = added.next_if(|next| next.key < entry.key) {
                last = next.key.clone();
                entries.push(next);
                until = entries.len();
            }
            if removed.next_if_eq(&place).is_some() {
                affected.gone.push(entry.slot);
                affected.gone_numbers.push(entry.number);
                last = entry.key;
                until = entries.len();
            } else {
                entries.push(entry);
            }
        }
        for next in added {
            last = next.key.clone();
            entries.push(next);
            until = entries.len();
        }
        Some(Changed {
            from,
            until,
            keys: (first, last),
        })
    }
}
