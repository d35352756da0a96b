//! `kafka`: rows in the messages of Apache Kafka's topics, read and written by librdkafka.
//!
//! - `options`: what tables say. Leans on nothing.
//! - `client`: connections as the options say, and librdkafka's errors classified. Leans on `options`.
//! - `metadata`: what Kafka says of a message beside its key and its value. Leans on nothing.
//! - `fields`: which columns are in the key and which in the value of a message, and how they are written. Leans on `options`.
//! - `check`: whether a topic can be written. Leans on `client`.
//! - `records`: rows as keys and values. Leans on `fields`.
//! - `deliveries`: what became of records. Leans on nothing.
//! - `producer`: librdkafka's producer, a batch at a time. Leans on `records` and `deliveries`.
//! - `transaction`: rows that are seen when their checkpoint is there. Leans on `producer`.
//! - `fold`: changes, of which the last of each key counts. Leans on nothing.
//! - `write`: a writer. Leans on `transaction` and `fold`.
//! - `sink`: the sink of a table. Leans on all of the above.
//! - `upsert`: `upsert-kafka`, whose messages say what a key's row is. Leans on `sink` and `source`.
//!
//! To read:
//!
//! - `scan`: from where to where a table is read. Leans on `options`.
//! - `split`: a partition with the offset to read on from. Leans on nothing.
//! - `native`: a consumer that takes many messages per call. Leans on nothing.
//! - `rows`: messages into rows. Leans on `fields`, `metadata` and `native`.
//! - `offsets`: what is asked of brokers before reading. Leans on `client`, `scan` and `split`.
//! - `reading`: how far a partition is read. Leans on `rows` and `split`.
//! - `discovery`: partitions that come to be. Leans on `offsets`.
//! - `read`: the reader. Leans on all of the above.
//! - `source`: the source of a table. Leans on `read`.

mod check;
mod client;
mod deliveries;
mod discovery;
mod fields;
mod fold;
mod metadata;
mod native;
mod offsets;
mod options;
mod producer;
mod read;
mod reading;
mod records;
mod rows;
mod scan;
mod sink;
mod source;
mod split;
mod transaction;
mod upsert;
mod write;

use std::sync::LazyLock;

use crate::{
    Connector, OptionError, Role, SinkFactory, SourceFactory, Table, options::OptionDef, origin::MetadataDef,
};

pub(crate) use client::Client;
pub(crate) use fields::Fields;
pub use upsert::UpsertKafka;

static GUIDE: LazyLock<String> =
    LazyLock::new(|| format!("## Reading\n\n{}\n\n{EXACTLY_ONCE}", source::GUIDE));

/// What there is to know of exactly-once.
const EXACTLY_ONCE: &str = "\
## Exactly once

With `'sink.delivery-guarantee' = 'exactly-once'` the rows between two checkpoints are one transaction. It is committed when the checkpoint is
there, by the job or, after a failure, by whatever goes on from the checkpoint. Consumers must read with `isolation.level=read_committed`: they
see rows when their checkpoint is done, and no row twice.

- The brokers must be Kafka 3.0 or newer. Logins are by `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
- A transaction that is not committed within `properties.transaction.timeout.ms` is aborted by the cluster: its rows are lost. If they belong to a
  checkpoint, the job fails and says so. Have checkpoints more often, and let no job be down for longer; for more than 15 minutes, raise
  `transaction.max.timeout.ms` of the brokers too.
- A job that is cancelled, or begins again, aborts what it had left open, so that readers get on.
- Transactional ids are `PREFIX.SINK.JOB.GENERATION.SUBTASK.NUMBER`: each deployment has its own, two or three for each writer, which the
  cluster forgets after `transactional.id.expiration.ms`.
- Where the cluster has access control, the job needs `Write` and `Describe` for ids with that prefix, and `Write` and `Read` for the topic: it
  reads to find out how a transaction ended that the cluster has forgotten.
";

/// The `kafka` connector.
#[derive(Clone, Copy, Debug)]
pub struct Kafka;

impl Connector for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn summary(&self) -> &'static str {
        "reads and writes messages of Apache Kafka's topics"
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Source, Role::Sink]
    }

    fn has_format(&self) -> bool {
        true
    }

    fn guide(&self) -> &'static str {
        &GUIDE
    }

    fn options(&self) -> &'static [OptionDef] {
        options::OPTIONS
    }

    fn metadata(&self) -> &'static [MetadataDef] {
        metadata::METADATA
    }

    fn source(&self, table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        Ok(Box::new(source::Factory::new(self.name(), table)?))
    }

    fn sink(&self, table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        Ok(Box::new(sink::Factory::new(self.name(), table)?))
    }
}
