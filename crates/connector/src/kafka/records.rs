//! Rows as records of a topic: their keys and values, encoded a batch at a time, and what else columns say of them.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, MapArray, RecordBatch, RecordBatchOptions, StringArray, TimestampMillisecondArray,
    cast::AsArray, types::TimestampMillisecondType,
};
use arrow_buffer::BooleanBuffer;
use arrow_cast::cast;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use rdkafka::message::{Header, OwnedHeaders};

use super::{
    fields::{Fields, Part},
    metadata,
};
use crate::{
    ChangelogMode, changelog,
    format::Messages,
    origin::{self, MetadataKind},
};

/// Encodes batches into records, and keeps those of the last one.
#[derive(Debug)]
pub(super) struct Records {
    fields: Fields,
    metadata: Places,
    keys: Messages,
    values: Messages,
    extras: Extras,
    /// Rows that are there; those of other keys are gone.
    are_there: Option<BooleanBuffer>,
}

/// Where the columns are that say metadata.
#[derive(Clone, Copy, Debug, Default)]
struct Places {
    topic: Option<usize>,
    timestamp: Option<usize>,
    headers: Option<usize>,
}

/// Metadata columns of the last batch.
#[derive(Debug, Default)]
struct Extras {
    topics: Option<StringArray>,
    timestamps: Option<TimestampMillisecondArray>,
    headers: Option<MapArray>,
}

impl Records {
    /// None yet, of a table with these columns.
    pub(super) fn new(fields: Fields, table: &SchemaRef) -> Self {
        let place = |key: &str| {
            let mut columns = table.fields().iter();
            columns.position(|field| origin::metadata_key(field) == Some(key))
        };
        Self {
            fields,
            metadata: Places {
                topic: place(metadata::TOPIC),
                timestamp: place(metadata::TIMESTAMP),
                headers: place(metadata::HEADERS),
            },
            keys: Messages::default(),
            values: Messages::default(),
            extras: Extras::default(),
            are_there: None,
        }
    }

    /// Takes the rows of a batch in the place of those of the one before. Of those that are not `there`, if that is said, only the key
    /// counts: a tombstone is written.
    pub(super) fn encode(
        &mut self,
        batch: &RecordBatch,
        there: Option<BooleanBuffer>,
    ) -> Result<(), ArrowError> {
        self.are_there = there;
        self.keys.clear();
        self.values.clear();
        if let Some(key) = &self.fields.key {
            write(key, batch, &mut self.keys)?;
        }
        write(&self.fields.value, batch, &mut self.values)?;
        self.extras = Extras::new(self.metadata, batch)?;
        Ok(())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether columns say more of a record than its key and its value.
    pub(super) fn have_extras(&self) -> bool {
        let Places {
            topic,
            timestamp,
            headers,
        } = self.metadata;
        topic.or(timestamp).or(headers).is_some()
    }

    /// A record's key, if the table has a format for keys.
    pub(super) fn key(&self, index: usize) -> Option<&[u8]> {
        self.fields.key.as_ref().map(|_| self.keys.get(index))
    }

    /// A record's value; none: its key is gone.
    pub(super) fn value(&self, index: usize) -> Option<&[u8]> {
        let is_there = self.are_there.as_ref().is_none_or(|there| there.value(index));
        is_there.then(|| self.values.get(index))
    }

    /// The topic that it goes to, if it says one.
    pub(super) fn topic(&self, index: usize) -> Option<&str> {
        let topics = self.extras.topics.as_ref()?;
        topics.is_valid(index).then(|| topics.value(index))
    }

    /// When it was made, in ms since 1970, if it says so.
    pub(super) fn timestamp_ms(&self, index: usize) -> Option<i64> {
        let timestamps = self.extras.timestamps.as_ref()?;
        timestamps.is_valid(index).then(|| timestamps.value(index))
    }

    /// Its headers, if it says any.
    pub(super) fn headers(&self, index: usize) -> Option<OwnedHeaders> {
        let headers = self.extras.headers.as_ref()?;
        if headers.is_null(index) {
            return None;
        }
        let entries = headers.value(index);
        let (names, values) = (
            entries.column(0).as_string::<i32>(),
            entries.column(1).as_binary::<i32>(),
        );
        let each = names.iter().zip(values.iter());
        Some(each.fold(OwnedHeaders::new(), |all, (name, value)| {
            all.insert(Header {
                key: name.unwrap_or_default(),
                value,
            })
        }))
    }
}

impl Extras {
    fn new(places: Places, batch: &RecordBatch) -> Result<Self, ArrowError> {
        let column = |place: Option<usize>| place.map(|place| batch.column(place));
        let timestamps = match column(places.timestamp) {
            None => None,
            Some(column) => {
                let milliseconds = cast(column, &MetadataKind::Instant.data_type())?;
                Some(milliseconds.as_primitive::<TimestampMillisecondType>().clone())
            }
        };
        Ok(Self {
            topics: column(places.topic).map(|column| column.as_string().clone()),
            timestamps,
            headers: column(places.headers).map(|column| column.as_map().clone()),
        })
    }
}

fn write(part: &Part, batch: &RecordBatch, out: &mut Messages) -> Result<(), ArrowError> {
    let mut columns: Vec<ArrayRef> = part
        .places
        .iter()
        .map(|&place| Arc::clone(batch.column(place)))
        .collect();
    let mut schema = Arc::clone(&part.schema);
    // What a row does is for formats of changes.
    if part.format.changelog_mode() == ChangelogMode::All
        && let Some(ops) = changelog::ops(batch)
    {
        columns.push(Arc::new(ops.clone()));
        let op = Arc::new(changelog::op_field());
        schema = Arc::new(Schema::new(
            schema.fields().iter().cloned().chain([op]).collect::<Vec<_>>(),
        ));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let projected = RecordBatch::try_new_with_options(schema, columns, &options)?;
    part.format.write_messages(&projected, out);
    Ok(())
}
