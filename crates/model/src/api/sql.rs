//! Bodies about SQL text.

use serde::{Deserialize, Serialize};

use crate::{Problem, graph::Graph};

/// SQL to check or to plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// A script: DDL, `SET`, `INSERT INTO` or a statement set.
    pub sql: String,
    /// Subtasks per operator. Default: the script's `parallelism.default` setting, else 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
}

/// Whether the SQL could be a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ValidateResponse {
    /// Nothing is wrong.
    pub valid: bool,
    /// What is wrong, with its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The plan of a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExplainResponse {
    /// The operators and edges.
    pub graph: Graph,
    /// The same as indented text, sinks first.
    pub text: String,
}

/// SQL to start from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Example {
    /// A stable name: `visitors-per-country`.
    pub name: String,
    /// A title for people.
    pub title: String,
    /// What it shows, in a sentence.
    pub description: String,
    /// The script.
    pub sql: String,
}

/// All examples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExampleList {
    /// In the order to show them.
    pub examples: Vec<Example>,
}
