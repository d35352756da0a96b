//! Changes of another system's tables as JSON objects, as tools of change data capture write them: a line or a message each.
//!
//! - `envelope`: what an object says: the row before, the row after, and what was done. Leans on nothing.
//!
//! An update becomes two rows, what was taken back and what was added. An update without the row before is refused: the table's
//! server has to be told to send it (in PostgreSQL, `REPLICA IDENTITY FULL`). What is no change of a row, as the change of a table's columns, is
//! left out. An empty message, a tombstone, is no change either.

mod envelope;

use std::sync::Arc;

use arrow_array::{Array, Int8Array, RecordBatch};
use arrow_schema::{ArrowError, Schema, SchemaRef};

use super::{BadRecord, Decoder, Input, Taken, TimestampStyle, cells::Members, json};
use crate::{
    RowKind,
    changelog::{self, OP_COLUMN},
    options::{Checked, OptionDef, OptionKind},
};
use envelope::Envelope;

const DEBEZIUM_SCHEMA_INCLUDE: &str = "debezium-json.schema-include";

/// Whose objects they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Debezium's: `before`, `after`, `op`.
    Debezium,
    /// Canal's: `data` and `old`, lists of rows, and `type`.
    Canal,
    /// Maxwell's: `data`, `old` and `type`.
    Maxwell,
}

const fn ignore_parse_errors(key: &'static str) -> OptionDef {
    OptionDef {
        key,
        kind: OptionKind::Bool,
        required: false,
        default: Some("false"),
        doc: "skip and count what is no change, and read values that do not fit as null, instead of failing",
    }
}

const fn timestamp_format(key: &'static str) -> OptionDef {
    OptionDef {
        key,
        kind: OptionKind::OneOf(&["SQL", "ISO-8601"]),
        required: false,
        default: Some("SQL"),
        doc: "how timestamps are written: `2024-01-01 10:00:00.000` or `2024-01-01T10:00:00.000`; both are read",
    }
}

const DEBEZIUM_OPTIONS: &[OptionDef] = &[
    ignore_parse_errors("debezium-json.ignore-parse-errors"),
    timestamp_format("debezium-json.timestamp-format.standard"),
    OptionDef {
        key: DEBEZIUM_SCHEMA_INCLUDE,
        kind: OptionKind::Bool,
        required: false,
        default: Some("false"),
        doc: "each object holds its schema too, and the change as `payload`",
    },
];

const CANAL_OPTIONS: &[OptionDef] = &[
    ignore_parse_errors("canal-json.ignore-parse-errors"),
    timestamp_format("canal-json.timestamp-format.standard"),
];

const MAXWELL_OPTIONS: &[OptionDef] = &[
    ignore_parse_errors("maxwell-json.ignore-parse-errors"),
    timestamp_format("maxwell-json.timestamp-format.standard"),
];

impl Dialect {
    /// The one that `format` names.
    pub fn named(format: &str) -> Option<Self> {
        match format {
            "debezium-json" => Some(Self::Debezium),
            "canal-json" => Some(Self::Canal),
            "maxwell-json" => Some(Self::Maxwell),
            _ => None,
        }
    }

    /// The options of its format.
    pub fn options(self) -> &'static [OptionDef] {
        match self {
            Self::Debezium => DEBEZIUM_OPTIONS,
            Self::Canal => CANAL_OPTIONS,
            Self::Maxwell => MAXWELL_OPTIONS,
        }
    }

    fn key(self, name: &str) -> String {
        let format = match self {
            Self::Debezium => "debezium-json",
            Self::Canal => "canal-json",
            Self::Maxwell => "maxwell-json",
        };
        format!("{format}.{name}")
    }
}

/// The format's options, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    dialect: Dialect,
    /// The change is the object's `payload`.
    has_schema: bool,
    rows: json::Config,
}

impl Config {
    pub(crate) fn new(dialect: Dialect, options: &Checked<'_>) -> Self {
        let timestamps = match options.word(&dialect.key("timestamp-format.standard")) {
            Some("ISO-8601") => TimestampStyle::Iso8601,
            _ => TimestampStyle::Sql,
        };
        Self {
            dialect,
            has_schema: dialect == Dialect::Debezium && options.flag(DEBEZIUM_SCHEMA_INCLUDE),
            rows: json::Config {
                ignore_parse_errors: options.flag(&dialect.key("ignore-parse-errors")),
                fail_on_missing_field: false,
                timestamps,
            },
        }
    }

    /// Whether what cannot be read is skipped.
    pub fn ignores_parse_errors(&self) -> bool {
        self.rows.ignore_parse_errors
    }
}

/// A decoder of changes.
#[derive(Debug)]
pub(crate) struct Decode {
    config: Config,
    schema: SchemaRef,
    rows: json::Decode,
    ops: Vec<i8>,
    /// A row put together of two objects.
    merged: Vec<u8>,
}

