//! What is asked of the brokers before reading: which partitions there are, and which offsets lie at a place in them.
//!
//! All of it blocks, for a bounded time.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::FromClientConfigAndContext as _,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{
    Client,
    client::classified,
    options::{AUTO_OFFSET_RESET, TOPIC},
    scan::{Place, Reset, Scan, Topics},
    split::Partition,
};
use crate::{ConnectorError, options::nearest};

/// How long the brokers may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many errors and lines of the log are listened to for why something went wrong.
const MAX_HEARD: usize = 100;

/// A topic that is internal to Kafka begins like this: patterns leave it out.
const INTERNAL: &str = "__";

/// The partitions that there are now, each from where to where it is read. Blocks.
pub(super) fn partitions(client: &Client, scan: &Scan) -> Result<Vec<Partition>, ConnectorError> {
    let asker = Asker::new(client, scan.group.as_deref())?;
    let mut partitions = asker.partitions(&scan.topics)?;
    let begins = asker.offsets(&partitions, &scan.startup, scan)?;
    let ends = match &scan.bounded {
        Some(place) => Some(asker.ends(&partitions, place, scan)?),
        None => None,
    };
    for (index, partition) in partitions.iter_mut().enumerate() {
        partition.next = begins[index];
        // Without a place to end at nothing is read.
        let end = |ends: &Vec<Option<i64>>| ends[index].or(begins[index]).unwrap_or(0);
        partition.end = ends.as_ref().map(end);
    }
    Ok(partitions)
}

/// The partitions that there are now, without offsets. Blocks.
pub(super) fn existing(client: &Client, topics: &Topics) -> Result<Vec<Partition>, ConnectorError> {
    Asker::new(client, None)?.partitions(topics)
}

/// The first offset of a partition and the one behind its last. Blocks.
pub(super) fn bounds(client: &Client, topic: &str, partition: i32) -> Result<(i64, i64), ConnectorError> {
    let asker = Asker::new(client, None)?;
    let bounds = asker.consumer.fetch_watermarks(topic, partition, PATIENCE);
    bounds.map_err(|error| {
        asker.explain(
            &format!("the offsets of partition {partition} of '{topic}' were not to be had"),
            &error,
        )
    })
}

/// Asks the brokers.
struct Asker {
    consumer: BaseConsumer<Heard>,
    heard: Arc<Mutex<Vec<(KafkaError, String)>>>,
    brokers: String,
}

/// Keeps what librdkafka says beside its answers, such as why a broker cannot be reached.
struct Heard(Arc<Mutex<Vec<(KafkaError, String)>>>);

impl ClientContext for Heard {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(target: "librdkafka", ?level, "{facility}: {line}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.lock().push((error, reason.to_owned()));
    }
}

impl ConsumerContext for Heard {}

impl Asker {
    fn new(client: &Client, group: Option<&str>) -> Result<Self, ConnectorError> {
        let heard = Arc::default();
        let mut config = client.config();
        config.remove("group.id");
        if let Some(group) = group {
            config.set("group.id", group);
        }
        config.set("enable.auto.commit", "false");
        let consumer = BaseConsumer::from_config_and_context(&config, Heard(Arc::clone(&heard)));
        Ok(Self {
            consumer: consumer.map_err(|error| {
                ConnectorError::user(format!("the settings make no consumer of Kafka: {error}"))
            })?,
            heard,
            brokers: client.brokers().to_owned(),
        })
    }

