//! librdkafka's producer of one topic: records go in a batch at a time, and how their delivery went comes out.

use std::{
    ffi::{CString, c_void},
    ptr::{self, NonNull},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    bindings::{self, rd_kafka_message_t, rd_kafka_resp_err_t, rd_kafka_topic_t},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseRecord, PARTITION_UA, Producer as _, ThreadedProducer},
};
use weir_env::Clock;

use super::{client::classified, deliveries::Deliveries, records::Records};
use crate::ConnectorError;

/// How many records are handed over at once.
const CHUNK: usize = 1024;
/// How long to wait for the next sign of a delivery at most: what it frees is free only just after it was said.
const PATIENCE: Duration = Duration::from_millis(10);
/// After this without room although nothing is on its way, there never will be any.
const STUCK: Duration = Duration::from_secs(5);
/// How long a cluster has to take back a transaction.
const ABORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a cluster has to say what partitions a topic has.
const METADATA_TIMEOUT: Duration = Duration::from_secs(30);

/// Which partition records go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Partitioning {
    /// What librdkafka's own partitioner says.
    ByKey,
    /// To one for all.
    Fixed,
    /// One after the other.
    RoundRobin,
}

/// Where records go.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// The topic of all that do not say another one.
    pub(super) topic: String,
    /// Whether records may say another one.
    pub(super) says_topics: bool,
    /// Which of its partitions.
    pub(super) partitioning: Partitioning,
}

/// A producer of one topic.
pub(super) struct Producer {
    /// Goes before the client.
    topic: Topic,
    client: Client,
    name: String,
    target: Target,
}

/// librdkafka's client.
struct Client(Option<ThreadedProducer<Deliveries>>);

impl Drop for Client {
    /// What is on its way is given up. That the client's threads end is waited for elsewhere.
    fn drop(&mut self) {
        let Some(client) = self.0.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(client));
        }
    }
}

/// Where records go, of a topic with known partitions.
#[derive(Clone, Copy, Debug)]
enum Target {
    Any,
    One(i32),
    Each { next: i32, count: i32 },
}

/// librdkafka's handle of a topic.
struct Topic(NonNull<rd_kafka_topic_t>);

// SAFETY: librdkafka's functions may be called from any thread, and count references to the topic by atomics.
unsafe impl Send for Topic {}
// SAFETY: as above.
unsafe impl Sync for Topic {}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and it is dropped before the client that it is of.
        unsafe { bindings::rd_kafka_topic_destroy(self.0.as_ptr()) }
    }
}

impl Producer {
    /// A producer with these settings, for a subtask. Blocks: where the partitioning needs to know the partitions, it asks for them.
    pub(super) fn open(config: &ClientConfig, route: &Route, subtask: u32) -> Result<Self, ConnectorError> {
        let Route {
            topic,
            says_topics,
            partitioning,
        } = route;
        let failed = |error: &KafkaError| classified(&format!("cannot write to topic '{topic}'"), error);
        let client: ThreadedProducer<_> = config
            .create_with_context(Deliveries::new(says_topics.then(|| topic.clone())))
            .map_err(|error| failed(&error))?;
        let handle = Topic::new(&client, topic)?;
        let count = match partitioning {
            Partitioning::ByKey => 0,
            Partitioning::Fixed | Partitioning::RoundRobin => {
                let metadata = client.client().fetch_metadata(Some(topic), METADATA_TIMEOUT);
                let metadata = metadata.map_err(|error| failed(&error))?;
                let known = metadata.topics().iter().find(|known| known.name() == topic);
                known.map_or(0, |topic| topic.partitions().len()) as i32
            }
        };
        let target = match partitioning {
            // A topic that is yet to be made has as many as the cluster will say.
            _ if count == 0 => Target::Any,
            Partitioning::ByKey => Target::Any,
            Partitioning::Fixed => Target::One(subtask as i32 % count),
            Partitioning::RoundRobin => Target::Each {
                next: subtask as i32 % count,
                count,
            },
        };
        Ok(Self {
            topic: handle,
            client: Client(Some(client)),
            name: topic.to_owned(),
            target,
        })
    }

