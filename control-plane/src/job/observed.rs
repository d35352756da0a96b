//! What is seen of a job and of the cluster, on which decisions are made.

use std::time::Duration;

use weir_model::{Failure, Generation};

/// What is seen of a job and of the cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The newest deployment that workers or the metadata store tell of, whichever generation it has.
    pub execution: Option<Execution>,
    /// The checkpoints of the job's deployment.
    pub checkpoints: Checkpoints,
    /// Slots that are free on all workers.
    pub free_slots: u32,
    /// Workers that are connected.
    pub workers: u32,
}

/// The subtasks of one deployment, counted by state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Execution {
    /// Which deployment.
    pub generation: Generation,
    /// On a worker that has not come back yet since this control plane started.
    pub awaited: u32,
    /// Sent to a worker, not reported yet.
    pub pending: u32,
    /// Wired, waiting for the start.
    pub deployed: u32,
    /// Running.
    pub running: u32,
    /// Finished.
    pub finished: u32,
    /// Stopped on request.
    pub cancelled: u32,
    /// Failed, or gone with their worker.
    pub failed: u32,
    /// The failure to act on, if any subtask failed or was lost; the user's fault before any other.
    pub failure: Option<Failure>,
    /// The start was sent.
    pub started: bool,
    /// Its workers were told to stop it.
    pub stopping: bool,
    /// Time since it was deployed, or since this control plane took it over.
    pub age: Duration,
}

/// What is seen of the checkpoints of a deployment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoints {
    /// They are taken.
    pub taken: bool,
    /// All tasks have finished, and the checkpoint after that is there and committed.
    pub done: bool,
    /// Why the deployment must not go on: more of them failed than may.
    pub failure: Option<Failure>,
    /// The one that the next deployment begins with, for a job that stops or is rescaled.
    pub handover: Handover,
}

/// How the checkpoint stands that the next deployment begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Handover {
    /// There is none.
    #[default]
    None,
    /// It is being taken.
    Asked,
    /// It is there and committed.
    Complete {
        /// Its number.
        number: u64,
    },
    /// It was given up.
    Failed {
        /// Why.
        why: String,
    },
}

impl Execution {
    /// All subtasks.
    pub fn total(&self) -> u32 {
        self.live() + self.finished + self.cancelled + self.failed
    }

    /// Subtasks that may still do something.
    pub fn live(&self) -> u32 {
        self.awaited + self.pending + self.deployed + self.running
    }
}
