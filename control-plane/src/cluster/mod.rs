//! What is seen of the cluster: which workers are connected, and how the subtasks of each job's deployment stand.
//!
//! In memory only: it is rebuilt from the workers' reports and the metadata store when the control plane starts.
//! Every method takes the one lock for a moment and does no I/O; commands go into each session's bounded queue.
//!
//! - [`alignment`]: sources that keep together over several workers. Leans on nothing.
//! - [`deployment`]: the subtasks of one deployment. Leans on nothing.
//! - [`workers`]: connected workers: sessions, heartbeats, slots. Leans on `deployment`.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use weir_env::Clock;
use weir_model::{Generation, JobId, WorkerId, api::Placement};
use weir_proto::control::{Cancel, Deploy, GroupsProgress, RestoreReport, Start, ToWorker, to_worker};

use crate::{
    job::observed::{Checkpoints, Observed},
    schedule,
};

pub mod alignment;
pub mod deployment;
pub mod workers;

use deployment::{Deployment, Place, RestoredBytes, State};
use workers::Workers;

/// The cluster as it is seen. A cheap handle.
#[derive(Clone, Debug)]
pub struct Cluster {
    clock: Arc<dyn Clock>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    workers: Workers,
    deployments: HashMap<JobId, Deployment>,
}

impl Cluster {
    /// A cluster of which nothing has been seen yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            inner: Arc::default(),
        }
    }

    /// Takes over a deployment of before the control plane's start: its workers have `grace` to come back.
    pub fn restore(&self, job: JobId, generation: Generation, placement: &[Placement], grace: Duration) {
        let now = self.clock.elapsed();
        let deployment = Deployment::restored(generation, placement, now, now + grace);
        self.inner.lock().deployments.insert(job, deployment);
    }

    /// What is seen of the job, but for its checkpoints.
    pub fn observe(&self, job: JobId) -> Observed {
        let inner = self.inner.lock();
        let now = self.clock.elapsed();
        Observed {
            execution: inner
                .deployments
                .get(&job)
                .map(|deployment| deployment.tally(now)),
            checkpoints: Checkpoints::default(),
            free_slots: inner.offers().iter().map(|offer| offer.free).sum(),
            workers: inner.workers.connected() as u32,
        }
    }

    /// Jobs that have a deployment here, whether or not the metadata store still knows them.
    pub fn deployed_jobs(&self) -> Vec<JobId> {
        self.inner.lock().deployments.keys().copied().collect()
    }

    /// Takes slots for a new deployment and keeps its subtasks as pending; `None` when there are too few slots.
    /// `tasks` are the tasks' ids with their parallelism, `before` the workers of the slots that the job had before.
    pub fn reserve(
        &self,
        job: JobId,
        generation: Generation,
        tasks: &[(u32, u32)],
        before: &[WorkerId],
    ) -> Option<Vec<Placement>> {
        let mut inner = self.inner.lock();
        let slots = tasks
            .iter()
            .map(|&(_, parallelism)| parallelism)
            .max()
            .unwrap_or(0);
        let workers = schedule::place(slots, &inner.offers(), before)?;
        let placement = deployment::placement(tasks, &workers);
        let deployment = Deployment::new(generation, &placement, self.clock.elapsed());
        inner.deployments.insert(job, deployment);
        Some(placement)
    }

    /// Where the worker's exchange listens, if it is connected.
    pub fn address(&self, worker: WorkerId) -> Option<String> {
        self.inner
            .lock()
            .workers
            .get(worker)
            .map(|connected| connected.address.clone())
    }

    /// Sends each worker its deployment. A worker that has gone meanwhile makes its subtasks lost.
    pub fn deploy(&self, job: JobId, deploys: Vec<(WorkerId, Deploy)>) {
        let mut inner = self.inner.lock();
        for (worker, deploy) in deploys {
            let generation = Generation(deploy.generation);
            if let Err(why) = inner.workers.send(worker, to_worker::Message::Deploy(deploy)) {
                inner.lose_subtasks(job, generation, worker, &why);
            }
        }
    }

    /// Tells all workers of the deployment something. A worker that has gone meanwhile makes its subtasks lost.
    pub fn tell_all(&self, job: JobId, generation: Generation, message: &to_worker::Message) {
        let mut inner = self.inner.lock();
        for worker in inner.workers_of(job, generation).unwrap_or_default() {
            if let Err(why) = inner.workers.send(worker, message.clone()) {
                inner.lose_subtasks(job, generation, worker, &why);
            }
        }
    }

    /// Where the failure of the job's deployment happened that is to be acted on.
    pub fn failed_at(&self, job: JobId) -> Option<Place> {
        self.inner.lock().deployments.get(&job)?.failed_at()
    }

    /// Tells all workers of the deployment to start reading.
    pub fn start(&self, job: JobId, generation: Generation) {
        let mut inner = self.inner.lock();
        let Some(workers) = inner.workers_of(job, generation) else {
            return;
        };
        for worker in workers {
            let start = Start {
                job_id: job.to_string(),
                generation: generation.0,
            };
            if let Err(why) = inner.workers.send(worker, to_worker::Message::Start(start)) {
                inner.lose_subtasks(job, generation, worker, &why);
            }
        }
        if let Some(deployment) = inner.deployments.get_mut(&job) {
            deployment.started = true;
        }
    }

    /// Tells all workers of the job's deployment to stop it.
    pub fn stop(&self, job: JobId) {
        let mut inner = self.inner.lock();
        let Some(generation) = inner
            .deployments
            .get(&job)
            .map(|deployment| deployment.generation)
        else {
            return;
        };
        inner.cancel(job, generation, false);
        if let Some(deployment) = inner.deployments.get_mut(&job) {
            deployment.stopping = true;
        }
    }

    /// Drops the job's deployment and lets its workers drop it too, and what they keep of its state if the job has ended.
    pub fn forget(&self, job: JobId, job_has_ended: bool) {
        let mut inner = self.inner.lock();
        if let Some(generation) = inner
            .deployments
            .get(&job)
            .map(|deployment| deployment.generation)
        {
            inner.cancel(job, generation, job_has_ended);
            inner.deployments.remove(&job);
        }
    }

    /// Takes a worker's word about the files that a subtask of it began with.
    pub fn restored(&self, job: JobId, report: &RestoreReport) {
        let mut inner = self.inner.lock();
        let deployment = inner.deployments.get_mut(&job);
        if let Some(deployment) = deployment.filter(|d| d.generation.0 == report.generation) {
            deployment.restored.local += report.local_bytes;
            deployment.restored.downloaded += report.downloaded_bytes;
        }
    }

    /// Where the files came from that the job's deployment began with.
    pub fn restored_bytes(&self, job: JobId) -> RestoredBytes {
        let inner = self.inner.lock();
        let deployment = inner.deployments.get(&job);
        deployment
            .map(|deployment| deployment.restored)
            .unwrap_or_default()
    }

    /// Whether this is the job's newest deployment: what bears another generation is not listened to.
    pub fn is_current(&self, job: JobId, generation: Generation) -> bool {
        self.inner
            .lock()
            .deployments
            .get(&job)
            .is_some_and(|deployment| deployment.generation == generation)
    }

    /// Takes a worker's word about sources that keep together, and tells it of those of the other workers.
    pub fn align(&self, worker: WorkerId, job: JobId, progress: &GroupsProgress) {
        let mut inner = self.inner.lock();
        let Some(deployment) = inner
            .deployments
            .get_mut(&job)
            .filter(|deployment| deployment.generation.0 == progress.generation)
        else {
            return;
        };
        deployment.alignment.report(worker, &progress.groups);
        let answer = GroupsProgress {
            job_id: progress.job_id.clone(),
            generation: progress.generation,
            groups: deployment.alignment.elsewhere(worker),
        };
        // If it cannot be told, its session ends, and with that nobody holds it back.
        let _ = inner.workers.send(worker, to_worker::Message::Alignment(answer));
    }

    /// Gives up the workers that did not come back in time after the control plane's start. True when there were any.
    pub fn give_up_awaited(&self) -> bool {
        let mut inner = self.inner.lock();
        let now = self.clock.elapsed();
        let mut any = false;
        for deployment in inner.deployments.values_mut() {
            any |= deployment.give_up_awaited(now);
        }
        any
    }
}

