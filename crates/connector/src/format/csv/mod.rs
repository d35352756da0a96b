//! Comma-separated values (RFC 4180), fields matched to the table's columns by their order.
//!
//! - `decode`: records into typed columns; columns that nobody reads are not parsed. Leans on `split`.
//! - `split`: a record into its fields. Leans on nothing.
//! - `encode`: batches into records.
//!
//! Columns are scalars. An empty field without quotes is an empty STRING, and null for a column of any other type. With
//! `csv.ignore-parse-errors`, as in Flink, a value that does not fit its column becomes null, fields that lack are null
//! and surplus ones are ignored; a record that cannot be told into fields, or whose value for a NOT NULL column does not
//! fit, is skipped (and counted).

mod decode;
mod encode;
mod split;

use arrow_schema::SchemaRef;

use super::{column::columns, sql_type};
use crate::{
    OptionError,
    options::{Checked, OptionDef, OptionKind, invalid},
};

pub(crate) use decode::Decode;
pub use encode::{Records, write_header, write_records};

const FIELD_DELIMITER: &str = "csv.field-delimiter";
const QUOTE_CHARACTER: &str = "csv.quote-character";
const IGNORE_PARSE_ERRORS: &str = "csv.ignore-parse-errors";
const ALLOW_COMMENTS: &str = "csv.allow-comments";
const NULL_LITERAL: &str = "csv.null-literal";
const HEADER: &str = "csv.header";

/// The options of the format.
pub const OPTIONS: &[OptionDef] = &[
    OptionDef {
        key: FIELD_DELIMITER,
        kind: OptionKind::Text,
        required: false,
        default: Some(","),
        doc: "the character between fields, `\\t` for a tab",
    },
    OptionDef {
        key: QUOTE_CHARACTER,
        kind: OptionKind::Text,
        required: false,
        default: Some("\""),
        doc: "the character around fields that hold delimiters or line ends; within them it is doubled",
    },
    OptionDef {
        key: IGNORE_PARSE_ERRORS,
        kind: OptionKind::Bool,
        required: false,
        default: Some("false"),
        doc: "skip and count records that cannot be read, and read values that do not fit as null, instead of failing",
    },
    OptionDef {
        key: ALLOW_COMMENTS,
        kind: OptionKind::Bool,
        required: false,
        default: Some("false"),
        doc: "ignore lines that begin with `#`",
    },
    OptionDef {
        key: NULL_LITERAL,
        kind: OptionKind::Text,
        required: false,
        default: None,
        doc: "what stands for null where it is not quoted",
    },
    OptionDef {
        key: HEADER,
        kind: OptionKind::Bool,
        required: false,
        default: Some("false"),
        doc: "each file begins with a record of column names: ignored when reading, written when writing",
    },
];

/// The format's options, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Between fields.
    pub delimiter: u8,
    /// Around fields.
    pub quote: u8,
    /// Null for bad values, and skip what is worse.
    pub ignore_parse_errors: bool,
    /// Lines that begin with `#` are none.
    pub allow_comments: bool,
    /// Stands for null.
    pub null_literal: Option<String>,
    /// Files begin with names.
    pub header: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: b'"',
            ignore_parse_errors: false,
            allow_comments: false,
            null_literal: None,
            header: false,
        }
    }
}

impl Config {
    pub(crate) fn new(options: &Checked<'_>) -> Result<Self, OptionError> {
        let config = Self {
            delimiter: character(options, FIELD_DELIMITER, b',')?,
            quote: character(options, QUOTE_CHARACTER, b'"')?,
            ignore_parse_errors: options.flag(IGNORE_PARSE_ERRORS),
            allow_comments: options.flag(ALLOW_COMMENTS),
            null_literal: options.text(NULL_LITERAL).map(str::to_owned),
            header: options.flag(HEADER),
        };
        if config.delimiter == config.quote {
            return Err(invalid(
                QUOTE_CHARACTER,
                format!("is the same as '{FIELD_DELIMITER}'"),
            ));
        }
        Ok(config)
    }
}

/// The fields of each record of a text, as far as it is of whole records.
pub(crate) fn split_fields(text: &[u8], delimiter: u8, quote: u8) -> Vec<Vec<String>> {
    let (mut rows, mut fields, mut rest) = (Vec::new(), Vec::new(), text);
    while !rest.is_empty() {
        let split::Found::Record { len } = split::split_record(rest, true, delimiter, quote, &mut fields)
        else {
            break;
        };
        let doubled = String::from_utf8(vec![quote, quote]).unwrap_or_default();
        let field = |field: &split::FieldSpan| {
            let text = String::from_utf8_lossy(&rest[field.start..field.end]).into_owned();
            if field.doubled {
                text.replace(&doubled, &doubled[1..])
            } else {
                text
            }
        };
        rows.push(fields.iter().map(field).collect());
        rest = &rest[len..];
    }
    rows
}

fn character(options: &Checked<'_>, key: &str, default: u8) -> Result<u8, OptionError> {
    match options.text(key) {
        None => Ok(default),
        Some("\\t") => Ok(b'\t'),
        Some(text) => match text.as_bytes() {
            &[byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(byte),
            _ => Err(invalid(
                key,
                format!("'{text}' is not a single ASCII character other than a line end"),
            )),
        },
    }
}

/// Refuses columns of types that a field cannot hold.
pub(crate) fn check_columns(schema: &SchemaRef) -> Result<(), String> {
    for field in schema.fields() {
        if field.data_type().is_nested() {
            return Err(format!(
                "column '{}' is {}, but CSV has room for single values only: use 'format' = 'json'",
                field.name(),
                sql_type(field.data_type())
            ));
        }
    }
    columns(schema.fields()).map(drop)
}
