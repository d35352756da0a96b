//! Steps in a job's life, each in one transaction with what belongs to it.

use sqlx::{PgConnection, types::Json};
use weir_model::{Failure, JobId, Phase, api::Placement, metrics::JobMetrics};

use super::{
    Store, StoreError,
    events::{self, Actor, Kind, NewEvent},
    exceptions::{self, NewException},
    rescales,
};
use crate::job::{Desired, Job};

/// What a step means for the job's executions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExecutionChange {
    /// Nothing.
    None,
    /// A new one begins, numbered as the job's attempt after the step.
    Begin {
        /// Where its subtasks run.
        placement: Vec<Placement>,
    },
    /// The current one, if any is open, ends.
    End {
        /// Why, unless it finished.
        failure: Option<Failure>,
        /// Its last numbers.
        metrics: Option<JobMetrics>,
    },
    /// The current one runs: a rescale that waits for that is done.
    Run,
    /// It is about to get the graph of the parallelism that it was to get.
    Rescale,
}

impl Store {
    /// Moves the job from one record to the next, with its execution and events, or does nothing.
    ///
    /// [`StoreError::Stale`] when the job is no longer as `before` says: somebody else moved it; look again.
    pub async fn move_job(
        &self,
        before: &Job,
        after: &Job,
        execution: &ExecutionChange,
        exception: Option<&NewException>,
        events: &[NewEvent],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        update(&mut tx, before, after).await?;
        match execution {
            ExecutionChange::None => {}
            ExecutionChange::Begin { placement } => {
                begin_execution(&mut tx, after, placement, now_ms).await?;
            }
            ExecutionChange::End { failure, metrics } => {
                end_execution(&mut tx, before, failure.as_ref(), metrics.as_ref(), now_ms).await?;
                rescales::stopped(&mut tx, before.id, now_ms).await?;
            }
            ExecutionChange::Run => rescales::running(&mut tx, after.id, now_ms).await?,
            ExecutionChange::Rescale => rescales::take_graph(&mut tx, after).await?,
        }
        if let Some(exception) = exception {
            exceptions::insert(&mut tx, before, exception, now_ms).await?;
        }
        for event in events {
            events::insert(&mut tx, event).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Notes that the job shall stop. [`StoreError::Stale`] when it has ended otherwise than by a cancel.
    pub async fn request_cancel(&self, id: JobId, now_ms: i64) -> Result<Job, StoreError> {
        let mut tx = self.pool.begin().await?;
        let changed = sqlx::query(
            "UPDATE jobs SET desired = $2, phase = $3, phase_reason = $4, restart_at_ms = NULL \
             WHERE id = $1 AND phase NOT IN ('stopped', 'cancelling', 'cancelled', 'finished', 'failed')",
        )
        .bind(id.0)
        .bind(Desired::Cancelled.as_str())
        .bind(Phase::Cancelling.as_str())
        .bind("a cancel was asked for")
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if changed == 1 {
            let message = "a cancel was asked for".to_owned();
            let kind = Kind::CancelRequested;
            let event = NewEvent {
                at_ms: now_ms,
                actor: Actor::User,
                job: Some(id),
                kind,
                message,
            };
            events::insert(&mut tx, &event).await?;
        }
        tx.commit().await?;
        let job = self.job(id).await?;
        match job.phase {
            Phase::Stopped | Phase::Finished | Phase::Failed => Err(StoreError::Stale),
            _ => Ok(job),
        }
    }
}

async fn update(connection: &mut PgConnection, before: &Job, after: &Job) -> Result<(), StoreError> {
    let changed = sqlx::query(
        "UPDATE jobs SET phase = $5, phase_reason = $6, attempt = $7, generation = $8, restarts = $9, failure = $10, \
         started_at_ms = $11, running_since_ms = $12, restart_at_ms = $13, ended_at_ms = $14, desired = $16, \
         parallelism = $17, base_savepoint = $18, base_number = $19, allow_dropped_state = $20, restored_from = $21, \
         stop_savepoint = $22, drain = $23, rescale_to = $24, failures_at_ms = $25, failed_coming_up = $26 \
         WHERE id = $1 AND phase = $2 AND generation = $3 AND desired = $4 AND rescale_to IS NOT DISTINCT FROM $15 \
         AND base_number = $27",
    )
    .bind(before.id.0)
    .bind(before.phase.as_str())
    .bind(before.generation.0 as i64)
    .bind(before.desired.as_str())
    .bind(after.phase.as_str())
    .bind(&after.phase_reason)
    .bind(after.attempt.0 as i32)
    .bind(after.generation.0 as i64)
    .bind(after.restarts as i32)
    .bind(after.failure.as_ref().map(Json))
    .bind(after.started_at_ms)
    .bind(after.running_since_ms)
    .bind(after.restart_at_ms)
    .bind(after.ended_at_ms)
    .bind(before.rescale_to.map(|parallelism| parallelism as i32))
    .bind(after.desired.as_str())
    .bind(after.parallelism as i32)
    .bind(after.base.savepoint.map(|id| id.0))
    .bind(after.base.number as i64)
    .bind(after.base.allow_dropped_state)
    .bind(after.restored_from.map(|number| number as i64))
    .bind(after.stop_savepoint.map(|id| id.0))
    .bind(after.drain)
    .bind(after.rescale_to.map(|parallelism| parallelism as i32))
    .bind(&after.failures_at_ms)
    .bind(after.failed_coming_up)
    .bind(before.base.number as i64)
    .execute(connection)
    .await?
    .rows_affected();
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::Stale)
    }
}

async fn begin_execution(
    connection: &mut PgConnection,
    job: &Job,
    placement: &[Placement],
    now_ms: i64,
) -> Result<(), StoreError> {
    // One that a crash left open between the store and the workers never ran.
    sqlx::query("UPDATE executions SET ended_at_ms = $2 WHERE job = $1 AND ended_at_ms IS NULL")
        .bind(job.id.0)
        .bind(now_ms)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO executions (job, attempt, generation, version, started_at_ms) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(job.id.0)
    .bind(job.attempt.0 as i32)
    .bind(job.generation.0 as i64)
    .bind(job.version as i32)
    .bind(now_ms)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO placements (job, attempt, task, subtask, worker) \
         SELECT $1, $2, task, subtask, worker FROM unnest($3::int[], $4::int[], $5::uuid[]) AS p (task, subtask, worker)",
    )
    .bind(job.id.0)
    .bind(job.attempt.0 as i32)
    .bind(placement.iter().map(|p| p.task.0 as i32).collect::<Vec<_>>())
    .bind(placement.iter().map(|p| p.subtask.0 as i32).collect::<Vec<_>>())
    .bind(placement.iter().map(|p| p.worker.0).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    // What is shown as printed is what this execution prints.
    sqlx::query("DELETE FROM printed_rows WHERE job = $1")
        .bind(job.id.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM printed_totals WHERE job = $1")
        .bind(job.id.0)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

async fn end_execution(
    connection: &mut PgConnection,
    job: &Job,
    failure: Option<&Failure>,
    metrics: Option<&JobMetrics>,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE executions SET ended_at_ms = $3, failure = $4, metrics = $5 \
         WHERE job = $1 AND attempt = $2 AND ended_at_ms IS NULL",
    )
    .bind(job.id.0)
    .bind(job.attempt.0 as i32)
    .bind(now_ms)
    .bind(failure.map(Json))
    .bind(metrics.map(Json))
    .execute(connection)
    .await?;
    Ok(())
}
