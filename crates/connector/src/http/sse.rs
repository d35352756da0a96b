//! The source of `sse`: a stream of events, read on behind the last one.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::FutureExt;
use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
};

use super::{
    events::{Event, Parser},
    options::{EVENTS, IDLE_TIMEOUT, SCAN_RETRIES},
    position::Position,
    read::{Columns, Reading, retries, split},
    record::{Record, SSE_METADATA},
    target::{Refused, Target, good, unanswered},
};
use crate::{
    ChangelogMode, ConnectorError, OptionError, Source, SourceContext, SourceFactory, Split, Table,
    format::Format,
    messages::{Delivery, Retries},
    options::{Checked, invalid},
};

/// How long after the end of a stream the next one is asked for, unless the server says another time.
const RECONNECTION: Duration = Duration::from_secs(1);

/// A checked table to read.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    following: Arc<Following>,
    columns: Columns,
}

#[derive(Debug)]
struct Following {
    target: Target,
    /// Only events of these types; none: all.
    events: Vec<String>,
    idle: Duration,
    max_retries: u32,
}

impl Factory {
    pub(super) fn new(options: &Checked<'_>, format: Format, table: &Table) -> Result<Self, OptionError> {
        let events = options
            .text(EVENTS)
            .map(|text| text.split(';').map(|name| name.trim().to_owned()).collect());
        Ok(Self {
            following: Arc::new(Following {
                target: Target::new(options, &["http", "https"])?,
                events: events.unwrap_or_default(),
                idle: idle(options)?,
                max_retries: retries(options, SCAN_RETRIES)?,
            }),
            columns: Columns::new(format, table, SSE_METADATA)?,
        })
    }
}

/// How long nothing may come.
pub(super) fn idle(options: &Checked<'_>) -> Result<Duration, OptionError> {
    let idle = options.duration(IDLE_TIMEOUT).filter(|idle| !idle.is_zero());
    idle.ok_or_else(|| invalid(IDLE_TIMEOUT, "it must be more than nothing"))
}

#[async_trait]
impl SourceFactory for Factory {
    fn is_bounded(&self) -> bool {
        false
    }

    fn changelog_mode(&self) -> ChangelogMode {
        self.columns.format.changelog_mode()
    }

    async fn check(&self) -> Result<(), OptionError> {
        let checked = async {
            let following = &self.following;
            let client = following.target.client(true)?;
            let clock = weir_env::SystemClock::new();
            following
                .connect(&client, None, &clock)
                .await
                .map_err(|refused| refused.error)
        };
        checked
            .await
            .map(drop)
            .map_err(|error: ConnectorError| OptionError::Unavailable {
                reason: error.message,
            })
    }

    async fn splits(&self, _parallelism: u32) -> Result<Vec<Split>, ConnectorError> {
        Ok(split(self.following.target.name()))
    }

    async fn open(
        &self,
        splits: Vec<Split>,
        context: SourceContext,
    ) -> Result<Box<dyn Source>, ConnectorError> {
        self.columns.read(&splits, &context, |reading| {
            Box::pin(run(Arc::clone(&self.following), reading))
        })
    }
}

/// Follows the stream until the server says that there is no more of it.
async fn run(following: Arc<Following>, mut reading: Reading) -> Result<(), ConnectorError> {
    let client = following.target.client(true)?;
    let mut retries = Retries::new(following.max_retries, Arc::clone(&reading.clock));
    loop {
        match following.follow(&client, &mut reading, &mut retries).await {
            Ok(Some(reconnection)) => reading.clock.sleep(reconnection).await,
            Ok(None) => return Ok(()),
            Err(Refused {
                error,
                wait: Some(wait),
            }) => retries.after_at_least(error, wait).await?,
            Err(Refused { error, wait: None }) => retries.after(error).await?,
        }
    }
}

