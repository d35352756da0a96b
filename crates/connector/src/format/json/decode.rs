//! JSON lines into typed columns.

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, SchemaRef};

use super::{
    Config,
    scan::{Malformed, Scan, unescape},
};
use crate::format::{
    BadRecord, Decoder, Input, Taken,
    column::{Column, Values, append_absent, append_nulls, columns},
    scalar::{Kind, append, shown},
};

/// A decoder of JSON lines.
#[derive(Debug)]
pub(crate) struct Decode {
    schema: SchemaRef,
    columns: Vec<Column>,
    plan: Row,
    rows: usize,
    values: ValueDecoder,
}

impl Decode {
    /// A decoder of the columns of that schema; the error names a column whose type JSON does not hold.
    pub(crate) fn new(config: Config, schema: &SchemaRef) -> Result<Self, String> {
        let columns = columns(schema.fields())?;
        Ok(Self {
            schema: SchemaRef::clone(schema),
            plan: Row::new(&columns),
            columns,
            rows: 0,
            values: ValueDecoder {
                config,
                unescaped: Vec::new(),
            },
        })
    }

    /// Decodes a record; of a bad one nothing is kept.
    pub(crate) fn record(&mut self, record: &[u8]) -> Result<(), String> {
        self.line(record).map_err(|fault| {
            self.truncate(self.rows);
            fault.reason()
        })
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

    /// Forgets rows behind the first `rows`.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
        self.rows = rows;
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        if let Err(error) = std::str::from_utf8(line) {
            return Err(Fault::Malformed(format!(
                "is not UTF-8 at column {}",
                error.valid_up_to() + 1
            )));
        }
        let mut scan = Scan::new(line);
        if scan.peek() != Some(b'{') {
            return Err(Fault::Malformed("is not a JSON object".into()));
        }
        self.values
            .row(&mut scan, &mut self.plan, &mut self.columns, self.rows)?;
        scan.end()?;
        self.rows += 1;
        Ok(())
    }
}

impl Decoder for Decode {
    fn begin_file(&mut self) {}

