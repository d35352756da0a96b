//! Lookups: the rows that a table outside has for some keys, asked batch by batch as rows pass.
//!
//! - `options`: what tables say about lookups. Leans on nothing.
//! - `index`: rows in memory, by key. Leans on nothing.
//! - `wanted`: what is read of a table. Leans on nothing.
//! - `scan`: all rows of a table that can be read from one end to the other. Leans on `index` and `wanted`.
//! - `full`: all rows, loaded once and again. Leans on `scan`.
//! - `partial`: the rows of the keys that were asked for last. Leans on nothing.
//! - `layers`: a connector's lookup with retries and a cache above it. Leans on all of the above.

mod full;
mod index;
mod layers;
mod options;
mod partial;
mod scan;
mod wanted;

use std::{fmt, sync::Arc};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use async_trait::async_trait;
use weir_env::Clock;

use crate::{ConnectorError, OptionError};

pub(crate) use index::Index;
pub use layers::{OfSource, layered};
pub use options::{
    CACHE_MISSING_KEY, Cache, EXPIRE_AFTER_ACCESS, EXPIRE_AFTER_WRITE, MAX_RETRIES, MAX_ROWS, MAX_SIZE,
    PartialCache, RELOAD_INTERVAL, RELOAD_STRATEGY, Settings, cache,
};
pub(crate) use wanted::Wanted;

/// A validated table that rows are looked up in.
#[async_trait]
pub trait LookupFactory: fmt::Debug + Send + Sync {
    /// Whether the thing can be asked now: called at submission. Cheap.
    async fn check(&self) -> Result<(), OptionError>;

    /// Whether rows can be found by these physical columns of the table. The error says what they lack.
    fn check_keys(&self, keys: &[usize]) -> Result<(), OptionError> {
        let _ = keys;
        Ok(())
    }

    /// Ready to be asked; one per subtask.
    async fn open(&self, context: LookupContext) -> Result<Arc<dyn Lookup>, ConnectorError>;
}

/// What a lookup needs from the runtime.
#[derive(Clone, Debug)]
pub struct LookupContext {
    /// The key: physical columns of the table, at least one, none of them nested.
    pub keys: Vec<usize>,
    /// Their types, in the same order.
    pub key_types: Vec<DataType>,
    /// The columns to produce: a subset of the table's physical columns in the table's order, structs pruned to the fields that are
    /// read. Key columns are only among them if they are read.
    pub schema: SchemaRef,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Answers which rows a table has for keys. Several questions may be on their way at once.
///
/// Dropping the future of a question must do no harm.
#[async_trait]
pub trait Lookup: fmt::Debug + Send + Sync {
    /// The rows of these keys: a column per key column, of its type, without nulls, at least one row.
    ///
    /// What a connector gets has each key once; what stands above it need not.
    async fn lookup(&self, keys: &[ArrayRef]) -> Result<Found, ConnectorError>;
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Found {
    /// The rows, with the columns that were asked for.
    pub rows: RecordBatch,
    /// For each row, the key that it is of: its place in the question. Ascending.
    pub keys: Vec<u32>,
}

#[cfg(test)]
mod tests;
