//! The sink: rows to topics, each acknowledged by the broker before a checkpoint has it.

use std::{collections::HashMap, sync::Arc};

use arrow_array::{Array, RecordBatch, cast::AsArray};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use rumqttc::{
    Outgoing as Said,
    v5::{
        Event,
        mqttbytes::{
            QoS,
            v5::{Packet, PubAckReason, PubRecReason, PublishProperties},
        },
    },
};

use super::{
    broker::{Broker, Link},
    message::{PROPERTIES, RETAINED, TOPIC as TOPIC_COLUMN},
    options::{CLIENT_ID, QOS, RETAIN, SINK_IN_FLIGHT, SINK_RETRIES, TOPIC},
    retries,
};
use crate::{
    ChangelogMode, ConnectorError, OptionError, Sink, SinkContext, SinkFactory, Table,
    format::Format,
    messages::{self, InFlight, Outgoing, Retries},
    options::{Checked, invalid},
    origin,
};

/// Messages on their way have no more bytes than about this.
const MAX_BYTES: usize = 16 << 20;

/// A checked table to write.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    broker: Broker,
    client: Option<String>,
    /// Where no column says it.
    topic: Option<String>,
    retain: bool,
    qos: QoS,
    format: Format,
    schema: SchemaRef,
    max_in_flight: u16,
    max_retries: u32,
}

impl Factory {
    pub(super) fn new(options: &Checked<'_>, format: Format, table: &Table) -> Result<Self, OptionError> {
        format.check_columns(&origin::in_rows(&table.schema))?;
        let says_topic =
            table.schema.fields().iter().any(|field| {
                origin::metadata_key(field) == Some(TOPIC_COLUMN) && !origin::is_read_only(field)
            });
        let topic = options.text(TOPIC).map(|topic| topic.trim().to_owned());
        match &topic {
            None if !says_topic => {
                return Err(OptionError::Missing {
                    connector: "mqtt".into(),
                    option: TOPIC.into(),
                    meaning: "the topic of the messages, or a column that says it: METADATA FROM 'topic'"
                        .into(),
                });
            }
            Some(topic) if !is_topic(topic) || topic.contains(';') => {
                return Err(invalid(
                    TOPIC,
                    "has wildcards or several topics: rows are written to one",
                ));
            }
            _ => {}
        }
        let in_flight = options.int_at_least(SINK_IN_FLIGHT, 1)?.unwrap_or(1);
        Ok(Self {
            broker: Broker::new(options)?,
            client: options.text(CLIENT_ID).map(|client| client.trim().to_owned()),
            topic,
            retain: options.flag(RETAIN),
            qos: match options.word(QOS) {
                Some("0") => QoS::AtMostOnce,
                Some("2") => QoS::ExactlyOnce,
                _ => QoS::AtLeastOnce,
            },
            format,
            schema: Arc::clone(&table.schema),
            max_in_flight: u16::try_from(in_flight).unwrap_or(u16::MAX),
            max_retries: retries(options, SINK_RETRIES)?,
        })
    }
}

fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && !topic.contains(['+', '#'])
}

#[async_trait]
impl SinkFactory for Factory {
    fn changelog_mode(&self) -> ChangelogMode {
        self.format.changelog_mode()
    }

    async fn check(&self) -> Result<(), OptionError> {
        let client = format!("weir-{}", weir_env::ids::system().next());
        let tried = self.broker.try_out(&client, Vec::new()).await;
        tried.map_err(|error| OptionError::Unavailable {
            reason: error.message,
        })
    }

    async fn open(&self, context: SinkContext) -> Result<Box<dyn Sink>, ConnectorError> {
        let SinkContext {
            operator, subtask, ..
        } = &context;
        let client = match &self.client {
            // The broker lets a writer of an older execution go when this one comes.
            Some(client) => format!("{client}-sink-{operator}-{subtask}"),
            None => format!("weir-{}", weir_env::ids::system().next()),
        };
        Ok(Box::new(Writer {
            outgoing: Outgoing::new(self.format.clone(), &self.schema),
            factory: self.clone(),
            client,
            link: None,
            sent: InFlight::new(),
            retries: Retries::new(self.max_retries, context.clock),
        }))
    }
}

