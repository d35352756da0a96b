//! The life of a job: what is known of it, what to do next, and doing it.
//!
//! - [`decide`](mod@decide): from what is wanted and what is seen to what to do. Pure. Leans on nothing.
//! - [`transition`]: what an action makes of the job's record. Pure. Leans on `decide`.
//! - [`splits`]: what each source subtask reads, asked of the connectors.
//! - [`perform`]: does what was decided. Leans on `db`, `cluster`, `splits`.
//! - [`reconcile`]: the loop that looks, decides and performs. Leans on all of the above.

use weir_model::{Attempt, Failure, Generation, JobId, Phase, api};

pub mod decide;
pub mod perform;
pub mod reconcile;
pub mod splits;
pub mod transition;

/// What people want of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desired {
    /// That it runs until its input ends.
    Running,
    /// That it stops.
    Cancelled,
}

impl Desired {
    /// The word in the metadata store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A job as the metadata store keeps it, without its SQL and its graph.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        }
    }
}
