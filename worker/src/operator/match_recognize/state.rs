//! The state of pattern matching: rows that wait for their time, and per key its partial matches with their rows. Nothing outside this file
//! holds any.

use std::{collections::BTreeSet, sync::Arc};

use arrow::compute::{SortColumn, SortOptions, concat_batches, filter_record_batch, lexsort_to_indices, not};
use arrow_array::{
    Array, ArrayRef, BooleanArray, RecordBatch, TimestampMillisecondArray, UInt32Array, cast::AsArray,
    types::TimestampMillisecondType,
};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::take::take_record_batch;
use weir_model::Failure;

use super::{runs::Runs, values::KeyRows};
use crate::{
    expression::describe_row,
    operator::{
        keys::GroupTable,
        rank::rows::{FRESH, RowStore},
    },
};

/// Keys without partial matches before their memory is given back.
const DEAD_KEYS: usize = 4096;

/// All that is kept between rows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) waiting: Waiting,
    pub(super) rows: RowStore,
    key_types: Vec<DataType>,
    table: GroupTable,
    keys: Vec<Key>,
    /// The keys with matches that wait for earlier ones.
    blocked: BTreeSet<u32>,
    /// How many keys there may be before those without partial matches are looked for.
    forget_at: usize,
}

/// What is kept of one key.
#[derive(Debug, Default)]
pub(super) struct Key {
    pub(super) runs: Runs,
    pub(super) rows: KeyRows,
}

/// Rows that the watermark has not reached.
#[derive(Debug)]
pub(super) struct Waiting {
    schema: SchemaRef,
    /// The event time if there is one, then what orders rows of one time.
    order: Vec<(usize, SortOptions)>,
    has_event_time: bool,
    batches: Vec<WaitingRows>,
}

/// Rows with the earliest and the latest time among them, ms.
#[derive(Debug)]
struct WaitingRows {
    rows: RecordBatch,
    earliest: i64,
    latest: i64,
}

impl State {
    pub(super) fn new(key_types: Vec<DataType>, waiting: Waiting) -> Result<Self, Failure> {
        Ok(Self {
            waiting,
            rows: RowStore::default(),
            table: GroupTable::new(&key_types)?,
            key_types,
            keys: Vec::new(),
            blocked: BTreeSet::new(),
            forget_at: DEAD_KEYS,
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

    /// Numbers the keys anew that have partial matches, when they are few.
    pub(super) fn forget(&mut self) -> Result<(), Failure> {
        if self.keys.len() < self.forget_at || self.key_types.is_empty() {
            return Ok(());
        }
        let live: Vec<u32> = (0..self.len())
            .filter(|key| !self.keys[*key as usize].runs.is_empty())
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
        let keys = (0..).zip(&self.keys);
        self.blocked = keys
            .filter(|(_, key)| key.runs.is_blocked())
            .map(|(n, _)| n)
            .collect();
        Ok(())
    }
}

impl Waiting {
    /// No rows of this schema, to come out in this order, which begins with the event time if there is one.
    pub(super) fn new(schema: SchemaRef, order: Vec<(usize, SortOptions)>, has_event_time: bool) -> Self {
        Self {
            schema,
            order,
            has_event_time,
            batches: Vec::new(),
        }
    }

    /// The event times of rows.
    pub(super) fn times<'a>(&self, batch: &'a RecordBatch) -> Result<&'a TimestampMillisecondArray, Failure> {
        let times = batch.column(self.order[0].0);
        match times.nulls().and_then(|n| n.iter().position(|valid| !valid)) {
            Some(row) => Err(Failure::user(
                "the time that MATCH_RECOGNIZE orders rows by is null; filter such rows out before",
            )
            .at(describe_row(batch, row))),
            None => Ok(times.as_primitive::<TimestampMillisecondType>()),
        }
    }

    /// Keeps rows until their time has come.
    pub(super) fn add(&mut self, rows: RecordBatch) -> Result<(), Failure> {
        let times = self.times(&rows)?.values().iter().copied();
        if let Some((earliest, latest)) = times.clone().min().zip(times.max()) {
            self.batches.push(WaitingRows {
                rows,
                earliest,
                latest,
            });
        }
        Ok(())
    }

    /// The rows up to a time, in order. Batches that are all behind it are not touched.
    pub(super) fn due(&mut self, watermark: i64) -> Result<Option<RecordBatch>, Failure> {
        if self.batches.iter().all(|batch| batch.earliest > watermark) {
            return Ok(None);
        }
        let mut due = Vec::new();
        for batch in std::mem::take(&mut self.batches) {
            if batch.earliest > watermark {
                self.batches.push(batch);
            } else if batch.latest <= watermark {
                due.push(batch.rows);
            } else {
                let times = self.times(&batch.rows)?.values().iter();
                let is_due: BooleanArray = times.map(|t| Some(*t <= watermark)).collect();
                let rest = not(&is_due).and_then(|rest| filter_record_batch(&batch.rows, &rest));
                due.push(filter_record_batch(&batch.rows, &is_due).map_err(|e| broken(&e))?);
                self.add(rest.map_err(|e| broken(&e))?)?;
            }
        }
        let due = concat_batches(&self.schema, &due).map_err(|e| broken(&e))?;
        self.sorted(due).map(Some)
    }

    /// Rows in order; of rows that order alike, the one that came first is first.
    pub(super) fn sorted(&self, batch: RecordBatch) -> Result<RecordBatch, Failure> {
        let rows = batch.num_rows() as u32;
        let indices = match self.order.as_slice() {
            [] => return Ok(batch),
            [(time, _)] if self.has_event_time => {
                let times = batch
                    .column(*time)
                    .as_primitive::<TimestampMillisecondType>()
                    .values();
                if times.is_sorted() {
                    return Ok(batch);
                }
                let mut indices: Vec<u32> = (0..rows).collect();
                indices.sort_by_key(|row| times[*row as usize]);
                UInt32Array::from(indices)
            }
            order => {
                let column = |(column, options): &(usize, SortOptions)| SortColumn {
                    values: Arc::clone(batch.column(*column)),
                    options: Some(*options),
                };
                let arrival = SortColumn {
                    values: Arc::new(UInt32Array::from_iter_values(0..rows)),
                    options: None,
                };
                let columns: Vec<SortColumn> = order.iter().map(column).chain([arrival]).collect();
                lexsort_to_indices(&columns, None).map_err(|e| broken(&e))?
            }
        };
        take_record_batch(&batch, &indices).map_err(|e| broken(&e))
    }
}

fn broken(error: &ArrowError) -> Failure {
    Failure::internal(format!("rows cannot be put in the order of their time: {error}"))
}
