//! Files in the format of Apache Parquet: columns, in groups of rows.
//!
//! - `types`: which of a file's types make a table's, and the other way round. Leans on nothing.
//! - `mapping`: a file's columns as those that are wanted. Leans on `types`.
//! - `prune`: groups of rows that no row can be wanted of, by their statistics. Leans on nothing.
//! - `read`: reads the groups of a split. Leans on `mapping` and `prune`.
//! - `write`: writes a file. Leans on `types`.

mod mapping;
mod prune;
mod read;
mod types;
mod write;

use arrow_schema::SchemaRef;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};

pub(super) use self::{read::ParquetFile, read::columns_of_file, write::ParquetEncoder};
use crate::{
    OptionError,
    options::{Checked, OptionDef, OptionKind, option},
};

/// The format's name.
pub(crate) const NAME: &str = "parquet";

/// What it is, in a sentence.
pub(crate) const SUMMARY: &str = "Apache Parquet, in files alone: columns in groups of rows, matched to columns by name; what a file does not \
     have is null, and groups of rows that a filter leaves nothing of are not read";

pub(super) const COMPRESSION: &str = "parquet.compression";
const BLOCK_SIZE: &str = "parquet.block.size";

/// Its options.
pub(crate) const OPTIONS: &[OptionDef] = &[
    option(
        COMPRESSION,
        OptionKind::OneOf(&["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD"]),
        Some("SNAPPY"),
        "how pages are packed that are written",
    ),
    option(
        BLOCK_SIZE,
        OptionKind::MemorySize,
        Some("128 MB"),
        "how large a group of rows grows that is written, packed; it is in memory until then",
    ),
];

/// How files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Config {
    compression: Compression,
    group_bytes: usize,
}

impl Config {
    pub(super) fn new(options: &Checked<'_>) -> Self {
        let compression = match options.word(COMPRESSION) {
            Some("UNCOMPRESSED") => Compression::UNCOMPRESSED,
            Some("GZIP") => Compression::GZIP(GzipLevel::default()),
            Some("ZSTD") => Compression::ZSTD(ZstdLevel::default()),
            _ => Compression::SNAPPY,
        };
        let group_bytes = options.bytes(BLOCK_SIZE).unwrap_or(128 << 20);
        Self {
            compression,
            group_bytes: usize::try_from(group_bytes).unwrap_or(usize::MAX).max(1),
        }
    }
}

/// Refuses columns of types that files cannot hold.
pub(super) fn check_columns(schema: &SchemaRef) -> Result<(), OptionError> {
    let stored = types::stored_schema(schema);
    let converter = parquet::arrow::ArrowSchemaConverter::new().with_coerce_types(true);
    match converter.convert(&stored) {
        Ok(_) => Ok(()),
        Err(error) => Err(OptionError::Unsupported {
            reason: format!("Parquet cannot hold all columns of the table: {error}"),
        }),
    }
}

#[cfg(test)]
mod tests;
