//! Joins of two inputs whose rows are kept: for as long as the job runs, or as partners may come.
//!
//! - `told`: what the last snapshot knows of a side's rows. Leans on nothing.
//! - `rows_back`: finds rows that are taken back. Leans on nothing.
//! - `side`: the rows of one input by key. Leans on `told` and `rows_back`.
//! - `state`: both sides over one table of keys. Leans on `side` and `keys`.
//! - `output`: pairs of rows as the join's columns. Leans on `side`.
//! - `regular`: joins whose rows stay. Leans on all of the above.
//! - `condition`: what pairs must meet besides equal keys. Leans on `regular`.
//! - `matched`: what a match, or the lack of one, does to the result. Leans on `regular`.
//! - `expiry`: when rows go. Leans on nothing.
//! - `timed`: joins of rows that meet within a time. Leans on all of the above.

mod condition;
mod expiry;
mod matched;
mod output;
mod regular;
mod rows_back;
mod side;
mod state;
#[cfg(test)]
mod tests;
mod timed;
mod told;

pub(super) use regular::Join;
pub(super) use timed::TimedJoin;
