//! What is said and what happens.

use std::fmt::{self, Debug};

use weir_checkpoint::{
    coordinator::{Savepoint, Subtask},
    manifest::{CheckpointId, Manifest, SubtaskState},
    storage::Object,
};

/// From the control plane to a worker.
#[derive(Clone)]
pub(crate) enum Command {
    Deploy {
        generation: u64,
        parallelism: [u32; 2],
        tasks: Vec<(Subtask, Vec<SubtaskState>, String)>,
    },
    Start {
        generation: u64,
    },
    Trigger {
        generation: u64,
        checkpoint: CheckpointId,
        savepoint: Option<Savepoint>,
    },
    Abort {
        generation: u64,
        checkpoint: CheckpointId,
    },
    Commit {
        generation: u64,
        checkpoint: CheckpointId,
        finished: Vec<Subtask>,
    },
    Cancel {
        generation: u64,
    },
}

/// From a worker to the control plane.
#[derive(Clone)]
pub(crate) enum Report {
    /// All that it runs, and whether it was started: said at each connection, and when that changes.
    Stages {
        generation: u64,
        subtasks: Vec<Subtask>,
        started: bool,
        reconnected: bool,
    },
    Snapshot {
        generation: u64,
        subtask: Subtask,
        checkpoint: CheckpointId,
        state: SubtaskState,
    },
    SnapshotFailed {
        generation: u64,
        subtask: Subtask,
        checkpoint: CheckpointId,
    },
    Finished {
        generation: u64,
        subtask: Subtask,
        state: SubtaskState,
        passed: Option<CheckpointId>,
    },
    Committed {
        generation: u64,
        subtask: Subtask,
        checkpoint: CheckpointId,
    },
    CommitFailed {
        generation: u64,
        subtask: Subtask,
        checkpoint: CheckpointId,
    },
}

#[derive(Clone)]
pub(crate) enum Message {
    Command(Command),
    Report(Report),
}

/// Something that happens at a time.
pub(crate) enum Happening {
    Arrive {
        worker: usize,
        message: Message,
    },
    /// A connection was cut, and is there again.
    Reconnect {
        worker: usize,
    },
    Step {
        worker: usize,
        generation: u64,
        subtask: Subtask,
    },
    Stored {
        worker: usize,
        generation: u64,
        subtask: Subtask,
        checkpoint: CheckpointId,
        files: Vec<(String, String, u64)>,
        state: SubtaskState,
    },
    /// A request to create a manifest arrives at the store; from the writer in which life of the control plane.
    Create {
        life: u64,
        manifest: Manifest,
        answered: bool,
    },
    /// The writer has had no answer.
    Void {
        life: u64,
        checkpoint: CheckpointId,
    },
    /// The control plane hears what came of a manifest.
    Written {
        life: u64,
        checkpoint: CheckpointId,
        is_there: bool,
    },
    Tick,
    /// The control plane finds that a worker is gone.
    Missed {
        life: u64,
        worker: usize,
    },
    Thaw {
        worker: usize,
    },
    PlaneUp,
    Collect {
        life: u64,
        listed: Vec<Object>,
    },
    Delete {
        path: String,
    },
    /// A person asks for a savepoint, or something of the kind.
    Person,
}

impl Report {
    pub(crate) fn generation(&self) -> u64 {
        match self {
            Self::Stages { generation, .. }
            | Self::Snapshot { generation, .. }
            | Self::SnapshotFailed { generation, .. }
            | Self::Finished { generation, .. }
            | Self::Committed { generation, .. }
            | Self::CommitFailed { generation, .. } => *generation,
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrive {
                worker,
                message: Message::Command(command),
            } => write!(f, "worker {worker}: {command:?}"),
            Self::Arrive {
                worker,
                message: Message::Report(report),
            } => write!(f, "of {worker}: {report:?}"),
            Self::Reconnect { worker } => write!(f, "{worker} is connected again"),
            Self::Step {
                worker,
                generation,
                subtask,
            } => write!(f, "{worker} computes {generation}: {subtask}"),
            Self::Stored {
                worker,
                checkpoint,
                subtask,
                ..
            } => write!(f, "{worker} stores {checkpoint}: {subtask}"),
            Self::Create {
                manifest, answered, ..
            } => write!(f, "create {} {answered}", manifest.checkpoint),
            Self::Void { checkpoint, .. } => write!(f, "void {checkpoint}"),
            Self::Written {
                checkpoint, is_there, ..
            } => write!(f, "written {checkpoint} {is_there}"),
            Self::Tick => f.write_str("tick"),
            Self::Missed { worker, .. } => write!(f, "{worker} is missed"),
            Self::Thaw { worker } => write!(f, "{worker} thaws"),
            Self::PlaneUp => f.write_str("the control plane starts"),
            Self::Collect { listed, .. } => write!(f, "collect from {} objects", listed.len()),
            Self::Delete { path } => write!(f, "delete {path}"),
            Self::Person => f.write_str("a person comes"),
        }
    }
}

impl Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deploy {
                generation, tasks, ..
            } => write!(f, "deploy {generation} {}", tasks.len()),
            Self::Start { generation } => write!(f, "start {generation}"),
            Self::Trigger {
                generation,
                checkpoint,
                savepoint,
            } => {
                write!(
                    f,
                    "trigger {generation} {checkpoint} {:?}",
                    savepoint.as_ref().map(|s| s.after)
                )
            }
            Self::Abort {
                generation,
                checkpoint,
            } => write!(f, "abort {generation} {checkpoint}"),
            Self::Commit {
                generation,
                checkpoint,
                ..
            } => write!(f, "commit {generation} {checkpoint}"),
            Self::Cancel { generation } => write!(f, "cancel {generation}"),
        }
    }
}

impl Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stages {
                generation,
                subtasks,
                started,
                ..
            } => {
                write!(f, "runs {generation} {} {started}", subtasks.len())
            }
            Self::Snapshot {
                generation,
                subtask,
                checkpoint,
                ..
            } => {
                write!(f, "snapshot {generation} {checkpoint} of {subtask}")
            }
            Self::SnapshotFailed {
                generation,
                subtask,
                checkpoint,
            } => {
                write!(f, "no snapshot {generation} {checkpoint} of {subtask}")
            }
            Self::Finished {
                generation,
                subtask,
                passed,
                ..
            } => {
                write!(f, "finished {generation} {subtask} behind {passed:?}")
            }
            Self::Committed {
                generation,
                subtask,
                checkpoint,
            } => {
                write!(f, "committed {generation} {checkpoint} of {subtask}")
            }
            Self::CommitFailed {
                generation,
                subtask,
                checkpoint,
            } => {
                write!(f, "not committed {generation} {checkpoint} of {subtask}")
            }
        }
    }
}
