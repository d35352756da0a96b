//! Copies on this machine of the files of checkpoints, so that a subtask that begins here again need not download them.
//!
//! A copy is a hard link: it takes room of its own only when the database has dropped the file, which the last complete checkpoint
//! has yet. It is called as the manifest calls it and used only if its checksum is right, so that a copy that is lost, torn or damaged
//! costs a download and nothing else.
//!
//! Copies outlive their deployment, and the worker if another one takes over its folder.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crc32fast::Hasher;
use parking_lot::Mutex;
use weir_checkpoint::manifest::{CheckpointId, StateFile};

/// How long the copies of a job are kept of which nothing runs here: longer than a restart waits.
const KEPT: Duration = Duration::from_mins(15);

/// The copies of a worker, by job.
#[derive(Debug)]
pub struct LocalCopies {
    folder: PathBuf,
    jobs: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    copies: Arc<JobCopies>,
    /// When something of the job ran here last.
    used: Duration,
    /// Nothing will begin with them any more.
    has_ended: bool,
}

impl LocalCopies {
    /// Those in a folder, in which a worker of before may have left some.
    pub fn open(folder: PathBuf, now: Duration) -> Self {
        let found = fs::read_dir(&folder).into_iter().flatten().flatten();
        let job = |name: String| {
            let entry = Entry::new(folder.join(&name), now);
            (name, entry)
        };
        let jobs = found.filter_map(|found| found.file_name().into_string().ok().map(job));
        Self {
            jobs: Mutex::new(jobs.collect()),
            folder,
        }
    }

    /// Those of a job, which begins here now.
    pub fn of_job(&self, job: &str, now: Duration) -> Arc<JobCopies> {
        let mut jobs = self.jobs.lock();
        let entry = jobs
            .entry(job.to_owned())
            .or_insert_with(|| Entry::new(self.folder.join(job), now));
        entry.used = now;
        entry.has_ended = false;
        Arc::clone(&entry.copies)
    }

    /// The job has ended: its copies go as soon as nothing of it runs here.
    pub fn end(&self, job: &str) {
        if let Some(entry) = self.jobs.lock().get_mut(job) {
            entry.has_ended = true;
        }
    }

    /// Forgets the copies of jobs that have ended or have not run here for long; returns their folders, which are to be removed.
    pub fn expire(&self, now: Duration, runs: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let mut expired = Vec::new();
        self.jobs.lock().retain(|job, entry| {
            if runs(job) {
                entry.used = now;
                return true;
            }
            let is_kept = !entry.has_ended && now < entry.used + KEPT;
            if !is_kept {
                expired.push(entry.copies.folder.clone());
            }
            is_kept
        });
        expired
    }
}

impl Entry {
    fn new(folder: PathBuf, now: Duration) -> Self {
        Self {
            copies: Arc::new(JobCopies {
                folder,
                needed: Mutex::default(),
            }),
            used: now,
            has_ended: false,
        }
    }
}

/// The copies of a job's files on this machine.
#[derive(Debug)]
pub struct JobCopies {
    folder: PathBuf,
    needed: Mutex<Needed>,
}

/// The names of the files of each checkpoint that is complete or may become so, by subtask.
type Needed = BTreeMap<Subtask, BTreeMap<CheckpointId, HashSet<String>>>;

/// Generation, task and number.
type Subtask = (u64, u32, u32);

impl JobCopies {
    /// The part of one subtask of one deployment.
    pub fn of_subtask(self: Arc<Self>, generation: u64, (task, subtask): (u32, u32)) -> SubtaskCopies {
        SubtaskCopies {
            job: self,
            subtask: (generation, task, subtask),
        }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.join(name(path))
    }

    /// Removes what no checkpoint needs.
    fn sweep(&self) -> io::Result<()> {
        let needed = self.needed.lock();
        let is_needed = |name: &str| {
            let checkpoints = needed.values().flat_map(BTreeMap::values);
            checkpoints.into_iter().any(|names| names.contains(name))
        };
        for found in fs::read_dir(&self.folder)? {
            let found = found?;
            if !found.file_name().to_str().is_some_and(is_needed) {
                fs::remove_file(found.path())?;
            }
        }
        Ok(())
    }
}

/// A file's name in the folder, in which there are no others.
fn name(path: &str) -> String {
    path.replace('/', "+")
}

