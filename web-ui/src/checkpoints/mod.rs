//! The checkpoints of a job.
//!
//! - [`list`]: all of them, with what each took and cost.
//! - [`breakdown`]: one of them, task by task and subtask by subtask.

mod breakdown;
mod list;

pub(crate) use self::list::Checkpoints;
