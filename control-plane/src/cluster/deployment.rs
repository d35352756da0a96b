//! The subtasks of one deployment and how they stand.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use weir_model::{Failure, Generation, SubtaskIndex, TaskId, WorkerId, api::Placement};

use super::alignment::Alignment;
use crate::job::observed::Execution;

/// One deployment of a job.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its generation.
    pub generation: Generation,
    /// The start was sent.
    pub started: bool,
    /// Its workers were told to stop it.
    pub stopping: bool,
    /// How far its sources that keep together have come.
    pub alignment: Alignment,
    /// Where the files came from that its subtasks began with.
    pub restored: RestoredBytes,
    since: Duration,
    /// Until when awaited workers may come back.
    awaited_until: Duration,
    subtasks: BTreeMap<(TaskId, SubtaskIndex), Subtask>,
}

#[derive(Clone, Debug)]
struct Subtask {
    worker: WorkerId,
    state: State,
}

/// Where files of state came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoredBytes {
    /// Bytes of those that were on the worker.
    pub local: u64,
    /// Bytes that workers downloaded.
    pub downloaded: u64,
}

/// Where a subtask runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its task.
    pub task: TaskId,
    /// Which of that.
    pub subtask: SubtaskIndex,
    /// The worker.
    pub worker: WorkerId,
}

/// How a subtask stands.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Its worker has not come back since the control plane started.
    Awaited,
    /// Sent, not reported yet.
    Pending,
    /// Wired, waiting for the start.
    Deployed,
    /// Running.
    Running,
    /// Finished.
    Finished,
    /// Stopped on request.
    Cancelled,
    /// Failed.
    Failed(Failure),
    /// Gone with its worker.
    Lost(Failure),
}

impl State {
    /// Whether the subtask may still do something.
    pub fn is_live(&self) -> bool {
        matches!(
            self,
            Self::Awaited | Self::Pending | Self::Deployed | Self::Running
        )
    }
}

/// Where the subtasks of tasks (id, parallelism) run: subtask i of each on the worker of slot i.
pub fn placement(tasks: &[(u32, u32)], workers: &[WorkerId]) -> Vec<Placement> {
    let place = |task, (&worker, index)| Placement {
        task: TaskId(task),
        subtask: SubtaskIndex(index),
        worker,
    };
    tasks
        .iter()
        .flat_map(|&(task, parallelism)| {
            workers
                .iter()
                .zip(0..parallelism)
                .map(move |slot| place(task, slot))
        })
        .collect()
}

impl Deployment {
    /// A deployment about to be sent.
    pub fn new(generation: Generation, placement: &[Placement], now: Duration) -> Self {
        Self::with_state(generation, placement, &State::Pending, now, now)
    }

    /// A deployment of before the control plane's start.
    pub fn restored(generation: Generation, placement: &[Placement], now: Duration, until: Duration) -> Self {
        Self::with_state(generation, placement, &State::Awaited, now, until)
    }

    fn with_state(
        generation: Generation,
        placement: &[Placement],
        state: &State,
        since: Duration,
        awaited_until: Duration,
    ) -> Self {
        let subtasks = placement
            .iter()
            .map(|p| {
                (
                    (p.task, p.subtask),
                    Subtask {
                        worker: p.worker,
                        state: state.clone(),
                    },
                )
            })
            .collect();
        Self {
            generation,
            started: false,
            stopping: false,
            alignment: Alignment::default(),
            restored: RestoredBytes::default(),
            since,
            awaited_until,
            subtasks,
        }
    }

