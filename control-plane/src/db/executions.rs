//! Attempts and where their subtasks ran.

use std::collections::HashMap;

use sqlx::{prelude::FromRow, types::Json};
use uuid::Uuid;
use weir_model::{
    Attempt, Failure, Generation, JobId, SubtaskIndex, TaskId, WorkerId,
    api::{Execution, Placement},
    metrics::JobMetrics,
};

use super::{Store, StoreError};

/// An execution that has not ended, as a restarted control plane finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenExecution {
    /// The job.
    pub job: JobId,
    /// Its deployment.
    pub generation: Generation,
    /// Where its subtasks were placed.
    pub placement: Vec<Placement>,
}

impl Store {
    /// The job's executions, the newest first.
    pub async fn executions(&self, job: JobId) -> Result<Vec<Execution>, StoreError> {
        let rows: Vec<ExecutionRow> = sqlx::query_as(
            "SELECT attempt, started_at_ms, ended_at_ms, failure FROM executions WHERE job = $1 ORDER BY attempt DESC",
        )
        .bind(job.0)
        .fetch_all(&self.pool)
        .await?;
        let placements: Vec<PlacementRow> = sqlx::query_as(
            "SELECT attempt, task, subtask, worker FROM placements WHERE job = $1 ORDER BY attempt, task, subtask",
        )
        .bind(job.0)
        .fetch_all(&self.pool)
        .await?;
        let mut by_attempt: HashMap<i32, Vec<Placement>> = HashMap::new();
        for row in placements {
            by_attempt.entry(row.attempt).or_default().push(row.into());
        }
        Ok(rows
            .into_iter()
            .map(|row| {
                let placement = by_attempt.remove(&row.attempt).unwrap_or_default();
                row.into_execution(placement)
            })
            .collect())
    }

    /// Executions of jobs that have not ended, whose generation is still their job's.
    pub async fn open_executions(&self) -> Result<Vec<OpenExecution>, StoreError> {
        let rows: Vec<OpenRow> = sqlx::query_as(
            "SELECT j.id AS job, j.generation, p.task, p.subtask, p.worker \
             FROM jobs j JOIN executions e ON e.job = j.id AND e.generation = j.generation AND e.ended_at_ms IS NULL \
             JOIN placements p ON p.job = e.job AND p.attempt = e.attempt \
             WHERE j.phase NOT IN ('stopped', 'cancelled', 'finished', 'failed') ORDER BY j.id",
        )
        .fetch_all(&self.pool)
        .await?;
        let mut open: Vec<OpenExecution> = Vec::new();
        for OpenRow {
            job,
            generation,
            task,
            subtask,
            worker,
        } in rows
        {
            if open.last().is_none_or(|last| last.job.0 != job) {
                let generation = Generation(generation as u64);
                open.push(OpenExecution {
                    job: JobId(job),
                    generation,
                    placement: Vec::new(),
                });
            }
            if let Some(last) = open.last_mut() {
                last.placement.push(placement(task, subtask, worker));
            }
        }
        Ok(open)
    }

    /// The workers of the slots that the job's last execution had, by slot.
    pub async fn last_slots(&self, job: JobId) -> Result<Vec<WorkerId>, StoreError> {
        let rows: Vec<(i32, Uuid)> = sqlx::query_as(
            "SELECT DISTINCT subtask, worker FROM placements \
             WHERE job = $1 AND attempt = (SELECT max(attempt) FROM placements WHERE job = $1) ORDER BY subtask",
        )
        .bind(job.0)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|(_, worker)| WorkerId(worker)).collect())
    }

    /// The last numbers of the job's last execution that has ended; none when none has.
    pub async fn final_metrics(&self, job: JobId) -> Result<Option<JobMetrics>, StoreError> {
        let row: Option<(Json<JobMetrics>,)> = sqlx::query_as(
            "SELECT metrics FROM executions WHERE job = $1 AND metrics IS NOT NULL ORDER BY attempt DESC LIMIT 1",
        )
        .bind(job.0)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(Json(metrics),)| metrics))
    }
}

fn placement(task: i32, subtask: i32, worker: Uuid) -> Placement {
    Placement {
        task: TaskId(task as u32),
        subtask: SubtaskIndex(subtask as u32),
        worker: WorkerId(worker),
    }
}

#[derive(FromRow)]
struct ExecutionRow {
    attempt: i32,
    started_at_ms: i64,
    ended_at_ms: Option<i64>,
    failure: Option<Json<Failure>>,
}

impl ExecutionRow {
    fn into_execution(self, placement: Vec<Placement>) -> Execution {
        let Self {
            attempt,
            started_at_ms,
            ended_at_ms,
            failure,
        } = self;
        Execution {
            attempt: Attempt(attempt as u32),
            started_at_ms,
            ended_at_ms,
            failure: failure.map(|Json(failure)| failure),
            placement,
        }
    }
}

#[derive(FromRow)]
struct PlacementRow {
    attempt: i32,
    task: i32,
    subtask: i32,
    worker: Uuid,
}

impl From<PlacementRow> for Placement {
    fn from(row: PlacementRow) -> Self {
        let PlacementRow {
            attempt: _,
            task,
            subtask,
            worker,
        } = row;
        placement(task, subtask, worker)
    }
}

#[derive(FromRow)]
struct OpenRow {
    job: Uuid,
    generation: i64,
    task: i32,
    subtask: i32,
    worker: Uuid,
}
