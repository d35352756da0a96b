//! How many rows each key has had, and which windows its next row is in.

use std::{ops::Range, sync::Arc};

use arrow_array::{Array, ArrayRef, Int64Array, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, SchemaRef};
use weir_model::Failure;
use weir_proto::graph;

use crate::{
    operator::{
        keys::{GroupTable, Groups},
        ttl::Ttl,
    },
    state::{Dirty, Scope, Snapshot, Table},
};

/// Keys without rows before their memory is given back, unless none has any.
const DEAD_KEYS: usize = 4096;

/// Windows of so many rows, one ending with every slide.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    size: u64,
    slide: u64,
}

impl Windows {
    /// The windows that row `row` of a key is in, both counted from 0; none if the slide is longer than the size.
    #[inline]
    pub(super) fn of(self, row: u64) -> Range<u64> {
        row / self.slide..(row + self.size) / self.slide
    }

    /// Whether a row is the last one of a window, of those that it is in the first one.
    #[inline]
    pub(super) fn closes(self, row: u64) -> bool {
        (row + 1).is_multiple_of(self.slide)
    }

    /// The windows of a key that are open once it has had so many rows, as far as they have begun.
    pub(super) fn open(self, rows: u64) -> Range<u64> {
        let begun = rows.checked_sub(1).map_or(0, |last| self.of(last).end);
        rows / self.slide..begun.max(rows / self.slide)
    }

    /// How many windows of a key are open at once.
    pub(super) fn most_open(self) -> usize {
        self.size.div_ceil(self.slide) as usize
    }
}

/// The rows of each key so far.
#[derive(Debug)]
pub(super) struct Numbering {
    windows: Windows,
    key_types: Vec<DataType>,
    keys: GroupTable,
    rows: Vec<u64>,
    dead: usize,
    /// When keys go that get no rows; none: never.
    ttl: Option<Ttl>,
    dirty: Dirty,
    /// Keys that have been forgotten since the last snapshot, and may have been in an earlier one.
    deleted: Vec<Vec<ArrayRef>>,
}

impl Numbering {
    /// No keys yet; and the key columns.
    pub(super) fn new(spec: &graph::CountWindow, input: &SchemaRef) -> Result<(Self, Vec<usize>), Failure> {
        let keys: Vec<usize> = spec.keys.iter().map(|&k| k as usize).collect();
        if let Some(key) = keys.iter().find(|&&k| k >= input.fields().len()) {
            return Err(Failure::internal(format!("key column {key} does not exist")));
        }
        if spec.size == 0 || spec.slide == 0 {
            return Err(Failure::internal("a window of no rows"));
        }
        let key_types: Vec<DataType> = keys.iter().map(|&k| input.field(k).data_type().clone()).collect();
        let numbering = Self {
            windows: Windows {
                size: spec.size,
                slide: spec.slide,
            },
            keys: GroupTable::new(&key_types)?,
            key_types,
            rows: Vec::new(),
            dead: 0,
            ttl: Ttl::new(spec.state_ttl_ms),
            dirty: Dirty::default(),
            deleted: Vec::new(),
        };
        Ok((numbering, keys))
    }

    pub(super) fn windows(&self) -> Windows {
        self.windows
    }

    /// The key of each of a batch's rows, by number; and the keys whose time is over, which begin anew.
    pub(super) fn keys(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        now_ms: i64,
    ) -> Result<(Vec<u32>, Vec<u32>), Failure> {
        let known = self.keys.len();
        let groups = self.keys.intern(columns, rows)?;
        let keys = groups.ids.map_or_else(|| vec![0; rows], <[u32]>::to_vec);
        self.rows.resize(groups.total, 0);
        self.dirty.mark_rows(groups.ids, rows);
        let mut over = Vec::new();
        if let Some(ttl) = &mut self.ttl {
            let is_over = |key: &u32| (*key as usize) < known && ttl.is_over(*key, now_ms);
            over = keys.iter().copied().filter(is_over).collect();
            over.sort_unstable();
            over.dedup();
            ttl.write(keys.iter().copied(), now_ms);
        }
        let has_rows = |key: &&u32| self.rows[**key as usize] > 0;
        // Those swept before are dead; all of them get rows now.
        self.dead -= over.iter().filter(|key| !has_rows(key)).count().min(self.dead);
        for &key in &over {
            self.rows[key as usize] = 0;
        }
        Ok((keys, over))
    }

    /// Counts the next row of a key; returns its number, from 0.
    #[inline]
    pub(super) fn count(&mut self, key: u32) -> u64 {
        let rows = &mut self.rows[key as usize];
        *rows += 1;
        *rows - 1
    }

    /// The key columns of these keys.
    pub(super) fn key_columns(&self, keys: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        self.keys.keys_of(keys)
    }

    /// Whether keys go with time.
    pub(super) fn expires(&self) -> bool {
        self.ttl.is_some()
    }

    /// When keys go, ms since 1970.
    pub(super) fn timer_ms(&self) -> Option<i64> {
        self.ttl.as_ref()?.timer_ms()
    }

    /// Lets keys go whose time is over, and returns them.
    pub(super) fn sweep(&mut self, now_ms: i64) -> Vec<u32> {
        let due = self.ttl.as_mut().map(|ttl| ttl.due(now_ms)).unwrap_or_default();
        for &key in &due {
            self.dead += usize::from(self.rows[key as usize] > 0);
            self.rows[key as usize] = 0;
        }
        self.dirty.mark(due.iter().copied());
        due
    }

