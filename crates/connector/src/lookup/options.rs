//! What tables say about lookups: `lookup.*`, as in Flink.

use std::time::Duration;

use crate::{
    OptionError,
    options::{Checked, OptionDef, OptionKind, invalid},
};

const CACHE: &str = "lookup.cache";

/// The option that says how answers are kept.
pub const fn cache(default: &'static str) -> OptionDef {
    OptionDef {
        key: CACHE,
        kind: OptionKind::OneOf(&["NONE", "PARTIAL", "FULL"]),
        required: false,
        default: Some(default),
        doc: "of a lookup join: `NONE` asks the table for every batch, `PARTIAL` keeps the answers of the keys asked for last, `FULL` \
              keeps all rows of the table in memory, once per subtask",
    }
}

const fn optional(
    key: &'static str,
    kind: OptionKind,
    default: Option<&'static str>,
    doc: &'static str,
) -> OptionDef {
    OptionDef {
        key,
        kind,
        required: false,
        default,
        doc,
    }
}

/// How many rows a partial cache keeps.
pub const MAX_ROWS: OptionDef = optional(
    "lookup.partial-cache.max-rows",
    OptionKind::Int,
    None,
    "how many rows a partial cache keeps; a key without rows counts as one",
);

/// How long a partial cache keeps an answer.
pub const EXPIRE_AFTER_WRITE: OptionDef = optional(
    "lookup.partial-cache.expire-after-write",
    OptionKind::Duration,
    None,
    "how long a partial cache keeps an answer after it came",
);

/// How long a partial cache keeps an answer that nobody asks for.
pub const EXPIRE_AFTER_ACCESS: OptionDef = optional(
    "lookup.partial-cache.expire-after-access",
    OptionKind::Duration,
    None,
    "how long a partial cache keeps an answer after it was last used",
);

/// Whether a partial cache keeps that a key has no rows.
pub const CACHE_MISSING_KEY: OptionDef = optional(
    "lookup.partial-cache.cache-missing-key",
    OptionKind::Bool,
    Some("true"),
    "whether a partial cache keeps that a key has no rows",
);

/// When a full cache is loaded anew.
pub const RELOAD_STRATEGY: OptionDef = optional(
    "lookup.full-cache.reload-strategy",
    OptionKind::OneOf(&["PERIODIC", "TIMED"]),
    Some("PERIODIC"),
    "when a full cache is loaded anew; `TIMED` is not supported yet",
);

/// How long after a full cache was loaded it is loaded anew.
pub const RELOAD_INTERVAL: OptionDef = optional(
    "lookup.full-cache.periodic-reload.interval",
    OptionKind::Duration,
    None,
    "how long after a full cache was loaded it is loaded anew, while rows wait; without it, it is loaded once",
);

/// The largest table that a full cache takes.
pub const MAX_SIZE: OptionDef = optional(
    "lookup.full-cache.max-size",
    OptionKind::MemorySize,
    Some("256 MB"),
    "the largest table that a full cache takes, as it is in memory; a job fails on a larger one. While a cache is loaded anew, both \
     are in memory",
);

/// How often a question is asked again.
pub const MAX_RETRIES: OptionDef = optional(
    "lookup.max-retries",
    OptionKind::Int,
    Some("3"),
    "how often a lookup that failed for an outside reason is tried again before the job fails",
);

/// How a table is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What is kept of the answers.
    pub cache: Cache,
    /// How often a question is asked again.
    pub max_retries: u32,
}

/// What is kept of the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Nothing.
    None,
    /// Those of some keys.
    Partial(PartialCache),
    /// All rows of the table.
    Full {
        /// How long after they were loaded they are loaded anew; none: never.
        reload_after: Option<Duration>,
        /// Bytes that they may have.
        max_bytes: u64,
    },
}

/// Which answers a partial cache keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialCache {
    /// So many rows.
    pub max_rows: Option<u64>,
    /// For so long after they came.
    pub expire_after_write: Option<Duration>,
    /// For so long after they were last used.
    pub expire_after_access: Option<Duration>,
    /// Also that a key has no rows.
    pub caches_missing: bool,
}

impl Settings {
    /// Reads a table's options.
    pub fn new(options: &Checked<'_>) -> Result<Self, OptionError> {
        let cache = match options.word(CACHE) {
            Some("PARTIAL") => Cache::Partial(PartialCache::new(options)?),
            Some("FULL") => {
                if options.word(RELOAD_STRATEGY.key) == Some("TIMED") {
                    return Err(invalid(
                        RELOAD_STRATEGY.key,
                        "'TIMED' is not supported yet: use 'PERIODIC' with 'lookup.full-cache.periodic-reload.interval'",
                    ));
                }
                Cache::Full {
                    reload_after: positive(options, RELOAD_INTERVAL.key)?,
                    max_bytes: options.bytes(MAX_SIZE.key).unwrap_or(u64::MAX),
                }
            }
            _ => Cache::None,
        };
        let retries = options.int_at_least(MAX_RETRIES.key, 0)?.unwrap_or(0);
        Ok(Self {
            cache,
            max_retries: u32::try_from(retries).unwrap_or(u32::MAX),
        })
    }
}

impl PartialCache {
    fn new(options: &Checked<'_>) -> Result<Self, OptionError> {
        let max_rows = options.int_at_least(MAX_ROWS.key, 1)?;
        let cache = Self {
            max_rows: max_rows.and_then(|rows| u64::try_from(rows).ok()),
            expire_after_write: positive(options, EXPIRE_AFTER_WRITE.key)?,
            expire_after_access: positive(options, EXPIRE_AFTER_ACCESS.key)?,
            caches_missing: options.flag(CACHE_MISSING_KEY.key),
        };
        if cache.max_rows.is_none()
            && cache.expire_after_write.is_none()
            && cache.expire_after_access.is_none()
        {
            return Err(invalid(
                CACHE,
                "a PARTIAL cache needs a bound: give 'lookup.partial-cache.max-rows', '...expire-after-write' or '...expire-after-access'",
            ));
        }
        Ok(cache)
    }
}

fn positive(options: &Checked<'_>, key: &str) -> Result<Option<Duration>, OptionError> {
    match options.duration(key) {
        Some(Duration::ZERO) => Err(invalid(key, "it must be more than nothing")),
        duration => Ok(duration),
    }
}
