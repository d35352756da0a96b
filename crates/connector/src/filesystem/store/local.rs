//! A folder of this machine: hidden files become visible by a rename.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Found, blocking, cannot};
use crate::{ConnectorError, SinkContext, filesystem::names::Leftovers};

const HIDDEN: &str = ".inprogress";

/// A folder, or a file that is read.
#[derive(Clone)]
pub(in super::super) struct Folder {
    pub(super) root: PathBuf,
    /// How a bucket is reached that the table was in before.
    pub(super) settings: Vec<(String, String)>,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Settings have secrets.
        self.root.fmt(f)
    }
}

impl Folder {
    /// Blocks.
    pub(super) fn list(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        if fs::metadata(&self.root)?.is_dir() {
            add_folder(&self.root, &mut found)?;
        } else {
            add_file(&self.root, &mut found)?;
        }
        Ok(found)
    }

    pub(super) fn refuse_writing(&self) -> Option<String> {
        // The folder itself may come into being when the job starts; what it would lie in must not be a file.
        let there = self.root.ancestors().find(|path| path.exists())?;
        let is_file = !there.is_dir();
        is_file.then(|| {
            format!(
                "'{}' is a file, but the table writes to a folder",
                there.display()
            )
        })
    }

    /// Makes the folder, and removes from it what failed executions left.
    pub(super) async fn prepare(&self, context: &SinkContext) -> Result<(), ConnectorError> {
        let folder = self.root.clone();
        // One of the writers is enough.
        let leftovers = (context.subtask == 0).then(|| Leftovers::new(context));
        blocking(move || {
            make_folder(&folder)
                .and_then(|()| leftovers.map_or(Ok(()), |leftovers| remove(&leftovers, &folder)))
                .map_err(|error| cannot("write to", &folder, &error))
        })
        .await
    }
}

fn add_folder(folder: &Path, found: &mut Vec<Found>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .first()
            .is_some_and(|first| matches!(first, b'.' | b'_'))
        {
            continue;
        }
        // Follows symbolic links to files, but not to folders, which could lead round in circles.
        if entry.file_type()?.is_dir() {
            add_folder(&entry.path(), found)?;
        } else if fs::metadata(entry.path())?.is_file() {
            add_file(&entry.path(), found)?;
        }
    }
    Ok(())
}

fn add_file(path: &Path, found: &mut Vec<Found>) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH);
    found.push(Found {
        path: path.to_owned(),
        bytes: metadata.len(),
        modified_ms: modified.map_or(0, |since| since.as_millis() as i64),
        etag: None,
    });
    Ok(())
}

/// Blocks.
pub(super) fn open(path: &Path, offset: u64) -> io::Result<Box<dyn Read + Send>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(Box::new(file))
}

/// Blocks.
pub(super) fn ranges(path: &Path, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
    let mut file = File::open(path)?;
    let read = |range: &Range<u64>| {
        file.seek(SeekFrom::Start(range.start))?;
        let mut bytes = vec![0; (range.end - range.start) as usize];
        file.read_exact(&mut bytes)?;
        Ok(Bytes::from(bytes))
    };
    ranges.iter().map(read).collect()
}

/// Makes a folder that is still there after a loss of power.
fn make_folder(folder: &Path) -> io::Result<()> {
    let new: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(folder)?;
    new.into_iter().filter_map(Path::parent).try_for_each(sync_folder)
}

/// Removes leftovers from a folder, and from the folders of partitions below it. Blocks.
fn remove(leftovers: &Leftovers, folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            if name.contains('=') {
                remove(leftovers, &entry.path())?;
            }
        } else if let Some(name) = name.strip_prefix('.').and_then(|name| name.strip_suffix(HIDDEN))
            && leftovers.has(name)
        {
            remove_if_there(&entry.path())?;
            tracing::info!(file = %entry.path().display(), "removed a leftover of a failed execution");
        }
    }
    Ok(())
}

