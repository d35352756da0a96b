//! `jdbc`: rows of tables of a PostgreSQL database, written, read and looked up.
//!
//! - `url`: where the database is, as Java programs say it. Leans on nothing.
//! - `rows`: rows as JSON, changes folded by key. Leans on the formats.
//! - `target`: a table and the statements that change it. Leans on nothing.
//! - `database`: connections, and errors classified. Leans on nothing.
//! - `commit`: rows that are staged for a checkpoint, and moving them. Leans on `target` and `database`.
//! - `write`: the sink. Leans on all of the above.
//! - `select`: queries that read, and their answers. Leans on `target`.
//! - `read`: the source. Leans on `select` and `database`.
//! - `lookup`: rows by key. Leans on `read`.
//!
//! Where the job takes checkpoints, rows are staged in a table beside the target's and moved to it when their checkpoint is there, in one
//! transaction that also notes that they were moved. `PREPARE TRANSACTION` would do with less writing, but is switched off in a
//! PostgreSQL that nobody has set up for it, keeps rows locked for as long as a checkpoint takes, and leaves transactions behind that
//! stop the vacuum when a job goes away.

mod commit;
mod database;
mod lookup;
mod read;
mod rows;
mod select;
mod target;
mod url;
mod write;

use arrow_schema::{DataType, Field};

use crate::{
    Connector, LookupFactory, OptionError, Role, SinkFactory, SourceFactory, Table,
    format::sql_type,
    lookup::{self as lookups, Cache, OfSource},
    options::{Checked, OptionDef, OptionKind, invalid, option},
    origin,
};
use sqlx::postgres::PgConnectOptions;
use target::Target;

const URL: &str = "url";
const TABLE: &str = "table-name";
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const DRIVER: &str = "driver";
const MAX_ROWS: &str = "sink.buffer-flush.max-rows";
const MAX_RETRIES: &str = "sink.max-retries";
const GUARANTEE: &str = "sink.delivery-guarantee";
const PARTITION_COLUMN: &str = "scan.partition.column";
const PARTITION_NUM: &str = "scan.partition.num";
const LOWER_BOUND: &str = "scan.partition.lower-bound";
const UPPER_BOUND: &str = "scan.partition.upper-bound";

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
    option(
        PARTITION_COLUMN,
        OptionKind::Text,
        None,
        "a column of integers: readers share the table by ranges of its values; needs the three options that follow",
    ),
    option(PARTITION_NUM, OptionKind::Int, None, "how many ranges"),
    option(
        LOWER_BOUND,
        OptionKind::Int,
        None,
        "the least value of the first range",
    ),
    option(
        UPPER_BOUND,
        OptionKind::Int,
        None,
        "the greatest value of the last range",
    ),
    lookups::cache("NONE"),
    lookups::MAX_ROWS,
    lookups::EXPIRE_AFTER_WRITE,
    lookups::EXPIRE_AFTER_ACCESS,
    lookups::CACHE_MISSING_KEY,
    lookups::RELOAD_STRATEGY,
    lookups::RELOAD_INTERVAL,
    lookups::MAX_SIZE,
    lookups::MAX_RETRIES,
];

/// The `jdbc` connector.
#[derive(Clone, Copy, Debug)]
pub struct Jdbc;

impl Connector for Jdbc {
    fn name(&self) -> &'static str {
        "jdbc"
    }

    fn summary(&self) -> &'static str {
        "reads tables of a PostgreSQL database, looks rows up in them by any columns, and writes to them, by their PRIMARY KEY if there is one"
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Source, Role::Sink, Role::Lookup]
    }

    fn guide(&self) -> &'static str {
        read::GUIDE
    }

    fn options(&self) -> &'static [OptionDef] {
        OPTIONS
    }

    fn has_keys(&self) -> bool {
        true
    }

    fn source(&self, table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        let options = Checked::new(self.name(), OPTIONS, &table.options)?;
        let (server, target) = place(&options, table)?;
        Ok(Box::new(read::Factory {
            server: server.options(select::SETTINGS),
            target,
            schema: table.schema.clone(),
            ranges: ranges(&options, table)?,
        }))
    }

    fn lookup(&self, table: &Table) -> Result<Box<dyn LookupFactory>, OptionError> {
        let options = Checked::new(self.name(), OPTIONS, &table.options)?;
        let settings = lookups::Settings::new(&options)?;
        if matches!(settings.cache, Cache::Full { .. }) {
            return Ok(Box::new(OfSource::new(
                self.source(table)?,
                table.schema.clone(),
                settings,
            )));
        }
        let (server, target) = place(&options, table)?;
        Ok(Box::new(lookup::Factory {
            server: server.options(select::SETTINGS),
            target,
            schema: table.schema.clone(),
            settings,
        }))
    }

    fn sink(&self, table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        let options = Checked::new(self.name(), OPTIONS, &table.options)?;
        let (server, target) = place(&options, table)?;
        table
            .schema
            .fields()
            .iter()
            .try_for_each(|field| check_column(field))?;
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

/// The database, and the table in it.
fn place(options: &Checked<'_>, table: &Table) -> Result<(PgConnectOptions, Target), OptionError> {
    let text = |key| options.text(key).unwrap_or_default();
    let server = url::parse(text(URL), options.text(USERNAME), options.text(PASSWORD))
        .map_err(|reason| invalid(URL, reason))?;
    let names = |wanted: fn(&Field) -> bool| {
        let fields = table.schema.fields().iter().filter(move |field| wanted(field));
        fields.map(|field| field.name().clone()).collect::<Vec<_>>()
    };
    let target = Target::new(text(TABLE), names(|_| true), names(origin::is_key))
        .map_err(|reason| invalid(TABLE, reason))?;
    Ok((server, target))
}

/// How readers share the table.
fn ranges(options: &Checked<'_>, table: &Table) -> Result<Option<read::Ranges>, OptionError> {
    const ALL: [&str; 4] = [PARTITION_COLUMN, PARTITION_NUM, LOWER_BOUND, UPPER_BOUND];
    let Some(column) = options.text(PARTITION_COLUMN) else {
        return match ALL.into_iter().find(|key| options.is_given(key)) {
            Some(key) => Err(invalid(key, format!("needs '{PARTITION_COLUMN}'"))),
            None => Ok(None),
        };
    };
    if let Some(missing) = ALL.into_iter().find(|key| !options.is_given(key)) {
        return Err(invalid(PARTITION_COLUMN, format!("needs '{missing}'")));
    }
    match table.schema.field_with_name(column) {
        Ok(field) if field.data_type().is_integer() => {}
        Ok(field) => {
            let what = format!(
                "'{column}' is {}, and no column of integers",
                sql_type(field.data_type())
            );
            return Err(invalid(PARTITION_COLUMN, what));
        }
        Err(_) => {
            return Err(invalid(
                PARTITION_COLUMN,
                format!("there is no column '{column}'"),
            ));
        }
    }
    let number = |key| Ok::<_, OptionError>(options.int_at_least(key, i64::MIN)?.unwrap_or_default());
    let ranges = read::Ranges {
        column: column.to_owned(),
        count: options.int_at_least(PARTITION_NUM, 1)?.unwrap_or(1),
        lower: number(LOWER_BOUND)?,
        upper: number(UPPER_BOUND)?,
    };
    if ranges.lower > ranges.upper {
        return Err(invalid(UPPER_BOUND, format!("is less than '{LOWER_BOUND}'")));
    }
    Ok(Some(ranges))
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
