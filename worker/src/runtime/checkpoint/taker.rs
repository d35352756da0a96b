//! Takes the state of a subtask at a barrier, has it stored, and tells what came of it.

use std::{ops::Range, sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::watch, task::JoinHandle};
use weir_checkpoint::{
    manifest::{CheckpointId, Files, OperatorState, SubtaskState},
    storage::{Folder, Stores, layout},
};
use weir_env::Clock;
use weir_model::{EventTime, Failure};

use super::{Beginning, Cut, Position, Taking};
use crate::{
    runtime::{
        align::Patience,
        chain::Chain,
        commands::Commands,
        in_flight::Keeper,
        message::Barrier,
        news::{Last, News, Taken},
    },
    state::{
        Scope, StateFolder,
        backend::{Backend, BackendConfig, OperatorTables, Persist, Persisted, Saying},
        shape,
    },
};

/// Rows of state that operators say before rows go on: nothing is left of a small state.
const SAID_AT_ONCE: usize = 1 << 13;
/// Rows of state that they say between two messages.
const SAID_IN_BETWEEN: usize = 1 << 12;
/// How long they say it in between, at most.
const SAID_WITHIN: Duration = Duration::from_secs(1);

/// Takes the checkpoints of one subtask.
pub struct Taker {
    place: (u32, u32),
    key_groups: Range<u32>,
    operators: Vec<OperatorState>,
    backend: Option<Backend>,
    keeper: Keeper,
    patience: Patience,
    commands: watch::Receiver<Commands>,
    stores: Stores,
    storing: Handle,
    clock: Arc<dyn Clock>,
    news: News,
    /// The checkpoint of which operators have yet to say all, and when they began.
    saying: Option<(Saying, Duration)>,
    /// What is being stored.
    storing_now: Vec<JoinHandle<()>>,
    /// The last checkpoint whose barrier was passed; 0: none.
    passed: u64,
    /// The newest checkpoints that were heard to be complete, and to be given up.
    heard: (u64, u64),
}

impl Taker {
    /// Gives the operators of a chain the rows that they begin with, and gets ready for checkpoints.
    pub async fn open(mut taking: Taking, chain: &mut Chain, beginning: &Beginning) -> Result<Self, Failure> {
        let tables: Vec<OperatorTables> = taking
            .operators
            .iter()
            .zip(chain.tables())
            .map(|((uid, name), tables)| OperatorTables {
                uid: uid.clone(),
                name: name.clone(),
                tables,
            })
            .collect();
        let operators = tables.iter().map(operator_state).collect::<Result<_, _>>()?;
        let mut backend = None;
        if tables.iter().any(|operator| !operator.tables.is_empty()) {
            let mut opened = open_backend(&taking, tables).await?;
            let mut leaves = vec![false; taking.makes.len()];
            for (at, make) in taking.makes.drain(..).enumerate() {
                if let (Some(make), Some(spill)) = (make, opened.spill(at)?) {
                    leaves[at] = chain.spill(at, make, spill);
                }
            }
            let mut give = |operator, table, rows| chain.restore(operator, table, &rows);
            let bytes = opened.restore(&beginning.from, &leaves, &mut give).await?;
            taking.news.tell_restored(bytes);
            if opened.scope() == Scope::Changes {
                chain.track_changes();
            }
            backend = Some(opened);
        }
        let watermarks: Vec<Option<EventTime>> = taking
            .operators
            .iter()
            .map(|(uid, _)| beginning.watermark(uid))
            .collect();
        chain.restored(&watermarks)?;
        Ok(Self {
            keeper: keeper(&taking),
            place: taking.place,
            key_groups: taking.key_groups,
            operators,
            backend,
            patience: taking.checkpoints.patience,
            commands: taking.checkpoints.commands.clone(),
            stores: taking.checkpoints.stores.clone(),
            storing: taking.checkpoints.storing.clone(),
            clock: taking.clock,
            news: taking.news,
            saying: None,
            storing_now: Vec::new(),
            passed: 0,
            heard: (0, 0),
        })
    }

    /// Whether a barrier does not wait for room.
    pub fn is_hasty(&self, barrier: &Barrier) -> bool {
        matches!(self.patience, Patience::Until(_)) && barrier.savepoint_url.is_none()
    }

