//! Functions of the rows before each row: OVER.
//!
//! Rows are put in order of key and time (or other columns), and each call computes its column over all of them at once: by a running fold
//! if its frame begins with the first row, else by a sliding one. Nothing is computed row by row through a trait.
//!
//! - `rows`: rows in order, by key, as calls see them. Leans on nothing.
//! - `frame`: which rows belong to a row, and folds over them. Leans on `rows`.
//! - `by_key`: rows put together by key. Leans on nothing.
//! - `call`: a function with its frame, as the job graph has it. Leans on the functions.
//! - `count`, `sum` (and averages), `pick` (MIN, MAX, FIRST_VALUE, LAST_VALUE), `number` (RANK), `lag`, `distinct`: a kind of function each.
//!   Lean on `frame`.
//! - `accumulated`: any other aggregate, by its accumulator. Leans on `aggregate`.
//! - `spec`: what an operator is to do. Leans on `call`.
//! - `state`: what is kept of rows, by key. Leans on `rank`'s rows.
//! - `due`: rows whose time has come, in order. Leans on nothing.
//! - `sorted`: the rows of a key in their order, edited. Leans on `state`.
//! - `timed`: the operator that emits each row once, in the order of event time or of arrival. Leans on the above but `sorted`.
//! - `changes`: what a batch changed in the results, as rows. Leans on `state`.
//! - `changing`: the operator whose rows may be taken back, in any order. Leans on all but `due`.

mod accumulated;
mod by_key;
mod call;
mod changes;
mod changing;
mod count;
mod distinct;
mod due;
mod frame;
mod lag;
mod number;
mod pick;
mod rows;
mod sorted;
mod spec;
mod state;
mod sum;
mod timed;

use arrow_schema::SchemaRef;
use weir_model::Failure;
use weir_proto::graph::{self, over_aggregate::Order as Ordering};

use self::{changing::ChangingOver, spec::Spec, timed::TimedOver};
use super::{
    Operator,
    rank::order::{RowOrder, WordOrder},
};

/// The operator of the job graph, over rows of this schema.
pub(super) fn build(
    graph: &graph::OverAggregate,
    input: &SchemaRef,
    output: SchemaRef,
) -> Result<Box<dyn Operator>, Failure> {
    let spec = Spec::new(graph, input, output)?;
    if graph.order() != Ordering::Columns {
        return Ok(Box::new(TimedOver::new(spec, graph, input)?));
    }
    if let Some(order) = WordOrder::new(&graph.order_by, input)? {
        return Ok(Box::new(ChangingOver::new(spec, order, input)?));
    }
    let order = RowOrder::new(&graph.order_by, input)?;
    Ok(Box::new(ChangingOver::new(spec, order, input)?))
}

#[cfg(test)]
mod tests;
