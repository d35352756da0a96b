//! One deployment of a script, and its coordinator.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        watch,
    },
    time::timeout,
};
use weir_checkpoint::{
    coordinator::{self, Action, After, Coordinator, Cost, Event, Savepoint, Settings},
    manifest::Manifest,
    storage::Stores,
};
use weir_connector::Split;
use weir_env::{Clock, SystemClock};
use weir_model::{Failure, Generation};
use weir_proto::graph::JobGraph;
use weir_worker::{
    local::{self, LocalStats},
    runtime::{
        checkpoint::{Checkpoints, state_folder},
        commands::{self, Commands, Trigger},
        compute::Compute,
        deployment::{Deployment, Location, Order},
        message::Barrier,
        news::{Happened, Stage as Came, SubtaskEvent},
        plan,
        subtask::Job,
    },
    state::{MemoryBudget, backend::Restored},
};

use super::{End, Left, Run, assign, next, url};
use crate::local::Collected;

/// Checkpoints that a stage takes before it ends.
const CHECKPOINTS: u32 = 3;
/// Events that a source reads from one checkpoint to the next.
const PACE: u32 = 1;
const PATIENCE: Duration = Duration::from_mins(1);

/// A deployment to be.
pub(super) struct Stage {
    pub(super) run: Run,
    pub(super) generation: Generation,
    pub(super) graph: Arc<JobGraph>,
    /// A folder for everything.
    pub(super) root: PathBuf,
    pub(super) output: Arc<Collected>,
}

impl Stage {
    /// Runs it. Returns what it counted, and what is left if it has not finished.
    pub(super) async fn run(self, left: Option<Left>) -> Result<(LocalStats, Option<Left>), Failure> {
        let tasks = plan::tasks(&self.graph)?;
        let subtasks: Vec<(u32, u32)> = tasks
            .iter()
            .flat_map(|task| (0..task.parallelism).map(|subtask| (task.task, subtask)))
            .collect();
        let (commands, heard) = watch::channel(Commands {
            pace: self.run.end.map(|_| PACE),
            ..Commands::default()
        });
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let order = self.order(&subtasks, heard, left.as_ref(), &clock).await?;
        let compute = Compute::new(2).map_err(|e| Failure::internal(e.to_string()))?;
        let (events, news) = unbounded_channel();
        let deployment = Deployment::bring_up(order, None, &compute.handle(), &events)?;
        let coordinator = Coordinator::new(
            Settings {
                interval: Duration::from_millis(1),
                timeout: PATIENCE,
                min_pause: Duration::ZERO,
                tolerable_failures: 0,
                retained: 1,
            },
            coordinator::Deployment {
                job: "job".to_owned(),
                generation: self.generation.0,
                weir_version: env!("CARGO_PKG_VERSION").to_owned(),
                max_parallelism: self.graph.max_parallelism,
                subtasks: subtasks.iter().map(|&place| subtask(place)).collect(),
                retained: Vec::new(),
                next: next(left.as_ref()),
            },
        );
        let running = Running {
            end: self.run.end,
            folder: url(&self.root),
            savepoint: url(&self.root.join(format!("savepoint-{}", self.generation))),
            coordinator,
            commands,
            deployment,
            clock,
            waiting: subtasks.len(),
            live: subtasks.len(),
            complete: 0,
            manifest: None,
            stops: false,
            has_finished: false,
            failure: None,
            to_commit: unbounded_channel(),
        };
        let (deployment, left) = running.finish(news).await?;
        Ok((local::stats(&self.graph, &deployment), left))
    }

