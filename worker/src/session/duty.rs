//! Carries out the control plane's commands and reports what comes of them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::mpsc::{UnboundedSender, unbounded_channel},
};
use weir_checkpoint::fence::Verdict;
use weir_connector::{RowOutput, Split};
use weir_env::{Clock, Ids};
use weir_model::{Failure, Generation};
use weir_proto::control::{
    Cancel, Deploy, FromWorker, MetricsReport, RunningDeployment, Start, SubtaskMetrics, TaskReport,
    TaskState, from_worker, to_worker,
};

use super::{
    aligned::Aligned,
    checkpoints::{self, Coordinated, Storage},
    ledger::{Key, Ledger},
    printed::PrintedSample,
};
use crate::runtime::{
    deployment::{Deployment, Location, Network, Order},
    metrics::SubtaskCounters,
    news::{Happened, Last, Stage, SubtaskEvent},
    subtask::{Job, settings},
};

/// While there is no group whose sources keep together over several workers.
const ALIGNMENT_INTERVAL: Duration = Duration::from_secs(1);

/// This worker's deployments and what there is to say about them.
pub struct Duty {
    worker: String,
    compute: Handle,
    network: Network,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    storage: Storage,
    events: UnboundedSender<SubtaskEvent>,
    ledger: Ledger,
    running: HashMap<Key, Running>,
    /// Deployments whose subtasks have all ended: what their sinks had prepared is yet to be committed. As long as the ledger knows them.
    ended: HashMap<Key, Running>,
    up: Option<UnboundedSender<FromWorker>>,
}

struct Running {
    deployment: Deployment,
    printed: Arc<PrintedSample>,
    /// Subtasks that have not ended.
    live: Vec<Arc<SubtaskCounters>>,
    /// Its sources that keep together with those of other workers.
    aligned: Option<Aligned>,
    /// Where its coordinator is heard, if it takes checkpoints.
    coordinated: Option<Coordinated>,
}

impl Duty {
    /// Nothing runs yet. `worker` is this worker's id, tasks run on `compute`; the receiver gets the news of subtasks,
    /// to be handed to [`Duty::on_event`].
    pub fn new(
        worker: String,
        compute: Handle,
        network: Network,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        storage: Storage,
    ) -> (Self, tokio::sync::mpsc::UnboundedReceiver<SubtaskEvent>) {
        let (events, news) = unbounded_channel();
        let duty = Self {
            worker,
            compute,
            network,
            clock,
            ids,
            storage,
            events,
            ledger: Ledger::default(),
            running: HashMap::new(),
            ended: HashMap::new(),
            up: None,
        };
        (duty, news)
    }

    /// All deployments, for the hello.
    pub fn deployments(&self) -> Vec<RunningDeployment> {
        self.ledger.list()
    }

    /// Reports go here from now on.
    pub fn connected(&mut self, up: UnboundedSender<FromWorker>) {
        self.up = Some(up);
    }

    /// Nobody listens any more; what happens is kept in the ledger.
    pub fn disconnected(&mut self) {
        self.up = None;
        for aligned in self.running.values().filter_map(|r| r.aligned.as_ref()) {
            aligned.forget();
        }
    }

    /// Says something to the control plane, if it listens. Returns whether it does.
    pub fn say(&self, message: from_worker::Message) -> bool {
        self.up.as_ref().is_some_and(|up| {
            up.send(FromWorker {
                message: Some(message),
            })
            .is_ok()
        })
    }

