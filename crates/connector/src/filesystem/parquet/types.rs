//! Which of a file's types make a table's, and the other way round.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// Whether values of a file's type are read as values of the table's: the same, or without loss, but for digits of a second. Not of
/// types with others inside.
pub(super) fn is_readable(file: &DataType, table: &DataType) -> bool {
    use DataType::{
        Binary, Date32, Decimal32, Decimal64, Decimal128, Decimal256, FixedSizeBinary, Float16, Float32,
        Float64, Int8, Int16, Int32, Int64, Null, Time32, Time64, Timestamp, UInt8, UInt16, UInt32, Utf8,
    };
    match (file, table) {
        (file, table) if file == table => true,
        (Null, _)
        | (Int8 | UInt8, Int16 | Int32 | Int64)
        | (Int16 | UInt16, Int32 | Int64)
        | (Int32 | UInt32, Int64)
        | (Float16, Float32 | Float64)
        | (Float32, Float64)
        // Text that old writers do not mark as such.
        | (Binary, Utf8)
        | (Utf8 | FixedSizeBinary(_), Binary)
        // Writers differ in whether they say that a time is in UTC.
        | (Timestamp(..) | Date32, Timestamp(..))
        | (Time32(_) | Time64(_), Time32(_) | Time64(_)) => true,
        (
            Decimal32(precision, scale)
            | Decimal64(precision, scale)
            | Decimal128(precision, scale)
            | Decimal256(precision, scale),
            Decimal128(wider, finer),
        ) => {
            let whole = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
            finer >= scale && whole(*wider, *finer) >= whole(*precision, *scale)
        }
        _ => false,
    }
}

/// The columns of a table that reads files of this schema; those of types that no table has are left out.
pub(super) fn table_schema(file: &Schema) -> SchemaRef {
    Arc::new(Schema::new(table_fields(file.fields())))
}

fn table_fields(fields: &Fields) -> Fields {
    fields.iter().filter_map(|field| table_field(field)).collect()
}

fn table_field(field: &Field) -> Option<Arc<Field>> {
    let data_type = table_type(field.data_type())?;
    Some(Arc::new(Field::new(field.name(), data_type, field.is_nullable())))
}

fn table_type(file: &DataType) -> Option<DataType> {
    Some(match file {
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal256(precision, scale)
            if *precision <= 38 =>
        {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("UTC".into())),
        DataType::List(item) => DataType::List(table_field(item)?),
        DataType::Struct(fields) => DataType::Struct(table_fields(fields)),
        DataType::Map(entries, sorted) => DataType::Map(table_field(entries)?, *sorted),
        DataType::Null => DataType::Utf8,
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Utf8
        | DataType::Binary
        | DataType::Date32
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(_, None) => file.clone(),
        _ => return None,
    })
}

/// The schema that files have of rows of a table: Parquet knows no seconds alone, and no marks of ours.
pub(super) fn stored_schema(schema: &SchemaRef) -> SchemaRef {
    Arc::new(Schema::new(stored_fields(schema.fields())))
}

fn stored_fields(fields: &Fields) -> Fields {
    fields.iter().map(stored_field).collect()
}

fn stored_field(field: &Arc<Field>) -> Arc<Field> {
    Arc::new(Field::new(
        field.name(),
        stored(field.data_type()),
        field.is_nullable(),
    ))
}

fn stored(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(TimeUnit::Second, zone) => {
            DataType::Timestamp(TimeUnit::Millisecond, zone.clone())
        }
        DataType::Time32(TimeUnit::Second) => DataType::Time32(TimeUnit::Millisecond),
        DataType::Struct(fields) => DataType::Struct(stored_fields(fields)),
        DataType::List(field) => DataType::List(stored_field(field)),
        DataType::Map(entries, sorted) => DataType::Map(stored_field(entries), *sorted),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_that_lose_nothing() {
        let instant = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        for (file, table, expected) in [
            (DataType::Int32, DataType::Int64, true),
            (DataType::Int64, DataType::Int32, false),
            (DataType::UInt32, DataType::Int64, true),
            (DataType::UInt32, DataType::Int32, false),
            (DataType::Float64, DataType::Float32, false),
            (DataType::Utf8, DataType::Int64, false),
            (DataType::Binary, DataType::Utf8, true),
            (
                DataType::Timestamp(TimeUnit::Nanosecond, None),
                instant.clone(),
                true,
            ),
            (DataType::Int64, instant, false),
            (DataType::Decimal128(5, 2), DataType::Decimal128(6, 3), true),
            (DataType::Decimal128(5, 2), DataType::Decimal128(5, 3), false),
        ] {
            assert_eq!(is_readable(&file, &table), expected, "{file} as {table}");
        }
    }
}
