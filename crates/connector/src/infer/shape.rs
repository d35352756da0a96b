//! What values are, and what they are together.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, TimeUnit};

use crate::format::{parse_date, parse_time, parse_timestamp};

/// What values of a place have been so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Shape {
    /// Nothing but nulls.
    #[default]
    Null,
    Bool,
    Int,
    /// Whole numbers beyond 64 bits with a sign.
    Huge,
    Double,
    Date,
    Time,
    /// With so many digits of a second.
    Timestamp {
        digits: u32,
        zoned: bool,
    },
    Text,
    Array(Box<Shape>),
    Row(Members),
}

/// The members of objects, in the order in which they were first seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Members(pub(super) Vec<(String, Shape)>);

impl Members {
    /// The same with one more value of a member.
    pub(super) fn add(&mut self, name: &str, shape: Shape) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = std::mem::take(known).and(shape),
            None => self.0.push((name.to_owned(), shape)),
        }
    }

    /// As columns, which may all be null.
    pub(super) fn fields(&self) -> Fields {
        let fields = self
            .0
            .iter()
            .map(|(name, shape)| Field::new(name, shape.data_type(), true));
        fields.collect::<Vec<_>>().into()
    }
}

impl Shape {
    /// What a text is, if it is not just one.
    pub(super) fn of_text(text: &str) -> Self {
        let bytes = text.as_bytes();
        if let Some(moment) = parse_timestamp(bytes) {
            let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count() as u32;
            return Self::Timestamp {
                digits,
                zoned: moment.zone_s.is_some(),
            };
        }
        if parse_date(bytes).is_some() {
            Self::Date
        } else if text.len() >= 8 && parse_time(bytes).is_some() {
            Self::Time
        } else {
            Self::Text
        }
    }

    /// What this and another value are together; a text if they have nothing in common.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Null, known) | (known, Self::Null) => known,
            (Self::Int, Self::Huge) | (Self::Huge, Self::Int) => Self::Huge,
            (Self::Int | Self::Huge | Self::Double, Self::Double)
            | (Self::Double, Self::Int | Self::Huge) => Self::Double,
            (
                Self::Timestamp { digits, zoned },
                Self::Timestamp {
                    digits: others,
                    zoned: other,
                },
            ) if zoned == other => Self::Timestamp {
                digits: digits.max(others),
                zoned,
            },
            (Self::Array(item), Self::Array(other)) => Self::Array(Box::new(item.and(*other))),
            (Self::Row(mut members), Self::Row(others)) => {
                for (name, shape) in others.0 {
                    members.add(&name, shape);
                }
                Self::Row(members)
            }
            (one, other) if one == other => one,
            _ => Self::Text,
        }
    }

    /// The type of a column of such values.
    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::Null | Self::Text => DataType::Utf8,
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Huge => DataType::Decimal128(38, 0),
            Self::Double => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time32(TimeUnit::Millisecond),
            Self::Timestamp { digits, zoned } => {
                let unit = match digits {
                    0..=3 => TimeUnit::Millisecond,
                    4..=6 => TimeUnit::Microsecond,
                    _ => TimeUnit::Nanosecond,
                };
                DataType::Timestamp(unit, zoned.then(|| "UTC".into()))
            }
            Self::Array(item) => DataType::List(Arc::new(Field::new("item", item.data_type(), true))),
            // An object of no members has no columns.
            Self::Row(members) if members.0.is_empty() => DataType::Utf8,
            Self::Row(members) => DataType::Struct(members.fields()),
        }
    }
}
