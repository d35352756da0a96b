//! How the values that one schema writes become columns of a table: decided once for a schema.
//!
//! The rules are those of the specification's schema resolution, with the schema that a table has as the reader's: fields meet by name, what
//! the table lacks is stepped over, what the writer lacks is null, numbers become wider ones.

use arrow_schema::{DataType, Field as Column, Fields, TimeUnit};

use super::schema::{Id, Kind, Logical, Schema};
use crate::format::{sql_type, value::per_second};

/// What to do with the bytes of a value.
#[derive(Debug)]
pub(super) enum Plan {
    /// There are none: the value is null.
    Null,
    /// A value of a single column.
    Scalar(Scalar),
    /// The number of a branch of a union, and a value of that.
    Union(Vec<Plan>),
    /// The fields of a record.
    Row(Row),
    /// Values in blocks.
    Array(Box<Plan>),
    /// Keys and values in blocks.
    Map(Box<Plan>),
    /// It cannot be in the column, for this reason.
    Refuse(String),
}

/// The fields of a record, in the writer's order.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) steps: Vec<Step>,
    /// Columns that the writer does not have: null.
    pub(super) missing: Vec<usize>,
}

/// What to do with a field.
#[derive(Debug)]
pub(super) enum Step {
    /// Steps over a value.
    Skip(Id),
    /// Appends it to a column.
    Read { column: usize, plan: Plan },
}

/// How a value is written that becomes one of a column without others within.
#[derive(Debug)]
pub(super) enum Scalar {
    Bool,
    /// An int or a long, which means what the column's type is.
    Whole,
    /// The same, in units of a second of which the column has others.
    InUnit {
        per_second: i64,
        wanted: i64,
    },
    Float,
    Double,
    Bytes,
    Text,
    Enum(Vec<Vec<u8>>),
    Fixed(usize),
    /// 16 bytes that are written as text.
    Uuid,
    /// An integer of 10^-`scale`, big-endian, of that many bytes or with their number before.
    Decimal {
        size: Option<usize>,
        scale: u32,
    },
}

/// The plan of a record that a schema writes for these columns; the error says why they cannot be had.
pub(super) fn of_record(schema: &Schema, columns: &Fields) -> Result<Row, String> {
    match schema.kind(schema.root()) {
        Kind::Record { .. } => row(schema, schema.root(), columns),
        _ => Err(format!(
            "the schema is of {}, and rows are records",
            schema.name(schema.root())
        )),
    }
}

fn row(schema: &Schema, id: Id, columns: &Fields) -> Result<Row, String> {
    let Kind::Record { name, fields } = schema.kind(id) else {
        return Err(format!("{} is no record", schema.name(id)));
    };
    let mut steps = Vec::with_capacity(fields.len());
    for field in fields {
        let found = columns.iter().position(|column| *column.name() == field.name);
        steps.push(match found {
            None => Step::Skip(field.id),
            Some(column) => {
                let plan = plan(schema, field.id, &columns[column]);
                let plan = plan.map_err(|reason| format!("field '{}': {reason}", field.name))?;
                if let Plan::Refuse(reason) = plan {
                    return Err(format!("field '{}': {reason}", field.name));
                }
                Step::Read { column, plan }
            }
        });
    }
    let is_missing = |column: &Column| fields.iter().all(|field| field.name != *column.name());
    let missing = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| is_missing(column));
    let missing: Vec<_> = missing.map(|(index, _)| index).collect();
    if let Some(strict) = missing.iter().find(|index| !columns[**index].is_nullable()) {
        return Err(format!(
            "column '{}' is NOT NULL, and {name} has no field of that name",
            columns[*strict].name()
        ));
    }
    Ok(Row { steps, missing })
}

