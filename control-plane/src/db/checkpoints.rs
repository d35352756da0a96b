//! Checkpoints of jobs, and the part of each subtask in them.

use sqlx::{PgConnection, prelude::FromRow};
use uuid::Uuid;
use weir_model::{
    Generation, JobId, SavepointId, SubtaskIndex, TaskId,
    api::{self, CheckpointKind, CheckpointStatus},
};

use super::{Store, StoreError};

/// Entries of one job that a reader gets at most.
const PAGE: i64 = 200;

/// Entries of one job that are kept at most, besides those that are there.
const KEPT: i64 = 1000;

/// A checkpoint that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCheckpoint {
    /// The job.
    pub job: JobId,
    /// Its number.
    pub number: u64,
    /// The deployment that takes it.
    pub generation: Generation,
    /// The savepoint that it is.
    pub savepoint: Option<SavepointId>,
    /// The URL of the folder of its manifest.
    pub url: String,
}

/// How a checkpoint ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedCheckpoint {
    /// The job.
    pub job: JobId,
    /// Its number.
    pub number: u64,
    /// When it was begun, ms since 1970.
    pub begun_at_ms: i64,
    /// Why it was given up; none: it is there.
    pub failure: Option<String>,
    /// Those that gave their state.
    pub subtasks: Vec<api::CheckpointSubtask>,
}

