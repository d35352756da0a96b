//! The list of jobs, and the page of one job.
//!
//! - [`list`]: all jobs, with filters.
//! - [`page`]: one job and its tabs.
//! - [`head`]: its name and where it stands.
//! - [`actions`], [`stop`]: what can be done with it.
//! - [`output`], [`rescale`], [`exceptions`], [`events`], [`executions`], [`script`]: a tab each; others are the `graph`,
//!   `checkpoints` and `savepoints` modules'.

mod actions;
mod events;
mod exceptions;
mod executions;
mod head;
mod list;
mod output;
mod page;
mod rescale;
mod script;
mod stop;

pub(crate) use self::{list::JobsPage, page::JobPage};
use weir_model::api::Job;

/// How long a job ran, or has run: from its first execution to its end, or to now. None before it started.
fn duration_ms(job: &Job, now_ms: i64) -> Option<i64> {
    Some(job.ended_at_ms.unwrap_or(now_ms) - job.started_at_ms?)
}
