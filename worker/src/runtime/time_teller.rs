//! When a source subtask speaks about time.

use std::time::Duration;

use weir_model::EventTime;

use super::message::Message;
use crate::operator::source::SplitsWatermark;

/// When a source subtask speaks about time: at most once per interval, and at once when it goes idle.
#[derive(Debug)]
pub(super) struct TimeTeller {
    interval: Duration,
    tick_interval: Option<Duration>,
    /// Whether it has anything to say.
    pub(super) has_event_time: bool,
    /// Something happened since time was last told.
    pub(super) stirred: bool,
    /// The last time that was said.
    pub(super) said: Option<EventTime>,
    said_at: Option<Duration>,
    said_idle: bool,
    ticked: Option<Duration>,
}

impl TimeTeller {
    /// Speaks at most once in `interval`; with a timeout of idleness, looks for silence more often than that.
    pub(super) fn new(interval: Duration, idle_timeout: Option<Duration>, has_event_time: bool) -> Self {
        // Silence is measured from tick to tick: four of them keep its measure within a quarter.
        let tick_interval = idle_timeout.map(|timeout| (timeout / 4).max(Duration::from_millis(1)));
        Self {
            interval,
            tick_interval,
            has_event_time,
            stirred: false,
            said: None,
            said_at: None,
            said_idle: false,
            ticked: None,
        }
    }

    /// When time must be looked at although nothing comes from the source.
    pub(super) fn due(&self) -> Option<Duration> {
        let say =
            (self.has_event_time && self.stirred).then(|| self.said_at.unwrap_or_default() + self.interval);
        let tick = self
            .tick_interval
            .map(|interval| self.ticked.unwrap_or_default() + interval);
        say.into_iter().chain(tick).min()
    }

    /// Whether it is time to look for silence. Then it is no more.
    pub(super) fn tick_is_due(&mut self, now: Duration) -> bool {
        let Some(interval) = self.tick_interval else {
            return false;
        };
        let due = self.ticked.is_none_or(|ticked| now >= ticked + interval);
        if due {
            self.ticked = Some(now);
        }
        due
    }

    /// What to say now.
    pub(super) fn news(
        &mut self,
        watermark: SplitsWatermark,
        now: Duration,
    ) -> impl Iterator<Item = Message> + use<> {
        let due = self.said_at.is_none_or(|at| now >= at + self.interval);
        let (at, idle) = match watermark {
            SplitsWatermark::Unknown => {
                self.stirred &= !due;
                (None, false)
            }
            // Rows show by themselves that the source is active again.
            SplitsWatermark::Active(_) if !due && !self.said_idle => (None, false),
            SplitsWatermark::Active(at) => {
                self.stirred = false;
                (
                    Some(at).filter(|at| self.said_idle || self.said < Some(*at)),
                    false,
                )
            }
            SplitsWatermark::Idle(at) if self.said_idle => (at.filter(|at| self.said < Some(*at)), false),
            SplitsWatermark::Idle(at) => (at.filter(|at| self.said < Some(*at)), true),
        };
        self.said_idle = matches!(watermark, SplitsWatermark::Idle(_));
        if at.is_some() {
            self.said = self.said.max(at);
            self.said_at = Some(now);
        }
        at.map(Message::Watermark)
            .into_iter()
            .chain(idle.then_some(Message::Idle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(200);

    /// What is said at these times, in milliseconds, about these states of the splits.
    fn check(states: &[(u64, SplitsWatermark)], expected: &str) {
        let mut teller = TimeTeller::new(INTERVAL, None, true);
        let mut said = Vec::new();
        for (at, state) in states {
            teller.stirred = true;
            said.extend(
                teller
                    .news(*state, Duration::from_millis(*at))
                    .map(|message| match message {
                        Message::Watermark(watermark) => format!("{at}:{watermark}"),
                        other => format!("{at}:{other:?}"),
                    }),
            );
        }
        assert_eq!(said.join(" "), expected, "{states:?}");
    }

    fn active(at: i64) -> SplitsWatermark {
        SplitsWatermark::Active(EventTime(at))
    }

    fn idle(at: i64) -> SplitsWatermark {
        SplitsWatermark::Idle(Some(EventTime(at)))
    }

    #[test]
    fn time_is_told_at_most_once_per_interval_and_only_when_it_has_risen() {
        check(
            &[
                (0, SplitsWatermark::Unknown),
                (5, active(1)),
                (10, active(2)),
                (204, active(3)),
            ],
            "5:1",
        );
        check(
            &[
                (5, active(1)),
                (205, active(3)),
                (500, active(3)),
                (501, active(4)),
            ],
            "5:1 205:3 501:4",
        );
    }

    #[test]
    fn idleness_and_its_end_are_told_at_once() {
        check(
            &[(5, active(1)), (10, idle(1)), (15, idle(1)), (20, active(1))],
            "5:1 10:Idle 20:1",
        );
        check(
            &[(5, active(1)), (10, idle(9)), (20, active(9))],
            "5:1 10:9 10:Idle 20:9",
        );
        check(
            &[(5, SplitsWatermark::Idle(None)), (6, SplitsWatermark::Idle(None))],
            "5:Idle",
        );
    }

    #[test]
    fn a_pause_is_cut_short_for_time_that_was_not_told_and_for_idle_ticks() {
        let mut teller = TimeTeller::new(INTERVAL, None, true);
        assert_eq!(teller.due(), None, "nothing has happened");
        teller.stirred = true;
        assert_eq!(teller.news(active(1), INTERVAL).count(), 1);
        assert_eq!(teller.due(), None, "all was told");
        teller.stirred = true;
        assert_eq!(teller.news(active(2), INTERVAL).count(), 0);
        assert_eq!(teller.due(), Some(INTERVAL * 2));

        let mut teller = TimeTeller::new(INTERVAL, Some(INTERVAL * 4), true);
        assert!(teller.tick_is_due(INTERVAL));
        assert!(!teller.tick_is_due(INTERVAL + INTERVAL / 2));
        assert_eq!(teller.due(), Some(INTERVAL * 2));
    }
}
