//! Everything that there is, and what happens to it, one thing after another.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    fmt,
    ops::Range,
};

use crate::{
    chance::Chance,
    messages::{Happening, Message, Report},
    outside::{Metadata, Phase, Store, Target},
    plane::Plane,
    worker::{Channels, Worker},
};

/// From here on nothing fails any more, ms.
const CALM: u64 = 40_000;
/// By then the job must be done, ms.
const END: u64 = 400_000;

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) chance: Chance,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
    pub(crate) workers: Vec<Worker>,
    pub(crate) plane: Plane,
    pub(crate) metadata: Metadata,
    pub(crate) store: Store,
    pub(crate) target: Target,
    pub(crate) channels: Channels,
    /// What has happened how often.
    pub(crate) seen: BTreeMap<&'static str, u64>,
    /// What has happened, where that is wanted.
    pub(crate) trace: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self {
            now: 0,
            chance: Chance::new(seed),
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            sequence: 0,
            workers: vec![],
            plane: Plane::default(),
            metadata: Metadata::default(),
            store: Store::default(),
            target: Target::default(),
            channels: BTreeMap::new(),
            seen: BTreeMap::new(),
            trace: None,
        };
        for _ in 0..2 {
            world.add_worker();
        }
        world.plane.up = true;
        world.later(1..10, Happening::Tick);
        world.later(500..3000, Happening::Person);
        world
    }

    /// Runs until the job is done, and holds what must hold at each step.
    pub(crate) fn run(mut self) -> Self {
        while self.metadata.phase != Phase::Done {
            let Some(Reverse(at)) = self.queue.pop() else {
                panic!("nothing happens any more");
            };
            let Some(happening) = self.happenings.remove(&at) else {
                continue;
            };
            self.now = at.0;
            assert!(self.now < END, "it never ends: {:?}", self.plane);
            self.note(&happening);
            self.happen(happening);
        }
        self.target.check_complete();
        self.check_savepoints();
        self
    }

    /// The same, with a trace.
    pub(crate) fn traced(seed: u64) -> Self {
        Self {
            trace: Some(vec![]),
            ..Self::new(seed)
        }
    }

    fn note(&mut self, what: &dyn fmt::Display) {
        if let Some(trace) = &mut self.trace {
            let line = format!("{} {what}", self.now);
            println!("{line}");
            trace.push(line);
        }
    }

    pub(crate) fn later(&mut self, wait: Range<u64>, happening: Happening) {
        self.sequence += 1;
        let at = (self.now + self.chance.of(wait), self.sequence);
        self.queue.push(Reverse(at));
        self.happenings.insert(at, happening);
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// Whether a fault happens here, so many times in a thousand.
    pub(crate) fn fault(&mut self, per_mille: u64, what: &'static str) -> bool {
        let is = self.chance.is(per_mille) && self.now < CALM;
        if is {
            self.count(what);
            self.note(&what);
        }
        is
    }

    pub(crate) fn send(&mut self, worker: usize, message: Message) {
        if self.fault(10, "a message is lost") {
            // It is no longer sure what else was.
            return self.later(50..800, Happening::Reconnect { worker });
        }
        if self.fault(10, "a message comes twice") {
            self.later(
                1..2000,
                Happening::Arrive {
                    worker,
                    message: message.clone(),
                },
            );
        }
        let wait = if self.fault(20, "a message is late") {
            1..1500
        } else {
            1..30
        };
        self.later(wait, Happening::Arrive { worker, message });
    }

    pub(crate) fn report(&mut self, worker: usize, report: Report) {
        self.send(worker, Message::Report(report));
    }

    pub(crate) fn report_stages(&mut self, worker: usize) {
        if let Some(report) = self.stages(worker, false) {
            self.report(worker, report);
        }
    }

    fn stages(&self, worker: usize, reconnected: bool) -> Option<Report> {
        let running = self.workers[worker].running.as_ref()?;
        let subtasks = running.subtasks.keys().copied().collect();
        Some(Report::Stages {
            generation: running.generation,
            subtasks,
            started: running.started,
            reconnected,
        })
    }

    fn add_worker(&mut self) {
        self.workers.push(Worker::new());
    }

    /// A process is gone, and another one comes in its place.
    pub(crate) fn crash(&mut self, worker: usize) {
        self.count("a worker died");
        self.workers[worker] = Worker::default();
        let life = self.plane.life;
        self.later(1..3000, Happening::Missed { life, worker });
        self.add_worker();
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive { worker, message } => self.arrive(worker, message),
            Happening::Reconnect { worker } => self.reconnect(worker),
            Happening::Step {
                worker,
                generation,
                subtask,
            } => self.step(worker, generation, subtask),
            Happening::Stored {
                worker,
                generation,
                subtask,
                checkpoint,
                files,
                state,
            } => {
                self.stored((worker, generation), (subtask, checkpoint), files, state);
            }
            Happening::Create {
                life,
                manifest,
                answered,
            } => self.create(life, manifest, answered),
            Happening::Void { life, checkpoint } => self.void(life, checkpoint),
            Happening::Written {
                life,
                checkpoint,
                is_there,
            } if life == self.plane.life && self.plane.up => {
                self.written(checkpoint, is_there);
            }
            Happening::Tick => {
                self.faults();
                self.tick();
                self.later(90..110, Happening::Tick);
            }
            Happening::Missed { life, worker } if life == self.plane.life && self.plane.up => {
                self.missed(worker);
            }
            Happening::Thaw { worker } => self.thaw(worker),
            Happening::PlaneUp => self.plane_up(),
            Happening::Collect { life, listed } if life == self.plane.life && self.plane.up => {
                self.collect(&listed);
            }
            // Of a life of the control plane that is over.
            Happening::Written { .. } | Happening::Missed { .. } | Happening::Collect { .. } => {}
            Happening::Delete { path } => {
                self.check_may_delete(&path);
                self.store.delete(&path);
                self.count("something was deleted");
            }
            Happening::Person => self.person(),
        }
    }

    fn arrive(&mut self, worker: usize, message: Message) {
        match message {
            Message::Report(report) => {
                if self.plane.up {
                    self.hear(worker, report);
                }
            }
            message if self.workers[worker].frozen => self.workers[worker].waiting.push(message),
            Message::Command(command) if self.workers[worker].alive => self.command(worker, command),
            Message::Command(_) => {}
        }
    }

    /// What a worker says of itself at a new connection.
    pub(crate) fn reconnect(&mut self, worker: usize) {
        if !self.workers[worker].alive || self.workers[worker].frozen || !self.plane.up {
            return;
        }
        let Some(stages) = self.stages(worker, true) else {
            return;
        };
        self.hear(worker, stages);
        let Some(running) = &self.workers[worker].running else {
            return;
        };
        let generation = running.generation;
        let finished = running.subtasks.iter().filter_map(|(subtask, task)| {
            let state = task.last.clone()?;
            Some(Report::Finished {
                generation,
                subtask: *subtask,
                state,
                passed: task.passed,
            })
        });
        for report in finished.collect::<Vec<_>>() {
            self.report(worker, report);
        }
    }

    /// Faults that come out of the blue.
    fn faults(&mut self) {
        let worker = self.chance.of(0..self.workers.len() as u64) as usize;
        let of = &self.workers[worker];
        if of.alive && !of.frozen && self.fault(12, "a worker freezes") {
            self.workers[worker].frozen = true;
            let (life, wait) = (self.plane.life, self.chance.of(100..12_000));
            self.later(wait..wait + 1, Happening::Thaw { worker });
            if wait > 3000 {
                self.count("a worker is frozen for so long that it is given up");
                self.add_worker();
                self.later(3000..3001, Happening::Missed { life, worker });
            }
        }
        if self.plane.up && self.fault(15, "the control plane dies") {
            self.plane_down();
        }
    }

    fn thaw(&mut self, worker: usize) {
        self.workers[worker].frozen = false;
        for message in std::mem::take(&mut self.workers[worker].waiting) {
            self.arrive(worker, message);
        }
        self.later(1..200, Happening::Reconnect { worker });
    }
}
