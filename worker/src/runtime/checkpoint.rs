//! One subtask's part in checkpoints: what it takes, and what it begins with.
//!
//! - `taker`: takes its state at a barrier, has it stored, and tells what came of it.

mod taker;

use std::{ops::Range, path::PathBuf, sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::watch};
use weir_checkpoint::{
    manifest::{OperatorState, SplitState},
    storage::Stores,
};
use weir_env::Clock;
use weir_model::{EventTime, Generation};

use super::{align::Patience, commands::Commands, in_flight::Recorded, message::Barrier, news::News};
use crate::state::{
    MemoryBudget, StateFolder,
    backend::{Kind, Restored},
    copies::JobCopies,
    rehearse::Make,
};

pub use taker::{Taker, said, state_folder};

/// What all subtasks of a deployment share that takes checkpoints.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    /// Where their files go: the job's folder.
    pub folder: StateFolder,
    /// Opens the folders of savepoints.
    pub stores: Stores,
    /// A folder on this machine for their databases.
    pub local: PathBuf,
    /// How rows are kept.
    pub backend: Kind,
    /// Where files of checkpoints are kept on this machine; none: nowhere.
    pub copies: Option<Arc<JobCopies>>,
    /// The worker's memory.
    pub memory: Arc<MemoryBudget>,
    /// How long channels wait for each other's barriers.
    pub patience: Patience,
    /// Threads that store.
    pub storing: Handle,
    /// What the coordinator says.
    pub commands: watch::Receiver<Commands>,
}

impl Checkpoints {
    /// The folder on this machine for the databases of a deployment.
    pub fn local_folder(&self, job: &str, generation: Generation) -> PathBuf {
        self.local.join(job).join(generation.to_string())
    }
}

/// What a subtask says of itself beside what its operators keep.
#[derive(Debug, Default)]
pub struct Position {
    /// Its source's splits.
    pub splits: Vec<SplitState>,
    /// By position in the chain, what its sinks have to commit.
    pub commits: Vec<(usize, Vec<String>)>,
}

/// Where a checkpoint cuts through a subtask.
#[derive(Debug)]
pub struct Cut {
    /// The checkpoint.
    pub barrier: Arc<Barrier>,
    /// Where its source's splits are.
    pub splits: Vec<SplitState>,
    /// How long channels waited for each other.
    pub alignment: Duration,
    /// The rows in flight; none in an aligned checkpoint.
    pub in_flight: Option<Recorded>,
}

/// What a subtask begins with.
#[derive(Debug, Default)]
pub struct Beginning {
    /// What was left of it and of others.
    pub from: Vec<Restored>,
    /// All that is left of it has ended.
    pub has_finished: bool,
}

impl Beginning {
    /// With these; none: with nothing.
    pub fn new(from: Vec<Restored>) -> Self {
        Self {
            has_finished: !from.is_empty() && from.iter().all(|restored| restored.state.finished),
            from,
        }
    }

    /// What is left of an operator, by its uid.
    pub fn of<'a>(&'a self, uid: &'a str) -> impl Iterator<Item = &'a OperatorState> + 'a {
        let operators = self.from.iter().flat_map(|restored| &restored.state.operators);
        operators.filter(move |operator| operator.uid == uid)
    }

    /// The time to which an operator had come in all that is left; none: not anywhere, or to the end.
    fn watermark(&self, uid: &str) -> Option<EventTime> {
        let times = self.of(uid).map(|operator| operator.watermark_ms.map(EventTime));
        times.min().flatten().filter(|time| *time != EventTime::MAX)
    }
}

/// What a [`Taker`] is made from.
pub struct Taking {
    /// What it shares with the others.
    pub checkpoints: Arc<Checkpoints>,
    /// The job's id.
    pub job: String,
    /// Its deployment.
    pub generation: Generation,
    /// Which task, which subtask of it.
    pub place: (u32, u32),
    /// The key groups that are its own.
    pub key_groups: Range<u32>,
    /// Those of the job.
    pub max_parallelism: u32,
    /// By position in the chain, uid and name.
    pub operators: Vec<(String, String)>,
    /// By position in the chain, what makes an operator anew; none: it cannot be.
    pub makes: Vec<Option<Make>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where it says what it has.
    pub news: News,
}
