//! Filters, then projects. Stateless.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use weir_model::Failure;
use weir_proto::graph;

use super::{Context, Operator};
use crate::expression::{Filter, FilteredProjection, Projection};

/// Keeps the rows that pass a filter and computes columns of them.
#[derive(Debug)]
pub(super) struct Calc {
    rows: FilteredProjection,
    /// What chance begins with, once it was asked for.
    seed: Option<u64>,
}

impl Calc {
    pub(super) fn new(spec: &graph::Calc, input: &SchemaRef, output: SchemaRef) -> Result<Self, Failure> {
        let filter = spec
            .filter
            .as_deref()
            .map(|bytes| Filter::decode(bytes, input))
            .transpose()?;
        let projection = Projection::decode(&spec.projection, input, output)?;
        Ok(Self {
            rows: FilteredProjection::new(filter, projection),
            seed: None,
        })
    }
}

impl Operator for Calc {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        if self.rows.is_surrounded() {
            self.rows.surround(context.surroundings(&mut self.seed));
        }
        if let Some(rows) = self.rows.apply(&batch)? {
            context.emit(rows);
        }
        Ok(())
    }

    fn is_timed(&self) -> bool {
        self.rows.is_surrounded()
    }
}
