//! The graph as indented text, sinks first.

use std::{collections::BTreeSet, fmt::Write};

use weir_model::graph::{Edge, Graph, Operator, OperatorKind, Partitioning};
use weir_proto::graph::JobGraph;

use crate::error::{self, Result};

/// One line per operator, inputs below and to the right of what they feed; then what is worth knowing beside.
pub(crate) fn explain(job: &JobGraph, notes: &[String]) -> Result<String> {
    let graph = Graph::try_from(job).map_err(|e| error::internal(e.to_string()))?;
    let mut text = String::new();
    let mut shown = BTreeSet::new();
    for sink in graph.operators.iter().filter(|o| o.kind == OperatorKind::Sink) {
        line(&graph, sink, 0, None, &mut shown, &mut text);
    }
    for note in notes {
        let _ = writeln!(text, "{note}");
    }
    Ok(text)
}

/// What a savepoint finds an operator's state by; nothing for one that holds none.
fn identity(graph: &Graph, operator: &Operator) -> String {
    let is_keyed =
        |edge: &&Edge| edge.to == operator.id && matches!(edge.partitioning, Partitioning::Hash { .. });
    let has_state = operator.kind == OperatorKind::Source || graph.edges.iter().any(|edge| is_keyed(&edge));
    if has_state {
        format!(" [{}]", operator.uid)
    } else {
        String::new()
    }
}

fn line(
    graph: &Graph,
    operator: &Operator,
    depth: usize,
    edge: Option<&Edge>,
    shown: &mut BTreeSet<u32>,
    text: &mut String,
) {
    let side = match edge {
        Some(edge) if edge.late => "[late rows] ",
        Some(edge) if edge.dead_letters => "[dead letters] ",
        _ => "",
    };
    let arrow = match edge.map(|edge| &edge.partitioning) {
        Some(Partitioning::Hash { keys }) if keys.is_empty() => "[to one] ".to_owned(),
        Some(Partitioning::Hash { keys }) => format!("[hash {}] ", keys.join(", ")),
        Some(Partitioning::Rebalance) => "[rebalance] ".to_owned(),
        Some(Partitioning::Forward) | None => String::new(),
    };
    let indent = "  ".repeat(depth);
    let is_new = shown.insert(operator.id.0);
    let what = if is_new {
        operator.description.as_str()
    } else {
        "as above"
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{indent}{side}{arrow}{}: {what} (#{}, task {}){}",
        operator.name,
        operator.id.0,
        operator.task.0,
        if is_new {
            identity(graph, operator)
        } else {
            String::new()
        }
    );
    if !is_new {
        return;
    }
    for edge in graph.edges.iter().filter(|edge| edge.to == operator.id) {
        if let Some(from) = graph.operators.iter().find(|o| o.id == edge.from) {
            line(graph, from, depth + 1, Some(edge), shown, text);
        }
    }
}
