//! What a state backend is told, and what it answers.

use std::{ops::Range, path::PathBuf, sync::Arc};

use weir_checkpoint::manifest::{Files, SubtaskState};
use weir_env::Clock;

use crate::state::{MemoryBudget, StateFolder, Table, copies::SubtaskCopies};

/// How rows are kept between checkpoints: the setting `state.backend.type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// In a database on the disk, so that a checkpoint has to say what has changed and no more.
    #[default]
    Rocksdb,
    /// Not at all: a checkpoint says everything.
    Memory,
}

/// A backend for one subtask of one deployment.
#[derive(Clone, Debug)]
pub struct BackendConfig {
    /// How rows are kept.
    pub kind: Kind,
    /// A folder on this machine of which nobody else makes use. What is in it may be lost.
    pub folder: PathBuf,
    /// Where the files of its checkpoints go.
    pub files: StateFolder,
    /// Where those files are kept on this machine; none: they are not.
    pub copies: Option<SubtaskCopies>,
    /// The key groups whose rows it has.
    pub key_groups: Range<u32>,
    /// The key groups of the job.
    pub max_parallelism: u32,
    /// The subtask's operators, those without state too: their positions are in the keys of rows.
    pub operators: Vec<OperatorTables>,
    /// The worker's memory.
    pub memory: Arc<MemoryBudget>,
    /// For pauses between attempts.
    pub clock: Arc<dyn Clock>,
}

/// An operator and what its state is rows of.
#[derive(Clone, Debug)]
pub struct OperatorTables {
    /// By which a later version of the query finds its state.
    pub uid: String,
    /// What it is called in messages.
    pub name: String,
    /// Its tables.
    pub tables: Vec<Table>,
}

/// What a subtask left, and where.
#[derive(Clone, Debug)]
pub struct Restored {
    /// As its manifest says.
    pub state: SubtaskState,
    /// Where the paths in it begin. The prefix is of no matter.
    pub folder: StateFolder,
}

/// Where the files came from that a subtask began with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoredBytes {
    /// Bytes of those that were on this machine.
    pub local: u64,
    /// Bytes that were downloaded.
    pub downloaded: u64,
}

/// What rows are written down for.
#[derive(Clone, Debug)]
pub enum Persist {
    /// A checkpoint, among the files of the job.
    Checkpoint,
    /// A savepoint, whose files all go into a folder of its own.
    Savepoint(StateFolder),
}

/// What was written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Persisted {
    /// All files of the checkpoint.
    pub files: Files,
    /// What was uploaded for it, in bytes.
    pub bytes_new: u64,
    /// What its files have, in bytes.
    pub bytes_full: u64,
}
