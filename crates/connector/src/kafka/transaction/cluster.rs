//! What is asked of a cluster about transactions, and said to it.

use std::{collections::HashMap, fmt, io, sync::Arc, time::Duration};

use kafka_protocol::{
    ResponseError,
    messages::{
        DescribeTransactionsRequest, EndTxnRequest, FetchRequest, FindCoordinatorRequest,
        InitProducerIdRequest, ListTransactionsRequest, MetadataRequest, TopicName, TransactionalId,
        fetch_request::{FetchPartition, FetchTopic},
        fetch_response::PartitionData,
        metadata_request::MetadataRequestTopic,
    },
    protocol::StrBytes,
};
use parking_lot::Mutex;
use weir_env::{Clock, SystemClock};

use super::{
    security::Security,
    wire::{Connection, Request},
};
use crate::ConnectorError;

/// How long something is tried that a cluster cannot do now.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first pause between two tries, and the longest.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_AT_MOST: Duration = Duration::from_secs(1);
/// What `FindCoordinator` calls a coordinator of transactions.
const OF_TRANSACTIONS: i8 = 1;
/// How much of a log is read at once.
const FETCH_BYTES: i32 = 1 << 20;

/// A cluster of brokers.
#[derive(Debug)]
pub(super) struct Cluster {
    /// Brokers to ask first.
    brokers: Vec<String>,
    security: Security,
    /// Connections that nobody uses, by address.
    idle: Mutex<HashMap<String, Connection>>,
    clock: Arc<dyn Clock>,
}

/// Why something did not come to pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It may later.
    Later(String),
    /// The cluster refuses it.
    Refused(ResponseError),
    /// It never will as the table's settings are.
    Wrong(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Later(why) | Self::Wrong(why) => f.write_str(why),
            Self::Refused(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Later(error.to_string())
    }
}

impl Trouble {
    /// The same, with the broker that it was with.
    fn at(self, address: &str) -> Self {
        match self {
            Self::Later(why) => Self::Later(format!("{address}: {why}")),
            Self::Wrong(why) => Self::Wrong(format!("{address}: {why}")),
            refused @ Self::Refused(_) => refused,
        }
    }

    /// As an error of what was to be done.
    pub(super) fn into_error(self, doing: &str) -> ConnectorError {
        let message = format!("{doing}: {self}");
        match self {
            Self::Wrong(_)
            | Self::Refused(
                ResponseError::TransactionalIdAuthorizationFailed
                | ResponseError::TopicAuthorizationFailed
                | ResponseError::ClusterAuthorizationFailed,
            ) => ConnectorError::user(message),
            _ => ConnectorError::external(message),
        }
    }
}

/// A transactional id as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
    /// Kafka's word: `Ongoing`, `CompleteCommit` ...
    pub(super) state: String,
}

/// Pauses between tries.
struct Tries<'a> {
    clock: &'a dyn Clock,
    since: Duration,
    pause: Duration,
}

impl Tries<'_> {
    /// Waits before the next try; after too many, it is the trouble that it was.
    async fn again(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        let is_over = self.clock.elapsed().saturating_sub(self.since) > PATIENCE;
        match trouble {
            Trouble::Later(_) if !is_over => {
                self.clock.sleep(self.pause).await;
                self.pause = (self.pause * 2).min(PAUSE_AT_MOST);
                Ok(())
            }
            trouble => Err(trouble),
        }
    }
}

impl Cluster {
    /// Of these brokers, `host:port` with commas between.
    pub(super) fn new(brokers: &str, security: Security) -> Self {
        Self {
            brokers: brokers
                .split(',')
                .map(|broker| broker.trim().to_owned())
                .collect(),
            security,
            idle: Mutex::default(),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Commits the transaction that the producer with this id and epoch has open. Well too if it was committed before, and nothing came
    /// after it.
    pub(super) async fn commit(&self, id: &str, producer_id: i64, epoch: i16) -> Result<(), Trouble> {
        let request = EndTxnRequest::default()
            .with_transactional_id(named(id))
            .with_producer_id(producer_id.into())
            .with_producer_epoch(epoch)
            .with_committed(true);
        let mut tries = self.tries();
        loop {
            let answer = self.of_coordinator(id, &request).await;
            match answer.and_then(|answer| fine(answer.error_code)) {
                Ok(()) => return Ok(()),
                Err(trouble) => tries.again(trouble).await?,
            }
        }
    }

    /// Ends what the id has open, by an abort, and lets no producer of before go on with it.
    pub(super) async fn fence(&self, id: &str) -> Result<(), Trouble> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(named(id)))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        let mut tries = self.tries();
        loop {
            let answer = self.of_coordinator(id, &request).await;
            match answer.and_then(|answer| fine(answer.error_code)) {
                Ok(()) => return Ok(()),
                Err(trouble) => tries.again(trouble).await?,
            }
        }
    }

