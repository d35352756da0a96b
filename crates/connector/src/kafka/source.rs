//! The source of a table: its partitions, and readers of them.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use rdkafka::ClientConfig;
use weir_env::Clock;

use super::{
    Client, Fields, fields::Part, offsets, options, read::Reader, rows::Layout, scan::Scan, split::Partition,
};
use crate::{
    ChangelogMode, ConnectorError, OptionError, Source, SourceContext, SourceFactory, Split, Table,
    options::{Checked, Options, invalid},
};

/// What people should know of reading.
pub(super) const GUIDE: &str = "\
Each partition is read in its order and has a watermark of its own; a subtask reads several. One that is silent holds time back unless \
`scan.watermark.idle-timeout` is set.

Where reading begins and ends is looked up once, when the job begins. From then on the offsets are in its checkpoints, and nothing else \
says where it goes on. When a checkpoint is complete, its offsets are committed to the group that the table names, for monitoring: \
readers never join the group, and what it has committed is read by `group-offsets` alone. How many messages wait behind what was read is the \
lag of the source, in the console's API and as the metric `weir_operator_lag_records`.

Partitions that are added, and topics that come to match the pattern, are found while the job runs and when it goes on, and are read from \
their start. A bounded table has those that were there when the job began.

Messages of transactions are read once they are committed (`properties.isolation.level` = `read_committed`); `read_uncommitted` reads all. \
Messages without value are no rows and are counted as skipped, except where the format or the table has changes. A column of the key is null \
where a message has no key, and one that is in both key and value has what the value says.

If no broker can be reached, reading waits with a warning in the worker's log. If offsets are gone because messages were deleted before they \
were read, the job fails with the offsets that are left, or goes on there if `properties.auto.offset.reset` says so.";

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
    /// A message says what the row of its key is now.
    upserts: bool,
}

impl Factory {
    pub(super) fn new(connector: &str, table: &Table) -> Result<Self, OptionError> {
        let (own, formats) = options::parted(&table.options);
        Self::checked(connector, &own, &formats, table, false)
    }

    /// The same with the connector's options apart from those of formats. If it `upserts`, a message says what the row of its key is now.
    pub(super) fn checked(
        connector: &str,
        own: &Options,
        formats: &Options,
        table: &Table,
        upserts: bool,
    ) -> Result<Self, OptionError> {
        let options = Checked::new(connector, options::OPTIONS, own)?;
        let fields = Fields::new(connector, &options, formats, &table.schema)?;
        let is_changes = |part: &Part| part.format.changelog_mode() != ChangelogMode::Append;
        if fields.key.as_ref().is_some_and(is_changes) {
            return Err(invalid(
                options::KEY_FORMAT,
                "holds changes, and a key is one row",
            ));
        }
        if upserts && is_changes(&fields.value) {
            return Err(invalid(
                options::VALUE_FORMAT,
                "holds changes: read them with 'connector' = 'kafka'",
            ));
        }
        let reading = Reading {
            client: Client::new(&options)?,
            scan: Scan::new(connector, &options)?,
            fields,
            schema: Arc::clone(&table.schema),
            upserts,
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
    /// Whether partitions that come to be are read too.
    fn discovers(&self) -> bool {
        self.scan.bounded.is_none() && self.scan.discovery.is_some()
    }

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

    fn changelog_mode(&self) -> ChangelogMode {
        if self.reading.upserts {
            ChangelogMode::Upsert
        } else {
            self.reading.fields.value.format.changelog_mode()
        }
    }

    async fn check(&self) -> Result<(), OptionError> {
        let partitions = self.partitions().await;
        let partitions = partitions.map_err(|error| OptionError::Unavailable {
            reason: error.message,
        })?;
        if partitions.is_empty() && !self.discovers() {
            return Err(OptionError::Unavailable {
                reason: format!(
                    "no topic at {} matches '{}'",
                    self.reading.client.brokers(),
                    options::TOPIC_PATTERN
                ),
            });
        }
        self.reading.fields.check().await
    }

    async fn splits(&self, _parallelism: u32) -> Result<Vec<Split>, ConnectorError> {
        let partitions = self.partitions().await?;
        Ok(partitions.iter().map(Partition::to_split).collect())
    }

    fn discovers(&self) -> bool {
        self.reading.discovers()
    }

    async fn says_columns(&self, clock: Arc<dyn Clock>) -> Result<Option<SchemaRef>, ConnectorError> {
        let format = &self.reading.fields.value.format;
        let topic = self.reading.scan.topics.first();
        format.says_columns(topic, clock.as_ref()).await
    }

    fn found_later(&self, split: Split) -> Split {
        // A partition that is new is read from its start, wherever reading of the others began.
        match Partition::from_split(&split) {
            Ok(partition) => Partition {
                next: None,
                ..partition
            }
            .to_split(),
            Err(_) => split,
        }
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
            self.reading.upserts,
        );
        let layout = Arc::new(layout.map_err(ConnectorError::internal)?);
        let partitions = splits.iter().map(Partition::from_split);
        let partitions = partitions.collect::<Result<Vec<_>, _>>()?;
        let reader = Reader::open(Arc::clone(&self.reading), layout, partitions, context)?;
        Ok(Box::new(reader))
    }
}
