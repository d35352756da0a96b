//! Checkpoints and savepoints in the state folder, as the rest of the control plane reads and writes them.
//!
//! The folder of a savepoint has a card beside its manifest that says what it is of, so that it can be moved as one.

use std::collections::BTreeSet;

use object_store::ObjectStoreExt as _;
use weir_checkpoint::{
    gc::{self, Garbage, Needs},
    manifest::{CheckpointId, Kind, Manifest, StateFile},
    storage::{Folder, Object, Unreadable, layout},
};
use weir_model::{
    Failure, JobId, SavepointId,
    api::{Exported, Savepoint, SavepointStatus, Verification},
};

use crate::context::Context;

/// What a savepoint is of, beside its manifest.
const CARD: &str = "savepoint.json";

/// The URL of a job's folder.
pub fn of_job(state_url: &str, job: JobId) -> String {
    layout::job(state_url, &job.to_string())
}

/// The URL of a savepoint's folder.
pub fn of_savepoint(state_url: &str, id: SavepointId) -> String {
    layout::savepoint(state_url, &id.to_string())
}

/// Where a manifest is, in its folder.
fn path(kind: Kind, checkpoint: CheckpointId) -> String {
    match kind {
        Kind::Checkpoint => layout::checkpoint_manifest(checkpoint),
        Kind::Savepoint => layout::MANIFEST.to_owned(),
    }
}

/// Writes the manifest, unless there is one: then, and only then, the checkpoint exists. A failure says that it never
/// will.
pub async fn write_manifest(context: &Context, url: &str, manifest: Manifest) -> Result<(), Failure> {
    let path = path(manifest.kind, manifest.checkpoint);
    context.stores.folder(url)?.write_manifest(&path, manifest).await
}

/// Writes the card and the manifest of a savepoint.
pub async fn write_savepoint(
    context: &Context,
    url: &str,
    id: SavepointId,
    manifest: Manifest,
) -> Result<(), Failure> {
    let known = context.store.savepoint(id).await;
    let savepoint =
        known.map_err(|error| Failure::external(format!("what it is of is not known: {error}")))?;
    write_card(&context.stores.folder(url)?, &savepoint).await?;
    write_manifest(context, url, manifest).await
}

async fn write_card(folder: &Folder, savepoint: &Savepoint) -> Result<(), Failure> {
    let card = serde_json::to_vec_pretty(savepoint)
        .map_err(|error| Failure::internal(format!("a savepoint cannot be written as JSON: {error}")))?;
    let written = folder.store.put(&folder.at(CARD), card.into()).await;
    let failed = |error| Failure::external(format!("cannot write {}/{CARD}: {error}", folder.url));
    written.map(drop).map_err(failed)
}

/// The manifest of a checkpoint or a savepoint in its folder.
pub async fn read_manifest(
    context: &Context,
    url: &str,
    kind: Kind,
    checkpoint: CheckpointId,
) -> Result<Manifest, Unreadable> {
    let folder = context.stores.folder(url).map_err(Unreadable::Away)?;
    folder.read_manifest(&path(kind, checkpoint)).await
}

/// The manifest of a checkpoint that nobody takes any more, if it is there; else it never will be.
pub async fn settle(
    context: &Context,
    url: &str,
    kind: Kind,
    checkpoint: CheckpointId,
) -> Result<Option<Manifest>, Unreadable> {
    let folder = context.stores.folder(url).map_err(Unreadable::Away)?;
    folder.void(&path(kind, checkpoint)).await
}

/// The manifest of a savepoint of the catalogue.
pub async fn manifest_of(context: &Context, savepoint: &Savepoint) -> Result<Manifest, Failure> {
    let folder = context.stores.folder(&savepoint.url)?;
    Ok(folder.read_manifest(layout::MANIFEST).await?)
}

/// Reads every file that the manifest in this folder refers to, up to the first that is damaged, and says what is wrong
/// with that.
pub async fn damage(context: &Context, url: &str, manifest: &Manifest) -> Result<Option<String>, Failure> {
    let folder = context.stores.folder(url)?;
    for file in files(manifest) {
        if let Some(defect) = folder.verify(file).await? {
            return Ok(Some(defect));
        }
    }
    Ok(None)
}

/// All files of a manifest, each once.
fn files(manifest: &Manifest) -> Vec<&StateFile> {
    let mut seen = BTreeSet::new();
    let all = manifest.files();
    all.filter(|file| seen.insert(file.path.as_str())).collect()
}

/// Reads every byte of a savepoint.
pub async fn verify(context: &Context, savepoint: &Savepoint) -> Result<Verification, Failure> {
    let mut found = Verification {
        intact: true,
        files: 1,
        bytes: 0,
        defects: Vec::new(),
    };
    let folder = context.stores.folder(&savepoint.url)?;
    let manifest = match folder.read_manifest(layout::MANIFEST).await {
        Ok(manifest) => manifest,
        Err(Unreadable::Away(failure)) => return Err(failure),
        Err(gone) => {
            found.intact = false;
            found.defects.push(gone.to_string());
            return Ok(found);
        }
    };
    for file in files(&manifest) {
        found.files += 1;
        match folder.verify(file).await? {
            None => found.bytes += file.bytes,
            Some(defect) => found.defects.push(defect),
        }
    }
    found.intact = found.defects.is_empty();
    Ok(found)
}

