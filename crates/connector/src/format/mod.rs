//! Formats: JSON, CSV, Avro, Protobuf and raw bytes from and to Arrow.
//!
//! - [`json`]: JSON lines.
//! - [`csv`]: comma-separated values.
//! - [`raw`]: a value without anything around it.
//! - [`avro`]: Avro's binary records, and its files.
//! - [`protobuf`]: Protobuf's messages, by their descriptor.
//! - [`change_json`]: changes of another system's tables as JSON: Debezium, Canal, Maxwell. Leans on [`json`].
//! - [`message`]: all as messages, without anything between records.
//! - [`TimestampStyle`]: how timestamps are written.
//!
//! A [`Format`] is a validated `'format' = '...'` of a table. It makes a [`Decoder`], which takes bytes as they come and
//! yields batches, and an [`Encoder`], which appends batches as text to a buffer.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use weir_env::Clock;

use crate::{
    ChangelogMode, ConnectorError, OptionError,
    options::{Checked, OptionDef, OptionKind, Options},
};

pub mod avro;
pub(crate) mod cells;
pub mod change_json;
pub(crate) mod column;
pub mod csv;
mod fault;
pub mod json;
pub mod message;
pub mod protobuf;
#[cfg(test)]
mod random;
pub mod raw;
mod record;
pub(crate) mod scalar;
mod value;

pub use avro::SchemaRegistry;
pub use message::{MessageDecoder, Messages};
pub use value::TimestampStyle;
pub(crate) use value::{parse_date, parse_decimal, parse_time, parse_timestamp, sql_type};

/// The names of all formats; the options of each begin with its name.
pub const NAMES: &[&str] = &[
    "avro",
    "avro-confluent",
    "canal-json",
    "csv",
    "debezium-json",
    "json",
    "maxwell-json",
    "protobuf",
    "raw",
];

/// Those of files.
pub const OF_FILES: &[&str] = &[
    "avro",
    "canal-json",
    "csv",
    "debezium-json",
    "json",
    "maxwell-json",
    "protobuf",
    "raw",
];

/// The option that names the format, for connectors of bytes.
pub const FORMAT: OptionDef = OptionDef {
    key: "format",
    kind: OptionKind::OneOf(OF_FILES),
    required: true,
    default: None,
    doc: "how rows are written: `json` (an object per line), `csv`, `avro`, `protobuf`, `raw` (a single column as it is), or as changes of tables in JSON: \
          `debezium-json`, `canal-json`, `maxwell-json`",
};

/// A record that is longer than about this is an error: most likely it is no text with line ends at all.
pub(crate) const MAX_RECORD_BYTES: usize = 16 << 20;

/// A table's format with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON lines.
    Json(json::Config),
    /// Comma-separated values.
    Csv(csv::Config),
    /// Changes of tables.
    ChangeJson(change_json::Config),
    /// Records of Avro.
    Avro(avro::Config),
    /// The same, in messages that say which schema they are written with.
    AvroConfluent(avro::confluent::Config),
    /// Messages of Protobuf.
    Protobuf(protobuf::Config),
    /// A value as it is.
    Raw(raw::Config),
}

/// What the format of that name is, in a sentence.
pub fn summary_of(name: &str) -> &'static str {
    match name {
        "avro" => {
            "records of Avro in its binary encoding, with the schema that the table's columns have: alone in messages, in files as container files"
        }
        "avro-confluent" => {
            "messages that say by its number in a schema registry which schema of Avro they are written with, as Confluent's tools write them"
        }
        "protobuf" => {
            "messages of Protobuf of a type that a descriptor describes, with columns by the names of fields; in files each has its length before it"
        }
        "raw" => "a single column as it is: a message is its value, or a line of a file",
        "csv" => "comma-separated values, a record a line, matched to columns by their order",
        "json" => "JSON objects, one a line, matched to columns by name",
        "debezium-json" => "changes of a table as Debezium writes them in JSON",
        "canal-json" => "changes of a table as Canal writes them in JSON",
        "maxwell-json" => "changes of a table as Maxwell writes them in JSON",
        _ => "",
    }
}

/// The options of the format of that name.
pub fn options_of(name: &str) -> &'static [OptionDef] {
    let name = name.to_ascii_lowercase();
    match change_json::Dialect::named(&name) {
        Some(dialect) => dialect.options(),
        None => match name.as_str() {
            "avro" => avro::OPTIONS,
            "avro-confluent" => avro::confluent::OPTIONS,
            "csv" => csv::OPTIONS,
            "protobuf" => protobuf::OPTIONS,
            "raw" => raw::OPTIONS,
            _ => json::OPTIONS,
        },
    }
}

/// Puts what is in files that the options of formats name among the options, so that those who have a table need not have its files. Reads
/// them: it is for where tables are defined.
pub fn embed(options: &mut Options) -> Result<(), OptionError> {
    protobuf::embed(options)
}

