//! The source: what the table says, and its splits.

use std::{sync::Arc, time::Duration};

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use rumqttc::v5::mqttbytes::{
    QoS,
    v5::{Filter, RetainForwardRule},
};
use tokio::sync::mpsc;

use super::{
    broker::{Broker, Link},
    listen::Listen,
    message::{METADATA, Received},
    options::{CLIENT_ID, QOS, SCAN_IN_FLIGHT, SCAN_RETRIES, SESSION_EXPIRY, SHARED_GROUP, TOPIC},
    position::Position,
    retries,
    unacknowledged::Unacknowledged,
};
use crate::{
    ChangelogMode, ConnectorError, OptionError, Source, SourceContext, SourceEvent, SourceFactory, Split,
    Table,
    format::Format,
    messages::{Layout, Position as _, Reader, Retries},
    options::{Checked, invalid},
    origin,
};

/// A checked table to read.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    reading: Arc<Reading>,
    format: Format,
    schema: SchemaRef,
}

/// What those who read have to know.
#[derive(Debug)]
pub(super) struct Reading {
    broker: Broker,
    topics: Vec<String>,
    group: Option<String>,
    client: Option<String>,
    qos: QoS,
    expiry: Duration,
    max_in_flight: u16,
    max_retries: u32,
}

impl Factory {
    pub(super) fn new(options: &Checked<'_>, format: Format, table: &Table) -> Result<Self, OptionError> {
        format.check_columns(&origin::in_rows(&table.schema))?;
        let qos = match options.word(QOS) {
            Some("0") => QoS::AtMostOnce,
            Some("2") => {
                return Err(invalid(
                    QOS,
                    "'2' is for writing alone: what is read is read once more after a failure in any case, as with '1'",
                ));
            }
            _ => QoS::AtLeastOnce,
        };
        let in_flight = options.int_at_least(SCAN_IN_FLIGHT, 1)?.unwrap_or(1);
        let text = |key| options.text(key).map(|text| text.trim().to_owned());
        let group = text(SHARED_GROUP);
        if group
            .as_ref()
            .is_some_and(|group| group.is_empty() || group.contains(['/', '+', '#']))
        {
            return Err(invalid(
                SHARED_GROUP,
                "is no name: it may not have '/', '+' or '#'",
            ));
        }
        Ok(Self {
            reading: Arc::new(Reading {
                broker: Broker::new(options)?,
                topics: topics(options)?,
                group,
                client: text(CLIENT_ID),
                qos,
                expiry: options.duration(SESSION_EXPIRY).unwrap_or_default(),
                max_in_flight: u16::try_from(in_flight).unwrap_or(u16::MAX),
                max_retries: retries(options, SCAN_RETRIES)?,
            }),
            format,
            schema: Arc::clone(&table.schema),
        })
    }
}

fn topics(options: &Checked<'_>) -> Result<Vec<String>, OptionError> {
    let Some(text) = options.text(TOPIC) else {
        return Err(OptionError::Missing {
            connector: "mqtt".into(),
            option: TOPIC.into(),
            meaning: "the topic to read".into(),
        });
    };
    let topics: Vec<_> = text.split(';').map(|topic| topic.trim().to_owned()).collect();
    match topics.iter().find(|topic| !is_filter(topic)) {
        Some(wrong) => Err(invalid(
            TOPIC,
            format!("'{wrong}' is no topic: '+' stands for a whole level, '#' for all that follow"),
        )),
        None => Ok(topics),
    }
}

fn is_filter(topic: &str) -> bool {
    let levels: Vec<_> = topic.split('/').collect();
    let fits = |(nth, level): (usize, &&str)| match *level {
        "+" => true,
        "#" => nth + 1 == levels.len(),
        level => !level.contains(['+', '#']),
    };
    !topic.is_empty() && levels.iter().enumerate().all(fits)
}

impl Reading {
    /// The topics as the broker is asked for them. Whoever only has a look takes nothing from a group.
    pub(super) fn filters(&self, is_lasting: bool) -> Vec<Filter> {
        let group = self.group.as_ref().filter(|_| is_lasting);
        let filter = |topic: &String| Filter {
            path: match group {
                Some(group) => format!("$share/{group}/{topic}"),
                None => topic.clone(),
            },
            qos: self.qos,
            // What the broker has kept comes with the first subscription, and not with each connection.
            retain_forward_rule: RetainForwardRule::OnNewSubscribe,
            ..Filter::default()
        };
        self.topics.iter().map(filter).collect()
    }

