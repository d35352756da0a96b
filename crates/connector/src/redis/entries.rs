//! Entries of streams into batches.

use std::{collections::HashMap, sync::Arc};

use ::redis::Value as Answer;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, TimestampMillisecondArray};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use foldhash::fast::RandomState;

use super::{position::Id, values::Reading};
use crate::{
    ConnectorError,
    origin::{self, MetadataDef, MetadataKind},
};

const STREAM: &str = "stream";
const ID: &str = "id";
const TIMESTAMP: &str = "timestamp";

/// What is known of an entry.
pub(super) const METADATA: &[MetadataDef] = &[
    MetadataDef {
        key: STREAM,
        kind: MetadataKind::Text,
        is_writable: false,
        doc: "the key of the stream",
    },
    MetadataDef {
        key: ID,
        kind: MetadataKind::Text,
        is_writable: false,
        doc: "the entry's id",
    },
    MetadataDef {
        key: TIMESTAMP,
        kind: MetadataKind::Instant,
        is_writable: false,
        doc: "when the entry was added, as its id says",
    },
];

/// An entry: its id, and fields with their values in turn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) id: Id,
    fields: Vec<Answer>,
}

/// Entries with the key of their stream.
pub(super) type OfStream = (Vec<u8>, Vec<Entry>);

/// The entries that an answer to `XREAD` has, by the keys of their streams.
pub(super) fn entries(answer: Answer) -> Result<Vec<OfStream>, ConnectorError> {
    let streams = match answer {
        Answer::Nil => return Ok(Vec::new()),
        Answer::Array(streams) => streams,
        other => return Err(unexpected(&other)),
    };
    streams.into_iter().map(stream).collect()
}

fn stream(answer: Answer) -> Result<OfStream, ConnectorError> {
    let Answer::Array(parts) = answer else {
        return Err(unexpected(&answer));
    };
    match <[Answer; 2]>::try_from(parts) {
        Ok([Answer::BulkString(key), Answer::Array(entries)]) => {
            Ok((key, entries.into_iter().map(entry).collect::<Result<_, _>>()?))
        }
        Ok(other) => Err(unexpected(&Answer::Array(other.to_vec()))),
        Err(other) => Err(unexpected(&Answer::Array(other))),
    }
}

fn entry(answer: Answer) -> Result<Entry, ConnectorError> {
    let Answer::Array(parts) = answer else {
        return Err(unexpected(&answer));
    };
    let (id, fields) = match <[Answer; 2]>::try_from(parts) {
        Ok([Answer::BulkString(id), Answer::Array(fields)]) => (id, fields),
        // One that was deleted while it was read.
        Ok([Answer::BulkString(id), Answer::Nil]) => (id, Vec::new()),
        Ok(other) => return Err(unexpected(&Answer::Array(other.to_vec()))),
        Err(other) => return Err(unexpected(&Answer::Array(other))),
    };
    let id = String::from_utf8_lossy(&id).parse();
    Ok(Entry {
        id: id.map_err(ConnectorError::internal)?,
        fields,
    })
}

fn unexpected(answer: &Answer) -> ConnectorError {
    ConnectorError::internal(format!("Redis has entries of a stream that are none: {answer:?}"))
}

/// Makes batches of entries.
#[derive(Debug)]
pub(super) struct Decode {
    schema: SchemaRef,
    reading: Reading,
    /// The columns that are in entries, by their names.
    by_name: HashMap<Vec<u8>, usize, RandomState>,
}

impl Decode {
    /// Of the columns of a schema.
    pub(super) fn new(schema: SchemaRef) -> Result<Self, ConnectorError> {
        let inside = schema
            .fields()
            .iter()
            .filter(|field| origin::metadata_key(field).is_none());
        let inside: SchemaRef = Arc::new(Schema::new(inside.cloned().collect::<Vec<_>>()));
        let names = inside.fields().iter().enumerate();
        Ok(Self {
            by_name: names
                .map(|(i, field)| (field.name().clone().into_bytes(), i))
                .collect(),
            reading: Reading::new(&inside).map_err(ConnectorError::internal)?,
            schema,
        })
    }

