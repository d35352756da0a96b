//! Reads one stream, through a consumer that only lives as long as a connection does: where it begins is known here, exactly.

use std::{sync::Arc, time::Duration};

use async_nats::{Message as Received, StatusCode, Subscriber};
use futures::{FutureExt, StreamExt};
use serde_json::json;
use weir_env::Clock;

use super::{
    api::{Api, Begin, Consumer},
    message::Stored,
    position::Position,
    read::Reading,
    server::Connection,
};
use crate::{
    ConnectorError,
    messages::{Delivery, Outlet, Retries},
};

/// How long the server keeps a question for messages, and how often it says meanwhile that it is there.
const EXPIRES: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long it may be silent.
const PATIENCE: Duration = Duration::from_secs(11);
/// Messages of more bytes are not asked for at once, beside one of any size.
const MAX_BYTES: usize = 16 << 20;

/// The task that reads a stream.
pub(super) struct Pull {
    pub(super) reading: Arc<Reading>,
    pub(super) position: Position,
    pub(super) outlet: Outlet<Stored, Position>,
    /// Messages that come together at most.
    pub(super) batch: usize,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) retries: Retries,
}

/// A consumer as it is read.
struct Feed<'a> {
    connection: &'a Connection,
    /// Where it is asked.
    ask: String,
    inbox: String,
    arriving: Subscriber,
    /// How many messages may come without being asked for once more.
    asked: usize,
    /// The number that the last message had among those of the consumer.
    last: u64,
}

/// What was taken of what came.
#[derive(Default)]
struct Taken {
    messages: Vec<Stored>,
    /// How many are behind them.
    pending: Option<u64>,
    is_last: bool,
}

/// What came.
#[allow(clippy::large_enum_variant, reason = "most are messages, and none is kept")]
enum Came {
    Message(Stored),
    /// The server is there.
    Heartbeat,
    /// So many of the messages that were asked for do not come; none: all.
    Fewer(Option<usize>),
    /// There are no more now.
    Nothing,
}

impl Pull {
    /// Reads to the end, if there is one.
    pub(super) async fn run(mut self) -> Result<(), ConnectorError> {
        loop {
            match self.feed().await {
                Ok(()) => return Ok(()),
                Err(error) => self.retries.after(error).await?,
            }
        }
    }

    /// Reads until the end, or until something breaks.
    async fn feed(&mut self) -> Result<(), ConnectorError> {
        let reading = Arc::clone(&self.reading);
        let server = &reading.server;
        let connection = server.connect().await?;
        let api = Api {
            server,
            connection: &connection,
        };
        self.check_stream(&api).await?;
        let stream = self.position.stream.clone();
        let consumer = api
            .consume(&stream, &Begin::At(self.position.next), &reading.subjects)
            .await?;
        if self.position.is_over() || (self.position.until.is_some() && consumer.num_pending == 0) {
            self.hand_over(Vec::new(), None, true).await;
            self.forget(&api, &consumer).await;
            return Ok(());
        }
        let ask = format!("{}.CONSUMER.MSG.NEXT.{stream}.{}", server.api, consumer.name);
        let mut feed = Feed::new(&connection, ask).await?;
        while !self.take(&mut feed).await? {}
        // It forgets it by itself, too.
        self.forget(&api, &consumer).await;
        Ok(())
    }

    async fn forget(&self, api: &Api<'_>, consumer: &Consumer) {
        if let Err(error) = api.forget(&self.position.stream, &consumer.name).await {
            tracing::debug!(%error, "a consumer is left to itself");
        }
    }

    /// Refuses a stream that has less than was read of it, and says if it has lost messages.
    async fn check_stream(&self, api: &Api<'_>) -> Result<(), ConnectorError> {
        let Position { stream, next, .. } = &self.position;
        let state = api.state(stream).await?;
        if *next > state.last_seq + 1 {
            return Err(ConnectorError::user(format!(
                "stream '{stream}' of NATS ends at {}, and was read up to {}: it was made anew, or put back; begin a new job",
                state.last_seq,
                next - 1
            ))
            .at(format!("{stream}@{next}")));
        }
        if *next < state.first_seq && state.last_seq > 0 {
            tracing::warn!(
                "stream '{stream}' of NATS begins at {}, and is read from {next} on: what was between is deleted",
                state.first_seq
            );
        }
        Ok(())
    }

