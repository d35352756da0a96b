//! Rows written and deleted, as an operator gives them at a checkpoint.

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::Schema;
use std::{fmt, sync::Arc};
use weir_model::Failure;

use super::Table;

/// Rows that an operator writes at once at most, so that no column of theirs grows too long.
pub const ROWS: usize = 1 << 16;

/// The same where each change is gone before the next one comes: memory is short then.
const STREAMED_ROWS: usize = 1 << 10;

/// What a snapshot takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All rows that there are. Nothing is deleted.
    All,
    /// What was written and deleted since the last snapshot, or since changes have been tracked.
    Changes,
}

/// A change of a table. Those of a snapshot come in order: a row may be deleted and written anew.
#[derive(Clone, Debug)]
pub enum Change {
    /// Rows that are there from now on, in place of those with the same keys.
    Write {
        /// Position among the operator's tables.
        table: usize,
        /// All columns.
        rows: RecordBatch,
    },
    /// Rows that are there no longer, if they ever were.
    Delete {
        /// Position among the operator's tables.
        table: usize,
        /// The columns of the key.
        keys: RecordBatch,
    },
}

/// Takes each change as it comes.
type Sink = Box<dyn FnMut(Change) -> Result<(), Failure> + Send>;

/// The changes of one operator's tables at a checkpoint.
pub struct Snapshot {
    tables: Vec<Table>,
    changes: Vec<Change>,
    sink: Option<Sink>,
}

impl Snapshot {
    /// Nothing yet, of these tables.
    pub fn new(tables: Vec<Table>) -> Self {
        Self {
            tables,
            changes: Vec::new(),
            sink: None,
        }
    }

    /// The same, of which nothing is gathered: each change goes to `sink` at once, whose failure is that of the operator.
    pub fn streamed(tables: Vec<Table>, sink: Sink) -> Self {
        Self {
            sink: Some(sink),
            ..Self::new(tables)
        }
    }

    /// How many rows at most are to be written at once.
    pub fn chunk_rows(&self) -> usize {
        if self.sink.is_some() { STREAMED_ROWS } else { ROWS }
    }

    fn push(&mut self, change: Change) -> Result<(), Failure> {
        if let Some(sink) = &mut self.sink {
            return sink(change);
        }
        self.changes.push(change);
        Ok(())
    }

    /// Writes rows of a table: all of its columns.
    pub fn write(&mut self, table: usize, columns: Vec<ArrayRef>) -> Result<(), Failure> {
        let schema = Arc::clone(&self.tables[table].schema);
        if columns.first().is_some_and(Array::is_empty) {
            return Ok(());
        }
        let rows = batch(schema, columns)?;
        self.push(Change::Write { table, rows })
    }

    /// Deletes rows of a table, by all columns of its key. It is no error to delete what is not there.
    pub fn delete(&mut self, table: usize, keys: Vec<ArrayRef>) -> Result<(), Failure> {
        let of_table = &self.tables[table];
        if keys.first().is_some_and(Array::is_empty) {
            return Ok(());
        }
        let fields = of_table.schema.fields()[..of_table.key].to_vec();
        let keys = batch(Arc::new(Schema::new(fields)), keys)?;
        self.push(Change::Delete { table, keys })
    }

    /// Adds what another one has said, behind all else.
    pub fn append(&mut self, other: Self) -> Result<(), Failure> {
        other.changes.into_iter().try_for_each(|change| self.push(change))
    }

    /// The tables that it is of.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// What has changed so far, in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What has changed, in order.
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("tables", &self.tables)
            .field("changes", &self.changes)
            .finish_non_exhaustive()
    }
}

/// Columns as a batch. A table without columns has one row.
fn batch(schema: arrow_schema::SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch, Failure> {
    let rows = columns.first().map_or(1, Array::len);
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options)
        .map_err(|e| Failure::internal(format!("rows of an operator's state do not fit its table: {e}")))
}
