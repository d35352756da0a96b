//! How a checkpoint ends: complete and committed, or given up.

use std::time::Duration;

use weir_model::Failure;

use super::{
    Action, After, Coordinator, Phase, Subtask,
    pending::{Committing, Written},
};
use crate::manifest::CheckpointId;

impl Coordinator {
    pub(super) fn complete(&mut self, checkpoint: CheckpointId, now: Duration, actions: &mut Vec<Action>) {
        if !self.is_written(checkpoint) {
            return;
        }
        let Some(mut pending) = self.pending.take() else {
            return;
        };
        let mut written = pending.written.take().unwrap_or_default();
        // These begin with it, and commit it then.
        written.commits.retain(|subtask| !self.lost.contains(subtask));
        let after = pending.after();
        self.ended = Some(now);
        actions.push(Action::Completed(pending.into_record(now)));
        if after != Some(After::GoOn) && self.phase != Phase::Ended {
            self.has_last = written.is_last && self.lost.is_empty();
            self.commit(checkpoint, after.is_some(), written, now, actions);
        }
        if after.is_none() {
            self.failures = 0;
            self.retain(checkpoint, actions);
        }
    }

    /// Keeps a checkpoint, and as many before it as are wanted.
    fn retain(&mut self, checkpoint: CheckpointId, actions: &mut Vec<Action>) {
        self.retained.push_back(checkpoint);
        let too_many = self
            .retained
            .len()
            .saturating_sub(self.settings.retained.max(1) as usize);
        if too_many > 0 {
            actions.push(Action::Discard(self.retained.drain(..too_many).collect()));
        }
    }

    /// Has workers commit. They are told even if nothing is waited for: what they keep for a failed checkpoint can go.
    pub(super) fn commit(
        &mut self,
        checkpoint: CheckpointId,
        stops: bool,
        written: Written,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        let committing = Committing::new(checkpoint, stops, written, now);
        actions.push(committing.action());
        self.committing = Some(committing);
        self.settle_commits(actions);
    }

    pub(super) fn committed(
        &mut self,
        subtask: Subtask,
        checkpoint: CheckpointId,
        actions: &mut Vec<Action>,
    ) {
        let Some(committing) = &mut self.committing else {
            return;
        };
        if committing.checkpoint != checkpoint || !committing.waiting.remove(&subtask) {
            return;
        }
        if committing.finished.contains(&subtask)
            && let Some(finished) = self.finished.get_mut(&subtask)
        {
            finished.is_committed = true;
        }
        self.settle_commits(actions);
    }

    pub(super) fn settle_commits(&mut self, actions: &mut Vec<Action>) {
        let is_done = |committing: &Committing| committing.waiting.is_empty();
        if let Some(done) = self.committing.take_if(|committing| is_done(committing))
            && done.stops
        {
            actions.push(Action::Stop(done.checkpoint));
            let why = Failure::user(format!("the job is stopped with savepoint {}", done.checkpoint));
            self.refuse_wanted(&why, actions);
            self.phase = Phase::Ended;
        }
    }

    pub(super) fn commit_failed(
        &mut self,
        checkpoint: CheckpointId,
        why: Failure,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        let Some(committing) = &mut self.committing else {
            return;
        };
        if committing.checkpoint != checkpoint {
            return;
        }
        if why.class.is_retryable() {
            committing.why = Some(why);
        } else {
            self.fail_job(why, now, actions);
        }
    }

    /// Gives up what is under way. Not every failure counts against those that are tolerated.
    pub(super) fn give_up(&mut self, why: Failure, counts: bool, now: Duration, actions: &mut Vec<Action>) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let (checkpoint, after) = (pending.checkpoint, pending.after());
        let record = pending.into_record(now);
        self.ended = Some(now);
        if self.phase == Phase::Ended {
            actions.push(Action::Failed { record, why });
            return;
        }
        actions.push(Action::Abort(checkpoint));
        let failed = |what: String| Failure {
            message: format!("{what}: {}", why.message),
            ..why.clone()
        };
        let job = match after {
            None if counts => {
                self.failures += 1;
                let failures = self.failures;
                (failures > self.settings.tolerable_failures)
                    .then(|| failed(format!("checkpoint {checkpoint} failed ({failures} in a row)")))
            }
            // Windows were emitted that rows still belong to.
            Some(After::Drain) => Some(failed(format!(
                "event time was ended for savepoint {checkpoint}, which failed"
            ))),
            _ => None,
        };
        actions.push(Action::Failed { record, why });
        if let Some(why) = job {
            self.fail_job(why, now, actions);
        }
    }

    pub(super) fn fail_job(&mut self, why: Failure, now: Duration, actions: &mut Vec<Action>) {
        actions.push(Action::FailJob(why.clone()));
        self.end(&why, now, actions);
    }

    /// Nothing is begun any more. A manifest that is on its way is waited for: the next deployment begins with it if it comes to be.
    pub(super) fn end(&mut self, why: &Failure, now: Duration, actions: &mut Vec<Action>) {
        self.phase = Phase::Ended;
        self.committing = None;
        self.refuse_wanted(why, actions);
        if self.is_settled() {
            self.give_up(why.clone(), false, now, actions);
        }
    }

    pub(super) fn refuse_wanted(&mut self, why: &Failure, actions: &mut Vec<Action>) {
        let refuse = |savepoint| Action::Refused {
            savepoint,
            why: why.clone(),
        };
        actions.extend(self.wanted.drain(..).map(refuse));
    }
}