    /// The error with what was heard beside it, classified by the worse of both.
    fn explain(&self, doing: &str, error: &KafkaError) -> ConnectorError {
        // Errors wait in the queue until it is asked for messages, between lines of the log.
        for _ in 0..MAX_HEARD {
            self.consumer.poll(Duration::ZERO);
        }
        let heard = self.heard.lock();
        // That no broker is left is what all the others come to.
        let mut telling = heard
            .iter()
            .rev()
            .filter(|(error, _)| error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown));
        let Some((why, reason)) = telling.next() else {
            let mut explained = classified(doing, error);
            explained.message = format!("{} (brokers: {})", explained.message, self.brokers);
            return explained;
        };
        let mut explained = classified(doing, why);
        explained.message = format!("{doing}: {reason} (brokers: {})", self.brokers);
        explained
    }

    fn partitions(&self, topics: &Topics) -> Result<Vec<Partition>, ConnectorError> {
        let mut all = Vec::new();
        match topics {
            Topics::Named(names) => {
                for name in names {
                    all.extend(self.of_topic(name)?);
                }
            }
            Topics::Matching(pattern) => {
                let metadata = self
                    .consumer
                    .fetch_metadata(None, PATIENCE)
                    .map_err(|error| self.explain("Kafka did not say which topics there are", &error))?;
                let matching = metadata.topics().iter().filter(|topic| {
                    !topic.name().starts_with(INTERNAL)
                        && topic.error().is_none()
                        && pattern.is_match(topic.name())
                });
                for topic in matching {
                    all.extend(topic.partitions().iter().map(|p| unread(topic.name(), p.id())));
                }
            }
        }
        all.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        Ok(all)
    }

    fn of_topic(&self, name: &str) -> Result<Vec<Partition>, ConnectorError> {
        let metadata = self.consumer.fetch_metadata(Some(name), PATIENCE);
        let doing = || format!("Kafka did not say which partitions topic '{name}' has");
        let metadata = metadata.map_err(|error| self.explain(&doing(), &error))?;
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
            return Err(self.no_topic(name));
        };
        match topic.error().map(RDKafkaErrorCode::from) {
            None => {}
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                return Err(self.no_topic(name));
            }
            Some(code) => return Err(self.explain(&doing(), &KafkaError::MetadataFetch(code))),
        }
        Ok(topic.partitions().iter().map(|p| unread(name, p.id())).collect())
    }

    fn no_topic(&self, name: &str) -> ConnectorError {
        let all = self.consumer.fetch_metadata(None, PATIENCE);
        let near = all.ok().and_then(|all| {
            let names = all.topics().iter().map(rdkafka::metadata::MetadataTopic::name);
            nearest(name, names.filter(|name| !name.starts_with(INTERNAL)))
        });
        let hint = match near {
            Some(near) => format!("did you mean '{near}'? Else make the topic first"),
            None => format!("make it first, or mend '{TOPIC}'"),
        };
        ConnectorError::user(format!("there is no topic '{name}' at {}: {hint}", self.brokers))
    }

    /// The offset at that place in each partition; none: the first that there is, whichever that will be.
    fn offsets(
        &self,
        partitions: &[Partition],
        place: &Place,
        scan: &Scan,
    ) -> Result<Vec<Option<i64>>, ConnectorError> {
        match place {
            Place::Earliest => Ok(vec![None; partitions.len()]),
            Place::Latest => self.listed(partitions, Offset::End),
            Place::Time(time) => self.at_time(partitions, *time),
            Place::Group => {
                let committed = self.committed(partitions, scan)?;
                self.or_reset(partitions, committed, scan)
            }
            Place::Offsets(offsets) => {
                let given = partitions.iter().map(|p| offsets.get(&p.partition).copied());
                let given: Vec<_> = given.collect();
                if given.iter().all(Option::is_some) || scan.group.is_none() {
                    return Ok(given);
                }
                let committed = self.committed(partitions, scan)?;
                Ok(given
                    .iter()
                    .zip(committed)
                    .map(|(given, of_group)| given.or(of_group))
                    .collect())
            }
        }
    }

    /// The offset to end before in each partition; none: nothing is read of it.
    fn ends(
        &self,
        partitions: &[Partition],
        place: &Place,
        scan: &Scan,
    ) -> Result<Vec<Option<i64>>, ConnectorError> {
        match place {
            Place::Offsets(offsets) => {
                let given = partitions.iter().map(|p| offsets.get(&p.partition).copied());
                Ok(given.collect())
            }
            Place::Group => {
                let committed = self.committed(partitions, scan)?;
                let missing = committed.iter().position(Option::is_none);
                match missing {
                    Some(missing) => Err(no_offset(&partitions[missing], scan)),
                    None => Ok(committed),
                }
            }
            place => self.offsets(partitions, place, scan),
        }
    }

    fn committed(&self, partitions: &[Partition], scan: &Scan) -> Result<Vec<Option<i64>>, ConnectorError> {
        if scan.group.is_none() || partitions.is_empty() {
            return Ok(vec![None; partitions.len()]);
        }
        let list = list(partitions, Offset::Invalid)?;
        let doing = || {
            format!(
                "the offsets of group '{}' were not to be had",
                scan.group.as_deref().unwrap_or_default()
            )
        };
        let committed = self
            .consumer
            .committed_offsets(list, PATIENCE)
            .map_err(|error| self.explain(&doing(), &error))?;
        numbers(partitions, &committed).map_err(|error| self.explain(&doing(), &error))
    }

    /// What the group has not committed is where the reset says.
    fn or_reset(
        &self,
        partitions: &[Partition],
        committed: Vec<Option<i64>>,
        scan: &Scan,
    ) -> Result<Vec<Option<i64>>, ConnectorError> {
        let Some(missing) = committed.iter().position(Option::is_none) else {
            return Ok(committed);
        };
        let others = match scan.reset {
            None => return Err(no_offset(&partitions[missing], scan)),
            Some(Reset::Earliest) => vec![None; partitions.len()],
            Some(Reset::Latest) => self.listed(partitions, Offset::End)?,
        };
        let all = committed.into_iter().zip(others);
        Ok(all.map(|(committed, other)| committed.or(other)).collect())
    }

    fn at_time(&self, partitions: &[Partition], time: i64) -> Result<Vec<Option<i64>>, ConnectorError> {
        let mut found = self.listed(partitions, Offset::Offset(time))?;
        if found.iter().any(Option::is_none) {
            // All messages are older.
            let ends = self.listed(partitions, Offset::End)?;
            found
                .iter_mut()
                .zip(ends)
                .for_each(|(found, end)| *found = found.or(end));
        }
        Ok(found)
    }

    /// The offsets of a time, in all partitions with a request for each broker: `End` is a time too, in Kafka's protocol.
    fn listed(&self, partitions: &[Partition], time: Offset) -> Result<Vec<Option<i64>>, ConnectorError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let doing = "the offsets of the topics' partitions were not to be had";
        let listed = self
            .consumer
            .offsets_for_times(list(partitions, time)?, PATIENCE)
            .map_err(|error| self.explain(doing, &error))?;
        numbers(partitions, &listed).map_err(|error| self.explain(doing, &error))
    }
}

