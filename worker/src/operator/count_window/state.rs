//! The open windows of each key and what they have added up to. Nothing outside this file and `numbering` holds any.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, cast::AsArray, types::Int64Type};
use arrow_schema::DataType;
use weir_model::Failure;

use super::numbering::Numbering;
use crate::{
    operator::{
        aggregate::{Accumulators, Shapes, parts},
        keys::Groups,
    },
    state::{Scope, Snapshot, Table, table::Part},
};

/// No window.
const NONE: u32 = u32::MAX;
/// Windows that are over before their memory is given back.
const DEAD_WINDOWS: usize = 4096;

/// Open windows, which are numbered as they get their first rows, and their accumulators.
#[derive(Debug)]
pub(super) struct State {
    pub(super) numbering: Numbering,
    /// Per key, its open windows by their number, modulo the most that can be open.
    open: Vec<u32>,
    most_open: usize,
    /// How many windows have accumulators.
    windows: usize,
    /// How many of them are over.
    dead: usize,
    aggregates: Accumulators,
    /// The columns that they are kept in.
    parts: Vec<Part>,
    told: Told,
}

/// What a snapshot has been told of.
#[derive(Debug, Default)]
struct Told {
    /// Per key, how many rows it had had then; which windows were open then follows from it.
    rows: Vec<u64>,
    /// Windows of keys that went since: key columns and numbers.
    gone: Vec<(Vec<ArrayRef>, ArrayRef)>,
}

/// Rows that are aggregated, each once per window.
#[derive(Debug, Default)]
pub(super) struct Picked {
    /// Rows of the batch.
    pub(super) rows: Vec<u32>,
    /// The window of each.
    pub(super) windows: Vec<u32>,
    /// The windows that have got their last row.
    pub(super) complete: Complete,
}

/// Complete windows that have rows.
#[derive(Debug, Default)]
pub(super) struct Complete {
    pub(super) windows: Vec<u32>,
    keys: Vec<u32>,
    ids: Vec<i64>,
}

impl State {
    pub(super) fn new(numbering: Numbering, aggregates: &Shapes) -> Result<Self, Failure> {
        Ok(Self {
            most_open: numbering.windows().most_open(),
            numbering,
            open: Vec::new(),
            windows: 0,
            dead: 0,
            aggregates: Accumulators::new(aggregates)?,
            parts: parts(aggregates)?,
            told: Told::default(),
        })
    }

    /// Counts rows with these keys, and finds the windows of those that a filter, if there is one, does not leave out.
    pub(super) fn pick(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        filter: Option<&BooleanArray>,
        now_ms: i64,
    ) -> Result<Picked, Failure> {
        let (keys, over) = self.numbering.keys(keys, rows, now_ms)?;
        self.close(&over)?;
        let windows = self.numbering.windows();
        let mut picked = Picked::default();
        for (row, &key) in (0_u32..).zip(&keys) {
            let number = self.numbering.count(key);
            let of = windows.of(number);
            let first = key as usize * self.most_open;
            if first + self.most_open > self.open.len() {
                self.open.resize(first + self.most_open, NONE);
            }
            if filter.is_none_or(|filter| filter.value(row as usize)) {
                for id in of.clone() {
                    let window = &mut self.open[first + (id % self.most_open as u64) as usize];
                    if *window == NONE {
                        *window = self.windows as u32;
                        self.windows += 1;
                    }
                    picked.rows.push(row);
                    picked.windows.push(*window);
                }
            }
            if windows.closes(number) && !of.is_empty() {
                let place = first + (of.start % self.most_open as u64) as usize;
                let window = std::mem::replace(&mut self.open[place], NONE);
                picked.complete.push(window, key, of.start as i64);
            }
        }
        Ok(picked)
    }

    /// Takes raw values of rows of these windows: per aggregate its argument.
    pub(super) fn update(&mut self, windows: &[u32], arguments: &[Option<ArrayRef>]) -> Result<(), Failure> {
        let groups = Groups {
            ids: Some(windows),
            rows: windows.len(),
            total: self.windows,
        };
        self.aggregates.update(groups, arguments)
    }

