//! Vectorised accumulators: one value per group in plain vectors, updated a batch at a time.
//!
//! Both phases of an aggregation use the same accumulators: the local one `update`s with raw values and emits `partial`
//! columns, the global one `merge`s those and emits `finish`ed columns. Emitting leaves the state as it is.
//!
//! - `values`: values per group and which groups have any. Leans on nothing.
//! - `count`, `sum`, `extreme` (MIN and MAX of numbers), `extreme_bytes` (of strings), `average`: one kind each. Lean on `values`.
//! - `shape`: which accumulator an aggregate of the job graph needs, and rows as partial rows. Leans on all of the above.

mod average;
mod count;
mod extreme;
mod extreme_bytes;
mod shape;
mod sum;
mod values;

use std::{fmt::Debug, ops::Range};

use arrow_array::ArrayRef;
use weir_model::Failure;

pub(super) use count::Count;
pub(super) use shape::{Shape, Shapes, ones};

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

    /// Forgets all groups and keeps the memory.
    fn clear(&mut self);
}

#[cfg(test)]
mod tests;