    /// Hands over all records, waiting while there is no room. An error if the delivery of any has failed.
    pub(super) async fn send(&mut self, records: &Records, clock: &dyn Clock) -> Result<(), ConnectorError> {
        let mut sent = 0;
        // Since when nothing is on its way and there is still no room.
        let mut stuck = None;
        while sent < records.len() {
            self.check()?;
            let is_idle = self.waiting() == 0;
            let to = records.len().min(sent + CHUNK);
            let taken = self.hand_over(records, sent, to)?;
            sent += taken;
            if sent == to {
                continue;
            }
            stuck = (is_idle && taken == 0).then(|| stuck.unwrap_or_else(|| clock.elapsed()));
            if stuck.is_some_and(|since| clock.elapsed().saturating_sub(since) > STUCK) {
                return Err(ConnectorError::user(
                    "a record is larger than librdkafka's queue: raise `properties.queue.buffering.max.kbytes`",
                ));
            }
            self.heard(clock).await;
        }
        Ok(())
    }

    /// Waits until all records are delivered. An error if the delivery of any has failed: that comes to pass after `delivery.timeout.ms` at
    /// the latest.
    pub(super) async fn flush(&self, clock: &dyn Clock) -> Result<(), ConnectorError> {
        while self.waiting() > 0 {
            self.check()?;
            self.heard(clock).await;
        }
        self.check()
    }

    /// An error if the delivery of any record has failed.
    pub(super) fn check(&self) -> Result<(), ConnectorError> {
        match &*self.deliveries().failed.lock() {
            None => Ok(()),
            Some(error) => Err(classified("records were not delivered", error)),
        }
    }

    /// Partition and offset of the record that was delivered last.
    pub(super) fn last(&self) -> (i32, i64) {
        let deliveries = self.deliveries();
        (
            deliveries.partition.load(Ordering::Relaxed),
            deliveries.offset.load(Ordering::Relaxed),
        )
    }

    /// Waits for a connection. Blocks.
    ///
    /// Without one, librdkafka looks for the coordinator of transactions again only after half a second.
    pub(super) fn connect(&self) -> Result<(), ConnectorError> {
        let metadata = self
            .client()
            .client()
            .fetch_metadata(Some(&self.name), METADATA_TIMEOUT);
        metadata
            .map(drop)
            .map_err(|error| classified(&format!("cannot write to topic '{}'", self.name), &error))
    }

    /// Takes back the transaction that is open, if the cluster answers soon. Nobody waits for it.
    pub(super) fn abort(mut self) {
        let client = self.client.0.take();
        if let (Some(client), Ok(runtime)) = (client, tokio::runtime::Handle::try_current()) {
            runtime.spawn_blocking(move || {
                if let Err(error) = client.abort_transaction(ABORT_TIMEOUT) {
                    tracing::debug!(%error, "a transaction is left to its timeout");
                }
            });
        }
    }

    /// librdkafka's client.
    pub(super) fn client(&self) -> &ThreadedProducer<Deliveries> {
        self.client.0.as_ref().expect("only dropping takes it")
    }

    fn deliveries(&self) -> &Arc<Deliveries> {
        self.client().context()
    }

    fn waiting(&self) -> usize {
        self.deliveries().waiting.load(Ordering::Acquire)
    }

    /// Waits for a sign of a delivery.
    async fn heard(&self, clock: &dyn Clock) {
        tokio::select! {
            () = self.deliveries().changed.notified() => {}
            () = clock.sleep(PATIENCE) => {}
        }
    }

