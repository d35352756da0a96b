//! One worker's session, from its hello to its loss.

use std::time::Duration;

use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use tracing::Instrument as _;
use weir_model::{
    Generation, JobId, WorkerId,
    api::{Worker, WorkerState},
};
use weir_proto::control::{
    CheckpointReport, CommitReport, FromWorker, GroupsProgress, Hello, MetricsReport, PrintedRows,
    RestoreReport, TaskReport, TaskState, ToWorker, Welcome, from_worker, to_worker,
};

use super::report;
use crate::{
    checkpoint::Input,
    cluster::workers::{Line, SessionId},
    context::Context,
    db::{
        events::{Actor, Kind, NewEvent},
        output::Printed,
    },
};

/// How long a new connection may wait with its hello.
const HELLO_WAIT: Duration = Duration::from_secs(10);

/// Messages that may wait to be worked off, so that a slow metadata store does not make a worker look silent.
const BACKLOG: usize = 1024;

/// How long the end of a session waits for the messages before it to be worked off.
const DRAIN_WAIT: Duration = Duration::from_secs(2);

/// Runs the session until the worker, the network or the control plane ends it.
pub async fn run(context: Context, mut inbound: Streaming<FromWorker>, line: Line) {
    let answers = line.commands.clone();
    match greet(&context, &mut inbound, line).await {
        Ok(session) => {
            drop(answers);
            let span = tracing::info_span!("worker", id = %session.worker);
            session.serve(inbound).instrument(span).await;
        }
        Err(refusal) => {
            tracing::warn!(%refusal, "a worker was turned away");
            let _ = answers.send(Err(refusal)).await;
        }
    }
}

async fn greet(
    context: &Context,
    inbound: &mut Streaming<FromWorker>,
    line: Line,
) -> Result<Session, Status> {
    let first = tokio::select! {
        message = inbound.message() => message?,
        () = context.clock.sleep(HELLO_WAIT) => return Err(Status::deadline_exceeded("no hello came")),
        () = context.shutdown.cancelled() => return Err(Status::unavailable("shutting down")),
    };
    let Some(FromWorker {
        message: Some(from_worker::Message::Hello(hello)),
    }) = first
    else {
        return Err(Status::invalid_argument("the first message must be a hello"));
    };
    let worker: WorkerId = hello
        .worker_id
        .parse()
        .map_err(|_| Status::invalid_argument("the worker's id is not a UUID"))?;
    if hello.version != env!("CARGO_PKG_VERSION") {
        tracing::warn!(%worker, version = hello.version, "the worker is of another version");
    }
    register(context, worker, &hello).await?;
    let heartbeat_interval_ms = context.limits.heartbeat_interval.as_millis() as u64;
    let welcome = ToWorker {
        message: Some(to_worker::Message::Welcome(Welcome {
            heartbeat_interval_ms,
        })),
    };
    // Queued before anything else can send the worker a command.
    line.commands
        .send(Ok(welcome))
        .await
        .map_err(|_| Status::unavailable("the worker has gone"))?;
    let close = line.close.clone();
    let welcomed = context.cluster.connect(worker, &hello, line);
    context.wake.now();
    for job in &welcomed.adopted {
        let of_job = hello.deployments.iter().filter(|d| d.job_id == job.to_string());
        of_job
            .flat_map(|d| &d.tasks)
            .for_each(|task| finished(context, *job, task));
    }
    for job in welcomed.adopted {
        let message = format!("its tasks on worker {worker} went on while the control plane was away");
        record(context, Actor::ControlPlane, Some(job), Kind::JobAdopted, message).await;
    }
    Ok(Session {
        context: context.clone(),
        worker,
        id: welcomed.session,
        close,
    })
}

