//! Aligns the barriers of a subtask's channels: between the first and the last one of a checkpoint, channels that have passed theirs wait.
//!
//! When that takes too long, the subtask switches: it takes its state at once and reads all channels again, and what comes on a channel
//! from then on until its barrier is part of the checkpoint as rows in flight.
//!
//! Pure. Chandy and Lamport's snapshots ("Distributed Snapshots"); without a switch, as Carbone et al. use them ("Lightweight
//! Asynchronous Snapshots for Distributed Dataflows").

use std::{sync::Arc, time::Duration};

use weir_proto::graph::Checkpointing;

use super::message::Barrier;

/// How long channels that have passed a barrier wait for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// They do not: rows behind a barrier may be in its checkpoint.
    None,
    /// Until all have.
    Endless,
    /// So long from when the first barrier was seen; at savepoints until all have.
    Until(Duration),
}

impl Patience {
    /// What a job asks for.
    pub fn of(checkpointing: &Checkpointing) -> Self {
        match checkpointing.aligned_timeout_ms {
            _ if checkpointing.at_least_once => Self::None,
            None => Self::Endless,
            Some(ms) => Self::Until(Duration::from_millis(ms)),
        }
    }
}

/// What to do about a channel's news.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    /// Channels that wait are to be read again, before anything else.
    pub release: bool,
    /// The channel of the news is not to be read until the next release.
    pub block: bool,
    /// A checkpoint has come to a point.
    pub turn: Option<Turn>,
}

/// What a checkpoint has come to at a subtask.
#[derive(Debug, PartialEq)]
pub enum Turn {
    /// All channels have passed this barrier, the first of them so long ago: the checkpoint is to be taken now.
    Complete(Arc<Barrier>, Duration),
    /// The first barrier was seen so long ago: the checkpoint is to be taken now, and rows in flight are to be
    /// [recorded](Aligner::records) from now on.
    Switch(Arc<Barrier>, Duration),
    /// All channels have passed the barrier of the checkpoint that was taken at a switch: all rows in flight were recorded.
    Recorded,
}

/// The barriers of the channels of one subtask.
#[derive(Debug)]
pub struct Aligner {
    channels: Vec<Channel>,
    /// By channel, whether its rows may be in flight.
    recordable: Vec<bool>,
    current: Option<Current>,
    /// Checkpoints up to this number are over: complete, given up, or overtaken by a newer one.
    over: u64,
    patience: Patience,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Before,
    Passed,
    Ended,
}

#[derive(Debug)]
struct Current {
    barrier: Arc<Barrier>,
    since: Duration,
    has_switched: bool,
}

impl Aligner {
    /// Of channels of which each says whether its rows may be in flight in a checkpoint: there is no switch before those that may not
    /// have passed their barriers.
    pub fn new(recordable: Vec<bool>, patience: Patience) -> Self {
        Self {
            channels: vec![Channel::Before; recordable.len()],
            recordable,
            current: None,
            over: 0,
            patience,
        }
    }

    /// A barrier has come into a channel, behind what waits there.
    pub fn announce(&mut self, barrier: &Arc<Barrier>, now: Duration) -> Verdict {
        if !matches!(self.patience, Patience::Until(_)) {
            return Verdict::default();
        }
        let mut verdict = Verdict::default();
        match self.begin(barrier, now) {
            Some(release) => verdict.release = release,
            None => return verdict,
        }
        self.turn(verdict, now)
    }

    /// A barrier came on a channel.
    pub fn on_barrier(&mut self, channel: usize, barrier: &Arc<Barrier>, now: Duration) -> Verdict {
        let mut verdict = Verdict::default();
        match self.begin(barrier, now) {
            Some(release) => verdict.release = release,
            None => return verdict,
        }
        self.channels[channel] = Channel::Passed;
        verdict.block = self.patience != Patience::None && self.recording().is_none();
        self.turn(verdict, now)
    }

