//! Protobuf's messages into columns.

use std::ops::Range;

use super::{
    plan::{self, Default, Scalar, Shape, Type},
    scalar,
    wire::{Bytes, DELIMITED, FIXED32, FIXED64, Raw, VARINT, raw, skip},
};
use crate::format::{
    column::{Column, Values},
    fault::{Outcome, fault},
};

/// Fields up to this number are found by it.
const DENSE: usize = 256;

/// Reads messages of a type into columns.
#[derive(Debug)]
pub(super) struct Message {
    fields: Vec<Field>,
    /// The place of each field by its number, one more than it is; 0: it is not read.
    dense: Vec<u16>,
    /// Those of larger numbers.
    others: Vec<(u64, usize)>,
    /// What was found of each field in the message that is read.
    slots: Vec<Slot>,
    read_defaults: bool,
}

#[derive(Debug)]
struct Field {
    shape: Reader,
    is_required: bool,
    oneof: Option<usize>,
    number: u32,
}

#[derive(Debug)]
enum Reader {
    One {
        of: Value,
        has_presence: bool,
        default: Default,
    },
    Many(Value),
    Map {
        key: Value,
        value: Value,
        defaults: [Default; 2],
    },
}

/// Reads a value.
#[derive(Debug)]
enum Value {
    Scalar(Scalar),
    Enum(Vec<(i32, String)>),
    Message(Message),
    Timestamp { per_second: i64 },
}

/// What was found of a field that has one value.
#[derive(Debug, std::default::Default)]
struct Slot {
    is_there: bool,
    bits: u64,
    /// Where its bytes are in the message.
    range: Range<usize>,
    /// The bytes of a message that came in several parts, which are one.
    merged: Vec<u8>,
}

impl Value {
    fn new(of: &Type, read_defaults: bool) -> Self {
        match of {
            Type::Scalar(scalar) => Self::Scalar(*scalar),
            Type::Enum(names) => Self::Enum(names.clone()),
            Type::Message(message) => Self::Message(Message::new(message, read_defaults)),
            Type::Timestamp { per_second } => Self::Timestamp {
                per_second: *per_second,
            },
        }
    }

    /// How it is found.
    fn wire(&self) -> u64 {
        match self {
            Self::Scalar(scalar) => match scalar {
                Scalar::Bool | Scalar::Int | Scalar::Uint32 | Scalar::Sint => VARINT,
                Scalar::Fixed32 { .. } | Scalar::Float => FIXED32,
                Scalar::Fixed64 | Scalar::Double => FIXED64,
                Scalar::Text | Scalar::Bytes => DELIMITED,
            },
            Self::Enum(_) => VARINT,
            Self::Message(_) | Self::Timestamp { .. } => DELIMITED,
        }
    }

    /// Appends a value to the column.
    #[inline]
    fn append(&mut self, raw: Raw<'_>, column: &mut Column) -> Outcome<()> {
        match (self, &mut column.values) {
            (Self::Scalar(of), values) => scalar::append(*of, raw, values)?,
            (Self::Enum(names), Values::Text(texts)) => {
                let number = raw.bits as i32;
                match names.binary_search_by_key(&number, |(number, _)| *number) {
                    Ok(index) => texts.bytes.extend_from_slice(names[index].1.as_bytes()),
                    // One of a later version of the type.
                    Err(_) => texts
                        .bytes
                        .extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
                }
                texts.end();
            }
            (Self::Message(message), Values::Row(columns)) => message.read(raw.bytes, columns)?,
            (Self::Timestamp { per_second }, Values::Timestamp { values, .. }) => {
                values.push(scalar::timestamp(raw.bytes, *per_second)?);
            }
            _ => return fault("is read into a column of another type"),
        }
        column.end_value();
        Ok(())
    }
}

impl Default {
    fn raw(&self) -> Raw<'_> {
        match self {
            Self::Bits(bits) => Raw {
                bits: *bits,
                bytes: &[],
            },
            Self::Bytes(bytes) => Raw { bits: 0, bytes },
        }
    }
}

