//! The state of functions OVER rows. Nothing outside this file holds any but the functions themselves, which are in here.

mod changing;
mod timed;

use std::{collections::VecDeque, ops::Range};

use arrow_array::ArrayRef;
use arrow_schema::{DataType, SchemaRef};
use weir_model::Failure;

use super::{
    call::Function,
    frame::Reach,
    spec::{Lookback, Spec},
};
use crate::{
    operator::{keys::GroupTable, rank::rows::RowStore, waiting::Waiting},
    state::{Dirty, NumberedRows},
};

/// Keys without rows before their memory is given back.
const DEAD_KEYS: usize = 4096;

/// Of rows that are only appended: what has been computed so far, and the rows that frames still reach.
#[derive(Debug)]
pub(super) struct Timed {
    key_types: Vec<DataType>,
    keys: GroupTable,
    /// The functions, with what they carry of each key.
    pub(super) functions: Vec<Box<dyn Function>>,
    /// Which of them carry something: those whose frames begin with the first row.
    carrying: Vec<usize>,
    /// The types of the columns that functions read.
    argument_types: Vec<DataType>,
    /// Those columns, of rows that frames still reach.
    pub(super) rows: RowStore,
    /// Those rows by key, in their order.
    kept: Vec<KeptRows>,
    /// Time and key of those rows, in the order of time; only of frames that reach back by time.
    expiry: VecDeque<(i64, u32)>,
    /// Keys that have such rows, or had some at the last snapshot.
    live: usize,
    /// Rows whose time has not come.
    pub(super) waiting: Waiting,
    /// Keys that were touched since the last snapshot.
    touched: Dirty,
    /// How many keys there were before rows of others were restored that are not all there yet.
    restored_from: Option<usize>,
}

/// The rows of a key that frames still reach. They are numbered as they come.
#[derive(Debug, Default)]
struct KeptRows {
    rows: VecDeque<Kept>,
    /// The number of the first one.
    first: u64,
    /// The numbers of those that the last snapshot had; none while changes are not tracked.
    saved: Range<u64>,
}

/// A row that frames still reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) time: i64,
    pub(super) slot: u32,
}

impl KeptRows {
    fn push(&mut self, row: Kept) {
        self.rows.push_back(row);
    }

    /// Lets the first row go.
    fn pop(&mut self) {
        self.rows.pop_front();
        self.first += 1;
    }

    /// The numbers of the rows.
    fn numbers(&self) -> Range<u64> {
        self.first..self.first + self.rows.len() as u64
    }

    /// Whether there are no rows, and no snapshot has to say which went.
    fn is_forgotten(&self) -> bool {
        self.rows.is_empty() && self.saved.is_empty()
    }
}

impl Timed {
    /// Nothing yet, of rows of this schema; `time` is the column of their event time, if they wait for it.
    pub(super) fn new(
        spec: &Spec,
        functions: Vec<Box<dyn Function>>,
        input: &SchemaRef,
        time: Option<usize>,
    ) -> Result<Self, Failure> {
        let key_types = spec.key_types(input);
        let calls = spec.calls.iter().enumerate();
        let arguments = spec.arguments.columns.iter();
        Ok(Self {
            keys: GroupTable::new(&key_types)?,
            key_types,
            functions,
            carrying: calls
                .filter(|(_, call)| call.frame.reach == Reach::First)
                .map(|(at, _)| at)
                .collect(),
            argument_types: arguments.map(|c| input.field(*c).data_type().clone()).collect(),
            rows: RowStore::default(),
            kept: Vec::new(),
            expiry: VecDeque::new(),
            live: 0,
            waiting: Waiting::new(input, &spec.keys, time),
            touched: Dirty::default(),
            restored_from: None,
        })
    }