/// A file that a newer execution may be removing too.
fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A hidden file that grows.
///
/// Writes go straight to the page cache and so hold up the task no longer than a copy; the disk is waited for when it is closed, off
/// the task's thread.
#[derive(Debug)]
pub(in super::super) struct Draft {
    hidden: PathBuf,
    visible: PathBuf,
    file: File,
}

impl Draft {
    pub(super) fn create(root: &Folder, folder: &str, name: &str) -> Result<Self, ConnectorError> {
        let folder = root.root.join(folder);
        let visible = folder.join(name);
        let hidden = folder.join(format!(".{name}{HIDDEN}"));
        if visible.exists() {
            let error = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(cannot("write", &visible, &error));
        }
        fs::create_dir_all(&folder).map_err(|error| cannot("write to", &folder, &error))?;
        let file = File::create_new(&hidden).map_err(|error| cannot("create", &hidden, &error))?;
        Ok(Self {
            hidden,
            visible,
            file,
        })
    }

    pub(super) fn write(&mut self, bytes: &mut Vec<u8>) -> Result<(), ConnectorError> {
        self.file
            .write_all(bytes)
            .map_err(|error| cannot("write", &self.hidden, &error))?;
        bytes.clear();
        Ok(())
    }

    pub(super) async fn close(self) -> Result<Staged, ConnectorError> {
        blocking(move || {
            let Self {
                hidden,
                visible,
                file,
            } = self;
            staged(&hidden, &visible, &file).map_err(|error| cannot("sync", &hidden, &error))
        })
        .await
    }
}

fn staged(hidden: &Path, visible: &Path, file: &File) -> io::Result<Staged> {
    file.sync_all()?;
    Ok(Staged {
        hidden: std::path::absolute(hidden)?,
        visible: std::path::absolute(visible)?,
        bytes: file.metadata()?.len(),
    })
}

/// A complete hidden file. Paths are absolute: a table's folder may have moved when it is committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Staged {
    hidden: PathBuf,
    visible: PathBuf,
    bytes: u64,
}

impl Staged {
    /// Renames it, if that was not done yet. Blocks.
    pub(super) fn publish(&self) -> Result<(), ConnectorError> {
        let found = match fs::metadata(&self.hidden) {
            Ok(found) if found.len() == self.bytes => fs::rename(&self.hidden, &self.visible),
            Ok(found) => return Err(self.lost(&format!("it has {} bytes", found.len()))),
            Err(error) => Err(error),
        };
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.visible.exists() => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(self.lost(&format!("neither it nor '{}' is there", self.visible.display())));
            }
            Err(error) => return Err(cannot("publish", &self.visible, &error)),
            Ok(()) => {}
        }
        Ok(())
    }

    pub(super) fn folder(&self) -> &Path {
        self.visible.parent().unwrap_or(Path::new("/"))
    }

    /// Makes an empty file of that name beside it, durable when the folder is. Blocks.
    pub(super) fn mark(&self, name: &str) -> Result<(), ConnectorError> {
        let path = self.folder().join(name);
        match File::create(&path) {
            Ok(_) => Ok(()),
            Err(error) => Err(cannot("create", &path, &error)),
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

/// Makes the names of files durable, as they are now, and of folders below a root that may be new.
pub(super) async fn settle(root: Option<&Folder>, files: Vec<&Staged>) -> Result<(), ConnectorError> {
    let root = root.and_then(|folder| std::path::absolute(&folder.root).ok());
    let is_inside = |folder: &&Path| root.as_ref().is_some_and(|root| folder.starts_with(root));
    let mut folders = BTreeSet::new();
    for file in files {
        let mut above = file.visible.ancestors().skip(1);
        folders.extend(above.next().map(Path::to_owned));
        folders.extend(above.take_while(is_inside).map(Path::to_owned));
    }
    if folders.is_empty() {
        return Ok(());
    }
    blocking(move || {
        let sync = |folder: &PathBuf| sync_folder(folder).map_err(|error| cannot("sync", folder, &error));
        folders.iter().try_for_each(sync)
    })
    .await
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
