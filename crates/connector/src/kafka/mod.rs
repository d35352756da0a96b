//! `kafka`: rows in the messages of Apache Kafka's topics, read and written by librdkafka.
//!
//! - `options`: what tables say. Leans on nothing.
//! - `client`: connections as the options say, and librdkafka's errors classified. Leans on `options`.
//! - `metadata`: what Kafka says of a message beside its key and its value. Leans on nothing.
//! - `fields`: which columns are in the key and which in the value of a message, and how they are written. Leans on `options`.

mod client;
mod fields;
#[allow(dead_code, reason = "the source and the sink come next")]
mod metadata;
mod options;

use crate::{
    Connector, OptionError, Role, SinkFactory, SourceFactory, Table,
    options::{Checked, OptionDef},
    origin::MetadataDef,
};

pub(crate) use client::Client;
pub(crate) use fields::Fields;

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

    fn options(&self) -> &'static [OptionDef] {
        options::OPTIONS
    }

    fn metadata(&self) -> &'static [MetadataDef] {
        metadata::METADATA
    }

    fn source(&self, table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        let (own, formats) = options::parted(&table.options);
        let options = Checked::new(self.name(), options::OPTIONS, &own)?;
        let _ = (
            Client::new(&options)?,
            Fields::new(self.name(), &options, &formats, &table.schema)?,
        );
        Err(OptionError::Unsupported {
            reason: "a 'kafka' table cannot be read yet".into(),
        })
    }

    fn sink(&self, table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        let (own, formats) = options::parted(&table.options);
        let options = Checked::new(self.name(), options::OPTIONS, &own)?;
        let _ = (
            Client::new(&options)?,
            Fields::new(self.name(), &options, &formats, &table.schema)?,
        );
        Err(OptionError::Unsupported {
            reason: "a 'kafka' table cannot be written yet".into(),
        })
    }
}
