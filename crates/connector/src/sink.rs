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

    /// A writer; one per subtask. What writers of before had to commit with the restored checkpoint is committed by then, those with this
    /// one's number modulo the parallelism.
    async fn open(&self, context: SinkContext) -> Result<Box<dyn Sink>, ConnectorError>;

    /// Makes visible what writers prepared, in the order in which they said it. Called when the checkpoint that it belongs to
    /// exists, and again, perhaps by another machine of the cluster, while it is not known whether that went well: what was
    /// committed before stays as it is. An error if something is neither there to be committed nor was committed before.
    async fn commit(&self, commits: &[String]) -> Result<(), ConnectorError> {
        match commits.first() {
            None => Ok(()),
            Some(first) => Err(ConnectorError::internal(format!(
                "'{first}' is to be committed to a sink that prepares nothing"
            ))),
        }
    }
}

/// What a writer needs from the runtime.
#[derive(Clone, Debug)]
pub struct SinkContext {
    /// The job's id, or `local`.
    pub job: String,
    /// Distinguishes executions of the job, so that two never write to the same file.
    pub generation: u64,
    /// The checkpoint that this execution begins from: what it and those before it had to commit is there to be committed, whatever
    /// else older executions left is not. None if the job begins anew.
    pub restored: Option<u64>,
    /// Whether the job takes checkpoints; else what is prepared is committed at the end alone.
    pub takes_checkpoints: bool,
    /// Which of the job's operators this is: two may write to one place.
    pub operator: u32,
    /// The operator's uid, which stays the same when the query around it changes.
    pub uid: String,
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

    /// The barrier of a checkpoint has come to the task that calls: what it has printed so far belongs to it, or to one before.
    fn on_barrier(&self, checkpoint: u64) {
        let _ = checkpoint;
    }
}

/// A writer: one per subtask.
#[async_trait]
pub trait Sink: Send {
    /// Takes rows; may buffer.
    async fn write(&mut self, batch: RecordBatch) -> Result<(), ConnectorError>;

    /// Hands on all that is buffered: called when input pauses.
    async fn flush(&mut self) -> Result<(), ConnectorError>;

    /// The barrier of a checkpoint: all rows so far belong to it or to one before. Makes those durable that no checkpoint has
    /// yet, and says in the connector's own words what is to be committed. Nothing where rows are visible at once.
    ///
    /// Said once: if this checkpoint comes to nothing, the next one that is complete has it too.
    async fn prepare(&mut self, checkpoint: u64) -> Result<Vec<String>, ConnectorError> {
        let _ = checkpoint;
        self.flush().await?;
        Ok(Vec::new())
    }

    /// All rows were written: the same for those that no checkpoint has. No rows follow.
    async fn finish(&mut self) -> Result<Vec<String>, ConnectorError>;
}
