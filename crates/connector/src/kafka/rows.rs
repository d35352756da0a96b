//! Messages into rows: columns out of the value, out of the key, and of what Kafka says beside.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMillisecondArray,
    builder::{BinaryBuilder, MapBuilder, MapFieldNames, StringBuilder},
};
use arrow_cast::cast;
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use rdkafka::bindings::rd_kafka_timestamp_type_t as TimestampType;

use super::{
    fields::{Fields, Part},
    metadata::{HEADERS, LEADER_EPOCH, OFFSET, PARTITION, TIMESTAMP, TIMESTAMP_TYPE, TOPIC},
    native::Message,
};
use crate::{
    ChangelogMode,
    changelog::{self, OP_COLUMN, RowKind},
    format::{MessageDecoder, SchemaRegistry},
    origin,
};

/// Where the columns that are read come from.
#[derive(Debug)]
pub(super) struct Layout {
    schema: SchemaRef,
    value: Half,
    /// None if nothing of the key is read.
    key: Option<Half>,
    /// Of each column of the schema.
    origins: Vec<Origin>,
    upserts: bool,
}

/// The part of the columns that one decoder makes.
#[derive(Debug)]
struct Half {
    part: Part,
    read: SchemaRef,
}

#[derive(Clone, Copy, Debug)]
enum Origin {
    /// A column of the value.
    Value(usize),
    /// A column of the key.
    Key(usize),
    /// What the row does, where a message says what its key's row is.
    Op,
    Metadata(Metadata),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metadata {
    Topic,
    Partition,
    Offset,
    Timestamp,
    TimestampType,
    LeaderEpoch,
    Headers,
}

impl Layout {
    /// Of a table with these columns, of which those of `schema` are read. If it `upserts`, a message says what the row of its key is now.
    pub(super) fn new(
        fields: &Fields,
        table: &SchemaRef,
        schema: SchemaRef,
        upserts: bool,
    ) -> Result<Self, String> {
        let mut value = Vec::new();
        let mut key = Vec::new();
        let mut origins = Vec::new();
        for field in schema.fields() {
            if let Some(name) = origin::metadata_key(field) {
                origins.push(Origin::Metadata(Metadata::named(name)?));
                continue;
            }
            if field.name() == OP_COLUMN {
                if upserts {
                    origins.push(Origin::Op);
                } else {
                    value.push(field.as_ref().clone());
                    origins.push(Origin::Value(value.len() - 1));
                }
                continue;
            }
            let place = table
                .index_of(field.name())
                .map_err(|_| format!("the table has no column '{}'", field.name()))?;
            let of_key = fields.key.as_ref();
            let in_key = of_key.and_then(|part| within(part, place, field));
            // What is in both is what the value says, as with Flink. Where there is none any more, the key does.
            let in_value = within(&fields.value, place, field).filter(|_| !upserts || in_key.is_none());
            origins.push(match (in_value, in_key) {
                (Some(found), _) => {
                    value.push(found);
                    Origin::Value(value.len() - 1)
                }
                (None, Some(found)) => {
                    key.push(found);
                    Origin::Key(key.len() - 1)
                }
                (None, None) => return Err(format!("column '{}' is in no part of a message", field.name())),
            });
        }
        let key = match &fields.key {
            Some(part) if !key.is_empty() => Some(Half::new(part, key)),
            _ => None,
        };
        Ok(Self {
            schema,
            value: Half::new(&fields.value, value),
            key,
            origins,
            upserts,
        })
    }

    /// Whether bad messages are to be skipped.
    pub(super) fn skips_bad_records(&self) -> bool {
        let mut halves = [Some(&self.value), self.key.as_ref()].into_iter().flatten();
        halves.any(|half| half.part.format.skips_bad_records())
    }

    /// Whether messages name schemas, which have to be fetched before they are decoded.
    pub(super) fn names_schemas(&self) -> bool {
        self.schemas().next().is_some()
    }

    /// Where the schemas of values are, and of keys, each with which of both it is.
    fn schemas(&self) -> impl Iterator<Item = (&Arc<SchemaRegistry>, bool)> {
        let halves = [(Some(&self.value), false), (self.key.as_ref(), true)].into_iter();
        halves.filter_map(|(half, is_key)| Some((half?.part.format.schemas()?, is_key)))
    }

    /// The schemas that a message names and that are not known yet.
    pub(super) fn lacks(&self, message: Message<'_>) -> impl Iterator<Item = (Arc<SchemaRegistry>, u32)> {
        self.schemas().filter_map(move |(schemas, is_key)| {
            let part = if is_key { message.key() } else { message.value() };
            Some((Arc::clone(schemas), schemas.lacks(part?)?))
        })
    }