impl Following {
    /// Reads until a connection ends: how long until the next one; none: there shall be no other.
    async fn follow(
        &self,
        client: &Client,
        reading: &mut Reading,
        retries: &mut Retries,
    ) -> Result<Option<Duration>, Refused> {
        let last = reading.position.last_event_id.clone();
        let Some(mut response) = self
            .connect(client, last.as_deref(), reading.clock.as_ref())
            .await?
        else {
            self.hand_over(Vec::new(), reading, true).await;
            return Ok(None);
        };
        let mut parser = Parser::behind(last.as_deref());
        loop {
            let chunk = tokio::select! {
                chunk = response.chunk() => chunk,
                () = reading.clock.sleep(self.idle) => {
                    let idle = self.idle;
                    return Err(ConnectorError::external(format!("{}: nothing has come for {idle:?}", self.doing())).into());
                }
            };
            let mut next = Some(chunk);
            let mut events = Vec::new();
            let mut ended = None;
            while let Some(chunk) = next {
                match chunk {
                    Ok(Some(bytes)) => {
                        retries.reset();
                        let taken = parser.take(&bytes, &mut events);
                        if let Err(reason) = taken {
                            ended = Some(Err(ConnectorError::user(reason).at(self.target.name()).into()));
                        }
                    }
                    Ok(None) => ended = Some(Ok(Some(parser.retry.unwrap_or(RECONNECTION)))),
                    Err(error) => ended = Some(Err(unanswered(&self.doing(), error).into())),
                }
                let has_room = ended.is_none() && events.len() < reading.batch;
                next = if has_room {
                    response.chunk().now_or_never()
                } else {
                    None
                };
            }
            self.hand_over(events, reading, false).await;
            if let Some(ended) = ended {
                return ended;
            }
        }
    }

    /// A stream of events behind that of an id; none: the server says that there are no more.
    async fn connect(
        &self,
        client: &Client,
        last: Option<&str>,
        clock: &dyn weir_env::Clock,
    ) -> Result<Option<Response>, Refused> {
        let doing = self.doing();
        let mut request = client.get(self.target.url.clone());
        request = request.header(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(id) = last.filter(|id| !id.is_empty()) {
            let wrong = |_| ConnectorError::user("the id of the last event is no text for a header");
            request = request.header(
                "Last-Event-ID",
                HeaderValue::from_bytes(id.as_bytes()).map_err(wrong)?,
            );
        }
        let sent = tokio::select! {
            sent = request.send() => sent,
            () = clock.sleep(self.target.timeout) => {
                return Err(ConnectorError::external(format!("{doing}: no answer for {:?}", self.target.timeout)).into());
            }
        };
        let response = sent.map_err(|error| unanswered(&doing, error))?;
        let response = good(&doing, response, clock.now_ms()).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        let kind = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        if !kind
            .trim_start()
            .to_ascii_lowercase()
            .starts_with("text/event-stream")
        {
            return Err(ConnectorError::user(format!(
                "{doing}: the answer is '{kind}', and no stream of events"
            ))
            .into());
        }
        Ok(Some(response))
    }

    async fn hand_over(&self, events: Vec<Event>, reading: &mut Reading, is_last: bool) {
        let Some(id) = events
            .last()
            .map(|event| event.id.clone())
            .or(is_last.then(String::new))
        else {
            return;
        };
        if !is_last {
            let last_event_id = Some(id).filter(|id| !id.is_empty());
            reading.position = Position {
                last_event_id,
                ..reading.position.clone()
            };
        }
        let is_read = |event: &Event| self.events.is_empty() || self.events.contains(&event.event);
        let came_ms = reading.clock.now_ms();
        let url: Arc<str> = self.target.name().into();
        let record = |event: Event| Record {
            payload: event.data.into(),
            came_ms,
            url: Arc::clone(&url),
            headers: None,
            id: Some(event.id).filter(|id| !id.is_empty()),
            event: Some(event.event),
        };
        let delivery = Delivery {
            messages: events.into_iter().filter(is_read).map(record).collect(),
            position: reading.position.clone(),
            lag: None,
            is_last,
        };
        reading.outlet.send(delivery).await;
    }

    fn doing(&self) -> String {
        format!("GET {}", self.target.name())
    }
}
