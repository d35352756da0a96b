//! How rows are in files: as a text of records, packed or not, or as Parquet.

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::{
    compression::{self, Compression, Packer},
    parquet,
};
use crate::{
    ChangelogMode, ConnectorError, OptionError,
    format::{self, Encoder, Format},
    options::{Checked, OptionDef, OptionKind, Options, option},
    origin,
};

/// The names of the formats of files.
const NAMES: [&str; format::OF_FILES.len() + 1] = {
    let mut names = [parquet::NAME; format::OF_FILES.len() + 1];
    let mut i = 0;
    while i < format::OF_FILES.len() {
        names[i] = format::OF_FILES[i];
        i += 1;
    }
    names
};

/// The option that names the format.
pub(super) const FORMAT: OptionDef = OptionDef {
    kind: OptionKind::OneOf(&NAMES),
    doc: "how rows are written: `json` (an object per line), `csv`, `avro`, `parquet`, `protobuf`, `raw` (a single column as it is), or as changes of \
          tables in JSON: `debezium-json`, `canal-json`, `maxwell-json`",
    ..format::FORMAT
};

/// The option that says how files are packed.
pub(super) const COMPRESSION: OptionDef = option(
    "compression",
    OptionKind::OneOf(compression::NAMES),
    Some("none"),
    "how files of text are packed that are written: `gzip` (`.gz`) or `zstd` (`.zst`); files are read by the ending of their name. \
     Parquet has `parquet.compression`",
);

/// A table's format with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    Text {
        format: Format,
        /// Of files that are written.
        compression: Compression,
    },
    Parquet(parquet::Config),
}

impl FileFormat {
    /// The format that the options name, after checking them together with those of the connector.
    pub(super) fn of_table<'a>(
        connector: &str,
        connector_options: &'static [OptionDef],
        given: &'a Options,
    ) -> Result<(Self, Checked<'a>), OptionError> {
        let name = given.get(FORMAT.key).map_or("", |text| text.trim());
        if name.eq_ignore_ascii_case(parquet::NAME) {
            let options = connector_options.iter().chain(parquet::OPTIONS);
            let checked = Checked::new(connector, options, given)?;
            if checked.is_given(COMPRESSION.key) {
                return Err(crate::options::invalid(
                    COMPRESSION.key,
                    format!("Parquet packs its pages itself: use '{}'", parquet::COMPRESSION),
                ));
            }
            return Ok((Self::Parquet(parquet::Config::new(&checked)), checked));
        }
        let (format, checked) = Format::of_table(connector, connector_options, given)?;
        let compression = Compression::named(checked.word(COMPRESSION.key).unwrap_or_default());
        Ok((Self::Text { format, compression }, checked))
    }

    /// What its rows do.
    pub(super) fn changelog_mode(&self) -> ChangelogMode {
        match self {
            Self::Text { format, .. } => format.changelog_mode(),
            Self::Parquet(_) => ChangelogMode::Append,
        }
    }

    /// Refuses columns of types that the format cannot hold.
    pub(super) fn check_columns(&self, schema: &SchemaRef) -> Result<(), OptionError> {
        match self {
            Self::Text { format, .. } => format.check_columns(schema),
            Self::Parquet(_) => parquet::check_columns(schema),
        }
    }

    /// Whether a file can be read in ranges.
    pub(super) fn is_splittable(&self, schema: &SchemaRef) -> bool {
        match self {
            Self::Text { format, .. } => format.is_splittable(schema),
            Self::Parquet(_) => true,
        }
    }

    /// Whether a file is packed, so that it has to be read from its start.
    pub(super) fn is_packed(&self, file: &Path) -> bool {
        match self {
            Self::Text { .. } => Compression::of_file(file) != Compression::None,
            Self::Parquet(_) => false,
        }
    }

    /// What files end in that are written.
    pub(super) fn file_ending(&self) -> String {
        match self {
            Self::Text { format, compression } => {
                format!("{}{}", format.file_ending(), compression.ending())
            }
            Self::Parquet(_) => parquet::NAME.to_owned(),
        }
    }

    /// Begins a file for rows of that schema. Those of Parquet have the columns of the table as it says them, so that all of its files are
    /// alike, whatever is known of a query's.
    pub(super) fn begin_file(
        &self,
        schema: &SchemaRef,
        table: &SchemaRef,
    ) -> Result<FileEncoder, ConnectorError> {
        Ok(match self {
            Self::Text { format, compression } => {
                let encoder = format.encoder();
                let mut text = Vec::new();
                encoder.write_header(schema, &mut text);
                FileEncoder::Text(TextEncoder {
                    encoder,
                    packer: compression.packer()?,
                    text,
                })
            }
            Self::Parquet(config) => FileEncoder::Parquet(Box::new(parquet::ParquetEncoder::new(
                *config,
                &origin::in_rows(table),
            )?)),
        })
    }
}

/// A file that is being written: rows into bytes.
#[derive(Debug)]
pub(super) enum FileEncoder {
    Text(TextEncoder),
    Parquet(Box<parquet::ParquetEncoder>),
}

impl FileEncoder {
    /// Takes rows, and appends what bytes of the file have come to be.
    pub(super) fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ConnectorError> {
        match self {
            Self::Text(encoder) => encoder.write(batch, out),
            Self::Parquet(encoder) => encoder.write(batch, out),
        }
    }

    /// About how many bytes the rows make that no bytes were appended for yet.
    pub(super) fn waiting_bytes(&self) -> u64 {
        match self {
            Self::Text(_) => 0,
            Self::Parquet(encoder) => encoder.waiting_bytes(),
        }
    }

    /// Bytes of rows in memory.
    pub(super) fn held_bytes(&self) -> u64 {
        match self {
            Self::Text(_) => 0,
            Self::Parquet(encoder) => encoder.held_bytes(),
        }
    }

    /// Appends the rest of the file.
    pub(super) fn finish(self, out: &mut Vec<u8>) -> Result<(), ConnectorError> {
        match self {
            Self::Text(encoder) => encoder.finish(out),
            Self::Parquet(encoder) => encoder.finish(out),
        }
    }
}

/// A text that is being written.
#[derive(Debug)]
pub(super) struct TextEncoder {
    encoder: Encoder,
    packer: Option<Packer>,
    /// What is not packed yet; at first the header.
    text: Vec<u8>,
}

impl TextEncoder {
    fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ConnectorError> {
        let Some(packer) = &mut self.packer else {
            out.append(&mut self.text);
            self.encoder.write(batch, out);
            return Ok(());
        };
        self.encoder.write(batch, &mut self.text);
        packer.pack(&self.text, out)?;
        self.text.clear();
        Ok(())
    }

    fn finish(mut self, out: &mut Vec<u8>) -> Result<(), ConnectorError> {
        match self.packer {
            None => out.append(&mut self.text),
            Some(mut packer) => {
                packer.pack(&self.text, out)?;
                packer.finish(out)?;
            }
        }
        Ok(())
    }
}
