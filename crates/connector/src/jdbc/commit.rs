//! Rows that are staged for a checkpoint, and moving them to their table.

use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use weir_env::failpoint;

use super::{database::failed, rows::Chunk, target::Target};
use crate::{ConnectorError, SinkContext};

/// Makes one writer at a time create the tables, which PostgreSQL does not do by itself.
const CREATING: i64 = 0x7765_6972;

/// A writer, unlike any other that there ever was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WriterId {
    job: String,
    generation: i64,
    operator: i64,
    subtask: i64,
}

impl WriterId {
    pub(super) fn new(context: &SinkContext) -> Self {
        Self {
            job: context.job.clone(),
            generation: context.generation as i64,
            operator: context.operator.into(),
            subtask: context.subtask.into(),
        }
    }
}

/// Rows of one writer that are staged for a checkpoint, as the checkpoint says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Staged {
    pub(super) target: Target,
    pub(super) writer: WriterId,
    /// The first checkpoint that can have them.
    pub(super) checkpoint: i64,
    pub(super) chunks: i64,
}

/// Makes the tables for staging, and removes what failed executions of the job left in them.
pub(super) async fn open(
    database: &PgPool,
    target: &Target,
    context: &SinkContext,
) -> Result<(), ConnectorError> {
    let doing = |error| failed("prepare to stage rows", &error);
    let (staged, committed) = (target.staged(), target.committed());
    let mut transaction = database.begin().await.map_err(doing)?;
    // Who may not create tables can be given them.
    let (there,): (bool,) =
        sqlx::query_as("SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL")
            .bind(&staged)
            .bind(&committed)
            .fetch_one(&mut *transaction)
            .await
            .map_err(doing)?;
    if !there {
        let ids = "job text, generation bigint, operator bigint, subtask bigint";
        let create = format!(
            "SELECT pg_advisory_xact_lock({CREATING});
             CREATE TABLE IF NOT EXISTS {staged} ({ids}, checkpoint bigint, chunk bigint, upserts text, deletes text,
                 PRIMARY KEY (job, generation, operator, subtask, checkpoint, chunk));
             CREATE TABLE IF NOT EXISTS {committed} ({ids}, checkpoint bigint NOT NULL,
                 PRIMARY KEY (job, generation, operator, subtask))"
        );
        sqlx::raw_sql(AssertSqlSafe(create))
            .execute(&mut *transaction)
            .await
            .map_err(doing)?;
    }
    if context.subtask == 0 {
        let clean = format!(
            "DELETE FROM {staged} WHERE job = $1 AND generation < $2 AND operator = $3
                 AND ($4::bigint IS NULL OR checkpoint > $4)"
        );
        let writer = WriterId::new(context);
        sqlx::query(AssertSqlSafe(clean))
            .bind(writer.job)
            .bind(writer.generation)
            .bind(writer.operator)
            .bind(context.restored.map(|checkpoint| checkpoint as i64))
            .execute(&mut *transaction)
            .await
            .map_err(doing)?;
    }
    transaction.commit().await.map_err(doing)
}

/// Stages the next chunk of these rows. Once more does nothing.
pub(super) async fn stage(database: &PgPool, rows: &Staged, chunk: &Chunk) -> Result<(), sqlx::Error> {
    let Staged {
        target,
        writer,
        checkpoint,
        chunks,
    } = rows;
    let insert = format!(
        "INSERT INTO {} VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        target.staged()
    );
    let some = |json: &'_ String| (!json.is_empty()).then(|| json.clone());
    sqlx::query(AssertSqlSafe(insert))
        .bind(&writer.job)
        .bind(writer.generation)
        .bind(writer.operator)
        .bind(writer.subtask)
        .bind(checkpoint)
        .bind(chunks)
        .bind(some(&chunk.upserts))
        .bind(some(&chunk.deletes))
        .execute(database)
        .await
        .map(drop)
}

/// Changes the table at once.
pub(super) async fn apply(database: &PgPool, target: &Target, chunk: &Chunk) -> Result<(), sqlx::Error> {
    let mut transaction = database.begin().await?;
    let rows = target.rows_of("$1::json");
    for (json, statement) in [
        (&chunk.deletes, target.delete(&rows)),
        (&chunk.upserts, target.upsert(&rows)),
    ] {
        if !json.is_empty() {
            sqlx::query(AssertSqlSafe(statement))
                .bind(json)
                .execute(&mut *transaction)
                .await?;
        }
    }
    transaction.commit().await
}