fn plan(schema: &Schema, id: Id, column: &Column) -> Result<Plan, String> {
    let refused = || {
        let wanted = sql_type(column.data_type());
        Plan::Refuse(format!(
            "a value of Avro's type {} is no {wanted}",
            schema.name(id)
        ))
    };
    Ok(match (schema.kind(id), column.data_type()) {
        (Kind::Null, _) if column.is_nullable() => Plan::Null,
        (Kind::Null, _) => Plan::Refuse("is null, but the column is NOT NULL".into()),
        (Kind::Union(branches), _) => {
            let plans = branches.iter().map(|branch| plan(schema, *branch, column));
            let plans = plans.collect::<Result<Vec<_>, _>>()?;
            if plans.iter().all(|plan| matches!(plan, Plan::Refuse(_))) {
                return Ok(refused());
            }
            Plan::Union(plans)
        }
        (Kind::Record { .. }, DataType::Struct(columns)) => Plan::Row(row(schema, id, columns)?),
        (Kind::Array(item), DataType::List(column)) => Plan::Array(Box::new(whole(schema, *item, column)?)),
        (Kind::Map(value), DataType::Map(entries, _)) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 && pair[0].data_type() == &DataType::Utf8 => {
                Plan::Map(Box::new(whole(schema, *value, &pair[1])?))
            }
            _ => Plan::Refuse("the keys of a map are STRING".into()),
        },
        _ => scalar(schema, id, column.data_type()).map_or_else(refused, Plan::Scalar),
    })
}

/// The plan of what is within another value, which must be had.
fn whole(schema: &Schema, id: Id, column: &Column) -> Result<Plan, String> {
    match plan(schema, id, column)? {
        Plan::Refuse(reason) => Err(reason),
        plan => Ok(plan),
    }
}

fn scalar(schema: &Schema, id: Id, wanted: &DataType) -> Option<Scalar> {
    use DataType as T;
    let found = schema.get(id);
    Some(match (&found.kind, wanted) {
        (Kind::Boolean, T::Boolean) => Scalar::Bool,
        (Kind::Int | Kind::Long, T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Float32 | T::Float64) => {
            Scalar::Whole
        }
        (Kind::Int, T::Date32) => Scalar::Whole,
        (Kind::Int | Kind::Long, T::Time32(unit) | T::Time64(unit)) => match found.logical {
            Some(Logical::Time { per_second }) => in_unit(per_second, *unit),
            Some(_) => return None,
            None => in_unit(derived_unit(*unit), *unit),
        },
        (Kind::Long, T::Timestamp(unit, _)) => match found.logical {
            Some(Logical::Timestamp { per_second, .. }) => in_unit(per_second, *unit),
            Some(_) => return None,
            None => in_unit(derived_unit(*unit), *unit),
        },
        (Kind::Float, T::Float32 | T::Float64) => Scalar::Float,
        (Kind::Double, T::Float64) => Scalar::Double,
        (Kind::Bytes | Kind::String, T::Utf8) => Scalar::Text,
        (Kind::Bytes | Kind::String, T::Binary) => Scalar::Bytes,
        (Kind::Enum(symbols), T::Utf8) => {
            Scalar::Enum(symbols.iter().map(|symbol| symbol.clone().into_bytes()).collect())
        }
        (Kind::Fixed(16), T::Utf8) if found.logical == Some(Logical::Uuid) => Scalar::Uuid,
        (Kind::Fixed(size), T::Binary) => Scalar::Fixed(*size),
        (Kind::Bytes, T::Decimal128(..)) => decimal(None, found.logical)?,
        (Kind::Fixed(size), T::Decimal128(..)) => decimal(Some(*size), found.logical)?,
        _ => return None,
    })
}

fn decimal(size: Option<usize>, logical: Option<Logical>) -> Option<Scalar> {
    match logical {
        Some(Logical::Decimal { scale, .. }) => Some(Scalar::Decimal { size, scale }),
        _ => None,
    }
}

/// The unit in which a table's own schema has such a column.
fn derived_unit(unit: TimeUnit) -> i64 {
    per_second(unit).max(1_000)
}

fn in_unit(written: i64, unit: TimeUnit) -> Scalar {
    let wanted = per_second(unit);
    if written == wanted {
        Scalar::Whole
    } else {
        Scalar::InUnit {
            per_second: written,
            wanted,
        }
    }
}
