//! This worker's part in the checkpoints of a deployment: what the coordinator says goes to subtasks, what they have goes back.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::{mpsc::UnboundedSender, watch},
};
use weir_checkpoint::storage::Stores;
use weir_model::Failure;
use weir_proto::{
    control::{
        AbortCheckpoint, AfterBarrier, CheckpointReport, CommitCheckpoint, CommitReport, Deploy,
        RestoreReport, RestoredState, SubtaskSnapshot, TriggerCheckpoint, checkpoint_report::Outcome,
    },
    graph::{Settings, StateBackend},
};

use super::ledger::Key;
use crate::{
    runtime::{
        align::Patience,
        checkpoint::{Checkpoints, state_folder},
        commands::{After, Commands, Trigger},
        commits::{Commits, SinkCommits},
        message::Barrier,
        news::{Last, News, SubtaskEvent, Taken},
    },
    state::{
        MemoryBudget,
        backend::{Kind, Restored, RestoredBytes},
        copies::LocalCopies,
        local::LocalFolder,
    },
};

/// What state takes of this machine.
#[derive(Clone, Debug)]
pub struct Storage {
    /// A folder for databases, which may be lost.
    pub local: Arc<LocalFolder>,
    /// What of checkpoints is kept in it.
    pub copies: Arc<LocalCopies>,
    /// The worker's memory.
    pub memory: Arc<MemoryBudget>,
    /// Opens the folders of checkpoints and savepoints.
    pub stores: Stores,
    /// Threads that store.
    pub runtime: Handle,
}

/// What the coordinator of one deployment says here.
#[derive(Debug)]
pub struct Coordinated {
    commands: watch::Sender<Commands>,
    /// What subtasks take checkpoints with.
    pub checkpoints: Arc<Checkpoints>,
}

impl Coordinated {
    /// Of a deployment that takes checkpoints; none if it takes none.
    pub fn of(
        deploy: &Deploy,
        settings: &Settings,
        storage: &Storage,
        now: Duration,
    ) -> Result<Option<Self>, Failure> {
        let Some(url) = &deploy.state_url else {
            return Ok(None);
        };
        let (commands, heard) = watch::channel(Commands::default());
        let checkpointing = settings.checkpointing.unwrap_or_default();
        let backend = match settings.state_backend() {
            StateBackend::Rocksdb => Kind::Rocksdb,
            StateBackend::Memory => Kind::Memory,
        };
        let copies = (!settings.no_local_recovery).then(|| storage.copies.of_job(&deploy.job_id, now));
        Ok(Some(Self {
            commands,
            checkpoints: Arc::new(Checkpoints {
                folder: state_folder(storage.stores.folder(url)?, String::new()),
                stores: storage.stores.clone(),
                local: storage.local.path().to_owned(),
                backend,
                copies,
                memory: Arc::clone(&storage.memory),
                patience: Patience::of(&checkpointing),
                storing: storage.runtime.clone(),
                commands: heard,
            }),
        }))
    }

    /// Removes what its subtasks had on this machine, which have all ended.
    pub fn clear(&self, (job, generation): &Key) {
        let folder = self.checkpoints.local_folder(job, *generation);
        self.checkpoints.storing.spawn_blocking(move || {
            // Without state there is none. What stays goes with the worker's folder.
            let _ = std::fs::remove_dir_all(folder);
        });
    }

    /// A checkpoint begins.
    pub fn trigger(&self, trigger: TriggerCheckpoint) {
        let after = match trigger.after() {
            AfterBarrier::GoOn => After::GoOn,
            AfterBarrier::Suspend => After::Suspend,
            AfterBarrier::Drain => After::Drain,
        };
        let barrier = Arc::new(Barrier {
            checkpoint: trigger.checkpoint,
            savepoint_url: trigger.savepoint_url,
        });
        self.commands
            .send_modify(|commands| commands.trigger = Some(Trigger { barrier, after }));
    }

    /// Checkpoints up to this one will never be there, if they are not.
    pub fn abort(&self, abort: &AbortCheckpoint) {
        self.commands
            .send_modify(|commands| commands.aborted = commands.aborted.max(abort.checkpoint));
    }

