//! Jobs and their versions.

use prost::Message;
use sqlx::{prelude::FromRow, types::Json};
use uuid::Uuid;
use weir_model::{Attempt, Failure, Generation, JobId, Phase, SavepointId};
use weir_proto::graph::JobGraph;

use super::{
    Store, StoreError,
    events::{self, Actor, Kind, NewEvent},
};
use crate::job::{Base, Desired, Job, restart::RestartStrategy};

/// A job to be kept.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// Its script.
    pub sql: String,
    /// What the script was planned to.
    pub graph: JobGraph,
    /// Slots that it takes.
    pub parallelism: u32,
    /// What it begins with.
    pub base: Base,
    /// How it restarts; none: as the control plane is configured.
    pub restart_strategy: Option<RestartStrategy>,
}

/// Jobs of a list at most.
const PAGE: i64 = 1000;

macro_rules! select_jobs {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, desired, phase, phase_reason, parallelism, version, attempt, generation, restarts, \
             failure, created_at_ms, started_at_ms, running_since_ms, restart_at_ms, ended_at_ms, base_savepoint, \
             base_number, allow_dropped_state, restored_from, failed_coming_up, last_checkpoint, stop_savepoint, drain, rescale_to, \
             restart_strategy, failures_at_ms FROM jobs ",
            $rest
        )
    };
}

impl Store {
    /// Keeps a new job, its first version and the event of its creation, or nothing.
    pub async fn create_job(&self, job: &NewJob, now_ms: i64) -> Result<Job, StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO jobs (id, name, phase, parallelism, version, created_at_ms, base_savepoint, \
             allow_dropped_state, restart_strategy) VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8)",
        )
        .bind(job.id.0)
        .bind(&job.name)
        .bind(Phase::Created.as_str())
        .bind(job.parallelism as i32)
        .bind(now_ms)
        .bind(job.base.savepoint.map(|id| id.0))
        .bind(job.base.allow_dropped_state)
        .bind(job.restart_strategy.map(Json))
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO job_versions (job, version, sql, graph, created_at_ms) VALUES ($1, 1, $2, $3, $4)",
        )
        .bind(job.id.0)
        .bind(&job.sql)
        .bind(job.graph.encode_to_vec())
        .bind(now_ms)
        .execute(&mut *tx)
        .await?;
        let message = format!(
            "job '{}' was created with parallelism {}",
            job.name, job.parallelism
        );
        let event = NewEvent {
            at_ms: now_ms,
            actor: Actor::User,
            job: Some(job.id),
            kind: Kind::JobCreated,
            message,
        };
        events::insert(&mut tx, &event).await?;
        let row: JobRow = sqlx::query_as(select_jobs!("WHERE id = $1"))
            .bind(job.id.0)
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        row.try_into()
    }

    /// The job of that id.
    pub async fn job(&self, id: JobId) -> Result<Job, StoreError> {
        let row: Option<JobRow> = sqlx::query_as(select_jobs!("WHERE id = $1"))
            .bind(id.0)
            .fetch_optional(&self.pool)
            .await?;
        row.ok_or(StoreError::NoSuchJob)?.try_into()
    }

    /// The newest 1000 jobs, the newest first.
    pub async fn jobs(&self) -> Result<Vec<Job>, StoreError> {
        let rows: Vec<JobRow> = sqlx::query_as(select_jobs!("ORDER BY id DESC LIMIT $1"))
            .bind(PAGE)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// All jobs that have not ended and those of `also` that exist, the oldest first.
    pub async fn jobs_to_reconcile(&self, also: &[JobId]) -> Result<Vec<Job>, StoreError> {
        let also: Vec<Uuid> = also.iter().map(|id| id.0).collect();
        let rows: Vec<JobRow> = sqlx::query_as(select_jobs!(
            "WHERE phase NOT IN ('stopped', 'cancelled', 'finished', 'failed') OR id = ANY($1) ORDER BY id"
        ))
        .bind(also)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// How many jobs are in each phase that has any.
    pub async fn job_counts(&self) -> Result<Vec<(Phase, u64)>, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as("SELECT phase, count(*) FROM jobs GROUP BY phase")
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter()
            .map(|(phase, count)| Ok((parse_phase(&phase)?, count as u64)))
            .collect()
    }

    /// The script of the job's current version.
    pub async fn sql_of_job(&self, id: JobId) -> Result<String, StoreError> {
        let row: Option<(String,)> = sqlx::query_as(
            "SELECT v.sql FROM job_versions v JOIN jobs j ON j.id = v.job AND j.version = v.version WHERE j.id = $1",
        )
        .bind(id.0)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|(sql,)| sql).ok_or(StoreError::NoSuchJob)
    }

    /// The graph of the job's current version.
    pub async fn graph_of_job(&self, id: JobId) -> Result<JobGraph, StoreError> {
        let row: Option<(Vec<u8>,)> = sqlx::query_as(
            "SELECT v.graph FROM job_versions v JOIN jobs j ON j.id = v.job AND j.version = v.version WHERE j.id = $1",
        )
        .bind(id.0)
        .fetch_optional(&self.pool)
        .await?;
        let (bytes,) = row.ok_or(StoreError::NoSuchJob)?;
        JobGraph::decode(bytes.as_slice())
            .map_err(|e| StoreError::Unreadable(format!("the graph of job {id}: {e}")))
    }

    /// Removes the ended job with all that belongs to it but its events. [`StoreError::Stale`] when it has not ended.
    pub async fn delete_job(&self, id: JobId, now_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let row: Option<(String,)> = sqlx::query_as(
            "DELETE FROM jobs WHERE id = $1 AND phase IN ('stopped', 'cancelled', 'finished', 'failed') RETURNING name",
        )
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some((name,)) = row else {
            drop(tx);
            self.job(id).await?;
            return Err(StoreError::Stale);
        };
        let message = format!("job '{name}' was deleted");
        let event = NewEvent {
            at_ms: now_ms,
            actor: Actor::User,
            job: Some(id),
            kind: Kind::JobDeleted,
            message,
        };
        events::insert(&mut tx, &event).await?;
        tx.commit().await?;
        Ok(())
    }
}

