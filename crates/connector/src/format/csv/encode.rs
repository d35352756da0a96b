//! Batches into CSV records.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::Config;
use crate::format::{TimestampStyle, cells::Cells};

/// Appends a record of the column names, if the table has a header.
pub fn write_header(config: &Config, schema: &SchemaRef, out: &mut Vec<u8>) {
    if !config.header {
        return;
    }
    for (nth, field) in schema.fields().iter().enumerate() {
        if nth > 0 {
            out.push(config.delimiter);
        }
        let start = out.len();
        out.extend_from_slice(field.name().as_bytes());
        quote_if_needed(config, start, out);
    }
    out.push(b'\n');
}

/// Appends each row as a record, ended by a line feed; null is the null literal, else nothing.
pub fn write_records(config: &Config, batch: &RecordBatch, out: &mut Vec<u8>) {
    let records = Records::new(config, batch);
    for row in 0..batch.num_rows() {
        records.write(row, out);
        out.push(b'\n');
    }
}

/// The rows of a batch as records.
pub struct Records<'a> {
    config: &'a Config,
    columns: Vec<Cells<'a>>,
}

impl<'a> Records<'a> {
    /// Of all columns of a batch.
    pub fn new(config: &'a Config, batch: &'a RecordBatch) -> Self {
        let columns = batch.columns().iter();
        Self {
            config,
            columns: columns
                .map(|array| Cells::new(array.as_ref(), TimestampStyle::Sql))
                .collect(),
        }
    }

    /// Appends a row, without a line feed.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        for (nth, column) in self.columns.iter().enumerate() {
            if nth > 0 {
                out.push(self.config.delimiter);
            }
            let start = out.len();
            if column.write_plain(row, out) {
                quote_if_needed(self.config, start, out);
            } else if let Some(null) = &self.config.null_literal {
                out.extend_from_slice(null.as_bytes());
            }
        }
    }
}

/// Puts the field that begins at `start` into quotes if it would read as something else without.
fn quote_if_needed(config: &Config, start: usize, out: &mut Vec<u8>) {
    let field = &out[start..];
    let special = |b: &u8| *b == config.delimiter || *b == config.quote || matches!(*b, b'\n' | b'\r' | b'#');
    let is_null = config
        .null_literal
        .as_ref()
        .is_some_and(|null| null.as_bytes() == field);
    if !field.is_empty() && !is_null && !field.iter().any(special) {
        return;
    }
    let field = out.split_off(start);
    out.push(config.quote);
    for byte in field {
        if byte == config.quote {
            out.push(byte);
        }
        out.push(byte);
    }
    out.push(config.quote);
}
