//! What is said on a job graph: edge labels, kinds, and how busy a task is.

use weir_model::{
    SubtaskIndex, TaskId,
    graph::{OperatorKind, Partitioning},
    metrics::JobMetrics,
};

/// An edge's label: `forward`, `rebalance`, `hash country, city`.
pub fn partitioning(partitioning: &Partitioning) -> String {
    match partitioning {
        Partitioning::Forward => "forward".to_owned(),
        Partitioning::Rebalance => "rebalance".to_owned(),
        Partitioning::Hash { keys } if keys.is_empty() => "to one subtask".to_owned(),
        Partitioning::Hash { keys } => format!("hash {}", keys.join(", ")),
    }
}

/// A kind in words: `local window aggregate`.
pub fn kind(kind: OperatorKind) -> String {
    let word = serde_json::to_value(kind).ok();
    word.as_ref()
        .and_then(|w| w.as_str())
        .unwrap_or_default()
        .replace('_', " ")
}

/// The role that an operator's colour stands for.
pub fn role(kind: OperatorKind) -> &'static str {
    match kind {
        OperatorKind::Source => "source",
        OperatorKind::Sink => "sink",
        OperatorKind::Calc => "stateless",
        _ => "stateful",
    }
}

/// How a task spends its time: shares of 1, the mean over its subtasks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Computing.
    pub busy: f64,
    /// Waiting for room downstream.
    pub backpressured: f64,
    /// The subtask that computes most, and its share.
    pub busiest: Option<(SubtaskIndex, f64)>,
}

impl Load {
    /// What to say about it: none below 70 %.
    pub fn level(&self) -> &'static str {
        match self {
            Self { backpressured, .. } if *backpressured >= 0.5 => "backpressured",
            Self { busy, .. } if *busy >= 0.7 => "busy",
            _ => "calm",
        }
    }
}

/// The load of a task; none before its first report.
pub fn load(metrics: &JobMetrics, task: TaskId) -> Option<Load> {
    let mut subtasks = 0.0;
    let mut load = Load::default();
    for m in metrics.subtasks.iter().filter(|m| m.task == task) {
        subtasks += 1.0;
        load.busy += m.busy;
        load.backpressured += m.backpressured;
        if load.busiest.is_none_or(|(_, busy)| m.busy > busy) {
            load.busiest = Some((m.subtask, m.busy));
        }
    }
    (subtasks > 0.0).then(|| Load {
        busy: load.busy / subtasks,
        backpressured: load.backpressured / subtasks,
        ..load
    })
}

#[cfg(test)]
mod tests {
    use weir_model::metrics::SubtaskMetrics;

    use super::*;

    fn metrics(shares: &[(u32, f64, f64)]) -> JobMetrics {
        let subtasks = shares
            .iter()
            .enumerate()
            .map(|(at, (task, busy, backpressured))| SubtaskMetrics {
                task: TaskId(*task),
                subtask: SubtaskIndex(at as u32),
                busy: *busy,
                backpressured: *backpressured,
                idle: 1.0 - busy - backpressured,
                watermark: None,
            });
        JobMetrics {
            subtasks: subtasks.collect(),
            ..JobMetrics::default()
        }
    }

    #[test]
    fn a_load_is_the_mean_of_its_subtasks() {
        let metrics = metrics(&[(0, 0.5, 0.0), (0, 1.0, 0.0), (1, 0.1, 0.9)]);
        let first = load(&metrics, TaskId(0)).expect("task 0 has reported");
        assert_eq!((first.busy, first.backpressured), (0.75, 0.0));
        assert_eq!(first.busiest, Some((SubtaskIndex(1), 1.0)));
        assert_eq!(first.level(), "busy");
        assert_eq!(
            load(&metrics, TaskId(1)).map(|l| l.level()),
            Some("backpressured")
        );
        assert_eq!(load(&metrics, TaskId(2)), None);
    }

    #[test]
    fn kinds_have_words() {
        assert_eq!(kind(OperatorKind::LocalWindowAggregate), "local window aggregate");
        assert_eq!(role(OperatorKind::LocalWindowAggregate), "stateful");
    }

    #[test]
    fn edges_say_how_rows_are_spread() {
        let hash = |keys: &[&str]| Partitioning::Hash {
            keys: keys.iter().map(|&k| k.to_owned()).collect(),
        };
        assert_eq!(partitioning(&Partitioning::Forward), "forward");
        assert_eq!(partitioning(&hash(&["a", "b"])), "hash a, b");
        assert_eq!(partitioning(&hash(&[])), "to one subtask");
    }
}