    /// Forgets keys without rows when they are many, or all; returns the old numbers of the others, in the order of the new ones.
    pub(super) fn bury(&mut self) -> Result<Option<Vec<u32>>, Failure> {
        let keys = self.keys.len();
        if self.dead == 0 || self.dead < DEAD_KEYS.min(keys) || self.dead * 2 < keys {
            return Ok(None);
        }
        let live: Vec<u32> = (0..keys as u32)
            .filter(|key| self.rows[*key as usize] > 0)
            .collect();
        self.note_deleted(&live)?;
        let columns = self.keys.keys_of(&live)?;
        self.keys = GroupTable::new(&self.key_types)?;
        self.keys.intern(&columns, live.len())?;
        self.rows = live.iter().map(|key| self.rows[*key as usize]).collect();
        if let Some(ttl) = &mut self.ttl {
            ttl.keep(&live);
        }
        self.dead = 0;
        Ok(Some(live))
    }

    /// Notes the written keys that are about to be forgotten, and the new numbers of the others.
    fn note_deleted(&mut self, live: &[u32]) -> Result<(), Failure> {
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        for key in self.dirty.take() {
            match live.binary_search(&key) {
                Ok(new) => kept.push(new as u32),
                Err(_) => gone.push(key),
            }
        }
        self.dirty.mark(kept);
        if !gone.is_empty() {
            self.deleted.push(self.keys.keys_of(&gone)?);
        }
        Ok(())
    }

    /// How many rows a key has had.
    pub(super) fn rows(&self, key: u32) -> u64 {
        self.rows.get(key as usize).copied().unwrap_or(0)
    }

    pub(super) fn key_types(&self) -> &[DataType] {
        &self.key_types
    }

    /// The table of the keys: the rows of each, and when it got the last one if keys go with time.
    pub(super) fn table(&self) -> Table {
        let written = self.ttl.as_ref().map(|_| DataType::Int64);
        let values: Vec<DataType> = [DataType::Int64].into_iter().chain(written).collect();
        Table::new("keys", &self.key_types, &[], &values)
    }

    /// Whether what is written is noted.
    pub(super) fn is_tracking(&self) -> bool {
        self.dirty.is_tracking()
    }

    /// Notes what is written from now on.
    pub(super) fn track_changes(&mut self) {
        self.dirty.track();
    }

    /// Says how many rows keys have had, and deletes those that have been forgotten. Returns the keys that a snapshot is about.
    pub(super) fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<Vec<u32>, Failure> {
        let keys = match scope {
            Scope::All => (0..self.keys.len() as u32).collect(),
            Scope::Changes => self.dirty.take(),
        };
        let all = keys.iter().copied();
        let (live, dead): (Vec<u32>, Vec<u32>) = all.partition(|key| self.rows(*key) > 0);
        if scope == Scope::Changes {
            for keys in std::mem::take(&mut self.deleted) {
                into.delete(0, keys)?;
            }
            if !dead.is_empty() {
                into.delete(0, self.keys.keys_of(&dead)?)?;
            }
        }
        for keys in live.chunks(into.chunk_rows()) {
            let mut columns = self.keys.keys_of(keys)?;
            let rows = keys.iter().map(|key| self.rows(*key) as i64);
            columns.push(Arc::new(rows.collect::<Int64Array>()));
            if let Some(ttl) = &self.ttl {
                columns.push(Arc::new(Int64Array::from(ttl.written_ms(keys))));
            }
            into.write(0, columns)?;
        }
        Ok(keys)
    }

    /// Takes rows that such a snapshot had, of keys that are new.
    pub(super) fn restore(&mut self, columns: &[ArrayRef]) -> Result<(), Failure> {
        let (keys, values) = columns.split_at(self.key_types.len());
        let first = self.keys.len() as u32;
        self.keys.intern(keys, values[0].len())?;
        let rows = values[0].as_primitive::<Int64Type>().values();
        self.rows.extend(rows.iter().map(|rows| *rows as u64));
        if let (Some(ttl), Some(written)) = (&mut self.ttl, values.get(1)) {
            let written = written.as_primitive::<Int64Type>().values();
            for (key, written) in (first..).zip(written) {
                ttl.write([key], *written);
            }
        }
        Ok(())
    }

    /// The numbers of keys that there are.
    pub(super) fn restored(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Groups<'_>, Failure> {
        self.keys.intern(keys, rows)
    }

    /// How many keys it holds.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_the_windows_that_flink_fires() {
        let check = |size: u64, slide: u64, expected: &[Range<u64>]| {
            let windows = Windows { size, slide };
            let found: Vec<_> = (0..expected.len() as u64).map(|row| windows.of(row)).collect();
            assert_eq!(found, expected, "{size} rows every {slide}");
            assert!(
                found
                    .iter()
                    .all(|of| of.end.saturating_sub(of.start) <= windows.most_open() as u64)
            );
        };
        check(2, 2, &[0..1, 0..1, 1..2, 1..2]);
        // Every 2 rows over the last 5.
        check(5, 2, &[0..2, 0..3, 1..3, 1..4, 2..4]);
        // Every 3 rows over the last one: others are in none.
        check(1, 3, &[0..0, 0..0, 0..1, 1..1, 1..1, 1..2]);
    }

    #[test]
    fn windows_close_with_their_last_row() {
        let windows = Windows { size: 5, slide: 2 };
        let closing: Vec<u64> = (0..6).filter(|row| windows.closes(*row)).collect();
        assert_eq!(closing, [1, 3, 5]);
        assert!(closing.iter().all(|row| windows.of(*row).start == row / 2));
        let open: Vec<_> = (0..5).map(|rows| windows.open(rows)).collect();
        assert_eq!(open, [0..0, 0..2, 1..3, 1..3, 2..4]);
        assert_eq!(Windows { size: 1, slide: 3 }.open(2), 0..0);
    }
}
