//! The state backend: keeps the rows of a subtask's operators, for checkpoints and from one deployment to the next.
//!
//! - `rocksdb`: a database on this machine's disk takes what has changed at each checkpoint. Its files never change; those that a
//!   complete checkpoint has are not uploaded again.
//! - `memory`: each checkpoint is all rows, in a file of their own.
//!
//! Either kind begins with what the other one left, and so does another parallelism: rows are found by key group, operator and table.
//!
//! - [`config`]: what a backend is told. Leans on nothing.
//! - `encode`: changes as puts and deletes. Leans on nothing.
//! - `uploaded`: which files are in the object store already. Leans on nothing.
//! - `local`: the database. Leans on the byte store.
//! - `runs`: rows sorted into a file. Leans on nothing.
//! - `order`: in which order the database gets what operators say. Leans on nothing.
//! - `due`: when event time needs rows of the database. Leans on the byte store.
//! - [`spill`]: rows that are in the database and not in memory. Leans on `local`, `order`, `due` and `encode`.
//! - `persist`: what is done on other threads for a checkpoint. Leans on `local`, `encode`, `runs` and `uploaded`.
//! - `fetch`: brings what other subtasks left to this machine. Leans on `local` and `persist`.
//! - `reshape`: makes rows of earlier versions of a query rows of this one. Leans on nothing.
//! - `restore`: has it in the database, and reads what cannot stay there. Leans on `fetch` and `reshape`.

pub mod config;
mod due;
mod encode;
mod fetch;
mod local;
mod order;
mod persist;
mod reshape;
mod restore;
mod runs;
pub mod spill;
#[cfg(test)]
pub(crate) mod tests;
mod uploaded;

use std::{
    collections::BTreeMap,
    fmt, fs,
    sync::{Arc, OnceLock},
};

use arrow_array::RecordBatch;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use weir_checkpoint::manifest::{CheckpointId, FilesFormat};
use weir_model::Failure;

use super::{Change, Scope, codec::Codec, copies::SubtaskCopies};
use local::Local;
use order::Order;
use persist::{Job, Work};
use spill::Spill;
use uploaded::Uploaded;

pub use config::{BackendConfig, Kind, OperatorTables, Persist, Persisted, Restored, RestoredBytes};
pub use order::Saying;

/// The state of one subtask, outside of its operators.
///
/// It works on the threads of the runtime in which it was opened, and stops when it is dropped.
pub struct Backend {
    shared: Arc<Shared>,
    runtime: Handle,
    /// Checkpoints of the database, which are taken one behind the other.
    queue: mpsc::UnboundedSender<Work>,
    /// What stops each checkpoint that is under way.
    under_way: BTreeMap<CheckpointId, CancellationToken>,
    closed: CancellationToken,
    _close: DropGuard,
}

/// What the threads that work for a backend share.
struct Shared {
    config: BackendConfig,
    /// By operator and table.
    codecs: Vec<Vec<Codec>>,
    local: Mutex<Local>,
    uploaded: Mutex<Uploaded>,
    order: Order,
    /// By operator, whether rows that it begins with were left in the database.
    left: OnceLock<Vec<bool>>,
}

impl Backend {
    /// A backend with no rows yet. Whatever is in its local folder is removed.
    ///
    /// # Errors
    /// An internal failure if the folder cannot be made; a user failure for tables whose types cannot be kept.
    pub async fn open(config: BackendConfig) -> Result<Self, Failure> {
        let codecs = codecs(&config)?;
        let folder = config.folder.clone();
        blocking(move || emptied(&folder)).await?;
        let local = Local::new(config.folder.join("db"), Arc::clone(&config.memory));
        let shared = Arc::new(Shared {
            local: Mutex::new(local),
            uploaded: Mutex::default(),
            order: Order::default(),
            left: OnceLock::new(),
            codecs,
            config,
        });
        let (queue, jobs) = mpsc::unbounded_channel();
        let closed = CancellationToken::new();
        tokio::spawn(persist::run(Arc::clone(&shared), jobs, closed.clone()));
        Ok(Self {
            shared,
            runtime: Handle::current(),
            queue,
            under_way: BTreeMap::new(),
            _close: closed.clone().drop_guard(),
            closed,
        })
    }

    /// What operators are asked for at a checkpoint or a savepoint.
    pub fn scope(&self) -> Scope {
        match self.shared.config.kind {
            Kind::Rocksdb => Scope::Changes,
            Kind::Memory => Scope::All,
        }
    }

    /// What lets an operator, by its position, have more state than there is memory; none: its state is in one piece, or this backend has no
    /// place for it.
    pub fn spill(&self, operator: usize) -> Result<Option<Spill>, Failure> {
        match self.shared.config.kind {
            Kind::Rocksdb => Spill::new(&self.shared, operator, self.runtime.clone()),
            Kind::Memory => Ok(None),
        }
    }