fn unread(topic: &str, partition: i32) -> Partition {
    Partition {
        topic: topic.to_owned(),
        partition,
        next: None,
        end: None,
    }
}

fn list(partitions: &[Partition], offset: Offset) -> Result<TopicPartitionList, ConnectorError> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition_offset(&partition.topic, partition.partition, offset)
            .map_err(|error| {
                ConnectorError::internal(format!("the list of partitions takes no offset: {error}"))
            })?;
    }
    Ok(list)
}

/// The offsets of an answer, in the order of the partitions; none where there is none.
fn numbers(partitions: &[Partition], answer: &TopicPartitionList) -> Result<Vec<Option<i64>>, KafkaError> {
    let mut numbers = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let found = answer.find_partition(&partition.topic, partition.partition);
        numbers.push(match found {
            None => None,
            Some(element) => {
                element.error()?;
                match element.offset() {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                }
            }
        });
    }
    Ok(numbers)
}

fn no_offset(partition: &Partition, scan: &Scan) -> ConnectorError {
    ConnectorError::user(format!(
        "group '{}' has committed no offset of partition {} of '{}': give '{AUTO_OFFSET_RESET}' = 'earliest' or 'latest', or another mode",
        scan.group.as_deref().unwrap_or_default(),
        partition.partition,
        partition.topic
    ))
}
