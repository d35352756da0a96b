//! `restart-strategy.*`: when the job runs again after a failure.

use weir_proto::graph::{
    RestartStrategy,
    restart_strategy::{ExponentialDelay, FailureRate, FixedDelay, Never, Strategy},
};

use super::{bad_value, duration, one_of, whole};
use crate::{error::Result, parse::tokens::Name};

pub(super) const TYPE: &str = "restart-strategy.type";
const FIXED_ATTEMPTS: &str = "restart-strategy.fixed-delay.attempts";
const FIXED_DELAY: &str = "restart-strategy.fixed-delay.delay";
const RATE_FAILURES: &str = "restart-strategy.failure-rate.max-failures-per-interval";
const RATE_INTERVAL: &str = "restart-strategy.failure-rate.failure-rate-interval";
const RATE_DELAY: &str = "restart-strategy.failure-rate.delay";
const FIRST: &str = "restart-strategy.exponential-delay.initial-backoff";
const LONGEST: &str = "restart-strategy.exponential-delay.max-backoff";
const MULTIPLIER: &str = "restart-strategy.exponential-delay.backoff-multiplier";
const RESET: &str = "restart-strategy.exponential-delay.reset-backoff-threshold";
const JITTER: &str = "restart-strategy.exponential-delay.jitter-factor";
const ATTEMPTS: &str = "restart-strategy.exponential-delay.attempts-before-reset-backoff";

/// All of them.
pub(super) const KEYS: &[&str] = &[
    TYPE,
    FIXED_ATTEMPTS,
    FIXED_DELAY,
    RATE_FAILURES,
    RATE_INTERVAL,
    RATE_DELAY,
    FIRST,
    LONGEST,
    MULTIPLIER,
    RESET,
    JITTER,
    ATTEMPTS,
];

/// The name that the setting has now, if it is one of these.
pub(super) fn key(name: &str) -> Option<&'static str> {
    if name == "restart-strategy" {
        return Some(TYPE);
    }
    KEYS.iter().find(|key| **key == name).copied()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Never,
    Fixed,
    Rate,
    Exponential,
}

const KINDS: &[(&str, Kind)] = &[
    ("none", Kind::Never),
    ("off", Kind::Never),
    ("disable", Kind::Never),
    ("fixed-delay", Kind::Fixed),
    ("fixeddelay", Kind::Fixed),
    ("failure-rate", Kind::Rate),
    ("failurerate", Kind::Rate),
    ("exponential-delay", Kind::Exponential),
    ("exponentialdelay", Kind::Exponential),
];

/// What a script says of restarts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    kind: Option<Kind>,
    fixed: FixedDelay,
    rate: FailureRate,
    exponential: ExponentialDelay,
}

impl Default for Settings {
    /// What is not said is as in Flink.
    fn default() -> Self {
        Self {
            kind: None,
            fixed: FixedDelay {
                delay_ms: 1_000,
                attempts: 1,
            },
            rate: FailureRate {
                delay_ms: 1_000,
                max_failures: 1,
                interval_ms: 60_000,
            },
            exponential: ExponentialDelay {
                first_ms: 1_000,
                max_ms: 60_000,
                multiplier: 1.5,
                jitter: 0.1,
                reset_after_ms: 3_600_000,
                attempts: u32::MAX,
            },
        }
    }
}

