//! Exactly-once: the rows between two barriers are one transaction, which is committed when the checkpoint is there.
//!
//! - `scram`: the words of a login by SCRAM. Pure.
//! - `security`: TLS and SASL, as the table's settings say. Leans on `scram`.
//! - `wire`: requests to a broker. Leans on `security`.
//! - `cluster`: what is asked of a cluster about transactions. Leans on `wire`.
//! - `log`: how a transaction ended, as a log says. Pure.
//! - `ids`: transactional ids. Leans on nothing.
//! - `commit`: what a checkpoint says of a transaction, and committing it. Leans on all of the above.
//!
//! librdkafka can commit a transaction only through the producer that wrote it, which a crash between the manifest and the commit takes
//! away. So a producer is for one transaction: when all of it is delivered, the checkpoint is told the transactional id with the producer's
//! id and epoch, the producer is dropped, and whoever has the checkpoint ends the transaction by a request of our own. The next producer
//! is there by then, made while this one took rows.
//!
//! With a new producer the epoch of its transactional id goes up. That makes each transaction unlike any other, so that it can be committed
//! any number of times, and shuts out writers of before.

mod cluster;
mod commit;
mod ids;
mod log;
mod scram;
mod security;
mod wire;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    producer::Producer as _,
};
use tokio::task::JoinHandle;
use weir_env::{Clock, failpoint};

use self::{
    cluster::{Cluster, Trouble},
    commit::Prepared,
    ids::{Names, Pool, Transaction},
    security::Security,
};
use super::{Client, client::classified, producer::Producer, write::blocking};
use crate::{ConnectorError, OptionError, SinkContext};

/// How long a cluster may take to let a transactional id be used.
const INIT_PATIENCE: Duration = Duration::from_mins(2);
/// The same in one go.
const INIT_STEP: Duration = Duration::from_secs(5);

/// What the writers of a table and those who commit share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    cluster: Arc<Cluster>,
    pool: Pool,
}

impl Shared {
    /// For the cluster of a client. Refuses what our own connections to it cannot do.
    pub(super) fn new(client: &Client) -> Result<Self, OptionError> {
        let security = Security::new(client)?;
        Ok(Self {
            cluster: Arc::new(Cluster::new(client.brokers(), security)),
            pool: Pool::default(),
        })
    }

    /// Commits what writers prepared.
    pub(super) async fn commit(&self, commits: &[String]) -> Result<(), ConnectorError> {
        for commit in commits {
            let prepared = Prepared::parse(commit)?;
            prepared.commit(&self.cluster).await?;
            self.pool.committed(&prepared.transactional_id);
            failpoint("kafka.committing");
        }
        if !commits.is_empty() {
            failpoint("kafka.committed");
        }
        Ok(())
    }
}

/// Makes producers, each for a transaction.
pub(super) trait Make: Send + Sync {
    /// One with these settings beside the table's own. Blocks.
    fn make(&self, transactional_id: &str) -> Result<Producer, ConnectorError>;
}

/// One subtask's transactions.
pub(super) struct Transactions {
    shared: Shared,
    names: Names,
    topic: String,
    make: Arc<dyn Make>,
    clock: Arc<dyn Clock>,
    /// The one that takes rows; none: no rows since the last barrier.
    open: Option<Open>,
    /// The next one, which is made while this one takes rows: that takes longer than a barrier may.
    next: Next,
}

/// A producer to come.
enum Next {
    /// It is being made.
    Making(JoinHandle<Result<Open, ConnectorError>>),
    /// It is there.
    Made(Open),
    /// It was taken.
    Taken,
}

/// A producer with its transactional id.
struct Open {
    number: u32,
    id: String,
    producer: Producer,
}

impl Transactions {
    /// Those of a new writer. What writers of before left is aborted, for it would hide all rows behind it from readers; what the restored
    /// checkpoint has to commit is committed by now.
    pub(super) async fn begin(
        shared: Shared,
        prefix: Option<&str>,
        topic: &str,
        make: Arc<dyn Make>,
        context: &SinkContext,
    ) -> Result<Self, ConnectorError> {
        let names = Names::new(prefix, context);
        abort_left(&shared.cluster, &names)
            .await
            .map_err(|trouble| trouble.into_error("cannot end the transactions of an earlier execution"))?;
        let mut transactions = Self {
            shared,
            names,
            topic: topic.to_owned(),
            make,
            clock: Arc::clone(&context.clock),
            open: None,
            next: Next::Taken,
        };
        // What the cluster does not allow is known before rows come, and those who come after us find the id.
        let first = transactions.next().await?;
        transactions.next = Next::Made(first);
        Ok(transactions)
    }

    /// The producer for rows, its transaction begun.
    pub(super) async fn producer(&mut self) -> Result<&mut Producer, ConnectorError> {
        let open = if let Some(open) = self.open.take() {
            open
        } else {
            let next = self.next().await?;
            self.make_next();
            let begun = next.producer.client().begin_transaction();
            begun.map_err(|error| classified("cannot begin a transaction", &error))?;
            next
        };
        Ok(&mut self.open.insert(open).producer)
    }

    /// Takes the next producer, when it is there.
    async fn next(&mut self) -> Result<Open, ConnectorError> {
        if matches!(self.next, Next::Taken) {
            self.make_next();
        }
        if let Next::Making(making) = &mut self.next {
            let made = making.await;
            self.next = Next::Taken;
            return made.map_err(|error| ConnectorError::internal(format!("making a producer: {error}")))?;
        }
        match std::mem::replace(&mut self.next, Next::Taken) {
            Next::Made(open) => Ok(open),
            Next::Making(_) | Next::Taken => Err(ConnectorError::internal("no producer is made")),
        }
    }

