//! A full cache: all rows of a table, loaded when it is opened and, if that is asked, again.

use std::{sync::Arc, time::Duration};

use arrow_array::ArrayRef;
use async_trait::async_trait;
use tokio::sync::Mutex;
use weir_env::Clock;

use super::{Found, Lookup, index::Index, layers::Retries, scan::Scan};
use crate::ConnectorError;

#[derive(Debug)]
pub(super) struct FullCache {
    scan: Scan,
    retries: Retries,
    reload_after: Option<Duration>,
    clock: Arc<dyn Clock>,
    /// Held while rows are loaded: questions wait for them.
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    index: Arc<Index>,
    at: Duration,
}

impl FullCache {
    /// With its rows loaded.
    pub(super) async fn open(
        scan: Scan,
        retries: Retries,
        reload_after: Option<Duration>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConnectorError> {
        let at = clock.elapsed();
        let index = Arc::new(retries.run(|| scan.load()).await?);
        Ok(Self {
            scan,
            retries,
            reload_after,
            clock,
            loaded: Mutex::new(Loaded { index, at }),
        })
    }

    async fn index(&self) -> Result<Arc<Index>, ConnectorError> {
        let mut loaded = self.loaded.lock().await;
        let now = self.clock.elapsed();
        if self.reload_after.is_some_and(|after| now >= loaded.at + after) {
            loaded.index = Arc::new(self.retries.run(|| self.scan.load()).await?);
            loaded.at = now;
        }
        Ok(Arc::clone(&loaded.index))
    }
}

#[async_trait]
impl Lookup for FullCache {
    async fn lookup(&self, keys: &[ArrayRef]) -> Result<Found, ConnectorError> {
        self.index().await?.find(keys)
    }
}
