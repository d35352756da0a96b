//! Batches into messages: what is in them, and what metadata columns say of them.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, MapArray, RecordBatch, RecordBatchOptions, StringArray, cast::AsArray};
use arrow_schema::{ArrowError, Schema, SchemaRef};

use crate::{
    ChangelogMode, changelog,
    format::{Format, Messages},
    origin,
};

/// Encodes batches into messages, and keeps those of the last one.
#[derive(Debug)]
pub(crate) struct Outgoing {
    format: Format,
    /// The columns that are in messages, and where they are in the table.
    schema: SchemaRef,
    places: Vec<usize>,
    /// The metadata columns, and where they are.
    said: Vec<(String, usize)>,
    messages: Messages,
    batch: Option<RecordBatch>,
}

impl Outgoing {
    /// None yet, of a table with these columns.
    pub(crate) fn new(format: Format, table: &SchemaRef) -> Self {
        let fields = table.fields().iter().enumerate();
        let said = fields.clone().filter_map(|(place, field)| {
            let key = origin::metadata_key(field).filter(|_| !origin::is_read_only(field))?;
            Some((key.to_owned(), place))
        });
        let is_inside = |field: &&arrow_schema::FieldRef| origin::metadata_key(field).is_none();
        Self {
            said: said.collect(),
            places: fields
                .filter(|(_, field)| is_inside(field))
                .map(|(place, _)| place)
                .collect(),
            schema: origin::in_rows(table),
            format,
            messages: Messages::default(),
            batch: None,
        }
    }

    /// Takes the rows of a batch in the place of those of the one before.
    pub(crate) fn encode(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.messages.clear();
        let inside = self.inside(batch)?;
        self.format.write_messages(&inside, &mut self.messages);
        self.batch = Some(batch.clone());
        Ok(())
    }

    /// The columns that are in messages; what a row does is for formats of changes.
    fn inside(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = self
            .places
            .iter()
            .map(|place| Arc::clone(batch.column(*place)))
            .collect();
        let mut schema = Arc::clone(&self.schema);
        if self.format.changelog_mode() == ChangelogMode::All
            && let Some(ops) = changelog::ops(batch)
        {
            columns.push(Arc::new(ops.clone()));
            let op = Arc::new(changelog::op_field());
            schema = Arc::new(Schema::new(
                schema.fields().iter().cloned().chain([op]).collect::<Vec<_>>(),
            ));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(schema, columns, &options)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// What is in a message.
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        self.messages.get(index)
    }

    /// The column that says a text of messages.
    pub(crate) fn texts(&self, key: &str) -> Option<&StringArray> {
        self.column(key).map(AsArray::as_string)
    }

    /// The column that says names with values.
    pub(crate) fn entries(&self, key: &str) -> Option<&MapArray> {
        self.column(key).map(AsArray::as_map)
    }

    /// The column that says whether, or how many.
    pub(crate) fn column(&self, key: &str) -> Option<&ArrayRef> {
        let (_, place) = self.said.iter().find(|(said, _)| said == key)?;
        Some(self.batch.as_ref()?.column(*place))
    }
}

/// The text of a row, if the column is there and has one.
pub(crate) fn text(column: Option<&StringArray>, row: usize) -> Option<&str> {
    let column = column?;
    column.is_valid(row).then(|| column.value(row))
}

/// The names and values of a row.
pub(crate) fn entries(column: Option<&MapArray>, row: usize) -> Vec<(String, Vec<u8>)> {
    let Some(column) = column.filter(|column| column.is_valid(row)) else {
        return Vec::new();
    };
    let entries = column.value(row);
    let (names, values) = (
        entries.column(0).as_string::<i32>(),
        entries.column(1).as_binary::<i32>(),
    );
    let pair = |(name, value): (Option<&str>, Option<&[u8]>)| {
        (
            name.unwrap_or_default().to_owned(),
            value.unwrap_or_default().to_vec(),
        )
    };
    names.iter().zip(values.iter()).map(pair).collect()
}