impl Decode {
    /// A decoder of the columns of that schema, what each row does among them.
    pub(crate) fn new(config: Config, schema: &SchemaRef) -> Result<Self, String> {
        let columns = schema.fields().iter().filter(|field| field.name() != OP_COLUMN);
        let columns = Arc::new(Schema::new(columns.cloned().collect::<Vec<_>>()));
        Ok(Self {
            config,
            schema: Arc::clone(schema),
            rows: json::Decode::new(config.rows, &columns)?,
            ops: Vec::new(),
            merged: Vec::new(),
        })
    }

    /// Decodes a change; of a bad one nothing is kept.
    pub(crate) fn record(&mut self, record: &[u8]) -> Result<(), String> {
        if record.trim_ascii().is_empty() {
            return Ok(());
        }
        if let Err(error) = std::str::from_utf8(record) {
            return Err(format!(
                "the change is not UTF-8 at byte {}",
                error.valid_up_to() + 1
            ));
        }
        let envelope = Envelope::read(self.config.dialect, self.config.has_schema, record)?;
        let before = self.ops.len();
        self.rows_of(&envelope).inspect_err(|_| self.truncate(before))
    }

    /// Forgets rows behind the first `rows`.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.rows.truncate(rows);
        self.ops.truncate(rows);
    }

    fn rows_of(&mut self, envelope: &Envelope<'_>) -> Result<(), String> {
        match envelope {
            Envelope::Nothing => Ok(()),
            Envelope::Rows(kind, rows) => rows.iter().try_for_each(|row| self.row(*kind, row)),
            Envelope::Update { before, after } => {
                self.row(RowKind::UpdateBefore, before)?;
                self.row(RowKind::UpdateAfter, after)
            }
            Envelope::Patches(patches) => patches.iter().try_for_each(|(after, old)| {
                let mut merged = std::mem::take(&mut self.merged);
                envelope::merge(after, old, &mut merged);
                let row = self.row(RowKind::UpdateBefore, &merged);
                self.merged = merged;
                row?;
                self.row(RowKind::UpdateAfter, after)
            }),
        }
    }

    fn row(&mut self, kind: RowKind, row: &[u8]) -> Result<(), String> {
        self.rows.record(row)?;
        self.ops.push(kind.byte());
        Ok(())
    }
}

impl Decoder for Decode {
    fn begin_file(&mut self) {}

    fn decode(&mut self, input: Input<'_>, max_rows: usize) -> Result<Taken, BadRecord> {
        let mut taken = Taken::default();
        while self.ops.len() < max_rows && taken.bytes < input.stop {
            let rest = &input.bytes[taken.bytes..];
            let (line, len) = match memchr::memchr(b'\n', rest) {
                Some(end) => (&rest[..end], end + 1),
                None if input.at_end && !rest.is_empty() => (rest, rest.len()),
                None => break,
            };
            if let Err(reason) = self.record(line) {
                if !self.config.ignores_parse_errors() {
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
            taken.lines += u64::from(len > line.len());
        }
        Ok(taken)
    }

    fn rows(&self) -> usize {
        self.ops.len()
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let rows = Decoder::take(&mut self.rows)?;
        let ops = std::mem::take(&mut self.ops);
        let mut columns = rows.columns().to_vec();
        if changelog::is_changelog(&self.schema) {
            columns.push(changelog::column(ops));
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

/// The rows of a batch as changes: what is added has a row after, what is taken back a row before.
pub struct Changes<'a> {
    dialect: Dialect,
    row: Members<'a>,
    ops: Option<&'a Int8Array>,
}

impl<'a> Changes<'a> {
    /// Of a batch of changes, or of rows that are added.
    pub fn new(config: Config, batch: &'a RecordBatch) -> Self {
        let fields = batch.schema_ref().fields();
        let ops = changelog::ops(batch);
        let width = fields.len() - usize::from(ops.is_some());
        let names = fields.iter().take(width).map(|field| field.name().as_str());
        let columns = batch.columns().iter().map(AsRef::as_ref);
        Self {
            dialect: config.dialect,
            row: Members::new(names.zip(columns), config.rows.timestamps),
            ops,
        }
    }

    /// Appends a row, without a line feed.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        let adds = self
            .ops
            .is_none_or(|ops| ops.is_null(row) || changelog::adds(ops.value(row)));
        let (before, after): (&[u8], &[u8]) = match (self.dialect, adds) {
            (Dialect::Debezium, true) => (b"{\"before\":null,\"after\":", b",\"op\":\"c\"}"),
            (Dialect::Debezium, false) => (b"{\"before\":", b",\"after\":null,\"op\":\"d\"}"),
            (Dialect::Canal, true) => (b"{\"data\":[", b"],\"type\":\"INSERT\"}"),
            (Dialect::Canal, false) => (b"{\"data\":[", b"],\"type\":\"DELETE\"}"),
            (Dialect::Maxwell, true) => (b"{\"data\":", b",\"type\":\"insert\"}"),
            (Dialect::Maxwell, false) => (b"{\"data\":", b",\"type\":\"delete\"}"),
        };
        out.extend_from_slice(before);
        self.row.write(row, out);
        out.extend_from_slice(after);
    }
}

#[cfg(test)]
mod tests;
