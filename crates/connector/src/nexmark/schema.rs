//! The columns, and what a table may take of them.

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use crate::{OptionError, options::nearest};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let long = |name: &str| Field::new(name, DataType::Int64, true);
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let time = |name: &str| Field::new(name, DataType::Timestamp(TimeUnit::Millisecond, None), true);
    let row = |name: &str, fields: Vec<Field>| Field::new_struct(name, fields, true);
    Arc::new(Schema::new(vec![
        Field::new("event_type", DataType::Int32, true),
        row(
            "person",
            vec![
                long("id"),
                text("name"),
                text("emailAddress"),
                text("creditCard"),
                text("city"),
                text("state"),
                time("dateTime"),
                text("extra"),
            ],
        ),
        row(
            "auction",
            vec![
                long("id"),
                text("itemName"),
                text("description"),
                long("initialBid"),
                long("reserve"),
                time("dateTime"),
                time("expires"),
                long("seller"),
                long("category"),
                text("extra"),
            ],
        ),
        row(
            "bid",
            vec![
                long("auction"),
                long("bidder"),
                long("price"),
                text("channel"),
                text("url"),
                time("dateTime"),
                text("extra"),
            ],
        ),
    ]))
});

/// All columns: `event_type` (0 person, 1 auction, 2 bid) and a ROW for each kind, null in the rows of the others.
pub(super) fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// Refuses columns and fields that the source does not have, or has with another type.
pub(super) fn check(table: &Schema) -> Result<(), OptionError> {
    check_fields("", table.fields(), SCHEMA.fields())
}

fn check_fields(path: &str, given: &Fields, known: &Fields) -> Result<(), OptionError> {
    given.iter().try_for_each(|field| check_field(path, field, known))
}

fn check_field(path: &str, field: &Field, known: &Fields) -> Result<(), OptionError> {
    let name = format!("{path}{}", field.name());
    let Some((_, right)) = known.find(field.name()) else {
        return Err(unsupported(unknown_field(&name, field.name(), known)));
    };
    match (field.data_type(), right.data_type()) {
        (DataType::Struct(given), DataType::Struct(known)) if field.is_nullable() => {
            check_fields(&format!("{name}."), given, known)
        }
        (DataType::Struct(_), DataType::Struct(_)) => Err(unsupported(format!(
            "column '{name}' of connector 'nexmark' is null in the rows of other events: remove its NOT NULL"
        ))),
        (given, right) if given == right => Ok(()),
        (given, right) => Err(unsupported(format!(
            "column '{name}' of connector 'nexmark' is {}, not {}",
            sql_name(right),
            sql_name(given)
        ))),
    }
}

fn unknown_field(name: &str, last: &str, known: &Fields) -> String {
    let names = known.iter().map(|field| field.name().as_str());
    let all = names.clone().collect::<Vec<_>>().join(", ");
    match nearest(last, names) {
        Some(right) => format!("connector 'nexmark' has no column '{name}': did you mean '{right}'?"),
        None => format!("connector 'nexmark' has no column '{name}' among {all}"),
    }
}

fn unsupported(reason: String) -> OptionError {
    OptionError::Unsupported { reason }
}

fn sql_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Utf8 => "STRING".to_owned(),
        DataType::Timestamp(TimeUnit::Millisecond, None) => "TIMESTAMP(3)".to_owned(),
        DataType::Struct(fields) => {
            let fields = fields
                .iter()
                .map(|f| format!("{} {}", f.name(), sql_name(f.data_type())));
            format!("ROW<{}>", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
