//! `nats`: messages of streams of NATS (JetStream).
//!
//! - `options`, `metadata`: what tables say. Lean on nothing.
//! - `server`: connections, and errors classified. Leans on `options`.
//! - `api`: requests to JetStream. Leans on `server`.
//! - `position`: splits: streams with the position to read on from. Leans on nothing.
//! - `message`: what is known of a message. Leans on `metadata`.
//! - `pull`: reads a stream. Leans on all of the above.
//! - `read`: the source. Leans on `pull`.
//! - `write`: the sink. Leans on `api` and `message`.

mod api;
mod message;
mod metadata;
mod options;
mod position;
mod pull;
mod read;
mod server;
mod write;

use crate::{
    Connector, OptionError, Role, SinkFactory, SourceFactory, Table, format::Format, options::OptionDef,
    origin::MetadataDef,
};

/// The `nats` connector.
#[derive(Clone, Copy, Debug)]
pub struct Nats;

impl Connector for Nats {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn summary(&self) -> &'static str {
        "reads and writes streams of NATS (JetStream)"
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Source, Role::Sink]
    }

    fn has_format(&self) -> bool {
        true
    }

    fn guide(&self) -> &'static str {
        include_str!("guide.md")
    }

    fn options(&self) -> &'static [OptionDef] {
        options::OPTIONS
    }

    fn metadata(&self) -> &'static [MetadataDef] {
        metadata::METADATA
    }

    fn source(&self, table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        let (format, options) = Format::of_table(self.name(), options::OPTIONS, &table.options)?;
        Ok(Box::new(read::Factory::new(&options, format, table)?))
    }

    fn sink(&self, table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        let (format, options) = Format::of_table(self.name(), options::OPTIONS, &table.options)?;
        Ok(Box::new(write::Factory::new(&options, format, table)?))
    }
}

#[cfg(test)]
mod tests;
