//! All rows of a table that can be read from one end to the other.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema, SchemaRef};
use async_trait::async_trait;

use super::{Found, Lookup, LookupContext, index::Index};
use crate::{ConnectorError, SourceContext, SourceEvent, SourceFactory, source::SourceCounters};

/// Rows per batch that are read.
const BATCH_ROWS: usize = 8192;

/// Reads all rows of a bounded source.
#[derive(Debug)]
pub(super) struct Scan {
    source: Arc<dyn SourceFactory>,
    /// What is read: the columns to produce, and keys.
    schema: SchemaRef,
    /// Where the keys are in it.
    keys: Vec<usize>,
    /// Where the columns to produce are in it.
    produced: Vec<usize>,
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
        let field = |(place, field): (usize, &Arc<Field>)| {
            let produced = context.schema.field_with_name(field.name()).ok().cloned();
            produced.or_else(|| context.keys.contains(&place).then(|| field.as_ref().clone()))
        };
        let schema = Schema::new(
            table
                .fields()
                .iter()
                .enumerate()
                .filter_map(field)
                .collect::<Vec<_>>(),
        );
        let place = |name: &str| {
            schema
                .index_of(name)
                .map_err(|e| ConnectorError::internal(format!("a column to look up is not there: {e}")))
        };
        let keys = context.keys.iter().map(|key| place(table.field(*key).name()));
        let produced = context.schema.fields().iter().map(|field| place(field.name()));
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
            produced: produced.collect::<Result<_, _>>()?,
            schema: Arc::new(schema),
            source,
            context,
            max_bytes,
        })
    }

    /// The rows as they are now.
    pub(super) async fn load(&self) -> Result<Index, ConnectorError> {
        let batches = self.read().await?;
        Index::new(&self.schema, &batches, &self.keys, &self.produced)
    }

    async fn read(&self) -> Result<Vec<RecordBatch>, ConnectorError> {
        let context = SourceContext {
            schema: Arc::clone(&self.schema),
            batch_rows: BATCH_ROWS,
            known_splits: Arc::default(),
            subtask: 0,
            parallelism: 1,
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
