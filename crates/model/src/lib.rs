//! The words of Weir: ids, job phases, the job graph as people see it, REST bodies and error codes.
//!
//! Plain data with no I/O, so that the console (WebAssembly), the command line, the control plane and the workers
//! speak the same types. In reading order:
//!
//! - [`id`]: newtypes for everything that has an identity. Leans on nothing.
//! - [`time`]: event time and durations in milliseconds. Leans on nothing.
//! - [`failure`]: every failure classified once, as the control plane acts on it. Leans on `id`.
//! - [`problem`]: REST errors (`application/problem+json`) and their stable codes. Leans on `failure`.
//! - [`graph`]: the operator graph that the console draws. Leans on `id`.
//! - [`phase`]: the life cycle of a job. Leans on nothing.
//! - [`metrics`]: live numbers per operator and subtask. Leans on `id`.
//! - [`api`]: request and response bodies of `/api/v1`. Leans on all of the above.

pub mod api;
pub mod failure;
pub mod graph;
pub mod id;
pub mod metrics;
pub mod phase;
pub mod problem;
pub mod time;

pub use failure::{Failure, FailureClass};
pub use id::{Attempt, Generation, JobId, OperatorId, SavepointId, SubtaskIndex, TaskId, WorkerId};
pub use phase::Phase;
pub use problem::{ErrorCode, Location, Problem};
pub use time::EventTime;

/// Key groups per job unless a job says otherwise: the unit in which keyed state is spread and moved.
///
/// A savepoint depends on it, so it is fixed for a job's life.
pub const DEFAULT_MAX_PARALLELISM: u32 = 1024;
