//! CSV records into typed columns.

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, SchemaRef};

use super::{
    Config,
    split::{FieldSpan, Found, split_record},
};
use crate::format::{
    BadRecord, Decoder, Input, Taken,
    column::{Column, Values, append_absent, append_nulls, columns},
    scalar::{Kind, append},
};

/// A decoder of CSV records.
#[derive(Debug)]
pub(crate) struct Decode {
    config: Config,
    schema: SchemaRef,
    columns: Vec<Column>,
    /// For each column the place of its field in a record.
    places: Vec<usize>,
    /// How many fields a record has.
    arity: usize,
    rows: usize,
    header_comes: bool,
    fields: Vec<FieldSpan>,
    unquoted: Vec<u8>,
}

impl Decode {
    /// A decoder of the columns `read` out of those that a record holds.
    pub(crate) fn new(config: &Config, declared: &SchemaRef, read: &SchemaRef) -> Result<Self, String> {
        let place = |name: &String| {
            declared
                .index_of(name)
                .map_err(|_| format!("the table has no column '{name}'"))
        };
        Ok(Self {
            config: config.clone(),
            schema: SchemaRef::clone(read),
            columns: columns(read.fields())?,
            places: read
                .fields()
                .iter()
                .map(|field| place(field.name()))
                .collect::<Result<_, _>>()?,
            arity: declared.fields().len(),
            rows: 0,
            header_comes: false,
            fields: Vec::new(),
            unquoted: Vec::new(),
        })
    }

    /// Forgets rows behind the first `rows`.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
        self.rows = rows;
    }

    /// Adds a row of which nothing counts: nulls, or any value where a column may not be null.
    pub(crate) fn absent_row(&mut self) {
        append_absent(&mut self.columns);
        self.rows += 1;
    }

    /// Adds a row of nulls; the error names a column that may not be null.
    pub(crate) fn null_row(&mut self) -> Result<(), String> {
        append_nulls(&mut self.columns)?;
        self.rows += 1;
        Ok(())
    }

    /// Appends a row from the fields found in that record.
    fn row(&mut self, record: &[u8]) -> Result<(), String> {
        if let Err(error) = std::str::from_utf8(record) {
            return Err(format!(
                "the record is not UTF-8 at byte {}",
                error.valid_up_to() + 1
            ));
        }
        if self.fields.len() != self.arity && !self.config.ignore_parse_errors {
            return Err(format!(
                "the record has {} fields, but the table has {} columns",
                self.fields.len(),
                self.arity
            ));
        }
        for (column, place) in self.columns.iter_mut().zip(&self.places) {
            let before = column.len();
            let appended = match self.fields.get(*place) {
                None => Ok(false),
                Some(field) => append_field(
                    column,
                    &record[field.start..field.end],
                    *field,
                    &self.config,
                    &mut self.unquoted,
                ),
            };
            let present = match appended {
                Ok(present) => present,
                Err(_) if self.config.ignore_parse_errors && column.field.is_nullable() => {
                    column.truncate(before);
                    false
                }
                Err(reason) => return Err(format!("field '{}': {reason}", column.field.name())),
            };
            if present {
                column.end_value();
            } else if column.field.is_nullable() {
                column.append_null();
            } else {
                return Err(format!(
                    "field '{}': is null, but the column is NOT NULL",
                    column.field.name()
                ));
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Finds the fields of the record at the front; a comment has none.
    fn split(&mut self, input: &[u8], at_end: bool) -> Found {
        if !self.config.allow_comments || input[0] != b'#' {
            return split_record(
                input,
                at_end,
                self.config.delimiter,
                self.config.quote,
                &mut self.fields,
            );
        }
        self.fields.clear();
        match memchr::memchr(b'\n', input) {
            Some(end) => Found::Record { len: end + 1 },
            None if at_end => Found::Record { len: input.len() },
            None => Found::Incomplete,
        }
    }

    /// Whether the record is none: a blank line, a comment, or the names at the start of a file.
    fn is_ignored(&mut self) -> bool {
        match self.fields[..] {
            [] => true,
            [
                FieldSpan {
                    start,
                    end,
                    quoted: false,
                    ..
                },
            ] if start == end => true,
            _ => std::mem::take(&mut self.header_comes),
        }
    }
}

/// Appends the text of a field to the column; false if it stands for null.
fn append_field(
    column: &mut Column,
    text: &[u8],
    field: FieldSpan,
    config: &Config,
    unquoted: &mut Vec<u8>,
) -> Result<bool, String> {
    if !field.quoted
        && config
            .null_literal
            .as_ref()
            .is_some_and(|null| null.as_bytes() == text)
    {
        return Ok(false);
    }
    let text = if field.doubled {
        undouble(text, config.quote, unquoted);
        unquoted
    } else {
        text
    };
    match &mut column.values {
        Values::Text(values) => {
            values.bytes.extend_from_slice(text);
            values.end();
        }
        _ if text.is_empty() && !field.quoted => return Ok(false),
        values => {
            append(values, text, Kind::String).map_err(|problem| problem.reason(text, &column.field))?;
        }
    }
    Ok(true)
}

fn undouble(text: &[u8], quote: u8, out: &mut Vec<u8>) {
    out.clear();
    let mut rest = text;
    while let Some(at) = memchr::memchr(quote, rest) {
        out.extend_from_slice(&rest[..=at]);
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
}

fn line_ends(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

impl Decoder for Decode {
    fn begin_file(&mut self) {
        self.header_comes = self.config.header;
    }

    fn decode(&mut self, input: Input<'_>, max_rows: usize) -> Result<Taken, BadRecord> {
        let mut taken = Taken::default();
        while self.rows < max_rows && taken.bytes < input.stop.min(input.bytes.len()) {
            let rest = &input.bytes[taken.bytes..];
            let (len, outcome) = match self.split(rest, input.at_end) {
                Found::Incomplete => break,
                Found::Record { len } if self.is_ignored() => (len, Ok(())),
                Found::Record { len } => (len, self.row(&rest[..len])),
                Found::Malformed(reason) => {
                    let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
                    (line, Err(format!("the record is not CSV: {reason}")))
                }
            };
            if let Err(reason) = outcome {
                self.truncate(self.rows);
                if !self.config.ignore_parse_errors {
                    return Err(BadRecord {
                        offset: taken.bytes,
                        len: Some(len),
                        line: taken.lines,
                        reason,
                    });
                }
                taken.skipped += 1;
            }
            taken.bytes += len;
            taken.lines += line_ends(&rest[..len]);
        }
        Ok(taken)
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let arrays = self
            .columns
            .iter_mut()
            .map(Column::take)
            .collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), arrays, &options)
    }
}

#[cfg(test)]
mod tests;
