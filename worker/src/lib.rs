//! The engine: runs the subtasks of job graphs. Sees expressions and schemas, never SQL.
//!
//! In reading order:
//!
//! - [`expression`]: physical expressions, decoded and evaluated over batches. Leans on nothing.
//! - [`operator`]: the operators: synchronous callbacks over batches and watermarks. Leans on `expression`.

pub mod expression;
pub mod operator;