/// A message as it is sent.
#[derive(Clone, Debug)]
struct Publish {
    topic: String,
    retain: bool,
    properties: Vec<(String, String)>,
    payload: Bytes,
}

/// Writes one subtask's rows.
struct Writer {
    factory: Factory,
    outgoing: Outgoing,
    client: String,
    link: Option<Sending>,
    sent: InFlight<Publish>,
    retries: Retries,
}

/// A connection, and which message of ours is which to the broker.
struct Sending {
    link: Link,
    /// In the order in which the connection takes them: messages that it has not yet given an id.
    handed: std::collections::VecDeque<u64>,
    by_id: HashMap<u16, u64>,
}

#[async_trait]
impl Sink for Writer {
    async fn write(&mut self, batch: RecordBatch) -> Result<(), ConnectorError> {
        let encoded = self.outgoing.encode(&batch);
        encoded.map_err(|error| ConnectorError::internal(format!("rows as messages: {error}")))?;
        for row in 0..self.outgoing.len() {
            let message = self.message(row)?;
            while self.sent.len() >= usize::from(self.factory.max_in_flight) || self.sent.bytes() >= MAX_BYTES
            {
                self.await_come(self.sent.len() - 1).await?;
            }
            let bytes = message.payload.len();
            let number = self.sent.push(message.clone(), bytes);
            self.send(number, message).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ConnectorError> {
        self.await_come(0).await
    }

    async fn finish(&mut self) -> Result<Vec<String>, ConnectorError> {
        self.flush().await?;
        if let Some(Sending { link, .. }) = self.link.take() {
            let _ = link.client.disconnect().await;
        }
        Ok(Vec::new())
    }
}

impl Writer {
    /// A row of the last batch.
    fn message(&self, row: usize) -> Result<Publish, ConnectorError> {
        let said = messages::text(self.outgoing.texts(TOPIC_COLUMN), row);
        let topic = said.or(self.factory.topic.as_deref());
        let topic = topic.ok_or_else(|| {
            ConnectorError::user(format!("a row has no topic, and the table no option '{TOPIC}'"))
        })?;
        if !is_topic(topic) {
            return Err(ConnectorError::user(format!("'{topic}' is no topic to write to")));
        }
        let retain = self.outgoing.column(RETAINED).map(AsArray::as_boolean);
        let retain = retain
            .filter(|column| column.is_valid(row))
            .map(|column| column.value(row));
        let property = |(name, value)| match String::from_utf8(value) {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(ConnectorError::user(format!(
                "the user property '{name}' is no text"
            ))),
        };
        let properties = messages::entries(self.outgoing.entries(PROPERTIES), row)
            .into_iter()
            .map(property);
        Ok(Publish {
            topic: topic.to_owned(),
            retain: retain.unwrap_or(self.factory.retain),
            properties: properties.collect::<Result<_, _>>()?,
            payload: Bytes::copy_from_slice(self.outgoing.get(row)),
        })
    }

    /// Sends the newest message, if there is a connection; else all are sent when there is one.
    async fn send(&mut self, number: u64, message: Publish) -> Result<(), ConnectorError> {
        let qos = self.factory.qos;
        if let Some(sending) = &mut self.link {
            match sending.send(number, message, qos).await {
                Ok(()) => return Ok(()),
                Err(error) => self.give_up(error).await?,
            }
        }
        self.connected().await
    }

    /// Returns when there are no more than so many of which it is not known that they have come.
    async fn await_come(&mut self, rest: usize) -> Result<(), ConnectorError> {
        while self.sent.len() > rest {
            self.connected().await?;
            let Some(sending) = &mut self.link else { continue };
            match sending.come().await {
                Ok(None) => {}
                Ok(Some(number)) => {
                    self.sent.done(number);
                    self.retries.reset();
                }
                Err(error) => self.give_up(error).await?,
            }
        }
        Ok(())
    }

    /// Leaves a connection that is of no use; returns when it is time for another one.
    async fn give_up(&mut self, error: ConnectorError) -> Result<(), ConnectorError> {
        self.link = None;
        self.retries.after(error).await
    }

    /// Returns when there is a connection, over which all was sent that waits.
    async fn connected(&mut self) -> Result<(), ConnectorError> {
        while self.link.is_none() {
            match self.connect().await {
                Ok(sending) => self.link = Some(sending),
                Err(error) => self.retries.after(error).await?,
            }
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Sending, ConnectorError> {
        let Factory {
            broker,
            max_in_flight,
            qos,
            ..
        } = &self.factory;
        let mut options = broker.options(&self.client)?;
        options.set_outgoing_inflight_upper_limit(*max_in_flight);
        // What happens is two things for each message on its way, or three.
        let mut link = broker.connect(options, 4 * usize::from(*max_in_flight) + 100);
        while !matches!(link.next().await?, Event::Incoming(Packet::ConnAck(_))) {}
        let mut sending = Sending {
            link,
            handed: std::collections::VecDeque::new(),
            by_id: HashMap::new(),
        };
        for (number, message) in self.sent.rest() {
            sending.send(number, message.clone(), *qos).await?;
        }
        Ok(sending)
    }
}

impl Sending {
    async fn send(&mut self, number: u64, message: Publish, qos: QoS) -> Result<(), ConnectorError> {
        let Publish {
            topic,
            retain,
            properties,
            payload,
        } = message;
        let properties = PublishProperties {
            user_properties: properties,
            ..PublishProperties::default()
        };
        self.handed.push_back(number);
        let sent = self
            .link
            .client
            .publish_with_properties(topic, qos, retain, payload, properties)
            .await;
        match sent {
            Ok(()) => Ok(()),
            Err(_) => Err(self.link.broken().await),
        }
    }

    /// What happens next: perhaps a message has come.
    async fn come(&mut self) -> Result<Option<u64>, ConnectorError> {
        match self.link.next().await? {
            // The connection takes messages in the order in which they were handed to it.
            Event::Outgoing(Said::Publish(id)) => {
                let number = self.handed.pop_front();
                match number {
                    Some(number) if id != 0 => {
                        self.by_id.insert(id, number);
                        Ok(None)
                    }
                    // Nobody says that it has come.
                    number => Ok(number),
                }
            }
            Event::Incoming(Packet::PubAck(answer)) => {
                check(
                    matches!(
                        answer.reason,
                        PubAckReason::Success | PubAckReason::NoMatchingSubscribers
                    ),
                    || {
                        let mends = matches!(
                            answer.reason,
                            PubAckReason::UnspecifiedError
                                | PubAckReason::ImplementationSpecificError
                                | PubAckReason::QuotaExceeded
                        );
                        (format!("{:?}", answer.reason), mends)
                    },
                )?;
                Ok(self.by_id.remove(&answer.pkid))
            }
            Event::Incoming(Packet::PubRec(answer)) => {
                check(
                    matches!(
                        answer.reason,
                        PubRecReason::Success | PubRecReason::NoMatchingSubscribers
                    ),
                    || {
                        let mends = matches!(
                            answer.reason,
                            PubRecReason::UnspecifiedError
                                | PubRecReason::ImplementationSpecificError
                                | PubRecReason::QuotaExceeded
                        );
                        (format!("{:?}", answer.reason), mends)
                    },
                )?;
                Ok(None)
            }
            Event::Incoming(Packet::PubComp(answer)) => Ok(self.by_id.remove(&answer.pkid)),
            _ => Ok(None),
        }
    }
}

/// Refuses an answer that says that a message was not taken; another try may mend it or not.
fn check(is_taken: bool, reason: impl FnOnce() -> (String, bool)) -> Result<(), ConnectorError> {
    if is_taken {
        return Ok(());
    }
    let (reason, mends) = reason();
    let message = format!("MQTT does not take a message: {reason}");
    Err(if mends {
        ConnectorError::external(message)
    } else {
        ConnectorError::user(message)
    })
}
