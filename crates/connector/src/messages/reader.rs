//! A source whose splits are read by tasks of their own: they wait for other systems, and what they get is decoded where it is asked for.

use std::future::pending;

use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio::{sync::mpsc, task::JoinSet};

use super::{Message, Rows};
use crate::{ConnectorError, Source, SourceContext, SourceEvent, Split};

/// How many deliveries of a split may wait to be decoded; then its task waits.
const WAITING: usize = 2;

/// How far a split is read.
pub(crate) trait Position: Clone + Send + Sync + 'static {
    /// As checkpoints keep it.
    fn to_split(&self) -> Split;
}

/// Messages that came together: at most as many as a batch shall have rows.
pub(crate) struct Delivery<M, P> {
    /// In the split's order; there may be none.
    pub(crate) messages: Vec<M>,
    /// Behind them.
    pub(crate) position: P,
    /// How many are behind that, if it is known.
    pub(crate) lag: Option<u64>,
    /// No more come, ever.
    pub(crate) is_last: bool,
}

type Came<M, P> = (usize, Result<Delivery<M, P>, ConnectorError>);

/// Where a task hands over what it gets.
pub(crate) struct Outlet<M, P> {
    split: usize,
    sender: mpsc::Sender<Came<M, P>>,
}

impl<M, P> Outlet<M, P> {
    /// Returns when there is room. If nobody reads any more, it does not: then the task is about to be ended.
    pub(crate) async fn send(&self, delivery: Delivery<M, P>) {
        if self.sender.send((self.split, Ok(delivery))).await.is_err() {
            pending::<()>().await;
        }
    }
}

/// What reads a split until it ends or fails.
pub(crate) type Task = BoxFuture<'static, Result<(), ConnectorError>>;

/// Reads splits by tasks, which end with it.
pub(crate) struct Reader<M, P> {
    parts: Vec<Part<P>>,
    rows: Rows,
    receiver: mpsc::Receiver<Came<M, P>>,
    _tasks: JoinSet<()>,
    context: SourceContext,
}

struct Part<P> {
    position: P,
    lag: Option<u64>,
    is_over: bool,
    has_ended: bool,
}

impl<M: Message, P: Position> Reader<M, P> {
    /// Starts a task for each split, which it reads from its position on.
    pub(crate) fn start(
        rows: Rows,
        context: &SourceContext,
        positions: Vec<P>,
        mut task: impl FnMut(P, Outlet<M, P>) -> Task,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING * positions.len().max(1));
        let mut tasks = JoinSet::new();
        for (split, position) in positions.iter().enumerate() {
            let outlet = Outlet {
                split,
                sender: sender.clone(),
            };
            let (reading, sender) = (task(position.clone(), outlet), sender.clone());
            tasks.spawn(async move {
                if let Err(error) = reading.await {
                    let _ = sender.send((split, Err(error))).await;
                }
            });
        }
        let part = |position| Part {
            position,
            lag: None,
            is_over: false,
            has_ended: false,
        };
        Self {
            parts: positions.into_iter().map(part).collect(),
            rows,
            receiver,
            _tasks: tasks,
            context: context.clone(),
        }
    }

    /// Decodes what came; none: there is no row in it.
    fn take(
        &mut self,
        split: usize,
        delivery: Delivery<M, P>,
    ) -> Result<Option<SourceEvent>, ConnectorError> {
        let mut letters = Vec::new();
        for message in &delivery.messages {
            letters.extend(self.rows.push(message, &self.context)?);
        }
        let part = &mut self.parts[split];
        part.position = delivery.position;
        part.is_over = delivery.is_last;
        part.lag = delivery.lag;
        self.context.counters.set_lag(self.lag());
        if self.rows.len() == 0 && letters.is_empty() {
            return Ok(None);
        }
        if let Some(dead_letters) = &self.context.dead_letters {
            dead_letters.put(letters);
        }
        let batch = self.rows.take();
        let batch = batch.map_err(|error| ConnectorError::internal(format!("rows of messages: {error}")))?;
        Ok(Some(SourceEvent::Rows { split, batch }))
    }

    /// How many messages wait behind what was read; none if nobody has said so of any split.
    fn lag(&self) -> Option<u64> {
        self.parts
            .iter()
            .filter_map(|part| part.lag)
            .reduce(u64::saturating_add)
    }
}

#[async_trait]
impl<M: Message, P: Position> Source for Reader<M, P> {
    async fn next(&mut self) -> Result<SourceEvent, ConnectorError> {
        loop {
            let is_over = |part: &Part<P>| part.is_over && !part.has_ended;
            if let Some(split) = self.parts.iter().position(is_over) {
                self.parts[split].has_ended = true;
                return Ok(SourceEvent::SplitEnd { split });
            }
            if self.parts.iter().all(|part| part.has_ended) {
                return Ok(SourceEvent::End);
            }
            let Some((split, came)) = self.receiver.recv().await else {
                return Err(ConnectorError::internal("a task that reads a split is gone"));
            };
            if let Some(event) = self.take(split, came?)? {
                return Ok(event);
            }
        }
    }

    fn positions(&self) -> Vec<Split> {
        let open = self.parts.iter().filter(|part| !part.has_ended);
        open.map(|part| part.position.to_split()).collect()
    }
}
