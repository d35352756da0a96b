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
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|array| Cells::new(array.as_ref(), TimestampStyle::Sql))
        .collect();
    for row in 0..batch.num_rows() {
        for (nth, column) in columns.iter().enumerate() {
            if nth > 0 {
                out.push(config.delimiter);
            }
            let start = out.len();
            if column.write_plain(row, out) {
                quote_if_needed(config, start, out);
            } else if let Some(null) = &config.null_literal {
                out.extend_from_slice(null.as_bytes());
            }
        }
        out.push(b'\n');
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
