//! What a table of something would be: columns out of the schema that it has, or out of a sample of it.
//!
//! - `shape`: what values are, and what they are together. Leans on nothing.
//! - `json`: the columns of objects. Leans on `shape`.
//! - `csv`: the columns of records, and whether the first says their names. Leans on `shape`.
//! - `ddl`: `CREATE TABLE`. Leans on nothing.

mod csv;
mod ddl;
mod json;
mod shape;

use std::{sync::Arc, time::Duration};

use arrow_array::cast::AsArray;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use weir_env::Clock;

use crate::{
    Connector, ConnectorError, OptionError, Table, connector,
    format::{self, Format, change_json::Dialect},
    options::Options,
    sample,
};

pub use ddl::create_table;

const FORMAT: &str = "format";
const VALUE_FORMAT: &str = "value.format";

/// Formats whose data say what columns they have.
const WITH_SCHEMA: &[&str] = &["avro", "avro-confluent", "parquet", "protobuf"];

/// What a table would be.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Its columns.
    pub columns: SchemaRef,
    /// Options that it needs beside those that were given.
    pub options: Options,
    /// How many records were looked at; 0: they have a schema.
    pub records: usize,
}

/// What a table of this connector with these options would be, which has no columns yet: of at most so many records, and those that come
/// within a time. Leaves nothing behind.
pub async fn infer(
    table: &Table,
    clock: Arc<dyn Clock>,
    limit: usize,
    within: Duration,
) -> Result<Proposal, OptionError> {
    let found = connector(&table.connector)?;
    if let Some(columns) = found.default_schema() {
        return Ok(Proposal {
            columns,
            options: Options::new(),
            records: 0,
        });
    }
    if !found.has_format() {
        return Err(unavailable(format!(
            "connector '{}' does not say what columns its tables have: write them yourself",
            found.name()
        )));
    }
    let mut table = table.clone();
    format::embed(&mut table.options)?;
    let key = if table.options.contains_key(VALUE_FORMAT) {
        VALUE_FORMAT
    } else {
        FORMAT
    };
    let given = table
        .options
        .get(key)
        .map(|name| name.trim().to_ascii_lowercase());
    if given
        .as_ref()
        .is_some_and(|name| WITH_SCHEMA.contains(&name.as_str()))
    {
        return written(found, &table, Options::new(), clock).await;
    }
    let records = records(found, &table, Arc::clone(&clock), limit, within).await?;
    let format = match given {
        Some(format) => format,
        None => guessed(&records).to_owned(),
    };
    let mut options = Options::new();
    if !table.options.contains_key(key) {
        options.insert(key.to_owned(), format.clone());
    }
    if WITH_SCHEMA.contains(&format.as_str()) {
        return written(found, &table, options, clock).await;
    }
    let columns = sampled(&format, &table.options, &records, &mut options)?;
    Ok(Proposal {
        columns: Arc::new(columns),
        options,
        records: records.len(),
    })
}

fn unavailable(reason: String) -> OptionError {
    OptionError::Unavailable { reason }
}

fn unreadable(error: ConnectorError) -> OptionError {
    let ConnectorError { message, place, .. } = error;
    unavailable(match place {
        Some(place) => format!("{place}: {message}"),
        None => message,
    })
}

/// Out of the schema that is there already.
async fn written(
    found: &dyn Connector,
    table: &Table,
    options: Options,
    clock: Arc<dyn Clock>,
) -> Result<Proposal, OptionError> {
    let mut bare = table.clone();
    bare.schema = Arc::new(Schema::empty());
    bare.options.extend(options.clone());
    let source = found.source(&bare)?;
    let said = match source
        .says_columns(Arc::clone(&clock))
        .await
        .map_err(unreadable)?
    {
        Some(columns) => Some(columns),
        None => described(found, &bare.options, clock).await?,
    };
    match said {
        Some(columns) => Ok(Proposal {
            columns,
            options,
            records: 0,
        }),
        None => Err(unavailable(
            "the format's data do not say what columns they have where they are: write them yourself"
                .to_owned(),
        )),
    }
}

