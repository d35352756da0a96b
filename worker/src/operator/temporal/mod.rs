//! Joins with the version of a key that is valid at a row's time.
//!
//! - `waiting`: rows that wait for their time. Leans on nothing.
//! - `versions`: versions by key and time. Leans on `keys` and `rank`.
//! - `state`: both as rows of tables. Leans on both.
//! - `join`: the operator. Leans on `state`.

mod join;
mod state;
mod versions;
mod waiting;

pub(super) use join::TemporalJoin;

#[cfg(test)]
mod tests;
