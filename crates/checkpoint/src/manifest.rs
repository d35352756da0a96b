//! What a checkpoint or a savepoint consists of: the words of its manifest, a JSON object beside its files.
//!
//! A checkpoint exists exactly when its manifest does. Everything that a restored job begins with is in here or in the files that
//! are named in here; paths are relative to the folder of the manifest of a savepoint, and to the job's folder otherwise.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The version of this format. One with a higher number is refused.
pub const FORMAT: u32 = 2;

/// The version before rows could be on their way.
const WITHOUT_IN_FLIGHT: u32 = 1;

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
    /// See [`format`].
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
    /// Rows that had not come to it yet, of an unaligned checkpoint: those before it have sent them, and it had not taken them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<InFlight>,
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
    /// What the columns behind the key are of, in their order; none: they are known by their places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartShape>,
}

/// Columns of a table of state that belong together: what one aggregate keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartShape {
    /// What they are of, by which a later version of the query finds them. What begins with `$` is the operator's own.
    pub name: String,
    /// How many there are.
    pub columns: usize,
    /// Whether rows that lack them can begin without.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_begin: bool,
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

impl StateFile {
    /// Whether it is a RocksDB database's list of its files.
    pub fn is_list(&self) -> bool {
        self.name.starts_with("MANIFEST-")
    }
}

/// Rows on their way to a subtask, in a file of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// The inputs that they were on their way to, by the numbers that they have in the file.
    pub inputs: Vec<InputShape>,
    /// The rows, in the order in which they are to be taken.
    pub file: StateFile,
}

/// An input of an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputShape {
    /// The operator's uid.
    pub operator: String,
    /// Which of its ports.
    pub port: u32,
    /// An Arrow IPC schema message, base64.
    pub schema: String,
}

impl SubtaskState {
    /// All of its files.
    pub fn all_files(&self) -> impl Iterator<Item = &StateFile> {
        let in_flight = self.in_flight.iter().map(|in_flight| &in_flight.file);
        self.files.files.iter().chain(in_flight)
    }
}

impl Manifest {
    /// All files that it refers to.
    pub fn files(&self) -> impl Iterator<Item = &StateFile> {
        self.subtasks.iter().flat_map(SubtaskState::all_files)
    }

    /// All paths of files that it refers to.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files().map(|file| file.path.as_str())
    }
}

/// The version of the format that these need: versions of Weir that do not know of rows on their way must not lose them.
pub fn format(subtasks: &[SubtaskState]) -> u32 {
    let have_in_flight = subtasks.iter().any(|subtask| subtask.in_flight.is_some());
    if have_in_flight { FORMAT } else { WITHOUT_IN_FLIGHT }
}
