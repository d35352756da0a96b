//! Values as Redis holds them: the text of a column, and bytes as they are.

use arrow_array::{Array, ArrayRef, BinaryArray, cast::AsArray};
use arrow_schema::{ArrowError, DataType, SchemaRef};

use crate::format::{
    TimestampStyle,
    cells::Cells,
    column::{Column, Values, columns},
    scalar::{Kind, append},
    sql_type,
};

/// Refuses a column that is no single value.
pub(super) fn check_column(field: &arrow_schema::Field) -> Result<(), String> {
    if field.data_type().is_nested() {
        return Err(format!(
            "column '{}' is {}, which has no place in a single value of Redis: use 'data-type' = 'string' with 'value.format' = 'json'",
            field.name(),
            sql_type(field.data_type())
        ));
    }
    Ok(())
}

/// A column to write, its type resolved once.
pub(super) enum Writing<'a> {
    Bytes(&'a BinaryArray),
    Text(Cells<'a>),
}

impl<'a> Writing<'a> {
    pub(super) fn new(array: &'a dyn Array) -> Self {
        match array.data_type() {
            DataType::Binary => Self::Bytes(array.as_binary()),
            _ => Self::Text(Cells::new(array, TimestampStyle::Sql)),
        }
    }

    /// Appends a value; false, with nothing appended, if it is null.
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Bytes(array) => {
                let is_there = array.is_valid(row);
                if is_there {
                    out.extend_from_slice(array.value(row));
                }
                is_there
            }
            Self::Text(cells) => cells.write_plain(row, out),
        }
    }
}

/// Columns that grow by values of Redis.
#[derive(Debug)]
pub(super) struct Reading(Vec<Column>);

impl Reading {
    /// Of the columns of a schema, none of them nested.
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, String> {
        columns(schema.fields()).map(Self)
    }

    /// Appends a value to a column; none is null. The error says why it is none of the column's.
    pub(super) fn push(&mut self, column: usize, value: Option<&[u8]>) -> Result<(), String> {
        let Column { field, values, .. } = &mut self.0[column];
        let Some(value) = value else {
            if !field.is_nullable() {
                return Err(format!("column '{}' is NOT NULL, and has no value", field.name()));
            }
            self.0[column].append_null();
            return Ok(());
        };
        let appended = match values {
            Values::Bytes(bytes) => {
                bytes.bytes.extend_from_slice(value);
                bytes.end();
                Ok(())
            }
            Values::Text(text) => match std::str::from_utf8(value) {
                Ok(_) => {
                    text.bytes.extend_from_slice(value);
                    text.end();
                    Ok(())
                }
                Err(_) => return Err(format!("column '{}': the value is not UTF-8", field.name())),
            },
            values => append(values, value, Kind::String),
        };
        appended.map_err(|problem| format!("column '{}': {}", field.name(), problem.reason(value, field)))?;
        self.0[column].end_value();
        Ok(())
    }

    /// The columns, which are empty then.
    pub(super) fn take(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.0.iter_mut().map(Column::take).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMillisecondArray};
    use arrow_schema::{Field, Schema, TimeUnit};

    use super::*;

    #[test]
    fn values_come_back_from_what_they_were_written_as() {
        let decimals = Decimal128Array::from(vec![Some(1250), None, Some(-1)]);
        let all: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(-7), None, Some(i64::MAX)])),
            Arc::new(Float64Array::from(vec![Some(0.1), None, Some(f64::INFINITY)])),
            Arc::new(StringArray::from(vec![Some("a \"b\" ü"), None, Some("")])),
            Arc::new(BinaryArray::from_opt_vec(vec![
                Some(b"\x00\xff"),
                None,
                Some(b""),
            ])),
            Arc::new(decimals.with_precision_and_scale(10, 2).expect("fits")),
            Arc::new(TimestampMillisecondArray::from(vec![
                Some(1_700_000_000_123),
                None,
                Some(0),
            ])),
            Arc::new(arrow_array::BooleanArray::from(vec![
                Some(true),
                None,
                Some(false),
            ])),
        ];
        for array in all {
            let field = Field::new("v", array.data_type().clone(), true);
            let mut reading = Reading::new(&Arc::new(Schema::new(vec![field]))).expect("a column");
            let writing = Writing::new(array.as_ref());
            for row in 0..array.len() {
                let mut text = Vec::new();
                let is_there = writing.write(row, &mut text);
                assert_eq!(is_there, array.is_valid(row));
                reading.push(0, is_there.then_some(&text)).expect("its own text");
            }
            assert_eq!(&reading.take().expect("an array")[0], &array);
        }
    }

    #[test]
    fn values_that_do_not_fit_are_refused_with_their_column() {
        let check = |data_type: DataType, nullable: bool, value: Option<&[u8]>, expected: &str| {
            let schema = Arc::new(Schema::new(vec![Field::new("v", data_type, nullable)]));
            let mut reading = Reading::new(&schema).expect("a column");
            assert_eq!(reading.push(0, value), Err(expected.to_owned()));
        };
        check(
            DataType::Int64,
            true,
            Some(b"x"),
            "column 'v': 'x' is not a BIGINT",
        );
        check(
            DataType::Utf8,
            true,
            Some(b"\xff"),
            "column 'v': the value is not UTF-8",
        );
        check(
            DataType::Int64,
            false,
            None,
            "column 'v' is NOT NULL, and has no value",
        );
        let time = DataType::Timestamp(TimeUnit::Millisecond, None);
        check(
            time,
            true,
            Some(b"noon"),
            "column 'v': 'noon' is not a TIMESTAMP(3)",
        );
    }
}
