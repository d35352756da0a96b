//! The operator graph of a job, as `explain` prints it and the console draws it.

use serde::{Deserialize, Serialize};

use crate::{OperatorId, TaskId};

/// Operators and the edges between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Graph {
    /// In topological order: sources first.
    pub operators: Vec<Operator>,
    /// Who feeds whom.
    pub edges: Vec<Edge>,
}

/// One logical operator; it runs as `parallelism` subtasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Operator {
    /// Its id within this graph.
    pub id: OperatorId,
    /// Stable across versions of the query that keep its meaning: what a savepoint is matched by.
    pub uid: String,
    /// What kind it is.
    pub kind: OperatorKind,
    /// A short name for the graph: `Source: clicks`, `Calc`, `TUMBLE 5 min`.
    pub name: String,
    /// What exactly it does, in SQL's words.
    pub description: String,
    /// The task that runs it. Operators of one task are chained.
    pub task: TaskId,
    /// Parallel instances.
    pub parallelism: u32,
    /// Columns it emits.
    pub output: Vec<Column>,
}

/// What kind an operator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OperatorKind {
    /// Reads a table.
    Source,
    /// Filters and projects.
    Calc,
    /// Aggregates within a window before the shuffle.
    LocalWindowAggregate,
    /// Aggregates within a window, keyed.
    WindowAggregate,
    /// Aggregates within sessions, keyed.
    SessionAggregate,
    /// Gives rows the sessions that they belong to, keyed.
    SessionTable,
    /// Stamps rows with the time at which they pass.
    ProcessingTime,
    /// Gives rows the windows that they belong to.
    WindowTable,
    /// Gives rows the windows of so many rows that they belong to, keyed.
    CountWindow,
    /// Aggregates within windows of so many rows, keyed.
    CountWindowAggregate,
    /// Aggregates each batch before the shuffle.
    LocalGroupAggregate,
    /// Aggregates by key, without windows.
    GroupAggregate,
    /// Joins two inputs.
    Join,
    /// Joins rows with the version of a table that is valid at their time.
    TemporalJoin,
    /// Joins rows with what a table outside has for them.
    LookupJoin,
    /// Passes on the rows of several inputs.
    Union,
    /// Multiplies rows by what is in them.
    Unnest,
    /// Keeps the first rows of each key: Top-N, deduplication, LIMIT.
    Rank,
    /// Puts rows in the order of their event time.
    Sort,
    /// Finds patterns in the rows of each key.
    MatchRecognize,
    /// Computes functions of the rows before each row.
    OverAggregate,
    /// Writes a table.
    Sink,
}

/// A column with its SQL type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type as Flink SQL spells it: `BIGINT`, `TIMESTAMP(3)`.
    #[serde(rename = "type")]
    pub sql_type: String,
}

/// A stream from one operator to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Edge {
    /// The upstream operator.
    pub from: OperatorId,
    /// The downstream operator.
    pub to: OperatorId,
    /// How rows are spread over the downstream subtasks.
    pub partitioning: Partitioning,
    /// Whether its rows are those that the upstream operator drops as late, and not those that it emits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// Whether its rows are the records that the upstream source could not read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dead_letters: bool,
}

/// How rows are spread over the downstream subtasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Partitioning {
    /// Subtask i to subtask i.
    Forward,
    /// Whole batches in turn.
    Rebalance,
    /// By the key group of these columns.
    Hash {
        /// Names of the key columns; none means that every row goes to one subtask.
        keys: Vec<String>,
    },
}