    /// What the coordinator has said, if it has said anything since.
    pub fn hear(&mut self) -> Option<Commands> {
        // Without a coordinator nothing is said any more.
        if !self.commands.has_changed().unwrap_or(false) {
            return None;
        }
        let commands = self.commands.borrow_and_update().clone();
        let (completed, aborted) = self.heard;
        self.heard = (commands.completed, commands.aborted);
        if let Some(backend) = &mut self.backend {
            if commands.completed > completed {
                backend.complete(CheckpointId(commands.completed));
            }
            if commands.aborted > aborted {
                backend.abort(CheckpointId(commands.aborted));
            }
        }
        Some(commands)
    }

    /// Waits until the coordinator says something. Cancel-safe.
    pub async fn changed(&mut self) {
        if self.commands.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        // It is heard, not taken note of.
        self.commands.mark_changed();
    }

    /// Takes the state of the operators at a barrier. It is stored, and told of, while rows go on. Rows are held up since `since`.
    pub fn take(
        &mut self,
        chain: &mut Chain,
        cut: Cut,
        commits: Vec<(usize, Vec<String>)>,
        since: Duration,
    ) -> Result<(), Failure> {
        let Cut {
            barrier,
            splits,
            alignment,
            in_flight,
        } = cut;
        self.say(chain, usize::MAX)?;
        let mut state = self.state(chain, Position { splits, commits });
        let (checkpoint, news, clock) = (barrier.checkpoint, self.news.clone(), Arc::clone(&self.clock));
        self.passed = checkpoint;
        let stored = match &mut self.backend {
            None => None,
            Some(backend) => {
                let to = to(&barrier, &self.stores, self.place)?;
                let (saying, stored) = persist(backend, chain, CheckpointId(checkpoint), to)?;
                self.saying = saying.map(|saying| (saying, since));
                Some(stored)
            }
        };
        self.say(chain, SAID_AT_ONCE)?;
        let keeper = self.keeper.clone();
        let taken_at = self.clock.elapsed();
        self.storing_now.retain(|storing| !storing.is_finished());
        let storing = self.storing.spawn(async move {
            let persisted = async {
                match stored {
                    None => Ok(Persisted::default()),
                    Some(stored) => stored.await,
                }
            };
            let kept = async {
                match in_flight {
                    None => Ok(None),
                    Some(recorded) => keeper.keep(CheckpointId(checkpoint), recorded).await,
                }
            };
            let taken = tokio::try_join!(persisted, kept).map(|(persisted, in_flight)| {
                let bytes_in_flight = in_flight.as_ref().map_or(0, |in_flight| in_flight.file.bytes);
                state.files = persisted.files;
                state.in_flight = in_flight;
                Taken {
                    state,
                    alignment,
                    sync: taken_at.saturating_sub(since),
                    asynchronous: clock.elapsed().saturating_sub(taken_at),
                    bytes_new: persisted.bytes_new + bytes_in_flight,
                    bytes_full: persisted.bytes_full + bytes_in_flight,
                    bytes_in_flight,
                }
            });
            news.tell_snapshot(checkpoint, taken);
        });
        self.storing_now.push(storing);
        Ok(())
    }

    /// Lets operators say more of the checkpoint that was taken last: a millisecond of work, about, and all that is left if rows come
    /// too seldom to do it in between.
    pub fn say_more(&mut self, chain: &mut Chain) -> Result<(), Failure> {
        match &self.saying {
            None => Ok(()),
            Some((_, since)) => {
                let is_late = self.clock.elapsed().saturating_sub(*since) > SAID_WITHIN;
                self.say(chain, if is_late { usize::MAX } else { SAID_IN_BETWEEN })
            }
        }
    }

    /// Lets each operator say so many rows more, and hands over what was said once it is all.
    fn say(&mut self, chain: &mut Chain, rows: usize) -> Result<(), Failure> {
        while self.saying.is_some() {
            if let Some(changes) = chain.thaw(rows)? {
                if let Some((saying, _)) = self.saying.take() {
                    saying.give(changes);
                }
                break;
            }
            if rows < usize::MAX {
                break;
            }
        }
        Ok(())
    }

    /// Waits until everything that was taken is stored, or given up.
    pub async fn settle(&mut self, chain: &mut Chain) -> Result<(), Failure> {
        self.say(chain, usize::MAX)?;
        while let Some(mut storing) = self.storing_now.pop() {
            while !storing.is_finished() {
                tokio::select! {
                    // One that broke down has told nothing, and its checkpoint times out.
                    _ = &mut storing => {}
                    () = self.changed() => drop(self.hear()),
                }
            }
        }
        Ok(())
    }

