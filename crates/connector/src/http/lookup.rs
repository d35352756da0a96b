//! The lookup of `http`: a URL for each key, with its values in it.

use std::{collections::HashSet, sync::Arc};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_cast::display::array_value_to_string;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use arrow_select::take::take;
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, Method, StatusCode, Url};
use weir_env::Clock;

use super::{
    options::{LOOKUP_IN_FLIGHT, POINTER, RECORDS, URL},
    record::{Body, records},
    target::{Target, good, parse, shown, unanswered},
};
use crate::{
    ChangelogMode, ConnectorError, Found, Lookup, LookupContext, LookupFactory, OptionError, Table,
    format::Format,
    lookup::{Index, Settings, Wanted, layered},
    options::{Checked, invalid},
    origin,
};

/// A checked table to ask.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    target: Target,
    url: Template,
    body: Body,
    pointer: Option<String>,
    format: Format,
    schema: SchemaRef,
    max_in_flight: usize,
    settings: Settings,
}

/// A URL with the names of columns in it.
#[derive(Clone, PartialEq, Eq)]
struct Template {
    /// The text before each column, and behind the last.
    texts: Vec<String>,
    /// By their places in the table.
    columns: Vec<usize>,
}

impl std::fmt::Debug for Template {
    /// Without the texts, which may have a secret in them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Template({:?})", self.columns)
    }
}

impl Factory {
    pub(super) fn new(options: &Checked<'_>, format: Format, table: &Table) -> Result<Self, OptionError> {
        format.check_columns(&table.schema)?;
        let unsupported = |reason: String| OptionError::Unsupported { reason };
        if origin::in_rows(&table.schema).fields().len() < table.schema.fields().len() {
            return Err(unsupported(format!(
                "nothing is known of rows that are looked up by HTTP: leave METADATA columns out of '{}'",
                table.name
            )));
        }
        if format.changelog_mode() != ChangelogMode::Append {
            return Err(unsupported(
                "rows that are looked up are no changes: use another format".into(),
            ));
        }
        if options.word(super::CACHE.key) == Some("FULL") {
            return Err(invalid(
                super::CACHE.key,
                "a server is not read as a whole: use 'PARTIAL'",
            ));
        }
        Ok(Self {
            target: Target::new(options, &["http", "https"])?,
            url: Template::new(options.text(URL).unwrap_or_default(), &table.schema)?,
            body: Body::named(options.word(RECORDS)),
            pointer: options.text(POINTER).map(str::to_owned),
            format,
            schema: Arc::clone(&table.schema),
            max_in_flight: options.int_at_least(LOOKUP_IN_FLIGHT, 1)?.unwrap_or(1) as usize,
            settings: Settings::new(options)?,
        })
    }
}

impl Template {
    fn new(text: &str, table: &SchemaRef) -> Result<Self, OptionError> {
        let mut parts = text.trim().split('{');
        let mut template = Self {
            texts: vec![parts.next().unwrap_or_default().to_owned()],
            columns: Vec::new(),
        };
        for part in parts {
            let (name, rest) = part
                .split_once('}')
                .ok_or_else(|| invalid(URL, "has a '{' that is not closed"))?;
            let column = table.index_of(name);
            let column = column
                .map_err(|_| invalid(URL, format!("names '{{{name}}}', and there is no such column")))?;
            template.columns.push(column);
            template.texts.push(rest.to_owned());
        }
        if template.columns.is_empty() {
            return Err(invalid(
                URL,
                "does not say what is looked up: put columns in it, as https://host/users/{id}",
            ));
        }
        Ok(template)
    }

    /// With values in the places of columns.
    fn url(&self, values: &[String]) -> Option<Url> {
        let mut text = String::new();
        for (before, value) in self.texts.iter().zip(values) {
            text.push_str(before);
            encode(value, &mut text);
        }
        text.push_str(self.texts.last()?);
        parse(&text, &["http", "https"])
    }
}

