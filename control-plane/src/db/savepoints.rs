//! The catalogue of savepoints, which outlive their jobs.

use sqlx::{PgConnection, prelude::FromRow};
use uuid::Uuid;
use weir_model::{
    JobId, SavepointId,
    api::{self, SavepointStatus, UpdateSavepoint},
};

use super::{
    Store, StoreError,
    events::{self, Actor, Kind, NewEvent},
};

/// Savepoints of a list at most.
const PAGE: i64 = 1000;

/// A savepoint to be taken of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSavepoint {
    /// Its id.
    pub id: SavepointId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The job.
    pub job: JobId,
    /// The URL of its folder.
    pub url: String,
}

macro_rules! select_savepoints {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, description, tags, job, job_name, job_version, sql, parallelism, number, url, status, \
             failure, bytes, created_at_ms, ended_at_ms FROM savepoints ",
            $rest
        )
    };
}

impl Store {
    /// Keeps that a savepoint is to be taken of the running job. [`StoreError::Stale`] when it does not run.
    pub async fn request_savepoint(&self, new: &NewSavepoint, now_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let phase: Option<(String,)> = sqlx::query_as("SELECT phase FROM jobs WHERE id = $1 FOR SHARE")
            .bind(new.job.0)
            .fetch_optional(&mut *tx)
            .await?;
        match phase.as_ref().map(|(phase,)| phase.as_str()) {
            None => return Err(StoreError::NoSuchJob),
            Some("running") => {}
            Some(_) => return Err(StoreError::Stale),
        }
        insert(&mut tx, new, now_ms).await?;
        let event = NewEvent {
            at_ms: now_ms,
            actor: Actor::User,
            job: Some(new.job),
            kind: Kind::SavepointRequested,
            message: format!("savepoint '{}' was asked for", new.name),
        };
        events::insert(&mut tx, &event).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Keeps a savepoint that was taken by another cluster, or by this one before it forgot it.
    pub async fn import_savepoint(&self, savepoint: &api::Savepoint) -> Result<(), StoreError> {
        let api::Savepoint {
            id,
            name,
            description,
            tags,
            status,
            failure,
            job,
            job_name,
            job_version,
            sql,
            parallelism,
            number,
            url,
            bytes,
            created_at_ms,
            ended_at_ms,
        } = savepoint;
        sqlx::query(
            "INSERT INTO savepoints (id, name, description, tags, job, job_name, job_version, sql, parallelism, number, \
             url, status, failure, bytes, created_at_ms, ended_at_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        )
        .bind(id.0)
        .bind(name)
        .bind(description)
        .bind(tags)
        .bind(job.0)
        .bind(job_name)
        .bind(*job_version as i32)
        .bind(sql)
        .bind(*parallelism as i32)
        .bind(number.map(|number| number as i64))
        .bind(url)
        .bind(status.as_str())
        .bind(failure)
        .bind(*bytes as i64)
        .bind(created_at_ms)
        .bind(ended_at_ms)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that a savepoint that is being taken never will be there. Nothing changes for one that has ended.
    pub async fn fail_savepoint(&self, id: SavepointId, why: &str, now_ms: i64) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE savepoints SET status = 'failed', failure = $2, ended_at_ms = $3 \
             WHERE id = $1 AND status = 'in_progress'",
        )
        .bind(id.0)
        .bind(why)
        .bind(now_ms)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that the job's savepoints that are being taken never will be there, but for this one.
    pub async fn fail_savepoints_of(
        &self,
        job: JobId,
        but: Option<SavepointId>,
        why: &str,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE savepoints SET status = 'failed', failure = $3, ended_at_ms = $4 \
             WHERE job = $1 AND status = 'in_progress' AND id IS DISTINCT FROM $2",
        )
        .bind(job.0)
        .bind(but.map(|id| id.0))
        .bind(why)
        .bind(now_ms)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The savepoint of that id, with its script.
    pub async fn savepoint(&self, id: SavepointId) -> Result<api::Savepoint, StoreError> {
        let row: Option<Row> = sqlx::query_as(select_savepoints!("WHERE id = $1"))
            .bind(id.0)
            .fetch_optional(&self.pool)
            .await?;
        row.ok_or(StoreError::NoSuchSavepoint)?.try_into()
    }

    /// The newest 1000 savepoints, the newest first, without their scripts; of one job if it is named.
    pub async fn savepoints(&self, job: Option<JobId>) -> Result<Vec<api::Savepoint>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(select_savepoints!(
            "WHERE $1::uuid IS NULL OR job = $1 ORDER BY id DESC LIMIT $2"
        ))
        .bind(job.map(|id| id.0))
        .bind(PAGE)
        .fetch_all(&self.pool)
        .await?;
        let without_sql = |row: Row| {
            let savepoint = api::Savepoint::try_from(row)?;
            let sql = String::new();
            Ok(api::Savepoint { sql, ..savepoint })
        };
        rows.into_iter().map(without_sql).collect()
    }

    /// Changes what is said of it.
    pub async fn update_savepoint(
        &self,
        id: SavepointId,
        update: &UpdateSavepoint,
    ) -> Result<api::Savepoint, StoreError> {
        let UpdateSavepoint {
            name,
            description,
            tags,
        } = update;
        sqlx::query(
            "UPDATE savepoints SET name = coalesce($2, name), description = coalesce($3, description), \
             tags = coalesce($4, tags) WHERE id = $1",
        )
        .bind(id.0)
        .bind(name)
        .bind(description)
        .bind(tags)
        .execute(&self.pool)
        .await?;
        self.savepoint(id).await
    }

    /// Jobs that would begin with the savepoint if they began now: they have not ended for good and have no checkpoint
    /// of their own that is newer.
    pub async fn jobs_in_need_of(&self, id: SavepointId) -> Result<Vec<JobId>, StoreError> {
        let rows: Vec<(Uuid,)> = sqlx::query_as(
            "SELECT j.id FROM jobs j WHERE j.phase NOT IN ('cancelled', 'finished', 'failed') AND \
             (j.stop_savepoint = $1 OR j.base_savepoint = $1 AND NOT EXISTS (SELECT FROM checkpoints c \
             WHERE c.job = j.id AND c.status = 'completed' AND c.kind = 'checkpoint' AND c.number >= j.base_number))",
        )
        .bind(id.0)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|(id,)| JobId(id)).collect())
    }

    /// Takes it out of the catalogue.
    pub async fn delete_savepoint(&self, savepoint: &api::Savepoint, now_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query("DELETE FROM savepoints WHERE id = $1")
            .bind(savepoint.id.0)
            .execute(&mut *tx)
            .await?;
        let event = NewEvent {
            at_ms: now_ms,
            actor: Actor::User,
            job: Some(savepoint.job),
            kind: Kind::SavepointDeleted,
            message: format!("savepoint '{}' was deleted", savepoint.name),
        };
        events::insert(&mut tx, &event).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Keeps one that is to be taken, with what is known of its job.
pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &NewSavepoint,
    now_ms: i64,
) -> Result<(), StoreError> {
    let NewSavepoint {
        id,
        name,
        description,
        tags,
        job,
        url,
    } = new;
    sqlx::query(
        "INSERT INTO savepoints (id, name, description, tags, job, job_name, job_version, sql, parallelism, url, \
         status, created_at_ms) SELECT $1, $2, $3, $4, j.id, j.name, j.version, v.sql, j.parallelism, $6, \
         'in_progress', $7 FROM jobs j JOIN job_versions v ON v.job = j.id AND v.version = j.version WHERE j.id = $5",
    )
    .bind(id.0)
    .bind(name)
    .bind(description)
    .bind(tags)
    .bind(job.0)
    .bind(url)
    .bind(now_ms)
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    name: String,
    description: String,
    tags: Vec<String>,
    job: Uuid,
    job_name: String,
    job_version: i32,
    sql: String,
    parallelism: i32,
    number: Option<i64>,
    url: String,
    status: String,
    failure: Option<String>,
    bytes: i64,
    created_at_ms: i64,
    ended_at_ms: Option<i64>,
}

impl TryFrom<Row> for api::Savepoint {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row {
            id,
            name,
            description,
            tags,
            job,
            job_name,
            job_version,
            sql,
            parallelism,
            number,
            url,
            status,
            failure,
            bytes,
            created_at_ms,
            ended_at_ms,
        } = row;
        let known = SavepointStatus::ALL.into_iter().find(|s| s.as_str() == status);
        Ok(Self {
            id: SavepointId(id),
            name,
            description,
            tags,
            status: known.ok_or_else(|| StoreError::Unreadable(format!("no status named '{status}'")))?,
            failure,
            job: JobId(job),
            job_name,
            job_version: job_version as u32,
            sql,
            parallelism: parallelism as u32,
            number: number.map(|number| number as u64),
            url,
            bytes: bytes as u64,
            created_at_ms,
            ended_at_ms,
        })
    }
}