    /// The keys of rows, by number.
    pub(super) fn touch(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>, Failure> {
        let groups = self.keys.intern(keys, rows)?;
        let ids = groups.ids.map_or_else(|| vec![0; rows], <[u32]>::to_vec);
        self.kept.resize_with(groups.total, KeptRows::default);
        Ok(ids)
    }

    /// Notes that functions have seen rows of these keys.
    pub(super) fn note_seen(&mut self, groups: impl IntoIterator<Item = u32>) {
        self.touched.mark(groups);
    }

    /// How many keys there are.
    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The rows of a key that frames still reach.
    pub(super) fn kept(&self, group: u32) -> impl Iterator<Item = Kept> + '_ {
        self.kept[group as usize].rows.iter().copied()
    }

    /// Keeps some rows, in the order of time: their positions, keys and times.
    pub(super) fn keep(
        &mut self,
        columns: &[ArrayRef],
        batch_rows: usize,
        kept: &[(u32, u32, i64)],
        lookback: Lookback,
    ) -> Result<(), Failure> {
        let positions: Vec<u32> = kept.iter().map(|(position, ..)| *position).collect();
        let mut slots = Vec::new();
        self.rows.add(columns, batch_rows, &positions, &mut slots)?;
        for (&(_, group, time), slot) in kept.iter().zip(slots) {
            let kept = &mut self.kept[group as usize];
            self.live += usize::from(kept.is_forgotten());
            kept.push(Kept { time, slot });
            if lookback.range_ms.is_some() {
                self.expiry.push_back((time, group));
            }
        }
        Ok(())
    }

    /// Lets those rows of a key go that no frame reaches any more: more rows back, and before a time.
    pub(super) fn prune(&mut self, group: u32, lookback: Lookback, earliest: i64) {
        let kept = &mut self.kept[group as usize];
        while kept.rows.len() > lookback.rows
            && let Some(row) = kept.rows.front()
            && (lookback.range_ms.is_none() || row.time < earliest)
        {
            self.rows.remove(row.slot);
            kept.pop();
            self.live -= usize::from(kept.is_forgotten());
            self.touched.mark([group]);
        }
    }

    /// The time of the earliest row that is kept for its time.
    pub(super) fn earliest(&self) -> Option<i64> {
        self.expiry.front().map(|(time, _)| *time)
    }

    /// Lets the rows of all keys go that no frame reaches any more, and gives memory back when that is worth it.
    pub(super) fn expire(
        &mut self,
        lookback: Lookback,
        earliest: i64,
        keys_die: bool,
    ) -> Result<(), Failure> {
        while let Some(&(time, group)) = self.expiry.front()
            && time < earliest
        {
            self.expiry.pop_front();
            self.prune(group, lookback, earliest);
        }
        if keys_die && self.keys.len() >= DEAD_KEYS && self.live * 2 < self.keys.len() {
            self.forget_keys()?;
        }
        self.rows.tidy()
    }

    /// Numbers the keys anew that have rows or had some at the last snapshot.
    fn forget_keys(&mut self) -> Result<(), Failure> {
        let mut renumbered = vec![0; self.kept.len()];
        let mut live: Vec<u32> = Vec::with_capacity(self.live);
        for (group, kept) in (0_u32..).zip(&self.kept) {
            if !kept.is_forgotten() {
                renumbered[group as usize] = live.len() as u32;
                live.push(group);
            }
        }
        self.keys = only(&self.keys, &self.key_types, &live)?;
        let kept = live
            .iter()
            .map(|&group| std::mem::take(&mut self.kept[group as usize]));
        self.kept = kept.collect();
        for (_, group) in &mut self.expiry {
            *group = renumbered[*group as usize];
        }
        self.touched.keep(&live);
        self.functions
            .iter_mut()
            .try_for_each(|function| function.keep(&live))
    }
}

/// A table of some keys of another one, in this order.
fn only(keys: &GroupTable, types: &[DataType], live: &[u32]) -> Result<GroupTable, Failure> {
    let columns = keys.keys_of(live)?;
    let mut table = GroupTable::new(types)?;
    table.intern(&columns, live.len())?;
    Ok(table)
}