/// Appends a value as a part of a URL: all but unreserved characters as bytes (RFC 3986, 2.1).
fn encode(value: &str, out: &mut String) {
    use std::fmt::Write as _;
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[async_trait]
impl LookupFactory for Factory {
    async fn check(&self) -> Result<(), OptionError> {
        // What is there is only known of a key; whether somebody is, before.
        let client = self.target.client(true);
        let checked = async {
            let doing = format!("OPTIONS {}", self.target.name());
            let asked = client?.request(Method::OPTIONS, self.target.url.clone());
            let asked = asked.timeout(self.target.timeout).send().await;
            asked.map_err(|error| unanswered(&doing, error))
        };
        checked
            .await
            .map(drop)
            .map_err(|error: ConnectorError| OptionError::Unavailable {
                reason: error.message,
            })
    }

    fn check_keys(&self, keys: &[usize]) -> Result<(), OptionError> {
        match self.url.columns.iter().find(|column| !keys.contains(column)) {
            None => Ok(()),
            Some(column) => Err(OptionError::Unsupported {
                reason: format!(
                    "rows are found by all columns in the URL: join column '{}' too",
                    self.schema.field(*column).name()
                ),
            }),
        }
    }

    async fn open(&self, context: LookupContext) -> Result<Arc<dyn Lookup>, ConnectorError> {
        let wanted = Wanted::new(&self.schema, &context)?;
        let place = |column: &usize| {
            let place = context.keys.iter().position(|key| key == column);
            place.ok_or_else(|| ConnectorError::internal("a key was not checked"))
        };
        let in_url = self
            .url
            .columns
            .iter()
            .map(place)
            .collect::<Result<Vec<_>, _>>()?;
        let of_question = |name: &str| {
            let key = in_url
                .iter()
                .find(|key| self.schema.field(context.keys[**key]).name() == name);
            key.copied()
        };
        let from: Vec<_> = wanted
            .schema
            .fields()
            .iter()
            .map(|field| of_question(field.name()))
            .collect();
        let read = wanted
            .schema
            .fields()
            .iter()
            .zip(&from)
            .filter(|(_, from)| from.is_none());
        let asked = Asked {
            client: self.target.client(true)?,
            factory: self.clone(),
            read: Arc::new(Schema::new(
                read.map(|(field, _)| Arc::clone(field)).collect::<Vec<_>>(),
            )),
            wanted,
            in_url,
            from,
            clock: Arc::clone(&context.clock),
        };
        layered(Arc::new(asked), self.settings, &context)
    }
}

/// A server that is asked.
#[derive(Debug)]
struct Asked {
    client: Client,
    factory: Factory,
    wanted: Wanted,
    /// Which keys of a question are in the URL, in its order.
    in_url: Vec<usize>,
    /// Of each column that is wanted, the key of the question that it is; none: it is in the answer.
    from: Vec<Option<usize>>,
    /// The columns that are in the answer.
    read: SchemaRef,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Lookup for Asked {
    async fn lookup(&self, keys: &[ArrayRef]) -> Result<Found, ConnectorError> {
        let urls = self.urls(keys).map_err(|error| broken(&error))?;
        let answers = urls.into_iter().map(|(url, row)| async move {
            let url = url.ok_or_else(|| ConnectorError::user("the values of a key do not make a URL"))?;
            Ok::<_, ConnectorError>((row, self.ask(url).await?))
        });
        let answers: Vec<_> = stream::iter(answers)
            .buffered(self.factory.max_in_flight)
            .try_collect()
            .await?;
        let rows = self.rows(keys, answers)?;
        let Wanted {
            schema,
            keys: of_rows,
            produced,
        } = &self.wanted;
        Index::new(schema, &[rows], of_rows, produced)?.find(keys)
    }
}

impl Asked {
    /// What to ask for, each once, with the first row of the question that has it.
    fn urls(&self, keys: &[ArrayRef]) -> Result<Vec<(Option<Url>, u32)>, ArrowError> {
        let mut known: HashSet<Vec<String>> = HashSet::new();
        let mut urls = Vec::new();
        for row in 0..keys.first().map_or(0, |column| column.len()) {
            let values = self
                .in_url
                .iter()
                .map(|key| array_value_to_string(&keys[*key], row));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            if known.insert(values.clone()) {
                urls.push((self.factory.url.url(&values), row as u32));
            }
        }
        Ok(urls)
    }

    /// The records at a URL; none if the server knows of nothing there.
    async fn ask(&self, url: Url) -> Result<Vec<Bytes>, ConnectorError> {
        let doing = format!("GET {}", shown(&url));
        let Factory {
            target,
            body,
            pointer,
            ..
        } = &self.factory;
        let sent = self.client.get(url).timeout(target.timeout).send().await;
        let response = sent.map_err(|error| unanswered(&doing, error))?;
        if matches!(
            response.status(),
            StatusCode::NOT_FOUND | StatusCode::NO_CONTENT | StatusCode::GONE
        ) {
            return Ok(Vec::new());
        }
        let response = good(&doing, response, self.clock.now_ms())
            .await
            .map_err(|refused| refused.error)?;
        let answer = response
            .bytes()
            .await
            .map_err(|error| unanswered(&doing, error))?;
        records(&answer, *body, pointer.as_deref()).map_err(|reason| ConnectorError::user(reason).at(doing))
    }

    /// All answers as rows, with what was asked for in them.
    fn rows(
        &self,
        keys: &[ArrayRef],
        answers: Vec<(u32, Vec<Bytes>)>,
    ) -> Result<RecordBatch, ConnectorError> {
        let Factory {
            format,
            schema,
            target,
            ..
        } = &self.factory;
        let mut decoder = format
            .message_decoder(schema, &self.read)
            .map_err(ConnectorError::internal)?;
        let mut asked = Vec::new();
        for (row, record) in answers
            .iter()
            .flat_map(|(row, records)| records.iter().map(move |record| (*row, record)))
        {
            if let Err(reason) = decoder.push(record)
                && !format.skips_bad_records()
            {
                return Err(ConnectorError::user(reason).at(target.name()));
            }
            asked.resize(decoder.rows(), row);
        }
        let build = || {
            let count = asked.len();
            let asked = UInt32Array::from(asked);
            let decoded = decoder.take()?;
            let mut decoded = decoded.columns().iter();
            let missing = || ArrowError::InvalidArgumentError("a decoder left out a column".into());
            let columns = self.from.iter().map(|from| match from {
                Some(key) => take(&keys[*key], &asked, None),
                None => decoded.next().map(Arc::clone).ok_or_else(missing),
            });
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(count));
            RecordBatch::try_new_with_options(Arc::clone(&self.wanted.schema), columns, &options)
        };
        build().map_err(|error| broken(&error))
    }
}

fn broken(error: &ArrowError) -> ConnectorError {
    ConnectorError::internal(format!("an answer does not make rows: {error}"))
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field};

    use super::*;

    #[test]
    fn values_stand_in_the_url_as_they_may() {
        let table: SchemaRef = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("name", DataType::Utf8, true),
        ]));
        let template = Template::new("https://host/users/{name}/x?id={id}&k=1", &table).expect("valid");
        let url = template.url(&["a/b \u{fc}?".into(), "7".into()]).expect("a URL");
        assert_eq!(url.as_str(), "https://host/users/a%2Fb%20%C3%BC%3F/x?id=7&k=1");
        let refused = |text: &str| Template::new(text, &table).expect_err("refused").to_string();
        assert!(refused("https://host/{other}").contains("there is no such column"));
        assert!(refused("https://host/{id").contains("is not closed"));
        assert!(refused("https://host/").contains("put columns in it"));
    }
}
