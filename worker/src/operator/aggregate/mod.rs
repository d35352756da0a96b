//! Vectorised accumulators: one value per group in plain vectors, updated a batch at a time.
//!
//! Both phases of an aggregation use the same accumulators: the local one `update`s with raw values and emits `partial`
//! columns, the global one `merge`s those and emits `finish`ed columns. Emitting leaves the state as it is.
//!
//! - `values`: values per group and which groups have any. Leans on nothing.
//! - `count`, `sum`, `extreme` (MIN and MAX of numbers), `extreme_bytes` (of strings), `average`: one kind each. Lean on `values`.
//! - `moments`: variances and standard deviations. Leans on nothing.
//! - `arena`: values of any type by number. Leans on nothing.
//! - `kept`: the values of each group in their order. Leans on `arena`.
//! - `counted`: the values of each group and how often each is there. Leans on `arena`.
//! - `pick` (FIRST_VALUE and LAST_VALUE), `list` (what puts values together): one kind each. Lean on `kept`.
//! - `collect`: COLLECT. Leans on `counted`.
//! - `retract`: the kinds that need more to take rows back. Leans on `sum` and `counted`.
//! - `user`: aggregates of WebAssembly modules. Leans on `arena`.
//! - `percentile`: a form of lists. Leans on `list`.
//! - `distinct`: each value once, for another accumulator. Leans on `counted`.
//! - `make`: which accumulator a function and a type need. Leans on all kinds.
//! - `shape`: an aggregate of the job graph with its types, and rows as partial rows. Leans on all of the above.
//! - `accumulators`: those of all aggregates of an operator. Leans on `shape`.

mod accumulators;
mod arena;
mod average;
mod collect;
mod count;
mod counted;
mod distinct;
mod extreme;
mod extreme_bytes;
mod kept;
mod list;
mod make;
mod moments;
mod percentile;
mod pick;
mod retract;
mod shape;
mod sum;
mod user;
mod values;

use std::{fmt::Debug, ops::Range};

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use weir_model::Failure;

pub(super) use accumulators::{Accumulators, parts};
pub(super) use average::Divide;
pub(super) use count::Count;
pub(super) use counted::Counted;
pub(super) use shape::{Shape, Shapes, ones, partial_columns, sum_of_average};
pub(super) use sum::{Addend, as_addends, null_overflow};

use super::keys::Groups;

/// The state of one aggregate for all groups of a pane.
pub(super) trait Accumulator: Debug + Send {
    /// Takes the raw values of rows; `None` only for COUNT(*).
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure>;

    /// Takes partial columns, as `partial` makes them.
    fn merge(&mut self, groups: Groups<'_>, partial: &[ArrayRef]) -> Result<(), Failure>;

    /// The partial columns of some groups.
    fn partial(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure>;

    /// The result column of some groups.
    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure>;

    /// The result column of any groups.
    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure>;

    /// Takes back the raw values of rows that were taken before. Only accumulators of a retracting [`Shape`] can.
    fn retract(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        let _ = (groups, column);
        Err(Failure::internal(
            "an aggregate was made without the means to take rows back",
        ))
    }

    /// The types of the columns that its state is kept in.
    fn state_types(&self) -> Vec<DataType>;

    /// The state of any groups, a row each: all that later calls depend on. Leaves it as it is.
    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure>;

    /// Takes the state of groups which had none, as `state_of` gave it. Most take it like partial columns.
    fn restore(&mut self, groups: Groups<'_>, state: &[ArrayRef]) -> Result<(), Failure> {
        self.merge(groups, state)
    }

    /// Keeps only these groups, which are numbered in this order from now on.
    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure>;

    /// Forgets all groups and keeps the memory.
    fn clear(&mut self);
}

#[cfg(test)]
mod state_tests;
#[cfg(test)]
mod tests;
