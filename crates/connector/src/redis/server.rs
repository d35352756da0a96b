//! The server: connections, and errors classified.

use std::{fmt, sync::Arc, time::Duration};

use ::redis::{
    Arg, AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, IntoConnectionInfo, Pipeline, RedisError,
    ServerError, Value, aio::MultiplexedConnection,
};
use weir_env::Clock;
use weir_model::FailureClass;

use super::options::{DATABASE, HOST, PASSWORD, PORT, TIMEOUT, URL, USERNAME};
use crate::{
    ConnectorError, OptionError,
    options::{Checked, invalid},
};

/// How long after the first failure the next try is made; after the next, twice as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// A server and how to get in.
#[derive(Clone)]
pub(super) struct Server {
    info: ConnectionInfo,
    timeout: Duration,
}

impl fmt::Debug for Server {
    /// Without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.info.addr())
    }
}

impl Server {
    pub(super) fn new(options: &Checked<'_>) -> Result<Self, OptionError> {
        let info = match (options.text(URL), options.text(HOST)) {
            (Some(_), Some(_)) => {
                return Err(invalid(
                    HOST,
                    format!("says the same as '{URL}': give one of them"),
                ));
            }
            (None, None) => {
                return Err(OptionError::Missing {
                    connector: "redis".to_owned(),
                    option: URL.to_owned(),
                    meaning: format!("the server, or '{HOST}' and '{PORT}'"),
                });
            }
            (Some(url), None) => from_url(url)?,
            (None, Some(host)) => {
                let port = options.int(PORT).and_then(|port| u16::try_from(port).ok());
                let port = port.ok_or_else(|| invalid(PORT, "is no port: it must be from 1 to 65535"))?;
                let info = (host.trim(), port).into_connection_info();
                info.map_err(|error| invalid(HOST, said(&error)))?
            }
        };
        let mut settings = info.redis_settings().clone();
        if let Some(user) = options.text(USERNAME) {
            settings = settings.set_username(user);
        }
        if let Some(password) = options.text(PASSWORD) {
            settings = settings.set_password(password);
        }
        if let Some(database) = options.int_at_least(DATABASE, 0)? {
            settings = settings.set_db(database);
        }
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        match options.duration(TIMEOUT) {
            Some(timeout) if !timeout.is_zero() => Ok(Self {
                info: info.set_redis_settings(settings).set_tcp_settings(tcp),
                timeout,
            }),
            _ => Err(invalid(TIMEOUT, "it must be more than nothing")),
        }
    }

    /// How long the server may take to answer.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A connection that has been let in. Whoever asks something of it waits for an answer as long as `patience`.
    pub(super) async fn connect(&self, patience: Duration) -> Result<MultiplexedConnection, ConnectorError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(patience));
        let connecting = async {
            let client = Client::open(self.info.clone())?;
            client.get_multiplexed_async_connection_with_config(&config).await
        };
        let connected = connecting.await;
        connected.map_err(|error| failed(&format!("connect to Redis at {}", self.info.addr()), &error))
    }

    /// Reaches the server and is let in.
    pub(super) async fn check(&self) -> Result<MultiplexedConnection, OptionError> {
        let checked = async {
            let mut connection = self.connect(self.timeout).await?;
            let pinged = ::redis::cmd("PING").exec_async(&mut connection).await;
            pinged.map_err(|error| failed(&format!("use Redis at {}", self.info.addr()), &error))?;
            Ok(connection)
        };
        checked
            .await
            .map_err(|error: ConnectorError| OptionError::Unavailable {
                reason: error.message,
            })
    }
}

fn from_url(url: &str) -> Result<ConnectionInfo, OptionError> {
    // The text may have a password in it, so it is not said again.
    let example = "write redis://host:6379, or rediss://host:6379 for TLS";
    let info = url.trim().into_connection_info().map_err(|error| {
        let detail = error
            .detail()
            .map_or_else(String::new, |detail| format!(" ({detail})"));
        invalid(URL, format!("is no URL of a Redis server{detail}: {example}"))
    })?;
    Ok(info)
}

