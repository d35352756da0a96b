//! The state of windows whose results change. Nothing outside this folder's other files holds any.

use std::{collections::BTreeMap, ops::Bound};

use arrow::compute::concat;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use weir_model::Failure;

use crate::{
    operator::{
        aggregate::Shapes,
        group::{changes::Changes, state::State as Aggregated},
        keys::Groups,
    },
    state::snapshot,
};

/// Groups go with their window, and not after a time of their own.
const FOR_EVER: u64 = 0;

/// The windows that may still change, by end.
#[derive(Debug)]
pub(super) struct State {
    pub(super) keys: Vec<DataType>,
    pub(super) aggregates: Shapes,
    /// The types of the columns that the state of a group is kept in.
    pub(super) state_types: Vec<DataType>,
    pub(super) open: BTreeMap<i64, Window>,
    pub(super) is_tracking: bool,
    /// Groups of windows that have gone since the last snapshot, which was told of them: key columns, the end and the number of rows.
    pub(super) deleted: Vec<(Vec<ArrayRef>, i64, usize)>,
}

/// One window.
#[derive(Debug)]
pub(super) struct Window {
    /// Its first moment.
    pub(super) start: i64,
    /// Whether the watermark has reached its end.
    pub(super) has_fired: bool,
    pub(super) groups: Aggregated,
    /// What there is to emit of each group.
    pub(super) standing: Vec<Standing>,
    /// Groups that were never emitted.
    pub(super) fresh: Vec<u32>,
    /// Groups that were emitted and have changed since.
    pub(super) changed: Vec<u32>,
    /// What was emitted of them, piece by piece: result columns.
    pub(super) before: Vec<Vec<ArrayRef>>,
    /// How many groups, from the first on, have been in a snapshot.
    pub(super) told: usize,
    /// When what there is to emit was due before it was restored, ms.
    pub(super) due_ms: Option<i64>,
}

/// What there is to emit of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was never emitted.
    Fresh = 0,
    /// What was emitted is what there is.
    Emitted = 1,
    /// It is no longer.
    Changed = 2,
}

impl State {
    /// No windows yet, of groups by keys of these types.
    pub(super) fn new(keys: Vec<DataType>, aggregates: Shapes) -> Result<Self, Failure> {
        // Finds at once what cannot be aggregated.
        let groups = Aggregated::new(keys.clone(), &aggregates, FOR_EVER)?;
        Ok(Self {
            keys,
            aggregates,
            state_types: groups.state_types(),
            open: BTreeMap::new(),
            is_tracking: false,
            deleted: Vec::new(),
        })
    }

    /// The window with these bounds, opened if need be.
    pub(super) fn window(&mut self, start: i64, end: i64) -> Result<&mut Window, Failure> {
        match self.open.entry(end) {
            std::collections::btree_map::Entry::Occupied(window) => Ok(window.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => {
                let mut groups = Aggregated::new(self.keys.clone(), &self.aggregates, FOR_EVER)?;
                if self.is_tracking {
                    groups.track_changes();
                }
                Ok(place.insert(Window {
                    start,
                    has_fired: false,
                    groups,
                    standing: Vec::new(),
                    fresh: Vec::new(),
                    changed: Vec::new(),
                    before: Vec::new(),
                    told: 0,
                    due_ms: None,
                }))
            }
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
    pub(super) fn forget(&mut self, by: i64) -> Result<(), Failure> {
        while let Some(first) = self.open.first_entry().filter(|first| *first.key() <= by) {
            let (end, window) = first.remove_entry();
            if self.is_tracking && window.told > 0 {
                let told: Vec<u32> = (0..window.told as u32).collect();
                for groups in told.chunks(snapshot::ROWS) {
                    self.deleted
                        .push((window.groups.keys(groups)?, end, groups.len()));
                }
            }
        }
        Ok(())
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
        let (known, new) = touched.groups.split_at(touched.known);
        let is_emitted = |group: &u32| self.standing[*group as usize] == Standing::Emitted;
        let changed: Vec<u32> = known.iter().copied().filter(is_emitted).collect();
        if !changed.is_empty() {
            self.before.push(self.groups.results(&changed)?);
            for group in &changed {
                self.standing[*group as usize] = Standing::Changed;
            }
            self.changed.extend(changed);
        }
        self.standing.resize(touched.total, Standing::Fresh);
        self.fresh.extend_from_slice(new);
        let groups = Groups {
            ids: touched.ids.as_deref(),
            rows,
            total: touched.total,
        };
        self.groups.update(groups, arguments)
    }

    /// Whether there is something to emit.
    pub(super) fn is_changed(&self) -> bool {
        !self.changed.is_empty() || !self.fresh.is_empty()
    }

    /// What has changed since the last call, as if it is emitted now.
    pub(super) fn take_changes(&mut self) -> Result<Changes, Failure> {
        let before = self.take_before()?;
        let mut groups = std::mem::take(&mut self.changed);
        let known = groups.len();
        groups.append(&mut self.fresh);
        for group in &groups {
            self.standing[*group as usize] = Standing::Emitted;
        }
        // That they have been emitted is part of their state.
        self.groups.mark(&groups);
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
    pub(super) fn take_before(&mut self) -> Result<Vec<ArrayRef>, Failure> {
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