    /// A channel has ended: nothing follows, a barrier neither.
    pub fn on_end(&mut self, channel: usize, now: Duration) -> Verdict {
        self.channels[channel] = Channel::Ended;
        self.turn(Verdict::default(), now)
    }

    /// Time has passed.
    pub fn on_time(&mut self, now: Duration) -> Verdict {
        self.turn(Verdict::default(), now)
    }

    /// When time matters; none: it does not.
    pub fn due(&self) -> Option<Duration> {
        let Patience::Until(patience) = self.patience else {
            return None;
        };
        let current = self.current.as_ref()?;
        let mut channels = self.channels.iter().zip(&self.recordable);
        let may_switch = !current.has_switched
            && current.barrier.savepoint_url.is_none()
            && channels.all(|(channel, is_recordable)| *is_recordable || *channel != Channel::Before);
        may_switch.then(|| current.since.saturating_add(patience))
    }

    /// The checkpoint whose rows in flight are recorded; none: nothing is.
    pub fn recording(&self) -> Option<u64> {
        let current = self.current.as_ref().filter(|current| current.has_switched);
        current.map(|current| current.barrier.checkpoint)
    }

    /// Whether rows of a channel are in flight.
    pub fn records(&self, channel: usize) -> bool {
        self.recording().is_some() && self.channels[channel] == Channel::Before
    }

    /// A checkpoint, and every one before it, was given up.
    pub fn abort(&mut self, checkpoint: u64) -> Verdict {
        let is_current = self
            .current
            .as_ref()
            .is_some_and(|current| current.barrier.checkpoint <= checkpoint);
        self.over = self.over.max(checkpoint);
        if is_current {
            self.end();
        }
        Verdict {
            release: is_current,
            ..Verdict::default()
        }
    }

    /// Makes a barrier's checkpoint the current one: none if it is over, else whether an older one was given up for it.
    fn begin(&mut self, barrier: &Arc<Barrier>, now: Duration) -> Option<bool> {
        if barrier.checkpoint <= self.over {
            return None;
        }
        let current = self.current.as_ref().map(|current| current.barrier.checkpoint);
        match current {
            Some(current) if current == barrier.checkpoint => return Some(false),
            Some(current) if current > barrier.checkpoint => return None,
            _ => {}
        }
        self.end();
        self.over = self.over.max(barrier.checkpoint - 1);
        self.current = Some(Current {
            barrier: Arc::clone(barrier),
            since: now,
            has_switched: false,
        });
        Some(current.is_some())
    }

    fn turn(&mut self, verdict: Verdict, now: Duration) -> Verdict {
        let is_due = self.due().is_some_and(|due| due <= now);
        let is_waiting = self.channels.contains(&Channel::Before);
        let Some(current) = &mut self.current else {
            return verdict;
        };
        let barrier = Arc::clone(&current.barrier);
        let waited = now.saturating_sub(current.since);
        let turn = match (is_waiting, current.has_switched) {
            (true, _) if !is_due => return verdict,
            (true, _) => {
                current.has_switched = true;
                Turn::Switch(barrier, waited)
            }
            (false, true) => Turn::Recorded,
            (false, false) => Turn::Complete(barrier, waited),
        };
        if !is_waiting {
            self.over = self.over.max(current.barrier.checkpoint);
            self.end();
        }
        Verdict {
            release: true,
            block: false,
            turn: Some(turn),
        }
    }

