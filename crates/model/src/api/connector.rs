//! Bodies about connectors and connections.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Problem;

/// All connectors and formats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectorList {
    /// By name.
    pub connectors: Vec<ConnectorInfo>,
    /// By name.
    pub formats: Vec<FormatInfo>,
}

/// A kind of external system: what `'connector' = '...'` can name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectorInfo {
    /// Its name: `kafka`.
    pub name: String,
    /// What it is for, in a sentence.
    pub summary: String,
    /// Whether its tables can be read.
    pub reads: bool,
    /// Whether its tables can be written.
    pub writes: bool,
    /// Whether rows can be looked up in its tables by key.
    pub looks_up: bool,
    /// Whether its tables have a format.
    pub has_format: bool,
    /// What its tables may say, without the options of formats.
    pub options: Vec<OptionInfo>,
    /// What it says of each row beside what is in it: `METADATA FROM '...'`.
    pub metadata: Vec<MetadataInfo>,
}

/// How rows are written: what `'format' = '...'` can name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FormatInfo {
    /// Its name: `json`.
    pub name: String,
    /// What it is, in a sentence.
    pub summary: String,
    /// Whether its rows are changes of a table.
    pub has_changes: bool,
    /// What tables may say of it.
    pub options: Vec<OptionInfo>,
}

/// An option of a connector or a format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OptionInfo {
    /// Its key. One that ends in `.*` stands for all keys with that prefix; `#` stands for a part of a key.
    pub key: String,
    /// What its value is.
    #[serde(rename = "type")]
    pub kind: OptionType,
    /// The words that it may be; of other types none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Whether a table must give it.
    pub required: bool,
    /// What holds when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What it says, in a sentence with its unit.
    pub doc: String,
}

/// What an option's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OptionType {
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A duration: `500 ms`, `5 s`, `1 min`.
    Duration,
    /// A size in bytes: `128MB`, `64 kb`; a unit is 1024 times the one before.
    MemorySize,
    /// One of the words in `values`.
    OneOf,
}

impl OptionType {
    /// As it is called in documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Integer => "whole number",
            Self::Number => "number",
            Self::Duration => "duration",
            Self::MemorySize => "size",
            Self::OneOf => "word",
        }
    }
}

/// A metadata column that a connector offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MetadataInfo {
    /// Its key in `METADATA FROM '...'`.
    pub key: String,
    /// Its type in SQL.
    pub data_type: String,
    /// Whether it can be written too.
    pub writable: bool,
    /// What it says.
    pub doc: String,
}

/// Tables whose connections are to be tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TestConnections {
    /// `CREATE TABLE` statements; what else is in the script is not run.
    pub sql: String,
    /// How many rows to read of each table that can be read, at most 100; 0: none. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rows: Option<u32>,
}

/// What came of testing connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectionTests {
    /// In the order of the script.
    pub tables: Vec<TableTest>,
}

/// What came of testing a table's connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TableTest {
    /// The table.
    pub table: String,
    /// Its connector.
    pub connector: String,
    /// Whether it can be read now; none: its connector does not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<RoleTest>,
    /// Whether it can be written now; none: its connector does not write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<RoleTest>,
    /// Whether rows can be looked up in it now; none: its connector does not look up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_up: Option<RoleTest>,
    /// Rows that were read, as JSON objects; fewer than asked for if no more came within 5 s.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<serde_json::Value>,
}

/// What a table is to be made of, whose columns are to be found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InferTable {
    /// Its connector.
    pub connector: String,
    /// Its options, as in `WITH`. Without a `format`, that is found out too.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Its name. Default: `t`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// How many records to look at, at most 10000. Default: 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u32>,
}

/// What a table would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InferredTable {
    /// `CREATE TABLE`, which can be run as it is.
    pub sql: String,
    /// How many records were looked at; 0: they have a schema, and the columns are those of it.
    pub records: u64,
}

/// Whether something can be done with a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoleTest {
    /// It can.
    pub ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}
