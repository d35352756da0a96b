//! Rows of lookup joins on their way to a table outside and back, in order, with all that was said behind them.
//!
//! A lookup join is a node of its chain whose messages leave the chain and come back: rows with their answers, watermarks and
//! the end behind the rows that they came behind. Questions are on their way at once, as many as the join allows and as
//! long as their rows are not too large together; then the task waits, which holds back what feeds it.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use arrow_schema::SchemaRef;
use futures::{StreamExt, future::BoxFuture, stream::FuturesOrdered};
use weir_connector::{Lookup, LookupContext, connector};
use weir_env::Clock;
use weir_model::Failure;
use weir_proto::graph;

use super::{chain::Place, message::Message, subtask::table};
use crate::operator::lookup::LookupJoin;

/// Bytes of rows that may be on their way in one lookup join; one batch may exceed it.
const BYTES_ON_THE_WAY: usize = 16 << 20;

/// What comes back for one message, with the bytes that it was counted as.
type Answer = (usize, Result<Vec<Message>, Failure>);

/// The questions of one lookup join.
struct Questions {
    /// The node that they leave.
    node: usize,
    join: Arc<LookupJoin>,
    lookup: Arc<dyn Lookup>,
    clock: Arc<dyn Clock>,
    capacity: usize,
    timeout: Duration,
    on_the_way: FuturesOrdered<BoxFuture<'static, Answer>>,
    bytes: usize,
}

impl Questions {
    fn is_full(&self) -> bool {
        self.on_the_way.len() >= self.capacity || self.bytes >= BYTES_ON_THE_WAY
    }

    fn push(&mut self, message: Message) {
        let bytes = message.bytes();
        self.bytes += bytes;
        let (join, lookup, clock) = (
            Arc::clone(&self.join),
            Arc::clone(&self.lookup),
            Arc::clone(&self.clock),
        );
        let timeout = self.timeout;
        self.on_the_way.push_back(Box::pin(async move {
            let answer = answer(message, &join, lookup.as_ref(), clock.as_ref(), timeout).await;
            (bytes, answer)
        }));
    }
}

async fn answer(
    message: Message,
    join: &LookupJoin,
    lookup: &dyn Lookup,
    clock: &dyn Clock,
    timeout: Duration,
) -> Result<Vec<Message>, Failure> {
    let Message::Batch(batch) = message else {
        return Ok(vec![message]);
    };
    let asking = join.ask(batch)?;
    let found = match &asking.keys {
        None => None,
        Some(keys) => Some(tokio::select! {
            biased;
            found = lookup.lookup(keys) => found?,
            () = clock.sleep(timeout) => {
                return Err(Failure::external(format!(
                    "a lookup took longer than 'table.exec.async-lookup.timeout' ({} ms)",
                    timeout.as_millis()
                )));
            }
        }),
    };
    let batches = join.join(&asking, found)?;
    Ok(batches.into_iter().map(Message::Batch).collect())
}

/// The questions of all lookup joins of a subtask.
pub struct Lookups {
    joins: Vec<Questions>,
    place: Arc<Place>,
}

/// Opens the table of a lookup join, the operator at a position of the chain.
pub struct Opening<'a> {
    /// What the operator does.
    pub spec: &'a graph::LookupJoin,
    /// The schema of the rows that it takes.
    pub input: SchemaRef,
    /// The schema of the rows that it emits.
    pub output: SchemaRef,
    /// Its position.
    pub node: usize,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Lookups {
    /// None yet.
    pub fn new(place: Arc<Place>) -> Self {
        Self {
            joins: Vec::new(),
            place,
        }
    }

    /// Adds a lookup join; waits until its table can be asked.
    pub async fn open(&mut self, opening: Opening<'_>) -> Result<(), Failure> {
        let Opening {
            spec,
            input,
            output,
            node,
            clock,
        } = opening;
        let join = LookupJoin::new(spec, &input, output)?;
        let table = table(spec.table.as_ref())?;
        let factory = connector(&table.connector)
            .and_then(|c| c.lookup(&table))
            .map_err(|e| Failure::user(e.to_string()))?;
        let context = LookupContext {
            keys: spec.table_keys.iter().map(|key| *key as usize).collect(),
            key_types: join.key_types(&input),
            schema: Arc::clone(join.lookup_schema()),
            clock: Arc::clone(&clock),
        };
        let lookup = factory.open(context).await?;
        self.joins.push(Questions {
            node,
            join: Arc::new(join),
            lookup,
            clock,
            capacity: spec.capacity.max(1) as usize,
            timeout: Duration::from_millis(spec.timeout_ms.max(1)),
            on_the_way: FuturesOrdered::new(),
            bytes: 0,
        });
        Ok(())
    }

    /// Whether any join has no room for a further message.
    pub fn is_full(&self) -> bool {
        self.joins.iter().any(Questions::is_full)
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.joins.iter().all(|join| join.on_the_way.is_empty())
    }

    /// Sends a message of the lookup join at a position on its way.
    pub fn push(&mut self, node: usize, message: Message) -> Result<(), Failure> {
        let join = self.joins.iter_mut().find(|join| join.node == node);
        join.ok_or_else(|| Failure::internal("a message for a table that was not opened"))?
            .push(message);
        Ok(())
    }

    /// What has come back next, with the position of the lookup join, if it has.
    pub fn try_next(&mut self) -> Result<Option<(usize, Vec<Message>)>, Failure> {
        match self.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(next) => next.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// What comes back next; waits for ever if nothing is on its way. Cancel-safe.
    pub async fn next(&mut self) -> Result<(usize, Vec<Message>), Failure> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<(usize, Vec<Message>), Failure>> {
        for join in &mut self.joins {
            if let Poll::Ready(Some((bytes, answer))) = join.on_the_way.poll_next_unpin(context) {
                join.bytes -= bytes;
                if answer.is_err() {
                    self.place.enter(join.node);
                }
                return Poll::Ready(answer.map(|messages| (join.node, messages)));
            }
        }
        Poll::Pending
    }
}