/// Copies a savepoint to a folder that has none.
pub async fn export(context: &Context, savepoint: &Savepoint, to: &str) -> Result<Exported, Failure> {
    let manifest = manifest_of(context, savepoint).await?;
    let (files, bytes) = copy(context, &savepoint.url, to, manifest, savepoint).await?;
    Ok(Exported {
        url: to.to_owned(),
        files,
        bytes,
    })
}

/// Copies a savepoint that was exported into its folder here, and says what it is by now.
pub async fn import(
    context: &Context,
    from: &str,
    id: SavepointId,
    home: &str,
) -> Result<Savepoint, Failure> {
    let folder = context.stores.folder(from)?;
    let failed = |error| Failure::external(format!("cannot read {from}/{CARD}: {error}"));
    let card = folder.store.get(&folder.at(CARD)).await.map_err(failed)?;
    let card = card.bytes().await.map_err(failed)?;
    let card: Savepoint = serde_json::from_slice(&card)
        .map_err(|error| Failure::external(format!("{from}/{CARD} is damaged: {error}")))?;
    let manifest = folder.read_manifest(layout::MANIFEST).await?;
    let savepoint = Savepoint {
        id,
        status: SavepointStatus::Completed,
        failure: None,
        number: Some(manifest.checkpoint.0),
        url: home.to_owned(),
        bytes: files(&manifest).iter().map(|file| file.bytes).sum(),
        ended_at_ms: Some(context.clock.now_ms()),
        ..card
    };
    copy(context, from, home, manifest, &savepoint).await?;
    Ok(savepoint)
}

/// Copies the files, the card and, at last, the manifest; how many there were, and the bytes of state.
async fn copy(
    context: &Context,
    from: &str,
    to: &str,
    manifest: Manifest,
    card: &Savepoint,
) -> Result<(u64, u64), Failure> {
    let (source, target) = (context.stores.folder(from)?, context.stores.folder(to)?);
    let (mut count, mut bytes) = (2, 0);
    for file in files(&manifest) {
        source.copy_to(&target, &file.path).await?;
        if let Some(defect) = target.verify(file).await? {
            return Err(Failure::external(format!(
                "the copy is not what it should be: {defect}"
            )));
        }
        count += 1;
        bytes += file.bytes;
    }
    write_card(&target, card).await?;
    target.write_manifest(layout::MANIFEST, manifest).await?;
    Ok((count, bytes))
}

/// Deletes everything in a folder; the manifest of a savepoint goes first.
pub async fn delete(context: &Context, url: &str) -> Result<(), Failure> {
    let folder = context.stores.folder(url)?;
    folder.delete(&[layout::MANIFEST.to_owned()]).await?;
    let paths: Vec<_> = folder
        .list("")
        .await?
        .into_iter()
        .map(|object| object.path)
        .collect();
    folder.delete(&paths).await
}

/// What there is in the folders of all jobs, with paths relative to the state folder.
pub async fn list_jobs(context: &Context, state_url: &str) -> Result<Vec<Object>, Failure> {
    context.stores.folder(state_url)?.list("jobs").await
}

/// Deletes files in a folder.
pub async fn delete_files(context: &Context, url: &str, paths: &[String]) -> Result<(), Failure> {
    context.stores.folder(url)?.delete(paths).await
}

/// What of all that is listed of a job's folder is of no more use, when these checkpoints are kept and this deployment
/// may take others.
pub async fn garbage(
    context: &Context,
    url: &str,
    kept: &[CheckpointId],
    live: Option<u64>,
    listed: &[Object],
) -> Result<Vec<Garbage>, Unreadable> {
    let folder = context.stores.folder(url).map_err(Unreadable::Away)?;
    let mut manifests = Vec::new();
    for id in kept {
        manifests.push(folder.read_manifest(&path(Kind::Checkpoint, *id)).await?);
    }
    let needs = Needs {
        manifests: manifests.iter().collect(),
        live,
    };
    Ok(gc::garbage(listed, &needs))
}

/// Deletes what in a job's folder is of no more use.
pub async fn clean(context: Context, url: String, kept: Vec<CheckpointId>, live: Option<u64>) {
    let cleaned = async {
        let folder = context.stores.folder(&url)?;
        let listed = folder.list("").await?;
        let garbage = garbage(&context, &url, &kept, live, &listed).await?;
        let paths: Vec<_> = garbage.into_iter().map(|garbage| garbage.object.path).collect();
        folder.delete(&paths).await
    };
    if let Err(failure) = cleaned.await {
        // It costs room, and nothing else: the next time may be better.
        tracing::warn!(%failure, url, "what is of no more use could not be deleted");
    }
}
