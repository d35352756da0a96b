//! All rows of a table that can be read from one end to the other.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use async_trait::async_trait;

use super::{Found, Lookup, LookupContext, index::Index, wanted::Wanted};
use crate::{ConnectorError, SourceContext, SourceEvent, SourceFactory, source::SourceCounters};

/// Rows per batch that are read.
const BATCH_ROWS: usize = 8192;

/// Reads all rows of a bounded source.
#[derive(Debug)]
pub(super) struct Scan {
    source: Arc<dyn SourceFactory>,
    wanted: Wanted,
    context: LookupContext,
    max_bytes: u64,
}

impl Scan {
    /// Of a table with these physical columns. Reading more than so many bytes fails.
    pub(super) fn new(
        source: Arc<dyn SourceFactory>,
        table: &SchemaRef,
        context: LookupContext,
        max_bytes: u64,
    ) -> Result<Self, ConnectorError> {
        Ok(Self {
            wanted: Wanted::new(table, &context)?,
            source,
            context,
            max_bytes,
        })
    }

    /// The rows as they are now.
    pub(super) async fn load(&self) -> Result<Index, ConnectorError> {
        let batches = self.read().await?;
        let Wanted {
            schema,
            keys,
            produced,
        } = &self.wanted;
        Index::new(schema, &batches, keys, produced)
    }

    async fn read(&self) -> Result<Vec<RecordBatch>, ConnectorError> {
        let context = SourceContext {
            schema: Arc::clone(&self.wanted.schema),
            batch_rows: BATCH_ROWS,
            known_splits: Arc::default(),
            subtask: 0,
            parallelism: 1,
            takes_checkpoints: false,
            clock: Arc::clone(&self.context.clock),
            counters: Arc::new(SourceCounters::default()),
            dead_letters: None,
        };
        let splits = self.source.splits(1).await?;
        let mut source = self.source.open(splits, context).await?;
        let (mut batches, mut bytes) = (Vec::new(), 0);
        loop {
            match source.next().await? {
                SourceEvent::Rows { batch, .. } => {
                    bytes += batch.get_array_memory_size() as u64;
                    if bytes > self.max_bytes {
                        return Err(ConnectorError::user(format!(
                            "the table to look up in is larger than {} bytes in memory: raise 'lookup.full-cache.max-size', or use \
                             'lookup.cache' = 'PARTIAL'",
                            self.max_bytes
                        )));
                    }
                    batches.push(batch);
                }
                SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } => {}
                SourceEvent::End => return Ok(batches),
            }
        }
    }
}

#[async_trait]
impl Lookup for Scan {
    /// Reads all of the table for each question.
    async fn lookup(&self, keys: &[ArrayRef]) -> Result<Found, ConnectorError> {
        self.load().await?.find(keys)
    }
}
