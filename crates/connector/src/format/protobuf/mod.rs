//! Protobuf: messages of a type that a descriptor describes, as `protoc --descriptor_set_out --include_imports` writes it.
//!
//! - `plan`: which field of a message is which column, and how its values are written. Leans on nothing.
//! - `columns`: the columns that a message has. Leans on nothing.
//! - `wire`: how messages are written. Leans on nothing.
//! - `scalar`: values into columns. Leans on `plan` and `wire`.
//! - `decode`: messages into columns. Leans on all of the above but `columns`.
//! - `encode`: columns into messages. Leans on `plan`.
//!
//! Fields meet columns by name. Messages are read straight into columns, and fields that nobody reads are stepped over. The descriptor's
//! file is read where the table is defined, and goes wherever the table goes: other machines need not have it.

mod columns;
mod decode;
mod encode;
mod plan;
mod scalar;
mod wire;

use std::{fmt, fs, sync::Arc};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost_reflect::{DescriptorPool, MessageDescriptor};

use super::{
    BadRecord, Decoder, Input, Taken,
    column::Column,
    fault::Outcome,
    message::Messages,
    record::{Record, Records},
};
use crate::{
    OptionError,
    options::{Checked, OptionDef, OptionKind, Options, invalid, option, required},
};

const DESCRIPTOR_FILE: &str = "protobuf.descriptor-file";
const DESCRIPTOR: &str = "protobuf.descriptor";
const MESSAGE: &str = "protobuf.message-name";
const IGNORE_PARSE_ERRORS: &str = "protobuf.ignore-parse-errors";
const READ_DEFAULTS: &str = "protobuf.read-default-values";
const NULL_LITERAL: &str = "protobuf.write-null-string-literal";

/// The options of the format.
pub const OPTIONS: &[OptionDef] = &[
    required(
        MESSAGE,
        OptionKind::Text,
        "the type of the messages with its package, as `shop.v1.Order`",
    ),
    option(
        DESCRIPTOR_FILE,
        OptionKind::Text,
        None,
        "a file with the descriptor of the type and of all that it names, as `protoc --include_imports --descriptor_set_out=FILE` writes it: a \
         local path or a file:// URL. It is read when the table is defined, where that is planned",
    ),
    option(
        DESCRIPTOR,
        OptionKind::Text,
        None,
        "the descriptor itself in base64, in the place of its file",
    ),
    option(
        IGNORE_PARSE_ERRORS,
        OptionKind::Bool,
        Some("false"),
        "skip and count messages that are none of the type, instead of failing",
    ),
    option(
        READ_DEFAULTS,
        OptionKind::Bool,
        Some("false"),
        "read fields that a message does not have as the defaults of their types, instead of null. Fields of `proto3` that are not `optional` \
         always are: whether they are there cannot be told",
    ),
    option(
        NULL_LITERAL,
        OptionKind::Text,
        Some(""),
        "what is written for a null among the texts of an array or a map, where there must be one",
    ),
];

/// The format's options, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    message: MessageDescriptor,
    pub(crate) ignore_parse_errors: bool,
    read_defaults: bool,
    null_literal: Arc<str>,
}

impl fmt::Debug for Config {
    /// Without all of the descriptor.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("message", &self.message.full_name())
            .finish_non_exhaustive()
    }
}

/// Puts what is in the descriptors' files that options name among the options.
pub(crate) fn embed(options: &mut Options) -> Result<(), OptionError> {
    let is_file = |key: &&String| {
        key.strip_suffix(DESCRIPTOR_FILE)
            .is_some_and(|prefix| matches!(prefix, "" | "key." | "value."))
    };
    let named: Vec<_> = options.keys().filter(is_file).cloned().collect();
    for key in named {
        let place = key.replace(DESCRIPTOR_FILE, DESCRIPTOR);
        let path = options[&key].trim();
        let path = path
            .strip_prefix("file://")
            .or_else(|| path.strip_prefix("file:"))
            .unwrap_or(path);
        let bytes =
            fs::read(path).map_err(|error| invalid(&key, format!("'{path}' cannot be read: {error}")))?;
        options.insert(place, STANDARD.encode(bytes));
    }
    Ok(())
}

impl Config {
    pub(crate) fn new(options: &Checked<'_>) -> Result<Self, OptionError> {
        let Some(descriptor) = options.text(DESCRIPTOR) else {
            let reason = "the type of the messages is described there: protoc --include_imports --descriptor_set_out=FILE writes it";
            return Err(invalid(DESCRIPTOR_FILE, format!("is needed: {reason}")));
        };
        let place = if options.is_given(DESCRIPTOR_FILE) {
            DESCRIPTOR_FILE
        } else {
            DESCRIPTOR
        };
        let bytes = STANDARD.decode(descriptor.trim());
        let bytes = bytes.map_err(|error| invalid(place, format!("is not base64: {error}")))?;
        let pool = DescriptorPool::decode(bytes.as_slice())
            .map_err(|error| invalid(place, format!("has no descriptors that fit together: {error}")))?;
        let name = options.text(MESSAGE).unwrap_or_default().trim();
        let message = pool.get_message_by_name(name).ok_or_else(|| {
            let known = pool.all_messages().filter(|message| !message.is_map_entry());
            let known: Vec<_> = known.map(|message| message.full_name().to_owned()).collect();
            OptionError::Invalid {
                option: MESSAGE.to_owned(),
                reason: format!(
                    "the descriptor has no message '{name}': it has {}",
                    known.join(", ")
                ),
                suggestion: crate::options::nearest(name, known.iter().map(String::as_str)),
            }
        })?;
        Ok(Self {
            message,
            ignore_parse_errors: options.flag(IGNORE_PARSE_ERRORS),
            read_defaults: options.flag(READ_DEFAULTS),
            null_literal: options.text(NULL_LITERAL).unwrap_or_default().into(),
        })
    }

