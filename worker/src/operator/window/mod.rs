//! Event-time windows, aggregated by pane in two phases.
//!
//! - `grid`: rows to panes. Leans on nothing.
//! - `windows`: which windows a pane belongs to. Leans on `grid`.
//! - `pane`: the state: panes of groups. Leans on `keys` and `aggregate`.
//! - `snapshot`: panes as rows of a table. Leans on `pane`.
//! - `partial`: what travels between the phases: the columns of partial rows. Leans on nothing.
//! - `input`: partial or raw rows into panes. Leans on `pane` and `partial`.
//! - `emit`: groups of windows as rows. Leans on `pane` and `partial`.
//! - `hop`, `cumulate`: windows of several panes. Lean on `emit`.
//! - `local`: the phase before the shuffle. Leans on all of the above.
//! - `global`: the phase after it. Leans on all of the above.
//! - `slots`: accumulators of groups that come and go one by one. Leans on `keys` and `aggregate`.
//! - `sessions`: the sessions of keys. Leans on `slots`.
//! - `session`: aggregation by sessions. Leans on both.
//! - `session_table`: rows with their sessions, not aggregated. Leans on `sessions`.
//! - `updating`: windows whose results come early and change. Leans on `windows`, `input` and a group's state.
//! - `table`: rows with their windows, not aggregated. Leans on `windows`.

mod cumulate;
mod emit;
mod global;
mod grid;
mod hop;
mod input;
pub(super) mod local;
pub(super) mod pane;
pub(super) mod partial;
mod session;
mod session_table;
mod sessions;
mod slots;
mod snapshot;
mod table;
mod updating;
mod windows;

pub(super) use global::WindowAggregate;
pub(super) use local::LocalWindowAggregate;
pub(super) use session::SessionAggregate;
pub(super) use session_table::SessionTable;
pub(super) use table::WindowTable;
pub(super) use updating::UpdatingWindowAggregate;

/// Rows of an emitted batch at most.
const EMIT_ROWS: usize = 8192;

#[cfg(test)]
mod tests;
