//! What the rows of a table of state look like.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::take::take;
use weir_checkpoint::key_group;
use weir_model::Failure;

use crate::exchange::hash::mix_column;

/// A table of an operator's state.
///
/// Its columns are, in this order: those by which the operator's input is partitioned, the rest of what a row is found by, and what is
/// kept there. No two rows have the same key.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Unique within the operator, and the same in later versions.
    pub name: &'static str,
    /// All columns.
    pub schema: SchemaRef,
    /// How many columns say which key group a row belongs to; none: it is key group 0.
    pub partition: usize,
    /// How many columns a row is found by, those included.
    pub key: usize,
    /// What the columns behind the key are of, in their order; none: they are known by their places.
    pub parts: Vec<Part>,
    /// When event time needs a row though none of its partition comes; none: never.
    pub due: Option<Due>,
}

/// A time that is kept with a row, and so many ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The column of the time, ms: a number or a TIMESTAMP(3). A row without a time is never due.
    pub column: usize,
    /// How long after it the row is due, ms.
    pub after_ms: i64,
    /// It is due in steps of this time, ms: later by less than that.
    pub grain_ms: i64,
}

impl Due {
    /// At a time of a column, to the millisecond.
    pub fn at(column: usize, after_ms: i64) -> Self {
        Self {
            column,
            after_ms,
            grain_ms: 1,
        }
    }

    /// When rows are due, ms.
    pub fn times(&self, rows: &RecordBatch) -> Vec<Option<i64>> {
        let column = rows.column(self.column);
        let due = |row: usize, time: &i64| {
            let at = time.saturating_add(self.after_ms);
            let over = at.rem_euclid(self.grain_ms);
            let up = if over == 0 { 0 } else { self.grain_ms - over };
            column.is_valid(row).then(|| at.saturating_add(up))
        };
        let times = values(column);
        times
            .iter()
            .enumerate()
            .map(|(row, time)| due(row, time))
            .collect()
    }
}

/// The numbers of a column of numbers or times.
fn values(column: &ArrayRef) -> ScalarBuffer<i64> {
    let data = column.to_data();
    ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len())
}

/// Columns of a table that belong together: what one aggregate keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What they are of, the same in later versions of the query. What begins with `$` is the operator's own.
    pub name: String,
    /// Their types.
    pub types: Vec<DataType>,
    /// What they are in a row that begins without them, a value each; none: no row does.
    pub beginning: Option<Vec<ArrayRef>>,
}

impl Part {
    /// Columns without which no row is.
    pub fn own(name: &str, data_type: DataType) -> Self {
        Self {
            name: name.to_owned(),
            types: vec![data_type],
            beginning: None,
        }
    }

    /// The columns of so many rows that begin without.
    pub fn begun(&self, rows: usize) -> Option<Result<Vec<ArrayRef>, Failure>> {
        let beginning = self.beginning.as_ref()?;
        let first = UInt32Array::from(vec![0; rows]);
        let columns = beginning.iter().map(|value| take(value, &first, None));
        let columns: Result<Vec<_>, _> = columns.collect();
        Some(columns.map_err(|e| Failure::internal(format!("state that begins cannot be made: {e}"))))
    }
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
            parts: Vec::new(),
            due: None,
        }
    }

    /// The same, whose rows event time needs then.
    #[must_use]
    pub fn due(self, due: Due) -> Self {
        Self {
            due: Some(due),
            ..self
        }
    }

    /// The same, of values that are named, if all of them are.
    pub fn of_parts(name: &'static str, partition: &[DataType], rest: &[DataType], parts: Vec<Part>) -> Self {
        let values: Vec<DataType> = parts.iter().flat_map(|part| part.types.iter().cloned()).collect();
        let is_named = parts.iter().all(|part| !part.name.is_empty());
        Self {
            parts: if is_named { parts } else { Vec::new() },
            ..Self::new(name, partition, rest, &values)
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
