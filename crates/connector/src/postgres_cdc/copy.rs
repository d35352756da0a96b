//! The table as it is: all rows, in the order of their key.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgRow};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    message::Value,
    position::Seen,
    rows::Rows,
    server::{Server, lsn},
};
use crate::{
    ConnectorError, RowKind,
    postgres::{literal, quoted, text},
};

/// Batches that wait to be taken.
const WAITING_BATCHES: usize = 2;

/// What a copy says.
#[derive(Debug)]
pub(super) enum Copy {
    /// Which transactions it sees: said first.
    Sees(Seen),
    /// Rows, and the key of the last one.
    Rows(RecordBatch, Vec<String>),
    /// All rows were said.
    Done,
}

/// A copy on its way.
#[derive(Debug)]
pub(super) struct Copying {
    said: mpsc::Receiver<Result<Copy, ConnectorError>>,
    task: JoinHandle<()>,
}

/// What to copy.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) server: Server,
    /// The columns of rows, of which the last says what each row does.
    pub(super) schema: SchemaRef,
    pub(super) keys: Vec<String>,
    /// The key behind which to begin; empty: at the first row.
    pub(super) after: Vec<String>,
    pub(super) batch_rows: usize,
}

impl Copying {
    /// Begins a copy, which goes on by itself as far as it is taken.
    pub(super) fn begin(order: Order) -> Self {
        let (say, said) = mpsc::channel(WAITING_BATCHES);
        let task = tokio::spawn(async move {
            if let Err(error) = order.run(&say).await {
                let _ = say.send(Err(error)).await;
            }
        });
        Self { said, task }
    }

    /// What it says next.
    pub(super) async fn next(&mut self) -> Result<Copy, ConnectorError> {
        let gone = || ConnectorError::external("the copy of a table was broken off");
        self.said.recv().await.ok_or_else(gone)?
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Order {
    async fn run(&self, say: &mpsc::Sender<Result<Copy, ConnectorError>>) -> Result<(), ConnectorError> {
        let server = &self.server;
        let mut connection = server.connect().await?;
        server
            .run(
                &mut connection,
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                "begin a copy",
            )
            .await?;
        let sees = server
            .text(&mut connection, "SELECT pg_current_snapshot()::text")
            .await?;
        let until = server
            .text(&mut connection, "SELECT pg_current_wal_insert_lsn()::text")
            .await?;
        let seen = Seen::parse(&sees, lsn(&until)?)
            .ok_or_else(|| ConnectorError::external(format!("'{sees}' is no snapshot of PostgreSQL's")))?;
        if say.send(Ok(Copy::Sees(seen))).await.is_err() {
            return Ok(());
        }
        if self.rows(&mut connection, say).await? {
            let _ = say.send(Ok(Copy::Done)).await;
        }
        let _ = connection.close().await;
        Ok(())
    }

    /// Says all rows; false if nobody listens any more.
    async fn rows(
        &self,
        connection: &mut PgConnection,
        say: &mpsc::Sender<Result<Copy, ConnectorError>>,
    ) -> Result<bool, ConnectorError> {
        let failed = |error: sqlx::Error| self.server.failed("copy the table", &error);
        let mut rows = Rows::new(&self.schema)?;
        let width = rows.names().count();
        let mut found = sqlx::raw_sql(AssertSqlSafe(self.query(&rows))).fetch(connection);
        let mut last = Vec::new();
        while let Some(row) = found.try_next().await.map_err(failed)? {
            let values = (0..width).map(|column| text(&row, column));
            let values: Vec<Option<&[u8]>> = values.collect::<Result<_, _>>().map_err(failed)?;
            let values = values.iter().map(|text| text.map_or(Value::Null, Value::Text));
            rows.add(RowKind::Insert, values)?;
            if rows.len() >= self.batch_rows {
                last = self.key(&row, width).map_err(failed)?;
                let batch = Copy::Rows(rows.take()?, last.clone());
                if say.send(Ok(batch)).await.is_err() {
                    return Ok(false);
                }
            } else {
                last = self.key(&row, width).map_err(failed)?;
            }
        }
        if rows.len() > 0 {
            return Ok(say.send(Ok(Copy::Rows(rows.take()?, last))).await.is_ok());
        }
        Ok(true)
    }

    /// The columns, then the key's.
    fn query(&self, rows: &Rows) -> String {
        let names = rows
            .names()
            .map(quoted)
            .chain(self.keys.iter().map(|key| quoted(key)));
        let keys = self
            .keys
            .iter()
            .map(|key| quoted(key))
            .collect::<Vec<_>>()
            .join(", ");
        let after = match self.after.as_slice() {
            [] => String::new(),
            after => {
                let after = after.iter().map(|value| literal(value)).collect::<Vec<_>>();
                format!(" WHERE ({keys}) > ({})", after.join(", "))
            }
        };
        format!(
            "SELECT {} FROM {}{after} ORDER BY {keys}",
            names.collect::<Vec<_>>().join(", "),
            self.server.table_sql()
        )
    }

    fn key(&self, row: &PgRow, width: usize) -> Result<Vec<String>, sqlx::Error> {
        let keys = 0..self.keys.len();
        let value =
            |key| Ok(String::from_utf8_lossy(text(row, width + key)?.unwrap_or_default()).into_owned());
        keys.map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType, Field, Schema};

    use super::*;
    use crate::changelog::op_field;

    #[test]
    fn a_copy_goes_on_behind_its_last_key() {
        let schema = Schema::new(vec![
            Field::new("a", DataType::Utf8, false),
            Field::new("B\"b", DataType::Int64, true),
            op_field(),
        ]);
        let server = Server {
            host: String::new(),
            port: 1,
            user: String::new(),
            password: String::new(),
            database: String::new(),
            schema: "public".into(),
            table: "t".into(),
            slot: "s".into(),
            publication: "s".into(),
        };
        let order = Order {
            server,
            schema: Arc::new(schema),
            keys: vec!["a".into(), "c".into()],
            after: vec!["it's".into(), "2".into()],
            batch_rows: 10,
        };
        let rows = Rows::new(&order.schema).expect("columns");
        assert_eq!(
            order.query(&rows),
            "SELECT \"a\", \"B\"\"b\", \"a\", \"c\" FROM \"public\".\"t\" WHERE (\"a\", \"c\") > ('it''s', '2') ORDER BY \"a\", \"c\""
        );
    }
}
