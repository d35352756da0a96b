//! Rows that are taken back, found by a hash of all of their columns.

use std::hash::BuildHasher;

use arrow_array::RecordBatch;
use arrow_row::{RowConverter, SortField};
use arrow_schema::SchemaRef;
use foldhash::fast::FixedState;
use weir_model::Failure;

use super::regular::broken;

/// The hashes of rows, by their numbers.
#[derive(Debug)]
pub(super) struct RowsBack {
    converter: RowConverter,
    hashes: Vec<u64>,
}

impl RowsBack {
    /// Of rows of these columns.
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, Failure> {
        let fields = schema.fields().iter();
        let fields = fields.map(|f| SortField::new(f.data_type().clone()));
        let converter = RowConverter::new(fields.collect()).map_err(|e| {
            Failure::user(format!(
                "cannot join a result that changes and has such columns: {e}"
            ))
        })?;
        Ok(Self {
            converter,
            hashes: Vec::new(),
        })
    }

    /// The hash of a row that was added.
    #[inline]
    pub(super) fn hash(&self, row: u32) -> u64 {
        self.hashes[row as usize]
    }

    /// Adds rows behind all others.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let hashes = self.hashes_of(batch)?;
        self.hashes.extend(hashes);
        Ok(())
    }

    pub(super) fn hashes_of(&self, batch: &RecordBatch) -> Result<Vec<u64>, Failure> {
        if batch.num_columns() == 0 {
            return Ok(vec![0; batch.num_rows()]);
        }
        let rows = self
            .converter
            .convert_columns(batch.columns())
            .map_err(|e| broken(&e))?;
        let hasher = FixedState::with_seed(0);
        Ok(rows.iter().map(|row| hasher.hash_one(row.data())).collect())
    }

    pub(super) fn clear(&mut self) {
        self.hashes.clear();
    }
}
