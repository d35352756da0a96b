//! Joins of two inputs whose rows are kept: for as long as the job runs, or as partners may come.
//!
//! - `side`: the rows of one input by key. Leans on nothing.
//! - `state`: both sides over one table of keys. Leans on `side` and `keys`.
//! - `output`: pairs of rows as the join's columns. Leans on `side`.
//! - `regular`: joins whose rows stay. Leans on all of the above.
//! - `surroundings`: conditions that read what the runtime says. Leans on `regular`.
//! - `expiry`: when rows go. Leans on nothing.
//! - `timed`: joins of rows that meet within a time. Leans on all of the above.

mod expiry;
mod output;
mod regular;
mod side;
mod state;
mod surroundings;
#[cfg(test)]
mod tests;
mod timed;

pub(super) use regular::Join;
pub(super) use timed::TimedJoin;
