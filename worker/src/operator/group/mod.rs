//! Aggregation without windows: results that change as rows come, as a changelog.
//!
//! - `state`: the groups and what they have added up to. Leans on `keys` and `aggregate`.
//! - `changes`: results before and after a batch as changes. Leans on nothing.
//! - `voided`: changes of groups some of whose rows have been forgotten. Leans on nothing.
//! - `local`: the phase before the shuffle. Leans on `window`'s panes and partial rows.
//! - `global`: the phase after it. Leans on all of the above.

pub(super) mod changes;
mod global;
mod local;
pub(super) mod state;
#[cfg(test)]
mod tests;
mod voided;

pub(super) use global::GroupAggregate;
pub(super) use local::LocalGroupAggregate;
