//! `blackhole`: drops all rows, to measure what comes before it.

use arrow_array::RecordBatch;
use async_trait::async_trait;

use crate::{
    ChangelogMode, Connector, ConnectorError, OptionError, Role, Sink, SinkContext, SinkFactory,
    SourceFactory, Table,
    options::{Checked, OptionDef},
};

/// The `blackhole` connector.
#[derive(Clone, Copy, Debug)]
pub struct Blackhole;

impl Connector for Blackhole {
    fn name(&self) -> &'static str {
        "blackhole"
    }

    fn summary(&self) -> &'static str {
        "drops all rows, to measure what comes before it"
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Sink]
    }

    fn options(&self) -> &'static [OptionDef] {
        &[]
    }

    fn source(&self, _table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        Err(OptionError::Unsupported {
            reason: "a 'blackhole' table can only be written: it keeps no rows".into(),
        })
    }

    fn sink(&self, table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        Checked::new(self.name(), self.options(), &table.options)?;
        Ok(Box::new(Self))
    }
}

#[async_trait]
impl SinkFactory for Blackhole {
    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::All
    }

    async fn check(&self) -> Result<(), OptionError> {
        Ok(())
    }

    async fn open(&self, _context: SinkContext) -> Result<Box<dyn Sink>, ConnectorError> {
        Ok(Box::new(Self))
    }
}

#[async_trait]
impl Sink for Blackhole {
    async fn write(&mut self, _batch: RecordBatch) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn finish(&mut self) -> Result<Vec<String>, ConnectorError> {
        Ok(Vec::new())
    }
}
