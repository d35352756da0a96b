//! Regions of a job graph: the parts that fail alone, since no rows flow between them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{JobGraph, Operator, operator::Spec};

/// The region of each task, by the task's id: regions are numbered from 0, by the least task in them.
///
/// Tasks are of one region if they are connected, in whatever direction, by edges, by sources that keep together in event time, or by
/// sinks that write to the same folder or table: a writer that begins again removes what writers of before left there.
pub fn regions(graph: &JobGraph) -> BTreeMap<u32, u32> {
    let tasks: BTreeSet<u32> = graph.operators.iter().map(|operator| operator.task).collect();
    let mut least: BTreeMap<u32, u32> = tasks.iter().map(|task| (*task, *task)).collect();
    for (a, b) in ties(graph) {
        let (Some(&a), Some(&b)) = (least.get(&a), least.get(&b)) else {
            continue;
        };
        let (from, to) = (a.max(b), a.min(b));
        for task in least.values_mut().filter(|task| **task == from) {
            *task = to;
        }
    }
    let heads: BTreeSet<u32> = least.values().copied().collect();
    let numbers: BTreeMap<u32, u32> = heads.into_iter().zip(0..).collect();
    least
        .into_iter()
        .map(|(task, head)| (task, numbers[&head]))
        .collect()
}

/// The tasks that begin again when these fail: all of their regions.
pub fn restarted_with(graph: &JobGraph, failed: &BTreeSet<u32>) -> BTreeSet<u32> {
    let regions = regions(graph);
    let hit: BTreeSet<u32> = failed
        .iter()
        .filter_map(|task| regions.get(task))
        .copied()
        .collect();
    let begins_again = |(_, region): &(&u32, &u32)| hit.contains(region);
    regions
        .iter()
        .filter(begins_again)
        .map(|(task, _)| *task)
        .collect()
}

/// Pairs of tasks of the same region.
fn ties(graph: &JobGraph) -> Vec<(u32, u32)> {
    let task = |operator: u32| graph.operators.get(operator as usize).map(|o| o.task);
    let edges = graph
        .edges
        .iter()
        .filter_map(|e| Some((task(e.from)?, task(e.to)?)));
    let mut ties: Vec<(u32, u32)> = edges.collect();
    let mut first: BTreeMap<Outside<'_>, u32> = BTreeMap::new();
    for operator in &graph.operators {
        if let Some(outside) = outside(operator) {
            ties.push((*first.entry(outside).or_insert(operator.task), operator.task));
        }
    }
    ties
}

/// What operators share that no edge connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outside<'a> {
    /// A group of sources.
    Alignment(&'a str),
    /// The folder of sinks, or else their table.
    Written(&'a str),
}

fn outside(operator: &Operator) -> Option<Outside<'_>> {
    match operator.spec.as_ref()? {
        Spec::Source(source) => {
            let alignment = source.watermark.as_ref()?.alignment.as_ref()?;
            Some(Outside::Alignment(&alignment.group))
        }
        Spec::Sink(sink) => {
            let table = sink.table.as_ref()?;
            Some(Outside::Written(table.options.get("path").unwrap_or(&table.name)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::graph::{Calc, Edge, Sink, Source, Table, Watermark, WatermarkAlignment};

    /// A graph of operators, each of this task and kind, and of edges from one to the other.
    fn graph(operators: &[(u32, Spec)], edges: &[(u32, u32)]) -> JobGraph {
        let operator = |(id, (task, spec)): (u32, &(u32, Spec))| Operator {
            id,
            task: *task,
            spec: Some(spec.clone()),
            ..Operator::default()
        };
        let edge = |(from, to): &(u32, u32)| Edge {
            from: *from,
            to: *to,
            ..Edge::default()
        };
        JobGraph {
            operators: (0..).zip(operators).map(operator).collect(),
            edges: edges.iter().map(edge).collect(),
            ..JobGraph::default()
        }
    }

    fn source() -> Spec {
        Spec::Source(Source::default())
    }

    fn aligned(group: &str) -> Spec {
        let alignment = WatermarkAlignment {
            group: group.to_owned(),
            ..WatermarkAlignment::default()
        };
        let watermark = Watermark {
            alignment: Some(alignment),
            ..Watermark::default()
        };
        Spec::Source(Source {
            watermark: Some(watermark),
            ..Source::default()
        })
    }

    fn calc() -> Spec {
        Spec::Calc(Calc::default())
    }

    fn sink(table: &str) -> Spec {
        written(table, HashMap::new())
    }

    fn into(table: &str, path: &str) -> Spec {
        written(table, [("path".to_owned(), path.to_owned())].into())
    }

    fn written(table: &str, options: HashMap<String, String>) -> Spec {
        let table = Table {
            name: table.to_owned(),
            options,
            ..Table::default()
        };
        Spec::Sink(Sink { table: Some(table) })
    }

    #[track_caller]
    fn check(graph: &JobGraph, expected: &[(u32, u32)]) {
        let regions: Vec<_> = regions(graph).into_iter().collect();
        assert_eq!(regions, expected);
    }

    #[test]
    fn tasks_are_of_one_region_if_edges_connect_them_in_any_direction() {
        check(&graph(&[], &[]), &[]);
        let chained = [(0, source()), (0, calc()), (1, sink("x"))];
        check(&graph(&chained, &[(0, 1), (1, 2)]), &[(0, 0), (1, 0)]);
        // Two sources into one sink, beside a pipeline of its own.
        let joined = [
            (0, source()),
            (1, source()),
            (2, source()),
            (3, sink("x")),
            (4, sink("y")),
        ];
        check(
            &graph(&joined, &[(0, 3), (2, 3), (1, 4)]),
            &[(0, 0), (1, 1), (2, 0), (3, 0), (4, 1)],
        );
        // One source into two sinks.
        let split = [(5, source()), (7, sink("x")), (9, sink("y"))];
        check(&graph(&split, &[(0, 1), (0, 2)]), &[(5, 0), (7, 0), (9, 0)]);
    }

    #[test]
    fn what_operators_share_outside_makes_them_one_region() {
        let two =
            |a: Spec, b: Spec| graph(&[(0, source()), (1, source()), (2, a), (3, b)], &[(0, 2), (1, 3)]);
        let apart = [(0, 0), (1, 1), (2, 0), (3, 1)];
        let together = [(0, 0), (1, 0), (2, 0), (3, 0)];
        check(&two(sink("x"), sink("y")), &apart);
        check(&two(sink("x"), sink("x")), &together);
        check(&two(into("x", "/a"), into("y", "/a")), &together);
        check(&two(into("x", "/a"), into("y", "/b")), &apart);
        let sources = |a, b| graph(&[(0, aligned(a)), (1, aligned(b))], &[]);
        check(&sources("g", "h"), &[(0, 0), (1, 1)]);
        check(&sources("g", "g"), &[(0, 0), (1, 0)]);
    }

    #[test]
    fn a_failure_restarts_its_region_and_no_other() {
        let tasks = [(0, source()), (1, source()), (2, sink("x")), (3, sink("y"))];
        let graph = graph(&tasks, &[(0, 2), (1, 3)]);
        for (failed, expected) in [
            (vec![], vec![]),
            (vec![2], vec![0, 2]),
            (vec![1], vec![1, 3]),
            (vec![0, 3], vec![0, 1, 2, 3]),
            (vec![8], vec![]),
        ] {
            let restarted = restarted_with(&graph, &failed.into_iter().collect());
            assert_eq!(restarted.into_iter().collect::<Vec<_>>(), expected);
        }
    }
}