impl Store {
    /// The number of the job's next checkpoint: greater than that of any that was begun.
    pub async fn next_checkpoint(&self, job: JobId) -> Result<u64, StoreError> {
        let row: Option<(i64,)> = sqlx::query_as("SELECT next_checkpoint FROM jobs WHERE id = $1")
            .bind(job.0)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|(next,)| next as u64).ok_or(StoreError::NoSuchJob)
    }

    /// Keeps that a checkpoint begins, so that its number is never used again. Doing it twice is no error.
    pub async fn begin_checkpoint(&self, new: &NewCheckpoint, now_ms: i64) -> Result<(), StoreError> {
        let NewCheckpoint {
            job,
            number,
            generation,
            savepoint,
            url,
        } = new;
        let mut tx = self.pool.begin().await?;
        sqlx::query("UPDATE jobs SET next_checkpoint = greatest(next_checkpoint, $2) WHERE id = $1")
            .bind(job.0)
            .bind(*number as i64 + 1)
            .execute(&mut *tx)
            .await?;
        let kind = savepoint.map_or(CheckpointKind::Checkpoint, |_| CheckpointKind::Savepoint);
        sqlx::query(
            "INSERT INTO checkpoints (job, number, generation, kind, savepoint, status, begun_at_ms, url) \
             VALUES ($1, $2, $3, $4, $5, 'in_progress', $6, $7) ON CONFLICT (job, number) DO NOTHING",
        )
        .bind(job.0)
        .bind(*number as i64)
        .bind(generation.0 as i64)
        .bind(kind.as_str())
        .bind(savepoint.map(|id| id.0))
        .bind(now_ms)
        .bind(url)
        .execute(&mut *tx)
        .await?;
        if let Some(savepoint) = savepoint {
            sqlx::query("UPDATE savepoints SET number = $2 WHERE id = $1")
                .bind(savepoint.0)
                .bind(*number as i64)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Keeps how a checkpoint ended, and its savepoint with it if it is one. One that the job is about to stop with is what it
    /// begins with from here on, even if it comes to no stop: what it has is going to be committed.
    pub async fn end_checkpoint(&self, ended: &EndedCheckpoint, now_ms: i64) -> Result<(), StoreError> {
        let EndedCheckpoint {
            job,
            number,
            begun_at_ms,
            failure,
            subtasks,
        } = ended;
        let status = match failure {
            None => CheckpointStatus::Completed,
            Some(_) => CheckpointStatus::Failed,
        };
        let sum = |of: fn(&api::CheckpointSubtask) -> u64| subtasks.iter().map(of).sum::<u64>() as i64;
        let bytes_full = sum(|part| part.bytes_full);
        let mut tx = self.pool.begin().await?;
        let changed = sqlx::query(
            "UPDATE checkpoints SET status = $3, begun_at_ms = $4, ended_at_ms = $5, bytes_new = $6, bytes_full = $7, \
             bytes_in_flight = $8, failure = $9 WHERE job = $1 AND number = $2 AND status = 'in_progress'",
        )
        .bind(job.0)
        .bind(*number as i64)
        .bind(status.as_str())
        .bind(begun_at_ms)
        .bind(now_ms)
        .bind(sum(|part| part.bytes_new))
        .bind(bytes_full)
        .bind(sum(|part| part.bytes_in_flight))
        .bind(failure)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if changed == 0 {
            // Kept before, or the job is gone and its history with it.
            return Ok(());
        }
        insert_subtasks(&mut tx, *job, *number, subtasks).await?;
        settle_savepoint(&mut tx, *job, *number, (failure.as_deref(), bytes_full), now_ms).await?;
        if failure.is_none() {
            sqlx::query("UPDATE jobs SET last_checkpoint = greatest(last_checkpoint, $2) WHERE id = $1")
                .bind(job.0)
                .bind(*number as i64)
                .execute(&mut *tx)
                .await?;
            take_for_base(&mut tx, *job, *number).await?;
        }
        sqlx::query(
            "DELETE FROM checkpoints WHERE job = $1 AND number <= $2 AND status IN ('failed', 'discarded')",
        )
        .bind(job.0)
        .bind(*number as i64 - KEPT)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Notes that these are there no longer.
    pub async fn discard_checkpoints(&self, job: JobId, numbers: &[u64]) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE checkpoints SET status = 'discarded' \
             WHERE job = $1 AND number = ANY($2) AND kind = 'checkpoint' AND status = 'completed'",
        )
        .bind(job.0)
        .bind(numbers.iter().map(|number| *number as i64).collect::<Vec<_>>())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that one that was there cannot be read, and why.
    pub async fn spoil_checkpoint(&self, job: JobId, number: u64, why: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE checkpoints SET status = 'failed', failure = $3 WHERE job = $1 AND number = $2")
            .bind(job.0)
            .bind(number as i64)
            .bind(why)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The job's newest checkpoints and savepoints, the newest first.
    pub async fn checkpoints(&self, job: JobId) -> Result<Vec<api::Checkpoint>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT number, generation, kind, savepoint, status, begun_at_ms, ended_at_ms, bytes_new, bytes_full, \
             bytes_in_flight, failure, url FROM checkpoints WHERE job = $1 ORDER BY number DESC LIMIT $2",
        )
        .bind(job.0)
        .bind(PAGE)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// Those of the job that are of this status, the newest first.
    pub async fn checkpoints_that_are(
        &self,
        job: JobId,
        status: CheckpointStatus,
    ) -> Result<Vec<api::Checkpoint>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT number, generation, kind, savepoint, status, begun_at_ms, ended_at_ms, bytes_new, bytes_full, \
             bytes_in_flight, failure, url FROM checkpoints WHERE job = $1 AND status = $2 ORDER BY number DESC",
        )
        .bind(job.0)
        .bind(status.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// One of them with the part of each subtask.
    pub async fn checkpoint(&self, job: JobId, number: u64) -> Result<api::CheckpointDetail, StoreError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT number, generation, kind, savepoint, status, begun_at_ms, ended_at_ms, bytes_new, bytes_full, \
             bytes_in_flight, failure, url FROM checkpoints WHERE job = $1 AND number = $2",
        )
        .bind(job.0)
        .bind(number as i64)
        .fetch_optional(&self.pool)
        .await?;
        let checkpoint = row.ok_or(StoreError::NoSuchCheckpoint)?.try_into()?;
        let subtasks: Vec<SubtaskRow> = sqlx::query_as(
            "SELECT task, subtask, alignment_us, sync_us, async_us, end_to_end_ms, bytes_new, bytes_full, \
             bytes_in_flight FROM checkpoint_subtasks WHERE job = $1 AND number = $2 ORDER BY task, subtask",
        )
        .bind(job.0)
        .bind(number as i64)
        .fetch_all(&self.pool)
        .await?;
        Ok(api::CheckpointDetail {
            checkpoint,
            subtasks: subtasks.into_iter().map(Into::into).collect(),
        })
    }
}

