//! Aligns the barriers of a subtask's channels: between the first and the last one of a checkpoint, channels that have passed theirs wait.
//!
//! Pure. Chandy and Lamport's snapshots as Carbone et al. use them ("Lightweight Asynchronous Snapshots for Distributed Dataflows").

use std::{sync::Arc, time::Duration};

use super::message::Barrier;

/// What to do about a channel's news.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    /// Channels that wait are to be read again, before anything else.
    pub release: bool,
    /// The channel of the news is not to be read until the next release.
    pub block: bool,
    /// All channels have passed this barrier, the first of them so long ago: the checkpoint is to be taken now.
    pub complete: Option<(Arc<Barrier>, Duration)>,
}

/// The barriers of the channels of one subtask.
#[derive(Debug)]
pub struct Aligner {
    channels: Vec<Channel>,
    current: Option<Current>,
    /// Checkpoints up to this number are over: complete, given up, or overtaken by a newer one.
    over: u64,
    /// Channels do not wait.
    at_least_once: bool,
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
}

impl Aligner {
    /// Of so many channels. At least once: channels that have passed a barrier are read on.
    pub fn new(channels: usize, at_least_once: bool) -> Self {
        Self {
            channels: vec![Channel::Before; channels],
            current: None,
            over: 0,
            at_least_once,
        }
    }

    /// A barrier came on a channel.
    pub fn on_barrier(&mut self, channel: usize, barrier: Arc<Barrier>, now: Duration) -> Verdict {
        if barrier.checkpoint <= self.over {
            return Verdict::default();
        }
        let mut verdict = Verdict::default();
        match &self.current {
            Some(current) if current.barrier.checkpoint == barrier.checkpoint => {}
            Some(current) if current.barrier.checkpoint > barrier.checkpoint => return verdict,
            older => {
                verdict.release = older.is_some();
                self.begin(barrier, now);
            }
        }
        self.channels[channel] = Channel::Passed;
        verdict.block = !self.at_least_once;
        self.complete(verdict, now)
    }

    /// A channel has ended: nothing follows, a barrier neither.
    pub fn on_end(&mut self, channel: usize, now: Duration) -> Verdict {
        self.channels[channel] = Channel::Ended;
        self.complete(Verdict::default(), now)
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

    fn begin(&mut self, barrier: Arc<Barrier>, now: Duration) {
        self.end();
        self.over = self.over.max(barrier.checkpoint - 1);
        self.current = Some(Current { barrier, since: now });
    }

    fn complete(&mut self, verdict: Verdict, now: Duration) -> Verdict {
        if self.channels.contains(&Channel::Before) {
            return verdict;
        }
        let Some(Current { barrier, since }) = self.current.take() else {
            return verdict;
        };
        self.over = barrier.checkpoint;
        self.end();
        Verdict {
            release: true,
            block: false,
            complete: Some((barrier, now.saturating_sub(since))),
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
    use super::*;

    fn barrier(checkpoint: u64) -> Arc<Barrier> {
        Arc::new(Barrier {
            checkpoint,
            savepoint_url: None,
        })
    }

    /// What an aligner of three channels says, a word each: `-` go on, `b` block, `r` release, `r1@5` release and take checkpoint 1,
    /// whose first barrier came 5 ms before.
    fn check(at_least_once: bool, news: impl IntoIterator<Item = News>, expected: &str) {
        let mut aligner = Aligner::new(3, at_least_once);
        let mut said = Vec::new();
        for (at, news) in news.into_iter().enumerate() {
            let now = Duration::from_millis(at as u64);
            let verdict = match news {
                News::Barrier(channel, checkpoint) => aligner.on_barrier(channel, barrier(checkpoint), now),
                News::End(channel) => aligner.on_end(channel, now),
                News::Abort(checkpoint) => aligner.abort(checkpoint),
            };
            let mut word = String::new();
            word.push_str(if verdict.release { "r" } else { "" });
            word.push_str(if verdict.block { "b" } else { "" });
            if let Some((barrier, waited)) = verdict.complete {
                word += &barrier.checkpoint.to_string();
                word += "@";
                word += &waited.as_millis().to_string();
            }
            said.push(if word.is_empty() { "-".to_owned() } else { word });
        }
        assert_eq!(said.join(" "), expected);
    }

    enum News {
        Barrier(usize, u64),
        End(usize),
        Abort(u64),
    }
    use News::{Abort, Barrier as Passed, End};

    #[test]
    fn channels_wait_until_the_last_one_has_passed_its_barrier() {
        check(false, [Passed(0, 1), Passed(2, 1), Passed(1, 1)], "b b r1@2");
        check(
            false,
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
        check(false, [End(0), Passed(1, 1), Passed(2, 1)], "- b r1@1");
        check(false, [Passed(1, 1), End(0), Passed(2, 1)], "b - r1@2");
        check(false, [Passed(1, 1), Passed(2, 1), End(0)], "b b r1@2");
        check(false, [End(0), End(1), End(2)], "- - -");
    }

    #[test]
    fn what_is_given_up_or_overtaken_is_not_waited_for() {
        check(
            false,
            [Passed(0, 1), Abort(1), Passed(1, 1), Passed(2, 1), Passed(0, 2)],
            "b r - - b",
        );
        check(
            false,
            [Abort(3), Passed(0, 3), Passed(0, 4), Passed(1, 4), Passed(2, 4)],
            "- - b b r4@2",
        );
        check(
            false,
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
        check(true, [Passed(0, 1), Passed(2, 1), Passed(1, 1)], "- - r1@2");
    }
}
