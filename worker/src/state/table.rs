//! What the rows of a table of state look like.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use weir_checkpoint::key_group;
use weir_model::Failure;

use crate::exchange::hash::mix_column;

/// A table of an operator's state.
///
/// Its columns are, in this order: those by which the operator's input is partitioned, the rest of what a row is found by, and what is
/// kept there. No two rows have the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Unique within the operator, and the same in later versions.
    pub name: &'static str,
    /// All columns.
    pub schema: SchemaRef,
    /// How many columns say which key group a row belongs to; none: it is key group 0.
    pub partition: usize,
    /// How many columns a row is found by, those included.
    pub key: usize,
}

impl Table {
    /// A table of columns of these types: those of the partition, of the rest of the key, and of the values. Columns may be null.
    pub fn new(name: &'static str, partition: &[DataType], rest: &[DataType], values: &[DataType]) -> Self {
        let types = partition.iter().chain(rest).chain(values).enumerate();
        let fields: Vec<Field> = types
            .map(|(at, data_type)| Field::new(format!("c{at}"), data_type.clone(), true))
            .collect();
        Self {
            name,
            schema: Arc::new(Schema::new(fields)),
            partition: partition.len(),
            key: partition.len() + rest.len(),
        }
    }

    /// The key groups of rows, by their key columns.
    pub fn key_groups(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        max_parallelism: u32,
    ) -> Result<Vec<u32>, Failure> {
        if self.partition == 0 {
            return Ok(vec![0; rows]);
        }
        let mut hashes = vec![0; rows];
        for column in &columns[..self.partition] {
            mix_column(column, &mut hashes)?;
        }
        let group = |hash| key_group::of_hash(hash, max_parallelism);
        Ok(hashes.into_iter().map(group).collect())
    }
}
