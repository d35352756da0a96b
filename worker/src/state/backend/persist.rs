//! What is done for a checkpoint on other threads than those of tasks.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::BufWriter,
    iter,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use weir_checkpoint::manifest::{CheckpointId, Files, FilesFormat, StateFile};
use weir_model::Failure;

use super::{
    Persist, Persisted, Shared, blocking, encode::encode, fetch::all_of, local::Scratch, runs::Runs,
};
use crate::state::{
    Change, StateFolder,
    file::{Compression, Writer},
    store::{Batch, Store},
    transfer,
};

/// Files of a subtask that are uploaded at a time.
const UPLOADS: usize = 4;
/// What is sorted at once: as large a file it makes, about.
const BATCH_BYTES: usize = 64 << 20;

/// A checkpoint to take.
pub(super) struct Job {
    pub(super) checkpoint: CheckpointId,
    /// What operators say, once they have said it.
    pub(super) changes: oneshot::Receiver<Vec<Vec<Change>>>,
    pub(super) aborted: CancellationToken,
    pub(super) reply: oneshot::Sender<Result<Persisted, Failure>>,
}

/// A checkpoint or a savepoint of the database.
pub(super) struct Work {
    pub(super) job: Job,
    pub(super) to: Persist,
}

/// Writes changes to the database, checkpoint by checkpoint. What is uploaded for one goes on beside the next.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut jobs: mpsc::UnboundedReceiver<Work>,
    closed: CancellationToken,
) {
    while let Some(Work { job, to }) = jobs.recv().await {
        if closed.is_cancelled() {
            return;
        }
        let Job {
            checkpoint,
            changes,
            aborted,
            reply,
        } = job;
        let Ok(changes) = changes.await else {
            // The subtask has ended before it had said all, and nobody waits.
            shared.order.written();
            continue;
        };
        let taken = {
            let (shared, aborted) = (Arc::clone(&shared), aborted.clone());
            let taken = blocking({
                let shared = Arc::clone(&shared);
                move || take(&shared, checkpoint, changes, &aborted)
            });
            let taken = taken.await;
            shared.order.written();
            taken
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let result = match taken {
                Ok(Some(taken)) => match to {
                    Persist::Checkpoint => {
                        unless(&aborted, checkpoint, database(&shared, checkpoint, &taken)).await
                    }
                    Persist::Savepoint(folder) => {
                        let saved = saved(&shared, checkpoint, taken, &folder);
                        unless(&aborted, checkpoint, saved).await
                    }
                },
                Ok(None) => Ok(empty(&to)),
                Err(failure) => Err(failure),
            };
            // Whoever asked may have gone.
            let _ = reply.send(result);
        });
    }
}

/// Writes all rows of a checkpoint or a savepoint to a file of their own.
pub(super) async fn rows(shared: Arc<Shared>, job: Job, to: Persist) {
    let Job {
        checkpoint,
        changes,
        aborted,
        reply,
    } = job;
    let Ok(changes) = changes.await else {
        return;
    };
    let result = unless(&aborted, checkpoint, all_rows(&shared, checkpoint, changes, &to)).await;
    // Whoever asked may have gone.
    let _ = reply.send(result);
}

async fn unless<T>(
    aborted: &CancellationToken,
    checkpoint: CheckpointId,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        result = work => result,
        () = aborted.cancelled() => Err(Failure::internal(format!("checkpoint {checkpoint} was aborted"))),
    }
}

fn take(
    shared: &Shared,
    checkpoint: CheckpointId,
    changes: Vec<Vec<Change>>,
    aborted: &CancellationToken,
) -> Result<Option<Scratch>, Failure> {
    let Shared {
        config,
        codecs,
        local,
        ..
    } = shared;
    let mut local = local.lock();
    let encoded = encode(codecs, &config.key_groups, changes, BATCH_BYTES, &mut |batch| {
        // What does not get written now is written below, or at the next checkpoint.
        let _ = local.write(batch);
        Ok(())
    });
    if let Err(failure) = encoded {
        local.lose(failure);
    }
    local.write(Batch::default())?;
    if aborted.is_cancelled() {
        return Err(Failure::internal(format!("checkpoint {checkpoint} was aborted")));
    }
    local.checkpoint(&config.folder.join(format!("checkpoint-{checkpoint}")))
}

/// Uploads the files of the database that are not there yet.
async fn database(shared: &Shared, checkpoint: CheckpointId, taken: &Scratch) -> Result<Persisted, Failure> {
    let folder = taken.path().to_owned();
    let found = blocking(move || files_in(&folder)).await?;
    let (mut files, mut new) = (Vec::new(), Vec::new());
    {
        let mut uploaded = shared.uploaded.lock();
        for found in found {
            match uploaded.find(&found.name).filter(|file| found.is(file)) {
                Some(file) => files.push(file.clone()),
                None => new.push((
                    shared.config.files.path(&format!("{checkpoint}-{}", found.name)),
                    found,
                )),
            }
        }
        let mut paths: HashMap<_, _> = files.iter().map(|f| (f.name.clone(), f.path.clone())).collect();
        paths.extend(new.iter().map(|(path, found)| (found.name.clone(), path.clone())));
        if let Some(copies) = &shared.config.copies {
            copies.begin(checkpoint, paths.values().map(String::as_str));
        }
        uploaded.begin(checkpoint, paths);
    }
    let (folder, clock) = (&shared.config.files, &*shared.config.clock);
    let uploads = new
        .into_iter()
        .map(|(path, Found { local, name, .. })| async move {
            let file = transfer::upload(&local, folder, path, name, clock).await?;
            keep(shared, &file, local).await?;
            Ok::<_, Failure>(file)
        });
    let uploads = futures::stream::iter(uploads).buffer_unordered(UPLOADS);
    let new: Vec<StateFile> = uploads.try_collect().await?;
    let bytes_new = bytes_of(&new);
    files.extend(new);
    files.sort_by(|a, b| a.name.cmp(&b.name));
    shared.uploaded.lock().uploaded(checkpoint, &files);
    Ok(Persisted {
        bytes_new,
        bytes_full: bytes_of(&files),
        files: files_of(FilesFormat::Rocksdb, files),
    })
}

