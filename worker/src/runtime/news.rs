//! What a subtask tells of itself.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use weir_checkpoint::manifest::SubtaskState;
use weir_model::{Failure, Generation};
use weir_proto::control;

use crate::state::backend::RestoredBytes;

/// What a subtask has come to.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Everything is open; it waits for the start.
    Deployed,
    /// It runs.
    Running,
    /// All input was read and all output written.
    Finished,
    /// It was cancelled.
    Cancelled,
    /// It failed.
    Failed(Failure),
}

impl Stage {
    /// Whether nothing follows.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Finished | Self::Cancelled | Self::Failed(_))
    }
}

/// News of a subtask.
#[derive(Clone, Debug)]
pub struct SubtaskEvent {
    /// The job.
    pub job: String,
    /// Its deployment.
    pub generation: Generation,
    /// Which task.
    pub task: u32,
    /// Which of its subtasks.
    pub subtask: u32,
    /// What has happened.
    pub happened: Happened,
}

/// What has happened to a subtask.
#[derive(Clone, Debug)]
pub enum Happened {
    /// It has come to a stage.
    Stage {
        /// Which.
        stage: Stage,
        /// The last numbers, at the end.
        metrics: Option<control::SubtaskMetrics>,
        /// What is left of it, if it has finished and checkpoints are taken.
        last: Option<Box<Last>>,
    },
    /// It has the state that it begins with, whose files came from there.
    Restored(RestoredBytes),
    /// Its state at the barrier of a checkpoint is stored, or could not be.
    Snapshot {
        /// Which checkpoint.
        checkpoint: u64,
        /// What it had there.
        taken: Result<Box<Taken>, Failure>,
    },
    /// Its sinks have committed what they had prepared for a checkpoint and earlier ones, or could not.
    Commit {
        /// Which checkpoint.
        checkpoint: u64,
        /// Whether they have.
        committed: Result<(), Failure>,
    },
}

/// What a subtask had at a barrier, stored.
#[derive(Clone, Debug)]
pub struct Taken {
    /// For the manifest.
    pub state: SubtaskState,
    /// From the first barrier to the last one, or until rows in flight were recorded in place of waiting for it.
    pub alignment: Duration,
    /// How long rows were held up.
    pub sync: Duration,
    /// From then on until everything was stored.
    pub asynchronous: Duration,
    /// Bytes stored for this checkpoint alone.
    pub bytes_new: u64,
    /// Bytes of all its files.
    pub bytes_full: u64,
    /// Of these, bytes of rows in flight.
    pub bytes_in_flight: u64,
}

/// What is left of a subtask that has finished.
#[derive(Clone, Debug)]
pub struct Last {
    /// For the manifests to come.
    pub state: SubtaskState,
    /// The last checkpoint whose barrier it passed.
    pub passed: Option<u64>,
}

/// Tells the news of one subtask.
#[derive(Clone, Debug)]
pub struct News {
    /// Where they go.
    pub events: UnboundedSender<SubtaskEvent>,
    /// The job.
    pub job: String,
    /// Its deployment.
    pub generation: Generation,
    /// Which task.
    pub task: u32,
    /// Which of its subtasks.
    pub subtask: u32,
}

impl News {
    /// It has come to a stage that is not the last.
    pub fn tell_stage(&self, stage: Stage) {
        self.tell(Happened::Stage {
            stage,
            metrics: None,
            last: None,
        });
    }

    /// It has come to its end.
    pub fn tell_end(&self, stage: Stage, metrics: control::SubtaskMetrics, last: Option<Last>) {
        self.tell(Happened::Stage {
            stage,
            metrics: Some(metrics),
            last: last.map(Box::new),
        });
    }

    /// It has the state that it begins with.
    pub fn tell_restored(&self, bytes: RestoredBytes) {
        if bytes != RestoredBytes::default() {
            self.tell(Happened::Restored(bytes));
        }
    }

    /// Its state at a barrier is stored, or could not be.
    pub fn tell_snapshot(&self, checkpoint: u64, taken: Result<Taken, Failure>) {
        self.tell(Happened::Snapshot {
            checkpoint,
            taken: taken.map(Box::new),
        });
    }

    /// Its sinks have committed, or could not.
    pub fn tell_commit(&self, checkpoint: u64, committed: Result<(), Failure>) {
        self.tell(Happened::Commit {
            checkpoint,
            committed,
        });
    }

    fn tell(&self, happened: Happened) {
        let event = SubtaskEvent {
            job: self.job.clone(),
            generation: self.generation,
            task: self.task,
            subtask: self.subtask,
            happened,
        };
        // Nobody listens any more when the process ends.
        let _ = self.events.send(event);
    }
}
