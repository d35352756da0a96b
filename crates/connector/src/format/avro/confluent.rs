//! Avro with a schema registry: messages that say which schema they are written with.

use std::{collections::HashMap, sync::Arc};

use arrow_array::RecordBatch;
use arrow_schema::{Schema as Columns, SchemaRef};
use foldhash::fast::RandomState;
use reqwest::Url;
use weir_env::Clock;

use super::{
    Plain, columns, encode,
    registry::{Login, SchemaRegistry, split},
    schema::Schema,
    schema_of,
};
use crate::{
    ConnectorError, OptionError,
    format::{
        MessageDecoder,
        column::Column,
        message::Messages,
        record::{Record, Records},
    },
    options::{Checked, OptionDef, OptionKind, invalid, option, required},
};

const URL: &str = "avro-confluent.url";
const SUBJECT: &str = "avro-confluent.subject";
const SCHEMA: &str = "avro-confluent.schema";
const BASIC_SOURCE: &str = "avro-confluent.basic-auth.credentials-source";
const BASIC_USER: &str = "avro-confluent.basic-auth.user-info";
const BEARER_SOURCE: &str = "avro-confluent.bearer-auth.credentials-source";
const BEARER_TOKEN: &str = "avro-confluent.bearer-auth.token";
const LEGACY: &str = "avro-confluent.timestamp_mapping.legacy";
const IGNORE_PARSE_ERRORS: &str = "avro-confluent.ignore-parse-errors";

/// The options of the format.
pub const OPTIONS: &[OptionDef] = &[
    required(
        URL,
        OptionKind::Text,
        "the registry, as `http://host:port`; several with commas between are asked in turn",
    ),
    option(
        SUBJECT,
        OptionKind::Text,
        None,
        "the subject under which the schema of rows that are written is registered (`TOPIC-value`, or `TOPIC-key` for keys)",
    ),
    option(
        SCHEMA,
        OptionKind::Text,
        None,
        "the schema that is registered, in place of the one that the table's columns have: with the same fields and types, and names, \
         documentation and defaults of your own",
    ),
    option(
        BASIC_SOURCE,
        OptionKind::OneOf(&["USER_INFO", "URL"]),
        None,
        "where user and password are said: in `basic-auth.user-info`, or in the address",
    ),
    option(
        BASIC_USER,
        OptionKind::Text,
        None,
        "user and password, as `user:password`",
    ),
    option(
        BEARER_SOURCE,
        OptionKind::OneOf(&["STATIC_TOKEN"]),
        None,
        "where the token is said: in `bearer-auth.token`",
    ),
    option(BEARER_TOKEN, OptionKind::Text, None, "a token to log in with"),
    option(
        LEGACY,
        OptionKind::Bool,
        Some("true"),
        "the same as `avro.timestamp_mapping.legacy`",
    ),
    option(
        IGNORE_PARSE_ERRORS,
        OptionKind::Bool,
        Some("false"),
        "skip and count messages that are no record, or of a schema that is not there or does not fit the table, instead of failing",
    ),
];

/// The format's options, checked.
#[derive(Clone, Debug)]
pub struct Config {
    registry: Arc<SchemaRegistry>,
    subject: Option<String>,
    schema: Option<String>,
    legacy: bool,
    pub(crate) ignore_parse_errors: bool,
    /// The schema that is written, once it is registered.
    id: Option<u32>,
}

impl PartialEq for Config {
    fn eq(&self, other: &Self) -> bool {
        let parts = |config: &Self| {
            (
                config.subject.clone(),
                config.schema.clone(),
                config.legacy,
                config.ignore_parse_errors,
                config.id,
            )
        };
        Arc::ptr_eq(&self.registry, &other.registry) && parts(self) == parts(other)
    }
}

impl Eq for Config {}

impl Config {
    pub(crate) fn new(options: &Checked<'_>) -> Result<Self, OptionError> {
        let urls = options.text(URL).unwrap_or_default().split(',');
        let urls = urls.map(|url| match Url::parse(url.trim()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
            Ok(_) => Err(invalid(URL, "is no address that begins with http:// or https://")),
            Err(error) => Err(invalid(URL, format!("is no address: {error}"))),
        });
        let urls = urls.collect::<Result<Vec<_>, _>>()?;
        let schema = options.text(SCHEMA).map(str::to_owned);
        if let Some(text) = &schema {
            Schema::parse(text).map_err(|reason| invalid(SCHEMA, reason))?;
        }
        Ok(Self {
            registry: Arc::new(SchemaRegistry::new(urls, login(options)?)),
            subject: options.text(SUBJECT).map(str::to_owned),
            schema,
            legacy: options.flag(LEGACY),
            ignore_parse_errors: options.flag(IGNORE_PARSE_ERRORS),
            id: None,
        })
    }

    /// That of files, which need no registry.
    pub(crate) fn of_files(&self) -> super::Config {
        super::Config::of_files(self.legacy, self.ignore_parse_errors)
    }

    /// The registry of its schemas.
    pub(crate) fn registry(&self) -> &Arc<SchemaRegistry> {
        &self.registry
    }