    /// Hands over some records, of which librdkafka copies what it takes. Returns how many it took before its queue was full.
    fn hand_over(&mut self, records: &Records, from: usize, to: usize) -> Result<usize, ConnectorError> {
        if records.have_extras() {
            return self.hand_over_each(records, from, to);
        }
        let (partition, flags) = match self.target {
            Target::Any => (PARTITION_UA, 0),
            Target::One(partition) => (partition, 0),
            Target::Each { .. } => (PARTITION_UA, bindings::RD_KAFKA_MSG_F_PARTITION),
        };
        let mut messages: Vec<_> = (from..to)
            .map(|index| message(records, index, self.target.next()))
            .collect();
        let deliveries = Arc::clone(self.deliveries());
        // Deliveries may be heard of before the call returns.
        deliveries.waiting.fetch_add(messages.len(), Ordering::AcqRel);
        // SAFETY: the topic is of a client that lives; the messages point into `records`, and are copied before the call returns.
        let taken = unsafe {
            bindings::rd_kafka_produce_batch(
                self.topic.0.as_ptr(),
                partition,
                bindings::RD_KAFKA_MSG_F_COPY | flags,
                messages.as_mut_ptr(),
                messages.len() as i32,
            )
        } as usize;
        let refused = messages.len() - taken;
        deliveries.waiting.fetch_sub(refused, Ordering::AcqRel);
        // Once the queue is full, nothing behind that is taken.
        let other = messages.iter().map(|message| message.err).find(|reason| {
            !matches!(
                reason,
                rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
                    | rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__QUEUE_FULL
            )
        });
        if let Some(reason) = other {
            let error = KafkaError::MessageProduction(RDKafkaErrorCode::from(reason));
            return Err(classified("a record was not taken", &error));
        }
        self.target.give_back(refused);
        Ok(taken)
    }

    /// The same one by one, as librdkafka wants it of records that say more than key and value.
    fn hand_over_each(&mut self, records: &Records, from: usize, to: usize) -> Result<usize, ConnectorError> {
        let deliveries = Arc::clone(self.deliveries());
        for index in from..to {
            let mut record = BaseRecord::<[u8], [u8]>::to(records.topic(index).unwrap_or(&self.name));
            record.key = records.key(index);
            record.payload = records.value(index);
            record.timestamp = records.timestamp_ms(index);
            record.headers = records.headers(index);
            let partition = self.target.next();
            record.partition = (partition != PARTITION_UA).then_some(partition);
            deliveries.waiting.fetch_add(1, Ordering::AcqRel);
            if let Err((error, _)) = self.client().send(record) {
                deliveries.waiting.fetch_sub(1, Ordering::AcqRel);
                self.target.give_back(1);
                return match error.rdkafka_error_code() {
                    Some(RDKafkaErrorCode::QueueFull) => Ok(index - from),
                    _ => Err(classified("a record was not taken", &error)),
                };
            }
        }
        Ok(to - from)
    }
}

fn message(records: &Records, index: usize, partition: i32) -> rd_kafka_message_t {
    let raw = |bytes: Option<&[u8]>| match bytes {
        None => (ptr::null_mut::<c_void>(), 0),
        Some(bytes) => (bytes.as_ptr().cast_mut().cast(), bytes.len()),
    };
    let (payload, len) = raw(records.value(index));
    let (key, key_len) = raw(records.key(index));
    rd_kafka_message_t {
        err: rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
        rkt: ptr::null_mut(),
        partition,
        payload,
        len,
        key,
        key_len,
        offset: 0,
        _private: ptr::null_mut(),
    }
}

impl Target {
    /// The next record's partition.
    fn next(&mut self) -> i32 {
        match self {
            Self::Any => PARTITION_UA,
            Self::One(partition) => *partition,
            Self::Each { next, count } => {
                let partition = *next;
                *next = (*next + 1) % *count;
                partition
            }
        }
    }

    /// Records that were not taken are given partitions again.
    fn give_back(&mut self, records: usize) {
        if let Self::Each { next, count } = self {
            *next = (*next - records as i32).rem_euclid(*count);
        }
    }
}

impl Topic {
    fn new(client: &ThreadedProducer<Deliveries>, name: &str) -> Result<Self, ConnectorError> {
        let name = CString::new(name).map_err(|_| ConnectorError::user("a topic's name has a zero in it"))?;
        // SAFETY: the client lives, and the name ends with a zero.
        let handle = unsafe {
            bindings::rd_kafka_topic_new(client.client().native_ptr(), name.as_ptr(), ptr::null_mut())
        };
        match NonNull::new(handle) {
            Some(handle) => Ok(Self(handle)),
            None => Err(ConnectorError::internal("librdkafka made no handle of a topic")),
        }
    }
}