/// Of rows that may be taken back: all of them, with the results that were emitted.
#[derive(Debug)]
pub(super) struct Changing<K> {
    /// How the rows are kept, without what each one does.
    layout: NumberedRows,
    columns: usize,
    result_types: Vec<DataType>,
    key_types: Vec<DataType>,
    keys: GroupTable,
    /// The columns of the input, then the results.
    pub(super) rows: RowStore,
    /// The rows of each key, in their order.
    pub(super) sorted: Vec<Vec<Entry<K>>>,
    /// Keys without rows.
    dead: usize,
    /// The number of the next row.
    next: i64,
    /// Keys of which rows came or have other results since the last snapshot, and the slots of those rows.
    touched: Dirty,
    written: Dirty,
    gone: Gone,
    /// How many keys there were before rows of others were restored that are not all there yet.
    restored_from: Option<usize>,
}

/// Rows that are there no longer, for the next snapshot.
#[derive(Debug, Default)]
struct Gone {
    /// By what they are found.
    rows: Vec<Vec<ArrayRef>>,
    /// Rows from this number on came since the last snapshot; it does not know them.
    since: i64,
}

/// A row among those of its key.
#[derive(Clone, Debug)]
pub(super) struct Entry<K> {
    /// What it is ordered by.
    pub(super) key: K,
    /// Where it is; of a row of the batch at hand, its number and a mark.
    pub(super) slot: u32,
    /// A hash of the whole row, wide enough to tell rows apart; of rows that are only appended, 0.
    pub(super) hash: u128,
    /// Ascending among rows that order alike, in the order in which they came.
    pub(super) number: i64,
}

impl<K> Changing<K> {
    /// Nothing yet, of rows of this schema.
    pub(super) fn new(spec: &Spec, input: &SchemaRef) -> Result<Self, Failure> {
        let key_types = spec.key_types(input);
        Ok(Self {
            layout: NumberedRows::new(input, spec.columns, &spec.keys),
            columns: spec.columns,
            result_types: spec.calls.iter().map(|call| call.result.clone()).collect(),
            keys: GroupTable::new(&key_types)?,
            key_types,
            rows: RowStore::default(),
            sorted: Vec::new(),
            dead: 0,
            next: 0,
            touched: Dirty::default(),
            written: Dirty::default(),
            gone: Gone::default(),
            restored_from: None,
        })
    }

    /// Numbers for so many rows; the first of them.
    pub(super) fn number(&mut self, rows: usize) -> i64 {
        let first = self.next;
        self.next += rows as i64;
        first
    }

    /// The keys of rows, by number.
    pub(super) fn touch(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>, Failure> {
        let groups = self.keys.intern(keys, rows)?;
        let ids = groups.ids.map_or_else(|| vec![0; rows], <[u32]>::to_vec);
        let total = groups.total;
        self.dead += total - self.sorted.len();
        self.sorted.resize_with(total, Vec::new);
        Ok(ids)
    }

    /// Notes that so many keys have no rows now, and so many have that had none.
    pub(super) fn note_empty(&mut self, dead: usize, revived: usize) {
        self.dead = (self.dead + dead).saturating_sub(revived);
    }

    /// Gives memory back when that is worth it; keys may have other numbers then.
    pub(super) fn tidy(&mut self) -> Result<(), Failure> {
        if self.dead >= DEAD_KEYS && self.dead * 2 >= self.keys.len() {
            let live: Vec<u32> = (0_u32..)
                .zip(&self.sorted)
                .filter(|(_, rows)| !rows.is_empty())
                .map(|(group, _)| group)
                .collect();
            self.keys = only(&self.keys, &self.key_types, &live)?;
            self.sorted.retain(|rows| !rows.is_empty());
            self.touched.keep(&live);
            self.dead = 0;
        }
        self.rows.tidy()
    }
}
