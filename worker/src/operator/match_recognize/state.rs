//! The state of pattern matching: rows that wait for their time, and per key its partial matches with their rows. Nothing outside this file
//! holds any.

mod snapshot;

use std::{collections::BTreeSet, ops::Range};

use arrow_array::ArrayRef;
use arrow_schema::{DataType, SchemaRef};
use weir_model::Failure;

use super::{runs::Runs, values::KeyRows};
use crate::{
    operator::{
        keys::GroupTable,
        rank::rows::{FRESH, RowStore},
        waiting::Waiting,
    },
    state::{Dirty, NumberedRows},
};

/// Keys without partial matches before their memory is given back.
const DEAD_KEYS: usize = 4096;

/// All that is kept between rows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) waiting: Waiting,
    pub(super) rows: RowStore,
    layout: NumberedRows,
    key_types: Vec<DataType>,
    table: GroupTable,
    keys: Vec<Key>,
    /// The keys with matches that wait for earlier ones.
    blocked: BTreeSet<u32>,
    /// How many keys there may be before those without partial matches are looked for.
    forget_at: usize,
    /// The keys that were touched since the last snapshot.
    touched: Dirty,
}

/// What is kept of one key.
#[derive(Debug, Default)]
pub(super) struct Key {
    pub(super) runs: Runs,
    pub(super) rows: KeyRows,
    saved: Saved,
}

/// What the last snapshot had of a key. Nothing while changes are not tracked.
#[derive(Debug, Default)]
struct Saved {
    /// The numbers of its rows.
    rows: Range<u64>,
    /// How many partial matches, and matches that wait.
    runs: u32,
}

impl State {
    /// Nothing yet, of rows of this schema that are partitioned by these columns.
    pub(super) fn new(input: &SchemaRef, keys: &[usize], time: Option<usize>) -> Result<Self, Failure> {
        let key_type = |key: &usize| input.field(*key).data_type().clone();
        let key_types: Vec<DataType> = keys.iter().map(key_type).collect();
        Ok(Self {
            waiting: Waiting::new(input, keys, time),
            rows: RowStore::default(),
            layout: NumberedRows::new(input, input.fields().len(), keys),
            table: GroupTable::new(&key_types)?,
            key_types,
            keys: Vec::new(),
            blocked: BTreeSet::new(),
            forget_at: DEAD_KEYS,
            touched: Dirty::default(),
        })
    }

    /// The numbers of the keys of rows; new keys get new ones.
    pub(super) fn number(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>, Failure> {
        let groups = self.table.intern(keys, rows)?;
        let (ids, total) = (groups.ids.map(<[u32]>::to_vec), groups.total);
        self.keys.resize_with(total, Key::default);
        Ok(ids.unwrap_or_else(|| vec![0; rows]))
    }

    /// A key by its number.
    pub(super) fn key(&mut self, number: u32) -> &mut Key {
        &mut self.keys[number as usize]
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> u32 {
        self.keys.len() as u32
    }

    /// Whether matches wait for earlier ones.
    pub(super) fn is_blocked(&self) -> bool {
        !self.blocked.is_empty()
    }

    /// The earliest end of a match that waits for earlier ones, ms.
    pub(super) fn earliest_blocked(&self) -> Option<i64> {
        let ends = self
            .blocked
            .iter()
            .filter_map(|key| self.keys[*key as usize].runs.earliest_end());
        ends.min()
    }

    /// When the first partial match began, ms.
    pub(super) fn earliest_start(&self) -> Option<i64> {
        self.keys.iter().filter_map(|key| key.runs.earliest_start()).min()
    }

    /// Keeps what the keys that were touched still need of the fresh rows, and forgets the rows at these places.
    pub(super) fn keep(
        &mut self,
        touched: &[u32],
        fresh: &[ArrayRef],
        rows: usize,
        released: &[u32],
    ) -> Result<(), Failure> {
        let mut kept = Vec::new();
        self.touched.mark(touched.iter().copied());
        for &number in touched {
            let key = &mut self.keys[number as usize];
            kept.extend(
                key.rows
                    .places_mut()
                    .filter(|p| **p & FRESH != 0)
                    .map(|p| *p & !FRESH),
            );
            if key.runs.is_blocked() {
                self.blocked.insert(number);
            } else {
                self.blocked.remove(&number);
            }
        }
        kept.sort_unstable();
        let mut slots = Vec::new();
        self.rows.add(fresh, rows, &kept, &mut slots)?;
        for &number in touched {
            let fresh = self.keys[number as usize]
                .rows
                .places_mut()
                .filter(|p| **p & FRESH != 0);
            for place in fresh {
                // Each fresh row is one key's.
                if let Ok(at) = kept.binary_search(&(*place & !FRESH)) {
                    *place = slots[at];
                }
            }
        }
        for slot in released {
            self.rows.remove(*slot);
        }
        self.rows.tidy()
    }

    /// Numbers the keys anew that have partial matches or had some at the last snapshot, when they are few.
    pub(super) fn forget(&mut self) -> Result<(), Failure> {
        if self.keys.len() < self.forget_at || self.key_types.is_empty() {
            return Ok(());
        }
        let live: Vec<u32> = (0..self.len())
            .filter(|key| !self.keys[*key as usize].is_forgotten())
            .collect();
        self.forget_at = self.keys.len() * 2;
        if live.len() * 2 > self.keys.len() {
            return Ok(());
        }
        self.forget_at = live.len() * 2 + DEAD_KEYS;
        let columns = self.table.keys_of(&live)?;
        self.table = GroupTable::new(&self.key_types)?;
        self.table.intern(&columns, live.len())?;
        let mut old = std::mem::take(&mut self.keys);
        self.keys = live
            .iter()
            .map(|key| std::mem::take(&mut old[*key as usize]))
            .collect();
        self.touched.keep(&live);
        self.find_blocked();
        Ok(())
    }

    fn find_blocked(&mut self) {
        let keys = (0..).zip(&self.keys);
        self.blocked = keys
            .filter(|(_, key)| key.runs.is_blocked())
            .map(|(number, _)| number)
            .collect();
    }
}

impl Key {
    /// Whether nothing is kept of it, and no snapshot has to say what went.
    fn is_forgotten(&self) -> bool {
        self.runs.is_empty() && self.saved.rows.is_empty()
    }
}
