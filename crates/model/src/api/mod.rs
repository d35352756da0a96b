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
//! | POST `/jobs/{id}/stop` | [`StopJob`] | 202, [`Job`] |
//! | POST `/jobs/{id}/resume` | | 202, [`Job`] |
//! | POST `/jobs/{id}/rescale` | [`RescaleJob`] | 202, [`Job`] |
//! | GET `/jobs/{id}/rescales` | | [`RescaleList`] |
//! | GET `/jobs/{id}/checkpoints` | | [`CheckpointList`] |
//! | GET `/jobs/{id}/checkpoints/{number}` | | [`CheckpointDetail`] |
//! | GET `/jobs/{id}/exceptions` | | [`ExceptionList`] |
//! | POST `/jobs/{id}/savepoints` | [`CreateSavepoint`] | 202, [`Savepoint`] |
//! | GET `/jobs/{id}/savepoints` | | [`SavepointList`] |
//! | DELETE `/jobs/{id}` | | 204; only in a terminal phase |
//! | GET `/jobs/{id}/graph` | | [`Graph`](crate::graph::Graph) |
//! | GET `/jobs/{id}/events` | | [`EventList`] |
//! | GET `/jobs/{id}/executions` | | [`ExecutionList`] |
//! | GET `/jobs/{id}/output` | | [`Output`]: the last rows of the job's `print` sinks |
//! | GET `/jobs/{id}/metrics` | | [`JobMetrics`](crate::metrics::JobMetrics) |
//! | GET `/jobs/{id}/stream` | | server-sent events, each a [`LiveUpdate`] as JSON, about one a second |
//! | GET `/savepoints` | | [`SavepointList`] |
//! | POST `/savepoints/import` | [`ImportSavepoint`] | 201, [`Savepoint`] |
//! | GET `/savepoints/{id}` | | [`Savepoint`] |
//! | PATCH `/savepoints/{id}` | [`UpdateSavepoint`] | [`Savepoint`] |
//! | DELETE `/savepoints/{id}` | | 204; only when no job needs it |
//! | POST `/savepoints/{id}/verify` | | [`Verification`]: every byte read |
//! | POST `/savepoints/{id}/export` | [`ExportSavepoint`] | [`Exported`] |
//! | POST `/savepoints/{id}/compatibility` | [`CompatibilityRequest`] | [`Compatibility`] |
//! | GET `/garbage` | | [`GarbageList`]: what in the state folder may be deleted |
//! | DELETE `/garbage` | | [`GarbageList`]: what was deleted |
//! | GET `/connectors` | | [`ConnectorList`] |
//! | POST `/connections/test` | [`TestConnections`] | [`ConnectionTests`] (200 also when a connection is not there) |
//! | POST `/connections/infer` | [`InferTable`] | [`InferredTable`] |
//! | GET `/secrets` | | [`SecretList`] |
//! | PUT `/secrets/{name}` | [`PutSecret`] | 201 or 204 |
//! | DELETE `/secrets/{name}` | | 204; only when no job that has not ended names it |
//! | GET `/workers` | | [`WorkerList`] |
//! | GET `/examples` | | [`ExampleList`]: SQL to load in the editor |
//! | GET `/info` | | [`Info`] |
//!
//! Every error is a [`Problem`](crate::Problem). Times are milliseconds since 1970 in UTC.

mod checkpoint;
mod connector;
mod job;
mod savepoint;
mod secret;
mod sql;
mod worker;

pub use checkpoint::*;
pub use connector::*;
pub use job::*;
pub use savepoint::*;
pub use secret::*;
pub use sql::*;
pub use worker::*;
