//! The sink traits.

use std::{fmt, sync::Arc};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use weir_env::Clock;

use crate::{ChangelogMode, ConnectorError, OptionError};

/// A validated table to write.
#[async_trait]
pub trait SinkFactory: fmt::Debug + Send + Sync {
    /// Which changes its writers take. Of what is only appended, the batches have the table's columns; of changes, one more
    /// (see [`changelog`](crate::changelog)).
    fn changelog_mode(&self) -> ChangelogMode;

    /// Whether the thing can be written now: called at submission. Cheap, and creates nothing.
    async fn check(&self) -> Result<(), OptionError>;

    /// A writer; one per subtask.
    async fn open(&self, context: SinkContext) -> Result<Box<dyn Sink>, ConnectorError>;
}

/// What a writer needs from the runtime.
#[derive(Clone, Debug)]
pub struct SinkContext {
    /// The job's id, or `local`.
    pub job: String,
    /// Distinguishes executions of the job, so that two never write to the same file.
    pub generation: u64,
    /// Which of `parallelism` writers this is.
    pub subtask: u32,
    /// How many writers there are.
    pub parallelism: u32,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where `print` puts its rows.
    pub output: Arc<dyn RowOutput>,
}

/// Where printed rows go: the standard output of a local run, or the console of a cluster.
pub trait RowOutput: fmt::Debug + Send + Sync {
    /// Takes rows of one table: `lines` holds `rows` JSON objects, each ended by a line feed.
    fn print(&self, table: &str, subtask: u32, lines: &[u8], rows: usize);
}

/// A writer: one per subtask.
#[async_trait]
pub trait Sink: Send {
    /// Takes rows; may buffer.
    async fn write(&mut self, batch: RecordBatch) -> Result<(), ConnectorError>;

    /// Hands on all that is buffered: called when input pauses.
    async fn flush(&mut self) -> Result<(), ConnectorError>;

    /// All rows were written: makes them visible for good. Nothing follows.
    async fn finish(&mut self) -> Result<(), ConnectorError>;
}
