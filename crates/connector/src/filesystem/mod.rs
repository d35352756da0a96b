//! `filesystem`: rows in files of a folder, local or in a bucket.
//!
//! - `bounds`: what is known of many rows at once. Leans on nothing.
//! - `split`: a file or a range of it, with the position to read on from. Leans on nothing.
//! - `names`: what files are called that are written. Leans on nothing.
//! - `store`: where files are: reads them, and writes them so that they become visible at once. Leans on `split` and `names`.
//! - `files`: the files of a table. Leans on `store`.
//! - `compression`: files that are packed as a whole. Leans on nothing.
//! - `chunks`: a file's bytes, read ahead. Leans on `store` and `compression`.
//! - `text`: a file as a text of records. Leans on `chunks` and the formats.
//! - `parquet`: files of Parquet, read and written. Leans on `store`.
//! - `format`: how rows are in files. Leans on `parquet`, `compression` and the formats.
//! - `partition`: folders named after values. Leans on `write` and `commit`.
//! - `columns`: columns that are the same for all rows of a file. Leans on `partition` and `split`.
//! - `read`: the source. Leans on `text`, `parquet`, `columns` and `watch`.
//! - `watch`: files that come to be while others are read. Leans on `read`.
//! - `commit`: how files become visible. Leans on `store`.
//! - `write`: the sink. Leans on `commit`, `partition` and `format`.
//!
//! Paths that are not absolute are taken from the working folder of the process that reads or writes.

mod bounds;
mod chunks;
mod columns;
mod commit;
mod compression;
mod files;
mod format;
mod names;
pub(crate) mod parquet;
mod partition;
mod read;
mod split;
mod store;
mod text;
mod watch;
mod write;

use crate::{
    Connector, LookupFactory, OptionError, Role, SinkFactory, SourceFactory, Table, lookup,
    options::{Checked, OptionDef, OptionKind, invalid, option, required},
    origin::{self, MetadataDef},
};
use files::Files;
use format::FileFormat;
use store::{LARGEST_OBJECT, S3_OPTIONS, Store};
use write::{ROLLING_AGE, ROLLING_CHECK, ROLLING_SILENCE, ROLLING_SIZE, Rolling};

const PATH: &str = "path";
const PATTERN: &str = "source.path.regex-pattern";
const DEFAULT_PARTITION: &str = "partition.default-name";
const PARTITION_POLICY: &str = "sink.partition-commit.policy.kind";
const SUCCESS_FILE: &str = "success-file";
const SUCCESS_FILE_NAME: &str = "sink.partition-commit.success-file.name";
const MONITOR_INTERVAL: &str = "source.monitor-interval";

const OPTIONS: &[OptionDef] = &[
    required(
        PATH,
        OptionKind::Text,
        "a file or a folder to read (files below it that begin with `.` or `_` are left out; `.gz` and `.zst` are unpacked), or a folder to \
         write to; a local path, a file:// URL, or s3://bucket/folder",
    ),
    format::FORMAT,
    option(
        PATTERN,
        OptionKind::Text,
        None,
        "a regular expression that the whole path of a file, or its URL, must match to be read",
    ),
    option(
        MONITOR_INTERVAL,
        OptionKind::Duration,
        None,
        "how often the folder is looked at for files that are new, each of which is read once, by its path; without it, those are read \
         that are there at the beginning, and then the table ends",
    ),
    option(
        DEFAULT_PARTITION,
        OptionKind::Text,
        Some("__DEFAULT_PARTITION__"),
        "what stands for null and the empty text in the name of a partition's folder",
    ),
    format::COMPRESSION,
    option(
        ROLLING_SIZE,
        OptionKind::MemorySize,
        Some("128MB"),
        "how large a file grows before the next one is begun; one is begun after each checkpoint, too",
    ),
    option(
        ROLLING_AGE,
        OptionKind::Duration,
        None,
        "how long after a file was begun the next one is",
    ),
    option(
        ROLLING_SILENCE,
        OptionKind::Duration,
        None,
        "how long after a file got its last row the next one is begun",
    ),
    option(
        ROLLING_CHECK,
        OptionKind::Duration,
        None,
        "how often the age of a file and its silence are looked at, at most; without it, whenever rows come or stop to",
    ),
    option(
        PARTITION_POLICY,
        OptionKind::OneOf(&[SUCCESS_FILE]),
        None,
        "what says that a partition has rows: `success-file` makes an empty file in its folder when rows of a checkpoint have become visible \
         in it, and again when others have",
    ),
    option(
        SUCCESS_FILE_NAME,
        OptionKind::Text,
        Some("_SUCCESS"),
        "what that file is called",
    ),
    S3_OPTIONS[0],
    S3_OPTIONS[1],
    S3_OPTIONS[2],
    S3_OPTIONS[3],
    S3_OPTIONS[4],
    S3_OPTIONS[5],
    lookup::cache("FULL"),
    lookup::MAX_ROWS,
    lookup::EXPIRE_AFTER_WRITE,
    lookup::EXPIRE_AFTER_ACCESS,
    lookup::CACHE_MISSING_KEY,
    lookup::RELOAD_STRATEGY,
    lookup::RELOAD_INTERVAL,
    lookup::MAX_SIZE,
    lookup::MAX_RETRIES,
];

