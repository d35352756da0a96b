//! Waiting for a condition, with a bound and a message that says what was seen instead.

use std::time::Duration;

use anyhow::{Result, bail};
use weir_env::{Clock, SystemClock};

/// How often a condition is looked at.
const PERIOD: Duration = Duration::from_millis(50);

/// What a look at a condition found.
#[derive(Debug)]
pub enum Seen<T> {
    /// It holds.
    Done(T),
    /// It does not hold yet; this is what there is instead.
    NotYet(String),
}

/// Looks until the condition holds. An error of a look ends the waiting.
pub async fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Seen<T>>,
) -> Result<T> {
    let clock = SystemClock::new();
    loop {
        match look().await? {
            Seen::Done(value) => return Ok(value),
            Seen::NotYet(seen) if clock.elapsed() > within => {
                bail!("waited {} s for {what}; instead: {seen}", within.as_secs())
            }
            Seen::NotYet(_) => clock.sleep(PERIOD).await,
        }
    }
}