#[derive(FromRow)]
pub(super) struct JobRow {
    id: Uuid,
    name: String,
    desired: String,
    phase: String,
    phase_reason: Option<String>,
    parallelism: i32,
    version: i32,
    attempt: i32,
    generation: i64,
    restarts: i32,
    failure: Option<Json<Failure>>,
    created_at_ms: i64,
    started_at_ms: Option<i64>,
    running_since_ms: Option<i64>,
    restart_at_ms: Option<i64>,
    ended_at_ms: Option<i64>,
    base_savepoint: Option<Uuid>,
    base_number: i64,
    allow_dropped_state: bool,
    restored_from: Option<i64>,
    failed_coming_up: bool,
    last_checkpoint: Option<i64>,
    stop_savepoint: Option<Uuid>,
    drain: bool,
    rescale_to: Option<i32>,
    restart_strategy: Option<Json<RestartStrategy>>,
    failures_at_ms: Vec<i64>,
}

impl TryFrom<JobRow> for Job {
    type Error = StoreError;

    fn try_from(row: JobRow) -> Result<Self, StoreError> {
        let JobRow {
            id,
            name,
            desired,
            phase,
            phase_reason,
            parallelism,
            version,
            attempt,
            generation,
            restarts,
            failure,
            created_at_ms,
            started_at_ms,
            running_since_ms,
            restart_at_ms,
            ended_at_ms,
            base_savepoint,
            base_number,
            allow_dropped_state,
            restored_from,
            failed_coming_up,
            last_checkpoint,
            stop_savepoint,
            drain,
            rescale_to,
            restart_strategy,
            failures_at_ms,
        } = row;
        Ok(Self {
            id: JobId(id),
            name,
            desired: parse_desired(&desired)?,
            phase: parse_phase(&phase)?,
            phase_reason,
            parallelism: parallelism as u32,
            version: version as u32,
            attempt: Attempt(attempt as u32),
            generation: Generation(generation as u64),
            restarts: restarts as u32,
            failure: failure.map(|Json(failure)| failure),
            created_at_ms,
            started_at_ms,
            running_since_ms,
            restart_at_ms,
            ended_at_ms,
            base: Base {
                savepoint: base_savepoint.map(SavepointId),
                number: base_number as u64,
                allow_dropped_state,
            },
            restored_from: restored_from.map(|number| number as u64),
            failed_coming_up,
            last_checkpoint: last_checkpoint.map(|number| number as u64),
            stop_savepoint: stop_savepoint.map(SavepointId),
            drain,
            rescale_to: rescale_to.map(|parallelism| parallelism as u32),
            restart_strategy: restart_strategy.map(|Json(strategy)| strategy),
            failures_at_ms,
        })
    }
}

fn parse_phase(word: &str) -> Result<Phase, StoreError> {
    word.parse().map_err(StoreError::Unreadable)
}

fn parse_desired(word: &str) -> Result<Desired, StoreError> {
    [Desired::Running, Desired::Stopped, Desired::Cancelled]
        .into_iter()
        .find(|desired| desired.as_str() == word)
        .ok_or_else(|| StoreError::Unreadable(format!("no desired state named '{word}'")))
}
