//! A column's options.

use std::time::Duration;

use arrow_schema::{DataType, Field};

use super::{key, random::FieldRandom, useless};
use crate::{
    OptionError,
    format::{parse_decimal, sql_type},
    options::{Checked, invalid},
};

/// Strings and arrays longer than this are refused: a batch of them would not fit into memory.
const MAX_LENGTH: i64 = 1 << 20;

/// Makes the values of one column.
#[derive(Clone, Debug)]
pub(super) struct Generator {
    pub(super) data_type: DataType,
    pub(super) kind: Kind,
    pub(super) random: FieldRandom,
    /// The share of nulls, and their chance.
    pub(super) null_rate: f64,
    pub(super) null_random: FieldRandom,
}

/// How the values of a column are made.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// `start` in row 0, then one more per row.
    Sequence {
        start: i64,
        end: i64,
    },
    Bool,
    /// Integers and decimals, these as multiples of their scale.
    Number {
        min: i128,
        max: i128,
    },
    Float {
        min: f64,
        max: f64,
    },
    /// Hexadecimal digits, as Flink makes them.
    Text {
        length: usize,
    },
    Bytes {
        length: usize,
    },
    /// The current date or time.
    Now,
    Timestamp {
        max_past: Duration,
    },
    Array {
        length: usize,
        item: Box<Generator>,
    },
    Row(Vec<Generator>),
}

/// Adds the paths of the field and all fields in it.
pub(super) fn add_paths(path: &str, field: &Field, paths: &mut Vec<String>) {
    paths.push(path.to_owned());
    match field.data_type() {
        DataType::Struct(fields) => {
            fields
                .iter()
                .for_each(|field| add_paths(&format!("{path}.{}", field.name()), field, paths));
        }
        DataType::List(item) => add_paths(&format!("{path}.element"), item, paths),
        _ => {}
    }
}

impl Generator {
    /// A generator of the field with that path, as the options say.
    pub(super) fn new(
        path: &str,
        field: &Field,
        options: &Checked<'_>,
        seed: i64,
    ) -> Result<Self, OptionError> {
        let data_type = field.data_type();
        let is_sequence = options.word(&key(path, "kind")) == Some("sequence");
        refuse_useless(path, data_type, is_sequence, options)?;
        let null_rate = options.float(&key(path, "null-rate")).unwrap_or(0.0);
        if !(0.0..=1.0).contains(&null_rate) {
            return Err(invalid(
                &key(path, "null-rate"),
                format!("{null_rate} is not between 0 and 1"),
            ));
        }
        if null_rate > 0.0 && !field.is_nullable() {
            return Err(invalid(&key(path, "null-rate"), format!("'{path}' is NOT NULL")));
        }
        Ok(Self {
            data_type: data_type.clone(),
            kind: if is_sequence {
                sequence(path, data_type, options)?
            } else {
                random(path, data_type, options, seed)?
            },
            random: FieldRandom::new(seed, path, 0),
            null_rate,
            null_random: FieldRandom::new(seed, path, 1),
        })
    }

    /// How many rows a sequence in it has values for.
    pub(super) fn rows(&self) -> Option<u64> {
        match &self.kind {
            Kind::Sequence { start, end } => Some(end.abs_diff(*start).saturating_add(1)),
            Kind::Row(fields) => fields.iter().filter_map(Self::rows).min(),
            _ => None,
        }
    }

    /// About how much memory a row's value takes, bytes.
    pub(super) fn row_bytes(&self) -> usize {
        match &self.kind {
            Kind::Text { length } | Kind::Bytes { length } => *length,
            Kind::Array { length, item } => length * item.row_bytes(),
            Kind::Row(fields) => fields.iter().map(Self::row_bytes).sum(),
            _ => 8,
        }
    }
}

fn sequence(path: &str, data_type: &DataType, options: &Checked<'_>) -> Result<Kind, OptionError> {
    let (least, greatest) = whole_range(data_type);
    let bound = |option: &str, meaning: &str| {
        let number = options
            .int(&key(path, option))
            .ok_or_else(|| OptionError::Missing {
                connector: "datagen".into(),
                option: key(path, option),
                meaning: meaning.into(),
            })?;
        if (least..=greatest).contains(&number) {
            return Ok(number);
        }
        Err(invalid(
            &key(path, option),
            format!("'{number}' is not a {}", sql_type(data_type)),
        ))
    };
    let start = bound("start", "the first number of the sequence")?;
    let end = bound("end", "the last number of the sequence")?;
    if start > end {
        return Err(invalid(
            &key(path, "end"),
            format!("{end} is less than '{}', {start}", key(path, "start")),
        ));
    }
    Ok(Kind::Sequence { start, end })
}

/// The whole numbers that a sequence of that type can hold.
fn whole_range(data_type: &DataType) -> (i64, i64) {
    match data_type {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        DataType::Decimal128(precision, scale) => {
            let digits = i32::from(*precision) - i32::from(*scale).max(0);
            let greatest = 10_i64
                .checked_pow(digits.max(0) as u32)
                .map_or(i64::MAX, |limit| limit - 1);
            (-greatest, greatest)
        }
        _ => (i64::MIN, i64::MAX),
    }
}

