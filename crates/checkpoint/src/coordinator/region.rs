//! A region of the job that begins again while the others go on.

use std::{collections::BTreeSet, time::Duration};

use weir_model::Failure;

use super::{Action, After, Coordinator, Phase, Subtask, pending::Pending};

impl Coordinator {
    /// Subtasks have failed that begin again with the newest complete checkpoint, and no rows flow between them and the others.
    ///
    /// What is under way is given up, which counts against nothing: no checkpoint has failed. Nothing begins before all subtasks run.
    /// What they had to commit is waited for no more: they commit it when they begin.
    pub(super) fn lose(
        &mut self,
        region: &BTreeSet<Subtask>,
        why: &Failure,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        if self.phase == Phase::Ended {
            return;
        }
        if self.is_stopping() {
            // All of it begins with that savepoint, which only its next deployment can.
            self.fail_job(why.clone(), now, actions);
            return;
        }
        self.phase = Phase::Deploying;
        self.finished.retain(|subtask, _| !region.contains(subtask));
        self.has_last = false;
        self.lost.extend(region);
        if self.is_settled() {
            self.give_up(why.clone(), false, now, actions);
        }
        if let Some(committing) = &mut self.committing {
            committing.waiting.retain(|subtask| !region.contains(subtask));
        }
        self.settle_commits(actions);
    }

    /// Whether the savepoint with which the job stops is there, or may come to be however it goes.
    fn is_stopping(&self) -> bool {
        let written = self.pending.as_ref().filter(|pending| pending.written.is_some());
        let is_written = written
            .and_then(Pending::after)
            .is_some_and(|after| after != After::GoOn);
        is_written
            || self
                .committing
                .as_ref()
                .is_some_and(|committing| committing.stops)
    }
}