impl Format {
    /// The format that the options name, after checking them together with those of the connector.
    pub fn of_table<'a>(
        connector: &str,
        connector_options: &'static [OptionDef],
        given: &'a Options,
    ) -> Result<(Self, Checked<'a>), OptionError> {
        let name = given.get(FORMAT.key).map_or("", |text| text.trim());
        // No format or a wrong one is refused here, by what the connector declares.
        let checked = Checked::new(connector, connector_options.iter().chain(options_of(name)), given)?;
        Ok((Self::new(name, &checked)?, checked))
    }

    /// The format of that name with its own options, for connectors that have several formats in a table.
    pub fn named(name: &str, connector: &str, own: &Options) -> Result<Self, OptionError> {
        Self::new(name, &Checked::new(connector, options_of(name), own)?)
    }

    fn new(name: &str, checked: &Checked<'_>) -> Result<Self, OptionError> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "avro" => Self::Avro(avro::Config::new(checked)),
            "avro-confluent" => Self::AvroConfluent(avro::confluent::Config::new(checked)?),
            "csv" => Self::Csv(csv::Config::new(checked)?),
            "protobuf" => Self::Protobuf(protobuf::Config::new(checked)?),
            "raw" => Self::Raw(raw::Config::new(checked)),
            name => match change_json::Dialect::named(name) {
                Some(dialect) => Self::ChangeJson(change_json::Config::new(dialect, checked)),
                None => Self::Json(json::Config::new(checked)?),
            },
        })
    }

    /// What its rows do: most formats hold rows that are only added.
    pub fn changelog_mode(&self) -> ChangelogMode {
        match self {
            Self::ChangeJson(_) => ChangelogMode::All,
            _ => ChangelogMode::Append,
        }
    }

    /// Refuses columns of types that the format cannot hold.
    pub fn check_columns(&self, schema: &SchemaRef) -> Result<(), OptionError> {
        let checked = match self {
            Self::Json(_) | Self::ChangeJson(_) => column::columns(schema.fields()).map(drop),
            Self::Csv(_) => csv::check_columns(schema),
            Self::Avro(_) => avro::check_columns(schema),
            Self::AvroConfluent(config) => config.check_columns(schema),
            Self::Protobuf(config) => config.check_columns(schema),
            Self::Raw(_) => raw::check_columns(schema),
        };
        checked.map_err(|reason| OptionError::Unsupported { reason })
    }

    /// A decoder of the columns `read` out of those that the table declares. Both are of a checked table.
    pub fn decoder(&self, declared: &SchemaRef, read: &SchemaRef) -> Result<Box<dyn Decoder>, String> {
        Ok(match self {
            Self::Avro(config) => Box::new(avro::Decode::new(*config, read)?),
            // A file has its schema with it.
            Self::AvroConfluent(config) => Box::new(avro::Decode::new(config.of_files(), read)?),
            Self::Protobuf(config) => Box::new(protobuf::DecodeFile::new(config, read)?),
            Self::Raw(config) => Box::new(raw::decoder(*config, read)?),
            Self::Json(config) => Box::new(json::Decode::new(*config, read)?),
            Self::Csv(config) => Box::new(csv::Decode::new(config, declared, read)?),
            Self::ChangeJson(config) => Box::new(change_json::Decode::new(*config, read)?),
        })
    }

    /// An encoder of batches of that schema.
    pub fn encoder(&self) -> Encoder {
        match self {
            Self::Json(config) => Encoder::Json(config.timestamps),
            Self::Csv(config) => Encoder::Csv(config.clone()),
            Self::ChangeJson(config) => Encoder::ChangeJson(*config),
            Self::Avro(config) => Encoder::Avro(*config),
            Self::AvroConfluent(config) => Encoder::Avro(config.of_files()),
            Self::Protobuf(config) => Encoder::Protobuf(config.clone()),
            Self::Raw(config) => Encoder::Raw(*config),
        }
    }

    /// Where the schemas are that messages name; none of formats whose messages name none. A source has those fetched that
    /// messages [lack](SchemaRegistry::lacks) before it hands them to a decoder.
    pub fn schemas(&self) -> Option<&Arc<SchemaRegistry>> {
        match self {
            Self::AvroConfluent(config) => Some(config.registry()),
            _ => None,
        }
    }

    /// Whether what it needs beside a table's definition can be reached.
    pub async fn check(&self) -> Result<(), OptionError> {
        match self.schemas() {
            None => Ok(()),
            Some(schemas) => schemas.check().await.map_err(|error| OptionError::Unavailable {
                reason: error.message,
            }),
        }
    }

    /// The columns that a schema says which is elsewhere than in the data: that of the value of messages in a topic. None: no schema does.
    pub async fn says_columns(
        &self,
        topic: Option<&str>,
        clock: &dyn Clock,
    ) -> Result<Option<SchemaRef>, ConnectorError> {
        let columns = match self {
            Self::Protobuf(config) => config.columns(),
            Self::AvroConfluent(config) => config.columns(topic, clock).await?,
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(columns)))
    }

    /// The same, once it is known elsewhere what messages are to be written to a topic, in their key or in their value: rows of these columns.
    /// A sink has this done before it writes.
    pub async fn registered(
        &self,
        topic: &str,
        is_key: bool,
        schema: &SchemaRef,
        clock: &dyn Clock,
    ) -> Result<Self, ConnectorError> {
        Ok(match self {
            Self::AvroConfluent(config) => {
                Self::AvroConfluent(config.registered(topic, is_key, schema, clock).await?)
            }
            other => other.clone(),
        })
    }

    /// What files of this format end in.
    pub fn file_ending(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::ChangeJson(_) => "json",
            Self::Csv(_) => "csv",
            Self::Avro(_) | Self::AvroConfluent(_) => "avro",
            Self::Protobuf(_) => "binpb",
            Self::Raw(_) => "raw",
        }
    }

    /// Whether every line end ends a record of these columns, so that reading may start at any of them. Not of changes, whose order matters.
    pub fn is_splittable(&self, schema: &SchemaRef) -> bool {
        match self {
            Self::Json(_) => true,
            Self::Raw(_) => raw::is_lines(schema),
            _ => false,
        }
    }
}

