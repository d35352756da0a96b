//! Where the rows of a subtask come from and go to, as the job graph says it.

use std::collections::HashMap;

use arrow_schema::SchemaRef;
use weir_model::Failure;
use weir_proto::graph::{self, JobGraph};

use super::{
    late::{LateRows, visible_schema},
    node::{Outlet, Target},
    plan::{self, TaskPlan},
    subtask::InputChannel,
};

/// The schemas of the rows that an operator takes, by port.
pub(super) fn input_schemas(graph: &JobGraph, operator: &graph::Operator) -> Result<Vec<SchemaRef>, Failure> {
    let mut inputs: Vec<usize> = (0..graph.edges.len())
        .filter(|e| graph.edges[*e].to == operator.id)
        .collect();
    inputs.sort_by_key(|e| graph.edges[*e].port);
    let schema = |edge: usize| {
        let hidden = graph.edges[edge].late_columns as usize;
        plan::edge_schema(graph, edge).map(|schema| visible_schema(&schema, hidden))
    };
    inputs.into_iter().map(schema).collect()
}

/// By input port of an operator, where its late rows go.
pub(super) fn late_rows(graph: &JobGraph, id: u32) -> Result<Vec<Option<LateRows>>, Failure> {
    let mut late = Vec::new();
    for (at, edge) in graph.edges.iter().enumerate().filter(|(_, e)| e.to == id) {
        let output = edge.port + 1;
        let is_read = graph.edges.iter().any(|e| e.from == id && e.output == output);
        if is_read || edge.late_columns > 0 {
            late.resize_with(late.len().max(output as usize), || None);
            let schema = plan::edge_schema(graph, at)?;
            late[edge.port as usize] = Some(LateRows::new(&schema, edge.late_columns as usize));
        }
    }
    Ok(late)
}

/// Who takes what an operator of a task emits: operators of the task, then edges to other tasks.
pub(super) fn outlets(graph: &JobGraph, plan: &TaskPlan, id: u32) -> Vec<Outlet> {
    let inner = plan
        .internal
        .iter()
        .enumerate()
        .filter(|(_, e)| graph.edges[**e].from == id)
        .map(|(i, &e)| {
            let edge = &graph.edges[e];
            // Inputs are numbered: edges within the task in their order, then channels in theirs.
            let input = plan.internal[..i]
                .iter()
                .filter(|&&other| graph.edges[other].to == edge.to)
                .count();
            let target = Target::Node {
                node: position(plan, edge.to),
                port: edge.port as usize,
                input,
            };
            Outlet {
                output: edge.output as usize,
                target,
            }
        });
    let outer = plan
        .outputs
        .iter()
        .enumerate()
        .filter(|(_, e)| graph.edges[**e].from == id);
    let outer = outer.map(|(leaf, e)| Outlet {
        output: graph.edges[*e].output as usize,
        target: Target::Leaf(leaf),
    });
    inner.chain(outer).collect()
}

/// Where the messages of each channel of the inbox enter the chain.
pub(super) fn entries(graph: &JobGraph, plan: &TaskPlan, channels: &[InputChannel]) -> Vec<Target> {
    let mut inputs: HashMap<u32, usize> = HashMap::new();
    let enter = |channel: &InputChannel| {
        let edge = &graph.edges[channel.edge];
        let inner = || {
            plan.internal
                .iter()
                .filter(|&&e| graph.edges[e].to == edge.to)
                .count()
        };
        let next = inputs.entry(edge.to).or_insert_with(inner);
        let input = std::mem::replace(next, *next + 1);
        Target::Node {
            node: position(plan, edge.to),
            port: edge.port as usize,
            input,
        }
    };
    channels.iter().map(enter).collect()
}

fn position(plan: &TaskPlan, id: u32) -> usize {
    plan.operators
        .iter()
        .position(|&o| o == id)
        .expect("the edges of a plan lead to its operators")
}

/// The id and the name of each operator of a task.
pub(super) fn names(graph: &JobGraph, plan: &TaskPlan) -> Vec<(u32, String)> {
    plan.operators
        .iter()
        .map(|&id| (id, graph.operators[id as usize].name.clone()))
        .collect()
}
