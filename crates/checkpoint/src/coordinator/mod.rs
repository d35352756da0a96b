//! When the checkpoints of a deployment are taken, and what becomes of them: a state machine that is told what happens.
//!
//! One checkpoint or savepoint is under way at a time. It is complete when every subtask has given its state and the manifest is there;
//! then sinks commit, and nothing new begins before they have. A savepoint on which the job goes on commits nothing: a job recovers from
//! its checkpoints, and would write again what had been committed with the savepoint. The next checkpoint commits it.
//!
//! Subtasks that have finished are part of every later manifest by their final state. When all have, a last checkpoint of final states
//! alone is written, and the job is done when that is committed.
//!
//! - [`words`]: events and actions. Leans on nothing.
//! - `pending`: what is under way. Leans on `words`.
//! - `ending`: how it ends. Leans on both.
//! - `region`: a part of the job that begins again while the others go on. Leans on `ending`.

mod ending;
mod pending;
mod region;
#[cfg(test)]
mod tests;
pub mod words;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use weir_model::Failure;

use self::pending::{Committing, Pending, Written};
pub use self::words::{
    Action, After, Cost, Deployment, Event, Record, Savepoint, Settings, Subtask, SubtaskRecord,
};
use crate::manifest::{self, CheckpointId, Files, Kind, Manifest, SubtaskState};

/// How long to wait with the next attempt at a last checkpoint, at least.
const LAST_AGAIN: Duration = Duration::from_secs(1);

/// The checkpoints of one deployment.
#[derive(Clone, Debug)]
pub struct Coordinator {
    settings: Settings,
    job: String,
    generation: u64,
    weir_version: String,
    max_parallelism: u32,
    subtasks: BTreeSet<Subtask>,
    next: CheckpointId,
    phase: Phase,
    finished: BTreeMap<Subtask, Finished>,
    /// Those of regions that begin again, until all run.
    lost: BTreeSet<Subtask>,
    wanted: VecDeque<Savepoint>,
    /// A checkpoint is wanted before it is due.
    is_asked: bool,
    pending: Option<Pending>,
    committing: Option<Committing>,
    /// Oldest first.
    retained: VecDeque<CheckpointId>,
    /// Checkpoints that failed since one was complete.
    failures: u32,
    /// When the last checkpoint began, or all subtasks ran.
    begun: Duration,
    /// When the last checkpoint or savepoint ended.
    ended: Option<Duration>,
    /// A checkpoint of final states alone is there.
    has_last: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not all subtasks run: barriers would not reach all of them.
    Deploying,
    Running,
    Ended,
}

#[derive(Clone, Debug)]
struct Finished {
    state: SubtaskState,
    /// What it had prepared at last is committed.
    is_committed: bool,
}

/// What a coordinator finds that takes over a running deployment from another one, which is gone.
#[derive(Clone, Debug, Default)]
pub struct Found<'a> {
    /// What had been begun and has no manifest, nor ever will.
    pub pending: Vec<CheckpointId>,
    /// The manifest of this deployment that was committed last, or was to be: of a checkpoint or of a savepoint with which the job stops.
    pub last: Option<&'a Manifest>,
    /// The job stops when that one is committed.
    pub stops: bool,
}

impl Coordinator {
    /// Of a deployment whose subtasks do not all run yet. What it began with is committed by its own sinks before they do.
    pub fn new(settings: Settings, deployment: Deployment) -> Self {
        let Deployment {
            job,
            generation,
            weir_version,
            max_parallelism,
            subtasks,
            mut retained,
            next,
        } = deployment;
        retained.sort_unstable();
        Self {
            settings,
            job,
            generation,
            weir_version,
            max_parallelism,
            subtasks: subtasks.into_iter().collect(),
            next,
            phase: Phase::Deploying,
            finished: BTreeMap::new(),
            lost: BTreeSet::new(),
            wanted: VecDeque::new(),
            is_asked: false,
            pending: None,
            committing: None,
            retained: retained.into(),
            failures: 0,
            begun: Duration::ZERO,
            ended: None,
            has_last: false,
        }
    }

    /// Takes over from a coordinator that is gone: what was under way is given up, what was complete is committed again.
    pub fn take_over(&mut self, found: &Found<'_>, now: Duration) -> Vec<Action> {
        let mut actions: Vec<Action> = found.pending.iter().copied().map(Action::Abort).collect();
        if let Some(last) = found.last {
            let written = Written::of(last);
            self.has_last = written.is_last;
            self.commit(last.checkpoint, found.stops, written, now, &mut actions);
        }
        actions
    }

    /// Hears what has happened, at a time of a clock that never runs backwards, and says what to do.
    pub fn on(&mut self, event: Event, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        self.hear(event, now, &mut actions);
        self.look_at_time(now, &mut actions);
        self.write(&mut actions);
        self.begin(now, &mut actions);
        actions
    }

