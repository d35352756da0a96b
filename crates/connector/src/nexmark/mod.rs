//! `nexmark`: the events of an auction site, made up as they are read.
//!
//! Follows the generator of the public Nexmark connector for Flink: its options, its schema, and the definitions and
//! distributions of every field. Three things differ on purpose:
//!
//! - Event n is a pure function of `seed`, n and the options, so a run can be repeated and its result does not depend
//!   on the parallelism. The original draws from an unseeded generator.
//! - Numbers begin at event 0, a person. The original skips its first two events, so that the ids 1000 are never seen.
//! - A bidder is the id of a person. The original adds the first id twice, so that its bidders are nobody.
//!
//! Only the columns and fields that are read are made, a column at a time, straight into Arrow buffers: every field
//! draws from a stream of its own, so leaving one out changes no other.
//!
//! - [`config`]: the options, and what they say. Leans on `pace`.
//! - [`schema`]: the columns, and what a table may take of them. Leans on nothing.
//! - [`random`]: streams of random words by event number, and what is drawn from them. Leans on nothing.
//! - [`pace`]: when events happen. Leans on nothing.
//! - [`block`]: a range of events, and which of them are of which kind. Leans on `config`.
//! - [`text`]: columns of strings. Leans on `block` and `random`.
//! - [`person`], [`auction`], [`bid`]: the fields of each kind. Lean on all of the above.
//! - [`generator`]: batches of the columns that are read. Leans on the kinds.
//! - [`source`]: splits, and reading them. Leans on `generator`.

mod auction;
mod bid;
mod block;
mod config;
mod generator;
mod pace;
mod person;
mod random;
mod schema;
mod source;
mod text;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_schema::SchemaRef;

use crate::{
    Connector, OptionError, Role, SinkFactory, SourceFactory, Table,
    options::{Checked, OptionDef},
};

/// The `nexmark` connector.
#[derive(Clone, Copy, Debug)]
pub struct Nexmark;

impl Connector for Nexmark {
    fn name(&self) -> &'static str {
        "nexmark"
    }

    fn summary(&self) -> &'static str {
        "makes up the persons, auctions and bids of the Nexmark benchmark, the same at every run"
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Source]
    }

    fn options(&self) -> &'static [OptionDef] {
        &config::OPTIONS
    }

    fn source(&self, table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        let options = Checked::new(self.name(), &config::OPTIONS, &table.options)?;
        let config = config::Config::new(&options)?;
        schema::check(&table.schema)?;
        Ok(Box::new(source::Factory::new(Arc::new(config))))
    }

    fn sink(&self, _table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        Err(OptionError::Unsupported {
            reason: "connector 'nexmark' makes rows and cannot be written to".to_owned(),
        })
    }

    fn default_schema(&self) -> Option<SchemaRef> {
        Some(schema::schema())
    }
}
