//! The source of `websocket`: what a server sends while somebody is connected.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        protocol::{CloseFrame, WebSocketConfig},
    },
};
use weir_env::Clock;

use super::{
    options::{SCAN_RETRIES, SUBSCRIPTION},
    read::{Columns, Reading, retries, split},
    record::{Record, WEBSOCKET_METADATA},
    sse::idle,
    target::Target,
};
use crate::{
    ChangelogMode, ConnectorError, OptionError, Source, SourceContext, SourceFactory, Split, Table,
    format::{Format, MAX_RECORD_BYTES},
    messages::{Delivery, Retries},
    options::Checked,
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A checked table to read.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    following: Arc<Following>,
    columns: Columns,
}

#[derive(Debug)]
struct Following {
    target: Target,
    subscription: Option<String>,
    idle: Duration,
    max_retries: u32,
}

impl Factory {
    pub(super) fn new(options: &Checked<'_>, format: Format, table: &Table) -> Result<Self, OptionError> {
        Ok(Self {
            following: Arc::new(Following {
                target: Target::new(options, &["wss", "ws"])?,
                subscription: options.text(SUBSCRIPTION).map(str::to_owned),
                idle: idle(options)?,
                max_retries: retries(options, SCAN_RETRIES)?,
            }),
            columns: Columns::new(format, table, WEBSOCKET_METADATA)?,
        })
    }
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
        let clock = weir_env::SystemClock::new();
        match self.following.connect(&clock).await {
            Ok(mut socket) => {
                let _ = socket.close(None).await;
                Ok(())
            }
            Err(error) => Err(OptionError::Unavailable {
                reason: error.message,
            }),
        }
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

/// Listens for ever.
async fn run(following: Arc<Following>, reading: Reading) -> Result<(), ConnectorError> {
    let mut retries = Retries::new(following.max_retries, Arc::clone(&reading.clock));
    loop {
        let Err(error) = following.follow(&reading, &mut retries).await;
        retries.after(error).await?;
    }
}

impl Following {
    /// Listens until a connection ends.
    async fn follow(
        &self,
        reading: &Reading,
        retries: &mut Retries,
    ) -> Result<std::convert::Infallible, ConnectorError> {
        let mut socket = self.connect(reading.clock.as_ref()).await?;
        if let Some(text) = &self.subscription {
            let sent = socket.send(Message::text(text.clone())).await;
            sent.map_err(|error| self.failed(&error))?;
        }
        loop {
            let first = self.next(&mut socket, reading.clock.as_ref()).await?;
            retries.reset();
            let mut next = Some(Ok(first));
            let mut payloads = Vec::new();
            let mut broken = None;
            while let Some(message) = next {
                match message.and_then(|message| self.payload(message)) {
                    Ok(payload) => payloads.extend(payload),
                    Err(error) => broken = Some(error),
                }
                let has_room = broken.is_none() && payloads.len() < reading.batch;
                let more = if has_room {
                    socket.next().now_or_never()
                } else {
                    None
                };
                next = more.map(|more| self.received(more));
            }
            self.hand_over(payloads, reading).await;
            if let Some(error) = broken {
                return Err(error);
            }
        }
    }

    /// What comes next. A server that is silent is asked whether it is there.
    async fn next(&self, socket: &mut Socket, clock: &dyn Clock) -> Result<Message, ConnectorError> {
        for is_asked in [false, true] {
            tokio::select! {
                message = socket.next() => return self.received(message),
                () = clock.sleep(self.idle / 2) => {}
            }
            if !is_asked {
                let asked = socket.send(Message::Ping(Bytes::new())).await;
                asked.map_err(|error| self.failed(&error))?;
            }
        }
        Err(ConnectorError::external(format!(
            "{}: nothing has come for {:?}",
            self.target.name(),
            self.idle
        )))
    }

    fn received(&self, message: Option<Result<Message, Error>>) -> Result<Message, ConnectorError> {
        match message {
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(self.failed(&error)),
            None => Err(self.failed(&Error::ConnectionClosed)),
        }
    }

    /// What is in a message; none: it is a word about the connection.
    fn payload(&self, message: Message) -> Result<Option<Bytes>, ConnectorError> {
        match message {
            Message::Text(text) => Ok(Some(text.into())),
            Message::Binary(bytes) => Ok(Some(bytes)),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(None),
            Message::Close(frame) => {
                let why = frame.map_or_else(String::new, |CloseFrame { code, reason }| {
                    format!(": {code} {reason}")
                });
                let name = self.target.name();
                Err(ConnectorError::external(format!(
                    "{name}: the server has closed the connection{why}"
                )))
            }
        }
    }

    async fn connect(&self, clock: &dyn Clock) -> Result<Socket, ConnectorError> {
        let request = self.target.url.as_str().into_client_request();
        let mut request = request.map_err(|error| self.failed(&error))?;
        for (name, value) in &self.target.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_RECORD_BYTES))
            .max_frame_size(Some(MAX_RECORD_BYTES));
        tokio::select! {
            connected = connect_async_with_config(request, Some(config), true) => match connected {
                Ok((socket, _)) => Ok(socket),
                Err(error) => Err(self.failed(&error)),
            },
            () = clock.sleep(self.target.timeout) => {
                let (name, timeout) = (self.target.name(), self.target.timeout);
                Err(ConnectorError::external(format!("{name}: no connection for {timeout:?}")))
            }
        }
    }

    fn failed(&self, error: &Error) -> ConnectorError {
        let message = format!("{}: {error}", self.target.name());
        match error {
            Error::Http(response)
                if response.status().is_client_error() && response.status().as_u16() != 429 =>
            {
                ConnectorError::user(message)
            }
            Error::Capacity(_) | Error::Url(_) | Error::HttpFormat(_) => ConnectorError::user(message),
            _ => ConnectorError::external(message),
        }
    }

    async fn hand_over(&self, payloads: Vec<Bytes>, reading: &Reading) {
        if payloads.is_empty() {
            return;
        }
        let came_ms = reading.clock.now_ms();
        let url: Arc<str> = self.target.name().into();
        let record = |payload| Record {
            payload,
            came_ms,
            url: Arc::clone(&url),
            headers: None,
            id: None,
            event: None,
        };
        let delivery = Delivery {
            messages: payloads.into_iter().map(record).collect(),
            position: reading.position.clone(),
            lag: None,
            is_last: false,
        };
        reading.outlet.send(delivery).await;
    }
}
