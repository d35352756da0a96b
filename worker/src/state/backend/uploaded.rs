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
