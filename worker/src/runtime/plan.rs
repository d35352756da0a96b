//! What a job graph asks of the runtime: its tasks, and which subtasks are connected. Pure.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use weir_connector::dead_letter;
use weir_model::Failure;
use weir_proto::{
    graph::{Edge, JobGraph, Operator, edge::Partitioning, operator::Spec},
    schema,
};

use super::late::late_schema;

/// A task: operators that run by direct calls, rooted at a source or at its input edges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskPlan {
    /// Which task.
    pub task: u32,
    /// How many subtasks it has.
    pub parallelism: u32,
    /// Its operators, upstream before downstream.
    pub operators: Vec<u32>,
    /// Edges within it.
    pub internal: Vec<usize>,
    /// Edges from other tasks.
    pub inputs: Vec<usize>,
    /// Edges to other tasks.
    pub outputs: Vec<usize>,
}

/// The tasks of a graph, by task id. A graph that breaks the contract of `graph.proto` is an error.
pub fn tasks(graph: &JobGraph) -> Result<Vec<TaskPlan>, Failure> {
    check_edges(graph)?;
    let mut tasks: Vec<TaskPlan> = Vec::new();
    for (position, operator) in graph.operators.iter().enumerate() {
        if operator.id as usize != position {
            return Err(broken(format!(
                "operator {} is at position {position}",
                operator.id
            )));
        }
        match tasks.iter_mut().find(|t| t.task == operator.task) {
            Some(task) if task.parallelism != operator.parallelism => {
                return Err(broken(format!(
                    "the operators of task {} differ in parallelism",
                    task.task
                )));
            }
            Some(task) => task.operators.push(operator.id),
            None => tasks.push(task_of(graph, operator)),
        }
    }
    tasks.sort_by_key(|t| t.task);
    tasks.iter().try_for_each(|task| check_task(graph, task))?;
    Ok(tasks)
}

fn task_of(graph: &JobGraph, first: &Operator) -> TaskPlan {
    let within = |id: u32| graph.operators[id as usize].task == first.task;
    let edges = |keep: &dyn Fn(bool, bool) -> bool| {
        let kept = graph
            .edges
            .iter()
            .enumerate()
            .filter(|(_, e)| keep(within(e.from), within(e.to)));
        kept.map(|(i, _)| i).collect()
    };
    TaskPlan {
        task: first.task,
        parallelism: first.parallelism,
        operators: vec![first.id],
        internal: edges(&|from, to| from && to),
        inputs: edges(&|from, to| !from && to),
        outputs: edges(&|from, to| from && !to),
    }
}

fn check_edges(graph: &JobGraph) -> Result<(), Failure> {
    for edge in &graph.edges {
        let (Some(from), Some(to)) = (
            graph.operators.get(edge.from as usize),
            graph.operators.get(edge.to as usize),
        ) else {
            return Err(broken(format!(
                "an edge {} -> {} without its operators",
                edge.from, edge.to
            )));
        };
        if edge.from >= edge.to {
            return Err(broken(format!(
                "the edge {} -> {} goes backwards",
                edge.from, edge.to
            )));
        }
        match partitioning(edge)? {
            Partitioning::Forward(_) if from.parallelism != to.parallelism => {
                return Err(broken(format!(
                    "the forward edge {} -> {} changes parallelism",
                    edge.from, edge.to
                )));
            }
            Partitioning::Rebalance(_) | Partitioning::Hash(_) if from.task == to.task => {
                return Err(broken(format!(
                    "the edge {} -> {} moves rows within a task",
                    edge.from, edge.to
                )));
            }
            Partitioning::Forward(_) | Partitioning::Rebalance(_) | Partitioning::Hash(_) => {}
        }
    }
    Ok(())
}

fn check_task(graph: &JobGraph, task: &TaskPlan) -> Result<(), Failure> {
    if task.parallelism == 0 {
        return Err(broken(format!("task {} has parallelism 0", task.task)));
    }
    for (i, &id) in task.operators.iter().enumerate() {
        let operator = &graph.operators[id as usize];
        let fed = graph.edges.iter().any(|e| e.to == id);
        match &operator.spec {
            None => {
                return Err(broken(format!(
                    "operator '{}' is of an unknown kind",
                    operator.name
                )));
            }
            Some(Spec::Source(_)) if fed || i > 0 || !task.inputs.is_empty() => {
                return Err(broken(format!(
                    "the source '{}' is not alone at the head of its task",
                    operator.name
                )));
            }
            Some(Spec::Sink(_)) if graph.edges.iter().any(|e| e.from == id) => {
                return Err(broken(format!("rows leave the sink '{}'", operator.name)));
            }
            Some(Spec::Source(_)) => {}
            Some(_) if !fed => return Err(broken(format!("operator '{}' has no input", operator.name))),
            Some(_) => {}
        }
    }
    Ok(())
}

/// How an edge spreads rows.
pub fn partitioning(edge: &Edge) -> Result<&Partitioning, Failure> {
    edge.partitioning.as_ref().ok_or_else(|| {
        broken(format!(
            "the edge {} -> {} has no partitioning",
            edge.from, edge.to
        ))
    })
}

/// The upstream subtasks whose rows reach a downstream subtask over an edge.
pub fn upstream(graph: &JobGraph, edge: usize, to_subtask: u32) -> Vec<u32> {
    let edge = &graph.edges[edge];
    match edge.partitioning {
        Some(Partitioning::Forward(_)) => vec![to_subtask],
        _ => (0..graph.operators[edge.from as usize].parallelism).collect(),
    }
}