    async fn order(
        &self,
        subtasks: &[(u32, u32)],
        commands: watch::Receiver<Commands>,
        left: Option<&Left>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Order, Failure> {
        let stores = Stores::new(Arc::clone(clock), Vec::new());
        let mut splits = local::splits(&self.graph, &weir_connector::Secrets::default()).await?;
        let mut restore: HashMap<(u32, u32), Vec<Restored>> = HashMap::new();
        if let Some(left) = left {
            splits.clear();
            for assigned in assign(left, &self.graph)? {
                let place = (assigned.task, assigned.subtask);
                self.add_splits(&mut splits, place, &assigned.states);
                let restored = assigned.states.into_iter().map(|state| {
                    Ok(Restored {
                        state,
                        folder: state_folder(stores.folder(&left.folder)?, String::new()),
                    })
                });
                restore.insert(place, restored.collect::<Result<_, Failure>>()?);
            }
        }
        let job = Job {
            job: "job".to_owned(),
            generation: self.generation,
            graph: Arc::clone(&self.graph),
            clock: Arc::clone(clock),
            output: Arc::clone(&self.output) as _,
            seed: self.generation.0,
            alignment: Arc::default(),
            rehearsal: None,
            checkpoints: Some(Arc::new(Checkpoints {
                folder: state_folder(stores.folder(&url(&self.root))?, String::new()),
                stores,
                local: self.root.join("local"),
                backend: self.run.backend,
                copies: None,
                memory: Arc::new(memory(&self.run)),
                patience: self.run.patience,
                storing: Handle::current(),
                commands,
            })),
            restored: left.map(|left| left.manifest.checkpoint.0),
            commits: Arc::default(),
            secrets: Arc::default(),
        };
        Ok(Order {
            job,
            placement: subtasks.iter().map(|&place| (place, Location::Here)).collect(),
            splits,
            restore,
        })
    }

    /// The splits of the source at the head of a task, if there is one.
    fn add_splits(
        &self,
        splits: &mut HashMap<(u32, u32), Vec<Split>>,
        (task, subtask): (u32, u32),
        states: &[weir_checkpoint::manifest::SubtaskState],
    ) {
        for operator in self.graph.operators.iter().filter(|o| o.task == task) {
            let of_operator = states.iter().flat_map(|state| &state.operators);
            let of_operator = of_operator.filter(|state| state.uid == operator.uid);
            let found = of_operator.flat_map(|state| &state.splits).map(|split| Split {
                id: split.id.clone(),
                state: split.state.clone().into_bytes(),
            });
            splits.entry((operator.id, subtask)).or_default().extend(found);
        }
    }
}

fn memory(run: &Run) -> MemoryBudget {
    let memory = MemoryBudget::new(64 << 20);
    match run.memory_is_short_every {
        Some(looks) => memory.short_every(looks),
        None => memory.without_small_state(),
    }
}

fn subtask((task, subtask): (u32, u32)) -> coordinator::Subtask {
    coordinator::Subtask { task, subtask }
}

/// A deployment that runs.
struct Running {
    end: Option<End>,
    folder: String,
    savepoint: String,
    coordinator: Coordinator,
    commands: watch::Sender<Commands>,
    deployment: Deployment,
    clock: Arc<dyn Clock>,
    /// Subtasks that do not run yet.
    waiting: usize,
    /// Subtasks that have not ended.
    live: usize,
    complete: u32,
    manifest: Option<(Manifest, String)>,
    /// Its last checkpoint is complete.
    stops: bool,
    has_finished: bool,
    failure: Option<Failure>,
    to_commit: (UnboundedSender<Event>, UnboundedReceiver<Event>),
}

impl Running {
    async fn finish(
        mut self,
        mut news: UnboundedReceiver<SubtaskEvent>,
    ) -> Result<(Deployment, Option<Left>), Failure> {
        self.deployment.start();
        let run = async {
            while !self.has_finished && self.failure.is_none() && !self.stops {
                let event = tokio::select! {
                    Some(event) = news.recv() => self.heard(event),
                    Some(event) = self.to_commit.1.recv() => Some(event),
                    () = self.clock.sleep(Duration::from_millis(1)) => Some(Event::Tick),
                };
                if let Some(event) = event {
                    self.on(event).await;
                }
            }
            self.deployment.cancel();
            while self.live > 0 {
                let Some(event) = news.recv().await else { break };
                self.heard(event);
            }
        };
        if timeout(PATIENCE, run).await.is_err() {
            return Err(Failure::internal(format!(
                "a stage did not come to its end: {} subtasks are live, {} checkpoints were complete",
                self.live, self.complete
            )));
        }
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let left = match self.manifest {
            Some((manifest, folder)) if !self.has_finished => Some(Left { manifest, folder }),
            _ => None,
        };
        Ok((self.deployment, left))
    }