/// The copies that a subtask makes, and those that it begins with, of whatever subtask they are. Calls block on the disk.
#[derive(Clone, Debug)]
pub struct SubtaskCopies {
    job: Arc<JobCopies>,
    subtask: Subtask,
}

impl SubtaskCopies {
    /// A checkpoint has the files of these paths: they are kept as long as it may be the one to begin with.
    pub(super) fn begin<'a>(&self, checkpoint: CheckpointId, paths: impl Iterator<Item = &'a str>) {
        let mut needed = self.job.needed.lock();
        let of_subtask = needed.entry(self.subtask).or_default();
        of_subtask.insert(checkpoint, paths.map(name).collect());
    }

    /// Keeps a file of a checkpoint that has begun, under the path that it has in the manifest.
    pub(super) fn keep(&self, file: &StateFile, local: &Path) {
        let to = self.job.at(&file.path);
        let kept = fs::create_dir_all(&self.job.folder).and_then(|()| put(file, local, &to));
        match kept {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                tracing::warn!(%error, file = file.path, "a file of state is not kept on this machine");
            }
            _ => {}
        }
    }

    /// A checkpoint is complete: what only earlier ones of the job need is removed.
    pub(super) fn complete(&self, checkpoint: CheckpointId) {
        {
            let mut needed = self.job.needed.lock();
            let Some(own) = needed.get_mut(&self.subtask) else {
                return;
            };
            if !own.contains_key(&checkpoint) {
                return;
            }
            own.retain(|needed, _| *needed >= checkpoint);
            // All subtasks of this deployment have what they began with.
            needed.retain(|(generation, ..), _| *generation >= self.subtask.0);
        }
        self.sweep();
    }

    /// A checkpoint will never be complete.
    pub(super) fn abort(&self, checkpoint: CheckpointId) {
        if let Some(own) = self.job.needed.lock().get_mut(&self.subtask) {
            own.remove(&checkpoint);
        }
        self.sweep();
    }

    fn sweep(&self) {
        match self.job.sweep() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "files of state that are no longer needed stay on this machine");
            }
            _ => {}
        }
    }

    /// Puts the copy of a file there, if there is one. One that is not what the manifest says is removed.
    pub(super) fn take(&self, file: &StateFile, to: &Path) -> bool {
        let copy = self.job.at(&file.path);
        let is_right = match is_right(file, &copy) {
            Ok(is_right) => is_right,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
            Err(error) => {
                tracing::warn!(%error, file = file.path, "the local copy of a file of state cannot be read");
                return false;
            }
        };
        if !is_right {
            tracing::warn!(file = file.path, "the local copy of a file of state is damaged");
            // Else it is found to be damaged the next time too.
            let _ = fs::remove_file(copy);
            return false;
        }
        match put(file, &copy, to) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, file = file.path, "the local copy of a file of state cannot be used");
                false
            }
        }
    }
}

/// Files never change but for the list of a database's files, with which a database that is opened may go on.
fn put(file: &StateFile, from: &Path, to: &Path) -> io::Result<()> {
    if file.is_list() {
        return fs::copy(from, to).map(drop);
    }
    fs::hard_link(from, to)
}

