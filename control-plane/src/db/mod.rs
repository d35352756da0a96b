//! The metadata store: the only place with SQL against it.
//!
//! - [`jobs`]: jobs and their versions.
//! - [`transitions`]: steps in a job's life, each in one transaction with its events.
//! - [`executions`]: attempts and their placements.
//! - [`checkpoints`]: checkpoints and the part of each subtask.
//! - [`savepoints`]: the catalogue of savepoints.
//! - [`secrets`]: sealed values.
//! - [`requests`]: what people ask of a job that runs: stopping, resuming, rescaling.
//! - [`rescales`]: changes of parallelism.
//! - [`exceptions`]: what failed, and what was done about it.
//! - [`workers`]: workers, also those that are gone.
//! - [`events`]: the audit trail.
//! - [`output`]: what `print` sinks wrote.

use std::time::Duration;

use sqlx::{
    Connection as _, PgConnection, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::PgPoolOptions,
};
use weir_env::Clock;

pub mod checkpoints;
pub mod events;
pub mod exceptions;
pub mod executions;
pub mod jobs;
pub mod output;
pub mod requests;
pub mod rescales;
pub mod savepoints;
pub mod secrets;
pub mod transitions;
pub mod workers;

/// How long one connection may take.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// The metadata store. A cheap handle: clones share one pool of connections.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
}

/// Why the metadata store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not answer, or refuses.
    #[error("the metadata store does not answer: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The schema is newer than this binary.
    #[error(
        "the metadata store's schema is newer than this binary: it has migration {version}, the newest known here is \
         {known}; start a newer weir, or use another database"
    )]
    SchemaTooNew {
        /// The unknown migration.
        version: i64,
        /// The newest that this binary knows.
        known: i64,
    },
    /// A migration failed.
    #[error("cannot bring the metadata store's schema up to date: {0}")]
    Migrate(#[source] MigrateError),
    /// No job of that id.
    #[error("no job with that id")]
    NoSuchJob,
    /// No savepoint of that id.
    #[error("no savepoint with that id")]
    NoSuchSavepoint,
    /// No checkpoint of that number.
    #[error("the job has no checkpoint with that number")]
    NoSuchCheckpoint,
    /// The job has moved on since it was read.
    #[error("the job has changed meanwhile")]
    Stale,
    /// What is stored cannot be read.
    #[error("the metadata store holds what this binary cannot read: {0}")]
    Unreadable(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Unreadable(error.to_string()),
            other => Self::Unavailable(other),
        }
    }
}

impl Store {
    /// Connects, trying again for as long as `wait`, and brings the schema up to date.
    pub async fn open(
        url: &str,
        connections: u32,
        wait: Duration,
        clock: &dyn Clock,
    ) -> Result<Self, StoreError> {
        let pool = connect(url, connections, wait, clock)
            .await
            .map_err(StoreError::Unavailable)?;
        MIGRATIONS.run(&pool).await.map_err(|error| match error {
            MigrateError::VersionMissing(version) => StoreError::SchemaTooNew {
                version,
                known: newest_migration(),
            },
            MigrateError::Execute(error) => StoreError::Unavailable(error),
            other => StoreError::Migrate(other),
        })?;
        Ok(Self { pool })
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

async fn connect(
    url: &str,
    connections: u32,
    wait: Duration,
    clock: &dyn Clock,
) -> Result<PgPool, sqlx::Error> {
    let give_up = clock.elapsed() + wait;
    // A pool's own error would only say that time has run out.
    while let Err(error) = try_connection(url, clock).await {
        // Wrong words in the URL stay wrong; a server that starts later is worth waiting for.
        if matches!(error, sqlx::Error::Configuration(_)) || clock.elapsed() >= give_up {
            return Err(error);
        }
        tracing::info!(%error, "the metadata store does not answer yet");
        clock.sleep(Duration::from_millis(500)).await;
    }
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ANSWER_WAIT)
        .connect(url)
        .await
}

async fn try_connection(url: &str, clock: &dyn Clock) -> Result<(), sqlx::Error> {
    tokio::select! {
        connection = PgConnection::connect(url) => connection?.close().await,
        () = clock.sleep(ANSWER_WAIT) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

fn newest_migration() -> i64 {
    MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0)
}
