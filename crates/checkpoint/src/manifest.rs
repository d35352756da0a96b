//! What a checkpoint or a savepoint consists of: the words of its manifest, a JSON object beside its files.
//!
//! A checkpoint exists exactly when its manifest does. Everything that a restored job begins with is in here or in the files that
//! are named in here; paths are relative to the folder of the manifest of a savepoint, and to the job's folder otherwise.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The version of this format. One with a higher number is refused.
pub const FORMAT: u32 = 1;

/// Numbers the checkpoints and savepoints of a job, in the order in which they were begun; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CheckpointId(pub u64);

impl std::fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Who owns the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The job: files are shared with its other checkpoints, and go when newer ones are there.
    Checkpoint,
    /// People: it has all of its files in its own folder, and goes when they say so.
    Savepoint,
}

/// A checkpoint or a savepoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of Weir that wrote it.
    pub weir_version: String,
    /// Which.
    pub kind: Kind,
    /// The job's id.
    pub job: String,
    /// Its number.
    pub checkpoint: CheckpointId,
    /// The deployment that took it.
    pub generation: u64,
    /// When it was complete, ms since 1970.
    pub created_at_ms: i64,
    /// Key groups of the job.
    pub max_parallelism: u32,
    /// The state of every subtask, those that had finished before too.
    pub subtasks: Vec<SubtaskState>,
}

/// The state of a subtask. Workers send it; what is for them alone is theirs to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtaskState {
    /// Which task of the graph that ran.
    pub task: u32,
    /// Which subtask of it.
    pub subtask: u32,
    /// The key groups whose rows it has.
    pub key_groups: Range<u32>,
    /// All input had ended, and everything was emitted.
    pub finished: bool,
    /// Its operators; the position of an operator is its number in the keys of the rows.
    pub operators: Vec<OperatorState>,
    /// The rows.
    pub files: Files,
}

/// What one subtask of an operator keeps, beside its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorState {
    /// By which a later version of the query finds it.
    pub uid: String,
    /// What it is called.
    pub name: String,
    /// The tables of its rows; none: it keeps none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableShape>,
    /// How far event time had come, ms since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark_ms: Option<i64>,
    /// Of a source: what it reads, and how far it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<SplitState>,
    /// Of a sink: what is to be committed when the checkpoint is there, in the connector's own words. Committing twice is no error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<String>,
}

/// The columns of a table of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableShape {
    /// Unique within the operator.
    pub name: String,
    /// An Arrow IPC schema message, base64.
    pub schema: String,
    /// How many columns say which key group a row belongs to.
    pub partition: usize,
    /// How many columns a row is found by, those included.
    pub key: usize,
    /// The types of the columns, for people.
    pub types: Vec<String>,
}

/// A split of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitState {
    /// Unique within the source.
    pub id: String,
    /// What to read and from where on: the connector's own words.
    pub state: String,
    /// It has no more rows, ever.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// How far its event time had come, ms since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark_ms: Option<i64>,
}

/// The files of a subtask's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// How they are to be read.
    pub format: FilesFormat,
    /// Each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<StateFile>,
}

/// How the rows of a subtask are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilesFormat {
    /// Sorted entries in files of Weir's own: all rows, whatever the state backend.
    #[default]
    Sorted,
    /// The files of a RocksDB database, most of them shared with other checkpoints.
    Rocksdb,
}

/// A file that is written once and never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    /// What it is called where it is used.
    pub name: String,
    /// Where it is.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// CRC-32 (IEEE) of all of it.
    pub crc32: u32,
}

impl Manifest {
    /// All paths of files that it refers to.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let files = self.subtasks.iter().flat_map(|subtask| &subtask.files.files);
        files.map(|file| file.path.as_str())
    }
}
