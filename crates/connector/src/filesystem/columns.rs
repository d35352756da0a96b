//! Columns that are the same for all rows of a file: what is known of the file itself, and the partition that it lies in.

use std::{path::Path, sync::Arc};

use arrow_array::{
    ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray, TimestampMillisecondArray,
    new_null_array,
};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::{partition, split::FileSplit, store::whole_path};
use crate::{
    ConnectorError,
    origin::{self, MetadataDef, MetadataKind},
};

const PATH: &str = "file.path";
const NAME: &str = "file.name";
const SIZE: &str = "file.size";
const MODIFIED: &str = "file.modification-time";

/// What is known of a file.
pub(super) const METADATA: &[MetadataDef] = &[
    MetadataDef {
        key: PATH,
        kind: MetadataKind::Text,
        is_writable: false,
        doc: "the file's whole path",
    },
    MetadataDef {
        key: NAME,
        kind: MetadataKind::Text,
        is_writable: false,
        doc: "its name without the folders",
    },
    MetadataDef {
        key: SIZE,
        kind: MetadataKind::Long,
        is_writable: false,
        doc: "its size in bytes",
    },
    MetadataDef {
        key: MODIFIED,
        kind: MetadataKind::Instant,
        is_writable: false,
        doc: "when it was last written",
    },
];

/// The columns to produce, and which of them are decoded.
#[derive(Debug)]
pub(super) struct Columns {
    schema: SchemaRef,
    /// What is decoded of each row.
    decoded: SchemaRef,
    default_partition: String,
}

impl Columns {
    /// Of the table's columns those that are wanted. One is decoded at least, unless rows are counted without.
    pub(super) fn new(
        table: &SchemaRef,
        schema: SchemaRef,
        default_partition: String,
        counts_without: bool,
    ) -> Self {
        let mut decoded = origin::in_rows(&schema);
        if decoded.fields().is_empty() && !counts_without {
            let first = origin::in_rows(table).fields().first().cloned();
            decoded = Arc::new(Schema::new(first.into_iter().collect::<Vec<_>>()));
        }
        Self {
            schema,
            decoded,
            default_partition,
        }
    }

    pub(super) fn decoded(&self) -> &SchemaRef {
        &self.decoded
    }

    /// Decoded rows of a file with the columns that are the same for all of them.
    pub(super) fn complete(
        &self,
        rows: RecordBatch,
        file: &FileSplit,
    ) -> Result<RecordBatch, ConnectorError> {
        if self.decoded == self.schema {
            return Ok(rows);
        }
        let count = rows.num_rows();
        let column = |field: &Arc<Field>| match rows.column_by_name(field.name()) {
            Some(column) => Ok(Arc::clone(column)),
            None => self.constant(field, file, count),
        };
        let columns = self.schema.fields().iter().map(column);
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|e| ConnectorError::internal(format!("columns of a file do not make a batch: {e}")))
    }

    /// The value of a column that is not decoded, in all rows of a file, as one row; none if it cannot be said.
    pub(super) fn of_file(&self, name: &str, file: &FileSplit) -> Option<ArrayRef> {
        let is_decoded = self.decoded.column_with_name(name).is_some();
        let (_, field) = self.schema.column_with_name(name).filter(|_| !is_decoded)?;
        self.constant(field, file, 1).ok()
    }

    fn constant(&self, field: &Field, file: &FileSplit, rows: usize) -> Result<ArrayRef, ConnectorError> {
        let column: ArrayRef = match origin::metadata_key(field) {
            Some(PATH) => texts(&whole_path(&file.path).display().to_string(), rows),
            Some(NAME) => texts(&name(&file.path), rows),
            Some(SIZE) => Arc::new(Int64Array::from_value(file.bytes as i64, rows)),
            Some(MODIFIED) => {
                let times = TimestampMillisecondArray::from_value(file.modified_ms, rows);
                Arc::new(times.with_timezone("UTC"))
            }
            Some(other) => {
                return Err(ConnectorError::internal(format!(
                    "files have no metadata '{other}'"
                )));
            }
            None => match partition::value_of(&file.path, field.name(), &self.default_partition) {
                Some(value) => texts(&value, rows),
                None => new_null_array(&DataType::Utf8, rows),
            },
        };
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        cast_with_options(&column, field.data_type(), &strict).map_err(|e| {
            let reason = format!("the partition '{}' is no value of the column: {e}", field.name());
            ConnectorError::user(reason).at(file.path.display().to_string())
        })
    }
}

fn texts(text: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)))
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
