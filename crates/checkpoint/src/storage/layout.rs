//! Where things are in a state folder.
//!
//! ```text
//! jobs/JOB/checkpoints/N/manifest.json                   of checkpoint N, written last
//! jobs/JOB/state/GENERATION/TASK-SUBTASK/N-NAME          written for checkpoint N by one subtask of one deployment
//! savepoints/ID/manifest.json
//! savepoints/ID/data/TASK-SUBTASK/N-NAME
//! ```

use crate::manifest::CheckpointId;

/// The manifest of a savepoint, in its folder.
pub const MANIFEST: &str = "manifest.json";

/// The URL of a job's folder.
pub fn job(state_url: &str, job: &str) -> String {
    format!("{}/jobs/{job}", state_url.trim_end_matches('/'))
}

/// The URL of a savepoint's folder.
pub fn savepoint(state_url: &str, id: &str) -> String {
    format!("{}/savepoints/{id}", state_url.trim_end_matches('/'))
}

/// The manifest of a checkpoint, in its job's folder.
pub fn checkpoint_manifest(checkpoint: CheckpointId) -> String {
    format!("checkpoints/{checkpoint}/{MANIFEST}")
}

/// Where a subtask of a deployment puts its files, in its job's folder.
pub fn state_of(generation: u64, task: u32, subtask: u32) -> String {
    format!("state/{generation}/{task}-{subtask}")
}

/// Where a subtask puts its files of a savepoint, in the savepoint's folder.
pub fn savepoint_data_of(task: u32, subtask: u32) -> String {
    format!("data/{task}-{subtask}")
}

/// Something in a job's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The manifest of a checkpoint.
    Manifest(CheckpointId),
    /// A file of state.
    State {
        /// The deployment that wrote it.
        generation: u64,
        /// For which checkpoint.
        checkpoint: CheckpointId,
    },
}

/// What a path in a job's folder is; none: nothing of ours.
pub fn entry(path: &str) -> Option<Entry> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["checkpoints", checkpoint, MANIFEST] => Some(Entry::Manifest(CheckpointId(number(checkpoint)?))),
        ["state", generation, _, name] => Some(Entry::State {
            generation: number(generation)?,
            checkpoint: CheckpointId(number(name.split_once('-')?.0)?),
        }),
        _ => None,
    }
}

/// A number as it is written here.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_are_written() {
        let checkpoint = CheckpointId(12);
        assert_eq!(
            entry(&checkpoint_manifest(checkpoint)),
            Some(Entry::Manifest(checkpoint))
        );
        let generation = 3;
        let file = format!("{}/12-000007.sst", state_of(generation, 0, 1));
        assert_eq!(
            entry(&file),
            Some(Entry::State {
                generation,
                checkpoint
            })
        );
        for other in [
            "checkpoints/x/manifest.json",
            "checkpoints/1/other",
            "state/3/0-1/rows",
            "state/3/1-a",
            "",
            "state/03/0-0/1-a",
        ] {
            assert_eq!(entry(other), None, "{other}");
        }
        assert_eq!(job("file:///data/", "j"), "file:///data/jobs/j");
    }
}