impl Inner {
    /// Free slots per worker: what it has, less those in which a subtask may still do something.
    fn offers(&self) -> Vec<schedule::Offer> {
        let mut used: HashMap<WorkerId, u32> = HashMap::new();
        for deployment in self.deployments.values() {
            for (worker, slots) in deployment.slots_in_use() {
                *used.entry(worker).or_default() += slots;
            }
        }
        self.workers
            .iter()
            .map(|(worker, connected)| {
                let free = connected
                    .slots
                    .saturating_sub(used.get(&worker).copied().unwrap_or(0));
                schedule::Offer { worker, free }
            })
            .collect()
    }

    fn workers_of(&self, job: JobId, generation: Generation) -> Option<Vec<WorkerId>> {
        let deployment = self
            .deployments
            .get(&job)
            .filter(|deployment| deployment.generation == generation)?;
        Some(deployment.workers())
    }

    fn cancel(&mut self, job: JobId, generation: Generation, job_has_ended: bool) {
        for worker in self.workers_of(job, generation).unwrap_or_default() {
            let cancel = Cancel {
                job_id: job.to_string(),
                generation: generation.0,
                job_has_ended,
            };
            if let Err(why) = self.workers.send(worker, to_worker::Message::Cancel(cancel)) {
                self.lose_subtasks(job, generation, worker, &why);
            }
        }
    }

    fn lose_subtasks(&mut self, job: JobId, generation: Generation, worker: WorkerId, why: &str) {
        if let Some(deployment) = self
            .deployments
            .get_mut(&job)
            .filter(|d| d.generation == generation)
        {
            deployment.lose(worker, why, |state| !matches!(state, State::Awaited));
        }
    }
}

fn command(message: to_worker::Message) -> ToWorker {
    ToWorker {
        message: Some(message),
    }
}
