//! A worker that speaks the real protocol and does as it is told, but runs nothing.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use weir_checkpoint::manifest::{Files, OperatorState, SplitState, SubtaskState};
use weir_env::{Clock as _, Ids as _, SystemClock, ids::SystemIds};
use weir_model::{Failure, JobId, WorkerId};
use weir_proto::control::{
    CheckpointReport, CommitReport, Deploy, FromWorker, Heartbeat, Hello, MetricsReport, OperatorMetrics,
    PrintedRows, RunningDeployment, SubtaskMetrics, SubtaskSnapshot, TaskReport, TaskState, ToWorker,
    TriggerCheckpoint, checkpoint_report::Outcome, control_plane_client::ControlPlaneClient, from_worker,
    to_worker,
};

use crate::cluster::eventually;

pub(crate) struct FakeWorker {
    pub(crate) id: WorkerId,
    slots: u32,
    state: Arc<Mutex<State>>,
    session: Option<Session>,
}

struct Session {
    up: mpsc::Sender<FromWorker>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Default)]
pub(crate) struct State {
    /// Everything that was deployed here, the oldest first.
    pub(crate) deploys: Vec<Deploy>,
    pub(crate) starts: Vec<(String, u64)>,
    pub(crate) cancels: Vec<(String, u64)>,
    /// The state of each subtask by job, generation, task and index.
    pub(crate) tasks: BTreeMap<(String, u64, u32, u32), TaskState>,
    /// Deployments that arrive while this is set fail with it.
    pub(crate) refuse: Option<Failure>,
    /// Deployments that arrive while this is set are not reported on.
    pub(crate) mute: bool,
    /// Checkpoints that it was told to take, to give up and to commit.
    pub(crate) triggers: Vec<TriggerCheckpoint>,
    pub(crate) aborts: Vec<u64>,
    pub(crate) commits: Vec<u64>,
    /// Whether it says nothing of the commits of savepoints.
    pub(crate) hold_savepoints: bool,
    /// Snapshots that are asked for while this is set fail with it.
    pub(crate) fail_snapshots: Option<Failure>,
    /// How many rows each source has read: the position that a snapshot tells of.
    pub(crate) position: u64,
}

impl FakeWorker {
    pub(crate) async fn connect(address: SocketAddr, slots: u32) -> Self {
        let id = WorkerId(SystemIds.next());
        let mut worker = Self {
            id,
            slots,
            state: Arc::default(),
            session: None,
        };
        worker.reconnect(address).await;
        worker
    }

    /// Opens a session, telling of what runs here.
    pub(crate) async fn reconnect(&mut self, address: SocketAddr) {
        let (up, reports) = mpsc::channel(64);
        up.send(from(from_worker::Message::Hello(self.hello())))
            .await
            .expect("room for the hello");
        let url = format!("http://{address}");
        let mut client = eventually("the control plane to answer", async || {
            ControlPlaneClient::connect(url.clone()).await.ok()
        })
        .await;
        let mut commands = client
            .session(ReceiverStream::new(reports))
            .await
            .expect("a session")
            .into_inner();
        let (id, state, answers) = (self.id, Arc::clone(&self.state), up.clone());
        let obey = tokio::spawn(async move {
            while let Ok(Some(ToWorker {
                message: Some(command),
            })) = commands.message().await
            {
                let reports = state.lock().expect("not poisoned").obey(id, command);
                for report in reports {
                    let _ = answers.send(from(report)).await;
                }
            }
        });
        let beats = up.clone();
        let beat = tokio::spawn(async move {
            let clock = SystemClock::new();
            loop {
                let beat = Heartbeat {
                    memory_bytes: 1 << 20,
                    cpu_milli: 250,
                };
                if beats
                    .send(from(from_worker::Message::Heartbeat(beat)))
                    .await
                    .is_err()
                {
                    return;
                }
                clock.sleep(Duration::from_millis(200)).await;
            }
        });
        self.session = Some(Session {
            up,
            tasks: vec![obey, beat],
        });
    }

    /// Breaks the connection. What runs here goes on.
    pub(crate) fn disconnect(&mut self) {
        if let Some(session) = self.session.take() {
            session.tasks.iter().for_each(JoinHandle::abort);
        }
    }