impl Message {
    /// As the plan says.
    pub(super) fn new(plan: &plan::Message, read_defaults: bool) -> Self {
        let fields: Vec<_> = plan
            .fields
            .iter()
            .map(|field| Field::new(field, read_defaults))
            .collect();
        let numbers = fields.iter().map(|field| field.number as usize);
        let mut dense = vec![
            0;
            numbers
                .filter(|number| *number < DENSE)
                .max()
                .map_or(0, |last| last + 1)
        ];
        let mut others = Vec::new();
        for (place, field) in fields.iter().enumerate() {
            match dense.get_mut(field.number as usize) {
                Some(found) => *found = u16::try_from(place + 1).unwrap_or(0),
                None => others.push((field.number.into(), place)),
            }
        }
        Self {
            slots: fields.iter().map(|_| Slot::default()).collect(),
            fields,
            dense,
            others,
            read_defaults,
        }
    }

    #[inline]
    fn place(&self, number: u64) -> Option<usize> {
        match self.dense.get(number as usize) {
            Some(0) => None,
            Some(place) => Some(usize::from(*place) - 1),
            None => {
                let mut others = self.others.iter();
                others
                    .find(|(known, _)| *known == number)
                    .map(|(_, place)| *place)
            }
        }
    }

    /// Appends a message to the columns, a value to each.
    pub(super) fn read(&mut self, message: &[u8], columns: &mut [Column]) -> Outcome<()> {
        for slot in &mut self.slots {
            slot.is_there = false;
        }
        let mut bytes = Bytes(message);
        while !bytes.0.is_empty() {
            let tag = bytes.varint()?;
            let (number, wire) = (tag >> 3, tag & 7);
            match self.place(number) {
                None if number == 0 => return fault("has a field of the number 0"),
                None => skip(number, wire, &mut bytes)?,
                Some(place) => {
                    let taken = self.take(place, wire, &mut bytes, message, &mut columns[place]);
                    taken.map_err(|fault| fault.within(columns[place].field.name()))?;
                }
            }
        }
        for ((field, slot), column) in self.fields.iter_mut().zip(&self.slots).zip(columns) {
            let ended = field.end(slot, message, self.read_defaults, column);
            ended.map_err(|fault| fault.within(column.field.name()))?;
        }
        Ok(())
    }

    /// Takes a value of a field: keeps it if another one may follow in its place, else appends it.
    #[inline]
    fn take(
        &mut self,
        place: usize,
        wire: u64,
        bytes: &mut Bytes<'_>,
        message: &[u8],
        column: &mut Column,
    ) -> Outcome<()> {
        let Field {
            shape, oneof, number, ..
        } = &mut self.fields[place];
        match (shape, &mut column.values) {
            (Reader::One { of, .. }, _) if of.wire() == wire => {
                let raw = raw(wire, bytes)?;
                let end = message.len() - bytes.0.len();
                let is_message = matches!(of, Value::Message(_) | Value::Timestamp { .. });
                if let Some(oneof) = *oneof {
                    self.forget_others(oneof, place);
                }
                self.slots[place].set(raw, end, message, is_message);
                Ok(())
            }
            (Reader::Many(of), Values::Array(_, item)) => many(of, *number, wire, bytes, item),
            (
                Reader::Map { key, value, defaults },
                Values::Map {
                    key: keys,
                    value: values,
                    ..
                },
            ) if wire == DELIMITED => {
                let (key_raw, value_raw) =
                    entry(raw(wire, bytes)?.bytes, [key.wire(), value.wire()], defaults)?;
                key.append(key_raw, keys)?;
                match value_raw {
                    Parts::One(raw) => value.append(raw, values),
                    Parts::Several(bytes) => value.append(
                        Raw {
                            bits: 0,
                            bytes: &bytes,
                        },
                        values,
                    ),
                }
            }
            _ => skip((*number).into(), wire, bytes),
        }
    }

    /// Of the fields of a choice, the last that comes counts.
    #[cold]
    fn forget_others(&mut self, oneof: usize, place: usize) {
        for (other, field) in self.fields.iter().enumerate() {
            if other != place && field.oneof == Some(oneof) {
                self.slots[other].is_there = false;
            }
        }
    }
}

impl Slot {
    #[inline]
    fn set(&mut self, raw: Raw<'_>, end: usize, message: &[u8], is_message: bool) {
        let range = end - raw.bytes.len()..end;
        if self.is_there && is_message {
            if self.merged.is_empty() {
                self.merged.extend_from_slice(&message[self.range.clone()]);
            }
            self.merged.extend_from_slice(&message[range.clone()]);
        } else {
            self.merged.clear();
        }
        (self.is_there, self.bits, self.range) = (true, raw.bits, range);
    }
}