    fn end(&mut self) {
        self.current = None;
        for channel in self.channels.iter_mut().filter(|c| **c == Channel::Passed) {
            *channel = Channel::Before;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use proptest::prelude::*;

    use super::*;

    fn barrier(checkpoint: u64) -> Arc<Barrier> {
        Arc::new(Barrier {
            checkpoint,
            savepoint_url: None,
        })
    }

    const ALIGNED: Patience = Patience::Endless;
    const UNALIGNED: Patience = Patience::Until(Duration::from_millis(2));

    /// What an aligner of three channels says, a word each: `-` go on, `b` block, `r` release, `r1@5` release and take checkpoint 1,
    /// whose first barrier came 5 ms before; `rs1@5` take it and record, `rd` all was recorded. News come a millisecond apart.
    fn check(patience: Patience, news: impl IntoIterator<Item = News>, expected: &str) {
        check_with([true; 3], patience, news, expected);
    }

    fn check_with(
        recordable: [bool; 3],
        patience: Patience,
        news: impl IntoIterator<Item = News>,
        expected: &str,
    ) {
        let mut aligner = Aligner::new(recordable.to_vec(), patience);
        let mut said = Vec::new();
        for (at, news) in news.into_iter().enumerate() {
            let now = Duration::from_millis(at as u64);
            let verdict = match news {
                News::Barrier(channel, checkpoint) => aligner.on_barrier(channel, &barrier(checkpoint), now),
                News::Savepoint(channel, checkpoint) => {
                    let savepoint_url = Some("file:///savepoint".to_owned());
                    let barrier = Barrier {
                        checkpoint,
                        savepoint_url,
                    };
                    aligner.on_barrier(channel, &Arc::new(barrier), now)
                }
                News::Announced(checkpoint) => aligner.announce(&barrier(checkpoint), now),
                News::Time => aligner.on_time(now),
                News::End(channel) => aligner.on_end(channel, now),
                News::Abort(checkpoint) => aligner.abort(checkpoint),
            };
            let release = if verdict.release { "r" } else { "" };
            let block = if verdict.block { "b" } else { "" };
            let turn = match verdict.turn {
                Some(Turn::Complete(barrier, waited)) => {
                    format!("{}@{}", barrier.checkpoint, waited.as_millis())
                }
                Some(Turn::Switch(barrier, waited)) => {
                    format!("s{}@{}", barrier.checkpoint, waited.as_millis())
                }
                Some(Turn::Recorded) => "d".to_owned(),
                None => String::new(),
            };
            let word = format!("{release}{block}{turn}");
            said.push(if word.is_empty() { "-".to_owned() } else { word });
        }
        assert_eq!(said.join(" "), expected);
    }

    enum News {
        Barrier(usize, u64),
        Savepoint(usize, u64),
        Announced(u64),
        Time,
        End(usize),
        Abort(u64),
    }
    use News::{Abort, Announced, Barrier as Passed, End, Savepoint, Time};

    #[test]
    fn channels_wait_until_the_last_one_has_passed_its_barrier() {
        check(ALIGNED, [Passed(0, 1), Passed(2, 1), Passed(1, 1)], "b b r1@2");
        check(
            ALIGNED,
            [
                Passed(0, 1),
                Passed(1, 1),
                Passed(2, 1),
                Passed(2, 2),
                Passed(0, 2),
                Passed(1, 2),
            ],
            "b b r1@2 b b r2@2",
        );
    }

    #[test]
    fn a_channel_that_has_ended_is_not_waited_for() {
        check(ALIGNED, [End(0), Passed(1, 1), Passed(2, 1)], "- b r1@1");
        check(ALIGNED, [Passed(1, 1), End(0), Passed(2, 1)], "b - r1@2");
        check(ALIGNED, [Passed(1, 1), Passed(2, 1), End(0)], "b b r1@2");
        check(ALIGNED, [End(0), End(1), End(2)], "- - -");
    }

    #[test]
    fn what_is_given_up_or_overtaken_is_not_waited_for() {
        check(
            ALIGNED,
            [Passed(0, 1), Abort(1), Passed(1, 1), Passed(2, 1), Passed(0, 2)],
            "b r - - b",
        );
        check(
            ALIGNED,
            [Abort(3), Passed(0, 3), Passed(0, 4), Passed(1, 4), Passed(2, 4)],
            "- - b b r4@2",
        );
        check(
            ALIGNED,
            [
                Passed(0, 1),
                Passed(1, 2),
                Passed(2, 1),
                Passed(2, 2),
                Passed(0, 2),
            ],
            "b rb - b r2@3",
        );
    }

    #[test]
    fn at_least_once_nobody_waits() {
        check(
            Patience::None,
            [Passed(0, 1), Passed(2, 1), Passed(1, 1)],
            "- - r1@2",
        );
        check(
            Patience::None,
            [Announced(1), Passed(0, 1), Time, Time],
            "- - - -",
        );
    }

    #[test]
    fn who_has_waited_long_enough_takes_its_state_and_records_the_rest() {
        check(
            UNALIGNED,
            [Passed(0, 1), Time, Time, Passed(1, 1), Passed(2, 1)],
            "b - rs1@2 - rd",
        );
        check(UNALIGNED, [Passed(0, 1), Passed(1, 1), Passed(2, 1)], "b b r1@2");
        check(
            UNALIGNED,
            [Passed(0, 1), Time, Passed(1, 1), End(2), Passed(0, 2)],
            "b - rs1@2 rd b",
        );
        check(
            Patience::Until(Duration::ZERO),
            [Announced(1), Passed(0, 1), Passed(1, 1), Passed(2, 1)],
            "rs1@0 - - rd",
        );
    }

    #[test]
    fn a_barrier_that_waits_in_a_channel_has_begun_its_checkpoint() {
        check(
            UNALIGNED,
            [Announced(1), Announced(1), Time, Passed(1, 1), Announced(1)],
            "- - rs1@2 - -",
        );
        check(ALIGNED, [Announced(1), Time, Time, Passed(0, 1)], "- - - b");
        check(UNALIGNED, [Abort(1), Announced(1), Time, Time], "- - - -");
    }

    #[test]
    fn a_savepoint_has_no_rows_in_flight() {
        check(
            UNALIGNED,
            [
                Savepoint(0, 1),
                Time,
                Time,
                Time,
                Savepoint(1, 1),
                Savepoint(2, 1),
            ],
            "b - - - b r1@5",
        );
    }

    #[test]
    fn channels_whose_rows_may_not_be_in_flight_are_waited_for() {
        check_with(
            [true, true, false],
            UNALIGNED,
            [Passed(0, 1), Time, Time, Passed(2, 1), Passed(1, 1)],
            "b - - rs1@3 rd",
        );
    }

    #[test]
    fn what_was_recorded_for_a_checkpoint_that_is_given_up_is_over() {
        check(
            UNALIGNED,
            [
                Passed(0, 1),
                Time,
                Time,
                Abort(1),
                Passed(1, 1),
                Passed(1, 2),
                Passed(2, 2),
                Passed(0, 2),
            ],
            "b - rs1@2 r - b b r2@2",
        );
    }

    /// Three channels of rows and the barriers of checkpoints 1, 2, ...; a subtask that takes from them by chance.
    struct Model {
        aligner: Aligner,
        /// Of rows: channel and number in it. Of barriers: the checkpoint.
        queues: [VecDeque<Result<(usize, u64), u64>>; 3],
        blocked: [bool; 3],
        /// Rows that were taken, in their order.
        taken: Vec<(usize, u64)>,
        /// The state and the rows in flight of the checkpoint that is being taken.
        snapshot: Vec<(usize, u64)>,
        done: Vec<(u64, Vec<(usize, u64)>)>,
        switches: u64,
    }

    impl Model {
        fn follow(&mut self, verdict: Verdict) {
            if verdict.release {
                self.blocked = [false; 3];
            }
            match verdict.turn {
                Some(Turn::Complete(barrier, _)) => self.done.push((barrier.checkpoint, self.taken.clone())),
                Some(Turn::Switch(_, _)) => {
                    self.snapshot = self.taken.clone();
                    self.switches += 1;
                }
                Some(Turn::Recorded) => {
                    let checkpoint = self.done.len() as u64 + 1;
                    self.done.push((checkpoint, std::mem::take(&mut self.snapshot)));
                }
                None => {}
            }
        }

        fn take(&mut self, channel: usize, now: Duration) {
            // A checkpoint is begun when the one before is there.
            let is_next = |item: &Result<_, u64>| {
                item.as_ref()
                    .err()
                    .is_none_or(|n| *n == self.done.len() as u64 + 1)
            };
            if self.blocked[channel] || !self.queues[channel].front().is_some_and(is_next) {
                return;
            }
            match self.queues[channel].pop_front() {
                Some(Ok(row)) => {
                    if self.aligner.records(channel) {
                        self.snapshot.push(row);
                    }
                    self.taken.push(row);
                }
                Some(Err(checkpoint)) => {
                    let verdict = self.aligner.on_barrier(channel, &barrier(checkpoint), now);
                    self.blocked[channel] = verdict.block;
                    self.follow(verdict);
                }
                None => {}
            }
        }

        /// Lets barriers go ahead of the rows before them.
        fn overtake(&mut self, now: Duration) {
            for channel in 0..3 {
                let Some(checkpoint) = self.aligner.recording() else {
                    return;
                };
                let queue = &mut self.queues[channel];
                if let Some(at) = queue.iter().position(|item| *item == Err(checkpoint)) {
                    queue.remove(at);
                    let ahead: Vec<_> = queue.iter().take(at).filter_map(|item| item.ok()).collect();
                    self.snapshot.extend(ahead);
                    let verdict = self.aligner.on_barrier(channel, &barrier(checkpoint), now);
                    assert!(!verdict.block);
                    self.follow(verdict);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_checkpoint_has_every_row_before_its_barriers_once_and_none_behind_them(
            rows in proptest::collection::vec(proptest::collection::vec(0..6_u64, 4), 3),
            patience in proptest::option::of(0..20_u64),
            recordable in any::<[bool; 3]>(),
            overtakes in any::<bool>(),
            steps in proptest::collection::vec((0..3_usize, any::<bool>()), 0..200),
        ) {
            let patience = patience.map_or(Patience::Endless, |ms| Patience::Until(Duration::from_millis(ms)));
            let mut queues: [VecDeque<_>; 3] = Default::default();
            let mut expected: Vec<BTreeSet<(usize, u64)>> = vec![BTreeSet::new(); 4];
            for (channel, queue) in queues.iter_mut().enumerate() {
                let mut number = 0;
                for (checkpoint, rows) in (1..).zip(&rows[channel]) {
                    queue.extend((number..number + rows).map(|number| Ok((channel, number))));
                    number += rows;
                    queue.push_back(Err(checkpoint));
                    expected[checkpoint as usize - 1].extend((0..number).map(|number| (channel, number)));
                }
            }
            let aligner = Aligner::new(recordable.to_vec(), patience);
            let mut model = Model {
                aligner, queues, blocked: [false; 3], taken: Vec::new(), snapshot: Vec::new(), done: Vec::new(), switches: 0,
            };
            let rest = (0..300).map(|at| (at % 3, true));
            for (at, (channel, announces)) in (0..).zip(steps.into_iter().chain(rest)) {
                let now = Duration::from_millis(at);
                model.take(channel, now);
                let next = model.done.len() as u64 + 1;
                if announces && next <= 4 {
                    let verdict = model.aligner.announce(&barrier(next), now);
                    model.follow(verdict);
                }
                if overtakes {
                    model.overtake(now);
                }
                let verdict = model.aligner.on_time(now);
                model.follow(verdict);
            }
            prop_assert_eq!(model.done.len(), 4);
            for ((checkpoint, rows), expected) in model.done.iter().zip(&expected) {
                let once: BTreeSet<_> = rows.iter().copied().collect();
                prop_assert_eq!(once.len(), rows.len(), "checkpoint {} has a row twice", checkpoint);
                prop_assert_eq!(&once, expected, "checkpoint {}", checkpoint);
                for channel in 0..3 {
                    let of_channel: Vec<_> = rows.iter().filter(|row| row.0 == channel).collect();
                    prop_assert!(of_channel.is_sorted(), "rows of a channel keep their order");
                }
            }
            if patience == Patience::Endless {
                prop_assert_eq!(model.switches, 0);
            }
        }
    }
}
