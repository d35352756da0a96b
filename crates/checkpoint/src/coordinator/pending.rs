//! What a coordinator has under way: a checkpoint that gathers its parts, and commits that are waited for.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use weir_model::Failure;

use super::words::{Action, After, Cost, Record, Savepoint, Subtask, SubtaskRecord};
use crate::manifest::{CheckpointId, Manifest, SubtaskState};

/// How long commits may take before they are asked for again.
pub(super) const COMMIT_AGAIN: Duration = Duration::from_secs(5);
/// The longest pause from asking for commits to asking again.
const COMMIT_AGAIN_AT_MOST: Duration = Duration::from_mins(1);
/// How many subtasks a failure names.
const NAMED: usize = 3;

/// A checkpoint or savepoint that is not complete.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) checkpoint: CheckpointId,
    pub(super) savepoint: Option<Savepoint>,
    pub(super) begun: Duration,
    /// Those that have to say their state.
    pub(super) waiting: BTreeSet<Subtask>,
    pub(super) snapshots: BTreeMap<Subtask, SubtaskState>,
    pub(super) reports: Vec<SubtaskRecord>,
    /// What becomes of it when its manifest, which is on its way, is there. From then on it can't be given up.
    pub(super) written: Option<Written>,
}

/// What a manifest says that is still to be done.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// Those that have something to commit.
    pub(super) commits: BTreeSet<Subtask>,
    /// Those that had finished.
    pub(super) finished: BTreeSet<Subtask>,
    /// All had.
    pub(super) is_last: bool,
}

impl Pending {
    pub(super) fn new(
        checkpoint: CheckpointId,
        savepoint: Option<Savepoint>,
        waiting: BTreeSet<Subtask>,
        begun: Duration,
    ) -> Self {
        Self {
            checkpoint,
            savepoint,
            begun,
            waiting,
            snapshots: BTreeMap::new(),
            reports: Vec::new(),
            written: None,
        }
    }

    /// Takes a subtask's state, if it is waited for.
    pub(super) fn take(&mut self, subtask: Subtask, state: SubtaskState, cost: Cost, now: Duration) {
        if !self.waiting.remove(&subtask) {
            return;
        }
        self.snapshots.insert(subtask, state);
        self.reports.push(SubtaskRecord {
            subtask,
            end_to_end: now.saturating_sub(self.begun),
            cost,
        });
    }

    /// What the job does when it is there; none: it is a checkpoint.
    pub(super) fn after(&self) -> Option<After> {
        self.savepoint.as_ref().map(|savepoint| savepoint.after)
    }

    pub(super) fn into_record(self, ended: Duration) -> Record {
        Record {
            checkpoint: self.checkpoint,
            savepoint: self.savepoint,
            begun: self.begun,
            ended,
            subtasks: self.reports,
            missing: self.waiting.into_iter().collect(),
        }
    }

    /// That it took too long, and who is to blame.
    pub(super) fn timed_out(&self, timeout: Duration) -> Failure {
        Failure::internal(format!(
            "it was not complete within {timeout:?}: nothing was heard of {}",
            list(&self.waiting)
        ))
    }
}

impl Written {
    pub(super) fn of(manifest: &Manifest) -> Self {
        let of = |state: &SubtaskState| Subtask {
            task: state.task,
            subtask: state.subtask,
        };
        let subtasks = || manifest.subtasks.iter();
        let has_commits = |state: &&SubtaskState| state.operators.iter().any(|o| !o.commits.is_empty());
        Self {
            commits: subtasks().filter(has_commits).map(of).collect(),
            finished: subtasks().filter(|state| state.finished).map(of).collect(),
            is_last: subtasks().all(|state| state.finished),
        }
    }
}

/// Commits that are waited for.
#[derive(Clone, Debug)]
pub(super) struct Committing {
    pub(super) checkpoint: CheckpointId,
    /// The job stops when they are done.
    pub(super) stops: bool,
    /// Those that have not said that they are done.
    pub(super) waiting: BTreeSet<Subtask>,
    /// Those that had finished.
    pub(super) finished: BTreeSet<Subtask>,
    pub(super) begun: Duration,
    pub(super) again_at: Duration,
    pause: Duration,
    /// Why one of them failed last.
    pub(super) why: Option<Failure>,
}

impl Committing {
    pub(super) fn new(checkpoint: CheckpointId, stops: bool, written: Written, now: Duration) -> Self {
        Self {
            checkpoint,
            stops,
            waiting: written.commits,
            finished: written.finished,
            begun: now,
            again_at: now + COMMIT_AGAIN,
            pause: COMMIT_AGAIN,
            why: None,
        }
    }

    /// Asks for them.
    pub(super) fn action(&self) -> Action {
        Action::Commit {
            checkpoint: self.checkpoint,
            finished: self.finished.iter().copied().collect(),
        }
    }

    /// They are asked for again: notes when to do so next.
    pub(super) fn asked(&mut self, now: Duration) {
        self.pause = (self.pause * 2).min(COMMIT_AGAIN_AT_MOST);
        self.again_at = now + self.pause;
    }

    /// That they took too long, and why.
    pub(super) fn timed_out(&self, timeout: Duration) -> Failure {
        let begun = format!(
            "what checkpoint {} commits was not done within {timeout:?}",
            self.checkpoint
        );
        match &self.why {
            Some(why) => Failure {
                message: format!("{begun}: {}", why.message),
                ..why.clone()
            },
            None => Failure::internal(format!("{begun}: no answer from {}", list(&self.waiting))),
        }
    }
}

fn list(subtasks: &BTreeSet<Subtask>) -> String {
    let named: Vec<String> = subtasks.iter().take(NAMED).map(Subtask::to_string).collect();
    let others = match subtasks.len().saturating_sub(NAMED) {
        0 => String::new(),
        n => format!(" and {n} others"),
    };
    named.join(", ") + &others
}