/// Out of a description that is among the options, whatever the connector is.
async fn described(
    found: &dyn Connector,
    options: &Options,
    clock: Arc<dyn Clock>,
) -> Result<Option<SchemaRef>, OptionError> {
    let Some(name) = options
        .get(FORMAT)
        .filter(|name| name.trim().eq_ignore_ascii_case("protobuf"))
    else {
        return Ok(None);
    };
    let own = options.iter().filter(|(key, _)| key.starts_with("protobuf."));
    let own = own.map(|(key, value)| (key.clone(), value.clone())).collect();
    let format = Format::named(name.trim(), found.name(), &own)?;
    format
        .says_columns(None, clock.as_ref())
        .await
        .map_err(unreadable)
}

/// Records as they are: messages, or lines.
async fn records(
    found: &dyn Connector,
    table: &Table,
    clock: Arc<dyn Clock>,
    limit: usize,
    within: Duration,
) -> Result<Vec<Vec<u8>>, OptionError> {
    let is_kept = |key: &str| {
        let first = key.split('.').next().unwrap_or(key);
        !(matches!(first, "key" | "value" | FORMAT) || format::NAMES.contains(&first) || first == "parquet")
    };
    let mut raw = table.clone();
    raw.options.retain(|key, _| is_kept(key));
    raw.options.insert(FORMAT.to_owned(), "raw".to_owned());
    let whole = [
        ("scan.startup.mode", "earliest-offset"),
        ("scan.bounded.mode", "latest-offset"),
    ];
    for (key, value) in whole {
        if found.options().iter().any(|option| option.key == key) {
            raw.options
                .entry(key.to_owned())
                .or_insert_with(|| value.to_owned());
        }
    }
    raw.schema = Arc::new(Schema::new(vec![Field::new("record", DataType::Binary, true)]));
    let source = found.source(&raw)?;
    source.check().await?;
    let batches = sample::batches(&raw, source.as_ref(), clock, limit, within);
    let batches = batches.await.map_err(unreadable)?;
    let rows = batches
        .iter()
        .flat_map(|batch| batch.column(0).as_binary::<i32>().iter());
    let records: Vec<_> = rows
        .flatten()
        .filter(|record| !record.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    if records.is_empty() {
        return Err(unavailable(format!(
            "there is nothing to look at: no record came within {} s",
            within.as_secs()
        )));
    }
    Ok(records)
}

/// The format that records are likely to have.
fn guessed(records: &[Vec<u8>]) -> &'static str {
    let first = records.first().map_or(&b""[..], |record| record.trim_ascii());
    if first.starts_with(b"Obj\x01") {
        "avro"
    } else if first.starts_with(b"PAR1") {
        "parquet"
    } else if first.starts_with(b"{") {
        "json"
    } else if csv::delimiter(records).is_some() {
        "csv"
    } else {
        "raw"
    }
}

/// Out of records; adds options that reading them needs.
fn sampled(
    format: &str,
    given: &Options,
    records: &[Vec<u8>],
    options: &mut Options,
) -> Result<Schema, OptionError> {
    match (format, Dialect::named(format)) {
        ("csv", _) => csv::columns(records, given, options).map_err(unavailable),
        ("json", _) => json::columns(records, None).map_err(unavailable),
        (_, Some(dialect)) => json::columns(records, Some(dialect)).map_err(unavailable),
        ("raw", _) => {
            let is_text = records.iter().all(|record| std::str::from_utf8(record).is_ok());
            let data_type = if is_text { DataType::Utf8 } else { DataType::Binary };
            Ok(Schema::new(vec![Field::new("record", data_type, true)]))
        }
        (other, _) => Err(crate::options::invalid(
            FORMAT,
            format!("'{other}' is no format, or none whose columns can be told"),
        )),
    }
}

#[cfg(test)]
mod tests;