    /// Begins to connect as a client, whose session lasts or ends with the connection.
    pub(super) fn connect(&self, client: &str, is_lasting: bool) -> Result<Link, ConnectorError> {
        let mut options = self.broker.options(client)?;
        let expiry = if is_lasting { self.expiry.as_secs() } else { 0 };
        options
            .set_clean_start(!is_lasting)
            .set_manual_acks(true)
            .set_receive_maximum(Some(self.max_in_flight))
            .set_session_expiry_interval(Some(u32::try_from(expiry).unwrap_or(u32::MAX)));
        // With quality 1 the broker sends no more than this without an acknowledgement, so that nothing is held up behind messages. With 0
        // it is held up, and what comes meanwhile may be lost.
        let room = usize::from(self.max_in_flight).saturating_add(100);
        Ok(self.broker.connect(options, room))
    }

    /// An id that nobody has.
    fn new_client() -> String {
        format!("weir-{}", weir_env::ids::system().next())
    }
}

#[async_trait]
impl SourceFactory for Factory {
    fn is_bounded(&self) -> bool {
        false
    }

    fn changelog_mode(&self) -> ChangelogMode {
        self.format.changelog_mode()
    }

    async fn check(&self) -> Result<(), OptionError> {
        let filters = self.reading.filters(false);
        let tried = self.reading.broker.try_out(&Reading::new_client(), filters).await;
        tried.map_err(|error| OptionError::Unavailable {
            reason: error.message,
        })
    }

    async fn splits(&self, parallelism: u32) -> Result<Vec<Split>, ConnectorError> {
        let readers = if self.reading.group.is_some() {
            parallelism.max(1)
        } else {
            1
        };
        let prefix = self.reading.client.clone().unwrap_or_else(Reading::new_client);
        let position = |nth| Position {
            client: format!("{prefix}-{nth}"),
            taken: 0,
        };
        Ok((0..readers).map(|nth| position(nth).to_split()).collect())
    }

    async fn sample(&self, context: SourceContext) -> Result<Box<dyn Source>, ConnectorError> {
        let position = Position {
            client: Reading::new_client(),
            taken: 0,
        };
        self.reader(vec![position], &context, false)
    }

    async fn open(
        &self,
        splits: Vec<Split>,
        context: SourceContext,
    ) -> Result<Box<dyn Source>, ConnectorError> {
        let positions = splits
            .iter()
            .map(Position::from_split)
            .collect::<Result<Vec<_>, _>>()?;
        self.reader(positions, &context, true)
    }
}

impl Factory {
    fn reader(
        &self,
        positions: Vec<Position>,
        context: &SourceContext,
        is_lasting: bool,
    ) -> Result<Box<dyn Source>, ConnectorError> {
        let layout = Layout::new(&self.format, &self.schema, Arc::clone(&context.schema), METADATA)?;
        let mut told = Vec::new();
        let clients = positions.iter().map(|position| position.client.clone()).collect();
        let reader = Reader::start(layout.rows()?, context, positions, |position, outlet| {
            let (tell, kept) = mpsc::unbounded_channel();
            told.push(tell);
            let listen = Listen {
                reading: Arc::clone(&self.reading),
                position,
                outlet,
                kept,
                unacknowledged: Unacknowledged::default(),
                is_lasting,
                batch: context.batch_rows.max(1),
                retries: Retries::new(self.reading.max_retries, Arc::clone(&context.clock)),
            };
            Box::pin(listen.run())
        });
        Ok(Box::new(Sessions {
            reader,
            clients,
            told,
            waits: context.takes_checkpoints,
        }))
    }
}

/// A reader that says what may be acknowledged.
struct Sessions {
    reader: Reader<Received, Position>,
    /// By split.
    clients: Vec<String>,
    told: Vec<mpsc::UnboundedSender<u64>>,
    /// Until a checkpoint has messages; else they are acknowledged when they are handed on.
    waits: bool,
}

impl Sessions {
    fn keep(&self, positions: &[Split]) {
        for position in positions
            .iter()
            .filter_map(|split| Position::from_split(split).ok())
        {
            if let Some(split) = self.clients.iter().position(|client| *client == position.client) {
                // A task that has failed needs no word: its error is about to be seen.
                let _ = self.told[split].send(position.taken);
            }
        }
    }
}

#[async_trait]
impl Source for Sessions {
    async fn next(&mut self) -> Result<SourceEvent, ConnectorError> {
        let event = self.reader.next().await?;
        if !self.waits {
            self.keep(&self.reader.positions());
        }
        Ok(event)
    }

    async fn on_checkpoint_complete(&mut self, positions: &[Split]) {
        self.keep(positions);
    }

    fn positions(&self) -> Vec<Split> {
        self.reader.positions()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_whole_levels() {
        for right in [
            "a", "a/b", "+", "#", "a/+/b", "a/#", "/a", "+/+/#", "a//b", "$SYS/#",
        ] {
            assert!(is_filter(right), "{right}");
        }
        for wrong in ["", "a+", "a/b#", "#/a", "a/#/b", "+a/b"] {
            assert!(!is_filter(wrong), "{wrong}");
        }
    }
}