/// Input for a decoder.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Bytes from the start of a record on.
    pub bytes: &'a [u8],
    /// Nothing follows these bytes, so the last record needs no line end.
    pub at_end: bool,
    /// No record that starts at or after this offset is to be decoded.
    pub stop: usize,
}

/// What a decoder took from its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Bytes of whole records. What is left must be offered again with what follows it; when nothing was taken and rows
    /// are still wanted, more bytes are needed.
    pub bytes: usize,
    /// Line ends among them.
    pub lines: u64,
    /// Records that could not be read and were skipped, as the table asked.
    pub skipped: u64,
}

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// Bytes before the record in the input.
    pub offset: usize,
    /// Bytes of the record, with its end; none: nothing can be read behind it.
    pub len: Option<usize>,
    /// Line ends before the record in the input.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Turns bytes into rows, keeping rows until they are taken.
pub trait Decoder: Send {
    /// Says that the next input is the start of a file.
    fn begin_file(&mut self);

    /// Whether records are lines of text, so that people find one by its line.
    fn has_lines(&self) -> bool {
        true
    }

    /// Reads what a file begins with and all parts of it need, before one is read from its middle: the length of that, nothing for most
    /// formats. None: more bytes are needed.
    fn read_head(&mut self, input: Input<'_>) -> Result<Option<usize>, BadRecord> {
        let _ = input;
        Ok(Some(0))
    }

    /// Decodes records until there are `max_rows` rows or no whole record is left.
    fn decode(&mut self, input: Input<'_>, max_rows: usize) -> Result<Taken, BadRecord>;

    /// Rows decoded and not yet taken.
    fn rows(&self) -> usize;

    /// The rows decoded since the last call.
    fn take(&mut self) -> Result<RecordBatch, ArrowError>;
}

/// Turns batches into bytes of files.
#[derive(Clone, Debug)]
pub enum Encoder {
    /// JSON lines.
    Json(TimestampStyle),
    /// Comma-separated values.
    Csv(csv::Config),
    /// Changes, a line each.
    ChangeJson(change_json::Config),
    /// Blocks of Avro's container files.
    Avro(avro::Config),
    /// Messages of Protobuf, each with its length before it.
    Protobuf(protobuf::Config),
    /// Values as they are.
    Raw(raw::Config),
}

impl Encoder {
    /// What a file begins with.
    pub fn write_header(&self, schema: &SchemaRef, out: &mut Vec<u8>) {
        match self {
            Self::Json(_) | Self::ChangeJson(_) | Self::Protobuf(_) | Self::Raw(_) => {}
            Self::Csv(config) => csv::write_header(config, schema, out),
            Self::Avro(config) => avro::write_header(*config, schema, out),
        }
    }

    /// Appends the rows, each ended by a line feed where records are lines.
    pub fn write(&self, batch: &RecordBatch, out: &mut Vec<u8>) {
        match self {
            Self::Json(style) => json::write_lines_in(batch, *style, out),
            Self::Csv(config) => csv::write_records(config, batch, out),
            Self::Avro(config) => avro::write_block(*config, batch, out),
            Self::Protobuf(config) => protobuf::write_delimited(config, batch, out),
            Self::Raw(config) => raw::write_records(*config, batch, out),
            Self::ChangeJson(config) => {
                let changes = change_json::Changes::new(*config, batch);
                for row in 0..batch.num_rows() {
                    changes.write(row, out);
                    out.push(b'\n');
                }
            }
        }
    }
}