async fn register(context: &Context, id: WorkerId, hello: &Hello) -> Result<(), Status> {
    let at_ms = context.clock.now_ms();
    let worker = Worker {
        id,
        address: hello.exchange_address.clone(),
        pid: hello.pid,
        slots: hello.slots,
        free_slots: hello.slots,
        state: WorkerState::Alive,
        registered_at_ms: at_ms,
        last_heartbeat_ms: at_ms,
        memory_bytes: 0,
        cpu_milli: 0,
        version: hello.version.clone(),
    };
    let message = format!(
        "worker {id} at {} connected with {} slots",
        worker.address, worker.slots
    );
    tracing::info!(worker = %id, address = worker.address, slots = worker.slots, "a worker connected");
    let event = NewEvent {
        at_ms,
        actor: Actor::Worker(id),
        job: None,
        kind: Kind::WorkerRegistered,
        message,
    };
    context
        .store
        .worker_registered(&worker, &event)
        .await
        .map_err(|error| Status::unavailable(error.to_string()))
}

/// Keeps that a worker is lost.
pub async fn worker_lost(context: &Context, worker: &Worker, why: &str) {
    tracing::warn!(worker = %worker.id, why, "a worker was lost");
    context.wake.now();
    let message = format!("worker {} at {} was lost: {why}", worker.id, worker.address);
    let event = NewEvent {
        at_ms: context.clock.now_ms(),
        actor: Actor::ControlPlane,
        job: None,
        kind: Kind::WorkerLost,
        message,
    };
    if let Err(error) = context.store.worker_lost(worker, &event).await {
        tracing::error!(%error, "the loss of a worker could not be kept");
    }
}

#[derive(Debug)]
struct Session {
    context: Context,
    worker: WorkerId,
    id: SessionId,
    close: tokio_util::sync::CancellationToken,
}

impl Session {
    async fn serve(self, mut inbound: Streaming<FromWorker>) {
        let (backlog, messages) = mpsc::channel(BACKLOG);
        let handler = Handler {
            context: self.context.clone(),
            worker: self.worker,
            session: self.id,
        };
        let handler = tokio::spawn(handler.run(messages).in_current_span());
        let end = self.read(&mut inbound, backlog).await;
        // What it said before it went still counts.
        tokio::select! {
            _ = handler => {}
            () = self.context.clock.sleep(DRAIN_WAIT) => {}
        }
        if let Some(why) = end
            && let Some(worker) = self.context.cluster.disconnect(self.worker, self.id, &why)
        {
            worker_lost(&self.context, &worker, &why).await;
        }
    }

    /// Reads until the session ends. Why the worker is lost, unless it is this control plane that leaves.
    async fn read(
        &self,
        inbound: &mut Streaming<FromWorker>,
        backlog: mpsc::Sender<from_worker::Message>,
    ) -> Option<String> {
        loop {
            let message = tokio::select! {
                () = self.context.shutdown.cancelled() => return None,
                () = self.close.cancelled() => return Some("its session was closed".into()),
                message = inbound.message() => message,
            };
            match message {
                Ok(Some(FromWorker { message })) => {
                    self.context.cluster.heard(self.worker, self.id);
                    if let Some(message) = message {
                        // The handler lives as long as this queue.
                        let _ = backlog.send(message).await;
                    }
                }
                Ok(None) => return Some("it closed its connection".into()),
                Err(error) => {
                    tracing::debug!(%error, "a session broke");
                    return Some("its connection broke".into());
                }
            }
        }
    }
}

#[derive(Debug)]
struct Handler {
    context: Context,
    worker: WorkerId,
    session: SessionId,
}

impl Handler {
    async fn run(self, mut messages: mpsc::Receiver<from_worker::Message>) {
        while let Some(message) = messages.recv().await {
            match message {
                from_worker::Message::Hello(_) => tracing::warn!("a second hello in one session is ignored"),
                from_worker::Message::Heartbeat(beat) => {
                    self.context
                        .cluster
                        .heartbeat(self.worker, beat.memory_bytes, beat.cpu_milli);
                }
                from_worker::Message::Task(report) => self.task(report).await,
                from_worker::Message::Metrics(report) => self.metrics(report),
                from_worker::Message::Printed(printed) => self.printed(printed).await,
                from_worker::Message::Alignment(progress) => self.alignment(&progress),
                from_worker::Message::Checkpoint(report) => self.checkpoint(report),
                from_worker::Message::Commit(report) => self.commit(report),
                from_worker::Message::Restore(report) => self.restored(&report),
            }
        }
    }