impl Field {
    fn new(plan: &plan::Field, read_defaults: bool) -> Self {
        let value = |of: &Type| Value::new(of, read_defaults);
        let shape = match &plan.shape {
            Shape::One {
                of,
                has_presence,
                default,
            } => Reader::One {
                of: value(of),
                has_presence: *has_presence,
                default: default.clone(),
            },
            Shape::Many { of, .. } => Reader::Many(value(of)),
            Shape::Map {
                key,
                value: of,
                defaults,
            } => Reader::Map {
                key: value(key),
                value: value(of),
                defaults: defaults.clone(),
            },
        };
        Self {
            shape,
            is_required: plan.is_required,
            oneof: plan.oneof,
            number: plan.number,
        }
    }

    /// Appends what was found in the whole message.
    #[inline]
    fn end(&mut self, slot: &Slot, message: &[u8], read_defaults: bool, column: &mut Column) -> Outcome<()> {
        let may_be_null = column.field.is_nullable() && !read_defaults;
        match (&mut self.shape, &mut column.values) {
            (Reader::One { of, .. }, _) if slot.is_there => {
                let bytes = if slot.merged.is_empty() {
                    &message[slot.range.clone()]
                } else {
                    &slot.merged[..]
                };
                of.append(
                    Raw {
                        bits: slot.bits,
                        bytes,
                    },
                    column,
                )
            }
            (Reader::One { .. }, _) if self.is_required => fault("is not there, but required"),
            (
                Reader::One {
                    has_presence: true, ..
                },
                _,
            ) if may_be_null => {
                column.append_null();
                Ok(())
            }
            (Reader::One { of, default, .. }, _) => of.append(default.raw(), column),
            (_, Values::Array(offsets, item)) => {
                let len = item.len() as i32;
                if may_be_null && offsets.last() == Some(&len) {
                    column.append_null();
                } else {
                    offsets.push(len);
                    column.end_value();
                }
                Ok(())
            }
            (_, Values::Map { offsets, key, .. }) => {
                let len = key.len() as i32;
                if may_be_null && offsets.last() == Some(&len) {
                    column.append_null();
                } else {
                    offsets.push(len);
                    column.end_value();
                }
                Ok(())
            }
            _ => fault("is read into a column of another type"),
        }
    }
}

/// Appends values of a field that has many: one, or as many as are packed.
fn many(of: &mut Value, number: u32, wire: u64, bytes: &mut Bytes<'_>, item: &mut Column) -> Outcome<()> {
    let own = of.wire();
    if wire == own {
        return of.append(raw(wire, bytes)?, item);
    }
    if wire != DELIMITED {
        return skip(number.into(), wire, bytes);
    }
    let mut packed = Bytes(raw(wire, bytes)?.bytes);
    while !packed.0.is_empty() {
        of.append(raw(own, &mut packed)?, item)?;
    }
    Ok(())
}

/// The value of an entry of a map.
enum Parts<'a> {
    One(Raw<'a>),
    /// A message in several parts.
    Several(Vec<u8>),
}

/// The key and the value of an entry of a map.
fn entry<'a>(entry: &'a [u8], wires: [u64; 2], defaults: &'a [Default; 2]) -> Outcome<(Raw<'a>, Parts<'a>)> {
    let [mut key, mut value] = [defaults[0].raw(), defaults[1].raw()];
    let mut several = Vec::new();
    let mut is_there = false;
    let mut bytes = Bytes(entry);
    while !bytes.0.is_empty() {
        let tag = bytes.varint()?;
        match (tag >> 3, tag & 7) {
            (1, wire) if wire == wires[0] => key = raw(wire, &mut bytes)?,
            (2, wire) if wire == wires[1] => {
                let next = raw(wire, &mut bytes)?;
                if is_there && wire == DELIMITED {
                    several.extend_from_slice(value.bytes);
                }
                (value, is_there) = (next, true);
            }
            (number, wire) => skip(number, wire, &mut bytes)?,
        }
    }
    if several.is_empty() {
        return Ok((key, Parts::One(value)));
    }
    several.extend_from_slice(value.bytes);
    Ok((key, Parts::Several(several)))
}
