//! The columns that rows of a schema have.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema as Columns, TimeUnit};

use super::schema::{Id, Kind, Logical, Schema};

/// The columns of rows of a schema: what a table of them would be. A field whose type holds itself is left out, as no type of SQL does.
/// The error says why there are none.
pub(super) fn of_schema(schema: &Schema) -> Result<Columns, String> {
    let root = schema.root();
    match schema.kind(root) {
        Kind::Record { .. } => match column(schema, root, &mut Vec::new()) {
            Some(DataType::Struct(fields)) => Ok(Columns::new(fields)),
            _ => Err("has no fields".into()),
        },
        _ => Err(format!("is a {}: rows are records", schema.name(root))),
    }
}

/// The type of a column; `within` are the records around it. None: it holds one of those.
fn column(schema: &Schema, id: Id, within: &mut Vec<Id>) -> Option<DataType> {
    let found = schema.get(id);
    Some(match (&found.kind, found.logical) {
        (Kind::Array(item), _) => DataType::List(Arc::new(field(schema, "item", *item, within)?)),
        (Kind::Map(value), _) => {
            let keys = Field::new("keys", DataType::Utf8, false);
            let pair = vec![keys, field(schema, "values", *value, within)?];
            let entries = Field::new("entries", DataType::Struct(pair.into()), false);
            DataType::Map(Arc::new(entries), false)
        }
        (Kind::Record { fields, .. }, _) => {
            if within.contains(&id) {
                return None;
            }
            within.push(id);
            let fields: Vec<_> = fields
                .iter()
                .filter_map(|inner| field(schema, &inner.name, inner.id, within))
                .collect();
            within.pop();
            DataType::Struct(fields.into())
        }
        (kind, logical) => scalar(kind, logical),
    })
}

fn field(schema: &Schema, name: &str, id: Id, within: &mut Vec<Id>) -> Option<Field> {
    let (id, is_nullable) = present(schema, id);
    Some(Field::new(name, column(schema, id, within)?, is_nullable))
}

/// The type of values without others within. What may be of several types is read as text, as far as it is one.
fn scalar(kind: &Kind, logical: Option<Logical>) -> DataType {
    match (kind, logical) {
        (Kind::Bytes | Kind::Fixed(_), Some(Logical::Decimal { precision, scale }))
            if precision <= 38 && scale <= precision =>
        {
            DataType::Decimal128(precision as u8, scale as i8)
        }
        (Kind::Int, Some(Logical::Date)) => DataType::Date32,
        (Kind::Int, Some(Logical::Time { .. })) => DataType::Time32(TimeUnit::Millisecond),
        (Kind::Long, Some(Logical::Time { .. })) => DataType::Time64(TimeUnit::Microsecond),
        (Kind::Long, Some(Logical::Timestamp { per_second, is_local })) => {
            let unit = match per_second {
                1_000 => TimeUnit::Millisecond,
                1_000_000 => TimeUnit::Microsecond,
                _ => TimeUnit::Nanosecond,
            };
            DataType::Timestamp(unit, (!is_local).then(|| "UTC".into()))
        }
        (Kind::Fixed(16), Some(Logical::Uuid)) => DataType::Utf8,
        (Kind::Boolean, _) => DataType::Boolean,
        (Kind::Int, _) => DataType::Int32,
        (Kind::Long, _) => DataType::Int64,
        (Kind::Float, _) => DataType::Float32,
        (Kind::Double, _) => DataType::Float64,
        (Kind::Bytes | Kind::Fixed(_), _) => DataType::Binary,
        _ => DataType::Utf8,
    }
}

/// The type of what is there, and whether null may be instead.
fn present(schema: &Schema, id: Id) -> (Id, bool) {
    let Kind::Union(branches) = schema.kind(id) else {
        return (id, matches!(schema.kind(id), Kind::Null));
    };
    let mut others = branches
        .iter()
        .filter(|branch| !matches!(schema.kind(**branch), Kind::Null));
    match (others.next(), others.next()) {
        (Some(only), None) => (*only, branches.len() > 1),
        _ => (id, true),
    }
}
