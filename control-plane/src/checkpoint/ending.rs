//! What a driver does about checkpoints that have ended: keeps the history, says so, and lets go of what is old.

use weir_checkpoint::{
    coordinator::{After, Record, Savepoint, SubtaskRecord},
    manifest::CheckpointId,
};
use weir_model::{Failure, SavepointId, SubtaskIndex, TaskId, api::CheckpointSubtask};

use super::{
    driver::{Driver, STORE_AGAIN},
    folder,
};
use crate::{
    db::{
        StoreError,
        checkpoints::EndedCheckpoint,
        events::{Actor, Kind, NewEvent},
    },
    job::observed::Handover,
};

impl Driver {
    pub(super) async fn completed(&mut self, record: Record) {
        let savepoint = self.savepoint_of(record.savepoint.as_ref());
        let number = record.checkpoint.0;
        self.keep(&record, None).await;
        if let Some(id) = savepoint {
            let stops = record
                .savepoint
                .is_some_and(|savepoint| savepoint.after != After::GoOn);
            if stops && !self.is_base(id).await {
                self.abandoned = Some(record.checkpoint);
            }
            let message = format!("savepoint {id} is there as checkpoint {number}");
            self.record(Kind::SavepointCompleted, message).await;
        } else {
            self.see(|seen| {
                if let Some((None, handover @ Handover::Asked)) = &mut seen.handover {
                    *handover = Handover::Complete { number };
                }
            });
        }
        self.context.moves.tell(self.job);
    }

    /// Whether the job begins with this savepoint from now on. Not, if it has failed or was asked otherwise before that was there:
    /// it goes back behind it then.
    async fn is_base(&self, id: SavepointId) -> bool {
        loop {
            match self.context.store.job(self.job).await {
                Ok(job) => return job.base.savepoint == Some(id),
                Err(StoreError::Unavailable(error)) => {
                    tracing::warn!(%error, job = %self.job, "whether it stops with its savepoint is not known yet");
                }
                Err(_) => return false,
            }
            tokio::select! {
                () = self.context.clock.sleep(STORE_AGAIN) => {}
                () = self.context.shutdown.cancelled() => return false,
            }
        }
    }

    pub(super) async fn failed(&mut self, record: Record, why: &Failure) {
        let savepoint = self.savepoint_of(record.savepoint.as_ref());
        let number = record.checkpoint.0;
        self.keep(&record, Some(why)).await;
        if let Some(id) = savepoint {
            // It may have failed before its number was kept.
            self.fail_savepoint(id, why).await;
        }
        let (kind, what) = match savepoint {
            None => (Kind::CheckpointFailed, format!("checkpoint {number}")),
            Some(id) => (Kind::SavepointFailed, format!("savepoint {id}")),
        };
        self.record(kind, format!("{what} was given up: {why}")).await;
        self.give_up_handover(savepoint, why);
        self.context.moves.tell(self.job);
    }

    pub(super) async fn refused(&mut self, savepoint: &Savepoint, why: &Failure) {
        let Some(id) = self.savepoint_of(Some(savepoint)) else {
            return;
        };
        self.fail_savepoint(id, why).await;
        self.record(
            Kind::SavepointFailed,
            format!("savepoint {id} was not begun: {why}"),
        )
        .await;
        self.give_up_handover(Some(id), why);
    }

    async fn fail_savepoint(&self, id: SavepointId, why: &Failure) {
        let (store, now_ms) = (&self.context.store, self.context.clock.now_ms());
        if let Err(error) = store.fail_savepoint(id, &why.to_string(), now_ms).await {
            tracing::error!(%error, savepoint = %id, "the failure of a savepoint could not be kept");
        }
    }

    fn give_up_handover(&self, savepoint: Option<SavepointId>, why: &Failure) {
        self.see(|seen| {
            if let Some((of, handover @ Handover::Asked)) = &mut seen.handover
                && *of == savepoint
            {
                *handover = Handover::Failed { why: why.to_string() };
            }
        });
    }

    /// Keeps how a checkpoint ended. What is there must be known before anything is committed: the metadata store is
    /// asked until it answers.
    async fn keep(&self, record: &Record, why: Option<&Failure>) {
        let (now, now_ms) = (self.context.clock.elapsed(), self.context.clock.now_ms());
        let begun_ago_ms = now.saturating_sub(record.begun).as_millis() as i64;
        let ended = EndedCheckpoint {
            job: self.job,
            number: record.checkpoint.0,
            begun_at_ms: now_ms - begun_ago_ms,
            failure: why.map(ToString::to_string),
            subtasks: record.subtasks.iter().map(part).collect(),
        };
        loop {
            match self.context.store.end_checkpoint(&ended, now_ms).await {
                Ok(()) => return,
                Err(StoreError::Unavailable(error)) => {
                    tracing::warn!(%error, job = %self.job, "the end of a checkpoint cannot be kept yet");
                }
                Err(error) => {
                    tracing::error!(%error, job = %self.job, "the end of a checkpoint cannot be kept");
                    return;
                }
            }
            tokio::select! {
                () = self.context.clock.sleep(STORE_AGAIN) => {}
                () = self.context.shutdown.cancelled() => return,
            }
        }
    }

    pub(super) async fn discard(&mut self, checkpoints: &[CheckpointId]) {
        let numbers: Vec<_> = checkpoints.iter().map(|checkpoint| checkpoint.0).collect();
        if let Err(error) = self.context.store.discard_checkpoints(self.job, &numbers).await {
            // They stay, and are found by the next garbage collection.
            tracing::error!(%error, job = %self.job, "checkpoints could not be discarded");
            return;
        }
        let kept: Vec<_> = self.coordinator.retained().collect();
        let live = Some(self.generation.0);
        tokio::spawn(folder::clean(
            self.context.clone(),
            self.folder.clone(),
            kept,
            live,
        ));
    }

    async fn record(&self, kind: Kind, message: String) {
        let event = NewEvent {
            at_ms: self.context.clock.now_ms(),
            actor: Actor::ControlPlane,
            job: Some(self.job),
            kind,
            message,
        };
        if let Err(error) = self.context.store.record(&event).await {
            tracing::error!(%error, kind = kind.as_str(), "an event could not be kept");
        }
    }
}

fn part(record: &SubtaskRecord) -> CheckpointSubtask {
    let SubtaskRecord {
        subtask,
        end_to_end,
        cost,
    } = record;
    CheckpointSubtask {
        task: TaskId(subtask.task),
        subtask: SubtaskIndex(subtask.subtask),
        alignment_us: cost.alignment_us,
        sync_us: cost.sync_us,
        async_us: cost.async_us,
        end_to_end_ms: end_to_end.as_millis() as u64,
        bytes_new: cost.bytes_new,
        bytes_full: cost.bytes_full,
        bytes_in_flight: cost.bytes_in_flight,
    }
}
