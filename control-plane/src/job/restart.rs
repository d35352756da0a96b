//! Whether and when a failed job runs again. Pure: time and chance are given.
//!
//! The strategies and their numbers are Flink's (`restart-strategy.type`).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_proto::graph;

/// When failed jobs run again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum RestartStrategy {
    /// Never.
    None,
    /// Each time after the same wait.
    FixedDelay {
        /// The wait.
        delay_ms: u64,
        /// Restarts in a row, after which the job fails for good.
        attempts: u32,
    },
    /// Each time after the same wait, as long as failures are rare.
    FailureRate {
        /// The wait.
        delay_ms: u64,
        /// Failures within `interval_ms` that are one too many when exceeded.
        max_failures: u32,
        /// The time in which they are counted.
        interval_ms: u64,
    },
    /// After waits that grow.
    ExponentialDelay {
        /// The first wait.
        first_ms: u64,
        /// The longest one.
        max_ms: u64,
        /// How much longer each wait is than the one before.
        multiplier: f64,
        /// The share of a wait by which chance makes it longer or shorter, so that jobs that failed together do not
        /// come back together.
        jitter: f64,
        /// Time of running well after which the first wait is the next one.
        reset_after_ms: u64,
        /// Restarts in a row, after which the job fails for good.
        attempts: u32,
    },
}

impl Default for RestartStrategy {
    /// 1 s, then twice as long each time up to 60 s, 10 % more or less; 10 times in a row, counted anew after 10 min.
    fn default() -> Self {
        Self::ExponentialDelay {
            first_ms: 1_000,
            max_ms: 60_000,
            multiplier: 2.0,
            jitter: 0.1,
            reset_after_ms: 600_000,
            attempts: 10,
        }
    }
}

/// What is known of a job's failures before this one.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    /// Restarts in a row.
    pub restarts: u32,
    /// When it failed, ms since 1970, the oldest first.
    pub failures_at_ms: &'a [i64],
    /// When it began to run, ms since 1970; none when it had not come up.
    pub running_since_ms: Option<i64>,
}

/// What to do about a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Run again.
    Restart {
        /// Restarts in a row, this one included.
        restarts: u32,
        /// When, ms since 1970.
        at_ms: i64,
    },
    /// Fail for good.
    GiveUp {
        /// Why, for people: `gave up after 10 restarts in a row`.
        why: String,
    },
}

impl RestartStrategy {
    /// What to do about a failure now. `chance` is between -1 and 1, another one each time.
    pub fn next(&self, past: &Past<'_>, now_ms: i64, chance: f64) -> Next {
        let in_row = |restarts: u32, attempts: u32, wait_ms: u64| {
            if restarts >= attempts {
                return Next::GiveUp {
                    why: format!("gave up after {restarts} restarts in a row"),
                };
            }
            restart(restarts, now_ms, wait_ms)
        };
        match *self {
            Self::None => Next::GiveUp {
                why: "it is not to be restarted".into(),
            },
            Self::FixedDelay { delay_ms, attempts } => in_row(past.restarts, attempts, delay_ms),
            Self::FailureRate {
                delay_ms,
                max_failures,
                interval_ms,
            } => {
                let since_ms = now_ms.saturating_sub_unsigned(interval_ms);
                let recent = past.failures_at_ms.iter().filter(|at| **at > since_ms).count() + 1;
                if recent > max_failures as usize {
                    let interval_s = interval_ms as f64 / 1000.0;
                    return Next::GiveUp {
                        why: format!("gave up after {recent} failures within {interval_s} s"),
                    };
                }
                restart(past.restarts, now_ms, delay_ms)
            }
            Self::ExponentialDelay {
                first_ms,
                max_ms,
                multiplier,
                jitter,
                reset_after_ms,
                attempts,
            } => {
                let ran_well = past
                    .running_since_ms
                    .is_some_and(|since| now_ms.saturating_sub(since) >= reset_after_ms.cast_signed());
                let restarts = if ran_well { 0 } else { past.restarts };
                let grown = first_ms as f64 * multiplier.powf(f64::from(restarts));
                let wait_ms = grown.min(max_ms as f64) * (1.0 + jitter * chance);
                in_row(restarts, attempts, wait_ms.min(max_ms as f64).max(0.0) as u64)
            }
        }
    }

    /// Restarts in a row that there may be, where that is bounded.
    pub fn limit(&self) -> Option<u32> {
        match *self {
            Self::FixedDelay { attempts, .. } | Self::ExponentialDelay { attempts, .. } => {
                (attempts < u32::MAX).then_some(attempts)
            }
            Self::None | Self::FailureRate { .. } => None,
        }
    }