    /// Carries out a command.
    pub fn on_command(&mut self, command: to_worker::Message) {
        match command {
            to_worker::Message::Welcome(_) => {}
            to_worker::Message::TriggerCheckpoint(trigger) => {
                let key = (trigger.job_id.clone(), Generation(trigger.generation));
                if let Some(coordinated) = self.coordinated(&key) {
                    coordinated.trigger(trigger);
                }
            }
            to_worker::Message::AbortCheckpoint(abort) => {
                let key = (abort.job_id.clone(), Generation(abort.generation));
                if let Some(coordinated) = self.coordinated(&key) {
                    coordinated.abort(&abort);
                }
            }
            to_worker::Message::CommitCheckpoint(commit) => {
                let key = (commit.job_id.clone(), Generation(commit.generation));
                if let Some(running) = self.running.get(&key).or_else(|| self.ended.get(&key))
                    && let Some(coordinated) = &running.coordinated
                {
                    coordinated.commit(&key, commit, running.deployment.commits(), &self.events);
                }
            }
            to_worker::Message::Deploy(deploy) => self.deploy(deploy),
            to_worker::Message::Start(Start { job_id, generation }) => {
                if let Some(running) = self.running.get(&(job_id, Generation(generation))) {
                    running.deployment.start();
                }
            }
            to_worker::Message::Cancel(Cancel {
                job_id,
                generation,
                job_has_ended,
            }) => {
                if job_has_ended {
                    self.storage.copies.end(&job_id);
                }
                self.cancel(&job_id, Generation(generation));
            }
            to_worker::Message::Alignment(progress) => {
                let key = (progress.job_id, Generation(progress.generation));
                if let Some(aligned) = self.running.get(&key).and_then(|r| r.aligned.as_ref()) {
                    aligned.hear(&progress.groups);
                }
            }
        }
    }

    fn coordinated(&self, key: &Key) -> Option<&Coordinated> {
        self.running.get(key)?.coordinated.as_ref()
    }

    fn deploy(&mut self, deploy: Deploy) {
        let key = (deploy.job_id.clone(), Generation(deploy.generation));
        let here: Vec<(u32, u32)> = deploy
            .assignments
            .iter()
            .filter(|a| a.worker_id == self.worker)
            .map(|a| (a.task, a.subtask))
            .collect();
        match self.ledger.judge(&key.0, key.1) {
            // Sent again because the answer was lost: it is given again.
            Verdict::Current if self.ledger.knows(&key) => self.repeat(&key),
            Verdict::Current | Verdict::Stale => {
                let refusal = Failure::internal(format!(
                    "generation {} of job {} came to worker {} after a newer one or its cancellation",
                    key.1, key.0, self.worker
                ));
                for (task, subtask) in here {
                    self.say(report(&key, task, subtask, Stage::Failed(refusal.clone())));
                }
            }
            Verdict::Newer if here.is_empty() => {
                tracing::warn!(job = key.0, "a deployment without subtasks here");
            }
            Verdict::Newer => self.bring_up(key, deploy, &here),
        }
    }

    fn repeat(&self, key: &Key) {
        for report in self.ledger.reports(key) {
            self.say(from_worker::Message::Task(report));
        }
    }

    fn bring_up(&mut self, key: Key, deploy: Deploy, here: &[(u32, u32)]) {
        let (job, generation, attempt) = (key.0.as_str(), key.1, deploy.attempt);
        tracing::info!(job, %generation, attempt, subtasks = here.len(), "deploying");
        for older in self.ledger.begin(&key, attempt, here.len()) {
            self.stop(&older);
        }
        let printed = Arc::new(PrintedSample::default());
        let output: Arc<dyn RowOutput> = Arc::clone(&printed) as _;
        let brought_up = self.order(&key, deploy, output).and_then(|(order, coordinated)| {
            let aligned = Aligned::of(&order);
            let deployment = Deployment::bring_up(order, Some(&self.network), &self.compute, &self.events);
            Ok((deployment?, aligned, coordinated))
        });
        match brought_up {
            Ok((deployment, aligned, coordinated)) => {
                let live = deployment.counters.clone();
                self.running.insert(
                    key,
                    Running {
                        deployment,
                        printed,
                        live,
                        aligned,
                        coordinated,
                    },
                );
            }
            Err(failure) => {
                tracing::warn!(%failure, job = key.0, "cannot deploy");
                for &(task, subtask) in here {
                    self.tell(&key, (task, subtask), Stage::Failed(failure.clone()), None);
                }
            }
        }
    }

