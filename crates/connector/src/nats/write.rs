//! The sink: rows to subjects, each stored by JetStream before a checkpoint has it.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_nats::{
    HeaderMap, HeaderName, HeaderValue, Message as Received, PublishErrorKind, StatusCode, Subscriber,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use serde::Deserialize;
use weir_env::Clock;

use super::{
    api::{Api, Refusal},
    message::ID_HEADER,
    metadata::{HEADERS, MESSAGE_ID, SUBJECT as SUBJECT_COLUMN},
    options::{MAX_IN_FLIGHT, SINK_RETRIES, SUBJECT},
    read::retries,
    server::{Connection, Server},
};
use crate::{
    ChangelogMode, ConnectorError, OptionError, Sink, SinkContext, SinkFactory, Table,
    format::Format,
    messages::{self, InFlight, Outgoing, Retries},
    options::{Checked, invalid},
    origin,
};

/// Half of the answers that the client keeps for who does not take them at once.
const MOST_IN_FLIGHT: usize = 1 << 15;

/// Messages on their way have no more bytes than about this.
const MAX_BYTES: usize = 16 << 20;

/// A checked table to write.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    server: Server,
    /// Where no column says it.
    subject: Option<String>,
    format: Format,
    schema: SchemaRef,
    max_in_flight: usize,
    max_retries: u32,
}

impl Factory {
    pub(super) fn new(options: &Checked<'_>, format: Format, table: &Table) -> Result<Self, OptionError> {
        format.check_columns(&origin::in_rows(&table.schema))?;
        let subject = options.text(SUBJECT).map(|subject| subject.trim().to_owned());
        let says_subject =
            table.schema.fields().iter().any(|field| {
                origin::metadata_key(field) == Some(SUBJECT_COLUMN) && !origin::is_read_only(field)
            });
        match &subject {
            None if !says_subject => {
                return Err(OptionError::Missing {
                    connector: "nats".into(),
                    option: SUBJECT.into(),
                    meaning: "the subject of the messages, or a column that says it: METADATA FROM 'subject'"
                        .into(),
                });
            }
            Some(subject) if subject.contains([';', '*', '>', ' ']) => {
                return Err(invalid(
                    SUBJECT,
                    "has wildcards or several subjects: rows are written to one",
                ));
            }
            _ => {}
        }
        Ok(Self {
            server: Server::new(options)?,
            subject,
            format,
            schema: Arc::clone(&table.schema),
            max_in_flight: (options.int_at_least(MAX_IN_FLIGHT, 1)?.unwrap_or(1) as usize)
                .min(MOST_IN_FLIGHT),
            max_retries: retries(options, SINK_RETRIES)?,
        })
    }
}

#[async_trait]
impl SinkFactory for Factory {
    fn changelog_mode(&self) -> ChangelogMode {
        self.format.changelog_mode()
    }

    async fn check(&self) -> Result<(), OptionError> {
        let checked = async {
            let connection = self.server.connect().await?;
            let api = Api {
                server: &self.server,
                connection: &connection,
            };
            // Also where columns say the subjects: whether JetStream is there.
            let streams = api.streams_of(self.subject.as_deref().unwrap_or(">")).await?;
            match &self.subject {
                Some(subject) if streams.is_empty() => Err(ConnectorError::user(format!(
                    "no stream of NATS at {} takes subject '{subject}': make one first",
                    self.server.names()
                ))),
                _ => Ok(()),
            }
        };
        checked
            .await
            .map_err(|error: ConnectorError| OptionError::Unavailable {
                reason: error.message,
            })
    }

    async fn open(&self, context: SinkContext) -> Result<Box<dyn Sink>, ConnectorError> {
        Ok(Box::new(Writer {
            outgoing: Outgoing::new(self.format.clone(), &self.schema),
            ids: format!("{}-", weir_env::ids::system().next()),
            factory: self.clone(),
            link: None,
            sent: InFlight::new(),
            retries: Retries::new(self.max_retries, Arc::clone(&context.clock)),
            clock: context.clock,
        }))
    }
}

/// A message as it is sent.
#[derive(Clone, Debug)]
struct Publish {
    subject: String,
    headers: HeaderMap,
    payload: Bytes,
}

/// A connection, and where the server says what it has stored.
struct Link {
    connection: Connection,
    inbox: String,
    answers: Subscriber,
}

