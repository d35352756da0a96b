//! The lookup: strings and fields of hashes, asked for all keys of a question at once.

use std::sync::Arc;

use ::redis::{Pipeline, Value as Answer, aio::MultiplexedConnection};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use arrow_select::{filter::filter_record_batch, take::take};
use async_trait::async_trait;
use weir_model::FailureClass;

use super::{
    layout::{Keys, Layout, Value, writing},
    server::{Server, failed},
    values::Reading,
};
use crate::{
    ConnectorError, Found, Lookup, LookupContext, LookupFactory, OptionError,
    format::json,
    lookup::{Settings, layered},
};

/// A checked table to ask.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    pub(super) server: Server,
    pub(super) layout: Layout,
    pub(super) keys: Keys,
    pub(super) value: Value,
    pub(super) settings: Settings,
}

#[async_trait]
impl LookupFactory for Factory {
    async fn check(&self) -> Result<(), OptionError> {
        self.server.check().await.map(drop)
    }

    fn check_keys(&self, keys: &[usize]) -> Result<(), OptionError> {
        let name = match &self.value {
            Value::Field { name, .. } => Some(name),
            _ => None,
        };
        let mut needed = self.keys.columns.iter().chain(name);
        match needed.find(|column| !keys.contains(column)) {
            None => Ok(()),
            Some(column) => Err(OptionError::Unsupported {
                reason: format!(
                    "rows of Redis are found by the whole PRIMARY KEY: join column '{}' too",
                    self.layout.schema.field(*column).name()
                ),
            }),
        }
    }

    async fn open(&self, context: LookupContext) -> Result<Arc<dyn Lookup>, ConnectorError> {
        let asked = Arc::new(Table::new(self.clone(), &context)?);
        layered(asked, self.settings, &context)
    }
}

/// Where a column of an answer comes from.
#[derive(Clone, Copy, Debug)]
enum Comes {
    /// The question: one of its keys.
    Key(usize),
    /// The value: one of the columns that are read from it.
    Value(usize),
}

#[derive(Debug)]
struct Table {
    factory: Factory,
    schema: SchemaRef,
    from: Vec<Comes>,
    /// Where the parts of a key are in a question, in the order in which they make it.
    of_key: Vec<usize>,
    /// Where the name of a field is in a question.
    of_name: Option<usize>,
    /// Columns to read from values.
    read: SchemaRef,
    /// Keys of a question that are no part of the key in Redis, and the column that has to be equal to each.
    further: Vec<(usize, usize)>,
    compare: RowConverter,
    connection: tokio::sync::Mutex<Option<MultiplexedConnection>>,
}

impl Table {
    fn new(factory: Factory, context: &LookupContext) -> Result<Self, ConnectorError> {
        let table = &factory.layout.schema;
        let in_question = |column: &usize| {
            let place = context.keys.iter().position(|key| key == column);
            place.ok_or_else(|| ConnectorError::internal("a key was not checked"))
        };
        let of_key: Vec<usize> = factory
            .keys
            .columns
            .iter()
            .map(in_question)
            .collect::<Result<_, _>>()?;
        let of_name = match &factory.value {
            Value::Field { name, .. } => Some(in_question(name)?),
            _ => None,
        };
        let mut read: Vec<usize> = Vec::new();
        let mut of_value = |column: usize| {
            read.iter().position(|known| *known == column).unwrap_or_else(|| {
                read.push(column);
                read.len() - 1
            })
        };
        let mut from = Vec::new();
        for field in context.schema.fields() {
            let column = table.index_of(field.name()).map_err(|error| broken(&error))?;
            from.push(match context.keys.iter().position(|key| *key == column) {
                Some(key) => Comes::Key(key),
                None => Comes::Value(of_value(column)),
            });
        }
        let is_further = |key: &usize| !of_key.contains(key) && of_name != Some(*key);
        let further = (0..context.keys.len()).filter(is_further);
        let further: Vec<_> = further.map(|key| (key, of_value(context.keys[key]))).collect();
        let types = further
            .iter()
            .map(|(key, _)| SortField::new(context.key_types[*key].clone()));
        let compare = RowConverter::new(types.collect()).map_err(|error| broken(&error))?;
        // Structs may be pruned to what is read of them.
        let field = |column: &usize| {
            let name = table.field(*column).name();
            let wanted = context.schema.field_with_name(name);
            wanted.unwrap_or_else(|_| table.field(*column)).clone()
        };
        Ok(Self {
            schema: Arc::clone(&context.schema),
            from,
            of_key,
            of_name,
            read: Arc::new(Schema::new(read.iter().map(field).collect::<Vec<_>>())),
            further,
            compare,
            connection: tokio::sync::Mutex::default(),
            factory,
        })
    }