    /// When [`Event::Tick`] would have an effect, at the latest.
    pub fn wake_at(&self) -> Option<Duration> {
        match (&self.pending, &self.committing) {
            _ if self.phase == Phase::Ended => None,
            (Some(pending), _) => {
                let can_time_out = pending.written.is_none();
                can_time_out.then(|| pending.begun + self.settings.timeout)
            }
            (None, Some(committing)) => {
                let deadline = committing.begun + self.settings.timeout;
                Some(deadline.min(committing.again_at))
            }
            (None, None) => self.due(),
        }
    }

    /// Whether what is complete is known: no manifest is on its way. A job begins again only when it is.
    pub fn is_settled(&self) -> bool {
        self.pending
            .as_ref()
            .is_none_or(|pending| pending.written.is_none())
    }

    /// The number of the next checkpoint or savepoint.
    pub fn next(&self) -> CheckpointId {
        self.next
    }

    /// Complete checkpoints that are kept, oldest first.
    pub fn retained(&self) -> impl Iterator<Item = CheckpointId> {
        self.retained.iter().copied()
    }

    /// What is under way: its number, and those that have not given their state.
    pub fn under_way(&self) -> Option<(CheckpointId, &BTreeSet<Subtask>)> {
        let pending = self.pending.as_ref()?;
        Some((pending.checkpoint, &pending.waiting))
    }

    fn hear(&mut self, event: Event, now: Duration, actions: &mut Vec<Action>) {
        match event {
            Event::Tick => {}
            Event::Running => self.run(now),
            Event::Savepoint(savepoint) => self.wanted.push_back(savepoint),
            Event::Checkpoint => self.is_asked = true,
            Event::Snapshot {
                subtask,
                checkpoint,
                state,
                cost,
            } => {
                if let Some(pending) = self.gathering(checkpoint) {
                    pending.take(subtask, named(state, subtask), cost, now);
                }
            }
            Event::SnapshotFailed { checkpoint, why, .. } => {
                if self.gathering(checkpoint).is_some() {
                    self.give_up(why, true, now, actions);
                }
            }
            Event::Finished {
                subtask,
                state,
                passed,
            } => self.finish(subtask, state, passed),
            Event::ManifestWritten(checkpoint) => self.complete(checkpoint, now, actions),
            Event::ManifestFailed { checkpoint, why } => {
                if self.is_written(checkpoint) {
                    self.give_up(why, true, now, actions);
                }
            }
            Event::Committed { subtask, checkpoint } => self.committed(subtask, checkpoint, actions),
            Event::CommitFailed { checkpoint, why, .. } => self.commit_failed(checkpoint, why, now, actions),
            Event::Interrupted(why) => {
                if self.is_settled() {
                    self.give_up(why, false, now, actions);
                }
                if let Some(committing) = &mut self.committing {
                    committing.again_at = now;
                }
            }
            Event::RegionFailed { subtasks, why } => self.lose(&subtasks, &why, now, actions),
            Event::Ended(why) => self.end(&why, now, actions),
        }
    }

    fn run(&mut self, now: Duration) {
        if self.phase == Phase::Deploying {
            self.phase = Phase::Running;
            self.begun = now;
            self.lost.clear();
        }
    }

    /// The checkpoint under way, if it is this one and can take states.
    fn gathering(&mut self, checkpoint: CheckpointId) -> Option<&mut Pending> {
        let pending = self.pending.as_mut()?;
        (pending.checkpoint == checkpoint && pending.written.is_none()).then_some(pending)
    }

    /// Whether this is the one whose manifest is on its way.
    fn is_written(&self, checkpoint: CheckpointId) -> bool {
        let pending = self.pending.as_ref();
        pending.is_some_and(|pending| pending.checkpoint == checkpoint && pending.written.is_some())
    }

    fn finish(&mut self, subtask: Subtask, state: SubtaskState, passed: Option<CheckpointId>) {
        if self.finished.contains_key(&subtask) || !self.subtasks.contains(&subtask) {
            return;
        }
        let state = SubtaskState {
            finished: true,
            // All input has ended: its rows serve nobody.
            files: Files::default(),
            ..named(state, subtask)
        };
        let is_committed = false;
        self.finished.insert(subtask, Finished { state, is_committed });
        if let Some(pending) = &mut self.pending
            && passed < Some(pending.checkpoint)
        {
            pending.waiting.remove(&subtask);
        }
    }

