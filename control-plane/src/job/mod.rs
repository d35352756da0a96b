//! The life of a job: what is known of it, what to do next, and doing it.
//!
//! - [`restart`]: whether and when a failed job runs again. Pure. Leans on nothing.
//! - [`observed`]: what is seen. Leans on nothing.
//! - [`decide`](mod@decide): from what is wanted and what is seen to what to do. Pure. Leans on `observed`, `restart`.
//! - [`transition`]: what an action makes of the job's record. Pure. Leans on `decide`.
//! - [`splits`]: what each source subtask reads, asked of the connectors.
//! - [`deploy`]: brings a job up. Leans on `db`, `cluster`, `checkpoint`, `splits`.
//! - [`perform`]: does what was decided. Leans on `db`, `cluster`, `checkpoint`, `deploy`.
//! - [`reconcile`]: the loop that looks, decides and performs. Leans on all of the above.

use weir_model::{Attempt, Failure, Generation, JobId, Phase, SavepointId, api};

pub mod decide;
pub mod deploy;
pub mod observed;
pub mod perform;
pub mod reconcile;
pub mod restart;
pub mod splits;
pub mod transition;

use restart::RestartStrategy;

/// What people want of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desired {
    /// That it runs until its input ends.
    Running,
    /// That it stops, to be resumed some day.
    Stopped,
    /// That it is given up.
    Cancelled,
}

impl Desired {
    /// The word in the metadata store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A job as the metadata store keeps it, without its SQL and its graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// What people want of it.
    pub desired: Desired,
    /// How far it got.
    pub phase: Phase,
    /// Why it stands there.
    pub phase_reason: Option<String>,
    /// Slots that it takes.
    pub parallelism: u32,
    /// The version of its SQL that runs.
    pub version: u32,
    /// The current or last execution; 0 before the first.
    pub attempt: Attempt,
    /// The newest deployment; 0 before the first.
    pub generation: Generation,
    /// Restarts since it last ran long enough to be called healthy.
    pub restarts: u32,
    /// Why it failed or last restarted.
    pub failure: Option<Failure>,
    /// When it was accepted, ms since 1970.
    pub created_at_ms: i64,
    /// When it first ran, ms since 1970.
    pub started_at_ms: Option<i64>,
    /// When its current execution began to run, ms since 1970.
    pub running_since_ms: Option<i64>,
    /// When the backoff ends, ms since 1970.
    pub restart_at_ms: Option<i64>,
    /// When it reached a terminal phase, ms since 1970.
    pub ended_at_ms: Option<i64>,
    /// What executions begin with.
    pub base: Base,
    /// The checkpoint that the current or last execution began with.
    pub restored_from: Option<u64>,
    /// That execution failed before all of its tasks ran.
    pub failed_coming_up: bool,
    /// The last checkpoint or savepoint that was completed. It moves without a step of the job.
    pub last_checkpoint: Option<u64>,
    /// While it stops: the savepoint that is to be taken before.
    pub stop_savepoint: Option<SavepointId>,
    /// Event time ends before that savepoint.
    pub drain: bool,
    /// The parallelism that it gets with its next deployment.
    pub rescale_to: Option<u32>,
    /// How it restarts; none: as the control plane is configured.
    pub restart_strategy: Option<RestartStrategy>,
    /// When it failed, ms since 1970, the oldest first, as far back as its strategy looks.
    pub failures_at_ms: Vec<i64>,
}

/// What executions of a job begin with when no checkpoint of its own is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// The savepoint; none: nothing.
    pub savepoint: Option<SavepointId>,
    /// Checkpoints of the job from this number on come before it.
    pub number: u64,
    /// Its state that no operator wants may be left behind.
    pub allow_dropped_state: bool,
}

impl Default for Base {
    fn default() -> Self {
        Self {
            savepoint: None,
            number: 1,
            allow_dropped_state: false,
        }
    }
}

impl Job {
    /// The REST body.
    pub fn to_api(&self, sql: String) -> api::Job {
        let Self {
            id,
            name,
            desired: _,
            phase,
            phase_reason,
            parallelism,
            version,
            attempt,
            generation: _,
            restarts: _,
            failure,
            created_at_ms,
            started_at_ms,
            running_since_ms: _,
            restart_at_ms,
            ended_at_ms,
            base,
            restored_from,
            failed_coming_up: _,
            last_checkpoint,
            stop_savepoint: _,
            drain: _,
            rescale_to,
            restart_strategy: _,
            failures_at_ms: _,
        } = self.clone();
        api::Job {
            id,
            name,
            phase,
            phase_reason,
            parallelism,
            version,
            attempt,
            failure,
            sql,
            created_at_ms,
            started_at_ms,
            ended_at_ms,
            restart_at_ms,
            rescale_to,
            savepoint: base.savepoint,
            last_checkpoint,
            restored_from,
        }
    }
}
