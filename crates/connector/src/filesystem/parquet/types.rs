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