impl Settings {
    /// Takes one `SET` of one of these settings.
    pub(super) fn set(&mut self, key: &Name, value: &Name) -> Result<()> {
        let name = self::key(&key.value).unwrap_or_default();
        let count = || whole(key, value, 1, u64::from(u32::MAX)).map(|count| count as u32);
        let wait = || duration(key, value);
        match name {
            TYPE => {
                self.kind = Some(one_of(key, value, KINDS)?);
                return Ok(());
            }
            FIXED_ATTEMPTS => self.fixed.attempts = count()?,
            FIXED_DELAY => self.fixed.delay_ms = wait()?,
            RATE_FAILURES => self.rate.max_failures = count()?,
            RATE_INTERVAL => self.rate.interval_ms = wait()?,
            RATE_DELAY => self.rate.delay_ms = wait()?,
            FIRST => self.exponential.first_ms = wait()?,
            LONGEST => self.exponential.max_ms = wait()?,
            MULTIPLIER => self.exponential.multiplier = number(key, value, 1.0, 1_000.0)?,
            RESET => self.exponential.reset_after_ms = wait()?,
            JITTER => self.exponential.jitter = number(key, value, 0.0, 1.0)?,
            _ => {
                let infinite = value.value.eq_ignore_ascii_case("infinite");
                self.exponential.attempts = if infinite { u32::MAX } else { count()? };
            }
        }
        // Flink's own default, whose numbers somebody cares about.
        if name.starts_with("restart-strategy.exponential-delay.") {
            self.kind.get_or_insert(Kind::Exponential);
        }
        Ok(())
    }

    /// What the control plane is to do, if the script says anything of it.
    pub(super) fn strategy(&self) -> Option<RestartStrategy> {
        let strategy = match self.kind? {
            Kind::Never => Strategy::Never(Never {}),
            Kind::Fixed => Strategy::FixedDelay(self.fixed),
            Kind::Rate => Strategy::FailureRate(self.rate),
            Kind::Exponential => Strategy::ExponentialDelay(self.exponential),
        };
        Some(RestartStrategy {
            strategy: Some(strategy),
        })
    }
}

fn number(key: &Name, value: &Name, min: f64, max: f64) -> Result<f64> {
    let number = value
        .value
        .trim()
        .parse::<f64>()
        .ok()
        .filter(|n| (min..=max).contains(n));
    number.ok_or_else(|| bad_value(key, value, &format!("a number from {min} to {max}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strategy(said: &[(&str, &str)]) -> Option<Strategy> {
        let at = weir_model::Location { line: 1, column: 1 };
        let of = |value: &str| Name {
            value: value.to_owned(),
            at,
        };
        let mut settings = Settings::default();
        for (name, value) in said {
            assert!(key(name).is_some(), "{name}");
            settings.set(&of(name), &of(value)).expect("a good value");
        }
        settings.strategy()?.strategy
    }

    #[test]
    fn a_script_that_says_nothing_leaves_restarts_to_the_control_plane() {
        assert_eq!(strategy(&[]), None);
        assert_eq!(strategy(&[("restart-strategy.fixed-delay.delay", "3 s")]), None);
    }

    #[test]
    fn every_strategy_of_flink_can_be_said() {
        assert_eq!(
            strategy(&[("restart-strategy", "none")]),
            Some(Strategy::Never(Never {}))
        );
        let fixed = FixedDelay {
            delay_ms: 3_000,
            attempts: 7,
        };
        assert_eq!(
            strategy(&[
                ("restart-strategy.type", "fixed-delay"),
                ("restart-strategy.fixed-delay.delay", "3 s"),
                ("restart-strategy.fixed-delay.attempts", "7"),
            ]),
            Some(Strategy::FixedDelay(fixed))
        );
        let rate = FailureRate {
            delay_ms: 1_000,
            max_failures: 5,
            interval_ms: 300_000,
        };
        assert_eq!(
            strategy(&[
                ("restart-strategy.type", "failure-rate"),
                ("restart-strategy.failure-rate.max-failures-per-interval", "5"),
                ("restart-strategy.failure-rate.failure-rate-interval", "5 min"),
            ]),
            Some(Strategy::FailureRate(rate))
        );
        let exponential = ExponentialDelay {
            multiplier: 2.0,
            attempts: 12,
            ..Settings::default().exponential
        };
        assert_eq!(
            strategy(&[
                ("restart-strategy.exponential-delay.backoff-multiplier", "2.0"),
                (
                    "restart-strategy.exponential-delay.attempts-before-reset-backoff",
                    "12"
                ),
            ]),
            Some(Strategy::ExponentialDelay(exponential))
        );
    }
}
