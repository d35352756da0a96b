//! What is read of a table to answer questions.

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};

use super::LookupContext;
use crate::ConnectorError;

/// The columns that are read: those to produce, and keys.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// All of them, in the table's order.
    pub(crate) schema: SchemaRef,
    /// Where the keys are in it.
    pub(crate) keys: Vec<usize>,
    /// Where the columns to produce are in it.
    pub(crate) produced: Vec<usize>,
}

impl Wanted {
    /// Of a table with these physical columns.
    pub(crate) fn new(table: &SchemaRef, context: &LookupContext) -> Result<Self, ConnectorError> {
        let field = |(place, field): (usize, &Arc<Field>)| {
            let produced = context.schema.field_with_name(field.name()).ok().cloned();
            produced.or_else(|| context.keys.contains(&place).then(|| field.as_ref().clone()))
        };
        let fields = table.fields().iter().enumerate().filter_map(field);
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let place = |name: &str| {
            schema
                .index_of(name)
                .map_err(|e| ConnectorError::internal(format!("a column to look up is not there: {e}")))
        };
        let keys = context.keys.iter().map(|key| place(table.field(*key).name()));
        let produced = context.schema.fields().iter().map(|field| place(field.name()));
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
            produced: produced.collect::<Result<_, _>>()?,
            schema: Arc::new(schema),
        })
    }
}
