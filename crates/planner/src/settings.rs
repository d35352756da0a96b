//! `SET 'key' = 'value'`: the settings that Weir has.
//!
//! - [`checkpointing`]: when checkpoints are taken, and where state is kept meanwhile. Leans on nothing.
//! - [`emit`]: when results of windows come. Leans on nothing.
//! - [`restart`]: when the job runs again after a failure. Leans on nothing.
//! - `flink`: those of Flink's that it takes without effect, or refuses. Leans on nothing.

pub(crate) mod checkpointing;
pub(crate) mod emit;
mod flink;
pub(crate) mod restart;

use weir_connector::options::nearest;
use weir_model::{ErrorCode, Problem};
use weir_proto::graph;

use self::flink::{FAMILIES, UNSUPPORTED, WITHOUT_EFFECT};
use crate::{
    error::{self, Result},
    parse::tokens::Name,
};

/// The most subtasks that an operator may have: the default number of key groups.
pub(crate) const MAX_PARALLELISM: u32 = weir_model::DEFAULT_MAX_PARALLELISM;

/// What a script sets.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `pipeline.name`
    pub name: Option<String>,
    /// `parallelism.default`
    pub parallelism: Option<u32>,
    /// `table.exec.source.idle-timeout`, ms; 0 is never.
    pub idle_timeout_ms: u64,
    /// `table.exec.state.ttl`, ms; 0 is never.
    pub state_ttl_ms: u64,
    /// `table.exec.match.max-partial-matches`
    pub max_partial_matches: u32,
    /// What becomes of values that a sink's columns cannot hold.
    pub enforcers: Enforcers,
    /// What functions of WebAssembly modules may use.
    pub wasm: weir_functions::wasm::Limits,
    /// How lookup joins ask.
    pub lookups: Lookups,
    /// `table.exec.emit.*`
    pub emit: emit::Settings,
    /// `execution.checkpointing.*` and `state.backend.*`
    pub checkpointing: checkpointing::Settings,
    /// `restart-strategy.*`
    pub restart: restart::Settings,
    /// The rest.
    pub runtime: graph::Settings,
}

/// How lookup joins ask the tables that they look up in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookups {
    /// `table.exec.async-lookup.buffer-capacity`, batches.
    pub capacity: u32,
    /// `table.exec.async-lookup.timeout`, ms.
    pub timeout_ms: u64,
}

impl Default for Lookups {
    fn default() -> Self {
        Self {
            capacity: 100,
            timeout_ms: 180_000,
        }
    }
}

/// What becomes of values that a sink's columns cannot hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Enforcers {
    /// `table.exec.sink.not-null-enforcer`
    pub not_null: NotNull,
    /// `table.exec.sink.type-length-enforcer`
    pub length: Length,
}

/// What a null for a NOT NULL column does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum NotNull {
    /// It ends the job.
    #[default]
    Error,
    /// Its row is left out.
    Drop,
}

/// What a text does that is not as long as its CHAR(n), or longer than its VARCHAR(n).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Length {
    /// It is written as it is.
    #[default]
    Ignore,
    /// It is cut, or filled up with spaces.
    TrimPad,
    /// It ends the job.
    Error,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: None,
            parallelism: None,
            idle_timeout_ms: 0,
            state_ttl_ms: 0,
            max_partial_matches: 100_000,
            enforcers: Enforcers::default(),
            wasm: weir_functions::wasm::Limits::default(),
            lookups: Lookups::default(),
            emit: emit::Settings::default(),
            checkpointing: checkpointing::Settings::default(),
            restart: restart::Settings::default(),
            runtime: graph::Settings {
                auto_watermark_interval_ms: 200,
                batch_rows: 8192,
                exchange_linger_ms: 5,
                channel_bytes: 1 << 20,
                ..graph::Settings::default()
            },
        }
    }
}

const KNOWN: &[&str] = &[
    "pipeline.name",
    "parallelism.default",
    "table.exec.resource.default-parallelism",
    "pipeline.auto-watermark-interval",
    "pipeline.batch-rows",
    "table.exec.source.idle-timeout",
    "table.exec.state.ttl",
    "table.exec.sink.not-null-enforcer",
    "table.exec.sink.type-length-enforcer",
    "table.local-time-zone",
    "execution.exchange.linger",
    "execution.exchange.channel-bytes",
    "table.exec.match.max-partial-matches",
    "table.exec.wasm.fuel-per-row",
    "table.exec.wasm.memory",
    "table.exec.async-lookup.buffer-capacity",
    "table.exec.async-lookup.timeout",
    emit::EARLY_ENABLED,
    emit::EARLY_DELAY,
    emit::LATE_ENABLED,
    emit::LATE_DELAY,
    emit::ALLOW_LATENESS,
];