    /// Gives up what takes too long, and asks again for commits that do not come.
    fn look_at_time(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let timeout = self.settings.timeout;
        if let Some(pending) = &self.pending
            && pending.written.is_none()
            && !pending.waiting.is_empty()
            && now >= pending.begun + timeout
        {
            let why = pending.timed_out(timeout);
            self.give_up(why, true, now, actions);
        }
        if let Some(committing) = &mut self.committing {
            if now >= committing.begun + timeout {
                let why = committing.timed_out(timeout);
                self.fail_job(why, now, actions);
            } else if now >= committing.again_at {
                committing.asked(now);
                actions.push(committing.action());
            }
        }
    }

    /// Asks for the manifest of what is under way when all states are there.
    fn write(&mut self, actions: &mut Vec<Action>) {
        let Some(mut pending) = self.pending.take() else {
            return;
        };
        if pending.written.is_none() && pending.waiting.is_empty() {
            let manifest = self.manifest(&pending);
            pending.written = Some(Written::of(&manifest));
            actions.push(Action::WriteManifest {
                manifest,
                savepoint: pending.savepoint.clone(),
            });
        }
        self.pending = Some(pending);
    }

    fn manifest(&self, pending: &Pending) -> Manifest {
        let state = |subtask: &Subtask| {
            let snapshot = pending.snapshots.get(subtask).cloned();
            let state = snapshot.or_else(|| self.finished.get(subtask).map(Finished::state));
            state.expect("a subtask that is not waited for has given its state or finished")
        };
        let subtasks: Vec<SubtaskState> = self.subtasks.iter().map(state).collect();
        Manifest {
            format: manifest::format(&subtasks),
            weir_version: self.weir_version.clone(),
            kind: match pending.savepoint {
                None => Kind::Checkpoint,
                Some(_) => Kind::Savepoint,
            },
            job: self.job.clone(),
            checkpoint: pending.checkpoint,
            generation: self.generation,
            created_at_ms: 0,
            max_parallelism: self.max_parallelism,
            subtasks,
        }
    }

    /// Begins what is due, if nothing is under way.
    fn begin(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if self.phase == Phase::Ended {
            let why = Failure::user("the job does not run");
            self.refuse_wanted(&why, actions);
            return;
        }
        if self.pending.is_some() || self.committing.is_some() {
            return;
        }
        match self.due() {
            Some(due) if now >= due => self.begin_one(now, actions),
            None if self.all_finished() => {
                self.phase = Phase::Ended;
                actions.push(Action::JobDone);
            }
            _ => {}
        }
    }

    /// When the next one is due, as far as it is known now.
    fn due(&self) -> Option<Duration> {
        if self.all_finished() {
            if !self.wanted.is_empty() {
                return Some(Duration::ZERO);
            }
            let again = self
                .ended
                .filter(|_| self.failures > 0)
                .map(|ended| ended + LAST_AGAIN);
            return self.wants_last().then(|| again.unwrap_or_default());
        }
        if self.phase != Phase::Running {
            return None;
        }
        if self.is_asked || !self.wanted.is_empty() {
            return Some(Duration::ZERO);
        }
        let paused = self
            .ended
            .map(|ended| ended + self.settings.min_pause)
            .unwrap_or_default();
        let is_periodic = !self.settings.interval.is_zero();
        is_periodic.then(|| paused.max(self.begun + self.settings.interval))
    }

    fn all_finished(&self) -> bool {
        self.finished.len() == self.subtasks.len()
    }

    /// Whether a checkpoint of final states alone has to be written. Without checkpoints, for what is to be committed alone.
    fn wants_last(&self) -> bool {
        let has_commits =
            |finished: &Finished| finished.state().operators.iter().any(|o| !o.commits.is_empty());
        !self.has_last && (!self.settings.interval.is_zero() || self.finished.values().any(has_commits))
    }

    fn begin_one(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let checkpoint = self.next;
        self.next = CheckpointId(checkpoint.0 + 1);
        let savepoint = self.wanted.pop_front();
        if savepoint.is_none() {
            self.begun = now;
            self.is_asked = false;
        }
        let runs = |subtask: &&Subtask| !self.finished.contains_key(subtask);
        let waiting: BTreeSet<Subtask> = self.subtasks.iter().filter(runs).copied().collect();
        if !waiting.is_empty() {
            actions.push(Action::Trigger {
                checkpoint,
                savepoint: savepoint.clone(),
            });
        }
        self.pending = Some(Pending::new(checkpoint, savepoint, waiting, now));
        self.write(actions);
    }
}

impl Finished {
    /// What manifests say of it. What is committed once needs no committing.
    fn state(&self) -> SubtaskState {
        let mut state = self.state.clone();
        if self.is_committed {
            state
                .operators
                .iter_mut()
                .for_each(|operator| operator.commits.clear());
        }
        state
    }
}

/// The state, of this subtask.
fn named(state: SubtaskState, subtask: Subtask) -> SubtaskState {
    SubtaskState {
        task: subtask.task,
        subtask: subtask.subtask,
        ..state
    }
}
