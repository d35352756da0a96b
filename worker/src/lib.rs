//! The engine: runs the subtasks of job graphs. Sees expressions and schemas, never SQL.
//!
//! In reading order:
//!
//! - [`expression`]: physical expressions, decoded and evaluated over batches. Leans on nothing.
//! - [`operator`]: the operators: synchronous callbacks over batches and watermarks. Leans on `expression`.
//! - [`state`]: the state of operators as rows. Leans on nothing.
//! - [`runtime`]: feeds the operators of subtasks from channels and sources. Leans on `operator` and `exchange`.
//! - [`exchange`]: rows between subtasks, within a process and between workers. Leans on `runtime`'s channels.
//! - [`local`]: a job in one process. Leans on `runtime`.
//! - [`session`]: this worker's side of its session with the control plane. Leans on `runtime`.
//! - [`process`]: the worker process. Leans on `session` and `exchange`.

pub mod exchange;
pub mod expression;
pub mod local;
pub mod operator;
pub mod process;
pub mod runtime;
pub mod session;
pub mod state;

#[cfg(test)]
mod tests;

pub use process::{Config, Handle, StartError, start};