/// A file of the database.
struct Found {
    name: String,
    local: PathBuf,
    bytes: u64,
    /// Of a file that may grow.
    crc32: Option<u32>,
}

impl Found {
    /// Whether it is what was uploaded under its name.
    fn is(&self, file: &StateFile) -> bool {
        self.bytes == file.bytes && self.crc32.is_none_or(|crc32| crc32 == file.crc32)
    }
}

/// The files that make up the database: those with its rows, and the list of them. The rest is made anew when it is opened.
fn files_in(folder: &Path) -> Result<Vec<Found>, Failure> {
    let unreadable = |e| {
        Failure::internal(format!(
            "cannot read the folder of state {}: {e}",
            folder.display()
        ))
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (name, local) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        let is_list = name.starts_with("MANIFEST-");
        if !is_list && local.extension().is_none_or(|extension| extension != "sst") {
            continue;
        }
        let crc32 = is_list.then(|| fs::read(&local).map(|bytes| crc32fast::hash(&bytes)));
        files.push(Found {
            name,
            bytes: entry.metadata().map_err(unreadable)?.len(),
            crc32: crc32.transpose().map_err(unreadable)?,
            local,
        });
    }
    Ok(files)
}

async fn all_rows(
    shared: &Arc<Shared>,
    checkpoint: CheckpointId,
    changes: Vec<Vec<Change>>,
    to: &Persist,
) -> Result<Persisted, Failure> {
    let name = rows_name(checkpoint);
    let written = {
        let (shared, path) = (Arc::clone(shared), shared.config.folder.join(&name));
        blocking(move || {
            let mut runs = Runs::new(path);
            let Shared { config, codecs, .. } = &*shared;
            encode(codecs, &config.key_groups, changes, BATCH_BYTES, &mut |batch| {
                runs.add(batch)
            })?;
            runs.finish()
        })
        .await?
    };
    let Some(written) = written else {
        return Ok(Persisted::default());
    };
    let folder = match to {
        Persist::Checkpoint => &shared.config.files,
        Persist::Savepoint(folder) => folder,
    };
    let path = folder.path(&name);
    if let (Persist::Checkpoint, Some(copies)) = (to, &shared.config.copies) {
        copies.begin(checkpoint, iter::once(path.as_str()));
    }
    let file = transfer::upload(written.path(), folder, path, name, &*shared.config.clock).await?;
    if let Persist::Checkpoint = to {
        keep(shared, &file, written.path().to_owned()).await?;
    }
    Ok(one_file(file))
}

/// Writes all rows of the database, as it was taken, to a file of their own.
async fn saved(
    shared: &Arc<Shared>,
    checkpoint: CheckpointId,
    taken: Scratch,
    folder: &StateFolder,
) -> Result<Persisted, Failure> {
    let name = rows_name(checkpoint);
    let written = {
        let file = Scratch::new(shared.config.folder.join(&name));
        let shared = Arc::clone(shared);
        blocking(move || {
            let database = shared.local.lock().reader(taken.path())?;
            let unwritable = |e| Failure::internal(format!("cannot write {}: {e}", file.path().display()));
            let to = BufWriter::new(File::create(file.path()).map_err(unwritable)?);
            let mut writer = Writer::new(to, Compression::Lz4);
            let groups = &shared.config.key_groups;
            database.scan(&[all_of(groups)], &mut |key, value| {
                writer.push(key, value).map_err(unwritable)
            })?;
            writer.finish().map_err(unwritable)?;
            Ok(file)
        })
        .await?
    };
    let path = folder.path(&name);
    let file = transfer::upload(written.path(), folder, path, name, &*shared.config.clock).await?;
    Ok(one_file(file))
}

fn rows_name(checkpoint: CheckpointId) -> String {
    format!("{checkpoint}-rows")
}

fn one_file(file: StateFile) -> Persisted {
    Persisted {
        bytes_new: file.bytes,
        bytes_full: file.bytes,
        files: files_of(FilesFormat::Sorted, vec![file]),
    }
}

/// What there is of a database that has never had a row.
fn empty(to: &Persist) -> Persisted {
    let format = match to {
        Persist::Checkpoint => FilesFormat::Rocksdb,
        Persist::Savepoint(_) => FilesFormat::Sorted,
    };
    Persisted {
        files: files_of(format, Vec::new()),
        ..Persisted::default()
    }
}

/// Keeps a file of a checkpoint on this machine too.
pub(super) async fn keep(shared: &Shared, file: &StateFile, local: PathBuf) -> Result<(), Failure> {
    let Some(copies) = shared.config.copies.clone() else {
        return Ok(());
    };
    let file = file.clone();
    blocking(move || {
        copies.keep(&file, &local);
        Ok(())
    })
    .await
}

fn files_of(format: FilesFormat, files: Vec<StateFile>) -> Files {
    Files { format, files }
}

fn bytes_of(files: &[StateFile]) -> u64 {
    files.iter().map(|file| file.bytes).sum()
}
