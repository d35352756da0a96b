//! Connections to the server, and what must be there before anything is read.

use std::time::Duration;

use pgwire_replication::{Lsn, PgWireError, ReplicationConfig};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _,
    postgres::{PgConnectOptions, PgRow},
};

use super::rows::SETTINGS;
use crate::{
    ConnectorError, OptionError,
    postgres::{literal, quoted},
};

/// How long the server may take to let somebody in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Changes that wait to be taken.
const WAITING_CHANGES: usize = 1024;

/// A table of a server, and how its changes are read.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) database: String,
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) slot: String,
    pub(super) publication: String,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("host", &self.host)
            .field("database", &self.database)
            .field("table", &self.table)
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// The table's name in SQL.
    pub(super) fn table_sql(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.table))
    }

    /// A session that runs queries.
    pub(super) async fn connect(&self) -> Result<PgConnection, ConnectorError> {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password(&self.password)
            .database(&self.database)
            .application_name("weir")
            .options(SETTINGS.iter().copied())
            .disable_statement_logging();
        match tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(ConnectorError::external(format!(
                "cannot connect to {}: {error}",
                self.place()
            ))),
            Err(_) => Err(ConnectorError::external(format!(
                "{} does not answer within {CONNECT_TIMEOUT:?}",
                self.place()
            ))),
        }
    }

    fn place(&self) -> String {
        format!("the database '{}' at {}:{}", self.database, self.host, self.port)
    }

    /// The log from a place on, of which all before `kept_from` is no longer needed.
    pub(super) fn replication(&self, from: u64, kept_from: u64) -> ReplicationConfig {
        let settings = SETTINGS
            .iter()
            .map(|(name, value)| format!("-c {name}={value}"))
            .collect::<Vec<_>>();
        let mut config = ReplicationConfig::new(
            self.host.clone(),
            self.user.clone(),
            self.password.clone(),
            self.database.clone(),
            self.slot.clone(),
            self.publication.clone(),
        )
        .with_port(self.port)
        .with_start_lsn(Lsn::from_u64(from))
        .with_ack_lsn(Lsn::from_u64(kept_from))
        .with_status_interval(Duration::from_secs(1))
        .with_buffer_size(WAITING_CHANGES)
        .with_application_name("weir");
        config.options = Some(settings.join(" "));
        config
    }

    /// Whether all that is needed is there; creates nothing.
    pub(super) async fn check(&self, columns: &[String], keys: &[String]) -> Result<(), OptionError> {
        let unavailable = |reason: String| Err(OptionError::Unavailable { reason });
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err(error) => return unavailable(error.to_string()),
        };
        let level = self.text(&mut connection, "SHOW wal_level").await;
        match level.as_deref() {
            Ok("logical") => {}
            Ok(level) => {
                return unavailable(format!(
                    "{} has wal_level = {level}, which does not log changes of rows: set wal_level = logical in postgresql.conf and restart \
                     the server",
                    self.place()
                ));
            }
            Err(error) => return unavailable(error.to_string()),
        }
        let there = match self.columns(&mut connection).await {
            Ok(there) => there,
            Err(error) => return unavailable(error.to_string()),
        };
        if there.is_empty() {
            return unavailable(format!(
                "{} has no table {} that '{}' may see",
                self.place(),
                self.table_sql(),
                self.user
            ));
        }
        if let Some(missing) = columns
            .iter()
            .find(|name| !there.iter().any(|(there, _)| there == *name))
        {
            let names: Vec<_> = there.iter().map(|(name, _)| name.as_str()).collect();
            return unavailable(format!(
                "{} has no column '{missing}': it has {}",
                self.table_sql(),
                names.join(", ")
            ));
        }
        let own: Vec<_> = there
            .iter()
            .filter(|(_, is_key)| *is_key)
            .map(|(name, _)| name)
            .collect();
        if own.len() != keys.len() || !keys.iter().all(|key| own.contains(&key)) {
            let own = own.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return unavailable(format!(
                "the primary key of {} is ({own}), and that of the table here ({}): PostgreSQL logs changes by its own",
                self.table_sql(),
                keys.join(", ")
            ));
        }
        Ok(())
    }

    /// The columns of the table, and whether they are of its primary key.
    async fn columns(&self, connection: &mut PgConnection) -> Result<Vec<(String, bool)>, ConnectorError> {
        let rows = sqlx::query(
            "SELECT a.attname::text, COALESCE(a.attnum = ANY (i.indkey), false)
             FROM pg_attribute a
             JOIN pg_class c ON c.oid = a.attrelid
             JOIN pg_namespace n ON n.oid = c.relnamespace
             LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
             WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
             ORDER BY a.attnum",
        )
        .bind(&self.schema)
        .bind(&self.table)
        .fetch_all(connection)
        .await
        .map_err(|error| self.failed("look at the table", &error))?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|error| self.failed("look at the table", &error))
    }

    /// Makes publication and slot if they are not there. Returns where the slot begins, and whether it was made now.
    pub(super) async fn prepare(&self, connection: &mut PgConnection) -> Result<(u64, bool), ConnectorError> {
        let has_publication = format!(
            "SELECT count(*)::text FROM pg_publication WHERE pubname = {}",
            literal(&self.publication)
        );
        if self.text(connection, &has_publication).await? == "0" {
            let create = format!(
                "CREATE PUBLICATION {} FOR TABLE {}",
                quoted(&self.publication),
                self.table_sql()
            );
            self.run(connection, &create, "create the publication").await?;
        }
        let published = format!(
            "SELECT count(*)::text FROM pg_publication_tables WHERE pubname = {} AND schemaname = {} AND tablename = {}",
            literal(&self.publication),
            literal(&self.schema),
            literal(&self.table)
        );
        if self.text(connection, &published).await? == "0" {
            return Err(ConnectorError::user(format!(
                "publication '{}' does not have the table: ALTER PUBLICATION {} ADD TABLE {}",
                self.publication,
                quoted(&self.publication),
                self.table_sql()
            )));
        }
        if let Some(at) = self.slot_at(connection).await? {
            return Ok((at, false));
        }
        let create = format!(
            "SELECT lsn::text FROM pg_create_logical_replication_slot({}, 'pgoutput')",
            literal(&self.slot)
        );
        let at = self.text(connection, &create).await?;
        Ok((lsn(&at)?, true))
    }

    /// Where the slot is, if it is there.
    pub(super) async fn slot_at(&self, connection: &mut PgConnection) -> Result<Option<u64>, ConnectorError> {
        let find = format!(
            "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = {}",
            literal(&self.slot)
        );
        let found = sqlx::raw_sql(AssertSqlSafe(find))
            .fetch_optional(connection)
            .await
            .map_err(|error| self.failed("look for the slot", &error))?;
        found.map(|row| lsn(&self.first(&row)?)).transpose()
    }

    /// The one value of a query, as text.
    pub(super) async fn text(
        &self,
        connection: &mut PgConnection,
        sql: &str,
    ) -> Result<String, ConnectorError> {
        let row = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .fetch_one(connection)
            .await
            .map_err(|error| self.failed("ask the server", &error))?;
        self.first(&row)
    }

    fn first(&self, row: &PgRow) -> Result<String, ConnectorError> {
        row.try_get_unchecked(0)
            .map_err(|error| self.failed("read an answer", &error))
    }

    /// Runs a statement.
    pub(super) async fn run(
        &self,
        connection: &mut PgConnection,
        sql: &str,
        doing: &str,
    ) -> Result<(), ConnectorError> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(connection)
            .await
            .map_err(|error| self.failed(doing, &error))?;
        Ok(())
    }

    /// What went wrong while doing something: the user's where no other try can mend it.
    pub(super) fn failed(&self, doing: &str, error: &sqlx::Error) -> ConnectorError {
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        let message = format!("cannot {doing} at {}: {error}", self.place());
        match code.as_deref().and_then(|code| code.get(..2)) {
            Some("0A" | "22" | "42") => ConnectorError::user(message),
            _ => ConnectorError::external(message),
        }
    }

    /// What went wrong with the log.
    pub(super) fn broken(&self, error: &PgWireError) -> ConnectorError {
        let message = format!("the log of {} cannot be read: {error}", self.place());
        match error {
            PgWireError::Auth(_) => ConnectorError::user(message),
            _ => ConnectorError::external(message),
        }
    }
}

/// A place in the log, as PostgreSQL writes it.
pub(super) fn lsn(text: &str) -> Result<u64, ConnectorError> {
    Lsn::parse(text).map(Lsn::as_u64).map_err(|error| {
        ConnectorError::external(format!("'{text}' is no place in PostgreSQL's log: {error}"))
    })
}