    fn decode(&mut self, input: Input<'_>, max_rows: usize) -> Result<Taken, BadRecord> {
        let mut taken = Taken::default();
        while self.rows < max_rows && taken.bytes < input.stop {
            let rest = &input.bytes[taken.bytes..];
            let (line, len) = match memchr::memchr(b'\n', rest) {
                Some(end) => (&rest[..end], end + 1),
                None if input.at_end && !rest.is_empty() => (rest, rest.len()),
                None => break,
            };
            if !line.trim_ascii().is_empty()
                && let Err(reason) = self.record(line)
            {
                if !self.values.config.ignore_parse_errors {
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

/// Why a line does not become a row.
#[derive(Debug)]
enum Fault {
    /// The line is not a JSON object.
    Malformed(String),
    /// A value does not fit its column.
    Value { path: Vec<String>, reason: String },
}

impl Fault {
    fn value(reason: String) -> Self {
        Self::Value {
            path: Vec::new(),
            reason,
        }
    }

    /// The same fault in a field of that name.
    fn within(mut self, name: &str) -> Self {
        if let Self::Value { path, .. } = &mut self {
            path.insert(0, name.to_owned());
        }
        self
    }

    fn reason(self) -> String {
        match self {
            Self::Malformed(reason) => format!("the line {reason}"),
            Self::Value { path, reason } => format!("field '{}': {reason}", path.join(".")),
        }
    }
}

impl From<Malformed> for Fault {
    fn from(Malformed { at, expected }: Malformed) -> Self {
        Self::Malformed(format!("is not JSON: expected {expected} at column {}", at + 1))
    }
}

/// How to decode into a column, and what was learnt from lines before.
#[derive(Debug)]
enum Plan {
    Scalar,
    Row(Row),
    Array(Box<Plan>),
    Map(Box<Plan>),
}

impl Plan {
    fn new(column: &Column) -> Self {
        match &column.values {
            Values::Row(columns) => Self::Row(Row::new(columns)),
            Values::Array(_, item) => Self::Array(Box::new(Self::new(item))),
            Values::Map { value, .. } => Self::Map(Box::new(Self::new(value))),
            _ => Self::Scalar,
        }
    }
}

/// The columns of an object by field name.
#[derive(Debug)]
struct Row {
    plans: Vec<Plan>,
    /// Field names with their columns, sorted.
    by_name: Vec<(Vec<u8>, usize)>,
    /// The n-th field name of the last object and its column, if any: most lines name their fields in the same order.
    last_seen: Vec<(Vec<u8>, Option<usize>)>,
}

/// Objects with more fields than this are matched by search from there on.
const MAX_REMEMBERED_FIELDS: usize = 256;

impl Row {
    fn new(columns: &[Column]) -> Self {
        let mut by_name: Vec<_> = columns
            .iter()
            .enumerate()
            .map(|(index, column)| (column.field.name().clone().into_bytes(), index))
            .collect();
        by_name.sort();
        Self {
            plans: columns.iter().map(Plan::new).collect(),
            by_name,
            last_seen: Vec::new(),
        }
    }

    /// The column of the n-th field, which has that name.
    #[inline]
    fn column(&mut self, position: usize, name: &[u8]) -> Option<usize> {
        match self.last_seen.get_mut(position) {
            Some((seen, column)) if seen == name => *column,
            seen => {
                let found = self
                    .by_name
                    .binary_search_by(|(known, _)| known.as_slice().cmp(name));
                let column = found.ok().map(|at| self.by_name[at].1);
                match seen {
                    Some(seen) => *seen = (name.to_vec(), column),
                    None if position < MAX_REMEMBERED_FIELDS => self.last_seen.push((name.to_vec(), column)),
                    None => {}
                }
                column
            }
        }
    }
}

#[derive(Debug)]
struct ValueDecoder {
    config: Config,
    /// The last string that held escapes.
    unescaped: Vec<u8>,
}

impl ValueDecoder {
    /// Appends one value to each column from the object that comes next; each holds `before` values by now.
    fn row(
        &mut self,
        scan: &mut Scan<'_>,
        plan: &mut Row,
        columns: &mut [Column],
        before: usize,
    ) -> Result<(), Fault> {
        let mut members = scan.members()?;
        let mut position = 0;
        while members.next(scan)? {
            let name = scan.string("a field name")?;
            let found = if name.escaped {
                self.unescaped.clear();
                unescape(name.raw, &mut self.unescaped);
                plan.column(position, &self.unescaped)
            } else {
                plan.column(position, name.raw)
            };
            position += 1;
            scan.expect(b':', "':'")?;
            let Some(index) = found else {
                scan.skip()?;
                continue;
            };
            let column = &mut columns[index];
            if column.len() > before {
                // Named twice: the last one counts.
                column.truncate(before);
            }
            self.value(scan, &mut plan.plans[index], column)
                .map_err(|fault| fault.within(column.field.name()))?;
        }
        for column in columns.iter_mut().filter(|column| column.len() == before) {
            self.missing(column)
                .map_err(|fault| fault.within(column.field.name()))?;
        }
        Ok(())
    }

    fn missing(&self, column: &mut Column) -> Result<(), Fault> {
        if self.config.fail_on_missing_field {
            return Err(Fault::value("is missing".into()));
        }
        if !column.field.is_nullable() {
            return Err(Fault::value("is missing, but the column is NOT NULL".into()));
        }
        column.append_null();
        Ok(())
    }

    /// Appends the value that comes next to the column.
    #[inline]
    fn value(&mut self, scan: &mut Scan<'_>, plan: &mut Plan, column: &mut Column) -> Result<(), Fault> {
        let next = scan.peek();
        if next == Some(b'n') {
            scan.word("null")?;
            if !column.field.is_nullable() {
                return Err(Fault::value("is null, but the column is NOT NULL".into()));
            }
            column.append_null();
            return Ok(());
        }
        let (start, before) = (scan.at, column.len());
        match self.present(scan, plan, column, before) {
            Err(Fault::Value { .. }) if self.config.ignore_parse_errors && column.field.is_nullable() => {
                column.truncate(before);
                scan.at = start;
                scan.skip()?;
                column.append_null();
                Ok(())
            }
            result => result,
        }
    }

    /// Appends the value that comes next, which is not null. After a fault that is the value's, the column may hold a part
    /// of it and the scan may stand within it.
    #[inline]
    fn present(
        &mut self,
        scan: &mut Scan<'_>,
        plan: &mut Plan,
        column: &mut Column,
        before: usize,
    ) -> Result<(), Fault> {
        match (&mut column.values, plan) {
            (Values::Row(columns), Plan::Row(plan)) => {
                wants(scan, b'{', "an object")?;
                self.row(scan, plan, columns, before)?;
            }
            (Values::Array(offsets, item), Plan::Array(plan)) => {
                wants(scan, b'[', "an array")?;
                let mut members = scan.members()?;
                while members.next(scan)? {
                    self.value(scan, plan, item)?;
                }
                offsets.push(item.len() as i32);
            }
            (Values::Map { offsets, key, value }, Plan::Map(plan)) => {
                wants(scan, b'{', "an object")?;
                let mut members = scan.members()?;
                while members.next(scan)? {
                    self.map_key(scan, key)?;
                    scan.expect(b':', "':'")?;
                    self.value(scan, plan, value)?;
                }
                offsets.push(key.len() as i32);
            }
            (Values::Text(column_text), _) => {
                text(scan, &mut column_text.bytes)?;
                column_text.end();
            }
            (values, _) => {
                let Literal { text, kind } = self.literal(scan)?;
                let text = text.unwrap_or(&self.unescaped);
                append(values, text, kind)
                    .map_err(|problem| Fault::value(problem.reason(text, &column.field)))?;
            }
        }
        column.end_value();
        Ok(())
    }

    fn map_key(&mut self, scan: &mut Scan<'_>, key: &mut Column) -> Result<(), Fault> {
        let name = scan.string("a field name")?;
        self.unescaped.clear();
        if !unescape(name.raw, &mut self.unescaped) {
            return Err(Malformed {
                at: scan.at,
                expected: "a string with valid escapes",
            }
            .into());
        }
        if let Values::Text(text) = &mut key.values {
            text.bytes.extend_from_slice(&self.unescaped);
            text.end();
        } else {
            append(&mut key.values, &self.unescaped, Kind::String)
                .map_err(|problem| Fault::value(problem.reason(&self.unescaped, &key.field)))?;
        }
        key.end_value();
        Ok(())
    }

    #[inline]
    fn literal<'a>(&mut self, scan: &mut Scan<'a>) -> Result<Literal<'a>, Fault> {
        let start = scan.at;
        let kind = match scan.peek() {
            Some(b'"') => {
                let string = scan.string("a string")?;
                if !string.escaped {
                    return Ok(Literal {
                        text: Some(string.raw),
                        kind: Kind::String,
                    });
                }
                self.unescaped.clear();
                if !unescape(string.raw, &mut self.unescaped) {
                    return Err(Malformed {
                        at: scan.at,
                        expected: "a string with valid escapes",
                    }
                    .into());
                }
                return Ok(Literal {
                    text: None,
                    kind: Kind::String,
                });
            }
            Some(b'-' | b'0'..=b'9') => {
                let (text, whole) = scan.number()?;
                return Ok(Literal {
                    text: Some(text),
                    kind: if whole { Kind::Whole } else { Kind::Number },
                });
            }
            Some(b't' | b'f') => Kind::Bool,
            _ => Kind::Other,
        };
        scan.skip()?;
        Ok(Literal {
            text: Some(scan.since(start)),
            kind,
        })
    }
}

/// Appends a string, or the text of any other value, as Flink does.
#[inline]
fn text(scan: &mut Scan<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    if scan.peek() != Some(b'"') {
        let start = scan.at;
        scan.skip()?;
        out.extend_from_slice(scan.since(start));
        return Ok(());
    }
    let string = scan.string("a string")?;
    if !string.escaped {
        out.extend_from_slice(string.raw);
    } else if !unescape(string.raw, out) {
        return Err(Malformed {
            at: scan.at,
            expected: "a string with valid escapes",
        }
        .into());
    }
    Ok(())
}

/// A JSON value that is to become a scalar.
struct Literal<'a> {
    /// None if it is the last unescaped string.
    text: Option<&'a [u8]>,
    kind: Kind,
}

fn wants(scan: &mut Scan<'_>, bracket: u8, what: &str) -> Result<(), Fault> {
    if scan.peek() == Some(bracket) {
        return Ok(());
    }
    let start = scan.at;
    scan.skip()?;
    Err(Fault::value(format!(
        "{} is not {what}",
        shown(scan.since(start))
    )))
}

#[cfg(test)]
mod tests;