impl Settings {
    /// Takes one `SET`.
    pub(crate) fn set(&mut self, key: &Name, value: &Name) -> Result<()> {
        match key.value.as_str() {
            "pipeline.name" => self.name = Some(value.value.clone()),
            "parallelism.default" | "table.exec.resource.default-parallelism" => {
                self.parallelism = Some(whole(key, value, 1, u64::from(MAX_PARALLELISM))? as u32);
            }
            "pipeline.auto-watermark-interval" => {
                self.runtime.auto_watermark_interval_ms = duration(key, value)?;
            }
            "pipeline.batch-rows" => self.runtime.batch_rows = whole(key, value, 1, 1 << 20)? as u32,
            "table.exec.source.idle-timeout" => self.idle_timeout_ms = duration(key, value)?,
            "table.exec.state.ttl" => self.state_ttl_ms = duration(key, value)?,
            "execution.exchange.linger" => self.runtime.exchange_linger_ms = duration(key, value)?,
            "execution.exchange.channel-bytes" => {
                self.runtime.channel_bytes = whole(key, value, 1 << 10, 1 << 32)?;
            }
            "table.exec.match.max-partial-matches" => {
                self.max_partial_matches = whole(key, value, 1, 1 << 30)? as u32;
            }
            "table.exec.wasm.fuel-per-row" => self.wasm.fuel_per_row = whole(key, value, 1, 1_000_000_000)?,
            "table.exec.wasm.memory" => self.wasm.memory_bytes = size(key, value)?,
            "table.exec.async-lookup.buffer-capacity" => {
                self.lookups.capacity = whole(key, value, 1, 1 << 16)? as u32;
            }
            "table.exec.async-lookup.timeout" => self.lookups.timeout_ms = duration(key, value)?.max(1),
            "table.exec.sink.not-null-enforcer" => {
                let choices = [("ERROR", NotNull::Error), ("DROP", NotNull::Drop)];
                self.enforcers.not_null = one_of(key, value, &choices)?;
            }
            "table.exec.sink.type-length-enforcer" => {
                let choices = [
                    ("IGNORE", Length::Ignore),
                    ("TRIM_PAD", Length::TrimPad),
                    ("ERROR", Length::Error),
                ];
                self.enforcers.length = one_of(key, value, &choices)?;
            }
            key_of_restart if restart::key(key_of_restart).is_some() => self.restart.set(key, value)?,
            key_of_checkpoints if checkpointing::key(key_of_checkpoints).is_some() => {
                self.checkpointing.set(key, value)?;
            }
            key_of_emit if emit::is_key(key_of_emit) => self.emit.set(key, value)?,
            "table.local-time-zone" => time_zone(value)?,
            other if FAMILIES.iter().any(|family| other.starts_with(family)) => {}
            other if WITHOUT_EFFECT.iter().any(|(name, _)| *name == other) => without_effect(key, value)?,
            other if UNSUPPORTED.contains(&other) => {
                return Err(error::unsupported(
                    key.at,
                    format!("the setting '{other}' is not supported yet"),
                ));
            }
            other => return Err(unknown(key, other)),
        }
        Ok(())
    }

    /// What workers and the control plane have to know.
    pub(crate) fn of_graph(&self) -> graph::Settings {
        let mut settings = graph::Settings {
            restart_strategy: self.restart.strategy(),
            ..self.runtime
        };
        self.checkpointing.resolve(&mut settings);
        settings
    }
}

/// A setting without effect, whose value must make sense all the same.
fn without_effect(key: &Name, value: &Name) -> Result<()> {
    let known = WITHOUT_EFFECT.iter().find(|(name, _)| *name == key.value);
    match known {
        Some((_, takes)) if !takes.takes(&value.value) => Err(bad_value(key, value, &takes.words())),
        _ => Ok(()),
    }
}

/// The time zone of TIMESTAMP_LTZ values as texts.
fn time_zone(value: &Name) -> Result<()> {
    const UTC: &[&str] = &["UTC", "Etc/UTC", "GMT", "Z", "+00:00", "UTC+00:00", "GMT+00:00"];
    if UTC.contains(&value.value.as_str()) {
        return Ok(());
    }
    Err(error::unsupported(
        value.at,
        format!(
            "'table.local-time-zone' is '{}': only UTC is supported, so convert times with CONVERT_TZ where they become texts",
            value.value
        ),
    ))
}

fn one_of<T: Copy>(key: &Name, value: &Name, choices: &[(&str, T)]) -> Result<T> {
    let chosen = choices
        .iter()
        .find(|(name, _)| value.value.eq_ignore_ascii_case(name));
    chosen.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        bad_value(key, value, &names.join(" or "))
    })
}

