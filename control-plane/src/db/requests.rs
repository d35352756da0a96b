//! What people ask of a job that is there already: stopping, resuming, rescaling.

use prost::Message as _;
use sqlx::PgConnection;
use weir_model::{JobId, Phase};
use weir_proto::graph::JobGraph;

use super::{
    Store, StoreError,
    events::{self, Actor, Kind, NewEvent},
    rescales,
    savepoints::{self, NewSavepoint},
};
use crate::job::{Desired, Job};

impl Store {
    /// Notes that the job shall stop at once, to go on from its last checkpoint when it is resumed.
    /// [`StoreError::Stale`] when it has ended or is on its way to its end.
    pub async fn request_stop(&self, id: JobId, now_ms: i64) -> Result<Job, StoreError> {
        let mut tx = self.pool.begin().await?;
        let changed = sqlx::query(
            "UPDATE jobs SET desired = $2, phase = $3, phase_reason = $4, restart_at_ms = NULL, stop_savepoint = NULL \
             WHERE id = $1 AND phase IN ('created', 'scheduling', 'running', 'restarting')",
        )
        .bind(id.0)
        .bind(Desired::Stopped.as_str())
        .bind(Phase::Stopping.as_str())
        .bind("a stop was asked for")
        .execute(&mut *tx)
        .await?
        .rows_affected();
        settle(
            &mut tx,
            changed,
            id,
            Kind::StopRequested,
            "a stop was asked for",
            now_ms,
        )
        .await?;
        tx.commit().await?;
        self.job(id).await
    }

    /// Notes that the running job shall stop with this savepoint, which is kept as being taken.
    /// [`StoreError::Stale`] when it does not run.
    pub async fn request_stop_with(
        &self,
        savepoint: &NewSavepoint,
        drain: bool,
        now_ms: i64,
    ) -> Result<Job, StoreError> {
        let id = savepoint.job;
        let mut tx = self.pool.begin().await?;
        let changed = sqlx::query(
            "UPDATE jobs SET desired = $2, phase = $3, phase_reason = $4, stop_savepoint = $5, drain = $6 \
             WHERE id = $1 AND phase = 'running' AND rescale_to IS NULL",
        )
        .bind(id.0)
        .bind(Desired::Stopped.as_str())
        .bind(Phase::Stopping.as_str())
        .bind("its savepoint is being taken")
        .bind(savepoint.id.0)
        .bind(drain)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        let message = format!("a stop with savepoint '{}' was asked for", savepoint.name);
        settle(&mut tx, changed, id, Kind::StopRequested, &message, now_ms).await?;
        savepoints::insert(&mut tx, savepoint, now_ms).await?;
        tx.commit().await?;
        self.job(id).await
    }

    /// Lets a stopped job go on. [`StoreError::Stale`] when it has not stopped.
    pub async fn request_resume(&self, id: JobId, now_ms: i64) -> Result<Job, StoreError> {
        let mut tx = self.pool.begin().await?;
        let changed = sqlx::query(
            "UPDATE jobs SET desired = $2, phase = $3, phase_reason = NULL, restarts = 0, failure = NULL, \
             ended_at_ms = NULL, failures_at_ms = '{}' WHERE id = $1 AND phase = 'stopped'",
        )
        .bind(id.0)
        .bind(Desired::Running.as_str())
        .bind(Phase::Created.as_str())
        .execute(&mut *tx)
        .await?
        .rows_affected();
        settle(&mut tx, changed, id, Kind::JobResumed, "it goes on", now_ms).await?;
        tx.commit().await?;
        self.job(id).await
    }

    /// Notes that the job shall run at another parallelism, and what its script is planned to then.
    /// [`StoreError::Stale`] when it moved meanwhile or is on its way to its end.
    pub async fn request_rescale(
        &self,
        job: &Job,
        parallelism: u32,
        graph: &JobGraph,
        now_ms: i64,
    ) -> Result<Job, StoreError> {
        let mut tx = self.pool.begin().await?;
        let changed = sqlx::query(
            "UPDATE jobs SET rescale_to = $2 WHERE id = $1 AND version = $3 AND parallelism = $4 AND \
             phase IN ('created', 'scheduling', 'running', 'restarting', 'stopped')",
        )
        .bind(job.id.0)
        .bind(parallelism as i32)
        .bind(job.version as i32)
        .bind(job.parallelism as i32)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        let message = format!(
            "parallelism {parallelism} was asked for, after {}",
            job.parallelism
        );
        settle(&mut tx, changed, job.id, Kind::RescaleRequested, &message, now_ms).await?;
        let steps = (job.parallelism, parallelism);
        rescales::insert(&mut tx, job.id, steps, &graph.encode_to_vec(), now_ms).await?;
        tx.commit().await?;
        self.job(job.id).await
    }
}

/// Writes the event of a request that changed the job; one that did not is refused.
async fn settle(
    connection: &mut PgConnection,
    changed: u64,
    job: JobId,
    kind: Kind,
    message: &str,
    at_ms: i64,
) -> Result<(), StoreError> {
    if changed == 0 {
        let known: Option<(String,)> = sqlx::query_as("SELECT phase FROM jobs WHERE id = $1")
            .bind(job.0)
            .fetch_optional(connection)
            .await?;
        return Err(known.map_or(StoreError::NoSuchJob, |_| StoreError::Stale));
    }
    let event = NewEvent {
        at_ms,
        actor: Actor::User,
        job: Some(job),
        kind,
        message: message.to_owned(),
    };
    events::insert(connection, &event).await
}
