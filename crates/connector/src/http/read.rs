//! What the sources have in common: one split, read by one task.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use weir_env::Clock;

use super::{position::Position, record::Record};
use crate::{
    ConnectorError, OptionError, Source, SourceContext, Split, Table,
    format::Format,
    messages::{Layout, Outlet, Position as _, Reader, Task},
    options::Checked,
    origin::{self, MetadataDef},
};

/// The columns of a table, and how they are read.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub(super) format: Format,
    schema: SchemaRef,
    metadata: &'static [MetadataDef],
}

/// What a task reads with.
pub(super) struct Reading {
    pub(super) position: Position,
    pub(super) outlet: Outlet<Record, Position>,
    /// Records that come together at most.
    pub(super) batch: usize,
    pub(super) clock: Arc<dyn Clock>,
}

impl Columns {
    pub(super) fn new(
        format: Format,
        table: &Table,
        metadata: &'static [MetadataDef],
    ) -> Result<Self, OptionError> {
        format.check_columns(&origin::in_rows(&table.schema))?;
        Ok(Self {
            format,
            schema: Arc::clone(&table.schema),
            metadata,
        })
    }

    /// A reader of these splits by tasks.
    pub(super) fn read(
        &self,
        splits: &[Split],
        context: &SourceContext,
        mut task: impl FnMut(Reading) -> Task,
    ) -> Result<Box<dyn Source>, ConnectorError> {
        let layout = Layout::new(
            &self.format,
            &self.schema,
            Arc::clone(&context.schema),
            self.metadata,
        )?;
        let positions = splits
            .iter()
            .map(Position::from_split)
            .collect::<Result<Vec<_>, _>>()?;
        let reader = Reader::start(layout.rows()?, context, positions, |position, outlet| {
            task(Reading {
                position,
                outlet,
                batch: context.batch_rows.max(1),
                clock: Arc::clone(&context.clock),
            })
        });
        Ok(Box::new(reader))
    }
}

/// The one split of a source.
pub(super) fn split(url: String) -> Vec<Split> {
    vec![Position::start(url).to_split()]
}

/// A number of retries.
pub(super) fn retries(options: &Checked<'_>, key: &str) -> Result<u32, OptionError> {
    let retries = options.int_at_least(key, 0)?.unwrap_or(0);
    Ok(u32::try_from(retries).unwrap_or(u32::MAX))
}
