//! Rows of both sides in one form: a line of cells, times as milliseconds.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use arrow_array::{
    Array, RecordBatch,
    cast::AsArray as _,
    types::{Float64Type, Int32Type, Int64Type},
};
use arrow_cast::{cast, parse::string_to_timestamp_nanos};
use arrow_schema::DataType;
use serde_json::{Value, value::RawValue};

/// A time as SQL writes it: `2024-03-01 10:00:00.000`.
pub(crate) fn time_text(ms: i64) -> String {
    let array = arrow_array::TimestampMillisecondArray::from(vec![ms]);
    let text = cast(&array, &DataType::Utf8).expect("times can be written as text");
    let text = text.as_string::<i32>().value(0).replace('T', " ");
    if text.contains('.') { text } else { text + ".000" }
}

/// A batch's rows.
pub(crate) fn lines_of_batch(batch: &RecordBatch) -> Result<Vec<String>> {
    let row = |index| {
        batch
            .columns()
            .iter()
            .map(|column| cell(column, index))
            .collect::<Result<Vec<_>>>()
    };
    (0..batch.num_rows())
        .map(|index| Ok(row(index)?.join(" | ")))
        .collect()
}

fn cell(column: &dyn Array, index: usize) -> Result<String> {
    if column.is_null(index) {
        return Ok("null".to_owned());
    }
    Ok(match column.data_type() {
        DataType::Int32 => column.as_primitive::<Int32Type>().value(index).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(index).to_string(),
        DataType::Float64 => format!("{:?}", column.as_primitive::<Float64Type>().value(index)),
        DataType::Utf8 => format!("{:?}", column.as_string::<i32>().value(index)),
        DataType::Utf8View => format!("{:?}", column.as_string_view().value(index)),
        other => bail!("the batch result has a column of type {other}"),
    })
}

/// A printed row; `columns` are its names and types as in DDL.
pub(crate) fn line_of_json(row: &str, columns: &str) -> Result<String> {
    let row: HashMap<&str, &RawValue> =
        serde_json::from_str(row).with_context(|| format!("a printed row is {row}"))?;
    let cells = columns.split(", ").map(|column| {
        let (name, sql_type) = column.split_once(' ').context("a column has a name and a type")?;
        json_cell(row.get(name).map_or("null", |value| value.get()), sql_type)
    });
    Ok(cells.collect::<Result<Vec<_>>>()?.join(" | "))
}

fn json_cell(text: &str, sql_type: &str) -> Result<String> {
    if sql_type == "DOUBLE" && text != "null" {
        // The JSON parser may miss the nearest double by one; the standard library does not.
        let value: f64 = text
            .parse()
            .with_context(|| format!("a printed DOUBLE is {text}"))?;
        return Ok(format!("{value:?}"));
    }
    Ok(match (serde_json::from_str(text)?, sql_type) {
        (Value::Null, _) => "null".to_owned(),
        (Value::String(text), "TIMESTAMP(3)") => (string_to_timestamp_nanos(&text)? / 1_000_000).to_string(),
        (Value::String(text), "STRING") => format!("{text:?}"),
        (Value::Number(number), "BIGINT" | "INT") => number.as_i64().context("a whole number")?.to_string(),
        other => bail!("a printed cell is {other:?}"),
    })
}