    /// The columns of its fields.
    pub(crate) fn columns(&self) -> Schema {
        columns::of_message(&self.message)
    }

    /// Refuses columns that the message has no field for, or one of another type.
    pub(crate) fn check_columns(&self, schema: &SchemaRef) -> Result<(), String> {
        plan::Message::new(&self.message, schema.fields()).map(drop)
    }
}

/// Reads messages of the type.
#[derive(Debug)]
pub(crate) struct Read(decode::Message);

/// A decoder of messages, which takes files of them too: each with its length before it.
pub(crate) type Decode = Records<Read>;

/// A decoder of the columns that are read.
pub(crate) fn decoder(config: &Config, read: &SchemaRef) -> Result<Decode, String> {
    let plan = plan::Message::new(&config.message, read.fields())?;
    Records::new(read, Read(decode::Message::new(&plan, config.read_defaults)))
}

impl Record for Read {
    #[inline]
    fn read(&mut self, message: &[u8], columns: &mut [Column]) -> Result<(), String> {
        let read = self.0.read(message, columns);
        read.map_err(|fault| format!("the message {}", fault.reason()))
    }
}

/// The message at the front of a file, and its length with the number before it; none if it is not all there.
fn delimited(file: &[u8]) -> Outcome<Option<(&[u8], usize)>> {
    let mut bytes = wire::Bytes(file);
    match bytes.varint().and_then(|len| bytes.take(len)) {
        Ok(message) => Ok(Some((message, file.len() - bytes.0.len()))),
        Err(fault) if fault.is_cut_off() => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Files of messages.
#[derive(Debug)]
pub(crate) struct DecodeFile {
    messages: Decode,
    ignores_errors: bool,
}

impl DecodeFile {
    pub(crate) fn new(config: &Config, read: &SchemaRef) -> Result<Self, String> {
        Ok(Self {
            messages: decoder(config, read)?,
            ignores_errors: config.ignore_parse_errors,
        })
    }
}

impl Decoder for DecodeFile {
    fn begin_file(&mut self) {}

    fn has_lines(&self) -> bool {
        false
    }

    fn decode(&mut self, input: Input<'_>, max_rows: usize) -> Result<Taken, BadRecord> {
        let mut taken = Taken::default();
        while self.messages.rows.len() < max_rows && taken.bytes < input.stop.min(input.bytes.len()) {
            let bad = |len, reason: String| BadRecord {
                offset: taken.bytes,
                len,
                line: 0,
                reason,
            };
            let (message, len) = match delimited(&input.bytes[taken.bytes..]) {
                Ok(Some(found)) => found,
                Ok(None) if input.at_end => return Err(bad(None, "the file ends within a message".into())),
                Ok(None) => break,
                Err(fault) => return Err(bad(None, format!("the length of a message {}", fault.reason()))),
            };
            let read = &mut self.messages.record;
            match self.messages.rows.push(|columns| read.read(message, columns)) {
                Err(_) if self.ignores_errors => taken.skipped += 1,
                outcome => outcome.map_err(|reason| bad(Some(len), reason))?,
            }
            taken.bytes += len;
        }
        Ok(taken)
    }

    fn rows(&self) -> usize {
        self.messages.rows.len()
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        self.messages.rows.take()
    }
}

const CHECKED: &str = "the columns were checked when the table was defined";

/// Appends each row as a message.
pub(crate) fn write_messages(config: &Config, batch: &RecordBatch, out: &mut Messages) {
    let plan = plan::Message::new(&config.message, batch.schema_ref().fields()).expect(CHECKED);
    let rows = encode::Message::new(&plan, batch.columns(), &config.null_literal);
    for row in 0..batch.num_rows() {
        out.add(|bytes| rows.write(row, bytes));
    }
}

/// Appends each row as a message with its length before it.
pub(crate) fn write_delimited(config: &Config, batch: &RecordBatch, out: &mut Vec<u8>) {
    let plan = plan::Message::new(&config.message, batch.schema_ref().fields()).expect(CHECKED);
    let rows = encode::Message::new(&plan, batch.columns(), &config.null_literal);
    for row in 0..batch.num_rows() {
        encode::write_within(out, |bytes| rows.write(row, bytes));
    }
}

#[cfg(test)]
mod tests;
