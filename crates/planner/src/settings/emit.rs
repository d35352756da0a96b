//! `table.exec.emit.*`: results of windows before their end, and behind it while late rows are allowed.

use super::{bad_value, duration};
use crate::{
    error::{self, Result},
    parse::tokens::Name,
};

pub(super) const EARLY_ENABLED: &str = "table.exec.emit.early-fire.enabled";
pub(super) const EARLY_DELAY: &str = "table.exec.emit.early-fire.delay";
pub(super) const LATE_ENABLED: &str = "table.exec.emit.late-fire.enabled";
pub(super) const LATE_DELAY: &str = "table.exec.emit.late-fire.delay";
pub(super) const ALLOW_LATENESS: &str = "table.exec.emit.allow-lateness";

/// When results of windows come beside the moment at which they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Emit {
    /// How often before it, ms; 0: with every batch; none: not before.
    pub early_ms: Option<u64>,
    /// How long after a change by late rows, ms.
    pub late_ms: u64,
    /// How long late rows still count, ms.
    pub lateness_ms: u64,
}

/// What a script sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// Where it is said that there are early results.
    early: Option<Name>,
    early_delay_ms: Option<u64>,
    /// Where it is said how late results come.
    late: Option<Name>,
    late_delay_ms: Option<u64>,
    lateness_ms: u64,
}

/// Whether it is one of these settings.
pub(super) fn is_key(key: &str) -> bool {
    [
        EARLY_ENABLED,
        EARLY_DELAY,
        LATE_ENABLED,
        LATE_DELAY,
        ALLOW_LATENESS,
    ]
    .contains(&key)
}

impl Settings {
    /// Takes one `SET`.
    pub(super) fn set(&mut self, key: &Name, value: &Name) -> Result<()> {
        match key.value.as_str() {
            EARLY_ENABLED => self.early = is_enabled(key, value)?.then(|| key.clone()),
            LATE_ENABLED => self.late = is_enabled(key, value)?.then(|| key.clone()),
            EARLY_DELAY => self.early_delay_ms = Some(duration(key, value)?),
            LATE_DELAY => self.late_delay_ms = Some(duration(key, value)?),
            _ => self.lateness_ms = duration(key, value)?,
        }
        Ok(())
    }

    /// What the settings say together; none if results come just once.
    pub(crate) fn resolve(&self) -> Result<Option<Emit>> {
        let early_ms = delay(self.early.as_ref(), self.early_delay_ms, EARLY_DELAY)?;
        let late_ms = delay(self.late.as_ref(), self.late_delay_ms, LATE_DELAY)?;
        if let Some(late) = self.late.as_ref().filter(|_| self.lateness_ms == 0) {
            return Err(error::invalid(
                late.at,
                format!(
                    "'{LATE_ENABLED}' needs rows to be allowed to come late: set '{ALLOW_LATENESS}' to more than 0"
                ),
            ));
        }
        let emit = Emit {
            early_ms,
            late_ms: late_ms.unwrap_or(0),
            lateness_ms: self.lateness_ms,
        };
        Ok((emit.early_ms.is_some() || emit.lateness_ms > 0).then_some(emit))
    }
}

/// The delay of what is enabled, which must be said.
fn delay(enabled: Option<&Name>, delay_ms: Option<u64>, key: &str) -> Result<Option<u64>> {
    match (enabled, delay_ms) {
        (None, _) => Ok(None),
        (Some(_), Some(ms)) => Ok(Some(ms)),
        (Some(enabled), None) => Err(error::invalid(
            enabled.at,
            format!(
                "'{}' needs a delay: set '{key}', to '0 ms' for results at once",
                enabled.value
            ),
        )),
    }
}

fn is_enabled(key: &Name, value: &Name) -> Result<bool> {
    match value.value.trim().to_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(bad_value(key, value, "true or false")),
    }
}