    fn order(
        &self,
        key: &Key,
        mut deploy: Deploy,
        output: Arc<dyn RowOutput>,
    ) -> Result<(Order, Option<Coordinated>), Failure> {
        let graph = deploy
            .graph
            .take()
            .ok_or_else(|| Failure::internal("a deployment without a job graph"))?;
        let coordinated = Coordinated::of(&deploy, &settings(&graph), &self.storage, self.clock.elapsed())?;
        let restore = deploy.restore.into_iter().map(|restore| {
            let place = (restore.task, restore.subtask);
            checkpoints::restored(restore.states, &self.storage.stores).map(|states| (place, states))
        });
        let restore = restore.collect::<Result<_, Failure>>()?;
        let placement = deploy.assignments.into_iter().map(|a| {
            let location = if a.worker_id == self.worker {
                Location::Here
            } else {
                Location::Peer(a.exchange_address)
            };
            ((a.task, a.subtask), location)
        });
        let secrets = std::mem::take(&mut deploy.secrets).into_iter().collect();
        let splits = deploy.splits.into_iter().map(|source| {
            let splits = source.splits.into_iter().map(|s| Split {
                id: s.id,
                state: s.state,
            });
            ((source.operator, source.subtask), splits.collect())
        });
        let order = Order {
            job: Job {
                job: key.0.clone(),
                generation: key.1,
                graph: Arc::new(graph),
                clock: Arc::clone(&self.clock),
                output,
                seed: self.ids.seed(),
                alignment: Arc::default(),
                rehearsal: None,
                checkpoints: coordinated.as_ref().map(|c| Arc::clone(&c.checkpoints)),
                restored: deploy.restored_checkpoint,
                commits: Arc::default(),
                secrets: Arc::new(secrets),
            },
            placement: placement.collect(),
            splits: splits.collect(),
            restore,
        };
        Ok((order, coordinated))
    }

    fn cancel(&mut self, job: &str, generation: Generation) {
        let (running, ended) = self.ledger.cancel(job, generation);
        for key in running {
            self.stop(&key);
        }
        for report in ended {
            self.say(from_worker::Message::Task(report));
        }
    }

    fn stop(&mut self, key: &Key) {
        if let Some(running) = self.running.get(key) {
            tracing::info!(job = key.0, generation = %key.1, "cancelling");
            running.deployment.cancel();
        }
        self.network.inbound.forget(&key.0, key.1);
    }

    /// Takes in what has happened to a subtask.
    pub fn on_event(&mut self, event: SubtaskEvent) {
        let SubtaskEvent {
            job,
            generation,
            task,
            subtask,
            happened,
        } = event;
        let key = (job, generation);
        match happened {
            Happened::Restored(bytes) => {
                let report = checkpoints::restore_report(&key, (task, subtask), bytes);
                self.say(from_worker::Message::Restore(report));
            }
            Happened::Snapshot { checkpoint, taken } => {
                let report = checkpoints::snapshot_report(&key, (task, subtask), checkpoint, taken);
                self.say(from_worker::Message::Checkpoint(report));
            }
            Happened::Commit {
                checkpoint,
                committed,
            } => {
                let report = checkpoints::commit_report(&key, (task, subtask), checkpoint, committed);
                self.say(from_worker::Message::Commit(report));
            }
            Happened::Stage { stage, metrics, last } => {
                if stage.is_final() {
                    self.on_end(&key, (task, subtask), metrics);
                }
                self.tell(&key, (task, subtask), stage, last.as_deref());
            }
        }
    }

    /// Totals and rows are right before the end is told.
    fn on_end(&mut self, key: &Key, place: (u32, u32), metrics: Option<SubtaskMetrics>) {
        self.report_printed(key);
        if let Some(metrics) = metrics {
            self.report_metrics(key, vec![metrics]);
        }
        if let Some(running) = self.running.get_mut(key) {
            running.live.retain(|c| (c.task, c.subtask) != place);
        }
    }

