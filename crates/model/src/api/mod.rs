//! Request and response bodies of the REST API under `/api/v1`.
//!
//! | Method and path | Body | Answer |
//! |---|---|---|
//! | POST `/sql/validate` | [`ExplainRequest`] | [`ValidateResponse`] (200 also when the SQL is wrong) |
//! | POST `/sql/explain` | [`ExplainRequest`] | [`ExplainResponse`] |
//! | POST `/jobs` | [`CreateJob`] | 201, [`Job`] |
//! | GET `/jobs` | | [`JobList`] |
//! | GET `/jobs/{id}` | | [`Job`] |
//! | POST `/jobs/{id}/cancel` | | 202, [`Job`] |
//! | DELETE `/jobs/{id}` | | 204; only in a terminal phase |
//! | GET `/jobs/{id}/graph` | | [`Graph`](crate::graph::Graph) |
//! | GET `/jobs/{id}/events` | | [`EventList`] |
//! | GET `/jobs/{id}/executions` | | [`ExecutionList`] |
//! | GET `/jobs/{id}/output` | | [`Output`]: the last rows of the job's `print` sinks |
//! | GET `/jobs/{id}/metrics` | | [`JobMetrics`](crate::metrics::JobMetrics) |
//! | GET `/jobs/{id}/stream` | | server-sent events, each a [`LiveUpdate`] as JSON, about one a second |
//! | GET `/workers` | | [`WorkerList`] |
//! | GET `/examples` | | [`ExampleList`]: SQL to load in the editor |
//! | GET `/info` | | [`Info`] |
//!
//! Every error is a [`Problem`](crate::Problem). Times are milliseconds since 1970 in UTC.

mod job;
mod sql;
mod worker;

pub use job::*;
pub use sql::*;
pub use worker::*;
