//! Where rows come from and go to: the traits of sources, lookups and sinks, the formats, and one folder per connector.
//!
//! Knows Arrow and nothing of SQL, of the engine or of the cluster. In reading order:
//!
//! - [`error`]: what connectors report, classified. Leans on nothing.
//! - [`options`]: declared options of connectors and formats; parsing and validation with suggestions. Leans on `error`.
//! - [`changelog`]: rows that add and rows that take back. Leans on nothing.
//! - [`origin`]: what a connector must know of columns: metadata, partitions, keys. Leans on nothing.
//! - [`table`]: a table as a connector sees it. Leans on `options`.
//! - [`secrets`]: values that tables name and do not show. Leans on `table`.
//! - [`dead_letter`]: records that could not be read. Leans on nothing.
//! - [`source`]: the source traits: splits, and reading them into batches. Leans on `table` and `dead_letter`.
//! - [`lookup`]: the lookup traits, and the caches above them. Leans on `source`.
//! - [`sink`]: the sink traits. Leans on `table`.
//! - [`registry`]: every connector by name. Leans on all of the above and on the connectors.
//! - [`sample`]: some rows of a table, to look at. Leans on `source`.
//! - [`infer`](mod@infer): what a table of something would be. Leans on `sample` and `registry`.
//! - [`describe`]: all connectors and formats, for people. Leans on `registry`.
//! - [`format`](mod@format): rows as text or bytes, from and to Arrow.
//! - `messages`: what connectors of messages share. Leans on `source` and `format`.
//! - `postgres`: what connectors to PostgreSQL share. Leans on nothing.
//! - [`filesystem`], [`http`], [`jdbc`], [`kafka`], [`mqtt`], [`nats`], [`datagen`], [`nexmark`], [`print`], [`redis`], [`blackhole`]: the connectors; [`values`]: rows that stand in a query.

pub mod changelog;
pub mod dead_letter;
pub mod describe;
pub mod error;
pub mod infer;
pub mod lookup;
pub mod options;
pub mod origin;
pub mod registry;
pub mod sample;
pub mod secrets;
pub mod sink;
pub mod source;
pub mod table;

pub mod blackhole;
pub mod datagen;
pub mod filesystem;
pub mod format;
pub mod http;
pub mod jdbc;
pub mod kafka;
mod messages;
pub mod mqtt;
pub mod nats;
pub mod nexmark;
pub(crate) mod postgres;
pub mod postgres_cdc;
pub mod print;
pub mod redis;
pub mod values;

pub use changelog::{ChangelogMode, RowKind};
pub use error::{ConnectorError, OptionError};
pub use lookup::{Found, Lookup, LookupContext, LookupFactory};
pub use registry::{Connector, Role, connector, connectors};
pub use secrets::Secrets;
pub use sink::{RowOutput, Sink, SinkContext, SinkFactory};
pub use source::{CompareOperator, Comparison, Source, SourceContext, SourceEvent, SourceFactory, Split};
pub use table::Table;