    /// All workers that it is placed on.
    pub fn workers(&self) -> Vec<WorkerId> {
        self.subtasks
            .values()
            .map(|subtask| subtask.worker)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// Slots in which a subtask may still do something, per worker.
    pub fn slots_in_use(&self) -> BTreeMap<WorkerId, u32> {
        let slots: BTreeSet<_> = self
            .subtasks
            .iter()
            .filter(|(_, subtask)| subtask.state.is_live())
            .map(|((_, index), subtask)| (subtask.worker, index))
            .collect();
        let mut used = BTreeMap::new();
        for (worker, _) in slots {
            *used.entry(worker).or_default() += 1;
        }
        used
    }

    /// Takes a worker's word about one of its subtasks. False when the subtask is not its, or nothing changed: what
    /// has ended stays as it ended.
    pub fn report(&mut self, worker: WorkerId, task: TaskId, subtask: SubtaskIndex, state: State) -> bool {
        let Some(known) = self
            .subtasks
            .get_mut(&(task, subtask))
            .filter(|known| known.worker == worker)
        else {
            return false;
        };
        if !known.state.is_live() || known.state == state {
            return false;
        }
        known.state = state;
        true
    }

    /// Makes the worker's subtasks that are live and that `which` picks lost. True when there were any.
    pub fn lose(&mut self, worker: WorkerId, why: &str, which: impl Fn(&State) -> bool) -> bool {
        self.alignment.forget(worker);
        let mut any = false;
        for subtask in self.subtasks.values_mut() {
            if subtask.worker == worker && subtask.state.is_live() && which(&subtask.state) {
                subtask.state = State::Lost(lost(worker, why));
                any = true;
            }
        }
        any
    }

    /// The worker is back and knows the deployment: what it has not reported on yet is to come.
    pub fn welcome_back(&mut self, worker: WorkerId) {
        let awaited = |subtask: &&mut Subtask| subtask.worker == worker && subtask.state == State::Awaited;
        for subtask in self.subtasks.values_mut().filter(awaited) {
            subtask.state = State::Pending;
        }
    }

    /// Whether subtasks on this worker are awaited.
    pub fn awaits(&self, worker: WorkerId) -> bool {
        self.subtasks
            .values()
            .any(|subtask| subtask.worker == worker && subtask.state == State::Awaited)
    }

    /// Makes awaited subtasks lost when their time is up. True when there were any.
    pub fn give_up_awaited(&mut self, now: Duration) -> bool {
        if now < self.awaited_until {
            return false;
        }
        let mut any = false;
        for subtask in self
            .subtasks
            .values_mut()
            .filter(|subtask| subtask.state == State::Awaited)
        {
            let why = "it did not come back after a restart of the control plane";
            subtask.state = State::Lost(lost(subtask.worker, why));
            any = true;
        }
        any
    }

    /// The subtasks counted by state.
    pub fn tally(&self, now: Duration) -> Execution {
        let mut tally = Execution {
            generation: self.generation,
            started: self.started,
            stopping: self.stopping,
            age: now.saturating_sub(self.since),
            failure: self.failure().cloned(),
            ..Execution::default()
        };
        for subtask in self.subtasks.values() {
            *match subtask.state {
                State::Awaited => &mut tally.awaited,
                State::Pending => &mut tally.pending,
                State::Deployed => &mut tally.deployed,
                State::Running => &mut tally.running,
                State::Finished => &mut tally.finished,
                State::Cancelled => &mut tally.cancelled,
                State::Failed(_) | State::Lost(_) => &mut tally.failed,
            } += 1;
        }
        tally
    }

    /// Where the failure to act on happened.
    pub fn failed_at(&self) -> Option<Place> {
        self.first_failed().map(|((task, subtask), failed)| Place {
            task: *task,
            subtask: *subtask,
            worker: failed.worker,
        })
    }

    /// The failure to act on.
    fn failure(&self) -> Option<&Failure> {
        match &self.first_failed()?.1.state {
            State::Failed(failure) | State::Lost(failure) => Some(failure),
            _ => None,
        }
    }

    /// The one whose failure to act on: the user's fault first, then a lost worker, whose loss others only echo.
    fn first_failed(&self) -> Option<(&(TaskId, SubtaskIndex), &Subtask)> {
        let rank = |(_, subtask): &(&(TaskId, SubtaskIndex), &Subtask)| match &subtask.state {
            State::Failed(failure) if !failure.class.is_retryable() => 0,
            State::Lost(_) => 1,
            _ => 2,
        };
        let failed = |(_, subtask): &(&(TaskId, SubtaskIndex), &Subtask)| {
            matches!(subtask.state, State::Failed(_) | State::Lost(_))
        };
        self.subtasks.iter().filter(failed).min_by_key(rank)
    }
}

fn lost(worker: WorkerId, why: &str) -> Failure {
    Failure::internal(format!("worker {worker} was lost: {why}"))
}
