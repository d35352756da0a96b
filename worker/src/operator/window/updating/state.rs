//! The state of windows whose results change. Nothing outside this folder's other files holds any.

use std::{collections::BTreeMap, ops::Bound};

use arrow::compute::concat;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use weir_model::Failure;

use crate::operator::{
    aggregate::Shapes,
    group::{changes::Changes, state::State as Aggregated},
    keys::Groups,
};

/// Groups go with their window, and not after a time of their own.
const FOR_EVER: u64 = 0;

/// The windows that may still change, by end.
#[derive(Debug)]
pub(super) struct State {
    keys: Vec<DataType>,
    aggregates: Shapes,
    open: BTreeMap<i64, Window>,
}

/// One window.
#[derive(Debug)]
pub(super) struct Window {
    /// Its first moment.
    pub(super) start: i64,
    /// Whether the watermark has reached its end.
    pub(super) has_fired: bool,
    groups: Aggregated,
    total: usize,
    /// How many of the groups, from the first on, have been emitted.
    emitted: usize,
    /// Of these, whether what was emitted is no longer what there is.
    is_changed: Vec<bool>,
    /// Those that are changed.
    changed: Vec<u32>,
    /// What was emitted of them, piece by piece: result columns.
    before: Vec<Vec<ArrayRef>>,
}

impl State {
    /// No windows yet, of groups by keys of these types.
    pub(super) fn new(keys: Vec<DataType>, aggregates: Shapes) -> Result<Self, Failure> {
        // Finds at once what cannot be aggregated.
        Aggregated::new(keys.clone(), &aggregates, FOR_EVER)?;
        Ok(Self {
            keys,
            aggregates,
            open: BTreeMap::new(),
        })
    }

    /// The window with these bounds, opened if need be.
    pub(super) fn window(&mut self, start: i64, end: i64) -> Result<&mut Window, Failure> {
        match self.open.entry(end) {
            std::collections::btree_map::Entry::Occupied(window) => Ok(window.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => Ok(place.insert(Window {
                start,
                has_fired: false,
                groups: Aggregated::new(self.keys.clone(), &self.aggregates, FOR_EVER)?,
                total: 0,
                emitted: 0,
                is_changed: Vec::new(),
                changed: Vec::new(),
                before: Vec::new(),
            })),
        }
    }

    /// The windows that end by a moment, by end.
    pub(super) fn ended(&mut self, by: i64) -> impl Iterator<Item = (i64, &mut Window)> {
        let ended = self.open.range_mut(..=by);
        ended.map(|(end, window)| (*end, window))
    }

    /// The windows that end after a moment, by end.
    pub(super) fn running(&mut self, after: i64) -> impl Iterator<Item = (i64, &mut Window)> {
        let running = self.open.range_mut((Bound::Excluded(after), Bound::Unbounded));
        running.map(|(end, window)| (*end, window))
    }

    /// Forgets the windows that end by a moment.
    pub(super) fn forget(&mut self, by: i64) {
        while let Some(first) = self.open.first_entry().filter(|first| *first.key() <= by) {
            first.remove();
        }
    }
}

impl Window {
    /// Adds raw rows: their keys, and per aggregate its argument.
    pub(super) fn add(
        &mut self,
        keys: &[ArrayRef],
        arguments: &[Option<ArrayRef>],
        rows: usize,
    ) -> Result<(), Failure> {
        let touched = self.groups.touch(keys, rows, 0)?;
        let is_fresh = |group: &u32| self.is_changed.get(*group as usize) == Some(&false);
        let known = touched.groups[..touched.known].iter().copied();
        let fresh: Vec<u32> = known.filter(is_fresh).collect();
        if !fresh.is_empty() {
            self.before.push(self.groups.results(&fresh)?);
            for group in &fresh {
                self.is_changed[*group as usize] = true;
            }
            self.changed.extend(fresh);
        }
        self.total = touched.total;
        let groups = Groups {
            ids: touched.ids.as_deref(),
            rows,
            total: touched.total,
        };
        self.groups.update(groups, arguments)
    }

    /// Whether there is something to emit.
    pub(super) fn is_changed(&self) -> bool {
        !self.changed.is_empty() || self.emitted < self.total
    }

    /// What has changed since the last call, as if it is emitted now.
    pub(super) fn take_changes(&mut self) -> Result<Changes, Failure> {
        let before = self.take_before()?;
        let mut groups = std::mem::take(&mut self.changed);
        let known = groups.len();
        for group in &groups {
            self.is_changed[*group as usize] = false;
        }
        groups.extend(self.emitted as u32..self.total as u32);
        self.emitted = self.total;
        self.is_changed.resize(self.total, false);
        Ok(Changes {
            keys: self.groups.keys(&groups)?,
            before,
            after: self.groups.results(&groups)?,
            rows_before: vec![1; known],
            rows_after: vec![1; groups.len()],
            repeats: false,
        })
    }

    /// What was emitted of the changed groups, in their order.
    fn take_before(&mut self) -> Result<Vec<ArrayRef>, Failure> {
        let pieces = std::mem::take(&mut self.before);
        match pieces.as_slice() {
            [] => self.groups.results(&[]),
            [only] => Ok(only.clone()),
            [first, ..] => (0..first.len())
                .map(|column| {
                    let parts: Vec<&dyn Array> = pieces.iter().map(|piece| piece[column].as_ref()).collect();
                    concat(&parts)
                        .map_err(|e| Failure::internal(format!("cannot gather results of windows: {e}")))
                })
                .collect(),
        }
    }
}
