//! The database of a subtask, on this machine's disk.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use weir_model::Failure;

use crate::state::{
    MemoryBudget,
    store::{Batch, Rocks, Store},
};

/// The database, which is made when there are rows to keep.
pub(super) struct Local {
    folder: PathBuf,
    memory: Arc<MemoryBudget>,
    database: Option<Arc<Rocks>>,
    /// What is not in the database for sure: a full disk may be emptied, and then it is written after all.
    unwritten: Batch,
    /// Why changes are lost, if any are: no checkpoint is right from then on.
    lost: Option<Failure>,
}

impl Local {
    /// No database yet; it will be in this folder.
    pub(super) fn new(folder: PathBuf, memory: Arc<MemoryBudget>) -> Self {
        Self {
            folder,
            memory,
            database: None,
            unwritten: Batch::default(),
            lost: None,
        }
    }

    /// Changes were lost.
    pub(super) fn lose(&mut self, why: Failure) {
        self.lost = Some(why);
    }

    /// Where it is, or will be.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The database, made or opened if it is not open.
    pub(super) fn database(&mut self) -> Result<Arc<Rocks>, Failure> {
        if let Some(database) = &self.database {
            return Ok(Arc::clone(database));
        }
        let database = Arc::new(Rocks::open(&self.folder, &self.memory)?);
        self.database = Some(Arc::clone(&database));
        Ok(database)
    }

    /// The database, if there is one.
    pub(super) fn opened(&self) -> Option<Arc<Rocks>> {
        self.database.clone()
    }

    /// Writes to files. After a failure, the next call writes this batch too.
    pub(super) fn write(&mut self, batch: Batch) -> Result<(), Failure> {
        if self.unwritten.is_empty() {
            self.unwritten = batch;
        } else {
            self.unwritten.append(&batch);
        }
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let mut unwritten = std::mem::take(&mut self.unwritten);
        let written = self.database().and_then(|database| {
            database.write(&mut unwritten)?;
            database.flush()
        });
        if let Err(failure) = written {
            self.unwritten = unwritten;
            // A database that failed to write refuses more; one that is opened anew has what it had before.
            self.database = None;
            return Err(failure);
        }
        Ok(())
    }

    /// A folder with the files of the database as it is now; none if there is no database.
    pub(super) fn checkpoint(&mut self, folder: &Path) -> Result<Option<Scratch>, Failure> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        let Some(database) = &self.database else {
            return Ok(None);
        };
        let scratch = Scratch::new(folder.to_owned());
        database.checkpoint(folder)?;
        Ok(Some(scratch))
    }

    /// How a database of somebody else is read, from its files.
    pub(super) fn reader(&self, folder: &Path) -> Result<Rocks, Failure> {
        Rocks::open_for_reading(folder, &self.memory)
    }
}

/// A file or a folder that is removed when nobody needs it any more.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// What will be there. What was there before is removed.
    pub(super) fn new(path: PathBuf) -> Self {
        remove(&path);
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Files that stay cost room until the folder of the subtask is removed, nothing else.
fn remove(path: &Path) {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else if path.exists() {
        fs::remove_file(path)
    } else {
        Ok(())
    };
    if let Err(error) = removed {
        tracing::warn!(%error, path = %path.display(), "cannot remove files of state that are no longer needed");
    }
}
