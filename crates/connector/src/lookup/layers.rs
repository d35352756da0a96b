//! A connector's lookup with retries and a cache above it.

use std::{future::Future, sync::Arc, time::Duration};

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use weir_env::Clock;
use weir_model::FailureClass;

use super::{
    Cache, Found, Lookup, LookupContext, LookupFactory, Settings, full::FullCache, partial::Distinct,
    scan::Scan,
};
use crate::{ConnectorError, OptionError, SourceFactory};

/// The first wait before a question is asked again; each further one is twice as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// Rows looked up in a table that can be read from one end to the other: they are read to be asked.
#[derive(Debug)]
pub struct OfSource {
    source: Arc<dyn SourceFactory>,
    table: SchemaRef,
    settings: Settings,
}

impl OfSource {
    /// Of a bounded source of a table with these physical columns.
    pub fn new(source: Box<dyn SourceFactory>, table: SchemaRef, settings: Settings) -> Self {
        Self {
            source: source.into(),
            table,
            settings,
        }
    }
}

#[async_trait]
impl LookupFactory for OfSource {
    async fn check(&self) -> Result<(), OptionError> {
        self.source.check().await
    }

    async fn open(&self, context: LookupContext) -> Result<Arc<dyn Lookup>, ConnectorError> {
        let scan = |context, max_bytes| Scan::new(Arc::clone(&self.source), &self.table, context, max_bytes);
        match self.settings.cache {
            Cache::Full {
                reload_after,
                max_bytes,
            } => {
                let clock = Arc::clone(&context.clock);
                let retries = Retries::new(self.settings, &clock);
                let scan = scan(context, max_bytes)?;
                Ok(Arc::new(
                    FullCache::open(scan, retries, reload_after, clock).await?,
                ))
            }
            Cache::None | Cache::Partial(_) => {
                let asked = Arc::new(scan(context.clone(), u64::MAX)?);
                layered(asked, self.settings, &context)
            }
        }
    }
}

/// A connector's lookup as its table's options want it: asked for each key of a batch once, again after a failure outside,
/// and not at all for what a partial cache holds.
pub fn layered(
    asked: Arc<dyn Lookup>,
    settings: Settings,
    context: &LookupContext,
) -> Result<Arc<dyn Lookup>, ConnectorError> {
    let retried = Arc::new(Retried {
        asked,
        retries: Retries::new(settings, &context.clock),
    });
    let cache = match settings.cache {
        Cache::Partial(cache) => Some(cache),
        Cache::None | Cache::Full { .. } => None,
    };
    Ok(Arc::new(Distinct::new(retried, cache, context)?))
}

/// Asks again after a failure outside.
#[derive(Debug)]
struct Retried {
    asked: Arc<dyn Lookup>,
    retries: Retries,
}

#[async_trait]
impl Lookup for Retried {
    async fn lookup(&self, keys: &[ArrayRef]) -> Result<Found, ConnectorError> {
        self.retries.run(|| self.asked.lookup(keys)).await
    }
}

/// How often, and after how long, something is tried again.
#[derive(Clone, Debug)]
pub(super) struct Retries {
    max: u32,
    clock: Arc<dyn Clock>,
}

impl Retries {
    fn new(settings: Settings, clock: &Arc<dyn Clock>) -> Self {
        Self {
            max: settings.max_retries,
            clock: Arc::clone(clock),
        }
    }

    /// The first success, or the last failure; a failure that is not an outside one is the last.
    pub(super) async fn run<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, ConnectorError>
    where
        F: Future<Output = Result<T, ConnectorError>>,
    {
        let mut backoff = FIRST_BACKOFF;
        for _ in 0..self.max {
            match attempt().await {
                Err(error) if error.class == FailureClass::External => {
                    self.clock.sleep(backoff).await;
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                }
                outcome => return outcome,
            }
        }
        attempt().await
    }
}