    /// How long a failure stays of interest.
    pub fn memory(&self) -> Duration {
        match *self {
            Self::FailureRate { interval_ms, .. } => Duration::from_millis(interval_ms),
            _ => Duration::ZERO,
        }
    }

    /// What the script says, if it says anything.
    pub fn of_settings(settings: &graph::Settings) -> Option<Self> {
        use graph::restart_strategy::{ExponentialDelay, FailureRate, FixedDelay, Never, Strategy};
        let strategy = settings.restart_strategy.as_ref()?.strategy.as_ref()?;
        Some(match *strategy {
            Strategy::Never(Never {}) => Self::None,
            Strategy::FixedDelay(FixedDelay { delay_ms, attempts }) => {
                Self::FixedDelay { delay_ms, attempts }
            }
            Strategy::FailureRate(FailureRate {
                delay_ms,
                max_failures,
                interval_ms,
            }) => Self::FailureRate {
                delay_ms,
                max_failures,
                interval_ms,
            },
            Strategy::ExponentialDelay(ExponentialDelay {
                first_ms,
                max_ms,
                multiplier,
                jitter,
                reset_after_ms,
                attempts,
            }) => Self::ExponentialDelay {
                first_ms,
                max_ms,
                multiplier,
                jitter,
                reset_after_ms,
                attempts,
            },
        })
    }
}

fn restart(restarts: u32, now_ms: i64, wait_ms: u64) -> Next {
    Next::Restart {
        restarts: restarts + 1,
        at_ms: now_ms.saturating_add_unsigned(wait_ms),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_000_000;

    fn past(restarts: u32) -> Past<'static> {
        Past {
            restarts,
            failures_at_ms: &[],
            running_since_ms: None,
        }
    }

    #[track_caller]
    fn waits(strategy: &RestartStrategy, past: &Past<'_>, chance: f64) -> i64 {
        match strategy.next(past, NOW, chance) {
            Next::Restart { at_ms, .. } => at_ms - NOW,
            Next::GiveUp { why } => panic!("{why}"),
        }
    }

    #[track_caller]
    fn gives_up(strategy: &RestartStrategy, past: &Past<'_>, expected: &str) {
        let expected = Next::GiveUp { why: expected.into() };
        assert_eq!(strategy.next(past, NOW, 0.0), expected);
    }

    #[test]
    fn waits_grow_up_to_the_longest_and_chance_moves_them() {
        let strategy = RestartStrategy::default();
        let seen: Vec<_> = (0..8).map(|n| waits(&strategy, &past(n), 0.0)).collect();
        assert_eq!(seen, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(waits(&strategy, &past(0), 1.0), 1_100);
        assert_eq!(waits(&strategy, &past(0), -1.0), 900);
        gives_up(&strategy, &past(10), "gave up after 10 restarts in a row");
        let ran_well = Past {
            running_since_ms: Some(NOW - 600_000),
            ..past(10)
        };
        assert_eq!(waits(&strategy, &ran_well, 0.0), 1_000);
    }

    #[test]
    fn a_fixed_delay_stays_the_same_and_none_is_none() {
        let strategy = RestartStrategy::FixedDelay {
            delay_ms: 500,
            attempts: 2,
        };
        assert_eq!(waits(&strategy, &past(0), 1.0), 500);
        assert_eq!(waits(&strategy, &past(1), 1.0), 500);
        gives_up(&strategy, &past(2), "gave up after 2 restarts in a row");
        gives_up(&RestartStrategy::None, &past(0), "it is not to be restarted");
    }

    #[test]
    fn failures_are_too_many_only_within_the_interval() {
        let strategy = RestartStrategy::FailureRate {
            delay_ms: 200,
            max_failures: 2,
            interval_ms: 10_000,
        };
        let of = |failures_at_ms| Past {
            failures_at_ms,
            ..past(40)
        };
        assert_eq!(
            waits(&strategy, &of(&[NOW - 20_000, NOW - 15_000, NOW - 5_000]), 0.0),
            200
        );
        let often = [NOW - 9_000, NOW - 5_000];
        gives_up(&strategy, &of(&often), "gave up after 3 failures within 10 s");
    }

    proptest! {
        #[test]
        fn a_wait_is_never_longer_than_the_longest(
            first_ms in 1_u64..100_000, multiplier in 1.0_f64..8.0, jitter in 0.0_f64..1.0,
            restarts in 0_u32..2_000, chance in -1.0_f64..1.0,
        ) {
            let strategy = RestartStrategy::ExponentialDelay {
                first_ms, max_ms: 60_000, multiplier, jitter, reset_after_ms: 1, attempts: u32::MAX,
            };
            let wait = waits(&strategy, &past(restarts), chance);
            prop_assert!((0..=60_000).contains(&wait), "{wait}");
        }
    }
}
