//! The first rows of each key in an order: Top-N, deduplication, LIMIT.
//!
//! A batch is folded: each key that it touches gives the difference between its first rows before and after the batch.
//!
//! - `order`: sort keys that compare as the ORDER BY says. Leans on nothing.
//! - `rows`: the state's rows, as columns. Leans on nothing.
//! - `top`: the first rows of each key when rows are only appended. Leans on `order` and `rows`.
//! - `sorted`: all rows of each key, for when rows are taken back. Leans on `order` and `rows`.
//! - `changes`: what a batch changed in the first rows, as rows. Leans on `rows`.
//! - `snapshot`: what a snapshot says of the rows. Leans on `rows`.
//! - `changelog`: the operator that emits changes at once. Leans on all of the above.
//! - `window`: the operator that emits the first rows of each window once it is complete. Leans on `order`, `rows` and `top`.

pub(in crate::operator) mod changelog;
mod changes;
pub(in crate::operator) mod order;
pub(in crate::operator) mod rows;
mod snapshot;
mod sorted;
mod top;
mod window;

pub(super) use rows::RowStore;

use arrow_schema::{DataType, SchemaRef};
use weir_connector::changelog::is_changelog;
use weir_model::Failure;
use weir_proto::graph;

use self::{
    changelog::ChangelogRank,
    order::{Order, RowOrder, WordOrder},
    sorted::Sorted,
    top::Tops,
    window::WindowRank,
};
use super::{Operator, keys::GroupTable};
use crate::state::NumberedRows;

/// Which of a key's rows are emitted, and as what.
#[derive(Clone, Debug)]
struct Shape {
    /// The partition's columns.
    keys: Vec<usize>,
    key_types: Vec<DataType>,
    /// A key whose rows did not change for so long is forgotten, ms; 0: never.
    ttl_ms: u64,
    /// How many columns the rows have, without what each one does.
    columns: usize,
    /// The rows as rows of a table of state.
    kept: NumberedRows,
    /// Ranks up to this one are left out.
    offset: usize,
    /// The last rank.
    limit: usize,
    /// Whether the rank is the last column.
    with_rank: bool,
    /// Of rows that order alike, the later one comes first.
    prefers_later: bool,
    /// A row that takes the place of another one is its new version.
    updates_in_place: bool,
    output: SchemaRef,
}

impl Shape {
    fn new(spec: &graph::Rank, input: &SchemaRef, output: SchemaRef) -> Result<Self, Failure> {
        let columns = input.fields().len() - usize::from(is_changelog(input));
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let keys: Vec<usize> = spec.keys.iter().map(|k| *k as usize).collect();
        let key_type = |key: &usize| input.fields().get(*key).map(|field| field.data_type().clone());
        let shape = Self {
            kept: NumberedRows::new(input, columns, &keys),
            key_types: keys.iter().filter_map(key_type).collect(),
            keys,
            ttl_ms: spec.state_ttl_ms,
            columns,
            offset: count(spec.offset),
            limit: count(spec.limit),
            with_rank: spec.with_rank,
            prefers_later: spec.prefers_later,
            updates_in_place: spec.updates_in_place,
            output,
        };
        let emitted = columns + usize::from(spec.with_rank) + usize::from(is_changelog(&shape.output));
        if emitted != shape.output.fields().len() || shape.keys.iter().any(|k| *k >= columns) {
            return Err(Failure::internal(format!(
                "a rank of {columns} columns that emits {}",
                shape.output.fields().len()
            )));
        }
        Ok(shape)
    }

    fn groups(&self) -> Result<GroupTable, Failure> {
        GroupTable::new(&self.key_types)
    }
}

/// The operator of the job graph, over rows of this schema.
pub(super) fn build(
    spec: &graph::Rank,
    input: &SchemaRef,
    output: SchemaRef,
) -> Result<Box<dyn Operator>, Failure> {
    match WordOrder::new(&spec.order, input)? {
        Some(order) => of_order(spec, input, output, order),
        None => of_order(spec, input, output, RowOrder::new(&spec.order, input)?),
    }
}

fn of_order<O: Order + 'static>(
    spec: &graph::Rank,
    input: &SchemaRef,
    output: SchemaRef,
    order: O,
) -> Result<Box<dyn Operator>, Failure> {
    let shape = Shape::new(spec, input, output)?;
    if let Some(window) = spec.window_end {
        return Ok(Box::new(WindowRank::new(shape, window as usize, order, input)?));
    }
    let groups = shape.groups()?;
    if spec.upserts {
        if !is_changelog(input) || shape.limit != 1 {
            return Err(Failure::internal(
                "a rank of upserts has other rows or more of them",
            ));
        }
        Ok(Box::new(ChangelogRank::new(
            shape,
            order,
            groups,
            Tops::upserts(),
        )))
    } else if is_changelog(input) {
        let content = Sorted::new(shape.limit, shape.ttl_ms > 0);
        Ok(Box::new(ChangelogRank::new(shape, order, groups, content)))
    } else {
        let content = Tops::new(shape.limit, shape.prefers_later);
        Ok(Box::new(ChangelogRank::new(shape, order, groups, content)))
    }
}

#[cfg(test)]
mod tests;
