//! Sources that keep together in event time: one that is too far ahead of its group waits for the others.
//!
//! Who waits is woken by whoever moves the least of the group: by a watermark that rises, a split that goes idle, a subtask that ends in
//! whatever way. A subtask that is at the least itself never waits, so the group always moves on.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::watch;
use weir_model::EventTime;

/// The groups of one deployment in this process, by name.
#[derive(Debug, Default)]
pub struct Alignment {
    groups: Mutex<BTreeMap<String, Arc<Group>>>,
}

#[derive(Debug)]
struct Group {
    progress: Mutex<Progress>,
    /// The least of the group.
    least: watch::Sender<Option<EventTime>>,
}

impl Alignment {
    /// A new member of a group, which holds nobody back until it [says](Member::tell) where it is.
    pub fn join(&self, group: &str, max_drift_ms: u64) -> Member {
        let mut groups = self.groups.lock();
        let group = groups.entry(group.to_owned()).or_insert_with(|| {
            Arc::new(Group {
                progress: Mutex::default(),
                least: watch::Sender::new(None),
            })
        });
        let number = group.progress.lock().join();
        Member {
            least: group.least.subscribe(),
            group: Arc::clone(group),
            number,
            max_drift_ms: i64::try_from(max_drift_ms).unwrap_or(i64::MAX),
            at: None,
        }
    }

    /// How far each group has come here; none: nobody holds others back.
    pub fn least(&self) -> Vec<(String, Option<EventTime>)> {
        let groups = self.groups.lock();
        let least = groups.iter().map(|(name, group)| {
            let least = group.progress.lock().least_here();
            (name.clone(), least)
        });
        least.collect()
    }

    /// How far a group has come in other processes; none: they hold nobody back.
    pub fn hear(&self, group: &str, elsewhere: Option<EventTime>) {
        if let Some(group) = self.groups.lock().get(group) {
            group.change(|progress| progress.elsewhere = elsewhere);
        }
    }
}

impl Group {
    fn change(&self, change: impl FnOnce(&mut Progress)) {
        let mut progress = self.progress.lock();
        change(&mut progress);
        let least = progress.least();
        // Under the lock, so that an older least never follows a newer one.
        self.least.send_if_modified(|known| {
            let is_new = *known != least;
            *known = least;
            is_new
        });
    }
}

/// A source subtask of a group. It leaves the group when it is dropped.
#[derive(Debug)]
pub struct Member {
    group: Arc<Group>,
    number: usize,
    max_drift_ms: i64,
    /// What it said last.
    at: Option<EventTime>,
    least: watch::Receiver<Option<EventTime>>,
}

impl Member {
    /// Says how far it has come; none: it holds nobody back.
    pub fn tell(&mut self, at: Option<EventTime>) {
        if self.at != at {
            self.at = at;
            let number = self.number;
            self.group.change(|progress| progress.members[number] = at);
        }
    }

    /// Whether it may read on.
    pub fn may_read(&mut self) -> bool {
        is_together(self.at, *self.least.borrow_and_update(), self.max_drift_ms)
    }

    /// Returns when the group has moved since [`Member::may_read`] was last asked.
    pub async fn moved(&mut self) {
        // The group lives as long as its member: the sender is there.
        let _ = self.least.changed().await;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let number = self.number;
        self.group.change(|progress| progress.members[number] = None);
    }
}

/// How far the members of a group have come. Pure.
#[derive(Debug, Default)]
struct Progress {
    /// None: it holds nobody back.
    members: Vec<Option<EventTime>>,
    /// The least of other processes.
    elsewhere: Option<EventTime>,
}

impl Progress {
    fn join(&mut self) -> usize {
        self.members.push(None);
        self.members.len() - 1
    }

    fn least_here(&self) -> Option<EventTime> {
        self.members.iter().flatten().min().copied()
    }

    fn least(&self) -> Option<EventTime> {
        self.least_here().into_iter().chain(self.elsewhere).min()
    }
}

/// Whether one at a watermark is at most the drift ahead of the least.
fn is_together(at: Option<EventTime>, least: Option<EventTime>, max_drift_ms: i64) -> bool {
    match (at, least) {
        (Some(at), Some(least)) => at.0.saturating_sub(least.0) <= max_drift_ms,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use proptest::prelude::*;

    use super::*;

    #[allow(clippy::unnecessary_wraps, reason = "what is told may be nothing")]
    fn at(ms: i64) -> Option<EventTime> {
        Some(EventTime(ms))
    }

    #[test]
    fn one_that_is_more_than_the_drift_ahead_waits() {
        assert!(is_together(at(110), at(100), 10));
        assert!(!is_together(at(111), at(100), 10));
        assert!(is_together(None, at(100), 10), "it has shown no time yet");
        assert!(is_together(at(100), None, 10), "nobody else has");
        assert!(
            !is_together(at(i64::MAX - 1), at(i64::MIN + 1), 10),
            "no overflow"
        );
    }

    #[test]
    fn who_waits_is_woken_when_the_least_moves_and_not_before() {
        let alignment = Alignment::default();
        let [mut fast, mut slow] = [0, 1].map(|_| alignment.join("g", 10));
        fast.tell(at(50));
        assert!(fast.may_read(), "the other has shown no time yet");
        slow.tell(at(20));
        assert!(!fast.may_read());
        assert!(fast.moved().now_or_never().is_none(), "nothing has moved");
        fast.tell(at(50));
        assert!(fast.moved().now_or_never().is_none(), "nothing new was said");
        slow.tell(at(45));
        assert!(fast.moved().now_or_never().is_some());
        assert!(fast.may_read());
    }

    #[test]
    fn who_goes_idle_or_ends_holds_nobody_back() {
        for ends in [false, true] {
            let alignment = Alignment::default();
            let [mut fast, mut slow] = [0, 1].map(|_| alignment.join("g", 10));
            slow.tell(at(0));
            fast.tell(at(50));
            assert!(!fast.may_read());
            if ends {
                drop(slow);
            } else {
                slow.tell(None);
            }
            assert!(fast.moved().now_or_never().is_some());
            assert!(fast.may_read());
        }
    }

    #[test]
    fn groups_are_apart_and_other_processes_count() {
        let alignment = Alignment::default();
        let mut one = alignment.join("one", 10);
        let mut other = alignment.join("other", 10);
        other.tell(at(0));
        one.tell(at(50));
        assert!(one.may_read());
        alignment.hear("one", at(20));
        assert!(!one.may_read());
        assert_eq!(
            alignment.least(),
            [("one".to_owned(), at(50)), ("other".to_owned(), at(0))],
            "what others said is not passed on as our own"
        );
        alignment.hear("one", None);
        assert!(one.moved().now_or_never().is_some());
        assert!(one.may_read());
    }

    proptest! {
        #[test]
        fn somebody_may_always_read(told in proptest::collection::vec((0..3_usize, proptest::option::of(0..100_i64)), 0..40)) {
            let alignment = Alignment::default();
            let mut members = [0, 1, 2].map(|_| alignment.join("g", 5));
            for (member, ms) in told {
                members[member].tell(ms.map(EventTime));
                prop_assert!(members.iter_mut().any(Member::may_read));
            }
        }
    }
}
