//! Reads partitions: polls librdkafka's queue on the task's own thread, decodes messages where they lie, and sleeps until more arrive.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use rdkafka::{
    Offset, TopicPartitionList,
    error::{KafkaError, RDKafkaErrorCode as Code},
};

use super::{
    client::classified,
    discovery::Discovery,
    native::{Consumer, Message, PartitionKey},
    offsets,
    options::AUTO_OFFSET_RESET,
    reading::Reading,
    rows::{Layout, Rows},
    scan::Reset,
    source::{self, blocking},
    split::Partition,
};
use crate::{ConnectorError, Source, SourceContext, SourceEvent, Split, format::SchemaRegistry};

/// How many messages are taken from the queue at once, at most.
const POLL_MESSAGES: usize = 1024;

/// Rows of a partition wait no longer than this for more while messages of others keep coming.
const LINGER: Duration = Duration::from_millis(20);

/// How often the lag is looked at, and what librdkafka has to say beside messages.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// That brokers are away is said no more often.
const WARN_INTERVAL: Duration = Duration::from_secs(30);

/// Reads its partitions from one queue.
pub(super) struct Reader {
    consumer: Consumer,
    table: Arc<source::Reading>,
    layout: Arc<Layout>,
    context: SourceContext,
    splits: Vec<Reading>,
    /// By topic and number.
    places: HashMap<(String, i32), usize>,
    /// The split that is looked at first for rows to hand out.
    turn: usize,
    /// All rows that wait are to be handed out.
    is_flushing: bool,
    flushed: Duration,
    watched: Duration,
    warned: Option<Duration>,
    /// Splits whose offset is not there.
    lost: Vec<usize>,
    /// Schemas that messages name, which wait for them.
    lacking: Vec<(Arc<SchemaRegistry>, u32)>,
    discovery: Option<Discovery>,
    /// Splits that were found and are not told of yet.
    found: VecDeque<Split>,
}

impl Reader {
    pub(super) fn open(
        table: Arc<source::Reading>,
        layout: Arc<Layout>,
        partitions: Vec<Partition>,
        context: SourceContext,
    ) -> Result<Self, ConnectorError> {
        let consumer = Consumer::new(&table.consumer(), POLL_MESSAGES)
            .map_err(|error| classified("no consumer of Kafka was made", &error))?;
        let now = context.clock.elapsed();
        let discovery = Discovery::new(&table, &context);
        let mut reader = Self {
            consumer,
            table,
            layout,
            context,
            splits: Vec::new(),
            places: HashMap::new(),
            turn: 0,
            is_flushing: false,
            flushed: now,
            watched: now,
            warned: None,
            lost: Vec::new(),
            lacking: Vec::new(),
            discovery,
            found: VecDeque::new(),
        };
        reader.add(partitions)?;
        Ok(reader)
    }

