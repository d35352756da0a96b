//! What a coordinator hears and what it asks for.

use std::{collections::BTreeSet, time::Duration};

use weir_model::Failure;

use crate::manifest::{CheckpointId, Manifest, SubtaskState};

/// When checkpoints are taken, and what becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From the beginning of one to that of the next; zero: none but savepoints.
    pub interval: Duration,
    /// One that takes longer is given up, and commits that take longer fail the job.
    pub timeout: Duration,
    /// From the end of one to the beginning of the next.
    pub min_pause: Duration,
    /// How many in a row may fail before the job does.
    pub tolerable_failures: u32,
    /// How many complete ones are kept, at least one.
    pub retained: u32,
}

/// The deployment of a job whose checkpoints are taken.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The job's id.
    pub job: String,
    /// Which deployment.
    pub generation: u64,
    /// The version of Weir that manifests name.
    pub weir_version: String,
    /// Key groups of the job.
    pub max_parallelism: u32,
    /// All subtasks.
    pub subtasks: Vec<Subtask>,
    /// Complete checkpoints of the job that are kept, those of earlier deployments too.
    pub retained: Vec<CheckpointId>,
    /// Greater than the number of any checkpoint or savepoint of the job that was ever begun.
    pub next: CheckpointId,
}

/// A subtask of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subtask {
    /// Which task of the graph.
    pub task: u32,
    /// Which subtask of it.
    pub subtask: u32,
}

impl std::fmt::Display for Subtask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "subtask {} of task {}", self.subtask, self.task)
    }
}

/// A savepoint that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Savepoint {
    /// The URL of its folder.
    pub url: String,
    /// What the job does when it is there.
    pub after: After,
}

/// What a job does when its savepoint is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// It goes on.
    #[default]
    GoOn,
    /// It stops: nothing is read behind the barrier.
    Suspend,
    /// It stops, and event time ends before the barrier, so that all windows are emitted.
    Drain,
}

/// Something that has happened. Those of other deployments never reach a coordinator.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// All subtasks run, so that a barrier reaches all of them.
    Running,
    /// Somebody asks for a savepoint.
    Savepoint(Savepoint),
    /// Somebody asks for a checkpoint at once, from which the job is to go on otherwise.
    Checkpoint,
    /// A subtask has stored its state at the barrier of a checkpoint.
    Snapshot {
        /// Which one.
        subtask: Subtask,
        /// Of which checkpoint or savepoint.
        checkpoint: CheckpointId,
        /// Its state. The commits in it are all that are not done yet, those of earlier checkpoints too.
        state: SubtaskState,
        /// What it took.
        cost: Cost,
    },
    /// A subtask could not store its state.
    SnapshotFailed {
        /// Which one.
        subtask: Subtask,
        /// Of which checkpoint or savepoint.
        checkpoint: CheckpointId,
        /// What happened.
        why: Failure,
    },
    /// A subtask has emitted all it ever will.
    Finished {
        /// Which one.
        subtask: Subtask,
        /// Its part of all checkpoints that begin from now on.
        state: SubtaskState,
        /// The last checkpoint whose barrier it passed. Its report of that one may still be on its way, and is not the final state:
        /// rows followed the barrier.
        passed: Option<CheckpointId>,
    },
    /// The manifest is there.
    ManifestWritten(CheckpointId),
    /// The manifest is not there and never will be.
    ManifestFailed {
        /// Of which checkpoint or savepoint.
        checkpoint: CheckpointId,
        /// What happened.
        why: Failure,
    },
    /// A subtask has committed what it had prepared for a checkpoint and earlier ones.
    Committed {
        /// Which one.
        subtask: Subtask,
        /// Of which checkpoint.
        checkpoint: CheckpointId,
    },
    /// A subtask could not commit.
    CommitFailed {
        /// Which one.
        subtask: Subtask,
        /// Of which checkpoint.
        checkpoint: CheckpointId,
        /// What happened.
        why: Failure,
    },
    /// Words of some subtasks, or to them, may have been lost: the session with a worker was cut. Said when it is back.
    Interrupted(Failure),
    /// A region of the job has failed, and the others go on: it is to begin again with the newest checkpoint that is complete when the
    /// coordinator is settled. From here on nothing of its failed subtasks reaches the coordinator; [`Event::Running`] says that all run.
    RegionFailed {
        /// All of its subtasks.
        subtasks: BTreeSet<Subtask>,
        /// What happened.
        why: Failure,
    },
    /// The deployment has failed or is stopped.
    Ended(Failure),
}

/// Something to do. In this order, and what comes of it is told by events.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Begin a checkpoint: note its number for good, then tell all workers.
    Trigger {
        /// Its number.
        checkpoint: CheckpointId,
        /// Where it goes, unless it is a checkpoint.
        savepoint: Option<Savepoint>,
    },
    /// Tell all workers that a checkpoint was given up.
    Abort(CheckpointId),
    /// Write the manifest, if there is none. Ends in [`Event::ManifestWritten`] or [`Event::ManifestFailed`], however long it takes.
    WriteManifest {
        /// All but the time, which the writer knows.
        manifest: Manifest,
        /// Where it goes, unless it is a checkpoint.
        savepoint: Option<Savepoint>,
    },
    /// Tell all workers that the manifest is there: sinks commit. Said again until all have.
    Commit {
        /// What they prepared for this one and earlier ones.
        checkpoint: CheckpointId,
        /// Those whose final state is in the manifest: what they prepared at their end too.
        finished: Vec<Subtask>,
    },
    /// Keep in the history that one is complete.
    Completed(Record),
    /// Keep in the history that one was given up.
    Failed {
        /// What was seen of it.
        record: Record,
        /// What happened.
        why: Failure,
    },
    /// A savepoint will not be begun.
    Refused {
        /// As it was asked for.
        savepoint: Savepoint,
        /// Why not.
        why: Failure,
    },
    /// The deployment cannot go on: begin again from the last complete checkpoint.
    FailJob(Failure),
    /// These checkpoints are no longer needed.
    Discard(Vec<CheckpointId>),
    /// The savepoint with which the job stops is there and committed: stop it.
    Stop(CheckpointId),
    /// All subtasks have finished, and everything is committed.
    JobDone,
}

/// The history of one checkpoint or savepoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub checkpoint: CheckpointId,
    /// Where it went, unless it is a checkpoint.
    pub savepoint: Option<Savepoint>,
    /// When it began, by the clock of the events.
    pub begun: Duration,
    /// When it was complete or given up.
    pub ended: Duration,
    /// Those that gave their state at its barrier, in the order in which they did.
    pub subtasks: Vec<SubtaskRecord>,
    /// Those that had not when it ended.
    pub missing: Vec<Subtask>,
}

/// A subtask's part of a [`Record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubtaskRecord {
    /// Which one.
    pub subtask: Subtask,
    /// From the beginning of the checkpoint to its report.
    pub end_to_end: Duration,
    /// What it took.
    pub cost: Cost,
}

/// What the snapshot of a subtask took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// From the first barrier to the last one, µs.
    pub alignment_us: u64,
    /// How long rows were held up, µs.
    pub sync_us: u64,
    /// From then on until everything was stored, µs.
    pub async_us: u64,
    /// Bytes stored for this checkpoint alone.
    pub bytes_new: u64,
    /// Bytes of all its files.
    pub bytes_full: u64,
    /// Bytes of rows on their way that it holds.
    pub bytes_in_flight: u64,
}
