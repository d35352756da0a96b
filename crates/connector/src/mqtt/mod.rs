//! `mqtt`: messages of topics of an MQTT broker.
//!
//! - `options`: what tables say. Leans on nothing.
//! - `message`: what is known of a message. Leans on nothing.
//! - `broker`: connections, and errors classified. Leans on `options`.
//! - `position`: splits: sessions of clients. Leans on nothing.
//! - `unacknowledged`: messages that no checkpoint has. Leans on nothing.
//! - `listen`: reads a session. Leans on all of the above.
//! - `read`: the source. Leans on `listen`.
//! - `write`: the sink. Leans on `broker` and `message`.
//!
//! MQTT 5 alone: only there does a client say how many messages may be on their way to it, and how long its session lasts.

mod broker;
mod listen;
mod message;
mod options;
mod position;
mod read;
mod unacknowledged;
mod write;

use crate::{
    Connector, OptionError, Role, SinkFactory, SourceFactory, Table,
    format::Format,
    options::{Checked, OptionDef},
    origin::MetadataDef,
};

/// The `mqtt` connector.
#[derive(Clone, Copy, Debug)]
pub struct Mqtt;

impl Connector for Mqtt {
    fn name(&self) -> &'static str {
        "mqtt"
    }

    fn summary(&self) -> &'static str {
        "reads and writes topics of an MQTT broker"
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
        message::METADATA
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

/// A number of retries.
fn retries(options: &Checked<'_>, key: &str) -> Result<u32, OptionError> {
    let retries = options.int_at_least(key, 0)?.unwrap_or(0);
    Ok(u32::try_from(retries).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
