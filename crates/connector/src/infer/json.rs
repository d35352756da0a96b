//! The columns of JSON objects.

use arrow_schema::Schema;
use serde_json::Value;

use super::shape::{Members, Shape};
use crate::format::change_json::Dialect;

/// The columns of objects, or of the rows in changes of a dialect. What is no object is left out, unless nothing is one.
pub(super) fn columns(records: &[Vec<u8>], dialect: Option<Dialect>) -> Result<Schema, String> {
    let mut members = Members::default();
    let mut rows = 0;
    for record in records {
        let Ok(value) = serde_json::from_slice::<Value>(record) else {
            continue;
        };
        for row in rows_of(&value, dialect) {
            if let Value::Object(object) = row {
                rows += 1;
                for (name, value) in object {
                    members.add(name, shape(value));
                }
            }
        }
    }
    match (rows, members.0.is_empty()) {
        (0, _) => Err(format!(
            "none of {} records is a JSON object that has a row",
            records.len()
        )),
        (_, true) => Err("the objects have no members".to_owned()),
        _ => Ok(Schema::new(members.fields())),
    }
}

/// The rows in an object.
fn rows_of(value: &Value, dialect: Option<Dialect>) -> Vec<&Value> {
    let change = value
        .get("payload")
        .filter(|_| dialect == Some(Dialect::Debezium))
        .unwrap_or(value);
    let members: &[&str] = match dialect {
        None => return vec![value],
        Some(Dialect::Debezium) => &["before", "after"],
        Some(Dialect::Canal | Dialect::Maxwell) => &["data"],
    };
    let found = members.iter().filter_map(|name| change.get(name));
    found
        .flat_map(|found| match found {
            Value::Array(rows) => rows.iter().collect(),
            row => vec![row],
        })
        .collect()
}

fn shape(value: &Value) -> Shape {
    match value {
        Value::Null => Shape::Null,
        Value::Bool(_) => Shape::Bool,
        Value::Number(number) if number.is_i64() => Shape::Int,
        Value::Number(number) if number.is_u64() => Shape::Huge,
        Value::Number(_) => Shape::Double,
        Value::String(text) => Shape::of_text(text),
        Value::Array(items) => {
            let items = items.iter().map(shape);
            Shape::Array(Box::new(items.fold(Shape::Null, Shape::and)))
        }
        Value::Object(object) => {
            let mut members = Members::default();
            for (name, value) in object {
                members.add(name, shape(value));
            }
            Shape::Row(members)
        }
    }
}
