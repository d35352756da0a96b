//! Writes a file: rows into pages of columns, which are packed as they fill.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{ArrowError, SchemaRef};
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    errors::ParquetError,
    file::properties::WriterProperties,
};

use super::{Config, types::stored_schema};
use crate::ConnectorError;

/// A file that is being written.
pub(in super::super) struct ParquetEncoder {
    writer: ArrowWriter<Vec<u8>>,
    schema: SchemaRef,
}

impl std::fmt::Debug for ParquetEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetEncoder").finish_non_exhaustive()
    }
}

impl ParquetEncoder {
    /// For rows of a table's columns.
    pub(in super::super) fn new(config: Config, rows: &SchemaRef) -> Result<Self, ConnectorError> {
        let schema = stored_schema(rows);
        let properties = WriterProperties::builder()
            .set_compression(config.compression)
            .set_max_row_group_bytes(Some(config.group_bytes))
            // What lists and maps are made of is called as the format says, not as in Arrow.
            .set_coerce_types(true)
            .build();
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            // Readers see what every other writer says.
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options);
        Ok(Self {
            writer: writer.map_err(broken)?,
            schema,
        })
    }

    pub(in super::super) fn write(
        &mut self,
        batch: &RecordBatch,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectorError> {
        let rows = self
            .stored(batch)
            .map_err(|error| broken(ParquetError::from(error)))?;
        self.writer.write(&rows).map_err(broken)?;
        out.append(self.writer.inner_mut());
        Ok(())
    }

    fn stored(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let fields = self.schema.fields().iter();
        let columns = batch.columns().iter().zip(fields).map(|(column, field)| {
            if column.data_type() == field.data_type() {
                Ok(column.clone())
            } else {
                cast(column, field.data_type())
            }
        });
        RecordBatch::try_new(
            self.schema.clone(),
            columns.collect::<Result<Vec<ArrayRef>, _>>()?,
        )
    }

    pub(in super::super) fn waiting_bytes(&self) -> u64 {
        self.writer.in_progress_size() as u64
    }

    pub(in super::super) fn held_bytes(&self) -> u64 {
        self.writer.memory_size() as u64
    }

    pub(in super::super) fn finish(self, out: &mut Vec<u8>) -> Result<(), ConnectorError> {
        out.append(&mut self.writer.into_inner().map_err(broken)?);
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as results hand it on")]
fn broken(error: ParquetError) -> ConnectorError {
    ConnectorError::internal(format!("rows are not written as Parquet: {error}"))
}
