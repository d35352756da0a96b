//! What in a job's folder is of no more use.
//!
//! Files of state are shared by checkpoints, and are written before it is known whether their checkpoint will ever be complete. A file
//! may go when no checkpoint that is kept refers to it and none can come to: its deployment is gone, or a checkpoint of the same
//! deployment is complete that came after it and does not refer to it. A subtask refers anew only to files that all complete
//! checkpoints since refer to.

#[cfg(test)]
mod tests;

use std::{collections::HashSet, fmt};

use crate::{
    manifest::{CheckpointId, Kind, Manifest},
    storage::{
        Object,
        layout::{Entry, entry},
    },
};

/// What a job's folder is needed for. Taken after the folder was listed or before: what may go once may go for ever.
#[derive(Clone, Debug, Default)]
pub struct Needs<'a> {
    /// The manifests of all checkpoints that are kept, of one that the running deployment began with, and of any whose commits may
    /// not be done.
    pub manifests: Vec<&'a Manifest>,
    /// The deployment that may take checkpoints; none: no deployment may, and no manifest is on its way.
    pub live: Option<u64>,
}

/// Something that may be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Garbage {
    /// What.
    pub object: Object,
    /// Why.
    pub why: Why,
}

/// Why something may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The manifest of a checkpoint that is not kept, or what stands in the place of one that was given up.
    NotKept(CheckpointId),
    /// No checkpoint that is kept refers to it, and its deployment is gone.
    DeploymentGone(u64),
    /// No checkpoint that is kept refers to it, and a later one than its own is complete.
    Superseded(CheckpointId),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotKept(checkpoint) => write!(f, "checkpoint {checkpoint} is not kept"),
            Self::DeploymentGone(generation) => {
                write!(
                    f,
                    "no checkpoint that is kept refers to it, and deployment {generation} is gone"
                )
            }
            Self::Superseded(checkpoint) => {
                write!(
                    f,
                    "written for checkpoint {checkpoint}, and no checkpoint that is kept refers to it"
                )
            }
        }
    }
}

/// What may be deleted of what is in a job's folder, in the order in which it is to be: manifests first, since a checkpoint exists exactly
/// when its manifest does, and has all of its files as long as it exists.
///
/// What is nothing that Weir writes there is left alone.
pub fn garbage(listed: &[Object], needs: &Needs<'_>) -> Vec<Garbage> {
    let kept: HashSet<CheckpointId> = needs
        .manifests
        .iter()
        .map(|manifest| manifest.checkpoint)
        .collect();
    let paths: HashSet<&str> = needs
        .manifests
        .iter()
        .flat_map(|manifest| manifest.paths())
        .collect();
    let checkpoints = || {
        needs
            .manifests
            .iter()
            .filter(|manifest| manifest.kind == Kind::Checkpoint)
    };
    let newest = checkpoints().map(|manifest| manifest.checkpoint).max();
    let of_live = checkpoints().filter(|manifest| Some(manifest.generation) == needs.live);
    let complete = of_live.map(|manifest| manifest.checkpoint).max();
    let why = |object: &Object| match entry(&object.path)? {
        Entry::Manifest(checkpoint) => {
            // A later one may be on its way.
            let is_past = needs.live.is_none() || Some(checkpoint) < newest;
            (is_past && !kept.contains(&checkpoint)).then_some(Why::NotKept(checkpoint))
        }
        Entry::State { .. } if paths.contains(object.path.as_str()) => None,
        Entry::State {
            generation,
            checkpoint,
        } => {
            if needs.live.is_none_or(|live| generation < live) {
                return Some(Why::DeploymentGone(generation));
            }
            let is_live = needs.live == Some(generation);
            (is_live && Some(checkpoint) <= complete).then_some(Why::Superseded(checkpoint))
        }
    };
    let garbage = |object: &Object| {
        let why = why(object)?;
        let object = object.clone();
        Some(Garbage { object, why })
    };
    let mut garbage: Vec<Garbage> = listed.iter().filter_map(garbage).collect();
    garbage.sort_by_key(|garbage| !matches!(garbage.why, Why::NotKept(_)));
    garbage
}
