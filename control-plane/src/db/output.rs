//! What `print` sinks wrote: a bounded sample of rows, and how many there were.

use sqlx::types::Json;
use weir_model::{
    JobId,
    api::{Output, OutputRow, RowText},
};

use super::{Store, StoreError};

/// Rows that one subtask of a `print` sink has written since it last told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// The job.
    pub job: JobId,
    /// The sink table.
    pub table: String,
    /// The subtask of the sink.
    pub subtask: u32,
    /// Rows since its start.
    pub total_rows: u64,
    /// JSON objects: the last of the rows not told before.
    pub rows: Vec<String>,
}

impl Store {
    /// Adds to the job's sample, of which the last `keep` rows stay. Nothing happens when the job is gone.
    pub async fn add_printed(&self, printed: &Printed, keep: u32) -> Result<(), StoreError> {
        let Printed {
            job,
            table,
            subtask,
            total_rows,
            rows,
        } = printed;
        let mut tx = self.pool.begin().await?;
        let exists: Option<(i32,)> = sqlx::query_as("SELECT 1 FROM jobs WHERE id = $1 FOR KEY SHARE")
            .bind(job.0)
            .fetch_optional(&mut *tx)
            .await?;
        if exists.is_none() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO printed_totals (job, table_name, subtask, total_rows) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (job, table_name, subtask) DO UPDATE SET total_rows = EXCLUDED.total_rows",
        )
        .bind(job.0)
        .bind(table)
        .bind(*subtask as i32)
        .bind(*total_rows as i64)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO printed_rows (job, table_name, row) \
             SELECT $1, $2, r.row::json FROM unnest($3::text[]) WITH ORDINALITY AS r (row, n) ORDER BY r.n",
        )
        .bind(job.0)
        .bind(table)
        .bind(&rows[rows.len().saturating_sub(keep as usize)..])
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "DELETE FROM printed_rows WHERE job = $1 AND id <= \
             (SELECT id FROM printed_rows WHERE job = $1 ORDER BY id DESC OFFSET $2 LIMIT 1)",
        )
        .bind(job.0)
        .bind(i64::from(keep))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The job's sample, the oldest row first, and the count of all rows.
    pub async fn output(&self, job: JobId, limit: u32) -> Result<Output, StoreError> {
        let (total,): (i64,) =
            sqlx::query_as("SELECT COALESCE(sum(total_rows), 0)::bigint FROM printed_totals WHERE job = $1")
                .bind(job.0)
                .fetch_one(&self.pool)
                .await?;
        let mut rows: Vec<(String, Json<RowText>)> = sqlx::query_as(
            "SELECT table_name, row FROM printed_rows WHERE job = $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(job.0)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.reverse();
        let rows = rows
            .into_iter()
            .map(|(table, Json(row))| OutputRow { table, row })
            .collect();
        Ok(Output {
            total_rows: total as u64,
            rows,
        })
    }
}