    /// Reads these partitions too.
    fn add(&mut self, partitions: Vec<Partition>) -> Result<(), ConnectorError> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            let rows = Rows::new(&self.layout).map_err(ConnectorError::internal)?;
            let reading = Reading::new(partition, rows, self.layout.skips_bad_records());
            let Partition { topic, partition, .. } = reading.partition();
            self.places.insert((topic.clone(), *partition), self.splits.len());
            if !reading.is_over {
                let offset = reading.taken_to().map_or(Offset::Beginning, Offset::Offset);
                put(&mut list, reading.partition(), offset)?;
            }
            self.splits.push(reading);
        }
        self.assign(&list)
    }

    fn assign(&self, list: &TopicPartitionList) -> Result<(), ConnectorError> {
        if list.count() == 0 {
            return Ok(());
        }
        self.consumer.add(list).map_err(|reason| {
            ConnectorError::external(format!("Kafka's client takes no partitions: {reason}"))
        })
    }

    fn unassign(&self, partition: &Partition) -> Result<(), ConnectorError> {
        let mut list = TopicPartitionList::new();
        put(&mut list, partition, Offset::Invalid)?;
        self.consumer.remove(&list).map_err(|reason| {
            ConnectorError::external(format!(
                "Kafka's client does not let go of {}: {reason}",
                partition.id()
            ))
        })
    }

    /// What can be handed out of what was taken.
    fn ready(&mut self) -> Result<Option<SourceEvent>, ConnectorError> {
        if let Some(split) = self.found.pop_front() {
            return Ok(Some(SourceEvent::SplitAdded { split }));
        }
        let count = self.splits.len();
        for split in (self.turn..count).chain(0..self.turn) {
            let reading = &mut self.splits[split];
            let waiting = reading.waiting();
            if reading.is_full(self.context.batch_rows)
                || (waiting > 0 && (self.is_flushing || reading.is_over))
            {
                self.turn = split;
                let batch = reading.hand_out(&self.context)?;
                return Ok(Some(SourceEvent::Rows { split, batch }));
            }
            if reading.is_over && !reading.has_ended {
                reading.has_ended = true;
                return Ok(Some(SourceEvent::SplitEnd { split }));
            }
        }
        self.turn = 0;
        self.is_flushing = false;
        Ok(None)
    }

    /// Takes messages that have arrived; returns whether there were any, or rows have to be handed out.
    fn take(&mut self) -> Result<bool, ConnectorError> {
        let waiting = self.splits.iter().map(Reading::waiting).max().unwrap_or(0);
        let limit = self
            .context
            .batch_rows
            .saturating_sub(waiting)
            .clamp(1, POLL_MESSAGES);
        let batch = self.consumer.poll(limit);
        if self.layout.names_schemas() {
            let messages = batch.iter().filter(|message| message.error().is_none());
            self.lacking
                .extend(messages.flat_map(|message| self.layout.lacks(message)));
            if !self.lacking.is_empty() {
                batch.keep();
                return Ok(true);
            }
        }
        let mut last: Option<(PartitionKey, usize)> = None;
        for message in batch.iter() {
            let key = message.partition_key();
            let split = match last {
                Some((known, split)) if known == key => Some(split),
                _ => split_of(&self.places, message),
            };
            last = split.map(|split| (key, split));
            match (message.error(), split) {
                (None, Some(split)) => self.splits[split].take(message, &self.context)?,
                // Of a partition that is read no more.
                (None, None) => {}
                (Some(Code::PartitionEOF), Some(split)) => self.splits[split].come_to(message.offset()),
                (Some(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation), Some(split)) => {
                    self.lost.push(split);
                }
                (Some(code), split) => {
                    let reading = split.map(|split| self.splits[split].partition());
                    refuse(code, &message.error_text(), reading)?;
                }
            }
        }
        let count = batch.len();
        drop(batch);
        let now = self.context.clock.elapsed();
        if count < limit || now.saturating_sub(self.flushed) >= LINGER {
            self.is_flushing = true;
            self.flushed = now;
        }
        Ok(count > 0 || waiting > 0)
    }

    /// Goes on where the table says with the partitions whose offsets are not there, or fails.
    async fn find_lost(&mut self) -> Result<(), ConnectorError> {
        while let Some(split) = self.lost.last().copied() {
            let partition = self.splits[split].partition().clone();
            let table = Arc::clone(&self.table);
            let (topic, number) = (partition.topic.clone(), partition.partition);
            let bounds = blocking(move || offsets::bounds(&table.client, &topic, number)).await?;
            let wanted = self.splits[split].taken_to();
            let offset = self.instead_of(&partition, wanted, bounds)?;
            self.splits[split].jump(offset);
            self.unassign(&partition)?;
            let mut list = TopicPartitionList::new();
            put(&mut list, &partition, Offset::Offset(offset))?;
            self.assign(&list)?;
            self.lost.pop();
        }
        Ok(())
    }

    /// Fetches the schemas that messages wait for. They stay where they are, so that nothing is lost if this is dropped.
    async fn find_schemas(&mut self) -> Result<(), ConnectorError> {
        while let Some((schemas, id)) = self.lacking.last() {
            schemas.fetch(*id, self.context.clock.as_ref()).await?;
            // Many messages name the same.
            let (schemas, id) = (Arc::clone(schemas), *id);
            self.lacking
                .retain(|(others, other)| !Arc::ptr_eq(others, &schemas) || *other != id);
        }
        Ok(())
    }

    /// Where to go on with a partition that has these offsets alone.
    fn instead_of(
        &self,
        partition: &Partition,
        wanted: Option<i64>,
        (low, high): (i64, i64),
    ) -> Result<i64, ConnectorError> {
        let place = partition.id();
        let wanted = wanted.unwrap_or(low);
        if (low..=high).contains(&wanted) {
            return Ok(wanted);
        }
        let gone =
            format!("offset {wanted} of {place} is not there: Kafka has messages from {low} up to {high}");
        let offset = match self.table.scan.reset {
            Some(Reset::Earliest) => low,
            Some(Reset::Latest) => high,
            None => {
                let reason = format!(
                    "{gone}; they were deleted before they were read, or the topic was made anew. With '{AUTO_OFFSET_RESET}' = 'earliest' or \
                     'latest' reading goes on with those that are there"
                );
                return Err(ConnectorError::user(reason).at(format!("{place}@{wanted}")));
            }
        };
        tracing::warn!("{gone}; reading goes on at {offset}, as '{AUTO_OFFSET_RESET}' says");
        Ok(offset)
    }

    /// Looks at what changes without messages, once in a while.
    fn watch(&mut self) -> Result<(), ConnectorError> {
        let now = self.context.clock.elapsed();
        if now.saturating_sub(self.watched) < WATCH_INTERVAL {
            return Ok(());
        }
        self.watched = now;
        let found = self.discovery.as_mut().map(|discovery| discovery.look(now));
        let found = found.unwrap_or_default();
        if !found.is_empty() {
            let splits: Vec<_> = found.iter().map(Partition::to_split).collect();
            self.add(found)?;
            tracing::info!("{} new partitions are read from now on", splits.len());
            self.found.extend(splits);
        }
        self.context.counters.set_lag(self.lag());
        for (code, reason) in self.consumer.errors() {
            match code {
                Code::Authentication | Code::SaslAuthenticationFailed => {
                    return Err(ConnectorError::user(format!("Kafka refuses the login: {reason}")));
                }
                Code::Fatal => return Err(ConnectorError::external(format!("Kafka's client: {reason}"))),
                _ if self
                    .warned
                    .is_none_or(|warned| now.saturating_sub(warned) >= WARN_INTERVAL) =>
                {
                    self.warned = Some(now);
                    tracing::warn!("a broker is away, and reading goes on when it is back: {reason}");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How many offsets there are behind what was read; none if no broker has said so of any partition.
    fn lag(&self) -> Option<u64> {
        let of_split = |reading: &Reading| {
            let partition = reading.partition();
            let high = self
                .consumer
                .high_watermark(&partition.topic_name(), partition.partition)?;
            let next = reading.position().next?;
            Some(u64::try_from(high.saturating_sub(next)).unwrap_or(0))
        };
        let read = self.splits.iter().filter(|reading| !reading.has_ended);
        read.filter_map(of_split)
            .fold(None, |sum, lag| Some(sum.unwrap_or(0) + lag))
    }

    /// Sends the offsets of these positions to the group.
    fn commit(&self, positions: &[Split]) -> Result<(), String> {
        let mut list = TopicPartitionList::new();
        for split in positions {
            let partition = Partition::from_split(split).map_err(|error| error.to_string())?;
            if let Some(next) = partition.next {
                put(&mut list, &partition, Offset::Offset(next)).map_err(|error| error.to_string())?;
            }
        }
        if list.count() == 0 {
            return Ok(());
        }
        self.consumer.commit(&list).map_err(|error| error.to_string())
    }

    fn has_ended(&self) -> bool {
        let is_bounded =
            self.table.scan.bounded.is_some() || (self.splits.is_empty() && self.discovery.is_none());
        is_bounded && self.splits.iter().all(|reading| reading.has_ended)
    }
}

fn put(list: &mut TopicPartitionList, partition: &Partition, offset: Offset) -> Result<(), ConnectorError> {
    list.add_partition_offset(&partition.topic, partition.partition, offset)
        .map_err(|error| ConnectorError::internal(format!("the offset of {}: {error}", partition.id())))
}

fn split_of(places: &HashMap<(String, i32), usize>, message: Message<'_>) -> Option<usize> {
    let topic = message.topic()?;
    places.get(&(topic.to_owned(), message.partition())).copied()
}

/// What an error of a partition, or of none, comes to.
fn refuse(code: Code, text: &str, partition: Option<&Partition>) -> Result<(), ConnectorError> {
    let Some(partition) = partition else {
        // Of the group, which is for monitoring alone.
        tracing::warn!("Kafka's client says: {text} ({code})");
        return Ok(());
    };
    let place = partition.id();
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            let reason = format!("there is no {place} any more: {text}");
            Err(ConnectorError::external(reason).at(place))
        }
        code => {
            let doing = format!("{place} cannot be read: {text}");
            Err(classified(&doing, &KafkaError::MessageConsumption(code)).at(place))
        }
    }
}

#[async_trait]
impl Source for Reader {
    async fn next(&mut self) -> Result<SourceEvent, ConnectorError> {
        loop {
            if let Some(event) = self.ready()? {
                if let SourceEvent::SplitEnd { split } = event {
                    // What is behind its end need not be fetched. One that was over at once was never asked for: then this says so.
                    let _ = self.unassign(self.splits[split].partition());
                }
                return Ok(event);
            }
            if self.has_ended() {
                return Ok(SourceEvent::End);
            }
            self.watch()?;
            self.find_lost().await?;
            self.find_schemas().await?;
            if self.take()? {
                continue;
            }
            tokio::select! {
                () = self.consumer.arrival() => {}
                () = self.context.clock.sleep(WATCH_INTERVAL) => {}
            }
        }
    }

    async fn on_checkpoint_complete(&mut self, positions: &[Split]) {
        if self.table.scan.group.is_none() {
            return;
        }
        if let Err(reason) = self.commit(positions) {
            tracing::warn!(
                "offsets are not committed to the consumer group, which is for monitoring alone: {reason}"
            );
        }
    }

    fn positions(&self) -> Vec<Split> {
        self.splits
            .iter()
            .map(|reading| reading.position().to_split())
            .collect()
    }
}
