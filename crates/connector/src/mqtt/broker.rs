//! The broker: connections, and errors classified.

use std::{fmt, path::PathBuf, time::Duration};

use rumqttc::{
    NetworkOptions, TlsConfiguration, Transport,
    tokio_native_tls::native_tls::{self, Certificate, Identity, TlsConnector},
    v5::{
        AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError,
        mqttbytes::v5::{
            ConnectReturnCode, DisconnectReasonCode, Filter, Packet, SubAck, SubscribeReasonCode,
        },
    },
};
use tokio::{sync::mpsc, task::JoinSet};

use super::options::{CA_FILE, CERTIFICATE_FILE, KEY_FILE, PASSWORD, TIMEOUT, URL, USERNAME};
use crate::{
    ConnectorError, OptionError,
    options::{Checked, invalid},
};

/// How often the broker is asked whether it is there; one that does not answer until the next time is taken to be gone.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// A message that is longer is refused.
const MAX_PACKET: u32 = 16 << 20;
/// Requests that may wait for the connection.
const REQUESTS: usize = 128;

/// A broker and how to get in.
#[derive(Clone)]
pub(super) struct Broker {
    host: String,
    port: u16,
    tls: Option<Tls>,
    login: Option<(String, String)>,
    timeout: Duration,
}

#[derive(Clone, Default)]
struct Tls {
    ca: Option<PathBuf>,
    certificate: Option<(PathBuf, PathBuf)>,
}

impl fmt::Debug for Broker {
    /// Without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broker({}:{})", self.host, self.port)
    }
}

impl Broker {
    pub(super) fn new(options: &Checked<'_>) -> Result<Self, OptionError> {
        let (host, port, is_tls) = address(options.text(URL).unwrap_or_default())?;
        let path = |key| options.text(key).map(PathBuf::from);
        let certificate = match (path(CERTIFICATE_FILE), path(KEY_FILE)) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(invalid(CERTIFICATE_FILE, format!("needs '{KEY_FILE}'"))),
            (None, Some(_)) => return Err(invalid(KEY_FILE, format!("needs '{CERTIFICATE_FILE}'"))),
        };
        if let Some(key) = [CA_FILE, KEY_FILE]
            .into_iter()
            .find(|key| options.is_given(key) && !is_tls)
        {
            return Err(invalid(
                key,
                format!("is for TLS: write '{URL}' as mqtts://host:8883"),
            ));
        }
        let login = match (options.text(USERNAME), options.text(PASSWORD)) {
            (None, Some(_)) => return Err(invalid(PASSWORD, format!("needs '{USERNAME}'"))),
            (user, password) => user.map(|user| (user.to_owned(), password.unwrap_or_default().to_owned())),
        };
        let timeout = options.duration(TIMEOUT).filter(|timeout| !timeout.is_zero());
        Ok(Self {
            host,
            port,
            tls: is_tls.then(|| Tls {
                ca: path(CA_FILE),
                certificate,
            }),
            login,
            timeout: timeout.ok_or_else(|| invalid(TIMEOUT, "it must be more than nothing"))?,
        })
    }

    /// As errors name it.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// What a client of that id connects with: a session that ends with the connection, unless more is said.
    pub(super) fn options(&self, client: &str) -> Result<MqttOptions, ConnectorError> {
        let mut options = MqttOptions::new(client, &self.host, self.port);
        let seconds = self.timeout.as_secs().max(1);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(seconds);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_connection_timeout(seconds)
            .set_network_options(network)
            .set_max_packet_size(Some(MAX_PACKET))
            .set_clean_start(true);
        if let Some((user, password)) = &self.login {
            options.set_credentials(user, password);
        }
        if let Some(tls) = &self.tls {
            let connector = tls.connector().map_err(|reason| {
                ConnectorError::user(format!("cannot connect to MQTT at {}: {reason}", self.name()))
            })?;
            options.set_transport(Transport::tls_with_config(TlsConfiguration::NativeConnector(
                connector,
            )));
        }
        Ok(options)
    }

    /// Begins to connect; `room` events may wait to be taken.
    pub(super) fn connect(&self, options: MqttOptions, room: usize) -> Link {
        let (client, events) = AsyncClient::new(options, REQUESTS);
        let (told, happened) = mpsc::channel(room);
        let mut driver = JoinSet::new();
        driver.spawn(drive(events, told));
        Link {
            client,
            happened,
            broker: self.name(),
            _driver: driver,
        }
    }

    /// Connects, and listens to topics if there are any, to see whether it may.
    pub(super) async fn try_out(&self, client: &str, filters: Vec<Filter>) -> Result<(), ConnectorError> {
        let mut link = self.connect(self.options(client)?, REQUESTS);
        let listens = !filters.is_empty();
        loop {
            match link.next().await? {
                Event::Incoming(Packet::ConnAck(_)) if listens => link.listen(filters.clone()).await?,
                Event::Incoming(Packet::ConnAck(_)) => break,
                Event::Incoming(Packet::SubAck(answer)) => {
                    link.check_listens(&answer)?;
                    break;
                }
                _ => {}
            }
        }
        let _ = link.client.disconnect().await;
        Ok(())
    }
}