fn unknown(key: &Name, name: &str) -> Problem {
    let problem = Problem::new(ErrorCode::UnknownOption, format!("there is no setting '{name}'")).at(key.at);
    match nearest(
        name,
        KNOWN
            .iter()
            .chain(checkpointing::KEYS)
            .chain(restart::KEYS)
            .copied()
            .chain(WITHOUT_EFFECT.iter().map(|(name, _)| *name)),
    ) {
        Some(suggestion) => problem.suggest(suggestion),
        None => problem,
    }
}

fn whole(key: &Name, value: &Name, min: u64, max: u64) -> Result<u64> {
    let number = value
        .value
        .trim()
        .parse()
        .ok()
        .filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| bad_value(key, value, &format!("a whole number from {min} to {max}")))
}

/// Bytes of memory as Flink writes them: `64 mb`.
fn size(key: &Name, value: &Name) -> Result<usize> {
    let text = value.value.trim().to_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "b" | "bytes" => Some(1_u64),
        "k" | "kb" | "kibibytes" => Some(1 << 10),
        "m" | "mb" | "mebibytes" => Some(1 << 20),
        "g" | "gb" | "gibibytes" => Some(1 << 30),
        _ => None,
    };
    let bytes = number.parse::<u64>().ok().zip(factor);
    bytes
        .and_then(|(number, factor)| number.checked_mul(factor))
        .filter(|bytes| (1 << 16..=4 << 30).contains(bytes))
        .map(|bytes| bytes as usize)
        .ok_or_else(|| bad_value(key, value, "a size from '64 kb' to '4 gb', such as '64 mb'"))
}

fn duration(key: &Name, value: &Name) -> Result<u64> {
    parse_duration(&value.value)
        .ok_or_else(|| bad_value(key, value, "a duration such as '200 ms', '5 s' or '1 min'"))
}

/// A duration as Flink writes it, in ms; none if the text is none.
pub(crate) fn parse_duration(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn bad_value(key: &Name, value: &Name, wanted: &str) -> Problem {
    let detail = format!(
        "the setting '{}' is '{}': it must be {wanted}",
        key.value, value.value
    );
    Problem::new(ErrorCode::InvalidOption, detail).at(value.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_effect_need_a_value_that_makes_sense() {
        let at = weir_model::Location { line: 1, column: 1 };
        let set = |key: &str, value: &str| {
            let name = |value: &str| Name {
                value: value.to_owned(),
                at,
            };
            Settings::default()
                .set(&name(key), &name(value))
                .map_err(|p| p.code)
        };
        assert_eq!(set("table.exec.mini-batch.enabled", "TRUE"), Ok(()));
        assert_eq!(
            set("table.exec.mini-batch.enabled", "yes"),
            Err(ErrorCode::InvalidOption)
        );
        assert_eq!(
            set("table.exec.mini-batch.size", "many"),
            Err(ErrorCode::InvalidOption)
        );
        assert_eq!(set("execution.runtime-mode", "streaming"), Ok(()));
        assert_eq!(
            set("execution.runtime-mode", "batch"),
            Err(ErrorCode::InvalidOption)
        );
        assert_eq!(set("state.backend.rocksdb.writebuffer.size", "64 mb"), Ok(()));
        assert_eq!(set("table.local-time-zone", "Etc/UTC"), Ok(()));
        assert_eq!(
            set("table.local-time-zone", "Europe/Berlin"),
            Err(ErrorCode::SqlUnsupported)
        );
        assert_eq!(
            set("table.exec.emit.allow-lateness", "long"),
            Err(ErrorCode::InvalidOption)
        );
        assert_eq!(
            set("table.exec.sink.upsert-materialize", "NONE"),
            Err(ErrorCode::SqlUnsupported)
        );
        assert_eq!(set("table.exec.nothing", "1"), Err(ErrorCode::UnknownOption));
        assert_eq!(set("execution.checkpointing.dir", "file:///x"), Ok(()));
        assert_eq!(
            set("execution.checkpointing.intervall", "1 s"),
            Err(ErrorCode::UnknownOption)
        );
    }

    #[test]
    fn durations_are_read_as_flink_writes_them() {
        assert_eq!(parse_duration("200 ms"), Some(200));
        assert_eq!(parse_duration("5s"), Some(5_000));
        assert_eq!(parse_duration("1 min"), Some(60_000));
        assert_eq!(parse_duration("0"), Some(0));
        assert_eq!(parse_duration("soon"), None);
        assert_eq!(parse_duration("99999999999999999999 d"), None);
    }
}
