//! The audit trail: who or what did what to which job, when.

use sqlx::{PgConnection, prelude::FromRow};
use uuid::Uuid;
use weir_model::{JobId, WorkerId, api};

use super::{Store, StoreError};

/// Who or what did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody through the REST API.
    User,
    /// The control plane by itself.
    ControlPlane,
    /// A worker.
    Worker(WorkerId),
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User => f.write_str("user"),
            Self::ControlPlane => f.write_str("control-plane"),
            Self::Worker(id) => write!(f, "worker {id}"),
        }
    }
}

/// What happened, as a stable word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A job was accepted.
    JobCreated,
    /// An execution's tasks were sent to workers.
    ExecutionStarted,
    /// All tasks run.
    JobRunning,
    /// A subtask failed.
    TaskFailed,
    /// A restart awaits the end of its backoff.
    RestartScheduled,
    /// A running execution was taken over after a restart of the control plane.
    JobAdopted,
    /// A cancel was asked for.
    CancelRequested,
    /// A job was stopped as asked.
    JobCancelled,
    /// A stop was asked for.
    StopRequested,
    /// A job has stopped as asked, to be resumed some day.
    JobStopped,
    /// A stopped job goes on.
    JobResumed,
    /// Another parallelism was asked for.
    RescaleRequested,
    /// A job gets the parallelism that was asked for.
    JobRescaled,
    /// An execution begins with the state of a checkpoint or a savepoint.
    StateRestored,
    /// A checkpoint could not be read: an older one is taken.
    CheckpointUnreadable,
    /// A checkpoint was given up.
    CheckpointFailed,
    /// A savepoint was asked for.
    SavepointRequested,
    /// A savepoint is there.
    SavepointCompleted,
    /// A savepoint could not be taken.
    SavepointFailed,
    /// A savepoint was deleted.
    SavepointDeleted,
    /// A job read all of its input.
    JobFinished,
    /// A job stopped for good by a failure.
    JobFailed,
    /// A job's records were removed.
    JobDeleted,
    /// A worker connected.
    WorkerRegistered,
    /// A worker's connection broke or its heartbeats stopped.
    WorkerLost,
}

impl Kind {
    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobCreated => "job_created",
            Self::ExecutionStarted => "execution_started",
            Self::JobRunning => "job_running",
            Self::TaskFailed => "task_failed",
            Self::RestartScheduled => "restart_scheduled",
            Self::JobAdopted => "job_adopted",
            Self::CancelRequested => "cancel_requested",
            Self::JobCancelled => "job_cancelled",
            Self::StopRequested => "stop_requested",
            Self::JobStopped => "job_stopped",
            Self::JobResumed => "job_resumed",
            Self::RescaleRequested => "rescale_requested",
            Self::JobRescaled => "job_rescaled",
            Self::StateRestored => "state_restored",
            Self::CheckpointUnreadable => "checkpoint_unreadable",
            Self::CheckpointFailed => "checkpoint_failed",
            Self::SavepointRequested => "savepoint_requested",
            Self::SavepointCompleted => "savepoint_completed",
            Self::SavepointFailed => "savepoint_failed",
            Self::SavepointDeleted => "savepoint_deleted",
            Self::JobFinished => "job_finished",
            Self::JobFailed => "job_failed",
            Self::JobDeleted => "job_deleted",
            Self::WorkerRegistered => "worker_registered",
            Self::WorkerLost => "worker_lost",
        }
    }
}

/// An entry to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// When, ms since 1970.
    pub at_ms: i64,
    /// Who or what.
    pub actor: Actor,
    /// The job, unless it is about the cluster.
    pub job: Option<JobId>,
    /// What.
    pub kind: Kind,
    /// The same for people.
    pub message: String,
}

/// Entries of one job that a reader gets at most.
const PAGE: i64 = 500;

impl Store {
    /// Writes one entry.
    pub async fn record(&self, event: &NewEvent) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await?;
        insert(&mut connection, event).await
    }

    /// The job's newest entries, the newest first; also of a job that has been deleted.
    pub async fn events_of_job(&self, job: JobId) -> Result<Vec<api::Event>, StoreError> {
        let rows: Vec<EventRow> = sqlx::query_as(
            "SELECT id, at_ms, actor, job, kind, message FROM events WHERE job = $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(job.0)
        .bind(PAGE)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }
}

pub(super) async fn insert(connection: &mut PgConnection, event: &NewEvent) -> Result<(), StoreError> {
    let NewEvent {
        at_ms,
        actor,
        job,
        kind,
        message,
    } = event;
    sqlx::query("INSERT INTO events (at_ms, actor, job, kind, message) VALUES ($1, $2, $3, $4, $5)")
        .bind(at_ms)
        .bind(actor.to_string())
        .bind(job.map(|id| id.0))
        .bind(kind.as_str())
        .bind(message)
        .execute(connection)
        .await?;
    Ok(())
}

#[derive(FromRow)]
struct EventRow {
    id: i64,
    at_ms: i64,
    actor: String,
    job: Option<Uuid>,
    kind: String,
    message: String,
}

impl From<EventRow> for api::Event {
    fn from(row: EventRow) -> Self {
        let EventRow {
            id,
            at_ms,
            actor,
            job,
            kind,
            message,
        } = row;
        Self {
            id,
            at_ms,
            actor,
            job: job.map(JobId),
            kind,
            message,
        }
    }
}
