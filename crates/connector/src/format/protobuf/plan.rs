//! Which field of a message is which column, and how its values are written: decided once for a table.

use std::sync::Arc;

use arrow_schema::{DataType, Field as Column, Fields};
use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor, Value};

use crate::format::{sql_type, value::per_second};

/// The fields of a message that columns are of, in the order of the columns.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) fields: Vec<Field>,
}

/// A field with the column of its place.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) shape: Shape,
    pub(super) is_required: bool,
    /// Which choice it is one of, by its place in the message.
    pub(super) oneof: Option<usize>,
}

/// How often a field has a value.
#[derive(Debug)]
pub(super) enum Shape {
    One {
        of: Type,
        /// Whether it can be told that it is not there.
        has_presence: bool,
        default: Default,
    },
    Many {
        of: Type,
        is_packed: bool,
    },
    Map {
        key: Type,
        value: Type,
        defaults: [Default; 2],
    },
}

/// How a value is written.
#[derive(Debug)]
pub(super) enum Type {
    Scalar(Scalar),
    /// The names of numbers, sorted by number.
    Enum(Vec<(i32, String)>),
    Message(Message),
    /// Seconds since 1970 and nanoseconds, as a timestamp of so many units a second.
    Timestamp {
        per_second: i64,
    },
}

/// How a value without others within is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    /// A number of seven bits a byte, with 64 bits where it is negative, or without sign.
    Int,
    /// The same without sign, of 32 bits.
    Uint32,
    /// The same with the sign in the lowest bit.
    Sint,
    /// Four bytes, the lowest first.
    Fixed32 {
        is_signed: bool,
    },
    /// Eight.
    Fixed64,
    Float,
    Double,
    Text,
    Bytes,
}

/// The value of a field that is not there: its bits, or its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Default {
    Bits(u64),
    Bytes(Vec<u8>),
}

impl Message {
    /// Of a message type, for these columns; the error names the column that it has no field for, and the field.
    pub(super) fn new(message: &MessageDescriptor, columns: &Fields) -> Result<Self, String> {
        let field = |column: &Arc<Column>| {
            let name = column.name();
            let found = message.get_field_by_name(name).ok_or_else(|| {
                let known: Vec<_> = message.fields().map(|field| field.name().to_owned()).collect();
                format!(
                    "column '{name}': the message {} has no field of that name, but {}",
                    message.full_name(),
                    known.join(", ")
                )
            })?;
            Field::new(&found, column).map_err(|reason| format!("column '{name}': {reason}"))
        };
        Ok(Self {
            fields: columns.iter().map(field).collect::<Result<_, _>>()?,
        })
    }
}

impl Field {
    fn new(field: &FieldDescriptor, column: &Column) -> Result<Self, String> {
        let refused = || {
            let wanted = sql_type(column.data_type());
            format!(
                "the field {} is {}, which is no {wanted}",
                field.full_name(),
                shown(field)
            )
        };
        let shape = match (field, column.data_type()) {
            (field, DataType::Map(entries, _)) if field.is_map() => {
                let (Kind::Message(entry), DataType::Struct(pair)) = (field.kind(), entries.data_type())
                else {
                    return Err(refused());
                };
                let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
                let defaults = [default(&key), default(&value)];
                Shape::Map {
                    key: Type::new(&key, pair[0].data_type())?.ok_or_else(refused)?,
                    value: Type::new(&value, pair[1].data_type())?.ok_or_else(refused)?,
                    defaults,
                }
            }
            (field, DataType::List(item)) if field.is_list() => Shape::Many {
                of: Type::new(field, item.data_type())?.ok_or_else(refused)?,
                is_packed: field.is_packed(),
            },
            (field, data_type) if !field.is_list() && !field.is_map() => Shape::One {
                of: Type::new(field, data_type)?.ok_or_else(refused)?,
                has_presence: field.supports_presence(),
                default: default(field),
            },
            _ => return Err(refused()),
        };
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        Ok(Self {
            number: field.number(),
            shape,
            is_required: field.cardinality() == Cardinality::Required,
            oneof: oneof.map(|oneof| oneof.path().last().copied().unwrap_or_default() as usize),
        })
    }
}