    /// Says nothing any more, with the connection open.
    pub(crate) fn fall_silent(&self) {
        self.session.as_ref().expect("a session").tasks[1].abort();
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    /// Waits until the job's newest deployment here has been started, and returns it.
    pub(crate) async fn started(&self, job: JobId, generation: u64) -> Deploy {
        eventually(
            &format!("generation {generation} of job {job} to start on a worker"),
            async || {
                let state = self.state();
                let deploy = state
                    .deploys
                    .iter()
                    .find(|d| d.job_id == job.to_string() && d.generation == generation)?;
                state
                    .starts
                    .contains(&(job.to_string(), generation))
                    .then(|| deploy.clone())
            },
        )
        .await
    }

    /// Reports all subtasks of the deployment that are here as finished.
    pub(crate) async fn finish(&self, deploy: &Deploy) {
        for (task, subtask) in self.mine(deploy) {
            self.report(deploy, task, subtask, TaskState::Finished, None)
                .await;
        }
    }

    /// Reports one subtask of the deployment as failed.
    pub(crate) async fn fail(&self, deploy: &Deploy, failure: Failure) {
        let (task, subtask) = self.mine(deploy)[0];
        self.report(deploy, task, subtask, TaskState::Failed, Some(failure))
            .await;
    }

    /// Notes, without a report, that the deployment's subtasks here have finished.
    pub(crate) fn finish_silently(&self, deploy: &Deploy) {
        for (task, subtask) in self.mine(deploy) {
            self.state().set(deploy, task, subtask, TaskState::Finished);
        }
    }

    pub(crate) fn mine(&self, deploy: &Deploy) -> Vec<(u32, u32)> {
        mine(self.id, deploy)
    }

    async fn report(
        &self,
        deploy: &Deploy,
        task: u32,
        subtask: u32,
        state: TaskState,
        failure: Option<Failure>,
    ) {
        self.state().set(deploy, task, subtask, state);
        let report = TaskReport {
            job_id: deploy.job_id.clone(),
            generation: deploy.generation,
            task,
            subtask,
            state: state.into(),
            failure: failure.map(Into::into),
            ..TaskReport::default()
        };
        self.send(from_worker::Message::Task(report)).await;
    }

    pub(crate) async fn metrics(&self, deploy: &Deploy, operator: u32, rows: u64) {
        let operator = OperatorMetrics {
            operator,
            rows_in: rows,
            rows_out: rows,
            ..OperatorMetrics::default()
        };
        let (task, subtask) = self.mine(deploy)[0];
        let subtask = SubtaskMetrics {
            task,
            subtask,
            busy: 0.5,
            operators: vec![operator],
            ..SubtaskMetrics::default()
        };
        let (job_id, generation) = (deploy.job_id.clone(), deploy.generation);
        self.send(from_worker::Message::Metrics(MetricsReport {
            job_id,
            generation,
            subtasks: vec![subtask],
        }))
        .await;
    }

    pub(crate) async fn print(&self, deploy: &Deploy, total_rows: u64, rows: &[&str]) {
        let printed = PrintedRows {
            job_id: deploy.job_id.clone(),
            generation: deploy.generation,
            table: "shown".into(),
            subtask: self.mine(deploy)[0].1,
            total_rows,
            rows: rows.iter().map(ToString::to_string).collect(),
        };
        self.send(from_worker::Message::Printed(printed)).await;
    }

    async fn send(&self, message: from_worker::Message) {
        self.session
            .as_ref()
            .expect("a session")
            .up
            .send(from(message))
            .await
            .expect("the session is open");
    }

    fn hello(&self) -> Hello {
        let mut deployments: Vec<RunningDeployment> = Vec::new();
        for ((job_id, generation, task, subtask), state) in &self.state().tasks {
            let report = TaskReport {
                job_id: job_id.clone(),
                generation: *generation,
                task: *task,
                subtask: *subtask,
                state: (*state).into(),
                ..TaskReport::default()
            };
            match deployments
                .iter_mut()
                .find(|d| d.job_id == *job_id && d.generation == *generation)
            {
                Some(deployment) => deployment.tasks.push(report),
                None => deployments.push(RunningDeployment {
                    job_id: job_id.clone(),
                    generation: *generation,
                    attempt: 1,
                    tasks: vec![report],
                }),
            }
        }
        Hello {
            worker_id: self.id.to_string(),
            exchange_address: "127.0.0.1:1".into(),
            slots: self.slots,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
            deployments,
        }
    }
}

impl Drop for FakeWorker {
    fn drop(&mut self) {
        self.disconnect();
    }
}

impl State {
    fn set(&mut self, deploy: &Deploy, task: u32, subtask: u32, state: TaskState) {
        self.tasks
            .insert((deploy.job_id.clone(), deploy.generation, task, subtask), state);
    }