    /// What is left of the subtask when everything has ended.
    pub fn last(&self, chain: &Chain, position: Position) -> Last {
        Last {
            state: SubtaskState {
                finished: true,
                ..self.state(chain, position)
            },
            passed: (self.passed > 0).then_some(self.passed),
        }
    }

    fn state(&self, chain: &Chain, mut position: Position) -> SubtaskState {
        let mut operators = self.operators.clone();
        for (at, operator) in operators.iter_mut().enumerate() {
            let watermark = Some(chain.watermark(at)).filter(|time| *time != EventTime::MIN);
            operator.watermark_ms = watermark.map(|time| time.0);
        }
        if let Some(source) = operators.first_mut() {
            source.splits = position.splits;
        }
        for (at, commits) in position.commits.drain(..) {
            operators[at].commits.extend(commits);
        }
        SubtaskState {
            task: self.place.0,
            subtask: self.place.1,
            key_groups: self.key_groups.clone(),
            finished: false,
            operators,
            files: Files::default(),
            in_flight: None,
        }
    }
}

/// Waits until the coordinator says something; for ever where there is none. Cancel-safe.
pub async fn said(taker: &mut Option<Taker>) {
    match taker {
        Some(taker) => taker.changed().await,
        None => std::future::pending().await,
    }
}

type Stored = futures::future::BoxFuture<'static, Result<Persisted, Failure>>;

/// Where the state at a barrier goes.
fn to(barrier: &Barrier, stores: &Stores, place: (u32, u32)) -> Result<Persist, Failure> {
    Ok(match &barrier.savepoint_url {
        None => Persist::Checkpoint,
        Some(url) => {
            let (task, subtask) = place;
            let folder = layout::savepoint_data_of(task, subtask);
            Persist::Savepoint(state_folder(stores.folder(url)?, folder))
        }
    })
}

/// Takes the state of operators, of which they have yet to say what they have frozen.
fn persist(
    backend: &mut Backend,
    chain: &mut Chain,
    checkpoint: CheckpointId,
    to: Persist,
) -> Result<(Option<Saying>, Stored), Failure> {
    if backend.scope() == Scope::All {
        let changes = chain.snapshot(Scope::All)?;
        return Ok((None, backend.persist(checkpoint, changes, to)));
    }
    chain.freeze()?;
    let (saying, stored) = backend.persist_said(checkpoint, to);
    Ok((Some(saying), stored))
}

async fn open_backend(taking: &Taking, operators: Vec<OperatorTables>) -> Result<Backend, Failure> {
    let checkpoints = &taking.checkpoints;
    let ((task, subtask), copies) = (taking.place, checkpoints.copies.clone());
    let local = checkpoints.local_folder(&taking.job, taking.generation);
    let config = BackendConfig {
        kind: checkpoints.backend,
        folder: local.join(format!("{task}-{subtask}")),
        files: files_of(taking),
        copies: copies.map(|copies| copies.of_subtask(taking.generation.0, taking.place)),
        key_groups: taking.key_groups.clone(),
        max_parallelism: taking.max_parallelism,
        operators,
        memory: Arc::clone(&checkpoints.memory),
        clock: Arc::clone(&taking.clock),
    };
    // It works where it is opened: not on the threads of tasks.
    let opened = checkpoints.storing.spawn(Backend::open(config)).await;
    opened.unwrap_or_else(|e| Err(Failure::internal(format!("state could not be opened: {e}"))))
}

/// Where a subtask makes its files.
fn files_of(taking: &Taking) -> StateFolder {
    let (task, subtask) = taking.place;
    StateFolder {
        prefix: layout::state_of(taking.generation.0, task, subtask),
        ..taking.checkpoints.folder.clone()
    }
}

fn keeper(taking: &Taking) -> Keeper {
    let (task, subtask) = taking.place;
    let local = taking.checkpoints.local_folder(&taking.job, taking.generation);
    Keeper {
        folder: files_of(taking),
        scratch: local.join(format!("{task}-{subtask}-in-flight-")),
        clock: Arc::clone(&taking.clock),
    }
}

/// A folder, in which files are made under a prefix.
pub fn state_folder(folder: Folder, prefix: String) -> StateFolder {
    StateFolder {
        store: folder.store,
        root: folder.root,
        url: folder.url,
        prefix,
    }
}

fn operator_state(operator: &OperatorTables) -> Result<OperatorState, Failure> {
    Ok(OperatorState {
        uid: operator.uid.clone(),
        name: operator.name.clone(),
        tables: operator.tables.iter().map(shape::of).collect::<Result<_, _>>()?,
        ..OperatorState::default()
    })
}
