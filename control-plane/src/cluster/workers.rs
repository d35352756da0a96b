//! Connected workers: their sessions, heartbeats and reports.

use std::{collections::BTreeMap, time::Duration};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use weir_model::{
    Failure, Generation, JobId, SubtaskIndex, TaskId, WorkerId,
    api::{Worker, WorkerState},
};
use weir_proto::control::{Cancel, Hello, RunningDeployment, TaskReport, TaskState, ToWorker, to_worker};

use super::{Cluster, Inner, command, deployment::State};

/// The queue of a session's commands; an error in it ends the session.
pub type Commands = mpsc::Sender<Result<ToWorker, Status>>;

/// Tells two sessions of one worker apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId(u64);

/// A worker with an open session.
#[derive(Debug)]
pub struct Connected {
    /// Host and port of its exchange.
    pub address: String,
    /// Slots that it offers.
    pub slots: u32,
    session: SessionId,
    pid: u32,
    version: String,
    registered_at_ms: i64,
    last_heard: Duration,
    last_heard_ms: i64,
    memory_bytes: u64,
    cpu_milli: u32,
    commands: Commands,
    close: CancellationToken,
}

/// All workers with an open session.
#[derive(Debug, Default)]
pub(super) struct Workers {
    connected: BTreeMap<WorkerId, Connected>,
    sessions: u64,
}

impl Workers {
    pub(super) fn connected(&self) -> usize {
        self.connected.len()
    }

    pub(super) fn get(&self, worker: WorkerId) -> Option<&Connected> {
        self.connected.get(&worker)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (WorkerId, &Connected)> {
        self.connected
            .iter()
            .map(|(&worker, connected)| (worker, connected))
    }

    /// Puts the command into the session's queue; the error says why it cannot.
    pub(super) fn send(&mut self, worker: WorkerId, message: to_worker::Message) -> Result<(), String> {
        let Some(connected) = self.connected.get(&worker) else {
            return Err("it is not connected".into());
        };
        connected
            .commands
            .try_send(Ok(command(message)))
            .map_err(|error| {
                // A worker that does not take its commands is no use: its session ends, and with it its tasks.
                connected.close.cancel();
                match error {
                    mpsc::error::TrySendError::Full(_) => "it does not take its commands".into(),
                    mpsc::error::TrySendError::Closed(_) => "its connection broke".into(),
                }
            })
    }

    fn is_current(&self, worker: WorkerId, session: SessionId) -> bool {
        self.connected
            .get(&worker)
            .is_some_and(|connected| connected.session == session)
    }
}

/// How a worker reaches and leaves the control plane.
#[derive(Debug)]
pub struct Line {
    /// Takes commands for it.
    pub commands: Commands,
    /// Ends its session.
    pub close: CancellationToken,
}

/// What came of a worker's hello.
#[derive(Debug)]
pub struct Welcomed {
    /// Its session.
    pub session: SessionId,
    /// Jobs whose running tasks were taken over.
    pub adopted: Vec<JobId>,
}

impl Cluster {
    /// The worker has connected. Its deployments that are awaited are taken over; others it is told to stop.
    pub fn connect(&self, worker: WorkerId, hello: &Hello, line: Line) -> Welcomed {
        let (now, now_ms) = (self.clock.elapsed(), self.clock.now_ms());
        let mut inner = self.inner.lock();
        inner.drop_session(worker, "it connected anew");
        inner.workers.sessions += 1;
        let session = SessionId(inner.workers.sessions);
        let connected = Connected {
            address: hello.exchange_address.clone(),
            slots: hello.slots,
            session,
            pid: hello.pid,
            version: hello.version.clone(),
            registered_at_ms: now_ms,
            last_heard: now,
            last_heard_ms: now_ms,
            memory_bytes: 0,
            cpu_milli: 0,
            commands: line.commands,
            close: line.close,
        };
        inner.workers.connected.insert(worker, connected);
        Welcomed {
            session,
            adopted: inner.adopt(worker, &hello.deployments),
        }
    }

    /// Something was heard of the worker.
    pub fn heard(&self, worker: WorkerId, session: SessionId) {
        let (now, now_ms) = (self.clock.elapsed(), self.clock.now_ms());
        let mut inner = self.inner.lock();
        if let Some(connected) = inner
            .workers
            .connected
            .get_mut(&worker)
            .filter(|c| c.session == session)
        {
            connected.last_heard = now;
            connected.last_heard_ms = now_ms;
        }
    }

    /// The worker told how it fares.
    pub fn heartbeat(&self, worker: WorkerId, memory_bytes: u64, cpu_milli: u32) {
        if let Some(connected) = self.inner.lock().workers.connected.get_mut(&worker) {
            connected.memory_bytes = memory_bytes;
            connected.cpu_milli = cpu_milli;
        }
    }

