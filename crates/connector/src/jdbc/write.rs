//! The sink: rows to a table, at once or when their checkpoint is there.

use std::{fmt, sync::Arc, time::Duration};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use async_trait::async_trait;
use sqlx::{PgPool, postgres::PgConnectOptions};
use weir_env::{Clock, failpoint};
use weir_model::FailureClass;

use super::{
    commit::{self, Staged, WriterId},
    database::{connect, failed},
    rows::{Chunk, Gathered},
    target::Target,
};
use crate::{ChangelogMode, ConnectorError, OptionError, Sink, SinkContext, SinkFactory};

/// Rows are sent before they take more than this.
const MAX_BYTES: usize = 4 << 20;
/// How long after the first failure the next try is made; after the next, twice as long.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// A checked table to write.
#[derive(Clone)]
pub(super) struct Factory {
    pub(super) server: PgConnectOptions,
    pub(super) target: Target,
    /// The table's columns.
    pub(super) schema: SchemaRef,
    pub(super) max_rows: usize,
    pub(super) max_retries: u32,
    pub(super) exactly_once: bool,
}

impl fmt::Debug for Factory {
    /// Without the server, which comes with a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SinkFactory for Factory {
    fn changelog_mode(&self) -> ChangelogMode {
        if self.target.keys.is_empty() {
            ChangelogMode::Append
        } else {
            ChangelogMode::All
        }
    }

    async fn check(&self) -> Result<(), OptionError> {
        let unavailable = |reason: String| OptionError::Unavailable { reason };
        let missing = self.missing().await;
        match missing.map_err(|error| unavailable(failed("reach the database", &error).message))? {
            None => Ok(()),
            Some(reason) => Err(unavailable(reason)),
        }
    }

    async fn open(&self, context: SinkContext) -> Result<Box<dyn Sink>, ConnectorError> {
        let database = connect(&self.server);
        let stages = self.exactly_once && context.takes_checkpoints;
        if stages {
            commit::open(&database, &self.target, &context).await?;
        }
        let staged = stages.then(|| Staged {
            target: self.target.clone(),
            writer: WriterId::new(&context),
            checkpoint: context.restored.map_or(0, |restored| restored as i64) + 1,
            chunks: 0,
        });
        Ok(Box::new(Writer {
            database,
            target: self.target.clone(),
            rows: Gathered::new(&self.schema, &self.target.keys).map_err(unreadable)?,
            staged,
            max_rows: self.max_rows,
            max_retries: self.max_retries,
            clock: context.clock,
        }))
    }

    async fn commit(&self, commits: &[String]) -> Result<(), ConnectorError> {
        commit::commit(&connect(&self.server), commits).await
    }
}

impl Factory {
    /// What the database lacks.
    async fn missing(&self) -> Result<Option<String>, sqlx::Error> {
        let database = connect(&self.server);
        let (table, Target { columns, keys, .. }) = (self.target.name(), &self.target);
        let (there,): (bool,) = sqlx::query_as("SELECT to_regclass($1) IS NOT NULL")
            .bind(&table)
            .fetch_one(&database)
            .await?;
        if !there {
            return Ok(Some(format!("the database has no table {table}")));
        }
        let known: Vec<(String,)> = sqlx::query_as(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
        )
        .bind(&table)
        .fetch_all(&database)
        .await?;
        let is_unknown = |column: &&String| !known.iter().any(|(known,)| known == *column);
        if let Some(column) = columns.iter().find(is_unknown) {
            return Ok(Some(format!(
                "table {table} of the database has no column '{column}'"
            )));
        }
        if keys.is_empty() {
            return Ok(None);
        }
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        let (unique,): (bool,) = sqlx::query_as(
            "SELECT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indpred IS NULL
                 AND $2 = (SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE \"C\") FROM pg_attribute a
                           WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)))",
        )
        .bind(&table)
        .bind(&sorted)
        .fetch_one(&database)
        .await?;
        let keys = keys.join(", ");
        Ok((!unique).then(|| {
            format!("table {table} of the database has no primary key or unique index of just ({keys})")
        }))
    }
}

fn unreadable(error: ArrowError) -> ConnectorError {
    ConnectorError::internal(format!("rows cannot be read by their keys: {error}"))
}

/// Writes one subtask's rows.
struct Writer {
    database: PgPool,
    target: Target,
    rows: Gathered,
    /// What is staged for the next checkpoint; none: rows are written at once.
    staged: Option<Staged>,
    max_rows: usize,
    max_retries: u32,
    clock: Arc<dyn Clock>,
}

impl Writer {
    async fn send(&mut self) -> Result<(), ConnectorError> {
        if self.rows.rows() == 0 {
            return Ok(());
        }
        let chunk = self.rows.take();
        let mut tries = 0;
        loop {
            match self.send_once(&chunk).await {
                Err(error) if error.class == FailureClass::External && tries < self.max_retries => {
                    tracing::warn!(%error, "rows are sent again");
                    self.clock.sleep(RETRY_DELAY * 2_u32.saturating_pow(tries)).await;
                    tries += 1;
                }
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        if let Some(staged) = &mut self.staged {
            staged.chunks += 1;
        }
        Ok(())
    }

    async fn send_once(&self, chunk: &Chunk) -> Result<(), ConnectorError> {
        let sent = match &self.staged {
            None => commit::apply(&self.database, &self.target, chunk).await,
            Some(staged) => commit::stage(&self.database, staged, chunk).await,
        };
        sent.map_err(|error| failed(&format!("write to {}", self.target.name()), &error))
    }

    /// What is staged, to be committed; what follows belongs to a checkpoint from this one on.
    async fn stage(&mut self, next_checkpoint: Option<u64>) -> Result<Vec<String>, ConnectorError> {
        self.send().await?;
        let Some(staged) = &mut self.staged else {
            return Ok(Vec::new());
        };
        let said = serde_json::to_string(&staged)
            .map_err(|error| ConnectorError::internal(format!("staged rows cannot be said: {error}")))?;
        let commits = if staged.chunks > 0 { vec![said] } else { Vec::new() };
        staged.chunks = 0;
        if let Some(next) = next_checkpoint {
            staged.checkpoint = next as i64;
        }
        if !commits.is_empty() {
            failpoint("jdbc.prepared");
        }
        Ok(commits)
    }
}

#[async_trait]
impl Sink for Writer {
    async fn write(&mut self, batch: RecordBatch) -> Result<(), ConnectorError> {
        let mut from = 0;
        while from < batch.num_rows() {
            // At least one, though a key that is there already takes no room.
            let room = self.max_rows.saturating_sub(self.rows.rows()).max(1);
            let rows = room.min(batch.num_rows() - from);
            self.rows.add(&batch.slice(from, rows)).map_err(unreadable)?;
            from += rows;
            if self.rows.rows() >= self.max_rows || self.rows.bytes() >= MAX_BYTES {
                self.send().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ConnectorError> {
        // Nobody sees staged rows earlier for it.
        if self.staged.is_none() {
            self.send().await
        } else {
            Ok(())
        }
    }

    async fn prepare(&mut self, checkpoint: u64) -> Result<Vec<String>, ConnectorError> {
        self.stage(Some(checkpoint + 1)).await
    }

    async fn finish(&mut self) -> Result<Vec<String>, ConnectorError> {
        self.stage(None).await
    }
}
