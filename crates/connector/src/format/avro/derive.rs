//! The schema that a table's columns have, as Flink derives it.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, TimeUnit};
use serde_json::{Value, json};

use crate::format::sql_type;

const NAMESPACE: &str = "org.apache.flink.avro.generated";
const RECORD: &str = "record";

/// The schema of rows of these columns; the error names a column whose name or type Avro does not have.
///
/// A column that may be null is a union of null and its type. If `legacy`, a TIMESTAMP, which has no zone, is written as the type of Avro
/// that is a moment.
pub(crate) fn of_table(fields: &Fields, legacy: bool) -> Result<Value, String> {
    let mut record = record(fields, RECORD, legacy)?;
    record["namespace"] = NAMESPACE.into();
    Ok(record)
}

fn record(fields: &Fields, name: &str, legacy: bool) -> Result<Value, String> {
    let field = |field: &Arc<Field>| {
        let column = field.name();
        if !is_name(column) {
            return Err(format!(
                "the name of column '{column}' is none that Avro allows: letters of ASCII, digits and '_', and no digit first"
            ));
        }
        let of_type = nullable(field, &format!("{name}_{column}"), legacy)
            .map_err(|reason| format!("column '{column}' {reason}"))?;
        Ok(if field.is_nullable() {
            json!({"name": column, "type": of_type, "default": null})
        } else {
            json!({"name": column, "type": of_type})
        })
    };
    let fields = fields.iter().map(field).collect::<Result<Vec<_>, String>>()?;
    Ok(json!({"type": "record", "name": name, "fields": fields}))
}

fn nullable(field: &Field, name: &str, legacy: bool) -> Result<Value, String> {
    let of_type = of_type(field.data_type(), name, legacy)?;
    Ok(if field.is_nullable() {
        json!(["null", of_type])
    } else {
        of_type
    })
}

fn of_type(data_type: &DataType, name: &str, legacy: bool) -> Result<Value, String> {
    Ok(match data_type {
        DataType::Boolean => "boolean".into(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => "int".into(),
        DataType::Int64 => "long".into(),
        DataType::Float32 => "float".into(),
        DataType::Float64 => "double".into(),
        DataType::Utf8 => "string".into(),
        DataType::Binary => "bytes".into(),
        DataType::Decimal128(precision, scale) => {
            json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale})
        }
        DataType::Date32 => json!({"type": "int", "logicalType": "date"}),
        DataType::Time32(_) => json!({"type": "int", "logicalType": "time-millis"}),
        DataType::Time64(TimeUnit::Microsecond) => json!({"type": "long", "logicalType": "time-micros"}),
        DataType::Timestamp(unit, zone) if *unit != TimeUnit::Nanosecond => {
            let local = if zone.is_none() && !legacy { "local-" } else { "" };
            let digits = if *unit == TimeUnit::Microsecond {
                "micros"
            } else {
                "millis"
            };
            json!({"type": "long", "logicalType": format!("{local}timestamp-{digits}")})
        }
        DataType::Struct(fields) => record(fields, name, legacy)?,
        DataType::List(item) => json!({"type": "array", "items": nullable(item, name, legacy)?}),
        DataType::Map(entries, _) => {
            let DataType::Struct(pair) = entries.data_type() else {
                return Err("is a map without entries".into());
            };
            if pair[0].data_type() != &DataType::Utf8 {
                return Err(format!(
                    "is a MAP with keys of {}: in Avro keys are STRING",
                    sql_type(pair[0].data_type())
                ));
            }
            json!({"type": "map", "values": nullable(&pair[1], name, legacy)?})
        }
        other => {
            return Err(format!(
                "is {}, which Avro has no type for: it has up to 6 digits of a second",
                sql_type(other)
            ));
        }
    })
}

fn is_name(name: &str) -> bool {
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    name.bytes().next().is_some_and(|first| !first.is_ascii_digit()) && name.as_bytes().iter().all(is_inner)
}
