//! Which files of a database are in the object store, and may be referred to.

use std::collections::{BTreeMap, HashMap};

use weir_checkpoint::manifest::{CheckpointId, StateFile};

/// The files of checkpoints by name.
///
/// A checkpoint may only refer to files that are kept until it is complete itself. Those of a checkpoint go when a later one is
/// complete that does not refer to them, and this backend hears of that late or never. So a file is referred to if the last complete
/// checkpoint known has it, and every checkpoint since, whose fate is unknown, refers to the same one.
#[derive(Debug, Default)]
pub(super) struct Uploaded {
    complete: HashMap<String, StateFile>,
    /// By checkpoint: the path of each file.
    undecided: BTreeMap<CheckpointId, HashMap<String, String>>,
    /// Files of those that are all uploaded.
    files: BTreeMap<CheckpointId, Vec<StateFile>>,
}

impl Uploaded {
    /// What a complete checkpoint has, with which the database began.
    pub(super) fn restored(&mut self, files: &[StateFile]) {
        self.complete = by_name(files.iter().cloned());
    }

    /// The file of this name, if the next checkpoint may refer to it.
    pub(super) fn find(&self, name: &str) -> Option<&StateFile> {
        let file = self.complete.get(name)?;
        let mut since = self.undecided.values();
        let is_kept = since.all(|paths| paths.get(name) == Some(&file.path));
        is_kept.then_some(file)
    }

    /// A checkpoint will have files of these names at these paths.
    pub(super) fn begin(&mut self, checkpoint: CheckpointId, paths: HashMap<String, String>) {
        self.undecided.insert(checkpoint, paths);
    }

    /// All files of a checkpoint are there, if it was not aborted meanwhile.
    pub(super) fn uploaded(&mut self, checkpoint: CheckpointId, files: &[StateFile]) {
        if self.undecided.contains_key(&checkpoint) {
            self.files.insert(checkpoint, files.to_vec());
        }
    }

    /// A checkpoint is complete.
    pub(super) fn complete(&mut self, checkpoint: CheckpointId) {
        let Some(files) = self.files.remove(&checkpoint) else {
            return;
        };
        self.complete = by_name(files.into_iter());
        self.undecided.retain(|undecided, _| *undecided > checkpoint);
        self.files.retain(|undecided, _| *undecided > checkpoint);
    }

    /// A checkpoint will never be complete.
    pub(super) fn abort(&mut self, checkpoint: CheckpointId) {
        self.undecided.remove(&checkpoint);
        self.files.remove(&checkpoint);
    }
}

fn by_name(files: impl Iterator<Item = StateFile>) -> HashMap<String, StateFile> {
    files.map(|file| (file.name.clone(), file)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// What a checkpoint does for the files of the database: refers to those that it may, uploads the others.
    fn take(uploaded: &mut Uploaded, checkpoint: u64, names: &[u32]) -> (Vec<StateFile>, usize) {
        let mut new = 0;
        let mut file = |name: &u32| {
            let name = name.to_string();
            uploaded.find(&name).cloned().unwrap_or_else(|| {
                new += 1;
                let path = format!("{checkpoint}-{name}");
                StateFile {
                    name,
                    path,
                    bytes: 1,
                    crc32: 0,
                }
            })
        };
        let files: Vec<_> = names.iter().map(&mut file).collect();
        let paths = files.iter().map(|file| (file.name.clone(), file.path.clone()));
        uploaded.begin(CheckpointId(checkpoint), paths.collect());
        uploaded.uploaded(CheckpointId(checkpoint), &files);
        (files, new)
    }

    #[test]
    fn a_file_is_uploaded_once_where_checkpoints_are_completed_in_time() {
        let mut uploaded = Uploaded::default();
        assert_eq!(take(&mut uploaded, 1, &[1, 2]).1, 2);
        uploaded.complete(CheckpointId(1));
        assert_eq!(take(&mut uploaded, 2, &[1, 2, 3]).1, 1);
        uploaded.abort(CheckpointId(2));
        assert_eq!(
            take(&mut uploaded, 3, &[2, 3]).1,
            1,
            "what was aborted may be gone"
        );
        uploaded.complete(CheckpointId(3));
        assert_eq!(
            take(&mut uploaded, 4, &[1, 2, 3]).1,
            1,
            "a complete one does not have it any more"
        );
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// A checkpoint of a database that lost and got so many files.
        Take(usize, u32),
        /// The coordinator decides on the oldest checkpoint that is undecided: complete, or not.
        Decide(bool),
        /// The backend hears of this decision, of those that it has not heard of.
        Hear(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..3_usize, 0..3_u32).prop_map(|(lost, got)| Step::Take(lost, got)),
            3 => any::<bool>().prop_map(Step::Decide),
            2 => (0..4_usize).prop_map(Step::Hear),
        ]
    }

    proptest! {
        /// Whenever and in whatever order the backend hears what became of its checkpoints: one that becomes complete has all of
        /// its files, though all that the last complete one does not have are removed at once.
        #[test]
        fn no_checkpoint_refers_to_a_file_that_was_removed(steps in prop::collection::vec(step(), 1..60)) {
            let mut uploaded = Uploaded::default();
            let (mut names, mut next_name, mut next) = (vec![0_u32], 1, 1);
            let mut undecided: BTreeMap<u64, Vec<StateFile>> = BTreeMap::new();
            let mut unheard = Vec::new();
            let mut kept: HashSet<String> = HashSet::new();
            for step in steps {
                match step {
                    Step::Take(lost, got) => {
                        names.drain(..lost.min(names.len()));
                        names.extend(next_name..next_name + got);
                        next_name += got;
                        undecided.insert(next, take(&mut uploaded, next, &names).0);
                        next += 1;
                    }
                    Step::Decide(is_complete) => {
                        let Some((checkpoint, files)) = undecided.pop_first() else { continue };
                        unheard.push((checkpoint, is_complete));
                        if is_complete {
                            let made = format!("{checkpoint}-");
                            for file in &files {
                                let is_there = file.path.starts_with(&made) || kept.contains(&file.path);
                                prop_assert!(is_there, "{} of checkpoint {checkpoint} was removed", file.path);
                            }
                            kept = files.into_iter().map(|file| file.path).collect();
                        }
                    }
                    Step::Hear(at) if at < unheard.len() => match unheard.remove(at) {
                        (checkpoint, true) => uploaded.complete(CheckpointId(checkpoint)),
                        (checkpoint, false) => uploaded.abort(CheckpointId(checkpoint)),
                    },
                    Step::Hear(_) => {}
                }
            }
        }
    }
}