    /// The rows of entries of a stream, a row for each.
    pub(super) fn batch(&mut self, key: &str, entries: &[Entry]) -> Result<RecordBatch, ConnectorError> {
        let mut values: Vec<Option<&[u8]>> = vec![None; self.by_name.len()];
        for entry in entries {
            values.fill(None);
            for pair in entry.fields.chunks_exact(2) {
                if let [Answer::BulkString(name), Answer::BulkString(value)] = pair
                    && let Some(column) = self.by_name.get(name.as_slice())
                {
                    values[*column] = Some(value);
                }
            }
            for (column, value) in values.iter().enumerate() {
                let pushed = self.reading.push(column, *value);
                pushed.map_err(|reason| {
                    ConnectorError::user(format!("an entry of a stream is no row of the table: {reason}"))
                        .at(format!("{key}:{}", entry.id))
                })?;
            }
        }
        self.rows(key, entries)
            .map_err(|error| ConnectorError::internal(format!("entries do not make a batch: {error}")))
    }

    fn rows(&mut self, key: &str, entries: &[Entry]) -> Result<RecordBatch, ArrowError> {
        let mut inside = self.reading.take()?.into_iter();
        let column = |field: &Arc<Field>| match origin::metadata_key(field) {
            Some(name) => metadata(name, key, entries, field.data_type()),
            None => inside
                .next()
                .ok_or_else(|| ArrowError::SchemaError(format!("column '{}' was not read", field.name()))),
        };
        let columns = self.schema.fields().iter().map(column);
        let options = RecordBatchOptions::new().with_row_count(Some(entries.len()));
        RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            columns.collect::<Result<_, _>>()?,
            &options,
        )
    }
}

fn metadata(name: &str, key: &str, entries: &[Entry], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let column: ArrayRef = match name {
        STREAM => Arc::new(StringArray::from_iter_values(entries.iter().map(|_| key))),
        ID => Arc::new(StringArray::from_iter_values(
            entries.iter().map(|entry| entry.id.to_string()),
        )),
        _ => {
            let times = entries.iter().map(|entry| entry.id.ms as i64);
            Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC"))
        }
    };
    cast(&column, data_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Answer {
        Answer::BulkString(text.as_bytes().to_vec())
    }

    fn answered(id: &str, fields: &[&str]) -> Answer {
        let fields = fields.iter().map(|text| bulk(text)).collect();
        Answer::Array(vec![bulk(id), Answer::Array(fields)])
    }

    #[test]
    fn fields_are_columns_by_name_and_others_are_left_out() {
        let stream = Answer::Array(vec![
            bulk("s"),
            Answer::Array(vec![
                answered("5-1", &["n", "7", "other", "x", "t", "a"]),
                answered("6-0", &["t", "b", "t", "c"]),
                answered("7-0", &["", ""]),
            ]),
        ]);
        let mut streams = entries(Answer::Array(vec![stream])).expect("entries");
        let (key, entries) = streams.remove(0);
        assert_eq!((key.as_slice(), entries.len()), (&b"s"[..], 3));
        let utc = DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, Some("UTC".into()));
        let schema = Arc::new(Schema::new(vec![
            origin::metadata(Field::new("at", utc, true), TIMESTAMP, true),
            Field::new("t", DataType::Utf8, true),
            origin::metadata(Field::new("id", DataType::Utf8, true), ID, true),
            Field::new("n", DataType::Int64, true),
            origin::metadata(Field::new("from", DataType::Utf8, true), STREAM, true),
        ]));
        let batch = Decode::new(schema)
            .and_then(|mut decode| decode.batch("s", &entries))
            .expect("rows");
        let mut lines = Vec::new();
        crate::format::json::write_lines(&batch, &mut lines);
        assert_eq!(
            String::from_utf8(lines).expect("JSON"),
            r#"{"at":"1970-01-01 00:00:00.005Z","t":"a","id":"5-1","n":7,"from":"s"}
{"at":"1970-01-01 00:00:00.006Z","t":"c","id":"6-0","n":null,"from":"s"}
{"at":"1970-01-01 00:00:00.007Z","t":null,"id":"7-0","n":null,"from":"s"}
"#
        );
    }

    #[test]
    fn a_value_that_does_not_fit_is_said_with_its_entry() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        let entry = entry(answered("5-1", &["n", "x"])).expect("an entry");
        let error = Decode::new(schema)
            .and_then(|mut decode| decode.batch("s", &[entry]))
            .expect_err("no number");
        assert_eq!(error.place.as_deref(), Some("s:5-1"));
        assert!(
            error.message.contains("column 'n': 'x' is not a BIGINT"),
            "{error}"
        );
    }

    #[test]
    fn without_entries_the_answer_is_nothing() {
        assert_eq!(entries(Answer::Nil).expect("nothing"), []);
        assert!(entries(Answer::Int(1)).is_err());
    }
}