/// Host, port, and whether it is by TLS.
fn address(url: &str) -> Result<(String, u16, bool), OptionError> {
    // The text may have a password in it, so it is not said again.
    let wrong = || {
        invalid(
            URL,
            "is no URL of a broker: write mqtt://host:1883, or mqtts://host:8883 for TLS",
        )
    };
    let (scheme, rest) = url.trim().split_once("://").ok_or_else(wrong)?;
    let is_tls = match scheme {
        "mqtt" | "tcp" => false,
        "mqtts" | "ssl" | "tls" => true,
        _ => return Err(wrong()),
    };
    if rest.contains('@') {
        return Err(invalid(
            URL,
            format!("has a user in it: say who connects by '{USERNAME}' and '{PASSWORD}'"),
        ));
    }
    let rest = rest.trim_end_matches('/');
    let default = if is_tls { 8883 } else { 1883 };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
        _ => (rest, default),
    };
    if host.is_empty() || host.contains('/') || port == 0 {
        return Err(wrong());
    }
    Ok((host.to_owned(), port, is_tls))
}

impl Tls {
    fn connector(&self) -> Result<TlsConnector, String> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| format!("'{}' cannot be read: {error}", path.display()))
        };
        let wrong = |path: &PathBuf, error: native_tls::Error| {
            format!("'{}' is not as it should be: {error}", path.display())
        };
        let mut builder = TlsConnector::builder();
        if let Some(path) = &self.ca {
            let certificate = Certificate::from_pem(&read(path)?).map_err(|error| wrong(path, error))?;
            builder.add_root_certificate(certificate);
        }
        if let Some((certificate, key)) = &self.certificate {
            let identity = Identity::from_pkcs8(&read(certificate)?, &read(key)?);
            builder.identity(identity.map_err(|error| wrong(key, error))?);
        }
        builder.build().map_err(|error| format!("TLS: {error}"))
    }
}

/// Keeps a connection going until it breaks or nobody listens any more; says what matters of what happens.
async fn drive(mut events: EventLoop, told: mpsc::Sender<Result<Event, ConnectionError>>) {
    loop {
        let event = events.poll().await;
        let is_broken = event.is_err();
        let matters = match &event {
            Ok(Event::Incoming(packet)) => !matches!(packet, Packet::PingReq(_) | Packet::PingResp(_)),
            Ok(Event::Outgoing(outgoing)) => matches!(outgoing, rumqttc::Outgoing::Publish(_)),
            Err(_) => true,
        };
        let is_heard = !matters || told.send(event).await.is_ok();
        if is_broken || !is_heard {
            return;
        }
    }
}

/// A connection. It is not made again by itself when it breaks.
pub(super) struct Link {
    pub(super) client: AsyncClient,
    happened: mpsc::Receiver<Result<Event, ConnectionError>>,
    broker: String,
    _driver: JoinSet<()>,
}