    fn restored(&self, report: &RestoreReport) {
        if let Ok(job) = report.job_id.parse() {
            self.context.cluster.restored(job, report);
        } else {
            tracing::warn!(
                job = report.job_id,
                "a report about a job whose id is not a UUID is ignored"
            );
        }
    }

    async fn task(&self, report: TaskReport) {
        let Ok(job) = report.job_id.parse::<JobId>() else {
            tracing::warn!(
                job = report.job_id,
                "a report about a job whose id is not a UUID is ignored"
            );
            return;
        };
        if !self
            .context
            .cluster
            .report(self.worker, self.session, job, &report)
        {
            return;
        }
        finished(&self.context, job, &report);
        self.context.wake.now();
        if let Some(failure) = &report.failure {
            let message = format!(
                "subtask {} of task {} failed: {}",
                report.subtask, report.task, failure.message
            );
            record(
                &self.context,
                Actor::Worker(self.worker),
                Some(job),
                Kind::TaskFailed,
                message,
            )
            .await;
        }
    }

    fn metrics(&self, report: MetricsReport) {
        if let Some(job) = self.current(&report.job_id, report.generation) {
            self.context.metrics.record(job, report);
        }
    }

    fn checkpoint(&self, report: CheckpointReport) {
        if let Some(job) = self.current(&report.job_id, report.generation) {
            let generation = Generation(report.generation);
            let event = report::of_checkpoint(report);
            self.context
                .checkpoints
                .tell(job, generation, Input::Event(event));
        }
    }

    fn commit(&self, report: CommitReport) {
        if let Some(job) = self.current(&report.job_id, report.generation) {
            let generation = Generation(report.generation);
            let event = report::of_commit(report);
            self.context
                .checkpoints
                .tell(job, generation, Input::Event(event));
        }
    }

    fn alignment(&self, progress: &GroupsProgress) {
        if let Some(job) = self.current(&progress.job_id, progress.generation) {
            self.context.cluster.align(self.worker, job, progress);
        }
    }

    async fn printed(&self, printed: PrintedRows) {
        let Some(job) = self.current(&printed.job_id, printed.generation) else {
            return;
        };
        let PrintedRows {
            job_id: _,
            generation: _,
            table,
            subtask,
            total_rows,
            rows,
        } = printed;
        let printed = Printed {
            job,
            table,
            subtask,
            total_rows,
            rows,
        };
        if let Err(error) = self
            .context
            .store
            .add_printed(&printed, self.context.limits.printed_rows)
            .await
        {
            tracing::error!(%error, %job, "printed rows could not be kept");
        }
    }

    /// The job, if the generation is that of its newest deployment.
    fn current(&self, job: &str, generation: u64) -> Option<JobId> {
        let job = job.parse().ok()?;
        self.context
            .cluster
            .is_current(job, Generation(generation))
            .then_some(job)
    }
}

/// Tells the coordinator of a subtask that has finished.
fn finished(context: &Context, job: JobId, report: &TaskReport) {
    if report.state() == TaskState::Finished {
        let generation = Generation(report.generation);
        let event = report::of_end(report);
        context.checkpoints.tell(job, generation, Input::Event(event));
    }
}

async fn record(context: &Context, actor: Actor, job: Option<JobId>, kind: Kind, message: String) {
    let event = NewEvent {
        at_ms: context.clock.now_ms(),
        actor,
        job,
        kind,
        message,
    };
    if let Err(error) = context.store.record(&event).await {
        tracing::error!(%error, kind = kind.as_str(), "an event could not be kept");
    }
}
