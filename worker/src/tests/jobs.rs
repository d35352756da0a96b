//! Jobs that take checkpoints.

use std::{path::Path, sync::Arc};

use tokio::{runtime::Handle, sync::watch};
use weir_checkpoint::storage::Stores;
use weir_connector::RowOutput;
use weir_env::Clock;
use weir_model::Generation;
use weir_proto::graph::JobGraph;

use crate::{
    runtime::{
        align::Patience,
        checkpoint::{Checkpoints, state_folder},
        commands::Commands,
        subtask::Job,
    },
    state::{MemoryBudget, StateFolder, backend::Kind},
};

/// The folder of a job below a folder of this machine.
pub(super) fn folder(root: &Path, clock: &Arc<dyn Clock>) -> StateFolder {
    let stores = Stores::new(Arc::clone(clock), Vec::new());
    let folder = stores.folder(&root.display().to_string());
    state_folder(folder.expect("a folder"), String::new())
}

/// The first deployment of a job, with its files below a folder; `heard` is what its coordinator says.
pub(super) fn job(
    graph: JobGraph,
    root: &Path,
    clock: &Arc<dyn Clock>,
    patience: Patience,
    heard: watch::Receiver<Commands>,
    output: Arc<dyn RowOutput>,
) -> Job {
    Job {
        job: "job".to_owned(),
        generation: Generation(1),
        graph: Arc::new(graph),
        clock: Arc::clone(clock),
        output,
        seed: 0,
        alignment: Arc::default(),
        rehearsal: None,
        checkpoints: Some(Arc::new(Checkpoints {
            folder: folder(root, clock),
            stores: Stores::new(Arc::clone(clock), Vec::new()),
            local: root.join("local"),
            backend: Kind::Rocksdb,
            copies: None,
            memory: Arc::new(MemoryBudget::new(64 << 20)),
            patience,
            storing: Handle::current(),
            commands: heard,
        })),
        restored: None,
        commits: Arc::default(),
        secrets: Arc::default(),
    }
}
