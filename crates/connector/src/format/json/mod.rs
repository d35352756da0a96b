//! JSON lines: an object per line, its fields matched to columns by name.
//!
//! - `scan`: JSON tokens out of bytes. Leans on nothing.
//! - `decode`: lines into typed columns; fields that nobody reads are stepped over. Leans on `scan`.
//! - `encode`: batches into lines.
//!
//! A field that is absent is null, unless `json.fail-on-missing-field`. With `json.ignore-parse-errors`, as in Flink, a
//! line that is not a JSON object is skipped (and counted), and a value that does not fit its column becomes null; a line
//! whose value for a NOT NULL column does not fit is skipped too. Unlike Flink, a number with a fraction does not
//! silently become an integer, and text after the object makes the line bad.

mod decode;
mod encode;
pub(super) mod scan;

pub(crate) use decode::Decode;
pub use encode::{write_lines, write_lines_in};

use super::TimestampStyle;
use crate::{
    OptionError,
    options::{Checked, OptionDef, OptionKind, invalid},
};

const IGNORE_PARSE_ERRORS: &str = "json.ignore-parse-errors";
const FAIL_ON_MISSING_FIELD: &str = "json.fail-on-missing-field";
const TIMESTAMP_FORMAT: &str = "json.timestamp-format.standard";

/// The options of the format.
pub const OPTIONS: &[OptionDef] = &[
    OptionDef {
        key: IGNORE_PARSE_ERRORS,
        kind: OptionKind::Bool,
        required: false,
        default: Some("false"),
        doc: "skip and count lines that are not JSON objects, and read values that do not fit as null, instead of failing",
    },
    OptionDef {
        key: FAIL_ON_MISSING_FIELD,
        kind: OptionKind::Bool,
        required: false,
        default: Some("false"),
        doc: "fail when a field is absent, instead of reading null",
    },
    OptionDef {
        key: TIMESTAMP_FORMAT,
        kind: OptionKind::OneOf(&["SQL", "ISO-8601"]),
        required: false,
        default: Some("SQL"),
        doc: "how timestamps are written: `2024-01-01 10:00:00.000` or `2024-01-01T10:00:00.000`; both are read",
    },
];

/// The format's options, checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Skip bad lines, and null for bad values.
    pub ignore_parse_errors: bool,
    /// An absent field is an error.
    pub fail_on_missing_field: bool,
    /// How timestamps are written.
    pub timestamps: TimestampStyle,
}

impl Config {
    pub(crate) fn new(options: &Checked<'_>) -> Result<Self, OptionError> {
        let config = Self {
            ignore_parse_errors: options.flag(IGNORE_PARSE_ERRORS),
            fail_on_missing_field: options.flag(FAIL_ON_MISSING_FIELD),
            timestamps: match options.word(TIMESTAMP_FORMAT) {
                Some("ISO-8601") => TimestampStyle::Iso8601,
                _ => TimestampStyle::Sql,
            },
        };
        if config.ignore_parse_errors && config.fail_on_missing_field {
            return Err(invalid(
                FAIL_ON_MISSING_FIELD,
                format!("contradicts '{IGNORE_PARSE_ERRORS}': only one of them can be true"),
            ));
        }
        Ok(config)
    }
}
