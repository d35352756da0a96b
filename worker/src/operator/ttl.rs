//! State that goes when nothing has written it for a time: which groups (or rows) of an operator were written when.
//!
//! Time is processing time. Writing a group begins its time anew; one whose time is over is never seen again. Those are swept together,
//! a step of the time at once, from lists of what was written in it: no sweep looks at what stays.

use std::{collections::BTreeMap, ops::Range};

/// Groups go in this many steps of their time.
const STEPS: i64 = 4;
/// When a group was written that is gone.
const GONE: i64 = i64::MIN;

/// When groups were written, which are numbered densely.
#[derive(Debug)]
pub(super) struct Ttl {
    ttl_ms: i64,
    step_ms: i64,
    /// When each group was last written, ms since 1970.
    written: Vec<i64>,
    /// Groups by the step in which they were written. A group may be in several, of which the last counts.
    steps: BTreeMap<i64, Vec<u32>>,
}

impl Ttl {
    /// No groups yet, which live for so long, ms; none if that is 0: for ever.
    pub(super) fn new(ttl_ms: u64) -> Option<Self> {
        let ttl_ms = i64::try_from(ttl_ms).unwrap_or(i64::MAX);
        (ttl_ms > 0).then(|| Self {
            ttl_ms,
            step_ms: (ttl_ms / STEPS).max(1),
            written: Vec::new(),
            steps: BTreeMap::new(),
        })
    }

    /// Notes that groups are written now; new ones get the numbers behind all others.
    pub(super) fn write(&mut self, groups: impl IntoIterator<Item = u32>, now_ms: i64) {
        let step = self.step(now_ms);
        let written_now = self.steps.entry(step).or_default();
        for group in groups {
            let at = group as usize;
            if at >= self.written.len() {
                self.written.resize(at + 1, GONE);
            }
            if self.written[at] == GONE || self.written[at].div_euclid(self.step_ms) != step {
                written_now.push(group);
            }
            self.written[at] = now_ms;
        }
        if written_now.is_empty() {
            self.steps.remove(&step);
        }
    }

    /// Groups without a time, of so many, begin theirs now; says which these are.
    pub(super) fn begin(&mut self, groups: usize, now_ms: i64) -> Range<u32> {
        let begun = self.written.len().min(groups) as u32..groups as u32;
        if !begun.is_empty() {
            self.write(begun.clone(), now_ms);
        }
        begun
    }

    /// When groups were last written, ms since 1970.
    pub(super) fn written_ms(&self, groups: &[u32]) -> Vec<i64> {
        let written = |group: &u32| self.written.get(*group as usize).copied().unwrap_or(GONE);
        groups.iter().map(written).collect()
    }

    /// Whether a group's time is over; a new one's is not.
    #[inline]
    pub(super) fn is_over(&self, group: u32, now_ms: i64) -> bool {
        let written = self.written.get(group as usize);
        written.is_some_and(|written| written.saturating_add(self.ttl_ms) <= now_ms)
    }

    /// The groups whose time is over, those of whole steps; each is given once.
    pub(super) fn due(&mut self, now_ms: i64) -> Vec<u32> {
        let mut due = Vec::new();
        while let Some(first) = self.steps.first_entry() {
            let step = *first.key();
            if over(step, self.step_ms, self.ttl_ms) > now_ms {
                break;
            }
            for group in first.remove() {
                let written = &mut self.written[group as usize];
                if *written != GONE && written.div_euclid(self.step_ms) == step {
                    *written = GONE;
                    due.push(group);
                }
            }
        }
        due
    }

    /// When the next groups are due, ms since 1970.
    pub(super) fn timer_ms(&self) -> Option<i64> {
        let (step, _) = self.steps.first_key_value()?;
        Some(over(*step, self.step_ms, self.ttl_ms))
    }

    /// Follows a renumbering: group `kept[i]` is now group `i`, others are gone.
    pub(super) fn keep(&mut self, kept: &[u32]) {
        let written = |group: &u32| self.written.get(*group as usize).copied().unwrap_or(GONE);
        self.written = kept.iter().map(written).collect();
        self.steps.clear();
        for (group, &written) in (0_u32..).zip(&self.written).filter(|(_, w)| **w != GONE) {
            let step = written.div_euclid(self.step_ms);
            self.steps.entry(step).or_default().push(group);
        }
    }

    fn step(&self, time_ms: i64) -> i64 {
        time_ms.div_euclid(self.step_ms)
    }
}

/// The moment at which the time of all that was written in a step is over.
fn over(step: i64, step_ms: i64, ttl_ms: i64) -> i64 {
    let end = step.saturating_add(1).saturating_mul(step_ms);
    end.saturating_sub(1).saturating_add(ttl_ms)
}

/// The sooner of two timers.
pub(super) fn sooner(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    [one, other].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_group_goes_when_its_time_is_over_since_it_was_last_written() {
        let mut ttl = Ttl::new(100).expect("a time");
        ttl.write([0, 1], 1_000);
        ttl.write([1, 2], 1_060);
        assert!(!ttl.is_over(0, 1_099) && ttl.is_over(0, 1_100));
        assert!(!ttl.is_over(3, 9_999), "a new group is not over");
        // Of the step from 1,000 to 1,024, all are over 100 ms after its end.
        assert_eq!(ttl.timer_ms(), Some(1_124));
        assert!(ttl.due(1_123).is_empty());
        assert_eq!(ttl.due(1_124), [0]);
        assert_eq!(ttl.due(1_174), [1, 2]);
        assert!(ttl.is_over(1, 0), "what is gone stays gone");
        assert_eq!(ttl.timer_ms(), None);
    }

    #[test]
    fn no_time_is_for_ever() {
        assert!(Ttl::new(0).is_none());
        let mut ttl = Ttl::new(u64::MAX).expect("a time");
        ttl.write([0], i64::MAX / 2);
        assert!(!ttl.is_over(0, i64::MAX - 1));
    }

    proptest! {
        #[test]
        fn every_group_is_due_once_and_in_time(
            ttl_ms in 1..50_u64,
            batches in prop::collection::vec((0..20_i64, prop::collection::vec(0..10_u32, 0..5)), 1..40),
        ) {
            let mut ttl = Ttl::new(ttl_ms).expect("a time");
            let (mut now, mut written) = (0, HashMap::new());
            for (wait, groups) in batches {
                now += wait;
                for group in ttl.due(now) {
                    let at = written.remove(&group).expect("due once");
                    prop_assert!(at + ttl_ms as i64 <= now);
                }
                let late = written.values().filter(|at| **at + ttl_ms as i64 + ttl_ms as i64 / STEPS < now).count();
                prop_assert_eq!(late, 0, "a step late at most");
                for group in groups {
                    written.insert(group, now);
                    ttl.write([group], now);
                }
            }
            now += 1_000;
            prop_assert_eq!(ttl.due(now).len(), written.len());
            prop_assert!(ttl.steps.is_empty());
        }
    }
}
