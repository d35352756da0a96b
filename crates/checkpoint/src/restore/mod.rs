//! From a checkpoint to what the subtasks of another deployment begin with, which may have another query and parallelism.
//!
//! Operators are found by their uid, wherever they run by now. Rows go by key group, splits and commits are dealt out.
//!
//! - [`compatibility`]: whether a query can go on from a checkpoint, and what becomes of each operator's state. Leans on `manifest`.
//! - [`columns`]: which columns of a table of state are which. Leans on `manifest`.
//! - [`assign`]: the states that each subtask begins with. Leans on `key_group` and `manifest`.

mod assign;
pub mod columns;
mod compatibility;
#[cfg(test)]
mod tests;

pub use assign::{Assigned, FoundSplits, assign};
pub use compatibility::{OperatorReport, Report, Verdict, compatibility};

use crate::manifest::{Manifest, OperatorState, SubtaskState, TableShape};

/// A job graph, as far as state goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Key groups of the job.
    pub max_parallelism: u32,
    /// All of its tasks.
    pub tasks: Vec<TaskShape>,
}

/// A chain of operators that run together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskShape {
    /// Which task of the graph.
    pub task: u32,
    /// How many subtasks it has.
    pub parallelism: u32,
    /// All of its operators.
    pub operators: Vec<OperatorShape>,
}

/// An operator of a job graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorShape {
    /// By which its state is found.
    pub uid: String,
    /// What it is called.
    pub name: String,
    /// What it keeps.
    pub role: Role,
    /// Its tables, if they are known before it runs.
    pub tables: Option<Vec<TableShape>>,
}

/// What an operator keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// How far it has read.
    Source,
    /// What it has to commit.
    Sink,
    /// Rows.
    Stateful,
    /// Nothing.
    Stateless,
}

/// The subtasks of an operator in a checkpoint, in their order.
fn subtasks_of<'a>(manifest: &'a Manifest, uid: &str) -> Vec<(&'a SubtaskState, &'a OperatorState)> {
    let with_operator = |state: &'a SubtaskState| {
        let operator = state.operators.iter().find(|operator| operator.uid == uid)?;
        Some((state, operator))
    };
    let mut subtasks: Vec<_> = manifest.subtasks.iter().filter_map(with_operator).collect();
    subtasks.sort_by_key(|(state, _)| (state.task, state.subtask));
    subtasks
}
