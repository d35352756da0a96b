//! Decoders of formats that have a row in a message: what they share beside reading one.

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, SchemaRef};

use super::{
    MessageDecoder,
    column::{Column, append_absent, append_nulls, columns},
};

/// Columns that grow by a row at a time, and can be cut back.
#[derive(Debug)]
pub(crate) struct Rows {
    schema: SchemaRef,
    columns: Vec<Column>,
    len: usize,
}

impl Rows {
    /// None yet, of that schema; the error names a column of a type that cannot be decoded.
    pub(crate) fn new(schema: &SchemaRef) -> Result<Self, String> {
        Ok(Self {
            schema: SchemaRef::clone(schema),
            columns: columns(schema.fields())?,
            len: 0,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Adds the row that `append` appends a value of to each column; if that fails, nothing of it is kept.
    #[inline]
    pub(crate) fn push<E>(&mut self, append: impl FnOnce(&mut [Column]) -> Result<(), E>) -> Result<(), E> {
        match append(&mut self.columns) {
            Ok(()) => {
                self.len += 1;
                Ok(())
            }
            Err(error) => {
                self.truncate(self.len);
                Err(error)
            }
        }
    }

    /// Forgets rows behind the first `rows`.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
        self.len = rows;
    }

    /// The rows since the last call.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let arrays = self.columns.iter_mut().map(Column::take);
        let arrays = arrays.collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.len)));
        RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), arrays, &options)
    }
}

/// Reads a row out of a message.
pub(crate) trait Record: Send {
    /// Appends a value to each column. The error says what is wrong with the message; what was appended then is taken back.
    fn read(&mut self, message: &[u8], columns: &mut [Column]) -> Result<(), String>;
}

/// A decoder of messages that are a row each.
#[derive(Debug)]
pub(crate) struct Records<R> {
    pub(crate) rows: Rows,
    pub(crate) record: R,
}

impl<R> Records<R> {
    /// Of rows of that schema, as `record` reads them.
    pub(crate) fn new(schema: &SchemaRef, record: R) -> Result<Self, String> {
        Ok(Self {
            rows: Rows::new(schema)?,
            record,
        })
    }
}

impl<R: Record> MessageDecoder for Records<R> {
    fn push(&mut self, message: &[u8]) -> Result<(), String> {
        let record = &mut self.record;
        self.rows.push(|columns| record.read(message, columns))
    }

    fn push_null(&mut self) -> Result<(), String> {
        self.rows.push(append_nulls)
    }

    fn push_absent(&mut self) -> Result<(), String> {
        self.rows.push(|columns| {
            append_absent(columns);
            Ok(())
        })
    }

    fn truncate(&mut self, rows: usize) {
        self.rows.truncate(rows);
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        self.rows.take()
    }
}