/// A connection that is made when it is needed, and anew when it broke.
#[derive(Debug)]
pub(super) struct Link {
    server: Server,
    connection: Option<MultiplexedConnection>,
    retries: Retries,
}

impl Link {
    pub(super) fn new(server: Server, max_retries: u32, clock: Arc<dyn Clock>) -> Self {
        Self {
            server,
            connection: None,
            retries: Retries { max_retries, clock },
        }
    }

    /// Has commands done in one round trip, and gives their answers; again, on a new connection, as often as may be when the server
    /// could not. Each may take as long as `patience`.
    pub(super) async fn run(
        &mut self,
        doing: &str,
        commands: &Pipeline,
        patience: Duration,
    ) -> Result<Vec<Value>, ConnectorError> {
        let mut tries = 0;
        loop {
            match self.once(doing, commands, patience).await {
                Err(error) if error.class == FailureClass::External => {
                    // What is still on its way on the old one would be taken for an answer.
                    self.connection = None;
                    if tries == self.retries.max_retries {
                        return Err(error);
                    }
                    tracing::warn!(%error, "it is tried again");
                    self.retries.wait(tries).await;
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    async fn once(
        &mut self,
        doing: &str,
        commands: &Pipeline,
        patience: Duration,
    ) -> Result<Vec<Value>, ConnectorError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.server.connect(patience).await?),
        };
        let answers = commands.query_async(connection).await;
        answers.map_err(|error| {
            let refused = error.clone().into_server_errors();
            let key = refused.and_then(|errors| key_of(commands, errors.first()?.0));
            match key {
                Some(key) => failed(&format!("{doing}, key '{key}'"), &error),
                None => failed(doing, &error),
            }
        })
    }
}

#[derive(Debug)]
struct Retries {
    max_retries: u32,
    clock: Arc<dyn Clock>,
}

impl Retries {
    async fn wait(&self, tries: u32) {
        let backoff = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(tries));
        self.clock.sleep(backoff.min(LONGEST_BACKOFF)).await;
    }
}

/// The key that a command is about, of those whose first argument it is.
fn key_of(commands: &Pipeline, index: usize) -> Option<String> {
    let mut args = commands.cmd_iter().nth(index)?.args_iter();
    match (args.next()?, args.next()?) {
        (Arg::Simple(name), Arg::Simple(key)) if name != b"XREAD" => {
            Some(String::from_utf8_lossy(key).into_owned())
        }
        _ => None,
    }
}

/// What went wrong while doing something. What no other try can mend is the user's: a wrong password, a key of another type.
pub(super) fn failed(doing: &str, error: &RedisError) -> ConnectorError {
    let message = format!("cannot {doing}: {}", said(error));
    let refused = error.clone().into_server_errors();
    let is_users = match refused.as_deref().and_then(<[_]>::first) {
        Some((_, error)) => is_users(error),
        None => matches!(
            error.kind(),
            ErrorKind::AuthenticationFailed
                | ErrorKind::InvalidClientConfig
                | ErrorKind::UnexpectedReturnType
        ),
    };
    if is_users {
        ConnectorError::user(message)
    } else {
        ConnectorError::external(message)
    }
}

fn is_users(error: &ServerError) -> bool {
    match error.code() {
        "WRONGTYPE" | "NOAUTH" | "WRONGPASS" | "NOPERM" | "CROSSSLOT" | "MOVED" => true,
        "ERR" => !error
            .details()
            .is_some_and(|details| details.contains("max number of clients")),
        _ => false,
    }
}

/// The server's words, without what the library puts around them.
fn said(error: &RedisError) -> String {
    let refused = error.clone().into_server_errors();
    match refused.as_deref().and_then(<[_]>::first) {
        Some((_, error)) => format!("{} {}", error.code(), error.details().unwrap_or_default()),
        None => error.to_string(),
    }
}
