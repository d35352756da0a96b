//! Which keys of an operator have their state in memory.

use std::{collections::HashSet, hash::BuildHasher, ops::Range};

use arrow_array::BooleanArray;
use foldhash::fast::FixedState;

use crate::state::backend::spill::Partitions;

/// Keys that were asked for, and key groups that have all of theirs in memory.
#[derive(Debug)]
pub(super) struct Resident {
    /// A hash of each key. That two have the same is one chance in 2^128.
    keys: HashSet<u128, FixedState>,
    first_group: u32,
    /// By key group, from the first one on.
    whole: Vec<bool>,
    /// Rows of those.
    rows: usize,
}

impl Resident {
    /// None of these key groups.
    pub(super) fn new(key_groups: &Range<u32>) -> Self {
        Self {
            keys: HashSet::default(),
            first_group: key_groups.start,
            whole: vec![false; key_groups.len()],
            rows: 0,
        }
    }

    /// How many keys it has, about.
    pub(super) fn len(&self) -> usize {
        self.keys.len() + self.rows
    }

    /// Adds keys; returns those that are new, once each.
    pub(super) fn add<'a>(&mut self, partitions: &'a Partitions) -> Vec<(u32, &'a [u8])> {
        self.add_all((0..partitions.len()).map(|row| partitions.get(row)))
    }

    /// Adds keys of these key groups; returns those that are new, once each.
    pub(super) fn add_keys<'a>(&mut self, keys: &'a [(u32, Vec<u8>)]) -> Vec<(u32, &'a [u8])> {
        self.add_all(keys.iter().map(|(group, values)| (*group, values.as_slice())))
    }

    fn add_all<'a>(&mut self, partitions: impl Iterator<Item = (u32, &'a [u8])>) -> Vec<(u32, &'a [u8])> {
        let mut missing = Vec::new();
        for (group, values) in partitions {
            if !self.is_whole(group) && self.keys.insert(hash(values)) {
                missing.push((group, values));
            }
        }
        missing
    }

    /// Which of the keys it does not have.
    pub(super) fn lacks(&self, partitions: &Partitions) -> BooleanArray {
        let lacks = |row| {
            let (group, values) = partitions.get(row);
            !self.is_whole(group) && !self.keys.contains(&hash(values))
        };
        (0..partitions.len()).map(|row| Some(lacks(row))).collect()
    }

    /// So many rows were read that nobody had asked for.
    pub(super) fn count(&mut self, rows: usize) {
        self.rows += rows;
    }

    /// All keys of a key group are there.
    pub(super) fn add_group(&mut self, group: u32) {
        if let Some(whole) = self.whole.get_mut((group - self.first_group) as usize) {
            *whole = true;
        }
    }

    /// Whether all keys of all key groups are there.
    pub(super) fn has_all(&self) -> bool {
        self.whole.iter().all(|whole| *whole)
    }

    fn is_whole(&self, group: u32) -> bool {
        let at = group.checked_sub(self.first_group);
        at.and_then(|at| self.whole.get(at as usize)) == Some(&true)
    }
}

fn hash(values: &[u8]) -> u128 {
    let (low, high) = (FixedState::with_seed(1), FixedState::with_seed(2));
    u128::from(low.hash_one(values)) | u128::from(high.hash_one(values)) << 64
}
