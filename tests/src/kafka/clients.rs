//! Topics made, messages produced and messages read, as other programs do it.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::{Header, Headers as _, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, FutureProducer, FutureRecord, Producer as _},
};

use super::Kafka;

/// How long the broker may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message: to be produced, or as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Where it goes to; none: any.
    pub partition: Option<i32>,
    /// Its offset, once it has one.
    pub offset: Option<i64>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; none: a tombstone.
    pub value: Option<Vec<u8>>,
    /// When it was made, in ms since 1970; none: now.
    pub timestamp_ms: Option<i64>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    /// A message of a partition that has a value alone.
    pub fn value(partition: i32, value: impl Into<Vec<u8>>) -> Self {
        Self {
            partition: Some(partition),
            value: Some(value.into()),
            ..Self::default()
        }
    }

    /// The value as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }

    fn owned_headers(&self) -> OwnedHeaders {
        let all = self.headers.iter();
        all.fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value),
            })
        })
    }
}

impl Kafka {
    /// Settings of a client of this broker.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap());
        config
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        Ok(self.client().create()?)
    }

    /// Makes a topic; `settings` are the topic's own, such as `cleanup.policy`.
    pub async fn create_topic(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<()> {
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            new = new.set(key, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let made = self.admin()?.create_topics(&[new], &options).await?;
        for result in made {
            result.map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
        }
        Ok(())
    }

    /// Gives a topic more partitions.
    pub async fn grow_topic(&self, topic: &str, partitions: usize) -> Result<()> {
        let new = NewPartitions::new(topic, partitions);
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let grown = self.admin()?.create_partitions(&[new], &options).await?;
        for result in grown {
            result.map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
        }
        Ok(())
    }

    /// Deletes the messages of a partition before an offset, as retention does.
    pub async fn delete_before(&self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let deleted = self.admin()?.delete_records(&list, &options).await?;
        for element in deleted.elements() {
            element.error()?;
        }
        Ok(())
    }

    /// Produces messages, those of a partition in their order, and waits until the broker has them.
    pub async fn produce(&self, topic: &str, records: &[Record]) -> Result<()> {
        let producer: FutureProducer = self
            .client()
            .set("enable.idempotence", "true")
            .set("linger.ms", "2")
            .create()?;
        let sent = records.iter().map(|record| {
            let mut new = FutureRecord::<[u8], [u8]>::to(topic).headers(record.owned_headers());
            new.partition = record.partition;
            new.key = record.key.as_deref();
            new.payload = record.value.as_deref();
            new.timestamp = record.timestamp_ms;
            producer.send_result(new).map_err(|(error, _)| error)
        });
        let sent = sent.collect::<Result<Vec<_>, KafkaError>>()?;
        for delivered in try_join_all(sent).await? {
            delivered.map_err(|(error, _)| error)?;
        }
        Ok(())
    }

    /// All messages of a topic that are committed by now, those of each partition in their order.
    pub async fn read_committed(&self, topic: &str) -> Result<Vec<Record>> {
        let config = self.client();
        let topic = topic.to_owned();
        tokio::task::spawn_blocking(move || read_committed(config, &topic)).await?
    }

    /// The offsets that a group has committed in a topic, by partition.
    pub async fn committed(&self, group: &str, topic: &str) -> Result<BTreeMap<i32, i64>> {
        let mut config = self.client();
        config.set("group.id", group);
        let topic = topic.to_owned();
        tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = config.create()?;
            let list = partitions(&consumer, &topic)?;
            let committed = consumer.committed_offsets(list, PATIENCE)?;
            let elements = committed.elements();
            let known = elements
                .iter()
                .filter_map(|element| Some((element.partition(), element.offset().to_raw()?)));
            Ok(known.filter(|(_, offset)| *offset >= 0).collect())
        })
        .await?
    }

    /// Commits an offset of a group.
    pub async fn commit(&self, group: &str, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let mut config = self.client();
        config.set("group.id", group);
        let topic = topic.to_owned();
        tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = config.create()?;
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&topic, partition, Offset::Offset(offset))?;
            Ok(consumer.commit(&list, rdkafka::consumer::CommitMode::Sync)?)
        })
        .await?
    }

    /// A producer of transactions.
    pub async fn transactions(&self, id: &str) -> Result<Transactions> {
        let mut config = self.client();
        config.set("transactional.id", id);
        tokio::task::spawn_blocking(move || {
            let producer: BaseProducer = config.create()?;
            producer.init_transactions(PATIENCE)?;
            Ok(Transactions(producer))
        })
        .await?
    }
}

/// Messages that become visible together, or not at all.
pub struct Transactions(BaseProducer);

impl std::fmt::Debug for Transactions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transactions")
    }
}

impl Transactions {
    /// Writes messages in a new transaction, which stays open.
    pub fn begin(&self, topic: &str, records: &[Record]) -> Result<()> {
        self.0.begin_transaction()?;
        for record in records {
            let mut new = BaseRecord::<[u8], [u8]>::to(topic);
            new.partition = record.partition;
            new.key = record.key.as_deref();
            new.payload = record.value.as_deref();
            self.0.send(new).map_err(|(error, _)| error)?;
        }
        Ok(self.0.flush(PATIENCE)?)
    }

    /// Makes them visible.
    pub fn commit(&self) -> Result<()> {
        Ok(self.0.commit_transaction(PATIENCE)?)
    }

    /// Takes them back.
    pub fn abort(&self) -> Result<()> {
        Ok(self.0.abort_transaction(PATIENCE)?)
    }
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<TopicPartitionList> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let found = metadata.topics().first().context("the topic is there")?;
    ensure!(found.error().is_none(), "topic '{topic}' is not there");
    let mut list = TopicPartitionList::new();
    for partition in found.partitions() {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    Ok(list)
}

fn read_committed(mut config: ClientConfig, topic: &str) -> Result<Vec<Record>> {
    let consumer: BaseConsumer = config
        .set("group.id", "weir-tests-reader")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        .create()?;
    let list = partitions(&consumer, topic)?;
    consumer.assign(&list)?;
    let (mut records, mut ended) = (Vec::new(), 0);
    while ended < list.count() {
        match consumer.poll(PATIENCE).context("the broker answers")? {
            Ok(message) => records.push(Record {
                partition: Some(message.partition()),
                offset: Some(message.offset()),
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
                timestamp_ms: message.timestamp().to_millis(),
                headers: message.headers().map_or_else(Vec::new, |headers| {
                    let value = |value: Option<&[u8]>| value.unwrap_or_default().to_vec();
                    headers
                        .iter()
                        .map(|h| (h.key.to_owned(), value(h.value)))
                        .collect()
                }),
            }),
            Err(KafkaError::PartitionEOF(_)) => ended += 1,
            Err(error) => return Err(error.into()),
        }
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}
