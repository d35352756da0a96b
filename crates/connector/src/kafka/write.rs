//! A writer of one subtask: rows to a topic, at once or in transactions.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use async_trait::async_trait;
use weir_env::Clock;

use super::{fold::Gathered, producer::Producer, records::Records, transaction::Transactions};
use crate::{ConnectorError, Sink};

/// Does on another thread what blocks.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ConnectorError> + Send + 'static,
) -> Result<T, ConnectorError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ConnectorError::internal(format!("work on Kafka: {error}")))?
}

/// That a batch is not of the table.
pub(super) fn unreadable(error: ArrowError) -> ConnectorError {
    ConnectorError::internal(format!("rows do not fit the table: {error}"))
}

/// Writes one subtask's rows.
pub(super) struct Writer {
    pub(super) out: Out,
    /// Changes that wait for others of their keys, and how many may.
    pub(super) gathered: Option<(Gathered, usize)>,
    pub(super) records: Records,
    pub(super) clock: Arc<dyn Clock>,
}

/// Where records go.
pub(super) enum Out {
    /// They are seen at once.
    AtOnce {
        producer: Producer,
        /// Whether a checkpoint waits for the delivery of its rows.
        waits: bool,
    },
    /// They are seen when their checkpoint is there.
    InTransactions(Box<Transactions>),
}

impl Writer {
    /// Hands over the records that were encoded.
    async fn send(&mut self) -> Result<(), ConnectorError> {
        let producer = match &mut self.out {
            _ if self.records.len() == 0 => return Ok(()),
            Out::AtOnce { producer, .. } => producer,
            Out::InTransactions(transactions) => transactions.producer().await?,
        };
        producer.send(&self.records, self.clock.as_ref()).await
    }

    /// Hands over the changes that wait.
    async fn send_gathered(&mut self) -> Result<(), ConnectorError> {
        let Some((gathered, _)) = &mut self.gathered else {
            return Ok(());
        };
        match gathered.take().map_err(unreadable)? {
            None => Ok(()),
            Some(changes) => {
                let encoded = self.records.encode(&changes.rows, Some(changes.are_there));
                encoded.map_err(unreadable)?;
                self.send().await
            }
        }
    }

    /// What is to be committed of the rows up to now, which are all in the topic then.
    async fn stage(&mut self, checkpoint: Option<u64>) -> Result<Vec<String>, ConnectorError> {
        self.send_gathered().await?;
        match &mut self.out {
            Out::InTransactions(transactions) => transactions.prepare(checkpoint).await,
            Out::AtOnce { producer, waits } => {
                if *waits || checkpoint.is_none() {
                    producer.flush(self.clock.as_ref()).await?;
                }
                producer.check()?;
                Ok(Vec::new())
            }
        }
    }
}

#[async_trait]
impl Sink for Writer {
    async fn write(&mut self, batch: RecordBatch) -> Result<(), ConnectorError> {
        let Some((gathered, max_rows)) = &mut self.gathered else {
            self.records.encode(&batch, None).map_err(unreadable)?;
            return self.send().await;
        };
        gathered.add(batch);
        if gathered.rows() >= *max_rows {
            self.send_gathered().await?;
        }
        Ok(())
    }

    /// librdkafka sends by itself what has waited for `linger.ms`.
    async fn flush(&mut self) -> Result<(), ConnectorError> {
        self.send_gathered().await?;
        match &self.out {
            Out::AtOnce { producer, .. } => producer.check(),
            Out::InTransactions(transactions) => transactions.check(),
        }
    }

    async fn prepare(&mut self, checkpoint: u64) -> Result<Vec<String>, ConnectorError> {
        self.stage(Some(checkpoint)).await
    }

    async fn finish(&mut self) -> Result<Vec<String>, ConnectorError> {
        self.stage(None).await
    }
}
