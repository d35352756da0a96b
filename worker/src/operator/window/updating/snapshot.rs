//! Windows whose results change as rows of a table: the keys of a group, the end of its window and its start; when a change is due that
//! was not emitted yet, and whether there is one; what the accumulators say; of a change, what was emitted before.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Int8Array, Int64Array, RecordBatch, UInt32Array,
    cast::AsArray,
    new_null_array,
    types::{Int8Type, Int64Type},
};
use arrow_schema::{ArrowError, DataType};
use arrow_select::take::take;
use weir_model::Failure;

use super::state::{Standing, State, Window};
use crate::{
    operator::window::snapshot::by_moment,
    state::{Scope, Snapshot, Table, snapshot::ROWS},
};

/// Columns before the state: the start, when a change is due, and the standing.
const BEFORE_STATE: usize = 3;

/// When changes are due that have waited since the last call, ms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// Windows that end by this have ended.
    pub(super) ended: i64,
    /// Of windows that have not ended.
    pub(super) early_ms: Option<i64>,
    /// Of windows that have.
    pub(super) late_ms: Option<i64>,
}

impl Due {
    fn of(self, end: i64) -> Option<i64> {
        if end > self.ended {
            self.early_ms
        } else {
            self.late_ms
        }
    }
}

impl State {
    /// The table that holds the groups of all windows.
    pub(super) fn table(&self) -> Table {
        let results = self.aggregates.iter().map(|a| a.result_type().clone());
        let values = [DataType::Int64, DataType::Int64, DataType::Int8].into_iter();
        let values: Vec<DataType> = values
            .chain(self.state_types.iter().cloned())
            .chain(results)
            .collect();
        Table::new("windows", &self.keys, &[DataType::Int64], &values)
    }

    /// Notes what changes from now on.
    pub(super) fn track_changes(&mut self) {
        self.is_tracking = true;
        for window in self.open.values_mut() {
            window.groups.track_changes();
            window.told = window.standing.len();
        }
    }

    /// Says the groups of all windows, or those that were written and those of windows that have gone.
    pub(super) fn snapshot(&mut self, scope: Scope, due: Due, into: &mut Snapshot) -> Result<(), Failure> {
        if scope == Scope::Changes {
            for (mut keys, end, rows) in std::mem::take(&mut self.deleted) {
                keys.push(same(end, rows));
                into.delete(0, keys)?;
            }
        }
        for (&end, window) in &mut self.open {
            let groups: Vec<u32> = match scope {
                Scope::All => (0..window.standing.len() as u32).collect(),
                Scope::Changes => {
                    window.told = window.standing.len();
                    window.groups.take_dirty()
                }
            };
            for groups in groups.chunks(ROWS) {
                into.write(0, window.rows(end, due.of(end), groups)?)?;
            }
        }
        Ok(())
    }

    /// Takes rows that such a snapshot had.
    pub(super) fn restore(&mut self, rows: &RecordBatch) -> Result<(), Failure> {
        let (keys, states) = (self.keys.len(), self.state_types.len());
        for (end, rows) in by_moment(rows, keys)? {
            let (keys, values) = rows.columns().split_at(keys);
            let start = values[1].as_primitive::<Int64Type>().value(0);
            self.window(start, end)?.restore(keys, &values[1..], states)?;
        }
        Ok(())
    }

    /// All rows were given: windows that have ended have fired. Returns when changes are due, early ones and late ones.
    pub(super) fn restored(&mut self, ended: i64) -> (Option<i64>, Option<i64>) {
        let (mut early, mut late) = (None, None);
        for (&end, window) in &mut self.open {
            window.has_fired = end <= ended;
            let due = if window.has_fired { &mut late } else { &mut early };
            *due = (*due).into_iter().chain(window.due_ms.take()).min();
        }
        (early, late)
    }
}

impl Window {
    /// All columns of groups.
    fn rows(&mut self, end: i64, due_ms: Option<i64>, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let standing = || groups.iter().map(|&group| self.standing[group as usize]);
        let due = standing().map(|standing| due_ms.filter(|_| standing != Standing::Emitted));
        let due: ArrayRef = Arc::new(due.collect::<Int64Array>());
        let standing: ArrayRef = Arc::new(standing().map(|s| Some(s as i8)).collect::<Int8Array>());
        let mut columns = self.groups.keys(groups)?;
        columns.extend([
            same(end, groups.len()),
            same(self.start, groups.len()),
            due,
            standing,
        ]);
        columns.extend(self.groups.state_of(groups)?);
        columns.extend(self.before_of(groups)?);
        Ok(columns)
    }

    /// What was emitted of groups that have changed since, null of others.
    fn before_of(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let before = self.take_before()?;
        if self.changed.is_empty() {
            let nulls = before.iter().map(|b| new_null_array(b.data_type(), groups.len()));
            return Ok(nulls.collect());
        }
        let mut places = vec![None; self.standing.len()];
        for (place, &group) in (0_u32..).zip(&self.changed) {
            places[group as usize] = Some(place);
        }
        let places: UInt32Array = groups.iter().map(|&group| places[group as usize]).collect();
        let columns = before.iter().map(|column| take(column, &places, None));
        let columns = columns.collect::<Result<Vec<_>, _>>();
        self.before = vec![before];
        columns.map_err(|e| broken(&e))
    }

    /// Takes groups: their keys, which are new, and the other columns, of which so many are the accumulators'.
    fn restore(&mut self, keys: &[ArrayRef], values: &[ArrayRef], states: usize) -> Result<(), Failure> {
        let (state, before) = values[BEFORE_STATE..].split_at(states);
        self.groups.restore(keys, state)?;
        let due = values[1].as_primitive::<Int64Type>().iter().flatten();
        self.due_ms = self.due_ms.into_iter().chain(due).min();
        let mut rows = Vec::new();
        for (row, standing) in (0_u32..).zip(values[2].as_primitive::<Int8Type>().values()) {
            let group = self.standing.len() as u32;
            self.standing.push(match standing {
                0 => Standing::Fresh,
                1 => Standing::Emitted,
                _ => Standing::Changed,
            });
            match self.standing[group as usize] {
                Standing::Fresh => self.fresh.push(group),
                Standing::Emitted => {}
                Standing::Changed => {
                    self.changed.push(group);
                    rows.push(row);
                }
            }
        }
        if !rows.is_empty() {
            let rows = UInt32Array::from(rows);
            let before = before
                .iter()
                .map(|column| take(column, &rows, None))
                .collect::<Result<Vec<_>, _>>();
            self.before.push(before.map_err(|e| broken(&e))?);
        }
        self.told = self.standing.len();
        Ok(())
    }
}

/// The same moment for so many groups.
fn same(moment: i64, rows: usize) -> ArrayRef {
    Arc::new(Int64Array::from(vec![moment; rows]))
}

fn broken(error: &ArrowError) -> Failure {
    Failure::internal(format!("cannot gather results of windows: {error}"))
}
