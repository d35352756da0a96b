//! What the job's graph says about checkpoints, as the coordinator takes it.

use std::time::Duration;

use weir_checkpoint::coordinator::{Settings, Subtask};
use weir_proto::graph::{self, JobGraph};

/// Where nothing is said, as in Flink.
const TIMEOUT: Duration = Duration::from_mins(10);

/// When checkpoints of the job are taken, and what becomes of them.
pub fn settings(graph: &JobGraph) -> Settings {
    let settings = graph.settings.as_ref();
    let Some(graph::Checkpointing {
        interval_ms,
        timeout_ms,
        min_pause_ms,
        tolerable_failures,
        retained,
        at_least_once: _,
        aligned_timeout_ms: _,
        retain_on_cancellation: _,
    }) = settings.and_then(|settings| settings.checkpointing)
    else {
        return Settings {
            interval: Duration::ZERO,
            timeout: TIMEOUT,
            min_pause: Duration::ZERO,
            tolerable_failures: 0,
            retained: 1,
        };
    };
    Settings {
        interval: Duration::from_millis(interval_ms),
        timeout: match timeout_ms {
            0 => TIMEOUT,
            ms => Duration::from_millis(ms),
        },
        min_pause: Duration::from_millis(min_pause_ms),
        tolerable_failures,
        retained: retained.max(1),
    }
}

/// The tasks' ids with their parallelism.
pub fn tasks(graph: &JobGraph) -> Vec<(u32, u32)> {
    let mut tasks: Vec<_> = graph
        .operators
        .iter()
        .map(|operator| (operator.task, operator.parallelism))
        .collect();
    tasks.sort_unstable();
    tasks.dedup_by_key(|(task, _)| *task);
    tasks
}

/// All subtasks.
pub fn subtasks(graph: &JobGraph) -> Vec<Subtask> {
    let of_task = |(task, parallelism)| (0..parallelism).map(move |subtask| Subtask { task, subtask });
    tasks(graph).into_iter().flat_map(of_task).collect()
}