    /// Takes a worker's word about a subtask. True when it changed what is seen of the job.
    pub fn report(&self, worker: WorkerId, session: SessionId, job: JobId, report: &TaskReport) -> bool {
        let mut inner = self.inner.lock();
        if !inner.workers.is_current(worker, session) {
            return false;
        }
        let Some(state) = state_of(report) else {
            return false;
        };
        let generation = Generation(report.generation);
        let Some(deployment) = inner
            .deployments
            .get_mut(&job)
            .filter(|d| d.generation == generation)
        else {
            return false;
        };
        deployment.report(worker, TaskId(report.task), SubtaskIndex(report.subtask), state)
    }

    /// The session has ended: the worker is lost, and its subtasks with it. `None` when a newer session took its place.
    pub fn disconnect(&self, worker: WorkerId, session: SessionId, why: &str) -> Option<Worker> {
        let mut inner = self.inner.lock();
        if !inner.workers.is_current(worker, session) {
            return None;
        }
        inner.drop_session(worker, why)
    }

    /// Ends the sessions of workers that have been silent for longer than `timeout`, and returns them.
    pub fn drop_silent(&self, timeout: Duration) -> Vec<Worker> {
        let now = self.clock.elapsed();
        let mut inner = self.inner.lock();
        let silent: Vec<_> = inner
            .workers
            .iter()
            .filter(|(_, connected)| now.saturating_sub(connected.last_heard) > timeout)
            .map(|(worker, _)| worker)
            .collect();
        let why = format!("nothing was heard of it for {} s", timeout.as_secs_f64());
        silent
            .into_iter()
            .filter_map(|worker| inner.drop_session(worker, &why))
            .collect()
    }

    /// All connected workers, by id.
    pub fn workers(&self) -> Vec<Worker> {
        let inner = self.inner.lock();
        let offers = inner.offers();
        let free = |id| {
            offers
                .iter()
                .find(|offer| offer.worker == id)
                .map_or(0, |offer| offer.free)
        };
        inner
            .workers
            .iter()
            .map(|(id, connected)| connected.to_api(id, free(id), WorkerState::Alive))
            .collect()
    }

    /// Whether the worker is connected.
    pub fn is_connected(&self, worker: WorkerId) -> bool {
        self.inner.lock().workers.get(worker).is_some()
    }
}

impl Connected {
    fn to_api(&self, id: WorkerId, free_slots: u32, state: WorkerState) -> Worker {
        let Self {
            address,
            slots,
            session: _,
            pid,
            version,
            registered_at_ms,
            last_heard: _,
            last_heard_ms,
            memory_bytes,
            cpu_milli,
            commands: _,
            close: _,
        } = self;
        Worker {
            id,
            address: address.clone(),
            pid: *pid,
            slots: *slots,
            free_slots,
            state,
            registered_at_ms: *registered_at_ms,
            last_heartbeat_ms: *last_heard_ms,
            memory_bytes: *memory_bytes,
            cpu_milli: *cpu_milli,
            version: version.clone(),
        }
    }
}

impl Inner {
    fn drop_session(&mut self, worker: WorkerId, why: &str) -> Option<Worker> {
        let connected = self.workers.connected.remove(&worker)?;
        connected.close.cancel();
        for deployment in self.deployments.values_mut() {
            // What is awaited was never seen on this session.
            deployment.lose(worker, why, |state| *state != State::Awaited);
        }
        Some(connected.to_api(worker, 0, WorkerState::Lost))
    }

    /// Takes over what is awaited of the worker; tells it to stop all else that it runs.
    fn adopt(&mut self, worker: WorkerId, running: &[RunningDeployment]) -> Vec<JobId> {
        let mut adopted = Vec::new();
        for RunningDeployment {
            job_id,
            generation,
            attempt: _,
            tasks,
        } in running
        {
            let Ok(job) = job_id.parse::<JobId>() else {
                continue;
            };
            let awaited = self
                .deployments
                .get_mut(&job)
                .filter(|deployment| deployment.generation.0 == *generation && deployment.awaits(worker));
            if let Some(deployment) = awaited {
                for report in tasks {
                    if let Some(state) = state_of(report) {
                        deployment.report(worker, TaskId(report.task), SubtaskIndex(report.subtask), state);
                    }
                }
                deployment.welcome_back(worker);
                deployment.stopping = false;
                adopted.push(job);
            } else {
                let cancel = Cancel {
                    job_id: job_id.clone(),
                    generation: *generation,
                    job_has_ended: false,
                };
                // A session that cannot take this ends, and the next hello brings it up again.
                let _ = self.workers.send(worker, to_worker::Message::Cancel(cancel));
            }
        }
        // What it does not tell of it does not run.
        for deployment in self.deployments.values_mut() {
            deployment.lose(worker, "it came back without its tasks", |state| {
                *state == State::Awaited
            });
        }
        adopted
    }
}

/// The state in a report; none when it is one that this binary does not know.
fn state_of(report: &TaskReport) -> Option<State> {
    let unexplained = || Failure::internal("the worker gave no reason");
    Some(match report.state() {
        TaskState::Deployed => State::Deployed,
        TaskState::Running => State::Running,
        TaskState::Finished => State::Finished,
        TaskState::Cancelled => State::Cancelled,
        TaskState::Failed => State::Failed(report.failure.clone().map_or_else(unexplained, Failure::from)),
        TaskState::Unspecified => return None,
    })
}
