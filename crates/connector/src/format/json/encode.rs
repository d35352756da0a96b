//! Batches into JSON lines.

use arrow_array::RecordBatch;

use crate::format::{TimestampStyle, cells::Members};

/// Appends each row as a JSON object in column order, ended by a line feed, timestamps in SQL style.
///
/// Nulls are written as `null`, decimals as numbers with all digits of their scale, nested rows and maps as objects, bytes as
/// base64. What JSON numbers cannot say (`NaN`, infinities) is written as a string, which the decoder reads back.
pub fn write_lines(batch: &RecordBatch, out: &mut Vec<u8>) {
    write_lines_in(batch, TimestampStyle::Sql, out);
}

/// The same with timestamps in a style of choice.
pub fn write_lines_in(batch: &RecordBatch, style: TimestampStyle, out: &mut Vec<u8>) {
    let schema = batch.schema();
    let named = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .zip(batch.columns().iter().map(AsRef::as_ref));
    let row = Members::new(named, style);
    for index in 0..batch.num_rows() {
        row.write(index, out);
        out.push(b'\n');
    }
}