impl Link {
    /// What happens next.
    pub(super) async fn next(&mut self) -> Result<Event, ConnectorError> {
        match self.happened.recv().await {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.failed(&error)),
            None => Err(ConnectorError::external(format!(
                "the connection to MQTT at {} is closed",
                self.broker
            ))),
        }
    }

    /// What has happened already.
    pub(super) fn try_next(&mut self) -> Option<Result<Event, ConnectorError>> {
        let happened = self.happened.try_recv().ok()?;
        Some(happened.map_err(|error| self.failed(&error)))
    }

    /// Why it broke, where a request was not taken.
    pub(super) async fn broken(&mut self) -> ConnectorError {
        loop {
            if let Err(error) = self.next().await {
                return error;
            }
        }
    }

    /// Asks for messages of these topics.
    pub(super) async fn listen(&mut self, filters: Vec<Filter>) -> Result<(), ConnectorError> {
        match self.client.subscribe_many(filters).await {
            Ok(()) => Ok(()),
            Err(_) => Err(ConnectorError::external(format!(
                "cannot listen to MQTT at {}",
                self.broker
            ))),
        }
    }

    /// Whether messages of all topics come that were asked for.
    pub(super) fn check_listens(&self, answer: &SubAck) -> Result<(), ConnectorError> {
        let is_refused = |code: &&SubscribeReasonCode| !matches!(code, SubscribeReasonCode::Success(_));
        match answer.return_codes.iter().find(is_refused) {
            None => Ok(()),
            Some(code) => {
                let message = format!("MQTT at {} does not let a topic be read: {code:?}", self.broker);
                Err(match code {
                    SubscribeReasonCode::Unspecified | SubscribeReasonCode::QuotaExceeded => {
                        ConnectorError::external(message)
                    }
                    _ => ConnectorError::user(message),
                })
            }
        }
    }

    fn failed(&self, error: &ConnectionError) -> ConnectorError {
        let name = &self.broker;
        match error {
            ConnectionError::ConnectionRefused(code) => {
                let message = format!("MQTT at {name} does not let this client in: {code:?}");
                match code {
                    ConnectReturnCode::ServerUnavailable
                    | ConnectReturnCode::ServiceUnavailable
                    | ConnectReturnCode::ServerBusy
                    | ConnectReturnCode::UnspecifiedError
                    | ConnectReturnCode::QuotaExceeded
                    | ConnectReturnCode::ConnectionRateExceeded => ConnectorError::external(message),
                    _ => ConnectorError::user(message),
                }
            }
            ConnectionError::MqttState(StateError::ServerDisconnect {
                reason_code: DisconnectReasonCode::SessionTakenOver,
                ..
            }) => ConnectorError::external(format!(
                "another client with the same id has come to MQTT at {name}: each job needs a 'client-id' of its own"
            )),
            ConnectionError::MqttState(StateError::IncomingPacketTooLarge { pkt_size, max }) => {
                ConnectorError::user(format!(
                    "a message of MQTT at {name} has {pkt_size} bytes, and may have {max}"
                ))
            }
            ConnectionError::Timeout(_) => ConnectorError::external(format!(
                "cannot connect to MQTT at {name}: it does not answer in time"
            )),
            other => ConnectorError::external(format!("no connection to MQTT at {name}: {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_mostly_a_port() {
        let check = |url: &str, expected: Option<(&str, u16, bool)>| {
            let found = address(url).ok();
            let found = found
                .as_ref()
                .map(|(host, port, is_tls)| (host.as_str(), *port, *is_tls));
            assert_eq!(found, expected, "{url}");
        };
        check("mqtt://broker", Some(("broker", 1883, false)));
        check(" tcp://10.0.0.1:2000/ ", Some(("10.0.0.1", 2000, false)));
        check("mqtts://broker", Some(("broker", 8883, true)));
        check("ssl://[::1]:99", Some(("[::1]", 99, true)));
        check("mqtt://[::1]", Some(("[::1]", 1883, false)));
        for wrong in [
            "broker",
            "http://broker",
            "mqtt://",
            "mqtt://b:x",
            "mqtt://b:0",
            "mqtt://a:b@c",
            "mqtt://b/t",
        ] {
            check(wrong, None);
        }
    }
}
