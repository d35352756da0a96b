//! How files become visible: what hidden ones are called, what a checkpoint says of them, and committing that.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use weir_env::failpoint;

use crate::{ConnectorError, SinkContext};

const HIDDEN: &str = ".inprogress";

/// A file that is being written, and what it is to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) hidden: PathBuf,
    pub(super) visible: PathBuf,
}

/// How the files of one writer are called.
///
/// The name of a hidden file says which checkpoint is the first that can have its rows: the one after the last that the writer saw.
/// So a later execution, which knows the checkpoint that it was restored from, tells files that are still to be committed
/// from what a failed one left, without a list of either.
#[derive(Clone, Debug)]
pub(super) struct Names {
    job: String,
    generation: u64,
    operator: u32,
    subtask: u32,
    ending: &'static str,
}

impl Names {
    pub(super) fn new(context: &SinkContext, ending: &'static str) -> Self {
        Self {
            job: plain(&context.job),
            generation: context.generation,
            operator: context.operator,
            subtask: context.subtask,
            ending,
        }
    }

    /// The writer's nth file of a checkpoint.
    pub(super) fn part(&self, folder: &Path, checkpoint: u64, nth: usize) -> Part {
        let Self {
            job,
            generation,
            operator,
            subtask,
            ending,
        } = self;
        let name = format!("part-{job}-{generation}-{operator}-{subtask}-{checkpoint}-{nth}.{ending}");
        Part {
            hidden: folder.join(format!(".{name}{HIDDEN}")),
            visible: folder.join(name),
        }
    }
}

/// A job's name without what paths and our own names are made with.
fn plain(job: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    job.chars().map(plain).collect()
}

/// Makes a table's folder, and removes from it what failed executions left.
pub(super) async fn prepare_folder(folder: &Path, context: &SinkContext) -> Result<(), ConnectorError> {
    let folder = folder.to_owned();
    // One of the writers is enough.
    let leftovers = (context.subtask == 0).then(|| Leftovers::new(context));
    blocking(move || {
        make_folder(&folder)
            .and_then(|()| leftovers.map_or(Ok(()), |leftovers| leftovers.remove(&folder)))
            .map_err(|error| cannot("write to", &folder, &error))
    })
    .await
}

/// Makes a folder that is still there after a loss of power.
fn make_folder(folder: &Path) -> io::Result<()> {
    let new: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(folder)?;
    new.into_iter().filter_map(Path::parent).try_for_each(sync_folder)
}

/// Makes files below `root` durable and says what is to be committed.
pub(super) async fn stage(parts: Vec<Part>, root: &Path) -> Result<Vec<String>, ConnectorError> {
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let root = root.to_owned();
    blocking(move || stage_now(&parts, &root)).await
}

/// Makes staged files visible, those that are not yet.
pub(super) async fn commit(commits: &[String]) -> Result<(), ConnectorError> {
    if commits.is_empty() {
        return Ok(());
    }
    let commits = commits.to_vec();
    blocking(move || commit_now(&commits)).await
}

pub(super) fn cannot(what: &str, path: &Path, error: &io::Error) -> ConnectorError {
    ConnectorError::external(format!("cannot {what} '{}': {error}", path.display()))
        .at(path.display().to_string())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ConnectorError> + Send + 'static,
) -> Result<T, ConnectorError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ConnectorError::internal(format!("work on files: {error}")))?
}

/// Hidden files that no checkpoint will ever name.
#[derive(Clone, Debug)]
struct Leftovers {
    job: String,
    generation: u64,
    restored: Option<u64>,
}

impl Leftovers {
    /// What older executions of the job left after the checkpoint that this one was restored from.
    fn new(context: &SinkContext) -> Self {
        Self {
            job: plain(&context.job),
            generation: context.generation,
            restored: context.restored,
        }
    }