    /// Begins with the rows that other subtasks left: those of its key groups, of operators whose uids it has.
    ///
    /// `sink` gets them with the positions of operator and table, table by table, in the order of their keys. Call it once, before
    /// the first checkpoint. Of operators that `leaves` names by their position, rows may stay in the database, if there are more than a
    /// few: their [`Spill`] says so, and finds them. After a failure the backend is of no more use. Returns where the files came from.
    ///
    /// # Errors
    /// A user failure where a table has other columns now; an external or internal one that names the file which is damaged, not
    /// there, or cannot be read.
    pub async fn restore(
        &mut self,
        from: &[Restored],
        leaves: &[bool],
        sink: &mut (dyn FnMut(usize, usize, RecordBatch) -> Result<(), Failure> + Send),
    ) -> Result<RestoredBytes, Failure> {
        restore::restore(&self.shared, from, leaves, sink).await
    }

    /// Takes what operators say in its [scope](Self::scope), by operator, for a checkpoint or a savepoint, and hands it over to other
    /// threads.
    ///
    /// The future is done when the files are in the object store. It need not be polled for that. The changes of a checkpoint or a
    /// savepoint that fails or is aborted count for those after it.
    pub fn persist(
        &mut self,
        checkpoint: CheckpointId,
        changes: Vec<Vec<Change>>,
        to: Persist,
    ) -> BoxFuture<'static, Result<Persisted, Failure>> {
        let (saying, persisted) = self.persist_said(checkpoint, to);
        saying.give(changes);
        persisted
    }

    /// The same, where operators have yet to say it all.
    pub fn persist_said(
        &mut self,
        checkpoint: CheckpointId,
        to: Persist,
    ) -> (Saying, BoxFuture<'static, Result<Persisted, Failure>>) {
        let (given, changes) = oneshot::channel();
        let saying = Saying::new(&self.shared, given);
        let aborted = self.closed.child_token();
        self.under_way.insert(checkpoint, aborted.clone());
        let (reply, answer) = oneshot::channel();
        let job = Job {
            checkpoint,
            changes,
            aborted,
            reply,
        };
        match (to, self.shared.config.kind) {
            (to, Kind::Rocksdb) => {
                self.shared.order.hand_over();
                // Should nobody take it any more, the answer says so.
                drop(self.queue.send(Work { job, to }));
            }
            (to, Kind::Memory) => drop(
                self.runtime
                    .spawn(persist::rows(Arc::clone(&self.shared), job, to)),
            ),
        }
        let persisted = async { answer.await.unwrap_or_else(|_| Err(closed())) };
        (saying, Box::pin(persisted))
    }

    /// The checkpoint is there: later ones may refer to its files.
    pub fn complete(&mut self, checkpoint: CheckpointId) {
        self.under_way.remove(&checkpoint);
        self.shared.uploaded.lock().complete(checkpoint);
        self.with_copies(move |copies| copies.complete(checkpoint));
    }

    /// The checkpoint will never be there: what is left to do for it is not done.
    pub fn abort(&mut self, checkpoint: CheckpointId) {
        if let Some(aborted) = self.under_way.remove(&checkpoint) {
            aborted.cancel();
        }
        self.shared.uploaded.lock().abort(checkpoint);
        self.with_copies(move |copies| copies.abort(checkpoint));
    }

    fn with_copies(&self, work: impl FnOnce(&SubtaskCopies) + Send + 'static) {
        if let Some(copies) = self.shared.config.copies.clone() {
            self.runtime.spawn_blocking(move || work(&copies));
        }
    }

    /// How the files of its checkpoints are to be read.
    pub fn format(&self) -> FilesFormat {
        match self.shared.config.kind {
            Kind::Rocksdb => FilesFormat::Rocksdb,
            Kind::Memory => FilesFormat::Sorted,
        }
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

fn codecs(config: &BackendConfig) -> Result<Vec<Vec<Codec>>, Failure> {
    let of_operator = |(operator, tables): (u16, &OperatorTables)| {
        let tables = (0..).zip(&tables.tables);
        tables
            .map(|(number, table)| Codec::new(table.clone(), operator, number, config.max_parallelism))
            .collect()
    };
    (0..).zip(&config.operators).map(of_operator).collect()
}

fn emptied(folder: &std::path::Path) -> Result<(), Failure> {
    let emptied = match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(folder),
    };
    let folder = folder.display();
    emptied.map_err(|e| Failure::internal(format!("cannot make the folder {folder} for state: {e}")))
}

fn closed() -> Failure {
    Failure::internal("the subtask has ended, its state is not written any more")
}

/// Runs what blocks on a thread that may block, from now on.
fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> impl Future<Output = Result<T, Failure>> + Send {
    let done = tokio::task::spawn_blocking(work);
    async {
        let done = done.await;
        done.unwrap_or_else(|e| {
            Err(Failure::internal(format!(
                "a thread that works on state broke down: {e}"
            )))
        })
    }
}
