//! The folder of a worker on its machine. Several workers share one above; what dead ones left there is removed by the next.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// A folder that is one worker's own as long as this lives. Its copies of checkpoints' files stay for the next one.
#[derive(Debug)]
pub struct LocalFolder {
    path: PathBuf,
    /// Locked by a worker that lives.
    _lock: File,
}

const LOCK: &str = "lock";
const COPIES: &str = "copies";

impl LocalFolder {
    /// Makes a folder of this name below `above`, and removes those of workers that are gone, whose copies it takes over.
    pub fn claim(above: &Path, name: &str) -> io::Result<Self> {
        let path = above.join(name);
        fs::create_dir_all(&path)?;
        let lock = File::create(path.join(LOCK))?;
        lock.lock()?;
        for entry in fs::read_dir(above)? {
            let folder = entry?.path();
            if folder != path && is_left_behind(&folder) {
                tracing::info!(folder = %folder.display(), "removes the state of a worker that is gone");
                // Another worker may be quicker.
                let _ = take_over(&folder.join(COPIES), &path.join(COPIES));
                let _ = fs::remove_dir_all(&folder);
            }
        }
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its copies of checkpoints' files are, a folder for each job.
    pub fn copies(&self) -> PathBuf {
        self.path.join(COPIES)
    }
}

impl Drop for LocalFolder {
    fn drop(&mut self) {
        let has_copies = fs::read_dir(self.copies()).is_ok_and(|mut copies| copies.next().is_some());
        // What stays is removed by the next worker.
        let _ = if has_copies {
            remove_all_but_copies(&self.path)
        } else {
            fs::remove_dir_all(&self.path)
        };
    }
}

fn remove_all_but_copies(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // By its lock the next worker knows the folder.
        if entry.file_type()?.is_dir() && entry.file_name() != COPIES {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Moves the files in the folders of a folder into those of another.
fn take_over(from: &Path, to: &Path) -> io::Result<()> {
    for job in fs::read_dir(from)? {
        let job = job?;
        let to = to.join(job.file_name());
        fs::create_dir_all(&to)?;
        for file in fs::read_dir(job.path())? {
            let file = file?;
            fs::rename(file.path(), to.join(file.file_name()))?;
        }
    }
    Ok(())
}

/// Whether a folder is a worker's that no longer lives. Nothing else is one.
fn is_left_behind(folder: &Path) -> bool {
    let Ok(lock) = File::open(folder.join(LOCK)) else {
        return false;
    };
    !matches!(lock.try_lock(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dead_workers_left_is_removed_and_nothing_else() {
        let above = tempfile::tempdir().expect("a folder");
        let first = LocalFolder::claim(above.path(), "first").expect("a folder");
        fs::write(first.path().join("rows"), "rows").expect("writes");
        fs::create_dir(above.path().join("other")).expect("a folder");
        // A worker that was killed left its folder and no lock.
        fs::create_dir(above.path().join("killed")).expect("a folder");
        fs::write(above.path().join("killed").join(LOCK), "").expect("writes");
        let second = LocalFolder::claim(above.path(), "second").expect("a folder");
        let is_there = |name: &str| above.path().join(name).exists();
        assert!(is_there("first") && is_there("second") && is_there("other"));
        assert!(!is_there("killed"));
        drop((first, second));
        assert!(!is_there("first") && !is_there("second"));
    }

    #[test]
    fn copies_go_from_one_worker_to_the_next_however_it_ended() {
        let above = tempfile::tempdir().expect("a folder");
        let killed = above.path().join("killed");
        fs::create_dir_all(killed.join("copies/j")).expect("a folder");
        fs::write(killed.join(LOCK), "").expect("writes");
        fs::write(killed.join("copies/j/1"), "one").expect("writes");
        for name in ["first", "second"] {
            let folder = LocalFolder::claim(above.path(), name).expect("a folder");
            fs::create_dir(folder.path().join("j")).expect("a folder");
            let copy = fs::read_to_string(folder.copies().join("j/1")).expect("it is there");
            assert_eq!(copy, "one");
            drop(folder);
            assert!(!above.path().join(name).join("j").exists());
        }
        let folders = fs::read_dir(above.path()).expect("a folder");
        assert_eq!(folders.count(), 1);
    }
}
