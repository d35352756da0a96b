//! Values as PostgreSQL writes them, into columns.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef};

use super::message::Value;
use crate::{
    ConnectorError, RowKind,
    changelog::{self, OP_COLUMN},
    format::{
        column::{Column, Values, columns},
        scalar::{Kind, append},
    },
};

/// How values must be written: settings of a session.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO,YMD"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "3"),
];

/// Rows that gather into a batch.
#[derive(Debug)]
pub(super) struct Rows {
    schema: SchemaRef,
    columns: Vec<Column>,
    ops: Vec<i8>,
    scratch: Vec<u8>,
}

impl Rows {
    /// Of the columns of that schema, of which the last says what each row does.
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, ConnectorError> {
        let fields = schema.fields().iter().filter(|field| field.name() != OP_COLUMN);
        let read = Schema::new(fields.cloned().collect::<Vec<_>>());
        Ok(Self {
            schema: Arc::clone(schema),
            columns: columns(read.fields()).map_err(ConnectorError::internal)?,
            ops: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// The names of the columns that values are given for.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.field.name().as_str())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ops.len()
    }

    /// Adds a row, whose values come in the order of the names. Of a row that is no more, only the key's values matter.
    pub(super) fn add<'a>(
        &mut self,
        kind: RowKind,
        values: impl Iterator<Item = Value<'a>>,
    ) -> Result<(), ConnectorError> {
        for (column, value) in self.columns.iter_mut().zip(values) {
            let fits = match value {
                Value::Text(text) => append_text(column, text, &mut self.scratch),
                Value::Null if column.field.is_nullable() => {
                    column.append_null();
                    Ok(())
                }
                _ if kind == RowKind::Delete => {
                    column.append_default();
                    Ok(())
                }
                Value::Null => Err("is null, but the column is NOT NULL".to_owned()),
                Value::Unchanged => Err(
                    "is large and was not written again with a change of its row: have PostgreSQL write whole rows with ALTER TABLE ... \
                     REPLICA IDENTITY FULL"
                        .to_owned(),
                ),
            };
            fits.map_err(|reason| {
                ConnectorError::user(format!("column '{}' {reason}", column.field.name()))
            })?;
        }
        self.ops.push(kind.byte());
        Ok(())
    }

    /// The rows since the last call.
    pub(super) fn take(&mut self) -> Result<RecordBatch, ConnectorError> {
        let broken = |error| ConnectorError::internal(format!("rows do not make a batch: {error}"));
        let mut arrays = self
            .columns
            .iter_mut()
            .map(Column::take)
            .collect::<Result<Vec<_>, _>>()
            .map_err(broken)?;
        arrays.push(changelog::column(std::mem::take(&mut self.ops)));
        RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(broken)
    }
}

/// Appends a value that is not null.
fn append_text(column: &mut Column, text: &[u8], scratch: &mut Vec<u8>) -> Result<(), String> {
    let field = Arc::clone(&column.field);
    match &mut column.values {
        Values::Text(values) => {
            values.bytes.extend_from_slice(text);
            values.end();
        }
        Values::Bytes(values) => {
            if !unhex(text, &mut values.bytes) {
                return Err("is no BYTEA in hex".to_owned());
            }
            values.end();
        }
        Values::Bool(bits) => match text {
            b"t" | b"true" => bits.append(true),
            b"f" | b"false" => bits.append(false),
            _ => return Err("is no BOOLEAN".to_owned()),
        },
        values => {
            let zoned = matches!(column.field.data_type(), DataType::Timestamp(_, Some(_)));
            let text = match text.strip_suffix(b"+00").filter(|_| zoned) {
                Some(moment) => {
                    scratch.clear();
                    scratch.extend_from_slice(moment);
                    scratch.push(b'Z');
                    scratch
                }
                None => text,
            };
            append(values, text, Kind::String).map_err(|problem| problem.reason(text, &field))?;
        }
    }
    column.end_value();
    Ok(())
}

/// Appends bytes that are written as `\x0aff`.
fn unhex(text: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(digits) = text.strip_prefix(b"\\x").filter(|digits| digits.len() % 2 == 0) else {
        return false;
    };
    let value = |digit: u8| char::from(digit).to_digit(16);
    for pair in digits.chunks_exact(2) {
        let (Some(high), Some(low)) = (value(pair[0]), value(pair[1])) else {
            return false;
        };
        out.push((high << 4 | low) as u8);
    }
    true
}

#[cfg(test)]
mod tests {
    use arrow_array::{Array, cast::AsArray, types::TimestampMicrosecondType};
    use arrow_schema::{Field, TimeUnit};

    use super::*;
    use crate::changelog::op_field;

    fn rows() -> Rows {
        let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("at", moment, true),
            Field::new("raw", DataType::Binary, false),
            Field::new("is_new", DataType::Boolean, true),
            op_field(),
        ]);
        Rows::new(&Arc::new(schema)).expect("columns")
    }

    fn values(texts: [Option<&'static str>; 4]) -> impl Iterator<Item = Value<'static>> {
        texts
            .into_iter()
            .map(|text| text.map_or(Value::Null, |text| Value::Text(text.as_bytes())))
    }

    #[test]
    fn values_are_read_as_postgresql_writes_them() {
        let mut rows = rows();
        let all = [
            Some("-7"),
            Some("2024-02-01 10:00:00.5+00"),
            Some("\\x00fF"),
            Some("t"),
        ];
        rows.add(RowKind::UpdateAfter, values(all)).expect("fits");
        rows.add(RowKind::Delete, values([Some("8"), None, None, None]))
            .expect("the key is enough");
        let batch = rows.take().expect("a batch");
        assert_eq!(batch.num_rows(), 2);
        assert_eq!(batch.column(2).as_binary::<i32>().value(0), [0, 255]);
        assert!(batch.column(3).as_boolean().value(0) && batch.column(1).is_null(1));
        let at = batch.column(1).as_primitive::<TimestampMicrosecondType>();
        assert_eq!(at.value(0), 1_706_781_600_500_000);
    }

    #[test]
    fn a_value_that_does_not_fit_says_which_column() {
        let check = |texts, expected: &str| {
            let error = rows()
                .add(RowKind::Insert, values(texts))
                .expect_err(expected)
                .to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(
            [Some("x"), None, Some("\\x"), None],
            "column 'id' 'x' is not a BIGINT",
        );
        check([Some("1"), None, None, None], "column 'raw' is null");
        check([Some("1"), None, Some("ff"), None], "column 'raw' is no BYTEA");
    }
}