/// Moves staged rows to their tables, those that were not moved yet, in one transaction.
pub(super) async fn commit(database: &PgPool, commits: &[String]) -> Result<(), ConnectorError> {
    let mut staged = Vec::with_capacity(commits.len());
    for commit in commits {
        let rows: Staged = serde_json::from_str(commit)
            .map_err(|error| ConnectorError::internal(format!("'{commit}' are no staged rows: {error}")))?;
        staged.push(rows);
    }
    if staged.is_empty() {
        return Ok(());
    }
    let doing = |error| failed("commit rows", &error);
    let mut transaction = database.begin().await.map_err(doing)?;
    for rows in &staged {
        rows.publish(&mut transaction).await?;
    }
    failpoint("jdbc.committing");
    transaction.commit().await.map_err(doing)?;
    failpoint("jdbc.committed");
    Ok(())
}

impl Staged {
    async fn publish(&self, connection: &mut PgConnection) -> Result<(), ConnectorError> {
        let doing = |error| failed(&format!("commit rows to {}", self.target.name()), &error);
        let (before, found) = self.look(connection).await.map_err(doing)?;
        match found {
            0 if before >= self.checkpoint => Ok(()),
            found if found == self.chunks => self.move_rows(connection).await.map_err(doing),
            found => Err(ConnectorError::external(format!(
                "rows of a checkpoint for {} are lost: {} chunks of them were staged in {}, {found} are there; begin from another \
                 checkpoint",
                self.target.name(),
                self.chunks,
                self.target.staged()
            ))),
        }
    }

    /// The last checkpoint of the writer that was committed, and how many of these chunks are staged. Whoever commits for the same
    /// writer waits from here on.
    async fn look(&self, connection: &mut PgConnection) -> Result<(i64, i64), sqlx::Error> {
        let (staged, committed) = (self.target.staged(), self.target.committed());
        let lock = format!(
            "INSERT INTO {committed} AS c VALUES ($1, $2, $3, $4, -1)
                 ON CONFLICT (job, generation, operator, subtask) DO UPDATE SET checkpoint = c.checkpoint RETURNING checkpoint"
        );
        let (before,): (i64,) = self
            .ids(sqlx::query_as(AssertSqlSafe(lock)))
            .fetch_one(&mut *connection)
            .await?;
        let count = format!("SELECT count(*) FROM {staged} WHERE {IS_WRITER} AND checkpoint = $5");
        let (found,): (i64,) = self
            .ids(sqlx::query_as(AssertSqlSafe(count)))
            .bind(self.checkpoint)
            .fetch_one(&mut *connection)
            .await?;
        Ok((before, found))
    }

    async fn move_rows(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let (staged, committed) = (self.target.staged(), self.target.committed());
        let rows = |column: &str| {
            let chunk = format!(
                "SELECT {column}::json AS rows FROM {staged} WHERE {IS_WRITER} AND checkpoint = $5 AND chunk = $6"
            );
            format!("({chunk}) AS s, {}", self.target.rows_of("s.rows"))
        };
        let mut statements = vec![self.target.upsert(&rows("upserts"))];
        if !self.target.keys.is_empty() {
            statements.insert(0, self.target.delete(&rows("deletes")));
        }
        // One after the other: a key may be in several.
        for chunk in 0..self.chunks {
            for statement in &statements {
                self.ids(sqlx::query_as::<_, ()>(AssertSqlSafe(statement.clone())))
                    .bind(self.checkpoint)
                    .bind(chunk)
                    .fetch_optional(&mut *connection)
                    .await?;
            }
        }
        for statement in [
            format!("DELETE FROM {staged} WHERE {IS_WRITER} AND checkpoint = $5"),
            format!("UPDATE {committed} SET checkpoint = GREATEST(checkpoint, $5) WHERE {IS_WRITER}"),
        ] {
            self.ids(sqlx::query_as::<_, ()>(AssertSqlSafe(statement)))
                .bind(self.checkpoint)
                .fetch_optional(&mut *connection)
                .await?;
        }
        Ok(())
    }

    /// The statement with the writer as its first parameters.
    fn ids<'q, T>(&'q self, query: Query<'q, T>) -> Query<'q, T> {
        let WriterId {
            job,
            generation,
            operator,
            subtask,
        } = &self.writer;
        query.bind(job).bind(generation).bind(operator).bind(subtask)
    }
}

type Query<'q, T> = sqlx::query::QueryAs<'q, sqlx::Postgres, T, sqlx::postgres::PgArguments>;

const IS_WRITER: &str = "job = $1 AND generation = $2 AND operator = $3 AND subtask = $4";