    /// Removes them from a folder, and from the folders of partitions below it. Blocks.
    fn remove(&self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                if name.contains('=') {
                    self.remove(&entry.path())?;
                }
            } else if self.has(&name) {
                remove_if_there(&entry.path())?;
                tracing::info!(file = %entry.path().display(), "removed a leftover of a failed execution");
            }
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        let rest = name
            .strip_prefix(".part-")
            .and_then(|name| name.strip_suffix(HIDDEN)?.strip_prefix(self.job.as_str()))
            .and_then(|name| name.strip_prefix('-'));
        let Some(rest) = rest else { return false };
        let [generation, _, _, checkpoint, _] = rest.split('-').collect::<Vec<_>>()[..] else {
            return false;
        };
        let (Ok(generation), Ok(checkpoint)) = (generation.parse::<u64>(), checkpoint.parse::<u64>()) else {
            return false;
        };
        // What the checkpoint has may still be waiting for its commit.
        generation < self.generation && self.restored.is_none_or(|restored| checkpoint > restored)
    }
}

/// A file that a newer execution may be removing too.
fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A complete hidden file, as a checkpoint says it. Paths are absolute: a table's folder may have moved when it is committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Staged {
    hidden: PathBuf,
    visible: PathBuf,
    bytes: u64,
}

fn stage_now(parts: &[Part], root: &Path) -> Result<Vec<String>, ConnectorError> {
    let mut folders = BTreeSet::new();
    let mut commits = Vec::with_capacity(parts.len());
    for part in parts {
        let staged = Staged::new(part).map_err(|error| cannot("sync", &part.hidden, &error))?;
        let commit = serde_json::to_string(&staged).map_err(|error| {
            let path = part.visible.display();
            ConnectorError::user(format!(
                "the path '{path}' cannot be kept in a checkpoint: {error}"
            ))
        })?;
        commits.push(commit);
        // Folders of partitions may be new.
        let below = part.hidden.ancestors().skip(1);
        folders.extend(below.take_while(|folder| folder.starts_with(root)));
    }
    sync_folders(folders)?;
    failpoint("filesystem.prepared");
    Ok(commits)
}

impl Staged {
    fn new(part: &Part) -> io::Result<Self> {
        let file = File::open(&part.hidden)?;
        file.sync_all()?;
        Ok(Self {
            hidden: std::path::absolute(&part.hidden)?,
            visible: std::path::absolute(&part.visible)?,
            bytes: file.metadata()?.len(),
        })
    }

    fn publish(&self) -> Result<(), ConnectorError> {
        let found = match fs::metadata(&self.hidden) {
            Ok(found) if found.len() == self.bytes => fs::rename(&self.hidden, &self.visible),
            Ok(found) => return Err(self.lost(&format!("it has {} bytes", found.len()))),
            Err(error) => Err(error),
        };
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.visible.exists() => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(self.lost(&format!("neither it nor '{}' is there", self.visible.display())))
            }
            Err(error) => Err(cannot("publish", &self.visible, &error)),
            Ok(()) => Ok(()),
        }
    }

    fn lost(&self, what: &str) -> ConnectorError {
        let Self { hidden, bytes, .. } = self;
        let hidden = hidden.display();
        ConnectorError::external(format!(
            "rows of a checkpoint are lost: '{hidden}' has {bytes} bytes in it, but {what}; put the file back, or begin from \
             another checkpoint"
        ))
        .at(hidden.to_string())
    }
}

fn commit_now(commits: &[String]) -> Result<(), ConnectorError> {
    let mut staged = Vec::with_capacity(commits.len());
    for commit in commits {
        let file: Staged = serde_json::from_str(commit)
            .map_err(|error| ConnectorError::internal(format!("'{commit}' is no staged file: {error}")))?;
        staged.push(file);
    }
    for file in &staged {
        file.publish()?;
        failpoint("filesystem.committing");
    }
    sync_folders(staged.iter().filter_map(|file| file.visible.parent()))?;
    failpoint("filesystem.committed");
    Ok(())
}

fn sync_folders<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Result<(), ConnectorError> {
    let folders: BTreeSet<_> = folders.into_iter().collect();
    folders
        .into_iter()
        .try_for_each(|folder| sync_folder(folder).map_err(|error| cannot("sync", folder, &error)))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // What a relative path of one name lies in is the working folder.
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)?.sync_all()
}
