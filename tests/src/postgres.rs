//! A PostgreSQL server for a test that logs changes of rows, stopped when dropped.

use std::path::Path;

use anyhow::Result;
use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolOptions};
use weir_control_plane::private_postgres::PrivatePostgres;

const SETTINGS: &[&str] = &[
    "wal_level = logical",
    "max_replication_slots = 50",
    "max_wal_senders = 50",
];

/// A running server.
#[derive(Debug)]
pub struct Logging {
    postgres: PrivatePostgres,
    socket: String,
}

impl Logging {
    /// Starts a server that keeps its data below a folder.
    pub async fn start(folder: &Path) -> Result<Self> {
        let first = PrivatePostgres::start(folder).await?;
        let pool = PgPoolOptions::new().connect(first.url()).await?;
        for setting in SETTINGS {
            sqlx::raw_sql(AssertSqlSafe(format!("ALTER SYSTEM SET {setting}")))
                .execute(&pool)
                .await?;
        }
        pool.close().await;
        // The level of the log is set at a start.
        first.stop().await;
        let postgres = PrivatePostgres::start(folder).await?;
        let pool = PgPoolOptions::new().connect(postgres.url()).await?;
        let (socket,) = sqlx::query_as("SHOW unix_socket_directories")
            .fetch_one(&pool)
            .await?;
        pool.close().await;
        Ok(Self { postgres, socket })
    }

    /// The folder of its socket, which is taken for a host. The user is `weir`, without a password.
    pub fn socket(&self) -> &str {
        &self.socket
    }

    /// Connections to a new database.
    pub async fn database(&self, name: &str) -> Result<PgPool> {
        let all = PgPoolOptions::new().connect(self.postgres.url()).await?;
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&all)
            .await?;
        all.close().await;
        Ok(PgPoolOptions::new().connect(&self.url(name)).await?)
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        let url = self.postgres.url().replacen("postgres://", "postgresql://", 1);
        url.replacen("/weir?", &format!("/{database}?"), 1)
    }
}
