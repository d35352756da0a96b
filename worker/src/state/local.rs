//! The folder of a worker on its machine. Several workers share one above; what dead ones left there is removed by the next.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// A folder that is one worker's own as long as this lives.
#[derive(Debug)]
pub struct LocalFolder {
    path: PathBuf,
    /// Locked by a worker that lives.
    _lock: File,
}

const LOCK: &str = "lock";

impl LocalFolder {
    /// Makes a folder of this name below `above`, and removes those of workers that are gone.
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
                let _ = fs::remove_dir_all(&folder);
            }
        }
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LocalFolder {
    fn drop(&mut self) {
        // What stays is removed by the next worker.
        let _ = fs::remove_dir_all(&self.path);
    }
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
}
