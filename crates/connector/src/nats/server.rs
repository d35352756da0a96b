//! The server: connections, and errors classified.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr, ServerError};
use tokio::sync::watch;

use super::options::{
    CA_FILE, CERTIFICATE_FILE, CREDENTIALS, CREDENTIALS_FILE, DOMAIN, KEY_FILE, NKEY, PASSWORD, TIMEOUT,
    TOKEN, URL, USERNAME,
};
use crate::{
    ConnectorError, OptionError,
    options::{Checked, invalid},
};

/// How often the server is asked whether it is there; after a few times without answer the connection is given up.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// A server, or several of a cluster, and how to get in.
#[derive(Clone)]
pub(super) struct Server {
    addresses: Vec<ServerAddr>,
    names: String,
    login: Login,
    ca: Option<PathBuf>,
    certificate: Option<(PathBuf, PathBuf)>,
    pub(super) timeout: Duration,
    /// What subjects of JetStream's requests begin with.
    pub(super) api: String,
}

#[derive(Clone)]
enum Login {
    Nobody,
    Password(String, String),
    Token(String),
    Nkey(String),
    Credentials(String),
    CredentialsFile(PathBuf),
}

impl fmt::Debug for Server {
    /// Without what lets somebody in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.names)
    }
}

impl Server {
    pub(super) fn new(options: &Checked<'_>) -> Result<Self, OptionError> {
        let (addresses, in_url) = addresses(options.text(URL).unwrap_or_default())?;
        let names: Vec<_> = addresses
            .iter()
            .map(|a| format!("{}:{}", a.host(), a.port()))
            .collect();
        let path = |key| options.text(key).map(PathBuf::from);
        let certificate = match (path(CERTIFICATE_FILE), path(KEY_FILE)) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(invalid(CERTIFICATE_FILE, format!("needs '{KEY_FILE}'"))),
            (None, Some(_)) => return Err(invalid(KEY_FILE, format!("needs '{CERTIFICATE_FILE}'"))),
        };
        let timeout = options.duration(TIMEOUT).filter(|timeout| !timeout.is_zero());
        Ok(Self {
            addresses,
            names: names.join(","),
            login: login(options, in_url)?,
            ca: path(CA_FILE),
            certificate,
            timeout: timeout.ok_or_else(|| invalid(TIMEOUT, "it must be more than nothing"))?,
            api: match options.text(DOMAIN) {
                Some(domain) => format!("$JS.{domain}.API"),
                None => "$JS.API".to_owned(),
            },
        })
    }

    /// As errors name it.
    pub(super) fn names(&self) -> &str {
        &self.names
    }

    /// A connection that has been let in. It is not made again by itself when it breaks: it says so.
    pub(super) async fn connect(&self) -> Result<Connection, ConnectorError> {
        let (told, broken) = watch::channel(None);
        let told = Arc::new(told);
        let options = self.options().await?.event_callback(move |event| {
            note(&told, event);
            std::future::ready(())
        });
        match options.connect(self.addresses.as_slice()).await {
            Ok(client) => Ok(Connection { client, broken }),
            Err(error) => {
                let message = format!("cannot connect to NATS at {}: {error}", self.names);
                Err(match error.kind() {
                    ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                        ConnectorError::user(message)
                    }
                    _ => ConnectorError::external(message),
                })
            }
        }
    }

    async fn options(&self) -> Result<ConnectOptions, ConnectorError> {
        let options = ConnectOptions::new();
        let unreadable = |error: std::io::Error| {
            ConnectorError::user(format!("the credentials for NATS are none: {error}"))
        };
        let mut options = match self.login.clone() {
            Login::Nobody => options,
            Login::Password(user, password) => options.user_and_password(user, password),
            Login::Token(token) => options.token(token),
            Login::Nkey(seed) => options.nkey(seed),
            Login::Credentials(text) => options.credentials(&text).map_err(unreadable)?,
            Login::CredentialsFile(path) => options.credentials_file(path).await.map_err(unreadable)?,
        };
        if let Some(path) = &self.ca {
            options = options.add_root_certificates(path.clone());
        }
        if let Some((certificate, key)) = &self.certificate {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        Ok(options
            .name("weir")
            .connection_timeout(self.timeout)
            .request_timeout(Some(self.timeout))
            .ping_interval(PING_INTERVAL)
            // Whoever has the connection makes another one: what was asked for on this one is lost.
            .max_reconnects(self.addresses.len()))
    }
}

