//! Queries that read a table, and their answers as rows.
//!
//! The database says each row as a JSON object, as it is given rows to write: so all types can be read that can be written.

use arrow_array::{Array, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, SchemaRef};
use sqlx::postgres::PgRow;

use super::target::Target;
use crate::{
    ConnectorError,
    format::{Decoder as _, TimestampStyle, cells::Cells, json},
    postgres::{literal, quoted, text},
};

/// How values must be written: settings of a session.
pub(super) const SETTINGS: [(&str, &str); 2] = [("TimeZone", "UTC"), ("DateStyle", "ISO,YMD")];

/// Rows of a table with these columns, as JSON objects, with other values as texts behind; `rest` is what follows FROM.
pub(super) fn query(target: &Target, columns: &SchemaRef, others: &[String], rest: &str) -> String {
    let fields: Vec<String> = columns.fields().iter().map(|field| value(field)).collect();
    let object = if fields.is_empty() {
        "'{}'".to_owned()
    } else {
        format!("row_to_json((SELECT q FROM (SELECT {}) AS q))", fields.join(", "))
    };
    let others = others
        .iter()
        .map(|column| format!(", {}::text", of_table(column)));
    format!(
        "SELECT {object}::text{} FROM {} AS t{rest}",
        others.collect::<String>(),
        target.name()
    )
}

/// A column of the table `t`.
pub(super) fn of_table(column: &str) -> String {
    format!("t.{}", quoted(column))
}

/// A column as JSON has it.
fn value(field: &Field) -> String {
    let column = of_table(field.name());
    let value = match field.data_type() {
        DataType::Utf8 => format!("{column}::text"),
        DataType::Binary => format!("translate(encode({column}, 'base64'), E'\\n', '')"),
        _ => column,
    };
    format!("{value} AS {}", quoted(field.name()))
}

/// The values of a column as literals of SQL, which take the type of what they are compared with.
pub(super) fn literals(column: &dyn Array) -> Vec<String> {
    let cells = Cells::new(column, TimestampStyle::Sql);
    let literal = |row: usize| {
        let mut text = Vec::new();
        cells.write_plain(row, &mut text);
        let text = literal(&String::from_utf8_lossy(&text));
        match column.data_type() {
            DataType::Binary => format!("decode({text}, 'base64')"),
            _ => text,
        }
    };
    (0..column.len()).map(literal).collect()
}

/// Rows that gather into a batch.
pub(super) struct Rows {
    decode: json::Decode,
}

impl Rows {
    /// Of these columns.
    pub(super) fn new(columns: &SchemaRef) -> Result<Self, ConnectorError> {
        let decode = json::Decode::new(json::Config::default(), columns);
        Ok(Self {
            decode: decode.map_err(ConnectorError::internal)?,
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.decode.rows()
    }

    /// Adds a row of a query's answer.
    pub(super) fn add(&mut self, row: &PgRow) -> Result<(), ConnectorError> {
        let unread =
            |error: sqlx::Error| ConnectorError::external(format!("an answer cannot be read: {error}"));
        let object = text(row, 0).map_err(unread)?.unwrap_or_default();
        self.decode.record(object).map_err(|reason| {
            ConnectorError::user(format!(
                "a row of the table does not fit the columns here: {reason}"
            ))
        })
    }

    /// The rows since the last call.
    pub(super) fn take(&mut self) -> Result<RecordBatch, ConnectorError> {
        self.decode.take().map_err(|error| broken(&error))
    }
}

fn broken(error: &ArrowError) -> ConnectorError {
    ConnectorError::internal(format!("rows do not make a batch: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BinaryArray, Int64Array, StringArray};
    use arrow_schema::Schema;

    use super::*;

    #[test]
    fn a_query_says_rows_as_objects() {
        let target = Target::new("s.t", Vec::new(), Vec::new()).expect("a name");
        let columns = Arc::new(Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("B\"", DataType::Utf8, true),
        ]));
        assert_eq!(
            query(&target, &columns, &["k".to_owned()], " WHERE true"),
            "SELECT row_to_json((SELECT q FROM (SELECT t.\"a\" AS \"a\", t.\"B\"\"\"::text AS \"B\"\"\") AS q))::text, t.\"k\"::text FROM \
             \"s\".\"t\" AS t WHERE true"
        );
        let none = Arc::new(Schema::empty());
        assert_eq!(
            query(&target, &none, &[], ""),
            "SELECT '{}'::text FROM \"s\".\"t\" AS t"
        );
    }

    #[test]
    fn values_are_literals_whatever_is_in_them() {
        let texts = StringArray::from(vec!["it's", "a\\b"]);
        assert_eq!(literals(&texts), ["'it''s'", "'a\\b'"]);
        assert_eq!(literals(&Int64Array::from(vec![-7])), ["'-7'"]);
        let bytes = BinaryArray::from(vec![&b"\x00\xff"[..]]);
        assert_eq!(literals(&bytes), ["decode('AP8=', 'base64')"]);
    }
}
