//! The list of jobs, and the page of one job.
//!
//! - [`list`]: all jobs, with filters.
//! - [`page`]: one job: what follows it live, and its tabs.
//! - [`head`]: its name, where it stands, and what can be done with it.
//! - [`output`], [`events`], [`executions`], [`script`]: a tab each; the graph's tab is the `graph` module's.

mod events;
mod executions;
mod head;
mod list;
mod output;
mod page;
mod script;

pub(crate) use self::{list::JobsPage, page::JobPage};
use weir_model::api::Job;

/// How long a job ran, or has run: from its first execution to its end, or to now. None before it started.
fn duration_ms(job: &Job, now_ms: i64) -> Option<i64> {
    Some(job.ended_at_ms.unwrap_or(now_ms) - job.started_at_ms?)
}
