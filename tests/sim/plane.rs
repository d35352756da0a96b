//! The control plane: drives the coordinator, deploys, takes over after its own restart, collects garbage.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use weir_checkpoint::{
    coordinator::{Action, After, Coordinator, Cost, Deployment, Event, Found, Savepoint, Settings, Subtask},
    fence::{Verdict, judge},
    manifest::{CheckpointId, SubtaskState},
};
use weir_model::{Failure, Generation};

use crate::{
    messages::{Command, Happening, Message, Report},
    outside::{Entry, FOLDER, GROUPS, Phase, Status},
    world::World,
};

const SETTINGS: Settings = Settings {
    interval: Duration::from_millis(400),
    timeout: Duration::from_secs(6),
    min_pause: Duration::ZERO,
    tolerable_failures: 2,
    retained: 2,
};
/// How long a deployment may take to come up, and how long workers are waited for after a restart, ms.
pub(crate) const PATIENCE: u64 = 4000;

/// A process; nothing of it outlives it.
#[derive(Debug, Default)]
pub(crate) struct Plane {
    pub(crate) up: bool,
    pub(crate) life: u64,
    pub(crate) coordinator: Option<Coordinator>,
    /// What was heard of the deployment's subtasks: whether they run, and their last words.
    pub(crate) running: BTreeMap<Subtask, bool>,
    pub(crate) last: BTreeMap<Subtask, (SubtaskState, Option<CheckpointId>)>,
    pub(crate) all_run: bool,
    pub(crate) taking_over: bool,
    /// When a deployment that is not up by then is given up; when the next one is due.
    pub(crate) deadline: u64,
    due: u64,
    pub(crate) gone: BTreeSet<usize>,
}

impl World {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    pub(crate) fn plane_down(&mut self) {
        self.plane = Plane {
            life: self.plane.life + 1,
            gone: std::mem::take(&mut self.plane.gone),
            ..Plane::default()
        };
        self.later(100..3000, Happening::PlaneUp);
    }

    /// What was under way in the metadata store is settled; workers say what they run.
    pub(crate) fn plane_up(&mut self) {
        self.plane.up = true;
        self.plane.deadline = self.now + PATIENCE;
        self.plane.taking_over = self.metadata.phase == Phase::Deployed;
        for worker in 0..self.workers.len() {
            self.later(1..PATIENCE / 2, Happening::Reconnect { worker });
        }
    }

    /// Decides what becomes of all that was begun: it is there, or never will be.
    pub(crate) fn settle_history(&mut self) -> Vec<CheckpointId> {
        let mut given_up = Vec::new();
        for id in self.metadata.in_progress() {
            let is_there = self.store.create(id, None).is_some();
            let status = if is_there {
                Status::Complete
            } else {
                Status::Failed
            };
            self.metadata.end(id, status);
            if is_there {
                self.count("a manifest is found that nobody had heard of");
            } else {
                given_up.push(id);
            }
        }
        given_up
    }

    fn take_over(&mut self) {
        self.count("a deployment is taken over");
        self.plane.taking_over = false;
        let pending = self.settle_history();
        let last = self.metadata.newest_to_commit();
        let stops = last.is_some_and(|last| self.metadata.history[&last].after.is_some());
        let mut coordinator = self.coordinator();
        let last = last.map(|last| {
            self.store
                .manifest(last)
                .expect("a complete one has its manifest")
                .clone()
        });
        let actions = coordinator.take_over(
            &Found {
                pending,
                last: last.as_ref(),
                stops,
            },
            self.elapsed(),
        );
        self.plane.coordinator = Some(coordinator);
        self.perform(actions);
        for (subtask, (state, passed)) in self.plane.last.clone() {
            self.coordinate(Event::Finished {
                subtask,
                state,
                passed,
            });
        }
        // It was asked of a coordinator that is gone.
        if let Some(savepoint) = self.metadata.stop.clone()
            && !stops
        {
            self.count("a stop is asked for again");
            self.coordinate(Event::Savepoint(savepoint));
        }
    }

    pub(crate) fn coordinator(&self) -> Coordinator {
        Coordinator::new(
            SETTINGS,
            Deployment {
                job: "j".to_owned(),
                generation: self.metadata.generation,
                weir_version: "sim".to_owned(),
                max_parallelism: GROUPS,
                subtasks: self.metadata.assignment.keys().copied().collect(),
                retained: self.metadata.retained(),
                next: self.metadata.next(),
            },
        )
    }