const GUIDE: &str = "\
Rows that are written are seen once the checkpoint that has them is complete, in files of their own: each checkpoint ends them. Where \
there are no checkpoints, all are seen at the end of the job.

In S3, or a store that speaks as it does, what the table does not say of credentials and endpoint is taken from the environment of the \
control plane and the workers (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`).

A file must have all of its content when it gets its name: write it under a name that begins with `.` or `_`, and rename it. A folder that \
is watched (`source.monitor-interval`) is read by paths: a file that is written anew is not read again, and one in S3 that is written anew \
while it is read fails the job. Checkpoints keep the path of every file that was read.

Parquet is read by the names of columns. Timestamps are in UTC, and are written as 64-bit numbers of the column's own precision; those \
with 96 bits are read, too. What a `WHERE` says of a column and a value (`=`, `<`, `<=`, `>`, `>=`, joined by `AND`) spares reading groups of \
rows that have no such value by their statistics; of every format, files whose partition or metadata says so. Rows that are spared say nothing of event time.";

/// The `filesystem` connector.
#[derive(Clone, Copy, Debug)]
pub struct Filesystem;

impl Connector for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn summary(&self) -> &'static str {
        "reads and writes files of JSON lines, CSV or Parquet in a folder, local or in S3"
    }

    fn guide(&self) -> &'static str {
        GUIDE
    }

    fn metadata(&self) -> &'static [MetadataDef] {
        columns::METADATA
    }

    fn has_partitions(&self) -> bool {
        true
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Source, Role::Sink, Role::Lookup]
    }

    fn has_format(&self) -> bool {
        true
    }

    fn options(&self) -> &'static [OptionDef] {
        OPTIONS
    }

    fn source(&self, table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        let (format, options) = checked(self.name(), table)?;
        let interval = options.duration(MONITOR_INTERVAL);
        if interval.is_some_and(|interval| interval.is_zero()) {
            return Err(invalid(MONITOR_INTERVAL, "it must be more than nothing"));
        }
        let files =
            Files::new(store(&options)?, options.text(PATTERN)).map_err(|reason| invalid(PATTERN, reason))?;
        Ok(Box::new(read::Factory::new(
            files,
            format,
            table.schema.clone(),
            default_partition(&options),
            interval,
        )))
    }

    fn lookup(&self, table: &Table) -> Result<Box<dyn LookupFactory>, OptionError> {
        let (_, options) = checked(self.name(), table)?;
        let settings = lookup::Settings::new(&options)?;
        Ok(Box::new(lookup::OfSource::new(
            self.source(table)?,
            table.schema.clone(),
            settings,
        )))
    }

    fn sink(&self, table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        Ok(Box::new(sink_of(table)?))
    }
}

/// A table as a sink.
fn sink_of(table: &Table) -> Result<write::Factory, OptionError> {
    let (format, options) = checked(Filesystem.name(), table)?;
    let store = store(&options)?;
    let largest = if store.is_bucket() {
        LARGEST_OBJECT
    } else {
        u64::MAX
    };
    let rolling = Rolling::new(&options, largest).map_err(|reason| invalid(ROLLING_SIZE, reason))?;
    let has_success_file = options.word(PARTITION_POLICY) == Some(SUCCESS_FILE);
    let is_partitioned = table
        .schema
        .fields()
        .iter()
        .any(|field| origin::is_partition(field));
    if has_success_file && !is_partitioned {
        return Err(invalid(PARTITION_POLICY, "the table has no partitions"));
    }
    let success_file = options.text(SUCCESS_FILE_NAME).map(str::trim).unwrap_or_default();
    if !success_file.starts_with(['.', '_']) || success_file.contains('/') {
        let reason = "it must begin with . or _, so that it is not read as rows, and have no /";
        return Err(invalid(SUCCESS_FILE_NAME, reason));
    }
    Ok(write::Factory {
        store,
        format,
        schema: table.schema.clone(),
        default_partition: default_partition(&options),
        rolling,
        success_file: has_success_file.then(|| success_file.to_owned()),
    })
}

fn checked<'a>(connector: &str, table: &'a Table) -> Result<(FileFormat, Checked<'a>), OptionError> {
    let (format, options) = FileFormat::of_table(connector, OPTIONS, &table.options)?;
    format.check_columns(&origin::in_rows(&table.schema))?;
    Ok((format, options))
}

fn default_partition(options: &Checked<'_>) -> String {
    options.text(DEFAULT_PARTITION).unwrap_or_default().to_owned()
}

/// Where the table's files are.
fn store(options: &Checked<'_>) -> Result<Store, OptionError> {
    let given = |def: &OptionDef| Some((def.key.to_owned(), options.text(def.key)?.to_owned()));
    let settings = S3_OPTIONS.iter().filter_map(given).collect();
    let path = options.text(PATH).unwrap_or_default().trim();
    Store::new(path, settings).map_err(|reason| invalid(PATH, reason))
}

#[cfg(test)]
mod tests;
