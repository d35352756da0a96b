//! The parts of a checkpoint, task by task.

use std::collections::BTreeMap;

use weir_model::{SubtaskIndex, TaskId, api::CheckpointSubtask, graph::Graph};

/// What was done for a checkpoint, by one subtask or by all of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// From the first barrier to the last one, microseconds.
    pub alignment_us: u64,
    /// How long rows were held up, microseconds.
    pub sync_us: u64,
    /// From then on until everything was stored, microseconds.
    pub async_us: u64,
    /// From the trigger to the report, milliseconds.
    pub end_to_end_ms: u64,
    /// Bytes that were stored for it alone.
    pub bytes_new: u64,
    /// Bytes of all of its files.
    pub bytes_full: u64,
    /// Bytes of rows on their way that it holds.
    pub bytes_in_flight: u64,
}

impl Part {
    /// The longer of each time, the sum of the bytes: two subtasks work at the same time.
    fn and(self, other: Self) -> Self {
        Self {
            alignment_us: self.alignment_us.max(other.alignment_us),
            sync_us: self.sync_us.max(other.sync_us),
            async_us: self.async_us.max(other.async_us),
            end_to_end_ms: self.end_to_end_ms.max(other.end_to_end_ms),
            bytes_new: self.bytes_new + other.bytes_new,
            bytes_full: self.bytes_full + other.bytes_full,
            bytes_in_flight: self.bytes_in_flight + other.bytes_in_flight,
        }
    }
}

impl From<&CheckpointSubtask> for Part {
    fn from(subtask: &CheckpointSubtask) -> Self {
        let &CheckpointSubtask {
            task: _,
            subtask: _,
            alignment_us,
            sync_us,
            async_us,
            end_to_end_ms,
            bytes_new,
            bytes_full,
            bytes_in_flight,
        } = subtask;
        Self {
            alignment_us,
            sync_us,
            async_us,
            end_to_end_ms,
            bytes_new,
            bytes_full,
            bytes_in_flight,
        }
    }
}

/// The part of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskPart {
    /// Of all of its subtasks together.
    pub whole: Part,
    /// Of each.
    pub subtasks: BTreeMap<SubtaskIndex, Part>,
}

/// The parts of tasks and subtasks, in their order.
pub fn by_task(subtasks: &[CheckpointSubtask]) -> BTreeMap<TaskId, TaskPart> {
    let mut tasks: BTreeMap<TaskId, TaskPart> = BTreeMap::new();
    for subtask in subtasks {
        let part = Part::from(subtask);
        let task = tasks.entry(subtask.task).or_default();
        task.whole = task.whole.and(part);
        task.subtasks.insert(subtask.subtask, part);
    }
    tasks
}

/// The names of a task's operators as they are chained: `Source: clicks → Calc`.
pub fn task_name(graph: &Graph, task: TaskId) -> String {
    let names: Vec<&str> = graph
        .operators
        .iter()
        .filter(|o| o.task == task)
        .map(|o| o.name.as_str())
        .collect();
    if names.is_empty() {
        format!("task {task}")
    } else {
        names.join(" → ")
    }
}

#[cfg(test)]
mod tests {
    use weir_model::{
        OperatorId,
        graph::{Operator, OperatorKind},
    };

    use super::*;

    fn subtask(task: u32, subtask: u32, sync_us: u64, bytes_new: u64) -> CheckpointSubtask {
        CheckpointSubtask {
            task: TaskId(task),
            subtask: SubtaskIndex(subtask),
            alignment_us: 10,
            sync_us,
            async_us: 20,
            end_to_end_ms: 30,
            bytes_new,
            bytes_full: 100,
            bytes_in_flight: 0,
        }
    }

    #[test]
    fn a_task_takes_as_long_as_its_slowest_subtask_and_stores_the_bytes_of_all() {
        let tasks = by_task(&[subtask(1, 1, 5, 7), subtask(0, 0, 3, 1), subtask(1, 0, 9, 8)]);
        assert_eq!(tasks.keys().map(|t| t.0).collect::<Vec<_>>(), [0, 1]);
        let TaskPart { whole, subtasks } = &tasks[&TaskId(1)];
        assert_eq!((whole.sync_us, whole.bytes_new, whole.bytes_full), (9, 15, 200));
        assert_eq!((whole.alignment_us, whole.end_to_end_ms), (10, 30));
        let syncs: Vec<_> = subtasks.iter().map(|(index, p)| (index.0, p.sync_us)).collect();
        assert_eq!(syncs, [(0, 9), (1, 5)]);
    }

    #[test]
    fn a_task_is_called_after_its_operators() {
        let operator = |id: u32, task: u32, name: &str| Operator {
            id: OperatorId(id),
            uid: String::new(),
            kind: OperatorKind::Calc,
            name: name.to_owned(),
            description: String::new(),
            task: TaskId(task),
            parallelism: 1,
            output: Vec::new(),
        };
        let graph = Graph {
            operators: vec![
                operator(0, 0, "Source: a"),
                operator(1, 0, "Calc"),
                operator(2, 1, "Sink"),
            ],
            edges: Vec::new(),
        };
        assert_eq!(task_name(&graph, TaskId(0)), "Source: a → Calc");
        assert_eq!(task_name(&graph, TaskId(1)), "Sink");
        assert_eq!(task_name(&graph, TaskId(7)), "task 7");
    }
}