    /// Keys, results and numbers of complete windows, from one of them to another.
    pub(super) fn results(
        &self,
        complete: &Complete,
        part: std::ops::Range<usize>,
    ) -> Result<Vec<ArrayRef>, Failure> {
        let mut columns = self.numbering.key_columns(&complete.keys[part.clone()])?;
        let windows = &complete.windows[part.clone()];
        columns.extend(self.aggregates.results_of(windows)?);
        columns.push(Arc::new(Int64Array::from(complete.ids[part].to_vec())));
        Ok(columns)
    }

    /// Lets go of complete windows, of those of keys whose time is over, and of the memory when that is worth it.
    pub(super) fn tidy(&mut self, complete: usize) -> Result<(), Failure> {
        self.dead += complete;
        let worth = DEAD_WINDOWS.max(self.open.len() / 2);
        if self.dead < worth || self.dead * 2 < self.windows {
            return Ok(());
        }
        let mut live: Vec<u32> = self.open.iter().copied().filter(|w| *w != NONE).collect();
        live.sort_unstable();
        let mut names = vec![NONE; self.windows];
        for (name, window) in (0_u32..).zip(&live) {
            names[*window as usize] = name;
        }
        for window in self.open.iter_mut().filter(|w| **w != NONE) {
            *window = names[*window as usize];
        }
        self.aggregates.keep(&live)?;
        (self.windows, self.dead) = (live.len(), 0);
        Ok(())
    }

    /// Lets keys go whose time is over, with their windows.
    pub(super) fn sweep(&mut self, now_ms: i64) -> Result<(), Failure> {
        let due = self.numbering.sweep(now_ms);
        self.close(&due)?;
        if let Some(kept) = self.numbering.bury()? {
            let of_key = |key: &u32| {
                let first = *key as usize * self.most_open;
                first..first + self.most_open
            };
            let open = kept.iter().flat_map(|key| self.open[of_key(key)].iter().copied());
            self.open = open.collect();
            let told = kept.iter().map(|key| self.told.of(*key));
            self.told.rows = told.collect();
        }
        self.tidy(0)
    }

    /// Closes all windows of keys without a result.
    fn close(&mut self, keys: &[u32]) -> Result<(), Failure> {
        self.forget(keys)?;
        for &key in keys {
            let first = key as usize * self.most_open;
            for window in self.open.iter_mut().skip(first).take(self.most_open) {
                self.dead += usize::from(std::mem::replace(window, NONE) != NONE);
            }
        }
        Ok(())
    }

    /// Notes the windows of keys that a snapshot has been told of: they are no more.
    fn forget(&mut self, keys: &[u32]) -> Result<(), Failure> {
        let (mut of_keys, mut ids) = (Vec::new(), Vec::new());
        for &key in keys {
            for id in self.numbering.windows().open(self.told.of(key)) {
                of_keys.push(key);
                ids.push(id as i64);
            }
            if let Some(rows) = self.told.rows.get_mut(key as usize) {
                *rows = 0;
            }
        }
        if !ids.is_empty() {
            let columns = self.numbering.key_columns(&of_keys)?;
            self.told.gone.push((columns, Arc::new(Int64Array::from(ids))));
        }
        Ok(())
    }

    /// Its tables: the keys, and their open windows.
    pub(super) fn tables(&self) -> Vec<Table> {
        let types = self.numbering.key_types();
        let windows = Table::of_parts("windows", types, &[DataType::Int64], self.parts.clone());
        vec![self.numbering.table(), windows]
    }

    /// Notes what changes from now on.
    pub(super) fn track_changes(&mut self) {
        self.numbering.track_changes();
        let keys = 0..self.numbering.len() as u32;
        self.told.rows = keys.map(|key| self.numbering.rows(key)).collect();
    }

