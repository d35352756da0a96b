//! Hopping windows: when one fires, its panes are merged.
//!
//! A pane belongs to many windows, so its groups are found in the merged table once, when the pane first takes part, and remembered by
//! number: each window after that costs an addition per group and pane, and no hash.

use std::collections::BTreeMap;

use weir_model::{EventTime, Failure};

use super::{
    emit::Emit,
    pane::{Pane, Panes},
    windows::Hops,
};

/// Groups that the merged table may hold without rows before it is made anew.
const SLACK_GROUPS: usize = 4096;

/// Merges panes to windows. All of it follows from the panes.
#[derive(Debug)]
pub(super) struct HopMerge {
    hops: Hops,
    merged: Pane,
    /// Per pane, the numbers of its groups in the merged table; of groups that came since, not yet.
    numbers: BTreeMap<i64, Vec<u32>>,
    /// Whether an aggregate had no value in some pane.
    nulls: bool,
}

impl HopMerge {
    /// Merges panes like these.
    pub(super) fn new(hops: Hops, panes: &Panes) -> Result<Self, Failure> {
        Ok(Self {
            hops,
            merged: panes.empty()?,
            numbers: BTreeMap::new(),
            nulls: false,
        })
    }

    /// Emits the windows that end after one watermark and by another, and drops panes that no later window needs.
    pub(super) fn fire(
        &mut self,
        panes: &mut Panes,
        mut fired: EventTime,
        watermark: EventTime,
        emit: &mut Emit,
    ) -> Result<(), Failure> {
        while let Some(end) = self.next_end(panes, fired) {
            if EventTime(end.saturating_sub(1)) > watermark {
                break;
            }
            let start = end.saturating_sub(self.hops.size_ms);
            self.merge(panes, start, end)?;
            let live = emit.live_groups(start, end, &self.merged)?;
            if self.merged.len() > 2 * live + SLACK_GROUPS {
                self.merged.clear();
                self.numbers.clear();
            }
            while let Some((pane, emptied)) = panes.pop(|pane| self.hops.last_end(pane) <= end) {
                self.numbers.remove(&pane);
                panes.recycle(pane, emptied)?;
            }
            fired = EventTime(end.saturating_sub(1));
        }
        Ok(())
    }

    /// The end of the first window with rows that has not fired at a watermark.
    fn next_end(&self, panes: &Panes, fired: EventTime) -> Option<i64> {
        let next = self.hops.end_from(fired.0.saturating_add(2));
        panes.first().map(|first| self.hops.first_end(first).max(next))
    }

    /// The watermark at which the next window fires.
    pub(super) fn due(&self, panes: &Panes, fired: EventTime) -> Option<EventTime> {
        let end = self.next_end(panes, fired);
        end.map(|end| EventTime(end.saturating_sub(1)))
    }

    fn merge(&mut self, panes: &Panes, start: i64, end: i64) -> Result<(), Failure> {
        for (pane, groups) in panes.range(start..end) {
            let numbers = self.numbers.entry(pane).or_default();
            if numbers.len() < groups.len() {
                self.merged.number(groups, numbers.len()..groups.len(), numbers)?;
            }
        }
        if self.add(panes, start, end)? && !self.nulls {
            self.nulls = true;
            self.add(panes, start, end)?;
        }
        Ok(())
    }

    /// Adds up the panes; returns whether an aggregate had no value in one of them.
    fn add(&mut self, panes: &Panes, start: i64, end: i64) -> Result<bool, Failure> {
        self.merged.clear_rows();
        if self.nulls {
            self.merged.seed(panes.aggregates())?;
        }
        let mut nulls = false;
        for (pane, groups) in panes.range(start..end) {
            nulls |= self.merged.absorb_numbered(groups, &self.numbers[&pane])?;
        }
        Ok(nulls)
    }
}