    /// Takes what has come, at least one thing; returns whether it was the last.
    async fn take(&mut self, feed: &mut Feed<'_>) -> Result<bool, ConnectorError> {
        let is_bounded = self.position.until.is_some();
        feed.ask_for_more(self.batch, is_bounded).await?;
        let first = tokio::select! {
            came = feed.arriving.next() => came,
            error = feed.connection.broken() => return Err(error),
            () = self.clock.sleep(PATIENCE) => {
                return Err(ConnectorError::external(format!(
                    "NATS has been silent about stream '{}' for {} s", self.position.stream, PATIENCE.as_secs()
                )));
            }
        };
        let mut next = Some(first);
        let mut taken = Taken::default();
        // What came before something broke is handed over all the same: the position has moved behind it.
        let mut broken = None;
        while let Some(came) = next {
            let closed = || ConnectorError::external("the connection to NATS is closed");
            match came.ok_or_else(closed).and_then(|came| feed.sort(came)) {
                Ok(Came::Message(message)) => self.keep(message, &mut taken),
                Ok(Came::Heartbeat) => {}
                Ok(Came::Fewer(count)) => {
                    feed.asked = count.map_or(0, |count| feed.asked.saturating_sub(count));
                }
                Ok(Came::Nothing) => taken.is_last |= is_bounded,
                Err(error) => broken = Some(error),
            }
            if taken.is_last || broken.is_some() || taken.messages.len() >= self.batch {
                break;
            }
            next = feed.arriving.next().now_or_never();
        }
        let Taken {
            messages,
            pending,
            is_last,
        } = taken;
        if is_last || !messages.is_empty() {
            self.hand_over(messages, pending, is_last).await;
        }
        if let Some(error) = broken {
            return Err(error);
        }
        self.retries.reset();
        Ok(is_last)
    }

    fn keep(&mut self, message: Stored, taken: &mut Taken) {
        if self
            .position
            .until
            .is_some_and(|until| message.place.sequence > until)
        {
            taken.is_last = true;
            return;
        }
        self.position.next = message.place.sequence + 1;
        taken.pending = Some(message.place.pending);
        taken.is_last |=
            self.position.until.is_some() && (message.place.pending == 0 || self.position.is_over());
        taken.messages.push(message);
    }

    async fn hand_over(&mut self, messages: Vec<Stored>, lag: Option<u64>, is_last: bool) {
        let delivery = Delivery {
            messages,
            position: self.position.clone(),
            lag,
            is_last,
        };
        self.outlet.send(delivery).await;
    }
}

impl<'a> Feed<'a> {
    async fn new(connection: &'a Connection, ask: String) -> Result<Self, ConnectorError> {
        let inbox = connection.client.new_inbox();
        let arriving = connection.client.subscribe(inbox.clone()).await;
        let refused = |error| ConnectorError::external(format!("cannot listen to NATS: {error}"));
        Ok(Self {
            connection,
            ask,
            arriving: arriving.map_err(refused)?,
            inbox,
            asked: 0,
            last: 0,
        })
    }

    /// Asks for more messages when few are to come: what is asked for is all that comes, so a job that is slow holds them back.
    async fn ask_for_more(&mut self, batch: usize, is_bounded: bool) -> Result<(), ConnectorError> {
        if self.asked > batch / 2 {
            return Ok(());
        }
        let max_bytes = MAX_BYTES.max(2 * self.connection.client.max_payload());
        let question = if is_bounded {
            json!({ "batch": batch, "no_wait": true, "max_bytes": max_bytes })
        } else {
            let (expires, heartbeat) = (EXPIRES.as_nanos() as u64, HEARTBEAT.as_nanos() as u64);
            json!({ "batch": batch, "expires": expires, "idle_heartbeat": heartbeat, "max_bytes": max_bytes })
        };
        let question = question.to_string().into();
        let asking = async {
            let client = &self.connection.client;
            let asked = client
                .publish_with_reply(self.ask.clone(), self.inbox.clone(), question)
                .await;
            asked.map_err(|error| ConnectorError::external(format!("cannot ask NATS for messages: {error}")))
        };
        self.connection.unless_broken(asking).await?;
        self.asked += batch;
        Ok(())
    }

    /// What something is that came: a message, or a word of the server's.
    fn sort(&mut self, received: Received) -> Result<Came, ConnectorError> {
        let Some(status) = received.status else {
            let stored = Stored::new(received)
                .ok_or_else(|| ConnectorError::external("a message of NATS does not say where it is"))?;
            if stored.place.of_consumer != self.last + 1 {
                return Err(ConnectorError::external(format!(
                    "a message of NATS is the consumer's number {}, and {} was the last: some were lost on the way",
                    stored.place.of_consumer, self.last
                )));
            }
            self.last += 1;
            self.asked = self.asked.saturating_sub(1);
            return Ok(Came::Message(stored));
        };
        let text = received.description.unwrap_or_default();
        if status == StatusCode::IDLE_HEARTBEAT {
            return Ok(Came::Heartbeat);
        }
        if status == StatusCode::NOT_FOUND {
            self.asked = 0;
            return Ok(Came::Nothing);
        }
        let is_of_question = ["batch completed", "maxbytes"]
            .iter()
            .any(|word| text.to_lowercase().contains(word));
        if status == StatusCode::TIMEOUT || is_of_question {
            let headers = received.headers.unwrap_or_default();
            let fewer = headers.get_last("Nats-Pending-Messages");
            return Ok(Came::Fewer(fewer.and_then(|fewer| fewer.as_str().parse().ok())));
        }
        Err(ConnectorError::external(format!(
            "NATS does not go on with a stream: {status} {text}"
        )))
    }
}