    async fn connection(&self) -> Result<MultiplexedConnection, ConnectorError> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = &*kept {
            return Ok(connection.clone());
        }
        let server = &self.factory.server;
        let connection = server.connect(server.timeout()).await?;
        *kept = Some(connection.clone());
        Ok(connection)
    }

    /// The commands that ask for these keys, and their keys as texts.
    fn question(&self, keys: &[ArrayRef]) -> (Pipeline, Vec<Vec<u8>>) {
        let parts = writing(&self.of_key, |key| keys[key].as_ref());
        let rows = keys.first().map_or(0, Array::len);
        let text = |row: usize| {
            let mut text = Vec::new();
            self.factory.keys.write(&parts, row, &mut text);
            text
        };
        let texts: Vec<Vec<u8>> = (0..rows).map(text).collect();
        let mut question = Pipeline::with_capacity(rows);
        match &self.factory.value {
            Value::Plain(_) | Value::Json(_) => _ = question.cmd("MGET").arg(&texts),
            Value::Fields(columns) => {
                for text in &texts {
                    question.cmd("HMGET").arg(text);
                    for column in columns {
                        question.arg(self.factory.layout.schema.field(*column).name());
                    }
                }
            }
            Value::Field { .. } => {
                let names: Vec<_> = self.of_name.into_iter().collect();
                let names = writing(&names, |key| keys[key].as_ref());
                for (row, text) in texts.iter().enumerate() {
                    let mut name = Vec::new();
                    for column in &names {
                        column.write(row, &mut name);
                    }
                    question.cmd("HGET").arg(text).arg(name);
                }
            }
        }
        (question, texts)
    }

    /// The columns of the keys that have a value, and which of the keys these are.
    fn read(
        &self,
        answers: Vec<Answer>,
        texts: &[Vec<u8>],
    ) -> Result<(Vec<ArrayRef>, Vec<u32>), ConnectorError> {
        let mut of = Vec::new();
        let bad = |row: usize, reason: String| {
            let key = String::from_utf8_lossy(&texts[row]);
            ConnectorError::user(format!(
                "the value of key '{key}' in Redis cannot be read: {reason}"
            ))
        };
        let (answers, is_json) = match &self.factory.value {
            Value::Plain(_) | Value::Json(_) => match answers.into_iter().next() {
                Some(Answer::Array(all)) => (all, matches!(self.factory.value, Value::Json(_))),
                other => return Err(unexpected(other.as_ref())),
            },
            Value::Fields(_) | Value::Field { .. } => (answers, false),
        };
        let unreadable =
            |reason: String| ConnectorError::internal(format!("values cannot be read: {reason}"));
        if is_json {
            let mut decode = json::Decode::new(json::Config::default(), &self.read).map_err(unreadable)?;
            for (row, answer) in answers.iter().enumerate() {
                if let Some(object) = text(answer)? {
                    decode.record(object).map_err(|reason| bad(row, reason))?;
                    of.push(row as u32);
                }
            }
            let rows = crate::format::Decoder::take(&mut decode).map_err(|error| broken(&error))?;
            return Ok((rows.columns().to_vec(), of));
        }
        let mut reading = Reading::new(&self.read).map_err(unreadable)?;
        let columns = self.factory.value.columns();
        let place = |field: &Arc<arrow_schema::Field>| {
            let is_it = |column: &usize| self.factory.layout.schema.field(*column).name() == field.name();
            columns.iter().position(is_it).unwrap_or_default()
        };
        let places: Vec<usize> = self.read.fields().iter().map(place).collect();
        for (row, answer) in answers.iter().enumerate() {
            let values = match answer {
                Answer::Array(values) => values.as_slice(),
                value => std::slice::from_ref(value),
            };
            if values.iter().all(|value| matches!(value, Answer::Nil)) {
                continue;
            }
            for (column, place) in places.iter().enumerate() {
                let value = values.get(*place).map_or(Ok(None), text)?;
                reading.push(column, value).map_err(|reason| bad(row, reason))?;
            }
            of.push(row as u32);
        }
        Ok((reading.take().map_err(|error| broken(&error))?, of))
    }

    /// The rows as they were asked for.
    fn found(&self, keys: &[ArrayRef], values: &[ArrayRef], of: Vec<u32>) -> Result<Found, ConnectorError> {
        let places = UInt32Array::from(of);
        let column = |from: &Comes| match from {
            Comes::Key(key) => take(&keys[*key], &places, None),
            Comes::Value(column) => Ok(Arc::clone(&values[*column])),
        };
        let columns = self.from.iter().map(column).collect::<Result<Vec<_>, _>>();
        let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
        let rows = columns.and_then(|columns| {
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
        });
        let found = Found {
            rows: rows.map_err(|error| broken(&error))?,
            keys: places.values().to_vec(),
        };
        if self.further.is_empty() {
            return Ok(found);
        }
        self.filtered(found, keys, values, &places)
            .map_err(|error| broken(&error))
    }

    /// Those of the rows whose further columns are equal to what was asked.
    fn filtered(
        &self,
        found: Found,
        keys: &[ArrayRef],
        values: &[ArrayRef],
        places: &UInt32Array,
    ) -> Result<Found, ArrowError> {
        let wanted = self
            .further
            .iter()
            .map(|(key, _)| take(&keys[*key], places, None));
        let wanted = self
            .compare
            .convert_columns(&wanted.collect::<Result<Vec<_>, _>>()?)?;
        let there = self
            .further
            .iter()
            .map(|(_, column)| Arc::clone(&values[*column]));
        let there = self.compare.convert_columns(&there.collect::<Vec<_>>())?;
        let kept: Vec<bool> = wanted.iter().zip(there.iter()).map(|(a, b)| a == b).collect();
        let of = found.keys.iter().zip(&kept).filter(|(_, kept)| **kept);
        Ok(Found {
            keys: of.map(|(of, _)| *of).collect(),
            rows: filter_record_batch(&found.rows, &BooleanArray::from(kept))?,
        })
    }
}