/// Writes one subtask's rows.
struct Writer {
    factory: Factory,
    outgoing: Outgoing,
    /// What ids of messages begin with: of no other writer's.
    ids: String,
    link: Option<Link>,
    sent: InFlight<Publish>,
    retries: Retries,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Sink for Writer {
    async fn write(&mut self, batch: RecordBatch) -> Result<(), ConnectorError> {
        let encoded = self.outgoing.encode(&batch);
        encoded.map_err(|error| ConnectorError::internal(format!("rows as messages: {error}")))?;
        for row in 0..self.outgoing.len() {
            let message = self.message(row)?;
            while self.sent.len() >= self.factory.max_in_flight || self.sent.bytes() >= MAX_BYTES {
                self.await_stored(self.sent.len() - 1).await?;
            }
            let bytes = message.payload.len();
            let number = self.sent.push(message.clone(), bytes);
            self.send(number, message).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ConnectorError> {
        self.await_stored(0).await
    }

    async fn finish(&mut self) -> Result<Vec<String>, ConnectorError> {
        self.flush().await?;
        Ok(Vec::new())
    }
}

impl Writer {
    /// A row of the last batch.
    fn message(&self, row: usize) -> Result<Publish, ConnectorError> {
        let said = messages::text(self.outgoing.texts(SUBJECT_COLUMN), row);
        let subject = said.or(self.factory.subject.as_deref());
        let subject = subject.ok_or_else(|| {
            ConnectorError::user(format!(
                "a row has no subject, and the table no option '{SUBJECT}'"
            ))
        })?;
        let mut headers = HeaderMap::new();
        for (name, value) in messages::entries(self.outgoing.entries(HEADERS), row) {
            let wrong = || {
                ConnectorError::user(format!(
                    "'{name}' is no header of NATS, or its value is no line of text"
                ))
            };
            let value = String::from_utf8(value).map_err(|_| wrong())?;
            let (name, value) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>());
            headers.insert(name.map_err(|_| wrong())?, value.map_err(|_| wrong())?);
        }
        let id = match messages::text(self.outgoing.texts(MESSAGE_ID), row) {
            Some(id) => id.parse::<HeaderValue>(),
            None => format!("{}{}", self.ids, self.sent.next()).parse(),
        };
        let id = id.map_err(|_| ConnectorError::user("the id of a message is no line of text"))?;
        headers.insert(ID_HEADER, id);
        Ok(Publish {
            subject: subject.to_owned(),
            headers,
            payload: Bytes::copy_from_slice(self.outgoing.get(row)),
        })
    }

    /// Sends the newest message, if there is a connection; else all are sent when there is one.
    async fn send(&mut self, number: u64, message: Publish) -> Result<(), ConnectorError> {
        if let Some(link) = &self.link {
            match link.send(number, message).await {
                Ok(()) => return Ok(()),
                Err(error) => self.give_up(error).await?,
            }
        }
        self.connected().await
    }

    /// Returns when there are no more than so many of which it is not known that they are stored.
    async fn await_stored(&mut self, rest: usize) -> Result<(), ConnectorError> {
        while self.sent.len() > rest {
            self.connected().await?;
            let Some(link) = &mut self.link else { continue };
            let timeout = self.factory.server.timeout;
            let answer = tokio::select! {
                answer = link.answers.next() => {
                    answer.ok_or_else(|| ConnectorError::external("the connection to NATS is closed"))
                }
                error = link.connection.broken() => Err(error),
                () = self.clock.sleep(timeout) => Err(ConnectorError::external(format!(
                    "NATS has not said for {timeout:?} that it has stored a message"
                ))),
            };
            if let Err(error) = answer.and_then(|answer| self.on_answer(&answer)) {
                self.give_up(error).await?;
            }
        }
        Ok(())
    }

    /// Forgets a message that is stored.
    fn on_answer(&mut self, answer: &Received) -> Result<(), ConnectorError> {
        let number: Option<u64> = answer
            .subject
            .rsplit('.')
            .next()
            .and_then(|number| number.parse().ok());
        // Of one that was sent twice, the first answer counts.
        let Some((number, message)) = number.and_then(|number| Some((number, self.sent.get(number)?))) else {
            return Ok(());
        };
        check_stored(answer, &message.subject)?;
        self.sent.done(number);
        self.retries.reset();
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
                Ok(link) => self.link = Some(link),
                Err(error) => self.retries.after(error).await?,
            }
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Link, ConnectorError> {
        let connection = self.factory.server.connect().await?;
        let inbox = connection.client.new_inbox();
        let answers = connection.client.subscribe(format!("{inbox}.*")).await;
        let refused = |error| ConnectorError::external(format!("cannot listen to NATS: {error}"));
        let answers = answers.map_err(refused)?;
        let link = Link {
            connection,
            inbox,
            answers,
        };
        for (number, message) in self.sent.rest() {
            link.send(number, message.clone()).await?;
        }
        Ok(link)
    }
}

impl Link {
    async fn send(&self, number: u64, message: Publish) -> Result<(), ConnectorError> {
        let Publish {
            subject,
            headers,
            payload,
        } = message;
        let sending = async {
            let reply = format!("{}.{number}", self.inbox);
            let client = &self.connection.client;
            let sent = client
                .publish_with_reply_and_headers(subject.clone(), reply, headers, payload)
                .await;
            sent.map_err(|error| {
                let message = format!("cannot send a message to subject '{subject}' of NATS: {error}");
                match error.kind() {
                    PublishErrorKind::MaxPayloadExceeded | PublishErrorKind::InvalidSubject => {
                        ConnectorError::user(message)
                    }
                    PublishErrorKind::Send => ConnectorError::external(message),
                }
            })
        };
        self.connection.unless_broken(sending).await
    }
}

#[derive(Deserialize)]
struct Stored {
    stream: Option<String>,
    error: Option<Refusal>,
}

/// Whether an answer says that a message is stored, now or before.
fn check_stored(answer: &Received, subject: &str) -> Result<(), ConnectorError> {
    let doing = format!("store messages of subject '{subject}'");
    if answer.status == Some(StatusCode::NO_RESPONDERS) {
        return Err(ConnectorError::external(format!(
            "cannot {doing}: no stream of NATS takes them, or JetStream is away"
        )));
    }
    match serde_json::from_slice(&answer.payload) {
        Ok(Stored {
            error: Some(refusal), ..
        }) => Err(refusal.error(&doing)),
        Ok(Stored { stream: Some(_), .. }) => Ok(()),
        _ => Err(ConnectorError::external(format!(
            "cannot {doing}: something other than JetStream answers"
        ))),
    }
}
