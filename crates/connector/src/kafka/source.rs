//! The source of a table: its partitions, and readers of them.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use rdkafka::ClientConfig;

use super::{Client, Fields, offsets, options, read::Reader, rows::Layout, scan::Scan, split::Partition};
use crate::{
    ConnectorError, OptionError, Source, SourceContext, SourceFactory, Split, Table, options::Checked,
};

/// What stands for a consumer group where the table names none: nothing is asked of it or told to it.
const NO_GROUP: &str = "weir";

/// A checked table to read.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    reading: Arc<Reading>,
}

/// What readers and those that look for partitions have to know.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) client: Client,
    pub(super) scan: Scan,
    fields: Fields,
    schema: SchemaRef,
}

impl Factory {
    pub(super) fn new(connector: &str, table: &Table) -> Result<Self, OptionError> {
        let (own, formats) = options::parted(&table.options);
        let options = Checked::new(connector, options::OPTIONS, &own)?;
        let reading = Reading {
            client: Client::new(&options)?,
            scan: Scan::new(connector, &options)?,
            fields: Fields::new(connector, &options, &formats, &table.schema)?,
            schema: Arc::clone(&table.schema),
        };
        Ok(Self {
            reading: Arc::new(reading),
        })
    }

    async fn partitions(&self) -> Result<Vec<Partition>, ConnectorError> {
        let reading = Arc::clone(&self.reading);
        blocking(move || offsets::partitions(&reading.client, &reading.scan)).await
    }
}

impl Reading {
    /// The settings of a consumer that is told its partitions, decides itself where to go on, and commits when it is told to.
    pub(super) fn consumer(&self) -> ClientConfig {
        let mut config = self.client.config();
        config
            .set("group.id", self.scan.group.as_deref().unwrap_or(NO_GROUP))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error");
        config
    }
}

/// Runs what blocks on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ConnectorError> + Send + 'static,
) -> Result<T, ConnectorError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ConnectorError::internal(format!("a call of Kafka's client did not end: {error}")))?
}

#[async_trait]
impl SourceFactory for Factory {
    fn is_bounded(&self) -> bool {
        self.reading.scan.bounded.is_some()
    }

    async fn check(&self) -> Result<(), OptionError> {
        let partitions = self.partitions().await;
        let partitions = partitions.map_err(|error| OptionError::Unavailable {
            reason: error.message,
        })?;
        if partitions.is_empty() {
            return Err(OptionError::Unavailable {
                reason: format!(
                    "no topic at {} matches '{}'",
                    self.reading.client.brokers(),
                    options::TOPIC_PATTERN
                ),
            });
        }
        Ok(())
    }

    async fn splits(&self, _parallelism: u32) -> Result<Vec<Split>, ConnectorError> {
        let partitions = self.partitions().await?;
        Ok(partitions.iter().map(Partition::to_split).collect())
    }

    async fn open(
        &self,
        splits: Vec<Split>,
        context: SourceContext,
    ) -> Result<Box<dyn Source>, ConnectorError> {
        let layout = Layout::new(
            &self.reading.fields,
            &self.reading.schema,
            Arc::clone(&context.schema),
        );
        let layout = Arc::new(layout.map_err(ConnectorError::internal)?);
        let partitions = splits.iter().map(Partition::from_split);
        let partitions = partitions.collect::<Result<Vec<_>, _>>()?;
        let reader = Reader::open(Arc::clone(&self.reading), layout, partitions, context)?;
        Ok(Box::new(reader))
    }
}
