//! Rows in memory, by key.

use std::{hash::BuildHasher, sync::Arc};

use arrow_array::{
    Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array,
    cast::AsArray,
    types::{Float32Type, Float64Type},
};
use arrow_buffer::NullBuffer;
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::{concat::concat_batches, filter::filter_record_batch, take::take_record_batch};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::Found;
use crate::ConnectorError;

/// Keys as bytes that are equal when the keys are.
#[derive(Debug)]
pub(super) struct KeyCodec {
    converter: RowConverter,
    hasher: FixedState,
}

impl KeyCodec {
    pub(super) fn new(types: &[DataType]) -> Result<Self, ConnectorError> {
        let fields = types.iter().map(|t| SortField::new(t.clone())).collect();
        let converter = RowConverter::new(fields)
            .map_err(|e| ConnectorError::internal(format!("rows cannot be looked up by such keys: {e}")))?;
        Ok(Self {
            converter,
            hasher: FixedState::with_seed(0),
        })
    }

    pub(super) fn encode(&self, keys: &[ArrayRef]) -> Result<Rows, ConnectorError> {
        let keys: Vec<ArrayRef> = keys.iter().map(normal).collect();
        self.converter.convert_columns(&keys).map_err(|e| broken(&e))
    }

    #[inline]
    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }
}

/// Floats with one bit pattern per value: -0.0 is 0.0. Other columns as they are.
fn normal(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float32 => Arc::new(
            column
                .as_primitive::<Float32Type>()
                .unary::<_, Float32Type>(|v| v + 0.0),
        ),
        DataType::Float64 => Arc::new(
            column
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(|v| v + 0.0),
        ),
        _ => Arc::clone(column),
    }
}

/// All rows of a table, those of a key next to each other.
#[derive(Debug)]
pub(crate) struct Index {
    codec: KeyCodec,
    rows: RecordBatch,
    /// Keys, each at the place of its first row when they were loaded.
    keys: Rows,
    /// Per key, a place in `keys`.
    firsts: Vec<u32>,
    /// Per key, where its rows begin; and the end.
    starts: Vec<u32>,
    table: HashTable<u32>,
}

impl Index {
    /// Of batches with these columns as keys; those `produced` are kept.
    pub(crate) fn new(
        schema: &SchemaRef,
        batches: &[RecordBatch],
        keys: &[usize],
        produced: &[usize],
    ) -> Result<Self, ConnectorError> {
        let types: Vec<DataType> = keys
            .iter()
            .map(|k| schema.field(*k).data_type().clone())
            .collect();
        let codec = KeyCodec::new(&types)?;
        let all = concat_batches(schema, batches).map_err(|e| broken(&e))?;
        let all = with_keys(&all, keys)?;
        let columns: Vec<ArrayRef> = keys.iter().map(|k| Arc::clone(all.column(*k))).collect();
        let encoded = codec.encode(&columns)?;
        let (mut table, mut firsts, mut groups) = (HashTable::new(), Vec::new(), Vec::new());
        for row in 0..all.num_rows() {
            let key = encoded.row(row);
            let hash = codec.hash(key.data());
            let entry = table.entry(
                hash,
                |group: &u32| encoded.row(firsts[*group as usize] as usize) == key,
                |group: &u32| codec.hash(encoded.row(firsts[*group as usize] as usize).data()),
            );
            let next = firsts.len() as u32;
            let group = *entry.or_insert(next).get();
            if group == next {
                firsts.push(row as u32);
            }
            groups.push(group);
        }
        let (starts, order) = counted(&groups, firsts.len());
        let rows = all.project(produced).map_err(|e| broken(&e))?;
        let rows = take_record_batch(&rows, &UInt32Array::from(order)).map_err(|e| broken(&e))?;
        Ok(Self {
            codec,
            rows,
            keys: encoded,
            firsts,
            starts,
            table,
        })
    }

    /// The rows of these keys.
    pub(crate) fn find(&self, keys: &[ArrayRef]) -> Result<Found, ConnectorError> {
        let asked = self.codec.encode(keys)?;
        let (mut places, mut of) = (Vec::new(), Vec::new());
        for (number, key) in (0_u32..).zip(asked.iter()) {
            let same = |group: &u32| self.keys.row(self.firsts[*group as usize] as usize) == key;
            if let Some(&group) = self.table.find(self.codec.hash(key.data()), same) {
                for row in self.starts[group as usize]..self.starts[group as usize + 1] {
                    places.push(row);
                    of.push(number);
                }
            }
        }
        let rows = take_record_batch(&self.rows, &UInt32Array::from(places)).map_err(|e| broken(&e))?;
        Ok(Found { rows, keys: of })
    }
}

/// The rows without a null in a key: nothing is equal to it.
fn with_keys(batch: &RecordBatch, keys: &[usize]) -> Result<RecordBatch, ConnectorError> {
    let nulls = keys.iter().map(|k| batch.column(*k).logical_nulls());
    let valid = nulls.fold(None, |all, column| {
        NullBuffer::union(all.as_ref(), column.as_ref())
    });
    match valid {
        Some(valid) if valid.null_count() > 0 => {
            filter_record_batch(batch, &BooleanArray::new(valid.into_inner(), None)).map_err(|e| broken(&e))
        }
        _ => Ok(batch.clone()),
    }
}

/// Where the rows of each group begin, and the rows ordered by group, else as they were.
fn counted(groups: &[u32], count: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0_u32; count + 1];
    for group in groups {
        starts[*group as usize + 1] += 1;
    }
    for group in 0..count {
        starts[group + 1] += starts[group];
    }
    let mut next = starts.clone();
    let mut order = vec![0_u32; groups.len()];
    for (row, group) in (0_u32..).zip(groups) {
        let at = &mut next[*group as usize];
        order[*at as usize] = row;
        *at += 1;
    }
    (starts, order)
}

pub(super) fn broken(error: &ArrowError) -> ConnectorError {
    ConnectorError::internal(format!("rows that were looked up cannot be picked: {error}"))
}
