//! Joins of two inputs whose rows are kept for as long as the job runs.
//!
//! - `side`: the rows of one input by key. Leans on nothing.
//! - `state`: both sides over one table of keys. Leans on `side` and `keys`.
//! - `output`: pairs of rows as the join's columns. Leans on `side`.
//! - `regular`: the operator. Leans on all of the above.

mod output;
mod regular;
mod side;
mod state;

pub(super) use regular::Join;
