//! `filesystem`.

use crate::{Connector, OptionError, SinkFactory, SourceFactory, Table, options::OptionDef};

/// The `filesystem` connector.
#[derive(Clone, Copy, Debug)]
pub struct Filesystem;

impl Connector for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
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
