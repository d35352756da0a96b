//! What a connector must know of a table's column beside its type: marks on the fields of its schema.
//!
//! Of a sink that finds rows by their key, the columns of the key are marked. Other marks say that a column is not in the rows.
//! A metadata column is what the connector says of each row beside what is in it. A partition column is what the place
//! of a row says: the name of its folder.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

const METADATA: &str = "weir.metadata";
const READ_ONLY: &str = "weir.read-only";
const PARTITION: &str = "weir.partition";
const KEY: &str = "weir.key";

/// Something that a connector says of its rows.
#[derive(Clone, Copy, Debug)]
pub struct MetadataDef {
    /// Its name in `METADATA FROM '...'`.
    pub key: &'static str,
    /// What kind of value it is.
    pub kind: MetadataKind,
    /// Whether rows that are written may say it too: else its columns must be `VIRTUAL` where the table is written.
    pub is_writable: bool,
    /// What it says.
    pub doc: &'static str,
}

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataKind {
    /// STRING.
    Text,
    /// BOOLEAN.
    Bool,
    /// INT.
    Int,
    /// BIGINT.
    Long,
    /// TIMESTAMP_LTZ(3).
    Instant,
    /// MAP<STRING, BYTES>.
    TextToBytes,
}

impl MetadataKind {
    /// The type of its values.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Instant => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            Self::TextToBytes => {
                let entries = Fields::from(vec![
                    Field::new("keys", DataType::Utf8, false),
                    Field::new("values", DataType::Binary, true),
                ]);
                DataType::Map(
                    Arc::new(Field::new("entries", DataType::Struct(entries), false)),
                    false,
                )
            }
        }
    }

    /// Whether a column of the type takes its values: of this type, another precision of it, or a wider one.
    pub fn fits(self, column: &DataType) -> bool {
        match self {
            Self::Instant => matches!(column, DataType::Timestamp(_, Some(_))),
            Self::Int => matches!(column, DataType::Int32 | DataType::Int64),
            Self::Text | Self::Bool | Self::Long => *column == self.data_type(),
            Self::TextToBytes => column.equals_datatype(&self.data_type()),
        }
    }
}

/// The field as a metadata column.
pub fn metadata(field: Field, key: &str, read_only: bool) -> Field {
    mark(mark(field, METADATA, key), READ_ONLY, &read_only.to_string())
}

/// The field as a partition column.
pub fn partition(field: Field) -> Field {
    mark(field, PARTITION, "true")
}

/// The field as a column of the primary key.
pub fn key(field: Field) -> Field {
    mark(field, KEY, "true")
}

/// Whether it is a column of the primary key.
pub fn is_key(field: &Field) -> bool {
    field.metadata().contains_key(KEY)
}

/// What a metadata column says; none of another column.
pub fn metadata_key(field: &Field) -> Option<&str> {
    field.metadata().get(METADATA).map(String::as_str)
}

/// Whether a metadata column cannot be written.
pub fn is_read_only(field: &Field) -> bool {
    field.metadata().get(READ_ONLY).is_some_and(|text| text == "true")
}

/// Whether it is a partition column.
pub fn is_partition(field: &Field) -> bool {
    field.metadata().contains_key(PARTITION)
}

/// The columns that are in the rows themselves.
pub fn in_rows(schema: &SchemaRef) -> SchemaRef {
    let is_inside = |field: &&Arc<Field>| metadata_key(field).is_none() && !is_partition(field);
    if schema.fields().iter().all(|field| is_inside(&field)) {
        return Arc::clone(schema);
    }
    let fields: Vec<_> = schema.fields().iter().filter(is_inside).cloned().collect();
    Arc::new(Schema::new(fields))
}

fn mark(mut field: Field, key: &str, value: &str) -> Field {
    field.metadata_mut().insert(key.to_owned(), value.to_owned());
    field
}
