//! Changes of parallelism, from the request to all tasks running again.

use sqlx::{PgConnection, prelude::FromRow};
use weir_model::{
    JobId,
    api::{self, RescaleStatus},
};

use super::{Store, StoreError};
use crate::job::Job;

/// Entries of one job that a reader gets at most.
const PAGE: i64 = 200;

impl Store {
    /// The job's newest rescales, the newest first.
    pub async fn rescales(&self, job: JobId) -> Result<Vec<api::Rescale>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT from_parallelism, to_parallelism, status, requested_at_ms, suspended_at_ms, stopped_at_ms, \
             running_at_ms FROM rescales WHERE job = $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(job.0)
        .bind(PAGE)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// Notes that the tasks of a job that is being rescaled are told to stop.
    pub async fn rescale_suspended(&self, job: JobId, now_ms: i64) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE rescales SET suspended_at_ms = $2 \
             WHERE job = $1 AND status = 'in_progress' AND suspended_at_ms IS NULL",
        )
        .bind(job.0)
        .bind(now_ms)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// Keeps a new request; one that was not carried out yet is superseded.
pub(super) async fn insert(
    connection: &mut PgConnection,
    job: JobId,
    (from, to): (u32, u32),
    graph: &[u8],
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE rescales SET status = 'superseded' WHERE job = $1 AND status = 'in_progress'")
        .bind(job.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO rescales (job, from_parallelism, to_parallelism, graph, status, requested_at_ms) \
         VALUES ($1, $2, $3, $4, 'in_progress', $5)",
    )
    .bind(job.0)
    .bind(from as i32)
    .bind(to as i32)
    .bind(graph)
    .bind(now_ms)
    .execute(connection)
    .await?;
    Ok(())
}

/// The tasks of the job have stopped; of interest when it is being rescaled.
pub(super) async fn stopped(
    connection: &mut PgConnection,
    job: JobId,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE rescales SET stopped_at_ms = $2 \
         WHERE job = $1 AND status = 'in_progress' AND suspended_at_ms IS NOT NULL AND stopped_at_ms IS NULL",
    )
    .bind(job.0)
    .bind(now_ms)
    .execute(connection)
    .await?;
    Ok(())
}

/// All tasks of the job run; a rescale whose graph it has is done.
pub(super) async fn running(
    connection: &mut PgConnection,
    job: JobId,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE rescales r SET status = 'completed', running_at_ms = $2 FROM jobs j \
         WHERE r.job = $1 AND j.id = r.job AND r.status = 'in_progress' AND j.rescale_to IS NULL",
    )
    .bind(job.0)
    .bind(now_ms)
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives the job's current version the graph of the rescale that is in progress.
pub(super) async fn take_graph(connection: &mut PgConnection, job: &Job) -> Result<(), StoreError> {
    let changed = sqlx::query(
        "UPDATE job_versions v SET graph = r.graph FROM rescales r \
         WHERE v.job = $1 AND v.version = $2 AND r.job = v.job AND r.status = 'in_progress' AND r.to_parallelism = $3",
    )
    .bind(job.id.0)
    .bind(job.version as i32)
    .bind(job.parallelism as i32)
    .execute(connection)
    .await?
    .rows_affected();
    if changed == 1 {
        return Ok(());
    }
    let why = format!("job {} has no graph of parallelism {}", job.id, job.parallelism);
    Err(StoreError::Unreadable(why))
}

#[derive(FromRow)]
struct Row {
    from_parallelism: i32,
    to_parallelism: i32,
    status: String,
    requested_at_ms: i64,
    suspended_at_ms: Option<i64>,
    stopped_at_ms: Option<i64>,
    running_at_ms: Option<i64>,
}

impl TryFrom<Row> for api::Rescale {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row {
            from_parallelism,
            to_parallelism,
            status,
            requested_at_ms,
            suspended_at_ms,
            stopped_at_ms,
            running_at_ms,
        } = row;
        let since = |then: Option<i64>| {
            let (then, running) = (then?, running_at_ms?);
            Some(u64::try_from(running - then).unwrap_or(0))
        };
        let known = RescaleStatus::ALL.into_iter().find(|s| s.as_str() == status);
        Ok(Self {
            from: from_parallelism as u32,
            to: to_parallelism as u32,
            status: known.ok_or_else(|| StoreError::Unreadable(format!("no status named '{status}'")))?,
            requested_at_ms,
            running_at_ms,
            pause_ms: since(suspended_at_ms),
            redeploy_ms: since(stopped_at_ms),
        })
    }
}