impl Type {
    /// None: it is no value of the column's type.
    fn new(field: &FieldDescriptor, wanted: &DataType) -> Result<Option<Self>, String> {
        use DataType as T;
        let scalar = |scalar| Ok(Some(Self::Scalar(scalar)));
        match (field.kind(), wanted) {
            (Kind::Bool, T::Boolean) => scalar(Scalar::Bool),
            // Of an enum, the number, as Flink has it.
            (Kind::Int32, T::Int32)
            | (Kind::Int64 | Kind::Uint64, T::Int64)
            | (Kind::Enum(_), T::Int8 | T::Int16 | T::Int32 | T::Int64) => scalar(Scalar::Int),
            (Kind::Uint32, T::Int32 | T::Int64) => scalar(Scalar::Uint32),
            (Kind::Sint32, T::Int32) | (Kind::Sint64, T::Int64) => scalar(Scalar::Sint),
            (Kind::Fixed32, T::Int32 | T::Int64) => scalar(Scalar::Fixed32 { is_signed: false }),
            (Kind::Sfixed32, T::Int32) => scalar(Scalar::Fixed32 { is_signed: true }),
            (Kind::Fixed64 | Kind::Sfixed64, T::Int64) => scalar(Scalar::Fixed64),
            (Kind::Float, T::Float32) => scalar(Scalar::Float),
            (Kind::Double, T::Float64) => scalar(Scalar::Double),
            (Kind::String, T::Utf8) => scalar(Scalar::Text),
            (Kind::Bytes, T::Binary) => scalar(Scalar::Bytes),
            (Kind::Enum(of), T::Utf8) => {
                let mut names: Vec<_> = of
                    .values()
                    .map(|value| (value.number(), value.name().to_owned()))
                    .collect();
                // Of several names of a number the first counts.
                names.sort_by_key(|(number, _)| *number);
                names.dedup_by_key(|(number, _)| *number);
                Ok(Some(Self::Enum(names)))
            }
            (Kind::Message(of), T::Struct(columns)) if !field.is_group() => {
                Ok(Some(Self::Message(Message::new(&of, columns)?)))
            }
            (Kind::Message(of), T::Timestamp(unit, _)) if of.full_name() == "google.protobuf.Timestamp" => {
                let per_second = per_second(*unit);
                Ok(Some(Self::Timestamp { per_second }))
            }
            _ => Ok(None),
        }
    }
}

/// A field's type as people write it.
fn shown(field: &FieldDescriptor) -> String {
    let kind = format!("{:?}", field.kind());
    let kind = match field.kind() {
        Kind::Message(of) => of.full_name().to_owned(),
        Kind::Enum(of) => format!("the enum {}", of.full_name()),
        _ => kind.to_lowercase(),
    };
    match (field.is_map(), field.is_list()) {
        (true, _) => "a map".to_owned(),
        (_, true) => format!("repeated {kind}"),
        _ => kind,
    }
}

fn default(field: &FieldDescriptor) -> Default {
    match field.default_value() {
        Value::Bool(value) => Default::Bits(value.into()),
        Value::I32(value) | Value::EnumNumber(value) => Default::Bits(i64::from(value) as u64),
        Value::I64(value) => Default::Bits(value as u64),
        Value::U32(value) => Default::Bits(value.into()),
        Value::U64(value) => Default::Bits(value),
        Value::F32(value) => Default::Bits(value.to_bits().into()),
        Value::F64(value) => Default::Bits(value.to_bits()),
        Value::String(text) => Default::Bytes(text.into_bytes()),
        Value::Bytes(bytes) => Default::Bytes(bytes.to_vec()),
        _ => Default::Bytes(Vec::new()),
    }
}
