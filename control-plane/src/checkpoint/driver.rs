//! One deployment's coordinator at work: hears what happens, and does what it asks for.
//!
//! What it asks for is done in order. Only manifests are written beside: however long that takes, words of workers are
//! heard meanwhile.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
};
use weir_checkpoint::{
    coordinator::{Action, After, Coordinator, Deployment, Event, Found, Savepoint, Subtask},
    manifest::{CheckpointId, Manifest},
};
use weir_env::failpoint;
use weir_model::{Failure, Generation, JobId, SavepointId};
use weir_proto::{
    control::{
        AbortCheckpoint, AfterBarrier, CommitCheckpoint, SubtaskRef, TriggerCheckpoint, to_worker::Message,
    },
    graph::JobGraph,
};

use super::{
    Input, Seen,
    coordinate::{Known, Left},
    folder, settings,
};
use crate::{
    context::Context,
    db::checkpoints::NewCheckpoint,
    job::{Job, observed::Handover},
};

/// How long to wait with asking the metadata store again.
pub(super) const STORE_AGAIN: Duration = Duration::from_secs(1);

/// A coordinator with what it takes to do as it asks.
pub(super) struct Driver {
    pub(super) context: Context,
    pub(super) job: JobId,
    /// The savepoint that the job was about to stop with when its deployment was taken over.
    stop_savepoint: Option<SavepointId>,
    pub(super) generation: Generation,
    /// The URL of the job's folder.
    pub(super) folder: String,
    pub(super) coordinator: Coordinator,
    left: Option<Left>,
    /// Those that were asked for, by the URL of their folder.
    savepoints: HashMap<String, SavepointId>,
    /// One that the job was to stop with, and does not any more: nothing of it is committed.
    pub(super) abandoned: Option<CheckpointId>,
    manifests: JoinSet<(CheckpointId, Result<(), Failure>)>,
    seen: Arc<Mutex<Seen>>,
}

impl Driver {
    /// Of a deployment that is about to be sent, or runs.
    pub(super) fn new(
        context: &Context,
        state_url: &str,
        job: &Job,
        graph: &JobGraph,
        known: Known,
        seen: Arc<Mutex<Seen>>,
    ) -> Self {
        let Known { retained, next, left } = known;
        let deployment = Deployment {
            job: job.id.to_string(),
            generation: job.generation.0,
            weir_version: env!("CARGO_PKG_VERSION").to_owned(),
            max_parallelism: graph.max_parallelism,
            subtasks: settings::subtasks(graph),
            retained,
            next: CheckpointId(next),
        };
        Self {
            context: context.clone(),
            job: job.id,
            stop_savepoint: job.stop_savepoint,
            generation: job.generation,
            folder: folder::of_job(state_url, job.id),
            coordinator: Coordinator::new(settings::settings(graph), deployment),
            left,
            savepoints: HashMap::new(),
            abandoned: None,
            manifests: JoinSet::new(),
            seen,
        }
    }

