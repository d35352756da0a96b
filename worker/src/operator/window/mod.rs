//! Event-time tumbling windows, aggregated by pane in two phases.
//!
//! - `tumble`: rows to panes. Leans on nothing.
//! - `pane`: the state: panes of groups. Leans on `keys` and `aggregate`.
//! - `partial`: what travels between the phases: the columns of partial rows. Leans on nothing.
//! - `local`: the phase before the shuffle. Leans on all of the above.
//! - `global`: the phase after it. Leans on all of the above.

mod global;
mod local;
mod pane;
mod partial;
mod tumble;

pub(super) use global::WindowAggregate;
pub(super) use local::LocalWindowAggregate;

/// Rows of an emitted batch at most.
const EMIT_ROWS: usize = 8192;

#[cfg(test)]
mod tests;
