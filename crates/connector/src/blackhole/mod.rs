//! `blackhole`.

use crate::{Connector, OptionError, SinkFactory, SourceFactory, Table, options::OptionDef};

/// The `blackhole` connector.
#[derive(Clone, Copy, Debug)]
pub struct Blackhole;

impl Connector for Blackhole {
    fn name(&self) -> &'static str {
        "blackhole"
    }

    fn summary(&self) -> &'static str {
        ""
    }

    fn options(&self) -> &'static [OptionDef] {
        &[]
    }

    fn source(&self, _table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        Err(OptionError::Unsupported { reason: "being written".into() })
    }

    fn sink(&self, _table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        Err(OptionError::Unsupported { reason: "being written".into() })
    }
}