    /// Runs until the deployment has ended and all that was begun is known to be there or not.
    pub(super) async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<Input>) {
        let clock = Arc::clone(&self.context.clock);
        let mut open = true;
        while open || !self.coordinator.is_settled() {
            let wake_at = self.coordinator.wake_at();
            let wait = wake_at.map_or(Duration::MAX, |at| at.saturating_sub(clock.elapsed()));
            let event = tokio::select! {
                () = self.context.shutdown.cancelled() => return,
                input = inputs.recv(), if open => {
                    if let Some(input) = input {
                        self.hear(input).await
                    } else {
                        open = false;
                        Event::Ended(Failure::user("the job does not run any more"))
                    }
                }
                Some(written) = self.manifests.join_next() => wrote(written),
                () = clock.sleep(wait), if wake_at.is_some() => Event::Tick,
            };
            self.on(event).await;
        }
    }

    /// What an input means to the coordinator.
    async fn hear(&mut self, input: Input) -> Event {
        match input {
            Input::Event(Event::Running) => {
                self.take_over().await;
                Event::Running
            }
            Input::Event(event) => event,
            Input::Savepoint { id, savepoint } => {
                self.savepoints.insert(savepoint.url.clone(), id);
                Event::Savepoint(savepoint)
            }
            Input::Checkpoint => Event::Checkpoint,
        }
    }

    /// Ends what a coordinator left behind that is gone, as soon as all workers are back.
    async fn take_over(&mut self) {
        let Some(Left { pending, last, stops }) = self.left.take() else {
            return;
        };
        let found = Found {
            pending,
            last: last.as_ref(),
            stops,
        };
        for action in self.coordinator.take_over(&found, self.context.clock.elapsed()) {
            if let Err(failure) = self.perform(action).await {
                tracing::error!(%failure, job = %self.job, "what was left could not be taken over");
            }
        }
    }

    async fn on(&mut self, event: Event) {
        let mut event = Some(event);
        while let Some(next) = event.take() {
            for action in self.coordinator.on(next, self.context.clock.elapsed()) {
                tracing::debug!(job = %self.job, ?action, "performs");
                if let Err(failure) = self.perform(action).await {
                    event = Some(Event::Interrupted(failure));
                }
            }
        }
    }

    /// Does it. An error: what was begun cannot go on.
    async fn perform(&mut self, action: Action) -> Result<(), Failure> {
        match action {
            Action::Trigger {
                checkpoint,
                savepoint,
            } => {
                self.note(checkpoint, savepoint.as_ref()).await?;
                self.trigger(checkpoint, savepoint);
            }
            Action::Abort(checkpoint) => self.abort(checkpoint),
            Action::WriteManifest { manifest, savepoint } => self.write(manifest, savepoint).await,
            Action::Commit { checkpoint, .. } if self.abandoned == Some(checkpoint) => {}
            Action::Commit { checkpoint, finished } => self.commit(checkpoint, &finished),
            Action::Completed(record) => self.completed(record).await,
            Action::Failed { record, why } => self.failed(record, &why).await,
            Action::Refused { savepoint, why } => self.refused(&savepoint, &why).await,
            Action::FailJob(why) => self.see(|seen| seen.failure = Some(why)),
            Action::Discard(checkpoints) => self.discard(&checkpoints).await,
            Action::Stop(checkpoint) => {
                let number = checkpoint.0;
                let of = self.stop_savepoint;
                self.see(|seen| {
                    let of = seen.handover.take().map_or(of, |(of, _)| of);
                    seen.handover = Some((of, Handover::Complete { number }));
                });
            }
            Action::JobDone => self.see(|seen| seen.done = true),
        }
        Ok(())
    }

    /// Changes what is seen, and has the job looked at.
    pub(super) fn see(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock());
        self.context.wake.now();
    }

    pub(super) fn savepoint_of(&self, savepoint: Option<&Savepoint>) -> Option<SavepointId> {
        self.savepoints.get(&savepoint?.url).copied()
    }

    /// Keeps that the checkpoint begins, before anybody hears its number.
    async fn note(&self, checkpoint: CheckpointId, savepoint: Option<&Savepoint>) -> Result<(), Failure> {
        let new = NewCheckpoint {
            job: self.job,
            number: checkpoint.0,
            generation: self.generation,
            savepoint: self.savepoint_of(savepoint),
            url: savepoint.map_or_else(|| self.folder.clone(), |savepoint| savepoint.url.clone()),
        };
        let kept = self
            .context
            .store
            .begin_checkpoint(&new, self.context.clock.now_ms())
            .await;
        kept.map_err(|error| Failure::external(format!("it could not be begun: {error}")))
    }

    fn trigger(&self, checkpoint: CheckpointId, savepoint: Option<Savepoint>) {
        let after = match savepoint
            .as_ref()
            .map(|savepoint| savepoint.after)
            .unwrap_or_default()
        {
            After::GoOn => AfterBarrier::GoOn,
            After::Suspend => AfterBarrier::Suspend,
            After::Drain => AfterBarrier::Drain,
        };
        self.tell(&Message::TriggerCheckpoint(TriggerCheckpoint {
            job_id: self.job.to_string(),
            generation: self.generation.0,
            checkpoint: checkpoint.0,
            savepoint_url: savepoint.map(|savepoint| savepoint.url),
            after: after.into(),
        }));
    }

    fn abort(&self, checkpoint: CheckpointId) {
        self.tell(&Message::AbortCheckpoint(AbortCheckpoint {
            job_id: self.job.to_string(),
            generation: self.generation.0,
            checkpoint: checkpoint.0,
        }));
    }

    fn commit(&self, checkpoint: CheckpointId, finished: &[Subtask]) {
        let of = |subtask: &Subtask| SubtaskRef {
            task: subtask.task,
            subtask: subtask.subtask,
        };
        self.tell(&Message::CommitCheckpoint(CommitCheckpoint {
            job_id: self.job.to_string(),
            generation: self.generation.0,
            checkpoint: checkpoint.0,
            finished: finished.iter().map(of).collect(),
        }));
    }

    fn tell(&self, message: &Message) {
        self.context.cluster.tell_all(self.job, self.generation, message);
    }

    async fn write(&mut self, manifest: Manifest, savepoint: Option<Savepoint>) {
        let checkpoint = manifest.checkpoint;
        // One of final states alone was told to nobody, and has not been noted.
        let noted = self.note(checkpoint, savepoint.as_ref()).await;
        let id = self.savepoint_of(savepoint.as_ref());
        let folder = savepoint.map_or_else(|| self.folder.clone(), |savepoint| savepoint.url);
        let context = self.context.clone();
        self.manifests.spawn(async move {
            let is_savepoint = id.is_some();
            failpoint(if is_savepoint {
                "savepoint.writing"
            } else {
                "manifest.writing"
            });
            let written = match (noted, id) {
                (Err(failure), _) => Err(failure),
                (Ok(()), Some(id)) => folder::write_savepoint(&context, &folder, id, manifest).await,
                (Ok(()), None) => folder::write_manifest(&context, &folder, manifest).await,
            };
            failpoint(if is_savepoint {
                "savepoint.written"
            } else {
                "manifest.written"
            });
            (checkpoint, written)
        });
    }
}

fn wrote(written: Result<(CheckpointId, Result<(), Failure>), JoinError>) -> Event {
    match written {
        Ok((checkpoint, Ok(()))) => Event::ManifestWritten(checkpoint),
        Ok((checkpoint, Err(why))) => Event::ManifestFailed { checkpoint, why },
        // Only a panic of the write itself, whose number is lost with it.
        Err(error) => Event::Interrupted(Failure::internal(format!("writing a manifest panicked: {error}"))),
    }
}