    /// Does what the command says, and returns what to report.
    fn obey(&mut self, id: WorkerId, command: to_worker::Message) -> Vec<from_worker::Message> {
        match command {
            to_worker::Message::Welcome(welcome) => {
                assert_eq!(welcome.heartbeat_interval_ms, 200);
                vec![]
            }
            to_worker::Message::TriggerCheckpoint(trigger) => {
                self.triggers.push(trigger.clone());
                self.snapshots(id, &trigger)
            }
            to_worker::Message::AbortCheckpoint(abort) => {
                self.aborts.push(abort.checkpoint);
                vec![]
            }
            to_worker::Message::CommitCheckpoint(commit) => {
                self.commits.push(commit.checkpoint);
                let mut triggers = self.triggers.iter();
                let of = triggers.find(|trigger| trigger.checkpoint == commit.checkpoint);
                if self.hold_savepoints && of.is_some_and(|trigger| trigger.savepoint_url.is_some()) {
                    return vec![];
                }
                let Some(deploy) = self.deployed(&commit.job_id, commit.generation) else {
                    return vec![];
                };
                let committed = |(task, subtask)| {
                    from_worker::Message::Commit(CommitReport {
                        job_id: commit.job_id.clone(),
                        generation: commit.generation,
                        checkpoint: commit.checkpoint,
                        task,
                        subtask,
                        failure: None,
                    })
                };
                mine(id, &deploy).into_iter().map(committed).collect()
            }
            to_worker::Message::Deploy(deploy) => {
                let refusal = self.refuse.take();
                let state = if refusal.is_some() {
                    TaskState::Failed
                } else {
                    TaskState::Deployed
                };
                for (task, subtask) in mine(id, &deploy) {
                    self.set(&deploy, task, subtask, state);
                }
                let reports = self.reports(&deploy.job_id, refusal, |generation| {
                    generation == deploy.generation
                });
                self.deploys.push(deploy);
                if self.mute { vec![] } else { told(reports) }
            }
            to_worker::Message::Alignment(_) => vec![],
            to_worker::Message::Start(start) => {
                self.starts.push((start.job_id.clone(), start.generation));
                told(self.change(&start.job_id, TaskState::Running, |generation| {
                    generation == start.generation
                }))
            }
            to_worker::Message::Cancel(cancel) => {
                self.cancels.push((cancel.job_id.clone(), cancel.generation));
                let reports = self.change(&cancel.job_id, TaskState::Cancelled, |generation| {
                    generation <= cancel.generation
                });
                self.tasks.retain(|(job, generation, ..), _| {
                    *job != cancel.job_id || *generation > cancel.generation
                });
                told(reports)
            }
        }
    }

    fn deployed(&self, job: &str, generation: u64) -> Option<Deploy> {
        let of = |deploy: &&Deploy| deploy.job_id == job && deploy.generation == generation;
        self.deploys.iter().find(of).cloned()
    }

    fn snapshot(&self, deploy: &Deploy, task: u32, subtask: u32) -> SubtaskSnapshot {
        let mut state = state(deploy, task, subtask, self.position);
        if self.hold_savepoints {
            // Otherwise there is nothing to say.
            let last = state.operators.last_mut().expect("a task has operators");
            last.commits.push("rows".to_owned());
        }
        SubtaskSnapshot {
            state: serde_json::to_vec(&state).expect("JSON"),
            alignment_us: 100,
            sync_us: 200,
            async_us: 3_000,
            bytes_new: 10,
            bytes_full: 50,
            bytes_in_flight: 0,
        }
    }