    fn says(&self, metadata: Metadata) -> bool {
        let is_it = |origin: &Origin| matches!(origin, Origin::Metadata(said) if *said == metadata);
        self.origins.iter().any(is_it)
    }
}

impl Half {
    fn new(part: &Part, fields: Vec<Field>) -> Self {
        Self {
            part: part.clone(),
            read: Arc::new(Schema::new(fields)),
        }
    }

    fn decoder(&self) -> Result<Box<dyn MessageDecoder>, String> {
        self.part.format.message_decoder(&self.part.schema, &self.read)
    }
}

/// The column at that place of the table as the part has it, as far as it is read.
fn within(part: &Part, place: usize, read: &Field) -> Option<Field> {
    let index = part.places.iter().position(|known| *known == place)?;
    Some(read.clone().with_name(part.schema.field(index).name()))
}

impl Metadata {
    fn named(name: &str) -> Result<Self, String> {
        Ok(match name {
            TOPIC => Self::Topic,
            PARTITION => Self::Partition,
            OFFSET => Self::Offset,
            TIMESTAMP => Self::Timestamp,
            TIMESTAMP_TYPE => Self::TimestampType,
            LEADER_EPOCH => Self::LeaderEpoch,
            HEADERS => Self::Headers,
            other => return Err(format!("Kafka has no metadata '{other}'")),
        })
    }
}

/// Rows of messages of one partition, which grow until they are taken.
pub(super) struct Rows {
    layout: Arc<Layout>,
    value: Box<dyn MessageDecoder>,
    key: Option<Box<dyn MessageDecoder>>,
    offsets: Option<Vec<i64>>,
    timestamps: Option<Vec<i64>>,
    timestamp_types: Option<Vec<&'static str>>,
    leader_epochs: Option<Vec<Option<i32>>>,
    headers: Option<MapBuilder<StringBuilder, BinaryBuilder>>,
    ops: Option<Vec<i8>>,
}

impl Rows {
    pub(super) fn new(layout: &Arc<Layout>) -> Result<Self, String> {
        let key = layout.key.as_ref().map(Half::decoder).transpose()?;
        let says = |metadata| layout.says(metadata);
        Ok(Self {
            value: layout.value.decoder()?,
            key,
            offsets: says(Metadata::Offset).then(Vec::new),
            timestamps: says(Metadata::Timestamp).then(Vec::new),
            timestamp_types: says(Metadata::TimestampType).then(Vec::new),
            leader_epochs: says(Metadata::LeaderEpoch).then(Vec::new),
            headers: says(Metadata::Headers).then(headers_builder),
            ops: layout.upserts.then(Vec::new),
            layout: Arc::clone(layout),
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.value.rows()
    }

    /// Whether a message without value is a row: one that is no more.
    pub(super) fn takes_tombstones(&self) -> bool {
        self.ops.is_some()
    }

    /// Whether messages say changes, behind which there may be tombstones for those who clean up the topic.
    pub(super) fn are_changes(&self) -> bool {
        self.layout.value.part.format.changelog_mode() != ChangelogMode::Append
    }

    /// Adds the row of a message, or the rows if it has changes. The error says what is wrong with it; then nothing of it is kept.
    #[inline]
    pub(super) fn push(&mut self, message: Message<'_>) -> Result<(), String> {
        let before = self.value.rows();
        match message.value() {
            Some(value) => self.value.push(value)?,
            None => self.value.push_absent()?,
        }
        for row in before..self.value.rows() {
            if let Err(reason) = self.push_key(message) {
                self.value.truncate(before);
                if let Some(key) = &mut self.key {
                    key.truncate(key.rows() - (row - before));
                }
                return Err(format!("in its key, {reason}"));
            }
        }
        for _ in before..self.value.rows() {
            self.note(message);
        }
        Ok(())
    }

    /// Adds a row of the key, as far as it is read.
    #[inline]
    fn push_key(&mut self, message: Message<'_>) -> Result<(), String> {
        match (&mut self.key, message.key()) {
            (None, _) => Ok(()),
            (Some(key), Some(bytes)) => key.push(bytes),
            (Some(key), None) => key.push_null(),
        }
    }

    /// Keeps what Kafka says of a message, as far as it is read.
    #[inline]
    fn note(&mut self, message: Message<'_>) {
        if let Some(offsets) = &mut self.offsets {
            offsets.push(message.offset());
        }
        if self.timestamps.is_some() || self.timestamp_types.is_some() {
            let (time, kind) = message.timestamp();
            if let Some(times) = &mut self.timestamps {
                times.push(time);
            }
            if let Some(types) = &mut self.timestamp_types {
                types.push(match kind {
                    TimestampType::RD_KAFKA_TIMESTAMP_CREATE_TIME => "CreateTime",
                    TimestampType::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => "LogAppendTime",
                    TimestampType::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => "NoTimestampType",
                });
            }
        }
        if let Some(epochs) = &mut self.leader_epochs {
            epochs.push(message.leader_epoch());
        }
        if let Some(headers) = &mut self.headers {
            append_headers(headers, message);
        }
        if let Some(ops) = &mut self.ops {
            ops.push(match message.value() {
                Some(_) => RowKind::UpdateAfter.byte(),
                None => RowKind::Delete.byte(),
            });
        }
    }

    /// All of them as a batch of the layout's schema.
    pub(super) fn take(&mut self, topic: &str, partition: i32) -> Result<RecordBatch, ArrowError> {
        let rows = self.len();
        let value = self.value.take()?;
        let key = self.key.as_mut().map(|key| key.take()).transpose()?;
        let layout = Arc::clone(&self.layout);
        let mut columns = Vec::with_capacity(layout.origins.len());
        for (origin, field) in layout.origins.iter().zip(layout.schema.fields()) {
            let column = match (origin, &key) {
                (Origin::Value(index), _) => Arc::clone(value.column(*index)),
                (Origin::Key(index), Some(key)) => Arc::clone(key.column(*index)),
                (Origin::Key(_), None) => {
                    return Err(ArrowError::InvalidArgumentError("a key is not decoded".into()));
                }
                (Origin::Op, _) => changelog::column(self.ops.clone().unwrap_or_default()),
                (Origin::Metadata(said), _) => self.said(*said, topic, partition, rows),
            };
            columns.push(if column.data_type() == field.data_type() {
                column
            } else {
                cast(&column, field.data_type())?
            });
        }
        self.forget();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&layout.schema), columns, &options)
    }