    pub(crate) fn coordinate(&mut self, event: Event) {
        let now = self.elapsed();
        if let Some(coordinator) = &mut self.plane.coordinator {
            let actions = coordinator.on(event, now);
            self.perform(actions);
        }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            if self.fault(4, "the control plane dies between two actions") {
                return self.plane_down();
            }
            self.perform_one(action);
            if !self.plane.up {
                return;
            }
        }
    }

    fn begin(&mut self, id: CheckpointId, savepoint: Option<&Savepoint>) {
        let entry = Entry {
            generation: self.metadata.generation,
            after: savepoint.map(|savepoint| savepoint.after),
            folder: savepoint.map_or(FOLDER.to_owned(), |savepoint| savepoint.url.clone()),
            status: Status::InProgress,
        };
        self.metadata.history.entry(id).or_insert(entry);
    }

    fn perform_one(&mut self, action: Action) {
        let generation = self.metadata.generation;
        match action {
            Action::Trigger {
                checkpoint,
                savepoint,
            } => {
                self.begin(checkpoint, savepoint.as_ref());
                self.tell_all(&Command::Trigger {
                    generation,
                    checkpoint,
                    savepoint,
                });
            }
            Action::Abort(checkpoint) => self.tell_all(&Command::Abort {
                generation,
                checkpoint,
            }),
            Action::WriteManifest { manifest, savepoint } => {
                self.begin(manifest.checkpoint, savepoint.as_ref());
                self.write(manifest);
            }
            Action::Commit { checkpoint, .. }
                if self.metadata.history[&checkpoint].after.is_some()
                    && !self.metadata.stops_with(checkpoint) =>
            {
                self.count("a savepoint is not stopped with any more");
            }
            Action::Commit { checkpoint, finished } => {
                self.tell_all(&Command::Commit {
                    generation,
                    checkpoint,
                    finished,
                });
            }
            Action::Completed(record) => {
                self.metadata.end(record.checkpoint, Status::Complete);
                self.count(if record.savepoint.is_some() {
                    "a savepoint"
                } else {
                    "a checkpoint"
                });
            }
            Action::Failed { record, .. } => {
                self.metadata.end(record.checkpoint, Status::Failed);
                self.give_up_stop(record.savepoint.as_ref());
            }
            Action::Refused { savepoint, .. } => self.give_up_stop(Some(&savepoint)),
            Action::FailJob(_) => {
                self.count("checkpoints fail the job");
                self.fail();
            }
            Action::Discard(checkpoints) => {
                for checkpoint in checkpoints {
                    self.metadata.end(checkpoint, Status::Discarded);
                }
            }
            Action::Stop(_) => {
                self.count("the job is stopped with a savepoint");
                self.down();
            }
            Action::JobDone => self.metadata.phase = Phase::Done,
        }
    }

    /// Without its savepoint the job does not stop: it goes on.
    fn give_up_stop(&mut self, savepoint: Option<&Savepoint>) {
        let is_it = |stop: &mut Savepoint| savepoint.is_some_and(|savepoint| savepoint.url == stop.url);
        if self.metadata.stop.take_if(is_it).is_some() {
            self.count("the job is not stopped, for want of its savepoint");
        }
    }

    fn tell_all(&mut self, command: &Command) {
        let workers: BTreeSet<usize> = self.metadata.assignment.values().copied().collect();
        for worker in workers {
            self.send(worker, Message::Command(command.clone()));
        }
    }

    /// What a worker says, unless it is of a deployment of before.
    pub(crate) fn hear(&mut self, worker: usize, report: Report) {
        let generation = report.generation();
        if judge(Some(Generation(self.metadata.generation)), Generation(generation)) == Verdict::Stale
            || self.metadata.phase != Phase::Deployed
        {
            self.count("a stale report is refused");
            return self.send(worker, Message::Command(Command::Cancel { generation }));
        }
        match report {
            Report::Stages {
                subtasks,
                started,
                reconnected,
                ..
            } => self.stages_of(subtasks, started, reconnected),
            Report::Snapshot {
                subtask,
                checkpoint,
                state,
                ..
            } => {
                self.coordinate(Event::Snapshot {
                    subtask,
                    checkpoint,
                    state,
                    cost: Cost::default(),
                });
            }
            Report::SnapshotFailed {
                subtask, checkpoint, ..
            } => {
                let why = Failure::external("not stored");
                self.coordinate(Event::SnapshotFailed {
                    subtask,
                    checkpoint,
                    why,
                });
            }
            Report::Finished {
                subtask,
                state,
                passed,
                ..
            } => {
                self.plane.last.insert(subtask, (state.clone(), passed));
                self.coordinate(Event::Finished {
                    subtask,
                    state,
                    passed,
                });
            }
            Report::Committed {
                subtask, checkpoint, ..
            } => {
                self.coordinate(Event::Committed { subtask, checkpoint });
            }
            Report::CommitFailed {
                subtask, checkpoint, ..
            } => {
                let why = Failure::external("not committed");
                self.coordinate(Event::CommitFailed {
                    subtask,
                    checkpoint,
                    why,
                });
            }
        }
    }

    fn stages_of(&mut self, subtasks: Vec<Subtask>, started: bool, reconnected: bool) {
        for subtask in subtasks {
            let runs = self.plane.running.entry(subtask).or_default();
            *runs |= started;
        }
        if reconnected {
            self.coordinate(Event::Interrupted(Failure::internal("cut off")));
        }
    }

    pub(crate) fn missed(&mut self, worker: usize) {
        self.plane.gone.insert(worker);
        if self.metadata.phase == Phase::Deployed && self.metadata.assignment.values().any(|of| *of == worker)
        {
            self.fail();
        }
    }

    /// The deployment has failed.
    fn fail(&mut self) {
        if self.metadata.phase == Phase::Deployed {
            if self
                .metadata
                .base
                .is_some_and(|base| self.metadata.stops_with(base))
            {
                self.count("the job fails when it might have stopped");
            }
            self.coordinate(Event::Ended(Failure::internal("a worker is gone")));
            if self.plane.up {
                self.down();
            }
        }
    }

    fn down(&mut self) {
        let generation = self.metadata.generation;
        self.metadata.stop = None;
        self.metadata.phase = Phase::Down;
        self.tell_all(&Command::Cancel { generation });
        self.plane.due = self.now + self.chance.of(10..1500);
    }

    /// Looks at what is to be done next.
    pub(crate) fn tick(&mut self) {
        if !self.plane.up {
            return;
        }
        match self.metadata.phase {
            Phase::Down => {
                let is_settled = self
                    .plane
                    .coordinator
                    .as_ref()
                    .is_none_or(Coordinator::is_settled);
                if is_settled && self.now >= self.plane.due {
                    self.deploy_anew();
                }
            }
            Phase::Deployed => self.bring_up(),
            Phase::Done => {}
        }
        if self.plane.up && self.chance.is(100) {
            let (life, listed) = (self.plane.life, self.store.list());
            self.later(1..3000, Happening::Collect { life, listed });
        }
        self.coordinate(Event::Tick);
    }

    fn bring_up(&mut self) {
        let all = self.metadata.assignment.len();
        let generation = self.metadata.generation;
        if self.plane.running.len() == all && self.plane.taking_over {
            self.take_over();
        } else if self.plane.running.len() < all && self.now > self.plane.deadline {
            self.count("a deployment does not come up");
            if self.plane.taking_over {
                return self.down();
            }
            return self.fail();
        }
        if !self.plane.up || self.plane.running.len() < all || self.plane.all_run {
            return;
        }
        if self.plane.running.values().all(|runs| *runs) {
            self.plane.all_run = true;
            self.coordinate(Event::Running);
        } else {
            self.tell_all(&Command::Start { generation });
        }
    }

    /// Somebody wants a savepoint, or that the job stops and goes on later.
    pub(crate) fn person(&mut self) {
        self.later(500..6000, Happening::Person);
        let after = [After::GoOn, After::GoOn, After::Suspend, After::Drain][self.chance.of(0..4) as usize];
        if self.plane.up && self.metadata.phase == Phase::Deployed && self.metadata.stop.is_none() {
            let url = format!("savepoints/{}", self.now);
            let savepoint = Savepoint { url, after };
            if after != After::GoOn {
                self.metadata.stop = Some(savepoint.clone());
            }
            self.coordinate(Event::Savepoint(savepoint));
        }
    }
}