async fn insert_subtasks(
    connection: &mut PgConnection,
    job: JobId,
    number: u64,
    subtasks: &[api::CheckpointSubtask],
) -> Result<(), StoreError> {
    let column = |of: fn(&api::CheckpointSubtask) -> u64| -> Vec<i64> {
        subtasks.iter().map(|part| of(part) as i64).collect()
    };
    sqlx::query(
        "INSERT INTO checkpoint_subtasks (job, number, task, subtask, alignment_us, sync_us, async_us, end_to_end_ms, \
         bytes_new, bytes_full, bytes_in_flight) SELECT $1, $2, * FROM unnest($3::int[], $4::int[], $5::bigint[], \
         $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[]) \
         ON CONFLICT DO NOTHING",
    )
    .bind(job.0)
    .bind(number as i64)
    .bind(subtasks.iter().map(|part| part.task.0 as i32).collect::<Vec<_>>())
    .bind(subtasks.iter().map(|part| part.subtask.0 as i32).collect::<Vec<_>>())
    .bind(column(|part| part.alignment_us))
    .bind(column(|part| part.sync_us))
    .bind(column(|part| part.async_us))
    .bind(column(|part| part.end_to_end_ms))
    .bind(column(|part| part.bytes_new))
    .bind(column(|part| part.bytes_full))
    .bind(column(|part| part.bytes_in_flight))
    .execute(connection)
    .await?;
    Ok(())
}

async fn settle_savepoint(
    connection: &mut PgConnection,
    job: JobId,
    number: u64,
    (failure, bytes): (Option<&str>, i64),
    now_ms: i64,
) -> Result<(), StoreError> {
    let status = if failure.is_some() { "failed" } else { "completed" };
    sqlx::query(
        "UPDATE savepoints SET status = $3, failure = $4, bytes = $5, ended_at_ms = $6 \
         WHERE job = $1 AND number = $2 AND status = 'in_progress'",
    )
    .bind(job.0)
    .bind(number as i64)
    .bind(status)
    .bind(failure)
    .bind(bytes)
    .bind(now_ms)
    .execute(connection)
    .await?;
    Ok(())
}

async fn take_for_base(connection: &mut PgConnection, job: JobId, number: u64) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE jobs SET base_savepoint = stop_savepoint, base_number = $2 + 1, allow_dropped_state = FALSE \
         WHERE id = $1 AND stop_savepoint = (SELECT savepoint FROM checkpoints WHERE job = $1 AND number = $2)",
    )
    .bind(job.0)
    .bind(number as i64)
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct Row {
    number: i64,
    generation: i64,
    kind: String,
    savepoint: Option<Uuid>,
    status: String,
    begun_at_ms: i64,
    ended_at_ms: Option<i64>,
    bytes_new: i64,
    bytes_full: i64,
    bytes_in_flight: i64,
    failure: Option<String>,
    url: String,
}

impl TryFrom<Row> for api::Checkpoint {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row {
            number,
            generation,
            kind,
            savepoint,
            status,
            begun_at_ms,
            ended_at_ms,
            bytes_new,
            bytes_full,
            bytes_in_flight,
            failure,
            url,
        } = row;
        let kinds = [CheckpointKind::Checkpoint, CheckpointKind::Savepoint];
        let known_kind = kinds.into_iter().find(|k| k.as_str() == kind);
        let known_status = CheckpointStatus::ALL.into_iter().find(|s| s.as_str() == status);
        let (Some(kind), Some(status)) = (known_kind, known_status) else {
            return Err(StoreError::Unreadable(format!(
                "no checkpoint is '{kind}' and '{status}'"
            )));
        };
        Ok(Self {
            number: number as u64,
            kind,
            status,
            savepoint: savepoint.map(SavepointId),
            generation: Generation(generation as u64),
            begun_at_ms,
            ended_at_ms,
            bytes_new: bytes_new as u64,
            bytes_full: bytes_full as u64,
            bytes_in_flight: bytes_in_flight as u64,
            failure,
            url,
        })
    }
}

#[derive(FromRow)]
struct SubtaskRow {
    task: i32,
    subtask: i32,
    alignment_us: i64,
    sync_us: i64,
    async_us: i64,
    end_to_end_ms: i64,
    bytes_new: i64,
    bytes_full: i64,
    bytes_in_flight: i64,
}

impl From<SubtaskRow> for api::CheckpointSubtask {
    fn from(row: SubtaskRow) -> Self {
        let SubtaskRow {
            task,
            subtask,
            alignment_us,
            sync_us,
            async_us,
            end_to_end_ms,
            bytes_new,
            bytes_full,
            bytes_in_flight,
        } = row;
        Self {
            task: TaskId(task as u32),
            subtask: SubtaskIndex(subtask as u32),
            alignment_us: alignment_us as u64,
            sync_us: sync_us as u64,
            async_us: async_us as u64,
            end_to_end_ms: end_to_end_ms as u64,
            bytes_new: bytes_new as u64,
            bytes_full: bytes_full as u64,
            bytes_in_flight: bytes_in_flight as u64,
        }
    }
}
