//! Avro: records in its binary encoding, in messages and in container files.
//!
//! - `schema`: schemas, read from their JSON. Leans on nothing.
//! - `derive`: the schema that a table's columns have. Leans on nothing.
//! - `columns`: the columns that rows of a schema have. Leans on `schema`.
//! - `plan`: how the values of a schema become columns. Leans on `schema`.
//! - `decode`: binary into columns. Leans on `plan`.
//! - `encode`: columns into binary. Leans on nothing.
//! - `codec`: how blocks of files are packed. Leans on nothing.
//! - `file`: container files. Leans on all of the above.
//! - `registry`: schemas that a server has by number. Leans on `schema`.
//! - [`confluent`]: messages that say which schema they are written with. Leans on all but `file`.
//!
//! A message has nothing but its record, written with the schema that the table has; a file has the schema of its writer, which
//! is resolved against the table's columns. Columns that nobody reads are stepped over. The decoder is of our own because a record
//! that turns out to be bad in its middle must leave nothing behind, and those before it must stay.

mod codec;
mod columns;
pub mod confluent;
mod decode;
mod derive;
mod encode;
mod file;
mod plan;
mod registry;
mod schema;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::{
    MessageDecoder,
    column::{Column, columns},
    message::Messages,
    record::{Record, Records},
};
use crate::options::{Checked, OptionDef, OptionKind, option};
use codec::Codec;
use schema::Schema;

pub(crate) use file::{Decode, columns_of_file, write_block, write_header};
pub use registry::SchemaRegistry;

const CODEC: &str = "avro.codec";
const LEGACY: &str = "avro.timestamp_mapping.legacy";
const IGNORE_PARSE_ERRORS: &str = "avro.ignore-parse-errors";

/// The options of the format.
pub const OPTIONS: &[OptionDef] = &[
    option(
        CODEC,
        OptionKind::OneOf(codec::NAMES),
        Some("snappy"),
        "how blocks of files that are written are packed; those of files that are read say it themselves",
    ),
    option(
        LEGACY,
        OptionKind::Bool,
        Some("true"),
        "write TIMESTAMP as Avro's `timestamp-millis` and `timestamp-micros`, which are moments, as Flink once did and by default still does; \
         with `false` as `local-timestamp-millis` and `local-timestamp-micros`. TIMESTAMP_LTZ is always written as a moment, and all are read",
    ),
    option(
        IGNORE_PARSE_ERRORS,
        OptionKind::Bool,
        Some("false"),
        "skip and count messages that are no record of the table, and in files what follows a bad record in its block, instead of failing",
    ),
];

/// The format's options, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    codec: Codec,
    legacy: bool,
    pub(crate) ignore_parse_errors: bool,
}

impl Config {
    /// That of files where the format of messages is another one.
    pub(crate) fn of_files(legacy: bool, ignore_parse_errors: bool) -> Self {
        Self {
            codec: Codec::default(),
            legacy,
            ignore_parse_errors,
        }
    }

    pub(crate) fn new(options: &Checked<'_>) -> Self {
        Self {
            codec: options.word(CODEC).and_then(Codec::named).unwrap_or_default(),
            legacy: options.flag(LEGACY),
            ignore_parse_errors: options.flag(IGNORE_PARSE_ERRORS),
        }
    }
}

/// Refuses columns of names and types that Avro does not have.
pub(crate) fn check_columns(schema: &SchemaRef) -> Result<(), String> {
    derive::of_table(schema.fields(), true)?;
    columns(schema.fields()).map(drop)
}

/// The JSON of the schema of rows of these columns.
fn schema_of(schema: &SchemaRef, legacy: bool) -> Result<String, String> {
    derive::of_table(schema.fields(), legacy).map(|json| json.to_string())
}

/// Reads messages that are written with one schema.
#[derive(Debug)]
struct Plain {
    schema: Arc<Schema>,
    row: plan::Row,
}

impl Plain {
    /// Written with this schema, to be read into these columns.
    fn new(schema: Arc<Schema>, read: &SchemaRef) -> Result<Self, String> {
        let row = plan::of_record(&schema, read.fields())?;
        Ok(Self { schema, row })
    }
}

impl Record for Plain {
    #[inline]
    fn read(&mut self, message: &[u8], columns: &mut [Column]) -> Result<(), String> {
        let mut bytes = decode::Bytes(message);
        let read = self.row.read(&self.schema, &mut bytes, columns);
        read.map_err(|fault| format!("the record {}", fault.reason()))?;
        match bytes.0.len() {
            0 => Ok(()),
            more => Err(format!(
                "the record has {more} bytes behind it: it is written with another schema"
            )),
        }
    }
}

/// A decoder of messages written with the schema of the declared columns.
pub(crate) fn message_decoder(
    config: Config,
    declared: &SchemaRef,
    read: &SchemaRef,
) -> Result<Box<dyn MessageDecoder>, String> {
    let schema = Schema::parse(&schema_of(declared, config.legacy)?)?;
    Ok(Box::new(Records::new(read, Plain::new(Arc::new(schema), read)?)?))
}

/// Appends each row as a message.
pub(crate) fn write_messages(batch: &RecordBatch, out: &mut Messages) {
    let rows = encode::Rows::new(batch);
    for row in 0..batch.num_rows() {
        out.add(|bytes| rows.write(row, bytes));
    }
}

#[cfg(test)]
mod tests;
