//! The frame of a task and the operators in it.

use std::collections::BTreeMap;

use weir_model::{
    OperatorId, TaskId,
    graph::{Edge, Graph},
};

use super::{Rect, Sizes};

/// A task with its operators placed within its frame.
pub(super) struct Task {
    pub(super) id: TaskId,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) nodes: Vec<(OperatorId, Rect)>,
}

pub(super) struct Tasks {
    pub(super) list: Vec<Task>,
    /// From an operator to its task's place in the list.
    pub(super) of_operator: BTreeMap<OperatorId, usize>,
    /// Edges between tasks: place in the graph's edges, and in the list of tasks from and to.
    pub(super) edges: Vec<(usize, usize, usize)>,
}

impl Tasks {
    pub(super) fn of(graph: &Graph, sizes: &Sizes) -> Self {
        let mut members: Vec<(TaskId, Vec<OperatorId>)> = Vec::new();
        let mut of_operator = BTreeMap::new();
        for operator in &graph.operators {
            let at = members
                .iter()
                .position(|(task, _)| *task == operator.task)
                .unwrap_or_else(|| {
                    members.push((operator.task, Vec::new()));
                    members.len() - 1
                });
            members[at].1.push(operator.id);
            of_operator.insert(operator.id, at);
        }
        let ends = |e: &Edge| Some((*of_operator.get(&e.from)?, *of_operator.get(&e.to)?));
        let edges = graph
            .edges
            .iter()
            .enumerate()
            .filter_map(|(at, edge)| ends(edge).map(|(from, to)| (at, from, to)))
            .filter(|(_, from, to)| from != to)
            .collect();
        let list = members
            .into_iter()
            .map(|(id, operators)| chain(id, &operators, graph, sizes))
            .collect();
        Self {
            list,
            of_operator,
            edges,
        }
    }
}

/// Places the operators of a task: each below those that feed it, those of one depth side by side.
fn chain(id: TaskId, operators: &[OperatorId], graph: &Graph, sizes: &Sizes) -> Task {
    let mut rows: Vec<Vec<OperatorId>> = Vec::new();
    let mut depths = BTreeMap::new();
    for operator in operators {
        let feeders = graph
            .edges
            .iter()
            .filter(|e| e.to == *operator)
            .filter_map(|e| depths.get(&e.from));
        let depth: usize = feeders.max().map_or(0, |d| d + 1);
        depths.insert(*operator, depth);
        rows.resize_with(rows.len().max(depth + 1), Vec::new);
        rows[depth].push(*operator);
    }
    let row_width = |n: usize| n as f64 * (sizes.node_width + sizes.node_gap) - sizes.node_gap;
    let widest = rows.iter().map(|r| row_width(r.len())).fold(0.0, f64::max);
    let mut nodes = Vec::new();
    for (depth, row) in rows.iter().enumerate() {
        let left = sizes.frame_padding + (widest - row_width(row.len())) / 2.0;
        let y = sizes.frame_header + depth as f64 * (sizes.node_height + sizes.node_gap);
        for (column, operator) in row.iter().enumerate() {
            let x = left + column as f64 * (sizes.node_width + sizes.node_gap);
            nodes.push((
                *operator,
                Rect {
                    x,
                    y,
                    width: sizes.node_width,
                    height: sizes.node_height,
                },
            ));
        }
    }
    let height = rows.len() as f64 * (sizes.node_height + sizes.node_gap) - sizes.node_gap;
    Task {
        id,
        width: widest + 2.0 * sizes.frame_padding,
        height: sizes.frame_header + height + sizes.frame_padding,
        nodes,
    }
}