    /// Refuses columns that Avro does not have, and a schema of the table's own that is not written as they are.
    pub(crate) fn check_columns(&self, schema: &SchemaRef) -> Result<(), String> {
        super::check_columns(schema)?;
        let Some(own) = &self.schema else {
            return Ok(());
        };
        let (own, derived) = (
            Schema::parse(own)?,
            Schema::parse(&schema_of(schema, self.legacy)?)?,
        );
        own.is_written_as(&derived)
            .map_err(|reason| format!("'{SCHEMA}' is another schema than the table's columns have: {reason}"))
    }

    /// The same, once the schema of these columns is registered for what is written to a topic, in the key of messages or in their value.
    pub(crate) async fn registered(
        &self,
        topic: &str,
        is_key: bool,
        schema: &SchemaRef,
        clock: &dyn Clock,
    ) -> Result<Self, ConnectorError> {
        let part = if is_key { "key" } else { "value" };
        let subject = self.subject.clone().unwrap_or_else(|| format!("{topic}-{part}"));
        let text = match &self.schema {
            Some(own) => own.clone(),
            None => schema_of(schema, self.legacy).map_err(ConnectorError::internal)?,
        };
        let id = self.registry.register(&subject, &text, clock).await?;
        Ok(Self {
            id: Some(id),
            ..self.clone()
        })
    }

    /// The columns of the last schema of the table's subject, or of the values of a topic.
    pub(crate) async fn columns(
        &self,
        topic: Option<&str>,
        clock: &dyn Clock,
    ) -> Result<Columns, ConnectorError> {
        let subject = match (&self.subject, topic) {
            (Some(subject), _) => subject.clone(),
            (None, Some(topic)) => format!("{topic}-value"),
            (None, None) => {
                return Err(ConnectorError::user(format!(
                    "no topic is named: give '{SUBJECT}'"
                )));
            }
        };
        let schema = self.registry.latest(&subject, clock).await?;
        columns::of_schema(&schema)
            .map_err(|reason| ConnectorError::user(format!("the schema of '{subject}' {reason}")))
    }

    /// A decoder of the columns that are read.
    pub(crate) fn message_decoder(&self, read: &SchemaRef) -> Result<Box<dyn MessageDecoder>, String> {
        let record = Named {
            registry: Arc::clone(&self.registry),
            read: SchemaRef::clone(read),
            plans: HashMap::default(),
        };
        Ok(Box::new(Records::new(read, record)?))
    }

    /// Appends each row as a message.
    pub(crate) fn write_messages(&self, batch: &RecordBatch, out: &mut Messages) {
        let id = self.id.expect("a sink registers the schema before it writes");
        let rows = encode::Rows::new(batch);
        for row in 0..batch.num_rows() {
            out.add(|bytes| {
                bytes.push(0);
                bytes.extend_from_slice(&id.to_be_bytes());
                rows.write(row, bytes);
            });
        }
    }
}

fn login(options: &Checked<'_>) -> Result<Login, OptionError> {
    let basic = options
        .text(BASIC_USER)
        .filter(|_| options.word(BASIC_SOURCE) != Some("URL"));
    match (basic, options.text(BEARER_TOKEN)) {
        (Some(_), Some(_)) => Err(invalid(
            BEARER_TOKEN,
            format!("does not go with '{BASIC_USER}': give one of them"),
        )),
        (Some(basic), None) => match basic.split_once(':') {
            Some((user, password)) => Ok(Login::Basic(user.to_owned(), password.to_owned())),
            None => Err(invalid(BASIC_USER, "is not of the form user:password")),
        },
        (None, Some(token)) => Ok(Login::Token(token.to_owned())),
        (None, None) if options.word(BASIC_SOURCE) == Some("USER_INFO") => {
            Err(invalid(BASIC_SOURCE, format!("needs '{BASIC_USER}'")))
        }
        (None, None) if options.is_given(BEARER_SOURCE) => {
            Err(invalid(BEARER_SOURCE, format!("needs '{BEARER_TOKEN}'")))
        }
        // An address that holds a login is taken as it is.
        (None, None) => Ok(Login::None),
    }
}

/// Reads messages that name their schemas, of which all are known.
#[derive(Debug)]
struct Named {
    registry: Arc<SchemaRegistry>,
    read: SchemaRef,
    /// How to read what each schema writes, or why it cannot be.
    plans: HashMap<u32, Result<Plain, String>, RandomState>,
}

impl Record for Named {
    fn read(&mut self, message: &[u8], columns: &mut [Column]) -> Result<(), String> {
        let (id, record) = split(message)?;
        if !self.plans.contains_key(&id) {
            let schema = self
                .registry
                .known(id)
                .ok_or_else(|| format!("schema {id} was not fetched"))?;
            let plan = schema.and_then(|schema| {
                Plain::new(schema, &self.read)
                    .map_err(|reason| format!("schema {id} does not fit the table: {reason}"))
            });
            self.plans.insert(id, plan);
        }
        match self.plans.get_mut(&id) {
            Some(Ok(plain)) => plain.read(record, columns),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err(format!("schema {id} was not fetched")),
        }
    }
}

#[cfg(test)]
mod tests;
