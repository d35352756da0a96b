//! Formats: JSON and CSV from and to Arrow.
//!
//! - [`json`]: JSON lines.
//! - [`csv`]: comma-separated values.
//! - [`message`]: both as messages, without anything between records.
//! - [`TimestampStyle`]: how timestamps are written.
//!
//! A [`Format`] is a validated `'format' = '...'` of a table. It makes a [`Decoder`], which takes bytes as they come and
//! yields batches, and an [`Encoder`], which appends batches as text to a buffer.

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};

use crate::{
    OptionError,
    options::{Checked, OptionDef, OptionKind, Options},
};

pub(crate) mod cells;
mod column;
pub mod csv;
pub mod json;
pub mod message;
mod scalar;
mod value;

pub use message::{MessageDecoder, Messages};
pub use value::TimestampStyle;
pub(crate) use value::{parse_decimal, sql_type};

/// The names of all formats; the options of each begin with its name.
pub const NAMES: &[&str] = &["csv", "json"];

/// The option that names the format, for connectors of bytes.
pub const FORMAT: OptionDef = OptionDef {
    key: "format",
    kind: OptionKind::OneOf(NAMES),
    required: true,
    default: None,
    doc: "how rows are written as text: `json` (an object per line) or `csv`",
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
}

impl Format {
    /// The format that the options name, after checking them together with those of the connector.
    pub fn of_table<'a>(
        connector: &str,
        connector_options: &'static [OptionDef],
        given: &'a Options,
    ) -> Result<(Self, Checked<'a>), OptionError> {
        let word = given.get(FORMAT.key).map_or("", |text| text.trim());
        if word.eq_ignore_ascii_case("csv") {
            let checked = Checked::new(connector, connector_options.iter().chain(csv::OPTIONS), given)?;
            Ok((Self::Csv(csv::Config::new(&checked)?), checked))
        } else {
            // No format or a wrong one is refused here, by what the connector declares.
            let checked = Checked::new(connector, connector_options.iter().chain(json::OPTIONS), given)?;
            Ok((Self::Json(json::Config::new(&checked)?), checked))
        }
    }

    /// The format of that name with its own options, for connectors that have several formats in a table.
    pub fn named(name: &str, connector: &str, own: &Options) -> Result<Self, OptionError> {
        Ok(if name.eq_ignore_ascii_case("csv") {
            Self::Csv(csv::Config::new(&Checked::new(connector, csv::OPTIONS, own)?)?)
        } else {
            Self::Json(json::Config::new(&Checked::new(connector, json::OPTIONS, own)?)?)
        })
    }

    /// Refuses columns of types that the format cannot hold.
    pub fn check_columns(&self, schema: &SchemaRef) -> Result<(), OptionError> {
        let checked = match self {
            Self::Json(_) => column::columns(schema.fields()).map(drop),
            Self::Csv(_) => csv::check_columns(schema),
        };
        checked.map_err(|reason| OptionError::Unsupported { reason })
    }

    /// A decoder of the columns `read` out of those that the table declares. Both are of a checked table.
    pub fn decoder(&self, declared: &SchemaRef, read: &SchemaRef) -> Result<Box<dyn Decoder>, String> {
        Ok(match self {
            Self::Json(config) => Box::new(json::Decode::new(*config, read)?),
            Self::Csv(config) => Box::new(csv::Decode::new(config, declared, read)?),
        })
    }

    /// An encoder of batches of that schema.
    pub fn encoder(&self) -> Encoder {
        match self {
            Self::Json(config) => Encoder::Json(config.timestamps),
            Self::Csv(config) => Encoder::Csv(config.clone()),
        }
    }

    /// What files of this format end in.
    pub fn file_ending(&self) -> &'static str {
        match self {
            Self::Json(_) => "json",
            Self::Csv(_) => "csv",
        }
    }

    /// Whether every line end ends a record, so that reading may start at any of them.
    pub fn is_splittable(&self) -> bool {
        matches!(self, Self::Json(_))
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
    /// Line ends before the record in the input.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Turns bytes into rows, keeping rows until they are taken.
pub trait Decoder: Send {
    /// Says that the next input is the start of a file.
    fn begin_file(&mut self);

    /// Decodes records until there are `max_rows` rows or no whole record is left.
    fn decode(&mut self, input: Input<'_>, max_rows: usize) -> Result<Taken, BadRecord>;

    /// Rows decoded and not yet taken.
    fn rows(&self) -> usize;

    /// The rows decoded since the last call.
    fn take(&mut self) -> Result<RecordBatch, ArrowError>;
}

/// Turns batches into bytes.
#[derive(Clone, Debug)]
pub enum Encoder {
    /// JSON lines.
    Json(TimestampStyle),
    /// Comma-separated values.
    Csv(csv::Config),
}

impl Encoder {
    /// What a file begins with.
    pub fn write_header(&self, schema: &SchemaRef, out: &mut Vec<u8>) {
        match self {
            Self::Json(_) => {}
            Self::Csv(config) => csv::write_header(config, schema, out),
        }
    }

    /// Appends the rows, each ended by a line feed.
    pub fn write(&self, batch: &RecordBatch, out: &mut Vec<u8>) {
        match self {
            Self::Json(style) => json::write_lines_in(batch, *style, out),
            Self::Csv(config) => csv::write_records(config, batch, out),
        }
    }
}
