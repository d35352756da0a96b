//! What the metadata store knows of checkpoints, against what is there.
//!
//! A checkpoint exists exactly when its manifest does. The metadata store is asked first, since it answers at once, and
//! brought to what is there where a control plane may have died in between.

use weir_checkpoint::{
    manifest::{CheckpointId, Kind as Owner, Manifest, SubtaskState},
    storage::Unreadable,
};
use weir_model::{
    Failure, JobId, SubtaskIndex, TaskId,
    api::{Checkpoint, CheckpointKind, CheckpointStatus, CheckpointSubtask},
};

use super::{
    coordinate::{Known, Left},
    folder,
};
use crate::{
    context::Context,
    db::{
        StoreError,
        checkpoints::EndedCheckpoint,
        events::{Actor, Kind, NewEvent},
    },
    job::Job,
};

/// Why it is not known what is there.
#[derive(Debug)]
pub enum Trouble {
    /// The metadata store does not answer.
    Store(StoreError),
    /// The state folder does not answer, or what must be in it is not.
    Failure(Failure),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Ends, in the metadata store, what was being taken when nobody takes it any more. Those that were given up.
pub async fn settle(context: &Context, job: &Job) -> Result<Vec<CheckpointId>, Trouble> {
    let store = &context.store;
    let mut given_up = Vec::new();
    for begun in store
        .checkpoints_that_are(job.id, CheckpointStatus::InProgress)
        .await?
    {
        let id = CheckpointId(begun.number);
        let manifest = match folder::settle(context, &begun.url, kind(begun.kind), id).await {
            Ok(manifest) => manifest,
            Err(Unreadable::Away(failure)) => return Err(failure.into()),
            Err(Unreadable::Missing(_) | Unreadable::Damaged { .. }) => None,
        };
        if manifest.is_none() {
            given_up.push(id);
        }
        store
            .end_checkpoint(&ended(job.id, &begun, manifest), context.clock.now_ms())
            .await?;
    }
    let why = "the control plane was restarted before it was there";
    store
        .fail_savepoints_of(job.id, job.stop_savepoint, why, context.clock.now_ms())
        .await?;
    Ok(given_up)
}

fn kind(kind: CheckpointKind) -> Owner {
    match kind {
        CheckpointKind::Checkpoint => Owner::Checkpoint,
        CheckpointKind::Savepoint => Owner::Savepoint,
    }
}

fn ended(job: JobId, begun: &Checkpoint, manifest: Option<Manifest>) -> EndedCheckpoint {
    let failure = manifest
        .is_none()
        .then(|| "its control plane was gone before it was there".to_owned());
    let subtasks = manifest.map(|manifest| manifest.subtasks).unwrap_or_default();
    EndedCheckpoint {
        job,
        number: begun.number,
        begun_at_ms: begun.begun_at_ms,
        failure,
        subtasks: subtasks.iter().map(part).collect(),
    }
}

/// What a manifest alone says of a subtask's part.
fn part(state: &SubtaskState) -> CheckpointSubtask {
    CheckpointSubtask {
        task: TaskId(state.task),
        subtask: SubtaskIndex(state.subtask),
        alignment_us: 0,
        sync_us: 0,
        async_us: 0,
        end_to_end_ms: 0,
        bytes_new: 0,
        bytes_full: state.files.files.iter().map(|file| file.bytes).sum(),
        bytes_in_flight: 0,
    }
}

/// What a coordinator has to know to begin.
pub async fn known(context: &Context, job: &Job) -> Result<Known, Trouble> {
    let complete = context
        .store
        .checkpoints_that_are(job.id, CheckpointStatus::Completed)
        .await?;
    let own = complete
        .iter()
        .filter(|checkpoint| checkpoint.kind == CheckpointKind::Checkpoint);
    Ok(Known {
        retained: own.map(|checkpoint| CheckpointId(checkpoint.number)).collect(),
        next: context.store.next_checkpoint(job.id).await?,
        left: None,
    })
}

/// The same for the coordinator of a deployment that another control plane began.
pub async fn known_of_running(context: &Context, job: &Job) -> Result<Known, Trouble> {
    let pending = settle(context, job).await?;
    let complete = context
        .store
        .checkpoints_that_are(job.id, CheckpointStatus::Completed)
        .await?;
    let base = context.store.job(job.id).await?.base.savepoint;
    let stops_with = job.stop_savepoint.filter(|id| base == Some(*id));
    let commits = |checkpoint: &&Checkpoint| {
        checkpoint.generation == job.generation
            && (checkpoint.kind == CheckpointKind::Checkpoint
                || stops_with.is_some() && checkpoint.savepoint == stops_with)
    };
    let newest = complete.iter().find(commits);
    let last = match newest {
        None => None,
        Some(newest) => {
            let id = CheckpointId(newest.number);
            match folder::read_manifest(context, &newest.url, kind(newest.kind), id).await {
                Ok(manifest) => Some(manifest),
                Err(Unreadable::Away(failure)) => return Err(failure.into()),
                Err(gone) => {
                    tracing::error!(job = %job.id, checkpoint = newest.number, %gone, "its commits are not known");
                    None
                }
            }
        }
    };
    let left = Left {
        pending,
        last,
        stops: newest.is_some_and(|newest| newest.savepoint.is_some()),
    };
    let left = Some(left);
    Ok(Known {
        left,
        ..known(context, job).await?
    })
}

/// The newest checkpoint of the job that can be read; the number, the folder and the manifest. Those that cannot are
/// noted, and told of. `suspect` is one whose files are read first, since a deployment with it did not come up.
pub async fn newest(
    context: &Context,
    job: &Job,
    suspect: Option<u64>,
) -> Result<Option<(u64, String, Manifest)>, Trouble> {
    let complete = context
        .store
        .checkpoints_that_are(job.id, CheckpointStatus::Completed)
        .await?;
    let usable = |checkpoint: &&Checkpoint| {
        checkpoint.kind == CheckpointKind::Checkpoint && checkpoint.number >= job.base.number
    };
    let mut spoilt = None;
    for checkpoint in complete.iter().filter(usable) {
        let number = checkpoint.number;
        match read(context, checkpoint, suspect == Some(number)).await {
            Ok(manifest) => return Ok(Some((number, checkpoint.url.clone(), manifest))),
            Err(Unreadable::Away(failure)) => return Err(failure.into()),
            Err(gone) => {
                let why = gone.to_string();
                spoil(context, job, number, &why).await?;
                spoilt = Some(why);
            }
        }
    }
    match spoilt {
        // To begin empty would be to forget what was done.
        Some(why) if job.base.savepoint.is_none() => {
            Err(Failure::internal(format!("no checkpoint of the job can be read; the oldest: {why}")).into())
        }
        _ => Ok(None),
    }
}

async fn read(context: &Context, checkpoint: &Checkpoint, suspect: bool) -> Result<Manifest, Unreadable> {
    let id = CheckpointId(checkpoint.number);
    let manifest = folder::read_manifest(context, &checkpoint.url, kind(checkpoint.kind), id).await?;
    if !suspect {
        return Ok(manifest);
    }
    let damage = folder::damage(context, &checkpoint.url, &manifest).await;
    match damage.map_err(Unreadable::Away)? {
        None => Ok(manifest),
        Some(why) => Err(Unreadable::Damaged {
            path: checkpoint.url.clone(),
            why,
        }),
    }
}

async fn spoil(context: &Context, job: &Job, number: u64, why: &str) -> Result<(), StoreError> {
    tracing::error!(job = %job.id, checkpoint = number, why, "a checkpoint cannot be read");
    context.store.spoil_checkpoint(job.id, number, why).await?;
    let event = NewEvent {
        at_ms: context.clock.now_ms(),
        actor: Actor::ControlPlane,
        job: Some(job.id),
        kind: Kind::CheckpointUnreadable,
        message: format!("checkpoint {number} cannot be read, the one before is taken: {why}"),
    };
    context.store.record(&event).await
}
