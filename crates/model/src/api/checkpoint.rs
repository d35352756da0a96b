//! Checkpoints of a job, its rescales, and what failed in it.

use serde::{Deserialize, Serialize};

use crate::{Attempt, Failure, Generation, JobId, SavepointId, SubtaskIndex, TaskId, WorkerId};

/// Who owns the files of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckpointKind {
    /// The job, for its own recovery.
    Checkpoint,
    /// People.
    Savepoint,
}

impl CheckpointKind {
    /// The word on the wire and in the metadata store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Savepoint => "savepoint",
        }
    }
}

/// How a checkpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckpointStatus {
    /// It is being taken.
    InProgress,
    /// It is there.
    Completed,
    /// It was given up.
    Failed,
    /// It was there; newer ones took its place.
    Discarded,
}

impl CheckpointStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::InProgress, Self::Completed, Self::Failed, Self::Discarded];

    /// The word on the wire and in the metadata store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Discarded => "discarded",
        }
    }
}

/// A checkpoint or savepoint of a job, begun at some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Checkpoint {
    /// Numbers those of a job in the order in which they were begun.
    pub number: u64,
    /// Who owns its files.
    pub kind: CheckpointKind,
    /// How it stands.
    pub status: CheckpointStatus,
    /// The savepoint that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savepoint: Option<SavepointId>,
    /// The deployment that took it.
    pub generation: Generation,
    /// When its barriers were sent, milliseconds since 1970.
    pub begun_at_ms: i64,
    /// When it was there or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at_ms: Option<i64>,
    /// Bytes that were stored for it alone.
    pub bytes_new: u64,
    /// Bytes of all of its files, those shared with earlier ones included.
    pub bytes_full: u64,
    /// Bytes of rows on their way that it holds.
    pub bytes_in_flight: u64,
    /// Why it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The URL of the folder that its manifest is in.
    pub url: String,
}

/// Checkpoints, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckpointList {
    /// The newest first, at most 200.
    pub checkpoints: Vec<Checkpoint>,
}

/// A checkpoint with the part of each subtask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckpointDetail {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// By task and subtask, as far as they have reported. One that had finished before has none.
    pub subtasks: Vec<CheckpointSubtask>,
}

/// A subtask's part of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckpointSubtask {
    /// The task.
    pub task: TaskId,
    /// The subtask.
    pub subtask: SubtaskIndex,
    /// From the first barrier to the last one, microseconds.
    pub alignment_us: u64,
    /// How long rows were held up before they went on, microseconds.
    pub sync_us: u64,
    /// From then on until everything was said between rows and stored, microseconds.
    pub async_us: u64,
    /// From the trigger to its report, milliseconds.
    pub end_to_end_ms: u64,
    /// Bytes that were stored for it alone.
    pub bytes_new: u64,
    /// Bytes of all of its files.
    pub bytes_full: u64,
    /// Bytes of rows on their way that it holds.
    pub bytes_in_flight: u64,
}

/// The parallelism that a job shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RescaleJob {
    /// Subtasks per operator, 1 to 1024.
    pub parallelism: u32,
}

/// How a rescale stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RescaleStatus {
    /// The job is on its way to it, or gets it when it runs next.
    InProgress,
    /// The job ran at the new parallelism.
    Completed,
    /// Another one was asked for before.
    Superseded,
}

impl RescaleStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::InProgress, Self::Completed, Self::Superseded];

    /// The word on the wire and in the metadata store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Superseded => "superseded",
        }
    }
}

/// A change of a job's parallelism.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rescale {
    /// The parallelism before.
    pub from: u32,
    /// The parallelism asked for.
    pub to: u32,
    /// How it stands.
    pub status: RescaleStatus,
    /// When it was asked for, milliseconds since 1970.
    pub requested_at_ms: i64,
    /// When all tasks ran at the new parallelism.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_at_ms: Option<i64>,
    /// From the moment at which its tasks were told to stop until all ran again. None when it did not run before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_ms: Option<u64>,
    /// The part of the pause in which no task ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeploy_ms: Option<u64>,
}

/// Rescales, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RescaleList {
    /// The newest first, at most 200.
    pub rescales: Vec<Rescale>,
}

/// A failure of a job, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Exception {
    /// The execution that failed; 0 when none had begun.
    pub attempt: Attempt,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// What happened.
    pub failure: Failure,
    /// The task in which it happened, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Its subtask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtask: Option<SubtaskIndex>,
    /// The worker that ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// What was done about it, for people.
    pub done: String,
}

/// Failures, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExceptionList {
    /// The newest first, at most 200.
    pub exceptions: Vec<Exception>,
}

/// A file in the state folder that is of no more use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Garbage {
    /// The job in whose folder it is.
    pub job: JobId,
    /// Where it is there.
    pub path: String,
    /// How large it is.
    pub bytes: u64,
    /// Why it may be deleted, for people.
    pub why: String,
}

/// What may be deleted, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GarbageList {
    /// All of their bytes.
    pub bytes: u64,
    /// Files.
    pub files: Vec<Garbage>,
}