/// The servers, and who connects if that stands before a host.
fn addresses(urls: &str) -> Result<(Vec<ServerAddr>, Login), OptionError> {
    // The text may have a password in it, so it is not said again.
    let wrong = || {
        invalid(
            URL,
            "is no URL of a NATS server: write nats://host:4222, or tls://host:4222",
        )
    };
    let mut login = Login::Nobody;
    let mut addresses = Vec::new();
    for url in urls.split(',').map(str::trim).filter(|url| !url.is_empty()) {
        let address: ServerAddr = url.parse().map_err(|_| wrong())?;
        if address.host().is_empty() {
            return Err(wrong());
        }
        match (address.username(), address.password()) {
            (Some(user), Some(password)) => login = Login::Password(user.into(), password.into()),
            (Some(token), None) => login = Login::Token(token.into()),
            _ => {}
        }
        let plain = format!("{}://{}:{}", address.scheme(), address.host(), address.port());
        addresses.push(plain.parse().map_err(|_| wrong())?);
    }
    if addresses.is_empty() {
        return Err(wrong());
    }
    Ok((addresses, login))
}

fn login(options: &Checked<'_>, in_url: Login) -> Result<Login, OptionError> {
    let text = |key| options.text(key).map(str::to_owned);
    let ways = [USERNAME, TOKEN, NKEY, CREDENTIALS, CREDENTIALS_FILE];
    let given: Vec<_> = ways.into_iter().filter(|key| options.is_given(key)).collect();
    if let [first, second, ..] = given.as_slice() {
        return Err(invalid(
            second,
            format!("says who connects, as '{first}' does: give one of them"),
        ));
    }
    let user = text(USERNAME);
    if user.is_some() != options.is_given(PASSWORD) {
        return Err(invalid(
            PASSWORD,
            format!("goes with '{USERNAME}': give both or none"),
        ));
    }
    Ok(if let Some(user) = user {
        Login::Password(user, text(PASSWORD).unwrap_or_default())
    } else if let Some(token) = text(TOKEN) {
        Login::Token(token)
    } else if let Some(seed) = text(NKEY) {
        Login::Nkey(seed)
    } else if let Some(credentials) = text(CREDENTIALS) {
        Login::Credentials(credentials)
    } else if let Some(path) = text(CREDENTIALS_FILE) {
        Login::CredentialsFile(path.into())
    } else {
        in_url
    })
}

/// Keeps why a connection is of no use any more.
fn note(told: &watch::Sender<Option<ConnectorError>>, event: Event) {
    let error = match event {
        Event::Disconnected | Event::Closed => ConnectorError::external("the connection to NATS broke"),
        Event::LameDuckMode => ConnectorError::external("the NATS server is about to stop"),
        Event::SlowConsumer(_) => ConnectorError::internal("messages of NATS came that were not asked for"),
        Event::ServerError(ServerError::AuthorizationViolation) => {
            ConnectorError::user("NATS does not let this user in any more")
        }
        Event::ServerError(error) => {
            let text = error.to_string();
            let message = format!("NATS refuses something: {text}");
            if text.to_lowercase().contains("permissions violation") {
                ConnectorError::user(message)
            } else {
                ConnectorError::external(message)
            }
        }
        Event::Connected | Event::Draining | Event::ClientError(_) => return,
    };
    // The first reason counts: others follow from it.
    told.send_if_modified(|kept| {
        let is_first = kept.is_none();
        kept.get_or_insert(error);
        is_first
    });
}

/// A connection, and whether it still is one.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: Client,
    broken: watch::Receiver<Option<ConnectorError>>,
}

impl Connection {
    /// Returns when the connection is of no use any more, with the reason.
    pub(super) async fn broken(&self) -> ConnectorError {
        let mut broken = self.broken.clone();
        let gone = || ConnectorError::external("the connection to NATS is closed");
        match broken.wait_for(Option::is_some).await {
            Ok(error) => error.clone().unwrap_or_else(gone),
            Err(_) => gone(),
        }
    }

    /// What comes of some work, unless the connection breaks meanwhile.
    pub(super) async fn unless_broken<T>(
        &self,
        work: impl Future<Output = Result<T, ConnectorError>>,
    ) -> Result<T, ConnectorError> {
        tokio::select! {
            done = work => done,
            error = self.broken() => Err(error),
        }
    }
}
