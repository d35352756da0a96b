//! Windows of so many rows of a key, in the order in which they come.
//!
//! - `numbering`: how many rows each key has had, and the windows of the next one. Leans on nothing.
//! - `state`: the open windows and what they have added up to. Leans on `numbering` and `aggregate`.
//! - `table`: gives rows their windows. Leans on `numbering`.
//! - `aggregate`: aggregates windows, each when its last row has come. Leans on `state`.

mod aggregate;
mod numbering;
mod state;
mod table;
#[cfg(test)]
mod tests;

pub(super) use aggregate::CountWindowAggregate;
pub(super) use table::CountWindow;
