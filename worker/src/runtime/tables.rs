//! The tables of state that the operators of a job graph keep, without running it.

use std::collections::BTreeMap;

use weir_checkpoint::manifest::TableShape;
use weir_model::Failure;
use weir_proto::graph::{JobGraph, Operator};

use super::wiring::input_schemas;
use crate::{operator, state::shape};

/// The shapes of each operator's tables, by its uid.
///
/// Without those of sources, lookups and sinks, which keep none, and of operators that cannot be built, of which it shows
/// when they are deployed.
pub fn of(graph: &JobGraph) -> BTreeMap<String, Vec<TableShape>> {
    let known = |operator: &Operator| Some((operator.uid.clone(), of_operator(graph, operator).ok()?));
    graph.operators.iter().filter_map(known).collect()
}

fn of_operator(graph: &JobGraph, operator: &Operator) -> Result<Vec<TableShape>, Failure> {
    let built = operator::build(operator, input_schemas(graph, operator)?)?;
    built.tables().iter().map(shape::of).collect()
}
