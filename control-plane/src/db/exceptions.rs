//! What failed in a job, and what was done about it.

use sqlx::{PgConnection, prelude::FromRow, types::Json};
use uuid::Uuid;
use weir_model::{Attempt, Failure, JobId, SubtaskIndex, TaskId, WorkerId, api};

use super::{Store, StoreError};
use crate::{cluster::deployment::Place, job::Job};

/// Entries of one job that a reader gets at most.
const PAGE: i64 = 200;

/// A failure to be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct NewException {
    /// What happened.
    pub failure: Failure,
    /// Where, as far as it is known.
    pub place: Option<Place>,
    /// What was done about it, for people.
    pub done: String,
}

impl Store {
    /// The job's newest failures, the newest first.
    pub async fn exceptions(&self, job: JobId) -> Result<Vec<api::Exception>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT attempt, at_ms, failure, task, subtask, worker, done FROM exceptions WHERE job = $1 \
             ORDER BY id DESC LIMIT $2",
        )
        .bind(job.0)
        .bind(PAGE)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    job: &Job,
    exception: &NewException,
    now_ms: i64,
) -> Result<(), StoreError> {
    let NewException { failure, place, done } = exception;
    sqlx::query(
        "INSERT INTO exceptions (job, attempt, at_ms, failure, task, subtask, worker, done) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(job.id.0)
    .bind(job.attempt.0 as i32)
    .bind(now_ms)
    .bind(Json(failure))
    .bind(place.map(|place| place.task.0 as i32))
    .bind(place.map(|place| place.subtask.0 as i32))
    .bind(place.map(|place| place.worker.0))
    .bind(done)
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct Row {
    attempt: i32,
    at_ms: i64,
    failure: Json<Failure>,
    task: Option<i32>,
    subtask: Option<i32>,
    worker: Option<Uuid>,
    done: String,
}

impl From<Row> for api::Exception {
    fn from(row: Row) -> Self {
        let Row {
            attempt,
            at_ms,
            failure: Json(failure),
            task,
            subtask,
            worker,
            done,
        } = row;
        Self {
            attempt: Attempt(attempt as u32),
            at_ms,
            failure,
            task: task.map(|task| TaskId(task as u32)),
            subtask: subtask.map(|subtask| SubtaskIndex(subtask as u32)),
            worker: worker.map(WorkerId),
            done,
        }
    }
}
