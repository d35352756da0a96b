//! The columns that a message has: of each field one, but of groups, which old messages have, and of messages that hold themselves.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

/// The columns of a message's fields.
pub(super) fn of_message(message: &MessageDescriptor) -> Schema {
    Schema::new(fields(message, &mut Vec::new()))
}

/// `within` are the messages around this one.
fn fields(message: &MessageDescriptor, within: &mut Vec<MessageDescriptor>) -> Fields {
    within.push(message.clone());
    let mut all: Vec<_> = message.fields().filter(|field| !field.is_group()).collect();
    all.sort_by_key(FieldDescriptor::number);
    let columns = all
        .iter()
        .filter_map(|field| Some(Field::new(field.name(), column(field, within)?, true)));
    let columns: Vec<_> = columns.collect();
    within.pop();
    columns.into()
}

/// None: no type of SQL holds itself.
fn column(field: &FieldDescriptor, within: &mut Vec<MessageDescriptor>) -> Option<DataType> {
    if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
        let pair = vec![
            Field::new("keys", value(&entry.map_entry_key_field(), within)?, false),
            Field::new("values", value(&entry.map_entry_value_field(), within)?, true),
        ];
        let entries = Field::new("entries", DataType::Struct(pair.into()), false);
        return Some(DataType::Map(Arc::new(entries), false));
    }
    let value = value(field, within)?;
    Some(if field.is_list() {
        DataType::List(Arc::new(Field::new("item", value, true)))
    } else {
        value
    })
}

fn value(field: &FieldDescriptor, within: &mut Vec<MessageDescriptor>) -> Option<DataType> {
    Some(match field.kind() {
        Kind::Bool => DataType::Boolean,
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => DataType::Int32,
        Kind::Int64
        | Kind::Sint64
        | Kind::Sfixed64
        | Kind::Uint32
        | Kind::Fixed32
        | Kind::Uint64
        | Kind::Fixed64 => DataType::Int64,
        Kind::Float => DataType::Float32,
        Kind::Double => DataType::Float64,
        Kind::String | Kind::Enum(_) => DataType::Utf8,
        Kind::Bytes => DataType::Binary,
        Kind::Message(of) if of.full_name() == "google.protobuf.Timestamp" => {
            DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
        }
        Kind::Message(of) if within.contains(&of) => return None,
        Kind::Message(of) => DataType::Struct(fields(&of, within)),
    })
}
