//! SQL text as an executable job graph: the only user of DataFusion's SQL layer.
//!
//! A script in Flink's dialect goes through these, in this order:
//!
//! - [`error`]: making a problem with its place of every error. Leans on nothing.
//! - [`encode`]: expressions, schemas and tables as bytes. Leans on `error`.
//! - [`parse`]: the text as statements, by a thin parser on sqlparser's tokens. Leans on `error`.
//! - [`settings`]: `SET`. Leans on `parse`.
//! - [`timing`]: the options of tables that say how event time comes. Leans on `settings`.
//! - `side_options`: the options of tables that say where rows go by the side. Leans on `parse`.
//! - [`catalog`]: the tables and views that a script defines. Leans on `parse` and `logical`.
//! - [`origins`]: columns that are not in the rows: metadata and partitions. Leans on `parse`.
//! - [`like`]: tables like others. Leans on `parse`.
//! - [`logical`]: a query as a logical plan of DataFusion's, with Flink's functions, types and windows. Leans on `catalog`.
//! - [`physical`]: logical plans as operators: each expression once, and only the columns that are read. Leans on `logical`.
//! - [`statements`]: statements in their order: definitions, and INSERTs as operators. Leans on `physical` and `like`.
//! - [`graph`]: operators as the graph that workers run: chains, ids, serialized expressions. Leans on `physical`.
//! - [`tables`](mod@tables): the tables of a script, without a job. Leans on `statements`.
//! - [`explain`]: the graph as text. Leans on `graph`.

mod catalog;
mod encode;
mod error;
mod explain;
mod graph;
mod like;
mod logical;
mod origins;
mod parse;
mod physical;
mod script;
mod settings;
mod side_options;
mod statements;
mod tables;
mod timing;

pub use physical::format::format_expr;
pub use script::{PlanOptions, Planned, plan};
pub use tables::{DefinedTable, tables};

/// The names of all functions that scripts may call, in uppercase.
pub fn function_names() -> Vec<String> {
    logical::functions::names()
}