#[async_trait]
impl Lookup for Table {
    async fn lookup(&self, keys: &[ArrayRef]) -> Result<Found, ConnectorError> {
        let (question, texts) = self.question(keys);
        let mut connection = self.connection().await?;
        let answers: Result<Vec<Answer>, _> = question.query_async(&mut connection).await;
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                let error = failed("look up in Redis", &error);
                if error.class == FailureClass::External {
                    *self.connection.lock().await = None;
                }
                return Err(error);
            }
        };
        let (values, of) = self.read(answers, &texts)?;
        self.found(keys, &values, of)
    }
}

/// The bytes of a value; none if there is none.
fn text(answer: &Answer) -> Result<Option<&[u8]>, ConnectorError> {
    match answer {
        Answer::Nil => Ok(None),
        Answer::BulkString(bytes) => Ok(Some(bytes)),
        Answer::SimpleString(text) => Ok(Some(text.as_bytes())),
        other => Err(unexpected(Some(other))),
    }
}

fn unexpected(answer: Option<&Answer>) -> ConnectorError {
    ConnectorError::internal(format!(
        "Redis answered something else than was asked: {answer:?}"
    ))
}

fn broken(error: &ArrowError) -> ConnectorError {
    ConnectorError::internal(format!("values of Redis do not make rows: {error}"))
}
