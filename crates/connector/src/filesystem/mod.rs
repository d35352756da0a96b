//! `filesystem`: rows in files of a local folder.
//!
//! - `files`: a path and the files below it. Leans on nothing.
//! - `split`: a file or a range of it, with the position to read on from. Leans on nothing.
//! - `chunks`: a file's bytes, read ahead. Leans on nothing.
//! - `commit`: how files become visible. Leans on nothing.
//! - `partition`: folders named after values. Leans on `write` and `commit`.
//! - `columns`: columns that are the same for all rows of a file. Leans on `partition` and `split`.
//! - `read`: the source. Leans on all of the above and on the formats.
//! - `write`: the sink. Leans on `commit`, `partition` and the formats.
//!
//! Paths that are not absolute are taken from the working folder of the process that reads or writes.

mod chunks;
mod columns;
mod commit;
mod files;
mod partition;
mod read;
mod split;
mod write;

use std::path::PathBuf;

use crate::{
    Connector, LookupFactory, OptionError, Role, SinkFactory, SourceFactory, Table,
    format::{self, Format},
    lookup,
    options::{Checked, OptionDef, OptionKind, invalid},
    origin::{self, MetadataDef},
};
use files::Files;

const PATH: &str = "path";
const PATTERN: &str = "source.path.regex-pattern";
const DEFAULT_PARTITION: &str = "partition.default-name";
const ROLLING_SIZE: &str = "sink.rolling-policy.file-size";

const OPTIONS: &[OptionDef] = &[
    OptionDef {
        key: PATH,
        kind: OptionKind::Text,
        required: true,
        default: None,
        doc: "a file or a folder to read (files below it that begin with `.` or `_` are left out; `.gz` is unpacked), or a \
              folder to write to; a local path or a file:// URL",
    },
    format::FORMAT,
    OptionDef {
        key: PATTERN,
        kind: OptionKind::Text,
        required: false,
        default: None,
        doc: "a regular expression that the whole absolute path of a file must match to be read",
    },
    OptionDef {
        key: DEFAULT_PARTITION,
        kind: OptionKind::Text,
        required: false,
        default: Some("__DEFAULT_PARTITION__"),
        doc: "what stands for null and the empty text in the name of a partition's folder",
    },
    OptionDef {
        key: ROLLING_SIZE,
        kind: OptionKind::MemorySize,
        required: false,
        default: Some("128MB"),
        doc: "how large a file grows before the next one is begun",
    },
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

/// The `filesystem` connector.
#[derive(Clone, Copy, Debug)]
pub struct Filesystem;

impl Connector for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn summary(&self) -> &'static str {
        "reads and writes files of JSON lines or CSV in a local folder"
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
        let files =
            Files::new(path(&options)?, options.text(PATTERN)).map_err(|reason| invalid(PATTERN, reason))?;
        Ok(Box::new(read::Factory::new(
            files,
            format,
            table.schema.clone(),
            default_partition(&options),
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
        let (format, options) = checked(self.name(), table)?;
        let roll_at = options.bytes(ROLLING_SIZE).filter(|bytes| *bytes > 0);
        Ok(Box::new(write::Factory {
            folder: path(&options)?,
            format,
            schema: table.schema.clone(),
            default_partition: default_partition(&options),
            roll_at: roll_at.ok_or_else(|| invalid(ROLLING_SIZE, "it must be more than nothing"))?,
        }))
    }
}

fn checked<'a>(connector: &str, table: &'a Table) -> Result<(Format, Checked<'a>), OptionError> {
    let (format, options) = Format::of_table(connector, OPTIONS, &table.options)?;
    format.check_columns(&origin::in_rows(&table.schema))?;
    Ok((format, options))
}

fn default_partition(options: &Checked<'_>) -> String {
    options.text(DEFAULT_PARTITION).unwrap_or_default().to_owned()
}

/// The path that the option names, as a path or as a URL.
fn path(options: &Checked<'_>) -> Result<PathBuf, OptionError> {
    let text = options.text(PATH).unwrap_or_default().trim();
    let path = match text.split_once("://") {
        Some(("file", path)) => path,
        Some((scheme, _)) => {
            return Err(invalid(
                PATH,
                format!("'{scheme}://' is not supported: give a local path or a file:// URL"),
            ));
        }
        None => text.strip_prefix("file:").unwrap_or(text),
    };
    if path.is_empty() {
        return Err(invalid(PATH, "is empty: name a file or a folder"));
    }
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests;
