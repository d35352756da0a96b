//! The control plane's deployments: from the newest that is complete, at whatever parallelism.

use std::collections::BTreeMap;

use weir_checkpoint::{
    coordinator::Subtask,
    manifest::{CheckpointId, FORMAT, Kind, Manifest, SplitState, SubtaskState},
    restore::{FoundSplits, OperatorShape, Role, Shape, TaskShape, assign},
};

use crate::{
    chance::Chance,
    messages::{Command, Message},
    outside::{FOLDER, GROUPS, Phase, ROWS, SPLITS, check_output},
    plane::PATIENCE,
    world::World,
};

impl World {
    pub(crate) fn deploy_anew(&mut self) {
        self.settle_history();
        let workers: Vec<usize> = (0..self.workers.len())
            .filter(|worker| self.workers[*worker].alive && !self.plane.gone.contains(worker))
            .collect();
        if workers.is_empty() {
            return;
        }
        let before = self.metadata.parallelism;
        let parallelism = [0, 1].map(|_| self.chance.of(1..4) as u32);
        self.count(if before == parallelism {
            "deployed"
        } else {
            "deployed at another parallelism"
        });
        let subtasks =
            [0, 1].map(|task| (0..parallelism[task as usize]).map(move |subtask| Subtask { task, subtask }));
        let subtasks: Vec<Subtask> = subtasks.into_iter().flatten().collect();
        let on = |chance: &mut Chance| workers[chance.of(0..workers.len() as u64) as usize];
        let assignment = subtasks
            .iter()
            .map(|subtask| (*subtask, on(&mut self.chance)))
            .collect();
        self.metadata.generation += 1;
        self.metadata.phase = Phase::Deployed;
        self.metadata.parallelism = parallelism;
        self.metadata.assignment = assignment;
        self.plane.coordinator = Some(self.coordinator());
        self.plane.running.clear();
        self.plane.last.clear();
        (self.plane.all_run, self.plane.taking_over) = (false, false);
        self.plane.deadline = self.now + PATIENCE;
        if self.fault(30, "the control plane dies before it deploys") {
            return self.plane_down();
        }
        self.deploy_to_all(parallelism);
    }

    fn deploy_to_all(&mut self, parallelism: [u32; 2]) {
        let (states, folder) = self.beginning(parallelism);
        let mut of_worker: BTreeMap<usize, Vec<(Subtask, Vec<SubtaskState>, String)>> = BTreeMap::new();
        for (subtask, worker) in &self.metadata.assignment {
            let states = states.get(subtask).cloned().unwrap_or_default();
            of_worker
                .entry(*worker)
                .or_default()
                .push((*subtask, states, folder.clone()));
        }
        let generation = self.metadata.generation;
        for (worker, tasks) in of_worker {
            self.send(
                worker,
                Message::Command(Command::Deploy {
                    generation,
                    parallelism,
                    tasks,
                }),
            );
        }
    }

    /// What subtasks begin with: the newest that is complete, or all splits from their beginning.
    fn beginning(&self, parallelism: [u32; 2]) -> (BTreeMap<Subtask, Vec<SubtaskState>>, String) {
        let base = self.metadata.start();
        let manifest = base.map(|id| {
            self.store
                .manifest(id)
                .expect("a complete one has its manifest")
                .clone()
        });
        let manifest = manifest.unwrap_or_else(empty_manifest);
        if base.is_some() {
            check_output(&manifest, &self.target);
        }
        let operator = |uid: &str, role| {
            vec![OperatorShape {
                uid: uid.to_owned(),
                name: uid.to_owned(),
                role,
                tables: None,
            }]
        };
        let shape = Shape {
            max_parallelism: GROUPS,
            tasks: vec![
                TaskShape {
                    task: 0,
                    parallelism: parallelism[0],
                    operators: operator("source", Role::Source),
                },
                TaskShape {
                    task: 1,
                    parallelism: parallelism[1],
                    operators: operator("keyed", Role::Stateful),
                },
            ],
        };
        let split = |n: u64| SplitState {
            id: n.to_string(),
            state: "0".to_owned(),
            ended: ROWS == 0,
            watermark_ms: None,
        };
        let found = FoundSplits::from([("source".to_owned(), (0..SPLITS).map(split).collect())]);
        let assigned = assign(&manifest, &shape, &found).expect("it fits");
        let states = assigned.into_iter().map(|a| {
            (
                Subtask {
                    task: a.task,
                    subtask: a.subtask,
                },
                a.states,
            )
        });
        let folder = base.map_or(FOLDER, |id| self.metadata.history[&id].folder.as_str());
        (states.collect(), folder.to_owned())
    }
}

fn empty_manifest() -> Manifest {
    Manifest {
        format: FORMAT,
        weir_version: String::new(),
        kind: Kind::Checkpoint,
        job: String::new(),
        checkpoint: CheckpointId(0),
        generation: 0,
        created_at_ms: 0,
        max_parallelism: GROUPS,
        subtasks: vec![],
    }
}