    /// A checkpoint is there: what sinks prepared for it is committed.
    pub fn commit(
        &self,
        key: &Key,
        commit: CommitCheckpoint,
        commits: &Commits,
        events: &UnboundedSender<SubtaskEvent>,
    ) {
        let checkpoint = commit.checkpoint;
        self.commands
            .send_modify(|commands| commands.completed = commands.completed.max(checkpoint));
        for ((task, subtask), sinks) in commits.by_subtask() {
            let has_ended = commit
                .finished
                .iter()
                .any(|finished| (finished.task, finished.subtask) == (task, subtask));
            let news = News {
                events: events.clone(),
                job: key.0.clone(),
                generation: key.1,
                task,
                subtask,
            };
            self.checkpoints.storing.spawn(async move {
                news.tell_commit(checkpoint, commit_all(&sinks, checkpoint, has_ended).await);
            });
        }
    }
}

async fn commit_all(sinks: &[Arc<SinkCommits>], checkpoint: u64, has_ended: bool) -> Result<(), Failure> {
    for sink in sinks {
        sink.commit(checkpoint, has_ended).await?;
    }
    Ok(())
}

/// The states that a subtask begins with.
pub fn restored(states: Vec<RestoredState>, stores: &Stores) -> Result<Vec<Restored>, Failure> {
    let restored = |RestoredState { state, folder_url }| {
        Ok(Restored {
            state: serde_json::from_slice(&state)
                .map_err(|e| Failure::internal(format!("what is left of a subtask cannot be read: {e}")))?,
            folder: state_folder(stores.folder(&folder_url)?, String::new()),
        })
    };
    states.into_iter().map(restored).collect()
}

/// What there is to say about the files that a subtask began with.
pub fn restore_report(
    (job, generation): &Key,
    (task, subtask): (u32, u32),
    bytes: RestoredBytes,
) -> RestoreReport {
    let RestoredBytes { local, downloaded } = bytes;
    tracing::info!(job, %generation, task, subtask, local, downloaded, "a subtask has its state, in bytes");
    RestoreReport {
        job_id: job.clone(),
        generation: generation.0,
        local_bytes: local,
        downloaded_bytes: downloaded,
    }
}

/// What there is to say about a subtask's state at a barrier.
pub fn snapshot_report(
    (job, generation): &Key,
    (task, subtask): (u32, u32),
    checkpoint: u64,
    taken: Result<Box<Taken>, Failure>,
) -> CheckpointReport {
    let outcome = match taken.and_then(|taken| snapshot(*taken)) {
        Ok(snapshot) => Outcome::Snapshot(snapshot),
        Err(failure) => Outcome::Failure(failure.into()),
    };
    CheckpointReport {
        job_id: job.clone(),
        generation: generation.0,
        checkpoint,
        task,
        subtask,
        outcome: Some(outcome),
    }
}

fn snapshot(taken: Taken) -> Result<SubtaskSnapshot, Failure> {
    let Taken {
        state,
        alignment,
        sync,
        asynchronous,
        bytes_new,
        bytes_full,
        bytes_in_flight,
    } = taken;
    Ok(SubtaskSnapshot {
        state: written(&state)?,
        alignment_us: alignment.as_micros() as u64,
        sync_us: sync.as_micros() as u64,
        async_us: asynchronous.as_micros() as u64,
        bytes_new,
        bytes_full,
        bytes_in_flight,
    })
}

/// What there is to say about the commits of a subtask's sinks.
pub fn commit_report(
    (job, generation): &Key,
    (task, subtask): (u32, u32),
    checkpoint: u64,
    committed: Result<(), Failure>,
) -> CommitReport {
    CommitReport {
        job_id: job.clone(),
        generation: generation.0,
        checkpoint,
        task,
        subtask,
        failure: committed.err().map(Into::into),
    }
}

/// What is left of a finished subtask, as its last report says it.
pub fn final_state(last: &Last) -> Result<Vec<u8>, Failure> {
    written(&last.state)
}

fn written(state: &weir_checkpoint::manifest::SubtaskState) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(state)
        .map_err(|e| Failure::internal(format!("a subtask's state cannot be written down: {e}")))
}
