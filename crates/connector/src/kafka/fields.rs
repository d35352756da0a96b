//! Which columns are in the key of a message and which in its value, and the formats of both.

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use weir_env::Clock;

use super::options::{FORMAT, KEY_FIELDS, KEY_FIELDS_PREFIX, KEY_FORMAT, VALUE_FIELDS_INCLUDE, VALUE_FORMAT};
use crate::{
    ConnectorError, OptionError,
    format::Format,
    options::{Checked, Options, invalid},
    origin,
};

/// A part of a message: its columns by their place in the table, their names as the message has them, and the format.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// How it is written.
    pub(crate) format: Format,
    /// The columns, named as in the message.
    pub(crate) schema: SchemaRef,
    /// Where each is in the table.
    pub(crate) places: Vec<usize>,
}

/// Where a table's columns are in a message.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    /// The key, if the table has a format for it.
    pub(crate) key: Option<Part>,
    /// The value.
    pub(crate) value: Part,
}

impl Fields {
    /// As the options say; `formats` are the formats' own.
    pub(crate) fn new(
        connector: &str,
        options: &Checked<'_>,
        formats: &Options,
        table: &SchemaRef,
    ) -> Result<Self, OptionError> {
        let value_format = value_format(connector, options, formats)?;
        let key = key_part(connector, options, formats, table)?;
        let except_key = options.word(VALUE_FIELDS_INCLUDE) == Some("EXCEPT_KEY");
        let in_key = |place: &usize| key.as_ref().is_some_and(|key: &Part| key.places.contains(place));
        let places: Vec<_> = physical(table)
            .filter(|place| !(except_key && in_key(place)))
            .collect();
        let prefix = options.text(KEY_FIELDS_PREFIX).unwrap_or_default();
        if !prefix.is_empty() && !except_key {
            return Err(invalid(
                KEY_FIELDS_PREFIX,
                format!(
                    "needs '{VALUE_FIELDS_INCLUDE}' = 'EXCEPT_KEY': columns with the prefix are in the key alone"
                ),
            ));
        }
        let value = part(value_format, table, places, "")?;
        Ok(Self { key, value })
    }

    /// Whether what the formats need beside the table can be reached.
    pub(super) async fn check(&self) -> Result<(), OptionError> {
        for part in [Some(&self.value), self.key.as_ref()].into_iter().flatten() {
            part.format.check().await?;
        }
        Ok(())
    }

    /// The same, once it is known elsewhere what is written to a topic.
    pub(super) async fn registered(&self, topic: &str, clock: &dyn Clock) -> Result<Self, ConnectorError> {
        let mut fields = self.clone();
        for (part, is_key) in [(Some(&mut fields.value), false), (fields.key.as_mut(), true)] {
            if let Some(part) = part {
                part.format = part.format.registered(topic, is_key, &part.schema, clock).await?;
            }
        }
        Ok(fields)
    }
}

fn value_format(connector: &str, options: &Checked<'_>, formats: &Options) -> Result<Format, OptionError> {
    let (name, prefix) = match (options.word(FORMAT), options.word(VALUE_FORMAT)) {
        (Some(_), Some(_)) => {
            return Err(invalid(
                VALUE_FORMAT,
                format!("says the same as '{FORMAT}': give one of them"),
            ));
        }
        (Some(name), None) => (name, ""),
        (None, Some(name)) => (name, "value."),
        (None, None) => {
            return Err(OptionError::Missing {
                connector: connector.to_owned(),
                option: FORMAT.to_owned(),
                meaning: "the format of values".to_owned(),
            });
        }
    };
    named(name, prefix, connector, formats)
}

fn key_part(
    connector: &str,
    options: &Checked<'_>,
    formats: &Options,
    table: &SchemaRef,
) -> Result<Option<Part>, OptionError> {
    let Some(name) = options.word(KEY_FORMAT) else {
        return if options.is_given(KEY_FIELDS) {
            Err(invalid(KEY_FIELDS, format!("needs '{KEY_FORMAT}'")))
        } else {
            Ok(None)
        };
    };
    let Some(names) = options.text(KEY_FIELDS) else {
        return Err(invalid(KEY_FORMAT, format!("needs '{KEY_FIELDS}'")));
    };
    let prefix = options.text(KEY_FIELDS_PREFIX).unwrap_or_default();
    let places: Vec<_> = names
        .split(';')
        .map(|name| {
            let name = name.trim();
            let place = table.index_of(name).ok();
            let place = place.filter(|place| physical(table).any(|physical| physical == *place));
            match place {
                None => Err(invalid(
                    KEY_FIELDS,
                    format!("there is no column '{name}' in the messages"),
                )),
                Some(_) if !name.starts_with(prefix) => Err(invalid(
                    KEY_FIELDS,
                    format!("column '{name}' does not begin with '{prefix}', as '{KEY_FIELDS_PREFIX}' says"),
                )),
                Some(place) => Ok(place),
            }
        })
        .collect::<Result<_, _>>()?;
    let format = named(name, "key.", connector, formats)?;
    part(format, table, places, prefix).map(Some)
}

/// The format of that name; its own options begin with the prefix.
fn named(name: &str, prefix: &str, connector: &str, formats: &Options) -> Result<Format, OptionError> {
    let own = formats
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())))
        .filter(|(key, _)| !prefix.is_empty() || !(key.starts_with("key.") || key.starts_with("value.")));
    Format::named(name, connector, &own.collect())
}

fn part(format: Format, table: &SchemaRef, places: Vec<usize>, prefix: &str) -> Result<Part, OptionError> {
    let fields = places.iter().map(|place| {
        let field = table.field(*place);
        let name = field.name().strip_prefix(prefix).unwrap_or(field.name());
        field.clone().with_name(name)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    format.check_columns(&schema)?;
    Ok(Part {
        format,
        schema,
        places,
    })
}

/// The columns that are in messages.
fn physical(table: &SchemaRef) -> impl Iterator<Item = usize> {
    let fields = table.fields().iter().enumerate();
    fields.filter_map(|(place, field)| {
        let is_inside = origin::metadata_key(field).is_none() && !origin::is_partition(field);
        is_inside.then_some(place)
    })
}
