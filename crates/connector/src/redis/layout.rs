//! Where the rows of a table are in Redis.

use std::time::Duration;

use arrow_array::Array;
use arrow_schema::SchemaRef;

use super::{
    options::{DATA_TYPE, FIELD_COLUMN, KEY, KEY_PREFIX, KEY_SEPARATOR, MAX_LENGTH, TTL, VALUE_FORMAT},
    values::{Writing, check_column},
};
use crate::{
    OptionError,
    format::column,
    options::{Checked, invalid},
    origin,
};

/// Where the rows of a table are.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The table's columns.
    pub(super) schema: SchemaRef,
    pub(super) place: Place,
}

/// One of Redis's data types, with what belongs to it.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// A key for each row.
    Keyed { keys: Keys, value: Value },
    /// An entry for each row, with a field for each column that is not null.
    Stream { key: String, max_length: Option<i64> },
    /// A JSON object of all columns for each row.
    Channel { name: String },
}

/// How keys are made of rows.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// The columns, ascending.
    pub(super) columns: Vec<usize>,
    prefix: String,
    separator: String,
    /// How long after it was written a key is there.
    pub(super) ttl: Option<Duration>,
}

/// What a key holds; columns are those of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A string: the text of a column.
    Plain(usize),
    /// A string: a JSON object of columns.
    Json(Vec<usize>),
    /// A hash: a field for each column that is not null.
    Fields(Vec<usize>),
    /// A field of a hash: what names it, and its value.
    Field { name: usize, value: usize },
}

impl Layout {
    pub(super) fn new(options: &Checked<'_>, schema: &SchemaRef) -> Result<Self, OptionError> {
        let place = match options.word(DATA_TYPE) {
            Some("stream") => Place::Stream {
                key: queue(options)?,
                max_length: options.int_at_least(MAX_LENGTH, 1)?,
            },
            Some("pubsub") => Place::Channel {
                name: queue(options)?,
            },
            word => keyed(options, schema, word == Some("string"))?,
        };
        let layout = Self {
            schema: SchemaRef::clone(schema),
            place,
        };
        let unfit = |reason| OptionError::Unsupported { reason };
        let in_rows = schema.fields().iter().enumerate();
        let single = in_rows.filter(|(column, _)| !layout.is_json(*column));
        let mut single = single.map(|(_, field)| field);
        single
            .try_for_each(|field| check_column(field))
            .and_then(|()| column::columns(schema.fields()).map(drop))
            .map_err(unfit)?;
        Ok(layout)
    }

    /// Whether a column is within a JSON object.
    fn is_json(&self, column: usize) -> bool {
        match &self.place {
            Place::Keyed {
                value: Value::Json(columns),
                ..
            } => columns.contains(&column),
            Place::Channel { .. } => true,
            Place::Keyed { .. } | Place::Stream { .. } => false,
        }
    }
}

/// The stream or channel that the options name.
fn queue(options: &Checked<'_>) -> Result<String, OptionError> {
    match options.text(KEY) {
        Some("") => Err(invalid(KEY, "is empty")),
        Some(key) => Ok(key.to_owned()),
        None => Err(OptionError::Missing {
            connector: "redis".to_owned(),
            option: KEY.to_owned(),
            meaning: "the key of the stream, or the name of the channel".to_owned(),
        }),
    }
}

fn keyed(options: &Checked<'_>, schema: &SchemaRef, is_string: bool) -> Result<Place, OptionError> {
    let (mut columns, others): (Vec<_>, Vec<_>) =
        (0..schema.fields().len()).partition(|column| origin::is_key(schema.field(*column)));
    let unsupported = |reason: &str| OptionError::Unsupported {
        reason: format!("{reason}; for entries without keys there are 'data-type' = 'stream' and 'pubsub'"),
    };
    if columns.is_empty() {
        return Err(unsupported(
            "the table needs a PRIMARY KEY, of which the keys in Redis are made",
        ));
    }
    let one = match others[..] {
        [] => return Err(unsupported("the table needs a column beside its PRIMARY KEY")),
        [one] => Some(one),
        _ => None,
    };
    let value = match (options.word(VALUE_FORMAT), options.text(FIELD_COLUMN), one) {
        _ if is_string => match (options.word(VALUE_FORMAT), one) {
            (Some("plain"), None) => {
                return Err(invalid(
                    VALUE_FORMAT,
                    "'plain' is the text of one column, and the table has more beside its PRIMARY KEY: use 'json'",
                ));
            }
            (None | Some("plain"), Some(one)) => Value::Plain(one),
            _ => Value::Json(others),
        },
        (_, Some(name), Some(value)) => {
            let name = field_column(schema, &columns, name)?;
            columns.retain(|column| *column != name);
            Value::Field { name, value }
        }
        (_, Some(_), None) => {
            return Err(invalid(
                FIELD_COLUMN,
                "needs a table with one column beside its PRIMARY KEY: the value of the field",
            ));
        }
        (_, None, _) => Value::Fields(others),
    };
    let text = |key| options.text(key).unwrap_or_default().to_owned();
    let keys = Keys {
        columns,
        prefix: text(KEY_PREFIX),
        separator: text(KEY_SEPARATOR),
        ttl: match options.duration(TTL) {
            Some(ttl) if ttl.as_millis() == 0 => return Err(invalid(TTL, "it must be 1 ms or more")),
            ttl => ttl,
        },
    };
    Ok(Place::Keyed { keys, value })
}

fn field_column(schema: &SchemaRef, keys: &[usize], name: &str) -> Result<usize, OptionError> {
    let found = keys.iter().find(|column| schema.field(**column).name() == name);
    match found {
        Some(_) if keys.len() == 1 => Err(invalid(
            FIELD_COLUMN,
            "needs another column in the PRIMARY KEY, by which the hash is found",
        )),
        Some(column) => Ok(*column),
        None => Err(invalid(
            FIELD_COLUMN,
            format!("'{name}' is no column of the PRIMARY KEY"),
        )),
    }
}

impl Keys {
    /// Appends the key of a row: of the values of the columns, in their order.
    pub(super) fn write(&self, columns: &[Writing<'_>], row: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix.as_bytes());
        for (nth, column) in columns.iter().enumerate() {
            if nth > 0 {
                out.extend_from_slice(self.separator.as_bytes());
            }
            column.write(row, out);
        }
    }
}

impl Value {
    /// The columns that are not in the key.
    pub(super) fn columns(&self) -> Vec<usize> {
        match self {
            Self::Plain(column) | Self::Field { value: column, .. } => vec![*column],
            Self::Json(columns) | Self::Fields(columns) => columns.clone(),
        }
    }
}

/// Columns to write, by their places.
pub(super) fn writing<'a>(columns: &[usize], array: impl Fn(usize) -> &'a dyn Array) -> Vec<Writing<'a>> {
    columns
        .iter()
        .map(|column| Writing::new(array(*column)))
        .collect()
}