    /// What the coordinator knows of an id.
    pub(super) async fn describe(&self, id: &str) -> Result<Described, Trouble> {
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![named(id)]);
        let mut tries = self.tries();
        loop {
            let described = self.of_coordinator(id, &request).await.and_then(|answer| {
                let state = answer.transaction_states.into_iter().next();
                let state = state.ok_or_else(|| Trouble::Later("nothing was said of it".into()))?;
                fine(state.error_code)?;
                Ok(Described {
                    producer_id: state.producer_id.0,
                    epoch: state.producer_epoch,
                    state: state.transaction_state.to_string(),
                })
            });
            match described {
                Ok(described) => return Ok(described),
                Err(trouble) => tries.again(trouble).await?,
            }
        }
    }

    /// All transactional ids that we may know of, with their states.
    pub(super) async fn list(&self) -> Result<Vec<(String, String)>, Trouble> {
        let mut tries = self.tries();
        loop {
            match self.list_once().await {
                Ok(found) => return Ok(found),
                Err(trouble) => tries.again(trouble).await?,
            }
        }
    }

    /// Part of a partition's log from an offset on, whatever transactions have become of, and what the broker says of the partition.
    pub(super) async fn fetch(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<PartitionData, Trouble> {
        let mut tries = self.tries();
        loop {
            match self.fetch_once(topic, partition, offset).await {
                Ok(data) => return Ok(data),
                Err(trouble) => tries.again(trouble).await?,
            }
        }
    }

    fn tries(&self) -> Tries<'_> {
        Tries {
            clock: self.clock.as_ref(),
            since: self.clock.elapsed(),
            pause: PAUSE,
        }
    }

    async fn list_once(&self) -> Result<Vec<(String, String)>, Trouble> {
        let cluster = self
            .of_any(&MetadataRequest::default().with_topics(Some(Vec::new())))
            .await?;
        let mut found = Vec::new();
        for broker in cluster.brokers {
            let address = address(&broker.host, broker.port);
            let answer = self.of(&address, &ListTransactionsRequest::default()).await?;
            fine(answer.error_code)?;
            let states = answer.transaction_states.into_iter();
            found.extend(states.map(|state| {
                (
                    state.transactional_id.to_string(),
                    state.transaction_state.to_string(),
                )
            }));
        }
        Ok(found)
    }

    async fn fetch_once(&self, topic: &str, partition: i32, offset: i64) -> Result<PartitionData, Trouble> {
        let name = TopicName(StrBytes::from_string(topic.to_owned()));
        let leader = self.leader(&name, partition).await?;
        let part = FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(FETCH_BYTES);
        let of_topic = FetchTopic::default().with_topic(name).with_partitions(vec![part]);
        let request = FetchRequest::default()
            .with_max_bytes(FETCH_BYTES)
            .with_topics(vec![of_topic]);
        let answer = self.of(&leader, &request).await?;
        fine(answer.error_code)?;
        let mut partitions = answer.responses.into_iter().flat_map(|topic| topic.partitions);
        let data = partitions.next();
        let data = data.ok_or_else(|| Trouble::Later("nothing was said of the partition".into()))?;
        match fine(data.error_code) {
            Ok(()) | Err(Trouble::Refused(ResponseError::OffsetOutOfRange)) => Ok(data),
            Err(trouble) => Err(trouble),
        }
    }

    async fn leader(&self, topic: &TopicName, partition: i32) -> Result<String, Trouble> {
        let asked = MetadataRequestTopic::default().with_name(Some(topic.clone()));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![asked]))
            .with_allow_auto_topic_creation(false);
        let answer = self.of_any(&request).await?;
        let Some(found) = answer.topics.into_iter().next() else {
            return Err(Trouble::Later("nothing was said of the topic".into()));
        };
        fine(found.error_code)?;
        let partition = found
            .partitions
            .iter()
            .find(|known| known.partition_index == partition);
        let leader = partition.map(|known| known.leader_id);
        let broker = answer
            .brokers
            .iter()
            .find(|broker| Some(broker.node_id) == leader);
        match broker {
            Some(broker) => Ok(address(&broker.host, broker.port)),
            None => Err(Trouble::Later("the partition has no leader".into())),
        }
    }

    async fn of_coordinator<R: Request>(&self, id: &str, request: &R) -> Result<R::Answer, Trouble> {
        let asked = FindCoordinatorRequest::default()
            .with_key(StrBytes::from_string(id.to_owned()))
            .with_key_type(OF_TRANSACTIONS);
        let found = self.of_any(&asked).await?;
        fine(found.error_code)?;
        self.of(&address(&found.host, found.port), request).await
    }

    /// Asks the first broker that answers.
    async fn of_any<R: Request>(&self, request: &R) -> Result<R::Answer, Trouble> {
        let mut trouble = Trouble::Later("no broker is named".into());
        for broker in &self.brokers {
            match self.of(broker, request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    async fn of<R: Request>(&self, address: &str, request: &R) -> Result<R::Answer, Trouble> {
        let idle = self.idle.lock().remove(address);
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(address, &self.security)
                .await
                .map_err(|trouble| trouble.at(address))?,
        };
        let answer = connection.ask(request).await?;
        self.idle.lock().insert(address.to_owned(), connection);
        Ok(answer)
    }
}

fn named(id: &str) -> TransactionalId {
    TransactionalId(StrBytes::from_string(id.to_owned()))
}

fn address(host: &str, port: i32) -> String {
    // An IPv6 address has colons itself.
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn fine(code: i16) -> Result<(), Trouble> {
    match ResponseError::try_from_code(code) {
        None => Ok(()),
        // A commit or an abort of before is not through.
        Some(error) if error.is_retriable() || error == ResponseError::ConcurrentTransactions => {
            Err(Trouble::Later(error.to_string()))
        }
        Some(error) => Err(Trouble::Refused(error)),
    }
}
