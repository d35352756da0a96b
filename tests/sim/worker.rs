//! Workers: sources that read splits, and keyed operators with sinks behind them, with barriers between.

use std::collections::{BTreeMap, VecDeque};

use weir_checkpoint::{
    coordinator::Subtask,
    fence::{Verdict, judge},
    key_group,
    manifest::{CheckpointId, SubtaskState},
};
use weir_model::Generation;

use crate::{
    messages::{Command, Happening, Message, Report},
    outside::{FOLDER, GROUPS},
    task::{Data, Task},
    world::World,
};

/// A process.
#[derive(Default)]
pub(crate) struct Worker {
    pub(crate) alive: bool,
    /// Stopped, and not aware of it.
    pub(crate) frozen: bool,
    /// What came meanwhile.
    pub(crate) waiting: Vec<Message>,
    newest: u64,
    pub(crate) running: Option<Running>,
}

/// The subtasks of one deployment.
pub(crate) struct Running {
    pub(crate) generation: u64,
    pub(crate) started: bool,
    pub(crate) parallelism: [u32; 2],
    pub(crate) subtasks: BTreeMap<Subtask, Task>,
}

pub(crate) type Channels = BTreeMap<(u64, Subtask, Subtask), VecDeque<Data>>;

impl World {
    pub(crate) fn command(&mut self, worker: usize, command: Command) {
        match command {
            Command::Deploy {
                generation,
                parallelism,
                tasks,
            } => self.deploy(worker, generation, parallelism, tasks),
            Command::Start { generation } => {
                let Some(running) = self.workers[worker].of(generation) else {
                    return;
                };
                running.started = true;
                self.report_stages(worker);
            }
            Command::Trigger {
                generation,
                checkpoint,
                savepoint,
            } => {
                let Some(running) = self.workers[worker].of(generation) else {
                    return;
                };
                for task in running.subtasks.values_mut() {
                    if Some(checkpoint) > task.passed.max(task.given_up) {
                        task.told = Some((checkpoint, savepoint.clone()));
                    }
                }
            }
            Command::Abort {
                generation,
                checkpoint,
            } => {
                let Some(running) = self.workers[worker].of(generation) else {
                    return;
                };
                running
                    .subtasks
                    .values_mut()
                    .for_each(|task| task.give_up(checkpoint));
            }
            Command::Commit {
                generation,
                checkpoint,
                finished,
            } => self.commit(worker, generation, checkpoint, &finished),
            Command::Cancel { generation } => {
                let worker = &mut self.workers[worker];
                worker.newest = worker.newest.max(generation);
                worker.running.take_if(|running| running.generation <= generation);
            }
        }
    }

    fn deploy(
        &mut self,
        worker: usize,
        generation: u64,
        parallelism: [u32; 2],
        tasks: Vec<(Subtask, Vec<SubtaskState>, String)>,
    ) {
        let of = &mut self.workers[worker];
        if judge(Some(Generation(of.newest)), Generation(generation)) != Verdict::Newer {
            return;
        }
        of.newest = generation;
        let mut files = tasks.iter().flat_map(|(_, states, folder)| {
            let files = states.iter().flat_map(|state| &state.files.files);
            files.map(move |file| (folder.clone(), file.path.clone()))
        });
        let is_whole = files.all(|file| self.store.files.contains_key(&file));
        if generation < self.metadata.generation && !is_whole {
            // It comes too late, and what it would begin with is gone: nobody waits for it.
            return self.count("a stale deployment finds nothing to begin with");
        }
        let mut subtasks = BTreeMap::new();
        for (subtask, states, folder) in tasks {
            let commits = states.iter().flat_map(|s| &s.operators).flat_map(|o| &o.commits);
            for transaction in commits {
                let did = self.target.commit(transaction);
                self.count(if did {
                    "committed at a restore"
                } else {
                    "committed again at a restore"
                });
            }
            subtasks.insert(subtask, self.restored(subtask, parallelism, &states, &folder));
            self.later(
                1..40,
                Happening::Step {
                    worker,
                    generation,
                    subtask,
                },
            );
        }
        let started = false;
        self.workers[worker].running = Some(Running {
            generation,
            started,
            parallelism,
            subtasks,
        });
        self.report_stages(worker);
    }

    /// A subtask that begins with states of before.
    fn restored(
        &self,
        subtask: Subtask,
        parallelism: [u32; 2],
        states: &[SubtaskState],
        folder: &str,
    ) -> Task {
        let mut task = Task::default();
        let operators = states.iter().flat_map(|state| &state.operators);
        task.splits
            .extend(operators.flat_map(|operator| operator.splits.clone()));
        if subtask.task == 0 {
            return task;
        }
        let mine = key_group::range(subtask.subtask, parallelism[1], GROUPS);
        for file in states.iter().flat_map(|state| &state.files.files) {
            let group: u32 = file.name.parse().expect("the name of a file is its key group");
            let count = self.store.files.get(&(folder.to_owned(), file.path.clone()));
            let count = *count.unwrap_or_else(|| panic!("{} was deleted and is needed", file.path));
            if mine.contains(&group) {
                assert!(
                    task.counts.insert(group, count).is_none(),
                    "key group {group} comes from two subtasks"
                );
                if folder == FOLDER {
                    task.uploaded.insert(group, (count, file.path.clone()));
                }
            }
        }
        task
    }

    fn commit(&mut self, worker: usize, generation: u64, checkpoint: CheckpointId, finished: &[Subtask]) {
        let Some(running) = self.workers[worker].of(generation) else {
            return;
        };
        let mut due = Vec::new();
        for (subtask, task) in &mut running.subtasks {
            task.undecided.retain(|id, uploaded| {
                if *id == checkpoint {
                    task.uploaded.clone_from(uploaded);
                }
                *id > checkpoint
            });
            let is_due = |prepared: &Option<CheckpointId>| match prepared {
                Some(prepared) => *prepared <= checkpoint,
                None => finished.contains(subtask),
            };
            let transactions: Vec<String> = task
                .pending
                .iter()
                .filter(|(prepared, _)| is_due(prepared))
                .map(|(_, t)| t.clone())
                .collect();
            due.push((*subtask, transactions));
        }
        for (subtask, transactions) in due {
            if self.fault(20, "a commit fails") {
                self.report(
                    worker,
                    Report::CommitFailed {
                        generation,
                        subtask,
                        checkpoint,
                    },
                );
                continue;
            }
            for transaction in &transactions {
                self.target.commit(transaction);
                if self.fault(3, "a worker dies in the middle of a commit") {
                    return self.crash(worker);
                }
            }
            if let Some(running) = self.workers[worker].of(generation)
                && let Some(task) = running.subtasks.get_mut(&subtask)
            {
                task.pending
                    .retain(|(_, transaction)| !transactions.contains(transaction));
            }
            self.report(
                worker,
                Report::Committed {
                    generation,
                    subtask,
                    checkpoint,
                },
            );
        }
    }
}

impl Worker {
    pub(crate) fn new() -> Self {
        Self {
            alive: true,
            ..Self::default()
        }
    }

    pub(crate) fn of(&mut self, generation: u64) -> Option<&mut Running> {
        self.running
            .as_mut()
            .filter(|running| running.generation == generation)
    }
}