fn is_right(file: &StateFile, copy: &Path) -> io::Result<bool> {
    let mut copy = File::open(copy)?;
    if copy.metadata()?.len() != file.bytes {
        return Ok(false);
    }
    let (mut buffer, mut hasher) = (vec![0; 1 << 20], Hasher::new());
    loop {
        let read = copy.read(&mut buffer)?;
        if read == 0 {
            return Ok(hasher.finalize() == file.crc32);
        }
        hasher.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    struct World {
        folder: TempDir,
        copies: LocalCopies,
    }

    impl World {
        fn new() -> Self {
            let folder = TempDir::new().expect("a folder");
            let copies = LocalCopies::open(folder.path().join("copies"), Duration::ZERO);
            Self { folder, copies }
        }

        fn subtask(&self, generation: u64, subtask: u32) -> SubtaskCopies {
            let job = self.copies.of_job("j", Duration::ZERO);
            job.of_subtask(generation, (0, subtask))
        }

        /// Takes a checkpoint of files of these paths, which have their path in them.
        fn checkpoint(&self, copies: &SubtaskCopies, checkpoint: u64, paths: &[&str]) {
            copies.begin(CheckpointId(checkpoint), paths.iter().copied());
            for path in paths {
                let local = self.folder.path().join("written");
                fs::write(&local, path).expect("writes");
                copies.keep(&file(path), &local);
                fs::remove_file(local).expect("removes");
            }
        }

        fn takes(&self, path: &str) -> bool {
            let to = self.folder.path().join("taken");
            let taken = self.subtask(9, 0).take(&file(path), &to);
            assert_eq!(taken, fs::read_to_string(&to).is_ok_and(|is| is == path));
            let _ = fs::remove_file(to);
            taken
        }

        fn all(&self) -> Vec<String> {
            let found = fs::read_dir(self.folder.path().join("copies/j"))
                .into_iter()
                .flatten();
            let name = |found: io::Result<fs::DirEntry>| found.expect("an entry").file_name();
            let mut names: Vec<_> = found.map(|f| name(f).to_string_lossy().into_owned()).collect();
            names.sort();
            names
        }
    }

    fn file(path: &str) -> StateFile {
        StateFile {
            name: path.to_owned(),
            path: path.to_owned(),
            bytes: path.len() as u64,
            crc32: crc32fast::hash(path.as_bytes()),
        }
    }

    #[test]
    fn a_file_is_kept_until_a_checkpoint_is_complete_that_does_not_have_it() {
        let world = World::new();
        let copies = world.subtask(1, 0);
        world.checkpoint(&copies, 1, &["1-a", "1-b"]);
        world.checkpoint(&copies, 2, &["1-b", "2-c"]);
        world.checkpoint(&copies, 3, &["3-d"]);
        copies.abort(CheckpointId(3));
        assert_eq!(world.all(), ["1-a", "1-b", "2-c"]);
        copies.complete(CheckpointId(2));
        assert_eq!(world.all(), ["1-b", "2-c"]);
        // A savepoint has no copies.
        copies.complete(CheckpointId(4));
        assert!(world.takes("1-b") && world.takes("2-c") && !world.takes("1-a"));
    }

    #[test]
    fn what_the_deployment_before_left_goes_with_the_first_checkpoint_of_the_next() {
        let world = World::new();
        let before = [world.subtask(1, 0), world.subtask(1, 1)];
        world.checkpoint(&before[0], 5, &["a/b"]);
        world.checkpoint(&before[1], 5, &["a/c"]);
        let next = world.subtask(2, 0);
        next.begin(CheckpointId(0), ["a/b"].into_iter());
        world.checkpoint(&next, 6, &["a/b", "6"]);
        before[0].complete(CheckpointId(5));
        assert_eq!(world.all(), ["6", "a+b", "a+c"]);
        next.complete(CheckpointId(6));
        assert_eq!(world.all(), ["6", "a+b"]);
    }

    #[test]
    fn a_damaged_copy_is_not_taken_and_not_kept() {
        let world = World::new();
        for (at, damage) in ["mOre", "mor", "more or less"].into_iter().enumerate() {
            world.checkpoint(&world.subtask(1, 0), at as u64, &["more"]);
            assert!(world.takes("more"));
            let copy = world.folder.path().join("copies/j/more");
            fs::write(copy, damage).expect("writes");
            assert!(!world.takes("more"), "{damage}");
            assert_eq!(world.all(), [""; 0]);
        }
    }

    #[test]
    fn a_worker_that_begins_in_the_folder_finds_them() {
        let mut world = World::new();
        world.checkpoint(&world.subtask(1, 0), 1, &["1"]);
        world.copies = LocalCopies::open(world.folder.path().join("copies"), Duration::ZERO);
        assert!(world.takes("1"));
        let next = world.subtask(2, 0);
        world.checkpoint(&next, 2, &["2"]);
        next.complete(CheckpointId(2));
        assert_eq!(world.all(), ["2"]);
    }

    #[test]
    fn they_go_with_the_job_or_when_it_has_not_run_here_for_long() {
        let world = World::new();
        world.checkpoint(&world.subtask(1, 0), 1, &["1"]);
        let folder = world.folder.path().join("copies/j");
        let expire = |now, runs: bool| world.copies.expire(now, |_| runs);
        assert!(expire(KEPT, true).is_empty());
        assert!(expire(KEPT + KEPT / 2, false).is_empty());
        assert_eq!(expire(KEPT * 2, false), std::slice::from_ref(&folder));
        world.subtask(1, 0);
        world.copies.end("j");
        assert!(expire(Duration::ZERO, true).is_empty());
        assert_eq!(expire(Duration::ZERO, false), [folder]);
    }
}