    /// A snapshot of every subtask here that runs: how far its source is, and something to commit of its sink.
    fn snapshots(&self, id: WorkerId, trigger: &TriggerCheckpoint) -> Vec<from_worker::Message> {
        let Some(deploy) = self.deployed(&trigger.job_id, trigger.generation) else {
            return vec![];
        };
        let runs = |place: &(u32, u32)| {
            let key = (trigger.job_id.clone(), trigger.generation, place.0, place.1);
            self.tasks.get(&key) == Some(&TaskState::Running)
        };
        let subtasks = mine(id, &deploy).into_iter().filter(runs);
        let report = |(task, subtask)| {
            let outcome = match &self.fail_snapshots {
                Some(failure) => Outcome::Failure(failure.clone().into()),
                None => Outcome::Snapshot(self.snapshot(&deploy, task, subtask)),
            };
            from_worker::Message::Checkpoint(CheckpointReport {
                job_id: trigger.job_id.clone(),
                generation: trigger.generation,
                checkpoint: trigger.checkpoint,
                task,
                subtask,
                outcome: Some(outcome),
            })
        };
        subtasks.map(report).collect()
    }

    fn change(&mut self, job: &str, to: TaskState, which: impl Fn(u64) -> bool) -> Vec<TaskReport> {
        for ((of, generation, ..), state) in &mut self.tasks {
            let ended = matches!(
                state,
                TaskState::Finished | TaskState::Cancelled | TaskState::Failed
            );
            if of == job && which(*generation) && !ended {
                *state = to;
            }
        }
        self.reports(job, None, which)
    }

    fn reports(&self, job: &str, failure: Option<Failure>, which: impl Fn(u64) -> bool) -> Vec<TaskReport> {
        let ours = self
            .tasks
            .iter()
            .filter(|((of, generation, ..), _)| of == job && which(*generation));
        ours.map(|((job_id, generation, task, subtask), state)| TaskReport {
            job_id: job_id.clone(),
            generation: *generation,
            task: *task,
            subtask: *subtask,
            state: (*state).into(),
            failure: failure.clone().map(Into::into),
            ..TaskReport::default()
        })
        .collect()
    }
}

fn told(reports: Vec<TaskReport>) -> Vec<from_worker::Message> {
    reports.into_iter().map(from_worker::Message::Task).collect()
}

/// The state of a subtask whose sources have read so many rows.
pub(crate) fn state(deploy: &Deploy, task: u32, subtask: u32, position: u64) -> SubtaskState {
    let graph = deploy.graph.as_ref().expect("a graph");
    let operators = graph.operators.iter().filter(|operator| operator.task == task);
    let splits = |operator: u32| {
        let own = move |splits: &&weir_proto::control::SourceSplits| {
            splits.operator == operator && splits.subtask == subtask
        };
        let splits = deploy.splits.iter().filter(own).flat_map(|splits| &splits.splits);
        splits.map(|split| SplitState {
            id: split.id.clone(),
            state: format!("{{\"position\":{position}}}"),
            ended: false,
            watermark_ms: None,
        })
    };
    let operators = operators.map(|operator| OperatorState {
        uid: operator.uid.clone(),
        name: operator.name.clone(),
        splits: splits(operator.id).collect(),
        ..OperatorState::default()
    });
    SubtaskState {
        task,
        subtask,
        key_groups: 0..graph.max_parallelism,
        finished: false,
        operators: operators.collect(),
        files: Files::default(),
        in_flight: None,
    }
}

fn mine(id: WorkerId, deploy: &Deploy) -> Vec<(u32, u32)> {
    let ours = deploy
        .assignments
        .iter()
        .filter(|assignment| assignment.worker_id == id.to_string());
    ours.map(|assignment| (assignment.task, assignment.subtask))
        .collect()
}

fn from(message: from_worker::Message) -> FromWorker {
    FromWorker {
        message: Some(message),
    }
}