/// The downstream subtasks that an upstream subtask's rows may reach over an edge.
pub fn downstream(graph: &JobGraph, edge: usize, from_subtask: u32) -> Vec<u32> {
    let edge = &graph.edges[edge];
    match edge.partitioning {
        Some(Partitioning::Forward(_)) => vec![from_subtask],
        _ => (0..graph.operators[edge.to as usize].parallelism).collect(),
    }
}

/// The output of a source with the records that it could not read.
pub const DEAD_LETTERS: usize = 1;

/// Whether records that a source cannot read go elsewhere.
pub fn has_dead_letters(graph: &JobGraph, source: u32) -> bool {
    let mut edges = graph.edges.iter();
    edges.any(|edge| edge.from == source && edge.output as usize == DEAD_LETTERS)
}

/// The schema of the rows on an edge: what its upstream operator emits, drops as late, or could not read.
pub fn edge_schema(graph: &JobGraph, edge: usize) -> Result<SchemaRef, Failure> {
    let edge = &graph.edges[edge];
    let from = &graph.operators[edge.from as usize];
    let Some(port) = edge.output.checked_sub(1) else {
        return output_schema(from);
    };
    if matches!(from.spec, Some(Spec::Source(_))) {
        return Ok(dead_letter::schema());
    }
    let input = graph
        .edges
        .iter()
        .position(|e| e.to == edge.from && e.port == port);
    let input = input.ok_or_else(|| broken(format!("operator {} has no port {port}", edge.from)))?;
    Ok(Arc::new(late_schema(&*edge_schema(graph, input)?)))
}

/// The schema of the rows that an operator emits.
pub fn output_schema(operator: &Operator) -> Result<SchemaRef, Failure> {
    schema::decode(&operator.schema)
        .map_err(|e| broken(format!("the schema of '{}' cannot be read: {e}", operator.name)))
}

fn broken(what: String) -> Failure {
    Failure::internal(format!("the job graph is not executable: {what}"))
}

#[cfg(test)]
mod tests {
    use weir_proto::graph::{Calc, Forward, HashKeys, Rebalance, Sink, Source};

    use super::*;

    fn operator(id: u32, task: u32, parallelism: u32, spec: Spec) -> Operator {
        Operator {
            id,
            task,
            parallelism,
            name: format!("op {id}"),
            spec: Some(spec),
            ..Operator::default()
        }
    }

    fn edge(from: u32, to: u32, partitioning: Partitioning) -> Edge {
        Edge {
            from,
            to,
            port: 0,
            partitioning: Some(partitioning),
            ..Edge::default()
        }
    }

    /// source, calc | window (p 3), sink.
    fn graph() -> JobGraph {
        JobGraph {
            operators: vec![
                operator(0, 0, 2, Spec::Source(Source::default())),
                operator(1, 0, 2, Spec::Calc(Calc::default())),
                operator(2, 1, 3, Spec::Calc(Calc::default())),
                operator(3, 1, 3, Spec::Sink(Sink::default())),
            ],
            edges: vec![
                edge(0, 1, Partitioning::Forward(Forward {})),
                edge(1, 2, Partitioning::Hash(HashKeys { columns: vec![0] })),
                edge(2, 3, Partitioning::Forward(Forward {})),
            ],
            max_parallelism: 128,
            settings: None,
            wasm_modules: Vec::new(),
        }
    }

    #[test]
    fn operators_of_one_task_are_chained_and_other_edges_are_channels() {
        let expected = [
            TaskPlan {
                task: 0,
                parallelism: 2,
                operators: vec![0, 1],
                internal: vec![0],
                inputs: vec![],
                outputs: vec![1],
            },
            TaskPlan {
                task: 1,
                parallelism: 3,
                operators: vec![2, 3],
                internal: vec![2],
                inputs: vec![1],
                outputs: vec![],
            },
        ];
        assert_eq!(tasks(&graph()).expect("executable"), expected);
    }

    #[test]
    fn a_hash_edge_connects_all_with_all_and_a_forward_edge_each_with_its_like() {
        assert_eq!(upstream(&graph(), 1, 2), [0, 1]);
        assert_eq!(downstream(&graph(), 1, 0), [0, 1, 2]);
        assert_eq!(upstream(&graph(), 2, 2), [2]);
        assert_eq!(downstream(&graph(), 2, 1), [1]);
    }

    #[test]
    fn a_graph_that_cannot_run_is_refused_with_the_reason() {
        let check = |change: &dyn Fn(&mut JobGraph), expected: &str| {
            let mut graph = graph();
            change(&mut graph);
            let failure = tasks(&graph).expect_err(expected);
            assert!(failure.message.contains(expected), "{failure}");
        };
        check(&|g| g.operators[1].id = 7, "operator 7 is at position 1");
        check(
            &|g| g.operators[1].parallelism = 3,
            "the forward edge 0 -> 1 changes parallelism",
        );
        check(&|g| g.operators[1].spec = None, "unknown kind");
        check(&|g| g.edges[1].partitioning = None, "no partitioning");
        check(&|g| g.edges[1].to = 9, "without its operators");
        check(
            &|g| g.edges[0] = edge(0, 1, Partitioning::Rebalance(Rebalance {})),
            "moves rows within a task",
        );
        check(&|g| drop(g.edges.remove(1)), "'op 2' has no input");
        check(
            &|g| g.edges[2] = edge(2, 1, Partitioning::Forward(Forward {})),
            "goes backwards",
        );
    }
}