    /// What the coordinator hears of a subtask's news.
    fn heard(&mut self, event: SubtaskEvent) -> Option<Event> {
        let place = subtask((event.task, event.subtask));
        match event.happened {
            Happened::Stage {
                stage: Came::Running, ..
            } => {
                self.waiting -= 1;
                (self.waiting == 0).then_some(Event::Running)
            }
            Happened::Stage { stage, last, .. } => {
                self.live -= usize::from(stage.is_final());
                match stage {
                    Came::Failed(failure) => {
                        self.failure.get_or_insert(failure);
                        None
                    }
                    Came::Finished => {
                        let last = last.expect("checkpoints are taken");
                        Some(Event::Finished {
                            subtask: place,
                            state: last.state,
                            passed: last.passed.map(weir_checkpoint::manifest::CheckpointId),
                        })
                    }
                    _ => None,
                }
            }
            Happened::Snapshot { checkpoint, taken } => {
                let checkpoint = weir_checkpoint::manifest::CheckpointId(checkpoint);
                Some(match taken {
                    Ok(taken) => Event::Snapshot {
                        subtask: place,
                        checkpoint,
                        cost: Cost {
                            bytes_new: taken.bytes_new,
                            bytes_full: taken.bytes_full,
                            bytes_in_flight: taken.bytes_in_flight,
                            ..Cost::default()
                        },
                        state: taken.state,
                    },
                    Err(why) => Event::SnapshotFailed {
                        subtask: place,
                        checkpoint,
                        why,
                    },
                })
            }
            Happened::Commit { .. } | Happened::Restored(_) => None,
        }
    }

    async fn on(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let actions = self.coordinator.on(event, self.clock.elapsed());
            for action in actions {
                events.extend(self.perform(action).await);
            }
        }
    }

    async fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Trigger {
                checkpoint,
                savepoint,
            } => {
                let is_last = savepoint.is_some()
                    || (self.end == Some(End::Checkpoint) && self.complete + 1 == CHECKPOINTS);
                let trigger = Trigger {
                    barrier: Arc::new(Barrier {
                        checkpoint: checkpoint.0,
                        savepoint_url: savepoint.map(|savepoint| savepoint.url),
                    }),
                    after: if is_last {
                        commands::After::Suspend
                    } else {
                        commands::After::GoOn
                    },
                };
                self.commands
                    .send_modify(|commands| commands.trigger = Some(trigger));
                None
            }
            Action::Abort(checkpoint) => {
                self.commands
                    .send_modify(|commands| commands.aborted = checkpoint.0);
                None
            }
            Action::WriteManifest { manifest, savepoint } => {
                let checkpoint = manifest.checkpoint;
                // What is written is what is read.
                let text = serde_json::to_vec(&manifest).expect("a manifest is JSON");
                let manifest = serde_json::from_slice(&text).expect("and is read");
                let folder = savepoint.map_or_else(|| self.folder.clone(), |savepoint| savepoint.url);
                self.manifest = Some((manifest, folder));
                Some(Event::ManifestWritten(checkpoint))
            }
            Action::Commit { checkpoint, finished } => {
                self.commands
                    .send_modify(|commands| commands.completed = checkpoint.0);
                for (place, sinks) in self.deployment.commits().by_subtask() {
                    let place = subtask(place);
                    for sink in sinks {
                        if let Err(failure) = sink.commit(checkpoint.0, finished.contains(&place)).await {
                            self.failure.get_or_insert(failure);
                        }
                    }
                    let _ = self.to_commit.0.send(Event::Committed {
                        subtask: place,
                        checkpoint,
                    });
                }
                None
            }
            Action::Completed(_) => self.completed(),
            Action::Stop(_) => {
                self.stops = true;
                None
            }
            Action::JobDone => {
                self.has_finished = true;
                None
            }
            Action::FailJob(why) => {
                self.failure.get_or_insert(why);
                None
            }
            // One that is under way when everything has ended comes to nothing.
            Action::Failed { .. } | Action::Refused { .. } | Action::Discard(_) => None,
        }
    }

    /// One more is complete: ends the stage when there are enough.
    fn completed(&mut self) -> Option<Event> {
        self.complete += 1;
        if self.complete != CHECKPOINTS {
            return None;
        }
        match self.end {
            // What is to be committed is committed by the next stage.
            Some(End::Checkpoint) => {
                self.stops = true;
                None
            }
            Some(End::Savepoint) => Some(Event::Savepoint(Savepoint {
                url: self.savepoint.clone(),
                after: After::Suspend,
            })),
            None => None,
        }
    }
}