fn random(path: &str, data_type: &DataType, options: &Checked<'_>, seed: i64) -> Result<Kind, OptionError> {
    Ok(match data_type {
        DataType::Boolean => Kind::Bool,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let (least, greatest) = whole_range(data_type);
            let parse = |text: &str| {
                let number = text.trim().parse::<i64>().ok()?;
                (least..=greatest).contains(&number).then_some(number.into())
            };
            bounds(path, options, (least.into(), greatest.into()), parse, data_type)?
        }
        DataType::Decimal128(precision, scale) => {
            let greatest = 10_i128.pow(u32::from(*precision)) - 1;
            let parse = |text: &str| parse_decimal(text.trim().as_bytes(), *precision, *scale);
            bounds(path, options, (-greatest, greatest), parse, data_type)?
        }
        DataType::Float32 => float_bounds(path, options, f32::MAX.into())?,
        DataType::Float64 => float_bounds(path, options, f64::MAX)?,
        DataType::Utf8 => Kind::Text {
            length: length(path, options, 100)?,
        },
        DataType::Binary => Kind::Bytes {
            length: length(path, options, 20)?,
        },
        DataType::Date32 | DataType::Time32(_) | DataType::Time64(_) => Kind::Now,
        DataType::Timestamp(..) => Kind::Timestamp {
            max_past: options.duration(&key(path, "max-past")).unwrap_or_default(),
        },
        DataType::List(item) => Kind::Array {
            length: length(path, options, 3)?,
            item: Box::new(item_generator(&format!("{path}.element"), item, options, seed)?),
        },
        DataType::Struct(fields) => Kind::Row(
            fields
                .iter()
                .map(|field| Generator::new(&format!("{path}.{}", field.name()), field, options, seed))
                .collect::<Result<_, _>>()?,
        ),
        other => {
            let reason = format!(
                "column '{path}': values of type {} cannot be made up",
                sql_type(other)
            );
            return Err(OptionError::Unsupported { reason });
        }
    })
}

fn item_generator(
    path: &str,
    item: &Field,
    options: &Checked<'_>,
    seed: i64,
) -> Result<Generator, OptionError> {
    let generator = Generator::new(path, item, options, seed)?;
    match generator.rows() {
        Some(_) => Err(invalid(
            &key(path, "kind"),
            "the elements of an array cannot be a sequence",
        )),
        None => Ok(generator),
    }
}

fn bounds(
    path: &str,
    options: &Checked<'_>,
    (least, greatest): (i128, i128),
    parse: impl Fn(&str) -> Option<i128>,
    data_type: &DataType,
) -> Result<Kind, OptionError> {
    let bound = |option: &str, default| match options.text(&key(path, option)) {
        None => Ok(default),
        Some(text) => parse(text).ok_or_else(|| {
            invalid(
                &key(path, option),
                format!("'{text}' is not a {}", sql_type(data_type)),
            )
        }),
    };
    let (min, max) = (bound("min", least)?, bound("max", greatest)?);
    if min > max {
        return Err(invalid(
            &key(path, "max"),
            format!("is less than '{}'", key(path, "min")),
        ));
    }
    Ok(Kind::Number { min, max })
}

fn float_bounds(path: &str, options: &Checked<'_>, greatest: f64) -> Result<Kind, OptionError> {
    let min = options.float(&key(path, "min")).unwrap_or(-greatest);
    let max = options.float(&key(path, "max")).unwrap_or(greatest);
    if min > max {
        return Err(invalid(
            &key(path, "max"),
            format!("is less than '{}'", key(path, "min")),
        ));
    }
    Ok(Kind::Float { min, max })
}

fn length(path: &str, options: &Checked<'_>, default: i64) -> Result<usize, OptionError> {
    let length = options.int_at_least(&key(path, "length"), 0)?.unwrap_or(default);
    if length > MAX_LENGTH {
        return Err(invalid(
            &key(path, "length"),
            format!("{length} is more than {MAX_LENGTH}"),
        ));
    }
    Ok(length as usize)
}

/// Refuses options that say nothing about a field of that type.
fn refuse_useless(
    path: &str,
    data_type: &DataType,
    is_sequence: bool,
    options: &Checked<'_>,
) -> Result<(), OptionError> {
    let is_number =
        data_type.is_integer() || data_type.is_floating() || matches!(data_type, DataType::Decimal128(..));
    let is_text = *data_type == DataType::Utf8;
    let has_length = is_text || matches!(data_type, DataType::Binary | DataType::List(_));
    for (option, useful, meant_for) in [
        (
            "kind",
            !is_sequence || is_number || is_text,
            "numbers and STRING if it is 'sequence'",
        ),
        ("min", is_number && !is_sequence, "random numbers"),
        ("max", is_number && !is_sequence, "random numbers"),
        (
            "length",
            has_length && !is_sequence,
            "random STRING, BYTES and ARRAY",
        ),
        (
            "max-past",
            matches!(data_type, DataType::Timestamp(..)),
            "timestamps",
        ),
        ("start", is_sequence, "fields whose 'kind' is 'sequence'"),
        ("end", is_sequence, "fields whose 'kind' is 'sequence'"),
    ] {
        if !useful && options.is_given(&key(path, option)) {
            return Err(useless(path, option, data_type, meant_for));
        }
    }
    Ok(())
}
