//! What subtasks do at each step, and what of it goes to others.

use std::collections::VecDeque;

use weir_checkpoint::{
    coordinator::{After, Subtask},
    key_group,
    manifest::{CheckpointId, Files, SubtaskState},
};

use crate::{
    messages::{Happening, Report},
    outside::{GROUPS, ROWS, group_of},
    task::{Data, Task},
    world::World,
};

impl World {
    /// One step of a subtask.
    pub(crate) fn step(&mut self, worker: usize, generation: u64, subtask: Subtask) {
        let of = &mut self.workers[worker];
        if !of.alive
            || of
                .running
                .as_ref()
                .is_none_or(|running| running.generation != generation)
        {
            return;
        }
        if !of.frozen && of.running.as_ref().is_some_and(|running| running.started) {
            if subtask.task == 0 {
                self.step_source(worker, generation, subtask);
            } else {
                self.step_keyed(worker, generation, subtask);
            }
            if self.fault(1, "a worker dies") {
                return self.crash(worker);
            }
        }
        let wait = if subtask.task == 0 { 1..60 } else { 1..20 };
        self.later(
            wait,
            Happening::Step {
                worker,
                generation,
                subtask,
            },
        );
    }

    fn step_source(&mut self, worker: usize, generation: u64, subtask: Subtask) {
        let Some(running) = self.workers[worker].of(generation) else {
            return;
        };
        let to: Vec<Subtask> = (0..running.parallelism[1])
            .map(|subtask| Subtask { task: 1, subtask })
            .collect();
        let Some(task) = running
            .subtasks
            .get_mut(&subtask)
            .filter(|task| task.last.is_none())
        else {
            return;
        };
        if let Some((checkpoint, savepoint)) = task.told.take() {
            // Whatever it paused for before was given up if there is a new one.
            let pauses = savepoint
                .as_ref()
                .is_some_and(|savepoint| savepoint.after != After::GoOn);
            task.paused = pauses.then_some(checkpoint);
            task.passed = Some(checkpoint);
            let state = task.source_state(subtask, running.parallelism[0]);
            for to in to {
                self.send_data(
                    generation,
                    subtask,
                    to,
                    Data::Barrier(checkpoint, savepoint.clone()),
                );
            }
            return self.store_snapshot(worker, generation, subtask, checkpoint, vec![], state);
        }
        if task.paused.is_some() {
            return;
        }
        if let Some(split) = task.splits.iter_mut().find(|split| !split.ended) {
            let number = |text: &str| text.parse::<u64>().expect("a number");
            let row = (number(&split.id), number(&split.state));
            split.state = (row.1 + 1).to_string();
            split.ended = row.1 + 1 == ROWS;
            let owner = key_group::routing(to.len() as u32, GROUPS)[group_of(row) as usize];
            return self.send_data(generation, subtask, to[owner as usize], Data::Row(row));
        }
        let state = task.source_state(subtask, running.parallelism[0]);
        let passed = task.passed;
        task.last = Some(state.clone());
        for to in to {
            self.send_data(generation, subtask, to, Data::End);
        }
        self.report(
            worker,
            Report::Finished {
                generation,
                subtask,
                state,
                passed,
            },
        );
    }

    fn send_data(&mut self, generation: u64, from: Subtask, to: Subtask, data: Data) {
        self.channels
            .entry((generation, from, to))
            .or_default()
            .push_back(data);
    }

    fn step_keyed(&mut self, worker: usize, generation: u64, subtask: Subtask) {
        let Some(running) = self.workers[worker].of(generation) else {
            return;
        };
        let parallelism = running.parallelism;
        let Some(task) = running
            .subtasks
            .get_mut(&subtask)
            .filter(|task| task.last.is_none())
        else {
            return;
        };
        let from = (0..parallelism[0]).map(|subtask| Subtask { task: 0, subtask });
        let open: Vec<Subtask> = from.filter(|from| !task.blocked.contains(from)).collect();
        let start = self.chance.next() as usize;
        for at in 0..open.len() {
            let from = open[(start + at) % open.len()];
            let channel = self.channels.get_mut(&(generation, from, subtask));
            let Some(data) = channel.and_then(VecDeque::pop_front) else {
                continue;
            };
            let Some(running) = self.workers[worker].of(generation) else {
                return;
            };
            let Some(task) = running.subtasks.get_mut(&subtask) else {
                return;
            };
            task.take(from, data);
            break;
        }
        self.settle(worker, generation, subtask, parallelism);
    }

    /// Takes the snapshot if all barriers are there, and ends if all inputs have.
    fn settle(&mut self, worker: usize, generation: u64, subtask: Subtask, parallelism: [u32; 2]) {
        let Some(running) = self.workers[worker].of(generation) else {
            return;
        };
        let Some(task) = running.subtasks.get_mut(&subtask) else {
            return;
        };
        let is_aligned = (0..parallelism[0])
            .map(|subtask| Subtask { task: 0, subtask })
            .all(|from| task.blocked.contains(&from) || task.ended.contains(&from));
        if is_aligned && let Some((checkpoint, savepoint)) = task.aligning.take() {
            task.blocked.clear();
            task.passed = Some(checkpoint);
            task.prepare(generation, subtask, Some(checkpoint), &mut self.target);
            let (files, state) = task.keyed_state(
                generation,
                subtask,
                parallelism[1],
                checkpoint,
                savepoint.as_ref(),
            );
            return self.store_snapshot(worker, generation, subtask, checkpoint, files, state);
        }
        if task.ended.len() == parallelism[0] as usize {
            task.prepare(generation, subtask, None, &mut self.target);
            let state = Task::state(subtask, parallelism[1], task.operator(), Files::default());
            let passed = task.passed;
            task.last = Some(state.clone());
            self.report(
                worker,
                Report::Finished {
                    generation,
                    subtask,
                    state,
                    passed,
                },
            );
        }
    }

    fn store_snapshot(
        &mut self,
        worker: usize,
        generation: u64,
        subtask: Subtask,
        checkpoint: CheckpointId,
        files: Vec<(String, String, u64)>,
        state: SubtaskState,
    ) {
        let stored = Happening::Stored {
            worker,
            generation,
            subtask,
            checkpoint,
            files,
            state,
        };
        self.later(1..400, stored);
    }

    /// What a snapshot has is in the store, or cannot be put there.
    pub(crate) fn stored(
        &mut self,
        (worker, generation): (usize, u64),
        (subtask, checkpoint): (Subtask, CheckpointId),
        files: Vec<(String, String, u64)>,
        state: SubtaskState,
    ) {
        if !self.workers[worker].alive {
            return;
        }
        if self.workers[worker].frozen {
            let again = Happening::Stored {
                worker,
                generation,
                subtask,
                checkpoint,
                files,
                state,
            };
            return self.later(50..100, again);
        }
        if self.fault(10, "a snapshot cannot be stored") {
            return self.report(
                worker,
                Report::SnapshotFailed {
                    generation,
                    subtask,
                    checkpoint,
                },
            );
        }
        for (folder, path, count) in files {
            assert!(
                self.store.files.insert((folder, path.clone()), count).is_none(),
                "{path} is written twice"
            );
        }
        self.report(
            worker,
            Report::Snapshot {
                generation,
                subtask,
                checkpoint,
                state,
            },
        );
    }
}