    /// An error if the delivery of any row has failed.
    pub(super) fn check(&self) -> Result<(), ConnectorError> {
        self.open.as_ref().map_or(Ok(()), |open| open.producer.check())
    }

    /// Has all rows delivered and says what is to be committed. None: there were no rows.
    pub(super) async fn prepare(&mut self, checkpoint: Option<u64>) -> Result<Vec<String>, ConnectorError> {
        self.check_pending().await?;
        let Some(open) = &self.open else {
            return Ok(Vec::new());
        };
        open.producer.flush(self.clock.as_ref()).await?;
        let prepared = self.describe(open, checkpoint).await?;
        let said = serde_json::to_string(&prepared)
            .map_err(|error| ConnectorError::internal(format!("a transaction cannot be said: {error}")))?;
        // From here on it is not for the writer to end it.
        if let Some(Open { number, id, .. }) = self.open.take() {
            self.shared.pool.prepared(number, id, prepared.transaction());
        }
        failpoint("kafka.prepared");
        Ok(vec![said])
    }

    /// The transaction as its coordinator knows it: the producer itself does not say its id and epoch.
    async fn describe(&self, open: &Open, checkpoint: Option<u64>) -> Result<Prepared, ConnectorError> {
        let described = self
            .shared
            .cluster
            .describe(&open.id)
            .await
            .map_err(|trouble| trouble.into_error("cannot ask for the state of a transaction"))?;
        let (partition, offset) = open.producer.last();
        let prepared = Prepared {
            transactional_id: open.id.clone(),
            producer_id: described.producer_id,
            epoch: described.epoch,
            checkpoint,
            topic: self.topic.clone(),
            partition,
            offset,
        };
        match described.state.as_str() {
            "Ongoing" => Ok(prepared),
            state => Err(prepared.lost(&format!("its state is {state} before it was prepared"))),
        }
    }

    /// What is to be committed with a later checkpoint must still be there: once a checkpoint has it, nothing can bring it back.
    async fn check_pending(&self) -> Result<(), ConnectorError> {
        for (id, transaction) in self.shared.pool.pending() {
            let described = self.shared.cluster.describe(&id).await;
            let described = described
                .map_err(|trouble| trouble.into_error("cannot ask for the state of a transaction"))?;
            let known = Transaction {
                producer_id: described.producer_id,
                epoch: described.epoch,
            };
            let is_there = matches!(
                described.state.as_str(),
                "Ongoing" | "PrepareCommit" | "CompleteCommit"
            );
            if known != transaction || !is_there {
                return Err(ConnectorError::external(format!(
                    "transaction '{id}' was ended by the cluster before a checkpoint had its rows: checkpoints must follow one another faster \
                     than `transaction.timeout.ms`"
                )));
            }
        }
        Ok(())
    }

    /// Begins to make the next producer.
    fn make_next(&mut self) {
        let number = self.shared.pool.take();
        let id = self.names.id(number);
        let (make, clock) = (Arc::clone(&self.make), Arc::clone(&self.clock));
        self.next = Next::Making(tokio::spawn(async move {
            let producer = made(make, &id, clock.as_ref()).await?;
            Ok(Open { number, id, producer })
        }));
    }
}

impl Drop for Transactions {
    /// Aborts what no checkpoint will have, so that readers need not wait for its timeout.
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.producer.abort();
        }
    }
}

/// A producer whose transactional id is its own.
async fn made(make: Arc<dyn Make>, id: &str, clock: &dyn Clock) -> Result<Producer, ConnectorError> {
    let since = clock.elapsed();
    let own = id.to_owned();
    let mut producer = blocking(move || make.make(&own)).await?;
    loop {
        let (tried, result) = blocking(move || {
            let result = producer.client().init_transactions(INIT_STEP);
            Ok((producer, result))
        })
        .await?;
        producer = tried;
        match result {
            Ok(()) => return Ok(producer),
            Err(error) if is_slow(&error) && clock.elapsed().saturating_sub(since) < INIT_PATIENCE => {}
            Err(error) => return Err(refused(id, &error)),
        }
    }
}

/// Whether the same may come to pass later.
fn is_slow(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.is_retriable())
}

fn refused(id: &str, error: &KafkaError) -> ConnectorError {
    let doing = format!("cannot use the transactional id '{id}'");
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::InvalidTransactionTimeout) => ConnectorError::user(format!(
            "{doing}: {error}: the brokers allow less than `properties.transaction.timeout.ms` (their `transaction.max.timeout.ms`)"
        )),
        _ => classified(&doing, error),
    }
}

/// Aborts what earlier executions left open, and shuts out what may be left of the last one.
async fn abort_left(cluster: &Cluster, names: &Names) -> Result<(), Trouble> {
    let mut by_generation: BTreeMap<Option<u64>, Vec<(String, String)>> = BTreeMap::new();
    for (id, state) in cluster.list().await? {
        if let Some(left) = names.left(&id) {
            by_generation
                .entry(left.generation)
                .or_default()
                .push((left.id, state));
        }
    }
    let last = by_generation.keys().next_back().copied();
    for (generation, ids) in by_generation {
        for (id, state) in ids {
            // What is older was shut out by those that came after it.
            let is_open = !matches!(
                state.as_str(),
                "Empty" | "CompleteCommit" | "CompleteAbort" | "Dead"
            );
            if is_open || (Some(generation) == last && generation.is_some()) {
                cluster.fence(&id).await?;
                tracing::info!(id, state, "ended what an earlier execution left");
            }
        }
    }
    Ok(())
}
