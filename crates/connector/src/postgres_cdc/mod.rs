//! `postgres-cdc`: the rows of a PostgreSQL table and every change of them, by logical replication.
//!
//! - `position`: how far a reader has come. Leans on nothing.
//! - `message`: changes as PostgreSQL writes them. Leans on nothing.
//! - `rows`: values as PostgreSQL writes them, into columns. Leans on the formats.
//! - `server`: connections, and what must be there before anything is read. Leans on nothing.
//! - `copy`: the table as it is. Leans on `position`, `rows` and `server`.
//! - `log`: the changes since. Leans on `message`, `position`, `rows` and `server`.
//! - `read`: the source: first the one, then the other. Leans on all of the above.
//!
//! A replication slot makes the server keep its log from the time on at which the slot was made. The table is copied in one transaction
//! after that, and then the log is read: changes of transactions that the copy has seen are left out. So each change is there once. A copy that was
//! broken off goes on behind the last key that it came to, in another transaction, which may have seen more: rows may then change back and
//! forth until the log has been read up to there, and are right after that.
//!
//! Rows say what is there of their key now (`ChangelogMode::Upsert`): PostgreSQL does not log what was there before, unless it is told to.

mod copy;
mod log;
mod message;
mod position;
mod read;
mod rows;
mod server;

use crate::{
    Connector, OptionError, Role, SinkFactory, SourceFactory, Table,
    format::sql_type,
    options::{Checked, OptionDef, OptionKind, invalid, option, required},
    origin,
};
use read::Startup;
use server::Server;

const HOSTNAME: &str = "hostname";
const PORT: &str = "port";
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const DATABASE: &str = "database-name";
const SCHEMA: &str = "schema-name";
const TABLE: &str = "table-name";
const SLOT: &str = "slot.name";
const PUBLICATION: &str = "publication.name";
const PLUGIN: &str = "decoding.plugin.name";
const STARTUP_MODE: &str = "scan.startup.mode";

const OPTIONS: &[OptionDef] = &[
    required(HOSTNAME, OptionKind::Text, "the server's host"),
    option(PORT, OptionKind::Int, Some("5432"), "its port"),
    required(
        USERNAME,
        OptionKind::Text,
        "who connects: a role with REPLICATION that may read the table",
    ),
    required(PASSWORD, OptionKind::Text, "the password"),
    required(DATABASE, OptionKind::Text, "the database"),
    option(
        SCHEMA,
        OptionKind::Text,
        Some("public"),
        "the schema of the table",
    ),
    required(TABLE, OptionKind::Text, "the table in it, with a primary key"),
    required(
        SLOT,
        OptionKind::Text,
        "the replication slot, made when the job begins if it is not there; each job needs its own. It makes the server keep its log while no \
         job reads it: drop it with `pg_drop_replication_slot` when the job is gone for good",
    ),
    option(
        PUBLICATION,
        OptionKind::Text,
        None,
        "the publication that has the table, made if it is not there; named like the slot unless said",
    ),
    option(
        PLUGIN,
        OptionKind::OneOf(&["pgoutput"]),
        Some("pgoutput"),
        "how the server writes its log",
    ),
    option(
        STARTUP_MODE,
        OptionKind::OneOf(&["initial", "latest-offset", "committed-offset", "snapshot"]),
        Some("initial"),
        "what a new job reads: the table as it is and then its changes (`initial`), changes from now on, changes from where the slot is, or only the \
         table as it is (`snapshot`, which comes to an end)",
    ),
];

/// The `postgres-cdc` connector.
#[derive(Clone, Copy, Debug)]
pub struct PostgresCdc;

impl Connector for PostgresCdc {
    fn name(&self) -> &'static str {
        "postgres-cdc"
    }

    fn summary(&self) -> &'static str {
        "reads the rows of a PostgreSQL table and every change of them, by logical replication"
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Source]
    }

    fn guide(&self) -> &'static str {
        include_str!("guide.md")
    }

    fn options(&self) -> &'static [OptionDef] {
        OPTIONS
    }

    fn has_keys(&self) -> bool {
        true
    }

    fn source(&self, table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        let options = Checked::new(self.name(), OPTIONS, &table.options)?;
        for field in table.schema.fields() {
            if field.data_type().is_nested() {
                return Err(OptionError::Unsupported {
                    reason: format!(
                        "column '{}' is {}: 'postgres-cdc' has columns of single values; declare it STRING to read it as PostgreSQL writes it",
                        field.name(),
                        sql_type(field.data_type())
                    ),
                });
            }
        }
        let keys = table.schema.fields().iter().filter(|field| origin::is_key(field));
        let keys: Vec<String> = keys.map(|field| field.name().clone()).collect();
        if keys.is_empty() {
            return Err(OptionError::Unsupported {
                reason: "a 'postgres-cdc' table needs PRIMARY KEY (...) NOT ENFORCED: by it, changes of a row are told from other rows".into(),
            });
        }
        let text = |key| options.text(key).unwrap_or_default().to_owned();
        let port = options.int(PORT).and_then(|port| u16::try_from(port).ok());
        let server = Server {
            host: text(HOSTNAME),
            port: port.ok_or_else(|| invalid(PORT, "is no port: a number up to 65535"))?,
            user: text(USERNAME),
            password: text(PASSWORD),
            database: text(DATABASE),
            schema: text(SCHEMA),
            table: text(TABLE),
            slot: text(SLOT),
            publication: options
                .text(PUBLICATION)
                .map_or_else(|| text(SLOT), str::to_owned),
        };
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if server.slot.is_empty() || server.slot.len() > 63 || !server.slot.chars().all(is_name) {
            return Err(invalid(
                SLOT,
                "is no name of a slot: up to 63 lower-case letters, digits and underscores",
            ));
        }
        Ok(Box::new(read::Factory {
            server,
            startup: match options.word(STARTUP_MODE) {
                Some("latest-offset") => Startup::Latest,
                Some("committed-offset") => Startup::Committed,
                Some("snapshot") => Startup::Snapshot,
                _ => Startup::Initial,
            },
            schema: table.schema.clone(),
            keys,
        }))
    }

    fn sink(&self, _table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        Err(OptionError::Unsupported {
            reason: "a 'postgres-cdc' table can only be read: write to PostgreSQL with 'connector' = 'jdbc'"
                .into(),
        })
    }
}