    /// Says keys and windows that are open, and deletes those that are no more.
    pub(super) fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        let keys = self.numbering.snapshot(scope, into)?;
        if scope == Scope::Changes {
            self.delete_closed(&keys, into)?;
        }
        let (mut of_keys, mut ids, mut open) = (Vec::new(), Vec::new(), Vec::new());
        for key in keys {
            let first = key as usize * self.most_open;
            for id in self.numbering.windows().open(self.numbering.rows(key)) {
                let window = self.open[first + (id % self.most_open as u64) as usize];
                if window != NONE {
                    of_keys.push(key);
                    ids.push(id as i64);
                    open.push(window);
                }
            }
        }
        let chunk = into.chunk_rows();
        for from in (0..open.len()).step_by(chunk) {
            let part = from..open.len().min(from + chunk);
            let mut columns = self.numbering.key_columns(&of_keys[part.clone()])?;
            columns.push(Arc::new(Int64Array::from(ids[part.clone()].to_vec())));
            columns.extend(self.aggregates.state_of(&open[part])?);
            into.write(1, columns)?;
        }
        Ok(())
    }

    /// Deletes windows that have closed since the last snapshot, which was told of them.
    fn delete_closed(&mut self, keys: &[u32], into: &mut Snapshot) -> Result<(), Failure> {
        for (mut columns, ids) in std::mem::take(&mut self.told.gone) {
            columns.push(ids);
            into.delete(1, columns)?;
        }
        let (mut of_keys, mut ids) = (Vec::new(), Vec::new());
        for &key in keys {
            let windows = self.numbering.windows();
            let (told, now) = (self.told.of(key), self.numbering.rows(key));
            for id in windows.open(told).take_while(|id| *id < windows.open(now).start) {
                of_keys.push(key);
                ids.push(id as i64);
            }
            let at = key as usize;
            self.told.rows.resize(self.told.rows.len().max(at + 1), 0);
            self.told.rows[at] = now;
        }
        if !ids.is_empty() {
            let mut columns = self.numbering.key_columns(&of_keys)?;
            columns.push(Arc::new(Int64Array::from(ids)));
            into.delete(1, columns)?;
        }
        Ok(())
    }

    /// Takes rows of a table that such a snapshot had.
    pub(super) fn restore(&mut self, table: usize, columns: &[ArrayRef]) -> Result<(), Failure> {
        if table == 0 {
            let known = self.numbering.len();
            self.numbering.restore(columns)?;
            if self.numbering.is_tracking() {
                self.told.rows.resize(known, 0);
                let restored = known as u32..self.numbering.len() as u32;
                let numbering = &self.numbering;
                self.told.rows.extend(restored.map(|key| numbering.rows(key)));
            }
            self.open.resize(self.numbering.len() * self.most_open, NONE);
            return Ok(());
        }
        let (keys, values) = columns.split_at(self.numbering.key_types().len());
        let ids = values[0].as_primitive::<Int64Type>().values();
        let keys = self.numbering.restored(keys, ids.len())?;
        let first = self.windows;
        for (row, id) in ids.iter().enumerate() {
            let key = keys.ids.map_or(0, |keys| keys[row] as usize);
            self.open[key * self.most_open + *id as usize % self.most_open] = (first + row) as u32;
        }
        self.windows += ids.len();
        let windows: Vec<u32> = (first as u32..self.windows as u32).collect();
        let groups = Groups {
            ids: Some(&windows),
            rows: windows.len(),
            total: self.windows,
        };
        self.aggregates.restore(groups, &values[1..])
    }

    /// How many keys and how many windows it holds memory for.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.numbering.len(), self.windows)
    }
}

impl Told {
    /// How many rows a key had had at the last snapshot; of one that it was not told of, none.
    fn of(&self, key: u32) -> u64 {
        self.rows.get(key as usize).copied().unwrap_or(0)
    }
}

impl Complete {
    fn push(&mut self, window: u32, key: u32, id: i64) {
        if window != NONE {
            self.windows.push(window);
            self.keys.push(key);
            self.ids.push(id);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }
}
