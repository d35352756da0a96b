//! Wall time, monotonic time and sleeping.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Where time comes from.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Wall time, milliseconds since 1970-01-01T00:00:00Z. May jump.
    fn now_ms(&self) -> i64;

    /// Time since some fixed moment. Never runs backwards; for measuring and for timeouts.
    fn elapsed(&self) -> Duration;

    /// Returns when [`Clock::elapsed`] has grown by `duration`.
    async fn sleep(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// The machine's clock; its `elapsed` begins now.
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    fn now_ms(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => since.as_millis() as i64,
            Err(before) => -(before.duration().as_millis() as i64),
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    #[allow(clippy::disallowed_methods, reason = "the one place that sleeps")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A clock that stands still until it is told to move, for tests.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    now: Mutex<Duration>,
    moved: Notify,
}

impl ManualClock {
    /// A clock at 1970 and at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves time forward and wakes the sleepers whose time has come.
    pub fn advance(&self, by: Duration) {
        *self.shared.now.lock() += by;
        self.shared.moved.notify_waiters();
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.elapsed().as_millis() as i64
    }

    fn elapsed(&self) -> Duration {
        *self.shared.now.lock()
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.elapsed() + duration;
        loop {
            let moved = self.shared.moved.notified();
            tokio::pin!(moved);
            // Registered before the look at the time, so that a move in between is not missed.
            moved.as_mut().enable();
            if self.elapsed() >= until {
                return;
            }
            moved.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_manual_clock_passes_its_time() {
        let clock = ManualClock::new();
        let sleeper = {
            let clock = clock.clone();
            tokio::spawn(async move { clock.sleep(Duration::from_secs(5)).await })
        };
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(4));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.expect("the sleeper ends");
    }
}
