//! Savepoints: a job's state at one moment, with all of its files in one folder.

use serde::{Deserialize, Serialize};

use crate::{JobId, SavepointId};

/// How a savepoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SavepointStatus {
    /// It is being taken.
    InProgress,
    /// It is there.
    Completed,
    /// It could not be taken.
    Failed,
}

impl SavepointStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::InProgress, Self::Completed, Self::Failed];

    /// The word on the wire and in the metadata store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// A savepoint of the catalogue. It outlives its job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Savepoint {
    /// Its id.
    pub id: SavepointId,
    /// Its name; not unique.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// How it stands.
    pub status: SavepointStatus,
    /// Why it could not be taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The job that it was taken of.
    pub job: JobId,
    /// That job's name.
    pub job_name: String,
    /// The version of that job's SQL.
    pub job_version: u32,
    /// That SQL; the empty string in a list.
    pub sql: String,
    /// That job's parallelism.
    pub parallelism: u32,
    /// Its number among the job's checkpoints; none before it was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The URL of the folder with its manifest and all of its files.
    pub url: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// When it was asked for, milliseconds since 1970.
    pub created_at_ms: i64,
    /// When it was there or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at_ms: Option<i64>,
}

/// Savepoints, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SavepointList {
    /// The newest first, at most 1000. `sql` is the empty string in a list.
    pub savepoints: Vec<Savepoint>,
}

/// A savepoint to be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateSavepoint {
    /// Its name, at most 200 characters. Default: the job's name and the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// What shall be said of a savepoint. What is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateSavepoint {
    /// Its name, at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// How a job shall stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StopJob {
    /// Whether a savepoint is taken, from which it can be resumed. Without one it can be resumed from its last
    /// checkpoint. Default: true.
    #[serde(default = "yes")]
    pub savepoint: bool,
    /// Whether event time ends before the savepoint, so that all windows are emitted. Default: false.
    #[serde(default)]
    pub drain: bool,
    /// The savepoint's name. Default: the job's name and the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Default for StopJob {
    fn default() -> Self {
        Self {
            savepoint: true,
            drain: false,
            name: None,
        }
    }
}

fn yes() -> bool {
    true
}

/// A savepoint in a folder that the cluster does not know yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportSavepoint {
    /// The URL of the folder: `file:///…` or `s3://bucket/…`.
    pub url: String,
    /// Its name. Default: the one that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Where a savepoint shall be copied to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ExportSavepoint {
    /// The URL of a folder: `file:///…` or `s3://bucket/…`. It must not hold a savepoint yet.
    pub url: String,
}

/// A savepoint that was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Exported {
    /// The folder.
    pub url: String,
    /// Files that were copied.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What reading every byte of a savepoint showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verification {
    /// Every file is there, as long as it was, with its checksum.
    pub intact: bool,
    /// Files that were read.
    pub files: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// What is wrong, file by file.
    pub defects: Vec<String>,
}

/// SQL that shall begin with a savepoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CompatibilityRequest {
    /// The script.
    pub sql: String,
    /// Subtasks per operator. Default: the script's `parallelism.default` setting, else 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
}

/// What becomes of the state of one operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StateFate {
    /// It goes on with what it has in the savepoint.
    Kept,
    /// It has none in the savepoint and begins empty.
    New,
    /// The savepoint has it, and no operator wants it.
    Dropped,
    /// The savepoint has it, and the operator cannot use it.
    Unusable,
}

/// What becomes of the state of one operator, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperatorCompatibility {
    /// By which the operator is found again.
    pub uid: String,
    /// What it is called.
    pub name: String,
    /// What becomes of its state.
    pub fate: StateFate,
    /// Why, for people; the empty string when there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Whether SQL can begin with a savepoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Compatibility {
    /// It can as it is.
    pub compatible: bool,
    /// It can when dropped state is allowed.
    pub compatible_if_dropped: bool,
    /// Operators with state in the savepoint or in the script.
    pub operators: Vec<OperatorCompatibility>,
}
