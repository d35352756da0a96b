//! `jdbc`: rows in tables of a PostgreSQL database.
//!
//! - `url`: where the database is, as Java programs say it. Leans on nothing.
//! - `rows`: rows as JSON, changes folded by key. Leans on the formats.
//! - `target`: a table and the statements that change it. Leans on nothing.
//! - `database`: connections, and errors classified. Leans on nothing.
//! - `commit`: rows that are staged for a checkpoint, and moving them. Leans on `target` and `database`.
//! - `write`: the sink. Leans on all of the above.
//!
//! Where the job takes checkpoints, rows are staged in a table beside the target's and moved to it when their checkpoint is there, in one
//! transaction that also notes that they were moved. `PREPARE TRANSACTION` would do with less writing, but is switched off in a
//! PostgreSQL that nobody has set up for it, keeps rows locked for as long as a checkpoint takes, and leaves transactions behind that
//! stop the vacuum when a job goes away.

mod commit;
mod database;
mod rows;
mod target;
mod url;
mod write;

use arrow_schema::{DataType, Field};

use crate::{
    Connector, OptionError, Role, SinkFactory, SourceFactory, Table,
    format::sql_type,
    options::{Checked, OptionDef, OptionKind, invalid, option},
    origin,
};
use target::Target;

const URL: &str = "url";
const TABLE: &str = "table-name";
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const DRIVER: &str = "driver";
const MAX_ROWS: &str = "sink.buffer-flush.max-rows";
const MAX_RETRIES: &str = "sink.max-retries";
const GUARANTEE: &str = "sink.delivery-guarantee";

const OPTIONS: &[OptionDef] = &[
    OptionDef {
        key: URL,
        kind: OptionKind::Text,
        required: true,
        default: None,
        doc: "the database, as `jdbc:postgresql://host:5432/database`; behind `?` also `sslmode`, `currentSchema`, `user`, `password`",
    },
    OptionDef {
        key: TABLE,
        kind: OptionKind::Text,
        required: true,
        default: None,
        doc: "the table in it, or `schema.table`; it must be there, with columns named as those of the table here",
    },
    option(USERNAME, OptionKind::Text, None, "who connects"),
    option(PASSWORD, OptionKind::Text, None, "the password"),
    option(
        DRIVER,
        OptionKind::Text,
        None,
        "what a Java program would load; of no use here",
    ),
    option(
        MAX_ROWS,
        OptionKind::Int,
        Some("5000"),
        "how many rows are sent at once at most",
    ),
    option(
        MAX_RETRIES,
        OptionKind::Int,
        Some("3"),
        "how often something is tried again that the database could not do",
    ),
    option(
        GUARANTEE,
        OptionKind::OneOf(&["exactly-once", "at-least-once"]),
        Some("exactly-once"),
        "whether rows become visible with the checkpoint that has them, or at once, and again after a failure; in a job without checkpoints \
         always at once",
    ),
];

/// The `jdbc` connector.
#[derive(Clone, Copy, Debug)]
pub struct Jdbc;

impl Connector for Jdbc {
    fn name(&self) -> &'static str {
        "jdbc"
    }

    fn summary(&self) -> &'static str {
        "writes rows to tables of a PostgreSQL database, by their PRIMARY KEY if there is one"
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Sink]
    }

    fn options(&self) -> &'static [OptionDef] {
        OPTIONS
    }

    fn has_keys(&self) -> bool {
        true
    }

    fn source(&self, _table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        Err(OptionError::Unsupported {
            reason: "a 'jdbc' table can only be written to, for now".into(),
        })
    }

    fn sink(&self, table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        let options = Checked::new(self.name(), OPTIONS, &table.options)?;
        let text = |key| options.text(key).unwrap_or_default();
        let server = url::parse(text(URL), options.text(USERNAME), options.text(PASSWORD))
            .map_err(|reason| invalid(URL, reason))?;
        table
            .schema
            .fields()
            .iter()
            .try_for_each(|field| check_column(field))?;
        let names = |wanted: fn(&Field) -> bool| {
            let fields = table.schema.fields().iter().filter(move |field| wanted(field));
            fields.map(|field| field.name().clone()).collect::<Vec<_>>()
        };
        let target = Target::new(text(TABLE), names(|_| true), names(origin::is_key))
            .map_err(|reason| invalid(TABLE, reason))?;
        Ok(Box::new(write::Factory {
            server,
            target,
            schema: table.schema.clone(),
            max_rows: options.int_at_least(MAX_ROWS, 1)?.unwrap_or(1) as usize,
            max_retries: options.int_at_least(MAX_RETRIES, 0)?.unwrap_or(0) as u32,
            exactly_once: options.word(GUARANTEE) != Some("at-least-once"),
        }))
    }
}

/// Refuses columns whose values cannot be said to the database.
fn check_column(field: &Field) -> Result<(), OptionError> {
    let fits = match field.data_type() {
        DataType::Binary => true,
        nested => !holds_bytes(nested),
    };
    if fits {
        return Ok(());
    }
    Err(OptionError::Unsupported {
        reason: format!(
            "column '{}' is {}: bytes within other values cannot be written",
            field.name(),
            sql_type(field.data_type())
        ),
    })
}

fn holds_bytes(data_type: &DataType) -> bool {
    match data_type {
        DataType::Binary => true,
        DataType::List(item) | DataType::Map(item, _) => holds_bytes(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| holds_bytes(field.data_type())),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
