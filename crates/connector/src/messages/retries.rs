//! Tries again, each time after twice as long.

use std::{sync::Arc, time::Duration};

use weir_env::Clock;
use weir_model::FailureClass;

use crate::ConnectorError;

/// How long after the first failure the next try is made; after the next, twice as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// How often something failed in a row, and how often it may.
#[derive(Debug)]
pub(crate) struct Retries {
    max: u32,
    tries: u32,
    clock: Arc<dyn Clock>,
}

impl Retries {
    /// None yet, of so many.
    pub(crate) fn new(max: u32, clock: Arc<dyn Clock>) -> Self {
        Self { max, tries: 0, clock }
    }

    /// Something went well: counting begins anew.
    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }

    /// Returns when it is time for the next try; or the error, if no other try may mend it or there were enough.
    pub(crate) async fn after(&mut self, error: ConnectorError) -> Result<(), ConnectorError> {
        let backoff = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(self.tries));
        self.after_at_least(error, backoff.min(LONGEST_BACKOFF)).await
    }

    /// The same, with how long the other system wants to be left alone.
    pub(crate) async fn after_at_least(
        &mut self,
        error: ConnectorError,
        wait: Duration,
    ) -> Result<(), ConnectorError> {
        if error.class != FailureClass::External || self.tries >= self.max {
            return Err(error);
        }
        tracing::warn!(%error, "it is tried again");
        self.tries += 1;
        self.clock.sleep(wait).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use weir_env::ManualClock;

    use super::*;

    #[tokio::test]
    async fn each_try_waits_twice_as_long_until_there_were_enough() {
        let clock = ManualClock::new();
        let mut retries = Retries::new(2, Arc::new(clock.clone()));
        let away = || ConnectorError::external("away");
        for ms in [200, 400] {
            let mut wait = std::pin::pin!(retries.after(away()));
            assert!(futures::poll!(&mut wait).is_pending());
            clock.advance(Duration::from_millis(ms - 1));
            assert!(futures::poll!(&mut wait).is_pending(), "{ms} ms");
            clock.advance(Duration::from_millis(1));
            wait.await.expect("there is another try");
        }
        retries.after(away()).await.expect_err("there were enough");
        retries.reset();
        assert!(futures::poll!(std::pin::pin!(retries.after(away()))).is_pending());
        let error = ConnectorError::user("wrong");
        retries.after(error).await.expect_err("no other try mends it");
    }
}
