//! Joins with the version of a key that is valid at a row's time.
//!
//! - `state`: rows that wait for their time, and versions by key. Leans on `keys` and `rank`.
//! - `join`: the operator. Leans on `state`.

mod join;
mod state;

pub(super) use join::TemporalJoin;

#[cfg(test)]
mod tests;
