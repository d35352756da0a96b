//! `execution.checkpointing.*`, `execution.state-recovery.*` and `state.backend.*`: when checkpoints are taken, and where state is kept meanwhile.

use weir_proto::graph::{self, Checkpointing, StateBackend};

use super::{duration, one_of, whole};
use crate::{error::Result, parse::tokens::Name};

pub(super) const INTERVAL: &str = "execution.checkpointing.interval";
pub(super) const TIMEOUT: &str = "execution.checkpointing.timeout";
pub(super) const MIN_PAUSE: &str = "execution.checkpointing.min-pause";
pub(super) const TOLERABLE: &str = "execution.checkpointing.tolerable-failed-checkpoints";
pub(super) const RETAINED: &str = "execution.checkpointing.num-retained";
pub(super) const MODE: &str = "execution.checkpointing.mode";
pub(super) const UNALIGNED: &str = "execution.checkpointing.unaligned.enabled";
pub(super) const ALIGNED_TIMEOUT: &str = "execution.checkpointing.aligned-checkpoint-timeout";
pub(super) const RETENTION: &str = "execution.checkpointing.externalized-checkpoint-retention";
pub(super) const CONCURRENT: &str = "execution.checkpointing.max-concurrent-checkpoints";
pub(super) const BACKEND: &str = "state.backend.type";
pub(super) const FROM_LOCAL: &str = "execution.state-recovery.from-local";

/// All of them, by the names that Flink has now.
pub(super) const KEYS: &[&str] = &[
    INTERVAL,
    TIMEOUT,
    MIN_PAUSE,
    TOLERABLE,
    RETAINED,
    MODE,
    UNALIGNED,
    ALIGNED_TIMEOUT,
    RETENTION,
    CONCURRENT,
    BACKEND,
    FROM_LOCAL,
];

/// The names that Flink had before.
const OLDER: &[(&str, &str)] = &[
    ("state.checkpoints.num-retained", RETAINED),
    ("execution.checkpointing.unaligned", UNALIGNED),
    ("state.backend", BACKEND),
    ("state.backend.local-recovery", FROM_LOCAL),
];

/// The name that the setting has now, if it is one of these.
pub(super) fn key(name: &str) -> Option<&'static str> {
    let older = OLDER.iter().find(|(old, _)| *old == name).map(|(_, key)| *key);
    older.or_else(|| KEYS.iter().find(|key| **key == name).copied())
}

/// What a script says of checkpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    checkpointing: Checkpointing,
    unaligned: bool,
    aligned_timeout_ms: u64,
    backend: StateBackend,
    from_local: bool,
}

impl Default for Settings {
    /// None are taken, as in Flink.
    fn default() -> Self {
        Self {
            checkpointing: Checkpointing {
                interval_ms: 0,
                timeout_ms: 600_000,
                min_pause_ms: 0,
                tolerable_failures: 0,
                retained: 1,
                at_least_once: false,
                aligned_timeout_ms: None,
                retain_on_cancellation: false,
            },
            unaligned: false,
            aligned_timeout_ms: 0,
            backend: StateBackend::Rocksdb,
            from_local: true,
        }
    }
}

impl Settings {
    /// Takes one `SET` of one of these settings.
    pub(super) fn set(&mut self, key: &Name, value: &Name) -> Result<()> {
        let name = self::key(&key.value).unwrap_or_default();
        let to = &mut self.checkpointing;
        match name {
            INTERVAL => to.interval_ms = duration(key, value)?,
            TIMEOUT => to.timeout_ms = duration(key, value)?.max(1),
            MIN_PAUSE => to.min_pause_ms = duration(key, value)?,
            TOLERABLE => to.tolerable_failures = whole(key, value, 0, u64::from(u32::MAX))? as u32,
            RETAINED => to.retained = whole(key, value, 1, 1_000)? as u32,
            MODE => {
                to.at_least_once = one_of(key, value, &[("EXACTLY_ONCE", false), ("AT_LEAST_ONCE", true)])?;
            }
            UNALIGNED => self.unaligned = one_of(key, value, &[("true", true), ("false", false)])?,
            ALIGNED_TIMEOUT => self.aligned_timeout_ms = duration(key, value)?,
            RETENTION => {
                let choices = [
                    ("RETAIN_ON_CANCELLATION", true),
                    ("DELETE_ON_CANCELLATION", false),
                    ("NO_EXTERNALIZED_CHECKPOINTS", false),
                ];
                to.retain_on_cancellation = one_of(key, value, &choices)?;
            }
            BACKEND => {
                let choices = [
                    ("rocksdb", StateBackend::Rocksdb),
                    ("memory", StateBackend::Memory),
                    ("hashmap", StateBackend::Memory),
                ];
                self.backend = one_of(key, value, &choices)?;
            }
            FROM_LOCAL => self.from_local = one_of(key, value, &[("true", true), ("false", false)])?,
            // One at a time is what there is.
            _ => drop(whole(key, value, 1, 1)?),
        }
        Ok(())
    }

    /// Puts all of it into the settings of a job.
    pub(super) fn resolve(&self, into: &mut graph::Settings) {
        into.checkpointing = Some(Checkpointing {
            aligned_timeout_ms: self.unaligned.then_some(self.aligned_timeout_ms),
            ..self.checkpointing
        });
        into.set_state_backend(self.backend);
        into.no_local_recovery = !self.from_local;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(settings: &mut Settings, name: &str, value: &str) -> bool {
        let at = weir_model::Location { line: 1, column: 1 };
        let of = |value: &str| Name {
            value: value.to_owned(),
            at,
        };
        assert!(key(name).is_some(), "{name}");
        settings.set(&of(name), &of(value)).is_ok()
    }

    #[test]
    fn what_a_script_says_of_checkpoints_comes_into_the_graph() {
        let mut settings = Settings::default();
        for (key, value) in [
            ("execution.checkpointing.interval", "10 s"),
            ("execution.checkpointing.timeout", "2 min"),
            ("execution.checkpointing.tolerable-failed-checkpoints", "3"),
            ("state.checkpoints.num-retained", "5"),
            ("execution.checkpointing.mode", "at_least_once"),
            ("execution.checkpointing.unaligned", "true"),
            ("execution.checkpointing.aligned-checkpoint-timeout", "500 ms"),
            (
                "execution.checkpointing.externalized-checkpoint-retention",
                "RETAIN_ON_CANCELLATION",
            ),
            ("state.backend", "hashmap"),
            ("state.backend.local-recovery", "false"),
        ] {
            assert!(set(&mut settings, key, value), "{key} = {value}");
        }
        let mut graph = graph::Settings::default();
        settings.resolve(&mut graph);
        let expected = Checkpointing {
            interval_ms: 10_000,
            timeout_ms: 120_000,
            min_pause_ms: 0,
            tolerable_failures: 3,
            retained: 5,
            at_least_once: true,
            aligned_timeout_ms: Some(500),
            retain_on_cancellation: true,
        };
        assert_eq!(graph.checkpointing, Some(expected));
        assert_eq!(graph.state_backend(), StateBackend::Memory);
        assert!(graph.no_local_recovery);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut settings = Settings::default();
        for (key, value) in [
            ("execution.checkpointing.interval", "often"),
            ("execution.checkpointing.max-concurrent-checkpoints", "2"),
            ("execution.checkpointing.mode", "NEVER"),
            ("state.backend.type", "forst"),
        ] {
            assert!(!set(&mut settings, key, value), "{key} = {value}");
        }
        assert!(set(
            &mut settings,
            "execution.checkpointing.max-concurrent-checkpoints",
            "1"
        ));
    }
}
