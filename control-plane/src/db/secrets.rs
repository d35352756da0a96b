//! Secrets, sealed.

use weir_model::api::SecretInfo;

use super::{Store, StoreError};
use crate::secrets::Sealed;

impl Store {
    /// Keeps a secret; one of that name is replaced. Returns whether there was none.
    pub async fn put_secret(&self, name: &str, sealed: &Sealed, now_ms: i64) -> Result<bool, StoreError> {
        let (is_new,): (bool,) = sqlx::query_as(
            "INSERT INTO secrets (name, nonce, sealed, created_at_ms, updated_at_ms) VALUES ($1, $2, $3, $4, $4) \
             ON CONFLICT (name) DO UPDATE SET nonce = $2, sealed = $3, updated_at_ms = $4 RETURNING created_at_ms = updated_at_ms",
        )
        .bind(name)
        .bind(&sealed.nonce)
        .bind(&sealed.sealed)
        .bind(now_ms)
        .fetch_one(&self.pool)
        .await?;
        Ok(is_new)
    }

    /// All secrets, sealed, by name.
    pub async fn sealed_secrets(&self) -> Result<Vec<(String, Sealed)>, StoreError> {
        let rows: Vec<(String, Vec<u8>, Vec<u8>)> =
            sqlx::query_as("SELECT name, nonce, sealed FROM secrets ORDER BY name")
                .fetch_all(&self.pool)
                .await?;
        let secret = |(name, nonce, sealed)| (name, Sealed { nonce, sealed });
        Ok(rows.into_iter().map(secret).collect())
    }

    /// What there is to know of all secrets but their values, by name.
    pub async fn secrets(&self) -> Result<Vec<SecretInfo>, StoreError> {
        let rows: Vec<(String, i64, i64)> =
            sqlx::query_as("SELECT name, created_at_ms, updated_at_ms FROM secrets ORDER BY name")
                .fetch_all(&self.pool)
                .await?;
        let info = |(name, created_at_ms, updated_at_ms)| SecretInfo {
            name,
            created_at_ms,
            updated_at_ms,
        };
        Ok(rows.into_iter().map(info).collect())
    }

    /// Forgets a secret. Returns whether there was one.
    pub async fn delete_secret(&self, name: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM secrets WHERE name = $1")
            .bind(name)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Name and SQL of the jobs that have not ended.
    pub async fn scripts_in_use(&self) -> Result<Vec<(String, String)>, StoreError> {
        let scripts = sqlx::query_as(
            "SELECT jobs.name, versions.sql FROM jobs \
             JOIN job_versions AS versions ON versions.job = jobs.id AND versions.version = jobs.version \
             WHERE jobs.phase NOT IN ('cancelled', 'finished', 'failed')",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(scripts)
    }
}
