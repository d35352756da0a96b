//! `redis`: rows in the keys, streams and channels of Redis.
//!
//! - `options`: what tables say. Leans on nothing.
//! - `server`: connections, and errors classified. Leans on `options`.
//! - `values`: single values as Redis holds them. Leans on the formats.
//! - `layout`: where the rows of a table are in Redis. Leans on `options` and `values`.
//! - `rows`: rows as commands, changes folded by key. Leans on `layout`.
//! - `write`: the sink. Leans on `rows` and `server`.
//! - `lookup`: strings and hashes, looked up by key. Leans on `layout` and `server`.
//! - `position`: ids of entries, and splits of streams. Leans on nothing.
//! - `entries`: entries of streams into batches. Leans on `values`.
//! - `read`: the source. Leans on all of the above.
//!
//! Rows are written at least once: what a failed execution wrote after its last checkpoint is written again. Of hashes and strings
//! the second time leaves what the first one left, so that each key ends as if it had been written once; of streams and channels
//! entries are there twice.

mod entries;
mod layout;
mod lookup;
mod options;
mod position;
mod read;
mod rows;
mod server;
mod values;
mod write;

use crate::{
    Connector, LookupFactory, OptionError, Role, SinkFactory, SourceFactory, Table, lookup as caches,
    options::{Checked, OptionDef, invalid},
    origin::{self, MetadataDef},
};
use layout::{Layout, Place};
use server::Server;

/// The `redis` connector.
#[derive(Clone, Copy, Debug)]
pub struct Redis;

impl Connector for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn summary(&self) -> &'static str {
        "writes rows to hashes, strings, streams and channels of Redis, looks rows up in hashes and strings, and reads streams"
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Source, Role::Sink, Role::Lookup]
    }

    fn guide(&self) -> &'static str {
        GUIDE
    }

    fn options(&self) -> &'static [OptionDef] {
        options::OPTIONS
    }

    fn metadata(&self) -> &'static [MetadataDef] {
        entries::METADATA
    }

    fn has_keys(&self) -> bool {
        true
    }

    fn source(&self, table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        let options = checked(table)?;
        let layout = Layout::new(&options, &origin::in_rows(&table.schema))?;
        let Place::Stream { key, .. } = layout.place else {
            return Err(OptionError::Unsupported {
                reason: format!(
                    "only a stream of Redis can be read from one end to the other ('{}' = 'stream'); rows of hashes and strings are looked \
                     up: JOIN {} FOR SYSTEM_TIME AS OF a processing time",
                    options::DATA_TYPE,
                    table.name
                ),
            });
        };
        Ok(Box::new(read::Factory::new(&options, &key)?))
    }

    fn sink(&self, table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        let options = checked(table)?;
        let layout = Layout::new(&options, &origin::in_rows(&table.schema))?;
        if let Place::Stream { key, .. } = &layout.place
            && key.contains(';')
        {
            return Err(invalid(
                options::KEY,
                "names several streams: rows are written to one",
            ));
        }
        Ok(Box::new(write::Factory {
            server: Server::new(&options)?,
            layout,
            max_rows: options.int_at_least(options::MAX_ROWS, 1)?.unwrap_or(1) as usize,
            max_retries: retries(&options, options::MAX_RETRIES)?,
        }))
    }

    fn lookup(&self, table: &Table) -> Result<Box<dyn LookupFactory>, OptionError> {
        let options = checked(table)?;
        let layout = Layout::new(&options, &origin::in_rows(&table.schema))?;
        if layout.schema.fields().len() < table.schema.fields().len() {
            return Err(OptionError::Unsupported {
                reason: format!(
                    "nothing is known of rows that are looked up in Redis: leave METADATA columns out of '{}'",
                    table.name
                ),
            });
        }
        let Place::Keyed { keys, value } = layout.place.clone() else {
            return Err(OptionError::Unsupported {
                reason: format!(
                    "rows of '{}' cannot be looked up by key: only hashes and strings of Redis can ('{}')",
                    table.name,
                    options::DATA_TYPE
                ),
            });
        };
        if options.word(CACHE.key) == Some("FULL") {
            return Err(invalid(
                CACHE.key,
                "Redis is not read as a whole: use 'PARTIAL' with 'lookup.partial-cache.max-rows' or '...expire-after-write'",
            ));
        }
        Ok(Box::new(lookup::Factory {
            server: Server::new(&options)?,
            layout,
            keys,
            value,
            settings: caches::Settings::new(&options)?,
        }))
    }
}

const GUIDE: &str = "\
The PRIMARY KEY of a table makes the keys of hashes and strings: its columns as text, with `key.prefix` before them and `key.separator` \
between them. Values that hold the separator can make one key of two rows.

| `data-type` | A row is | It is written by | It is looked up by |
|---|---|---|---|
| `hash` | fields named as the columns beside the PRIMARY KEY; null is no field, and a row of nulls no hash | `HSET`, `HDEL` | `HMGET` |
| `hash` with `hash.field-column` | one field, which a column of the PRIMARY KEY names | `HSET`, `HDEL` | `HGET` |
| `string` | the text of one column, or a JSON object of several | `MSET`, or `SET` with `ttl`; `DEL` | `MGET` |
| `stream` | an entry with fields named as the columns; null is no field | `XADD` | |
| `pubsub` | a message to a channel: a JSON object | `PUBLISH` | |

Texts are those of the format `csv` without quotes; BYTES are as they are, within JSON in base64. Fields of a hash that the table does not \
have stay as they are.

Rows go to the server in one round trip for each batch. They are written at least once: after a failure, those behind the last checkpoint \
again. What a hash or string holds is the last row of its key, so that such a table ends as if each row had been written once; streams and \
channels then have rows twice. While the server is away, rows wait, the job is held back, and they are sent again (`sink.max-retries`). \
A wrong password, or a key of another type, fails the job at once.

A lookup asks for all keys of a batch in one round trip; all columns of the PRIMARY KEY must be joined. A key of another type has no row \
among strings, and fails the job among hashes.

Streams are read by `XREAD`, each a split of its own, and read on behind the last entry of a checkpoint. Entries that are trimmed before \
they were read are not seen.

Redis Cluster is not supported.";

const CACHE: OptionDef = caches::cache("NONE");

fn checked(table: &Table) -> Result<Checked<'_>, OptionError> {
    let options = Checked::new("redis", options::OPTIONS, &table.options)?;
    options::check_fit(&options)?;
    Ok(options)
}

fn retries(options: &Checked<'_>, key: &str) -> Result<u32, OptionError> {
    let retries = options.int_at_least(key, 0)?.unwrap_or(0);
    Ok(u32::try_from(retries).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
