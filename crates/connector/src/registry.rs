//! Every connector by name.

use std::fmt;

use arrow_schema::SchemaRef;

use crate::{
    LookupFactory, OptionError, SinkFactory, SourceFactory, Table, blackhole, datagen, filesystem, http,
    jdbc, kafka, mqtt, nats, nexmark,
    options::{OptionDef, nearest},
    origin::MetadataDef,
    postgres_cdc, print, redis, values,
};

/// What a table can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Rows come from it.
    Source,
    /// Rows go to it.
    Sink,
    /// Rows are looked up in it by key.
    Lookup,
}

/// A kind of external system: what its tables may say, and how to read and write them.
pub trait Connector: fmt::Debug + Send + Sync {
    /// Its name in `'connector' = '...'`.
    fn name(&self) -> &'static str;

    /// What it is for, in a sentence.
    fn summary(&self) -> &'static str;

    /// What its tables can be.
    fn roles(&self) -> &'static [Role];

    /// Whether its tables have a format.
    fn has_format(&self) -> bool {
        false
    }

    /// What there is to know of it beside its options, as paragraphs of Markdown.
    fn guide(&self) -> &'static str {
        ""
    }

    /// The options it takes, without those of formats.
    fn options(&self) -> &'static [OptionDef];

    /// The table as a source, its options and columns validated; no I/O.
    fn source(&self, table: &Table) -> Result<Box<dyn SourceFactory>, OptionError>;

    /// The table as a sink, its options and columns validated; no I/O.
    fn sink(&self, table: &Table) -> Result<Box<dyn SinkFactory>, OptionError>;

    /// The table as one that rows are looked up in by key, its options and columns validated; no I/O.
    fn lookup(&self, table: &Table) -> Result<Box<dyn LookupFactory>, OptionError> {
        Err(OptionError::Unsupported {
            reason: format!(
                "rows of '{}' cannot be looked up by key: connector '{}' only reads from one end to the other; join it as of an event time, \
                 or by a regular join",
                table.name,
                self.name()
            ),
        })
    }

    /// What it says of each row beside what is in it.
    fn metadata(&self) -> &'static [MetadataDef] {
        &[]
    }

    /// Whether the place of a row can say values of columns: `PARTITIONED BY`.
    fn has_partitions(&self) -> bool {
        false
    }

    /// Whether it finds rows by their `PRIMARY KEY`: the columns of the key are then marked as such, and all changes of a key go to one
    /// writer.
    fn has_keys(&self) -> bool {
        false
    }

    /// The columns of a table whose DDL names none, if the connector has fixed ones.
    fn default_schema(&self) -> Option<SchemaRef> {
        None
    }
}

/// All connectors, by name.
pub fn connectors() -> &'static [&'static dyn Connector] {
    &[
        &blackhole::Blackhole,
        &datagen::Datagen,
        &filesystem::Filesystem,
        &http::Http,
        &jdbc::Jdbc,
        &kafka::Kafka,
        &mqtt::Mqtt,
        &nats::Nats,
        &nexmark::Nexmark,
        &postgres_cdc::PostgresCdc,
        &print::Print,
        &redis::Redis,
        &http::Sse,
        &kafka::UpsertKafka,
        &http::WebSocket,
    ]
}

/// The connector of that name.
pub fn connector(name: &str) -> Result<&'static dyn Connector, OptionError> {
    if name == values::NAME {
        return Ok(&values::Values);
    }
    connectors()
        .iter()
        .copied()
        .find(|c| c.name() == name)
        .ok_or_else(|| OptionError::UnknownConnector {
            name: name.to_owned(),
            suggestion: nearest(name, connectors().iter().map(|c| c.name())),
        })
}
