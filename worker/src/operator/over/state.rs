//! The state of functions OVER rows. Nothing outside this file holds any but the functions themselves, which are in here.

use std::collections::VecDeque;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{ArrowError, DataType};
use arrow_select::filter::filter_record_batch;
use weir_model::Failure;

use super::{call::Function, spec::Lookback};
use crate::operator::{keys::GroupTable, rank::rows::RowStore};

/// Keys without rows before their memory is given back.
const DEAD_KEYS: usize = 4096;

/// Of rows that are only appended: what has been computed so far, and the rows that frames still reach.
#[derive(Debug)]
pub(super) struct Timed {
    key_types: Vec<DataType>,
    keys: GroupTable,
    /// The functions, with what they carry of each key.
    pub(super) functions: Vec<Box<dyn Function>>,
    /// The columns that functions read, of rows that frames still reach.
    pub(super) rows: RowStore,
    /// Those rows by key, in their order.
    kept: Vec<VecDeque<Kept>>,
    /// Time and key of those rows, in the order of time; only of frames that reach back by time.
    expiry: VecDeque<(i64, u32)>,
    /// Keys that have such rows.
    live: usize,
    /// Rows whose time has not come.
    pub(super) waiting: Waiting,
}

/// A row that frames still reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) time: i64,
    pub(super) slot: u32,
}

impl Timed {
    pub(super) fn new(key_types: Vec<DataType>, functions: Vec<Box<dyn Function>>) -> Result<Self, Failure> {
        Ok(Self {
            keys: GroupTable::new(&key_types)?,
            key_types,
            functions,
            rows: RowStore::default(),
            kept: Vec::new(),
            expiry: VecDeque::new(),
            live: 0,
            waiting: Waiting::default(),
        })
    }

    /// The keys of rows, by number.
    pub(super) fn touch(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>, Failure> {
        let groups = self.keys.intern(keys, rows)?;
        let ids = groups.ids.map_or_else(|| vec![0; rows], <[u32]>::to_vec);
        self.kept.resize_with(groups.total, VecDeque::new);
        Ok(ids)
    }

    /// How many keys there are.
    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The rows of a key that frames still reach.
    pub(super) fn kept(&self, group: u32) -> impl Iterator<Item = Kept> + '_ {
        self.kept[group as usize].iter().copied()
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
            self.live += usize::from(kept.is_empty());
            kept.push_back(Kept { time, slot });
            if lookback.range_ms.is_some() {
                self.expiry.push_back((time, group));
            }
        }
        Ok(())
    }

    /// Lets those rows of a key go that no frame reaches any more: more rows back, and before a time.
    pub(super) fn prune(&mut self, group: u32, lookback: Lookback, earliest: i64) {
        let kept = &mut self.kept[group as usize];
        while kept.len() > lookback.rows
            && let Some(row) = kept.front()
            && (lookback.range_ms.is_none() || row.time < earliest)
        {
            self.rows.remove(row.slot);
            kept.pop_front();
            self.live -= usize::from(kept.is_empty());
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

    /// Numbers the keys anew that have rows.
    fn forget_keys(&mut self) -> Result<(), Failure> {
        let mut renumbered = vec![0; self.kept.len()];
        let mut live: Vec<u32> = Vec::with_capacity(self.live);
        for (group, kept) in (0_u32..).zip(&self.kept) {
            if !kept.is_empty() {
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

/// Rows that the watermark has not reached.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    batches: Vec<WaitingBatch>,
}

#[derive(Debug)]
struct WaitingBatch {
    rows: RecordBatch,
    /// The times of its rows, ms.
    times: Vec<i64>,
    earliest: i64,
    latest: i64,
}

impl Waiting {
    /// Adds rows with these times.
    pub(super) fn add(&mut self, rows: RecordBatch, times: &[i64]) {
        let earliest = times.iter().min().copied();
        let latest = times.iter().max().copied();
        if let (Some(earliest), Some(latest)) = (earliest, latest) {
            self.batches.push(WaitingBatch {
                rows,
                times: times.to_vec(),
                earliest,
                latest,
            });
        }
    }

    /// Takes the rows out that have this time or an earlier one, in the order of arrival.
    pub(super) fn due(&mut self, watermark: i64) -> Result<Vec<RecordBatch>, Failure> {
        let mut due = Vec::new();
        for batch in std::mem::take(&mut self.batches) {
            if batch.earliest > watermark {
                self.batches.push(batch);
            } else if batch.latest <= watermark {
                due.push(batch.rows);
            } else {
                let is_due: BooleanArray = batch.times.iter().map(|t| Some(*t <= watermark)).collect();
                due.push(filter_record_batch(&batch.rows, &is_due).map_err(broken)?);
                let waits: BooleanArray = batch.times.iter().map(|t| Some(*t > watermark)).collect();
                let rest = filter_record_batch(&batch.rows, &waits).map_err(broken)?;
                let times: Vec<i64> = batch.times.into_iter().filter(|t| *t > watermark).collect();
                self.add(rest, &times);
            }
        }
        Ok(due)
    }
}

fn broken(error: ArrowError) -> Failure {
    Failure::internal(format!(
        "rows that wait for their time cannot be told apart: {error}"
    ))
}

/// Of rows that may be taken back: all of them, with the results that were emitted.
#[derive(Debug)]
pub(super) struct Changing<K> {
    key_types: Vec<DataType>,
    keys: GroupTable,
    /// The columns of the input, then the results.
    pub(super) rows: RowStore,
    /// The rows of each key, in their order.
    pub(super) sorted: Vec<Vec<Entry<K>>>,
    /// Keys without rows.
    dead: usize,
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
}

impl<K> Changing<K> {
    pub(super) fn new(key_types: Vec<DataType>) -> Result<Self, Failure> {
        Ok(Self {
            keys: GroupTable::new(&key_types)?,
            key_types,
            rows: RowStore::default(),
            sorted: Vec::new(),
            dead: 0,
        })
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
            self.dead = 0;
        }
        self.rows.tidy()
    }
}