    fn tell(&mut self, key: &Key, (task, subtask): (u32, u32), stage: Stage, last: Option<&Last>) {
        let mut report = task_report(key, task, subtask, stage);
        if let Some(last) = last {
            match checkpoints::final_state(last) {
                Ok(state) => report.final_state = Some(state),
                Err(failure) => report = task_report(key, task, subtask, Stage::Failed(failure)),
            }
            report.passed_checkpoint = last.passed;
        }
        let reported = self.say(from_worker::Message::Task(report.clone()));
        if self.ledger.record(report, self.clock.elapsed(), reported) {
            if let Some(running) = self.running.remove(key) {
                // Nothing here holds others back any more.
                self.say_alignment(key, &running);
                if let Some(coordinated) = &running.coordinated {
                    coordinated.clear(key);
                    self.ended.insert(key.clone(), running);
                }
            }
            self.network.inbound.forget(&key.0, key.1);
        }
    }

    /// The regular report: numbers and printed rows of everything that runs.
    pub fn report(&mut self) {
        self.ledger.expire(self.clock.elapsed());
        self.ended.retain(|key, _| self.ledger.knows(key));
        self.expire_copies();
        for (key, running) in &self.running {
            self.report_printed(key);
            if !running.live.is_empty() {
                self.report_metrics(key, running.live.iter().map(|c| c.read()).collect());
            }
        }
    }

    /// Removes the copies of files of jobs that do not run here any more.
    fn expire_copies(&self) {
        let runs = |job: &str| self.running.keys().any(|(running, _)| running == job);
        let expired = self.storage.copies.expire(self.clock.elapsed(), runs);
        for folder in expired {
            self.storage.runtime.spawn_blocking(move || {
                // There is none if there was nothing to keep. What stays goes with the worker's folder.
                let _ = std::fs::remove_dir_all(folder);
            });
        }
    }

    /// Says how far sources that keep together have come.
    pub fn report_alignment(&self) {
        for (key, running) in &self.running {
            self.say_alignment(key, running);
        }
    }

    fn say_alignment(&self, key: &Key, running: &Running) {
        if let Some(aligned) = &running.aligned {
            self.say(from_worker::Message::Alignment(aligned.report(key)));
        }
    }

    /// How often that is to be said.
    pub fn alignment_interval(&self) -> Duration {
        let aligned = self.running.values().filter_map(|r| r.aligned.as_ref());
        aligned
            .map(|aligned| aligned.interval)
            .min()
            .unwrap_or(ALIGNMENT_INTERVAL)
    }

    fn report_metrics(&self, (job, generation): &Key, subtasks: Vec<SubtaskMetrics>) {
        self.say(from_worker::Message::Metrics(MetricsReport {
            job_id: job.clone(),
            generation: generation.0,
            subtasks,
        }));
    }

    fn report_printed(&self, key: &Key) {
        // What cannot be sent now is kept, as far as it fits.
        if self.up.is_none() {
            return;
        }
        let Some(running) = self.running.get(key) else {
            return;
        };
        for printed in running.printed.take(&key.0, key.1) {
            self.say(from_worker::Message::Printed(printed));
        }
    }
}

fn report(key: &Key, task: u32, subtask: u32, stage: Stage) -> from_worker::Message {
    from_worker::Message::Task(task_report(key, task, subtask, stage))
}

fn task_report((job, generation): &Key, task: u32, subtask: u32, stage: Stage) -> TaskReport {
    let (state, failure) = match stage {
        Stage::Deployed => (TaskState::Deployed, None),
        Stage::Running => (TaskState::Running, None),
        Stage::Finished => (TaskState::Finished, None),
        Stage::Cancelled => (TaskState::Cancelled, None),
        Stage::Failed(failure) => (TaskState::Failed, Some(failure.into())),
    };
    TaskReport {
        job_id: job.clone(),
        generation: generation.0,
        task,
        subtask,
        state: state.into(),
        failure,
        final_state: None,
        passed_checkpoint: None,
    }
}
