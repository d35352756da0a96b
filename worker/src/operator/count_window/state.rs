//! The open windows of each key and what they have added up to. Nothing outside this file and `numbering` holds any.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int64Array};
use weir_model::Failure;

use super::numbering::Numbering;
use crate::operator::{
    aggregate::{Accumulator, Count, Shapes},
    keys::Groups,
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
    /// Rows per window; COUNT(*) is this.
    rows: Count,
    /// None: COUNT(*).
    aggregates: Vec<Option<Box<dyn Accumulator>>>,
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
        let accumulators = aggregates
            .iter()
            .map(|a| (!a.is_count_star()).then(|| a.accumulator()).transpose());
        Ok(Self {
            most_open: numbering.windows().most_open(),
            numbering,
            open: Vec::new(),
            windows: 0,
            dead: 0,
            rows: Count::default(),
            aggregates: accumulators.collect::<Result<_, _>>()?,
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
        self.close(&over);
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
        self.rows.rows(groups);
        for (accumulator, argument) in self.aggregates.iter_mut().zip(arguments) {
            if let Some(accumulator) = accumulator {
                accumulator.update(groups, argument.as_ref())?;
            }
        }
        Ok(())
    }

    /// Keys, results and numbers of complete windows, from one of them to another.
    pub(super) fn results(
        &self,
        complete: &Complete,
        part: std::ops::Range<usize>,
    ) -> Result<Vec<ArrayRef>, Failure> {
        let mut columns = self.numbering.key_columns(&complete.keys[part.clone()])?;
        let windows = &complete.windows[part.clone()];
        for accumulator in &self.aggregates {
            columns.push(match accumulator {
                Some(accumulator) => accumulator.finish_of(windows)?,
                None => Accumulator::finish_of(&self.rows, windows)?,
            });
        }
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
        self.rows.keep_only(&live);
        for accumulator in self.aggregates.iter_mut().flatten() {
            accumulator.keep(&live)?;
        }
        (self.windows, self.dead) = (live.len(), 0);
        Ok(())
    }

    /// Lets keys go whose time is over, with their windows.
    pub(super) fn sweep(&mut self, now_ms: i64) -> Result<(), Failure> {
        let due = self.numbering.sweep(now_ms);
        self.close(&due);
        if let Some(kept) = self.numbering.bury()? {
            let of_key = |key: &u32| {
                let first = *key as usize * self.most_open;
                first..first + self.most_open
            };
            let open = kept.iter().flat_map(|key| self.open[of_key(key)].iter().copied());
            self.open = open.collect();
        }
        self.tidy(0)
    }

    /// Closes all windows of keys without a result.
    fn close(&mut self, keys: &[u32]) {
        for &key in keys {
            let first = key as usize * self.most_open;
            for window in self.open.iter_mut().skip(first).take(self.most_open) {
                self.dead += usize::from(std::mem::replace(window, NONE) != NONE);
            }
        }
    }

    /// How many keys and how many windows it holds memory for.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.numbering.len(), self.windows)
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