    /// The column of something that Kafka says; it may be read more than once.
    fn said(&self, metadata: Metadata, topic: &str, partition: i32, rows: usize) -> ArrayRef {
        let numbers = |kept: &Option<Vec<i64>>| kept.clone().unwrap_or_default();
        match metadata {
            Metadata::Topic => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(topic, rows))),
            Metadata::Partition => Arc::new(Int32Array::from_value(partition, rows)),
            Metadata::Offset => Arc::new(Int64Array::from(numbers(&self.offsets))),
            Metadata::Timestamp => {
                let times = TimestampMillisecondArray::from(numbers(&self.timestamps));
                Arc::new(times.with_timezone("UTC"))
            }
            Metadata::TimestampType => {
                let types = self.timestamp_types.as_deref().unwrap_or_default();
                Arc::new(StringArray::from_iter_values(types.iter()))
            }
            Metadata::LeaderEpoch => {
                let epochs = self.leader_epochs.iter().flatten().copied();
                Arc::new(epochs.collect::<Int32Array>())
            }
            Metadata::Headers => match &self.headers {
                Some(headers) => Arc::new(headers.finish_cloned()),
                None => Arc::new(headers_builder().finish()),
            },
        }
    }

    fn forget(&mut self) {
        for numbers in [&mut self.offsets, &mut self.timestamps].into_iter().flatten() {
            numbers.clear();
        }
        self.timestamp_types.iter_mut().for_each(Vec::clear);
        self.leader_epochs.iter_mut().for_each(Vec::clear);
        self.ops.iter_mut().for_each(Vec::clear);
        if let Some(headers) = &mut self.headers {
            *headers = headers_builder();
        }
    }
}

fn headers_builder() -> MapBuilder<StringBuilder, BinaryBuilder> {
    let names = MapFieldNames {
        entry: "entries".into(),
        key: "keys".into(),
        value: "values".into(),
    };
    MapBuilder::new(Some(names), StringBuilder::new(), BinaryBuilder::new())
}

/// A map has each name once: of several headers with one, the last.
fn append_headers(builder: &mut MapBuilder<StringBuilder, BinaryBuilder>, message: Message<'_>) {
    let mut all: Vec<(String, Option<Vec<u8>>)> = Vec::new();
    message.each_header(|name, value| {
        all.retain(|(known, _)| known != name);
        all.push((name.to_owned(), value.map(<[u8]>::to_vec)));
    });
    for (name, value) in &all {
        builder.keys().append_value(name);
        builder.values().append_option(value.as_deref());
    }
    // The builder holds as many keys as values: it cannot refuse.
    let _ = builder.append(true);
}
