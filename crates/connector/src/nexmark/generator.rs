//! Batches of the columns that are read.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StructArray, TimestampMillisecondArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Fields, Schema, SchemaRef};

use super::{
    auction::Auctions,
    bid::Bids,
    block::{Block, Run},
    config::{Config, Cycle, Kind},
    person::Persons,
    schema,
};
use crate::ConnectorError;

/// Makes batches of any events.
#[derive(Debug)]
pub(super) struct Generator {
    config: Arc<Config>,
    schema: SchemaRef,
    persons: Persons,
    auctions: Auctions,
    bids: Bids,
    /// Whether a field is read that is the time of the event.
    timed: bool,
    /// Of the batch before. Batches of whole cycles all have the same.
    kinds: Kinds,
}

impl Generator {
    /// Of batches with this schema: some columns and fields of the whole one.
    pub(super) fn new(config: Arc<Config>, schema: SchemaRef) -> Result<Self, ConnectorError> {
        schema::check(&schema).map_err(|error| ConnectorError::internal(error.to_string()))?;
        Ok(Self {
            persons: Persons::new(&config),
            auctions: Auctions::new(&config),
            bids: Bids::new(&config, reads(&schema, &["channel", "url"])),
            timed: reads(&schema, &["dateTime"]),
            kinds: Kinds::new(config.cycle, 0, 0),
            config,
            schema,
        })
    }

    /// `count` events from `first` on.
    pub(super) fn batch(&mut self, first: u64, count: usize) -> Result<RecordBatch, ConnectorError> {
        let place = first % self.config.cycle.len();
        if (self.kinds.place, self.kinds.rows) != (place, count) {
            self.kinds = Kinds::new(self.config.cycle, place, count);
        }
        self.build(first, count)
            .map_err(|error| ConnectorError::internal(format!("a batch of events does not fit: {error}")))
    }

    fn build(&self, first: u64, count: usize) -> Result<RecordBatch, ArrowError> {
        let rows = self.rows(first, count);
        let columns = self.schema.fields().iter().map(|field| match field.data_type() {
            DataType::Struct(fields) => self.row_column(field.name(), fields, &rows),
            _ => Ok(self.kinds.event_type.clone()),
        });
        let columns = columns.collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
    }

    fn rows(&self, first: u64, count: usize) -> Rows<'_> {
        let mut times = Vec::new();
        if self.timed {
            times.reserve(count);
            self.config
                .pace
                .extend(self.config.base_time_ms, first, count, &mut times);
        }
        Rows {
            block: Block {
                config: &self.config,
                first,
                rows: count,
            },
            kinds: &self.kinds,
            times: times.into(),
        }
    }

    fn row_column(&self, name: &str, fields: &Fields, rows: &Rows<'_>) -> Result<ArrayRef, ArrowError> {
        let kind = match name {
            "person" => Kind::Person,
            "auction" => Kind::Auction,
            _ => Kind::Bid,
        };
        let column = |field: &str| match kind {
            Kind::Person => self.persons.column(field, rows),
            Kind::Auction => self.auctions.column(field, rows),
            Kind::Bid => self.bids.column(field, rows),
        };
        let columns = fields.iter().map(|field| {
            column(field.name())
                .ok_or_else(|| ArrowError::SchemaError(format!("no field '{name}.{}'", field.name())))
        });
        let columns = columns.collect::<Result<_, _>>()?;
        let rows = StructArray::try_new_with_length(
            fields.clone(),
            columns,
            Some(rows.nulls(kind)),
            rows.block.rows,
        )?;
        Ok(Arc::new(rows))
    }
}

/// Whether a field of one of these names is read, of whatever kind.
fn reads(schema: &Schema, names: &[&str]) -> bool {
    schema.fields().iter().any(|field| match field.data_type() {
        DataType::Struct(fields) => fields.iter().any(|field| names.contains(&field.name().as_str())),
        _ => false,
    })
}

/// The rows of a batch, and what its columns share.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    pub(super) block: Block<'a>,
    kinds: &'a Kinds,
    /// The time of each event, if it is read.
    times: ScalarBuffer<i64>,
}

impl Rows<'_> {
    /// A column of numbers for a kind, `extend`ed run by run.
    pub(super) fn longs(&self, kind: Kind, extend: impl FnMut(&Run, &mut Vec<i64>)) -> ArrayRef {
        let values = self.block.longs(kind, extend);
        Arc::new(Int64Array::new(values.into(), Some(self.nulls(kind))))
    }

    /// The times of a kind.
    pub(super) fn times(&self, kind: Kind) -> ArrayRef {
        Arc::new(TimestampMillisecondArray::new(
            self.times.clone(),
            Some(self.nulls(kind)),
        ))
    }

    /// The nulls of a kind's ROW and of all of its fields, so that a field can be read without its ROW.
    pub(super) fn nulls(&self, kind: Kind) -> NullBuffer {
        self.kinds.valid[kind as usize].clone()
    }

    /// How many events are of a kind.
    pub(super) fn count(&self, kind: Kind) -> usize {
        self.block.rows - self.kinds.valid[kind as usize].null_count()
    }
}

/// Which rows are of which kind.
#[derive(Debug)]
struct Kinds {
    /// The place of the first row in its cycle.
    place: u64,
    rows: usize,
    event_type: ArrayRef,
    valid: [NullBuffer; 3],
}

impl Kinds {
    fn new(cycle: Cycle, place: u64, rows: usize) -> Self {
        let kinds = [Kind::Person, Kind::Auction, Kind::Bid];
        let places = || (place..cycle.len()).chain((0..cycle.len()).cycle()).take(rows);
        let kind_at = |place| {
            kinds
                .into_iter()
                .find(|kind| cycle.places(*kind).contains(&place))
        };
        let event_type = places().map(|place| kind_at(place).map(|kind| kind as i32));
        Self {
            place,
            rows,
            event_type: Arc::new(Int32Array::new(event_type.flatten().collect(), None)),
            valid: kinds.map(|kind| {
                let valid = places().map(|place| cycle.places(kind).contains(&place));
                NullBuffer::new(valid.collect::<BooleanBuffer>())
            }),
        }
    }
}
