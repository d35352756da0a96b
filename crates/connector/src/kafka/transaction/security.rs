//! TLS and SASL of our own connections, by the settings that librdkafka has for its own.

use std::{fmt, fs, io, path::Path, pin::Pin, sync::OnceLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use openssl::{
    hash::MessageDigest,
    pkcs12::Pkcs12,
    pkey::PKey,
    ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVerifyMode},
    x509::{X509, store::X509StoreBuilder},
};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::{cluster::Trouble, scram::Scram, wire::Stream};
use crate::{
    OptionError,
    kafka::{
        client::Client,
        options::{GUARANTEE, PROPERTIES},
    },
    options::invalid,
};

const PROTOCOL: &str = "security.protocol";
const MECHANISMS: &str = "sasl.mechanisms";

/// Settings of librdkafka's TLS that change who is trusted, and that our own does not have.
const NOT_OURS: &[&str] = &["ssl.crl.location", "ssl.engine.location", "ssl.providers"];

/// How connections to a cluster are secured.
pub(super) struct Security {
    /// With what it takes, if it is TLS. Files are read with the first connection: those who check a table may not have them.
    tls: Option<(Settings, OnceLock<Tls>)>,
    login: Option<Login>,
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security").finish_non_exhaustive()
    }
}

impl Security {
    /// As the client's settings say. Refuses logins that only librdkafka knows.
    pub(super) fn new(client: &Client) -> Result<Self, OptionError> {
        let protocol = client.get(PROTOCOL).unwrap_or("plaintext").to_ascii_lowercase();
        let has_tls = protocol == "ssl" || protocol == "sasl_ssl";
        let refuse = |name: &str, what: &str| {
            invalid(
                &format!("{PROPERTIES}{name}"),
                format!("'{what}' does not go with '{GUARANTEE}' = 'exactly-once'"),
            )
        };
        if let Some(name) = NOT_OURS.iter().find(|name| has_tls && client.get(name).is_some()) {
            return Err(refuse(name, name));
        }
        let login = if protocol.starts_with("sasl") {
            let mechanism = client.get(MECHANISMS).unwrap_or("GSSAPI");
            let login = Login::new(mechanism, client);
            Some(login.ok_or_else(|| {
                let mut refused = refuse("sasl.mechanism", mechanism);
                if let OptionError::Invalid { reason, .. } = &mut refused {
                    reason.push_str(": take PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, or 'at-least-once'");
                }
                refused
            })?)
        } else {
            None
        };
        Ok(Self {
            tls: has_tls.then(|| (Settings::new(client), OnceLock::new())),
            login,
        })
    }

    /// TLS, if it is wanted.
    pub(super) fn tls(&self) -> Result<Option<&Tls>, Trouble> {
        let Some((settings, tls)) = &self.tls else {
            return Ok(None);
        };
        if tls.get().is_none() {
            let made = settings.tls().map_err(Trouble::Wrong)?;
            let _ = tls.set(made);
        }
        Ok(tls.get())
    }

    /// The login, if it takes one.
    pub(super) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }
}

/// What the settings say of TLS.
struct Settings {
    ca_location: Option<String>,
    ca_pem: Option<String>,
    certificate: Source,
    key: Source,
    key_password: Option<String>,
    keystore: Option<String>,
    keystore_password: Option<String>,
    cipher_suites: Option<String>,
    checks_certificate: bool,
    checks_name: bool,
}

/// Where something in PEM stands.
#[derive(Default)]
struct Source {
    location: Option<String>,
    pem: Option<String>,
}

impl Source {
    fn read(&self) -> Result<Option<Vec<u8>>, String> {
        match (&self.pem, &self.location) {
            (Some(pem), _) => Ok(Some(pem.clone().into_bytes())),
            (None, Some(path)) => read(path).map(Some),
            (None, None) => Ok(None),
        }
    }
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("'{path}' cannot be read: {error}"))
}

impl Settings {
    fn new(client: &Client) -> Self {
        let get = |name: &str| {
            client
                .get(name)
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
        };
        let source = |what: &str| Source {
            location: get(&format!("ssl.{what}.location")),
            pem: get(&format!("ssl.{what}.pem")),
        };
        let is = |name: &str, value: &str| get(name).is_some_and(|given| given.eq_ignore_ascii_case(value));
        Self {
            ca_location: get("ssl.ca.location").filter(|location| location != "probe"),
            ca_pem: get("ssl.ca.pem"),
            certificate: source("certificate"),
            key: source("key"),
            key_password: get("ssl.key.password"),
            keystore: get("ssl.keystore.location"),
            keystore_password: get("ssl.keystore.password"),
            cipher_suites: get("ssl.cipher.suites"),
            checks_certificate: !is("enable.ssl.certificate.verification", "false"),
            checks_name: !is("ssl.endpoint.identification.algorithm", "none"),
        }
    }

    fn tls(&self) -> Result<Tls, String> {
        let said = |error: openssl::error::ErrorStack| format!("TLS cannot be set up: {error}");
        let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(said)?;
        self.trust(&mut builder)?;
        self.identify(&mut builder)?;
        if let Some(suites) = &self.cipher_suites {
            builder
                .set_cipher_list(suites)
                .map_err(|error| format!("'ssl.cipher.suites': {error}"))?;
        }
        if !self.checks_certificate {
            builder.set_verify(SslVerifyMode::NONE);
        }
        Ok(Tls {
            connector: builder.build(),
            checks_name: self.checks_name && self.checks_certificate,
        })
    }

    /// Whose certificates are believed: without a word those that the system believes.
    fn trust(&self, builder: &mut SslConnectorBuilder) -> Result<(), String> {
        if self.ca_location.is_none() && self.ca_pem.is_none() {
            return Ok(());
        }
        let said =
            |error: openssl::error::ErrorStack| format!("the trusted certificates cannot be read: {error}");
        builder.set_cert_store(X509StoreBuilder::new().map_err(said)?.build());
        if let Some(path) = &self.ca_location {
            let path = Path::new(path);
            let loaded = if path.is_dir() {
                builder.load_verify_locations(None, Some(path))
            } else {
                builder.load_verify_locations(Some(path), None)
            };
            loaded.map_err(|error| format!("'{}' cannot be read: {error}", path.display()))?;
        }
        for certificate in
            X509::stack_from_pem(self.ca_pem.as_deref().unwrap_or_default().as_bytes()).map_err(said)?
        {
            builder.cert_store_mut().add_cert(certificate).map_err(said)?;
        }
        Ok(())
    }

    /// The client's own certificate, if it has one.
    fn identify(&self, builder: &mut SslConnectorBuilder) -> Result<(), String> {
        let said =
            |error: openssl::error::ErrorStack| format!("the client's certificate cannot be read: {error}");
        let (chain, key) = if let Some(path) = &self.keystore {
            let store = Pkcs12::from_der(&read(path)?).map_err(said)?;
            let store = store.parse2(self.keystore_password.as_deref().unwrap_or_default());
            let store = store.map_err(said)?;
            let others = store.ca.into_iter().flatten();
            (store.cert.into_iter().chain(others).collect(), store.pkey)
        } else {
            let chain = self.certificate.read()?.map(|pem| X509::stack_from_pem(&pem));
            let password = self.key_password.as_deref().unwrap_or_default().as_bytes();
            let key = self.key.read()?;
            let key = key.map(|pem| PKey::private_key_from_pem_passphrase(&pem, password));
            (
                chain.transpose().map_err(said)?.unwrap_or_default(),
                key.transpose().map_err(said)?,
            )
        };
        let mut chain: std::vec::IntoIter<X509> = chain.into_iter();
        if let Some(own) = chain.next() {
            builder.set_certificate(&own).map_err(said)?;
        }
        for other in chain {
            builder.add_extra_chain_cert(other).map_err(said)?;
        }
        if let Some(key) = key {
            builder.set_private_key(&key).map_err(said)?;
            builder.check_private_key().map_err(said)?;
        }
        Ok(())
    }
}

/// TLS, set up.
pub(super) struct Tls {
    connector: SslConnector,
    checks_name: bool,
}

impl Tls {
    /// Speaks TLS with a host from now on.
    pub(super) async fn handshake(&self, host: &str, stream: TcpStream) -> io::Result<Box<dyn Stream>> {
        let mut configuration = self.connector.configure()?;
        configuration.set_verify_hostname(self.checks_name);
        let mut stream = SslStream::new(configuration.into_ssl(host)?, stream)?;
        Pin::new(&mut stream)
            .connect()
            .await
            .map_err(|error| io::Error::other(format!("TLS: {error}")))?;
        Ok(Box::new(stream))
    }
}

/// A user with a password.
pub(super) struct Login {
    mechanism: Mechanism,
    user: String,
    password: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Plain,
    Sha256,
    Sha512,
}

impl Mechanism {
    const ALL: [Self; 3] = [Self::Plain, Self::Sha256, Self::Sha512];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }
}

impl Login {
    fn new(mechanism: &str, client: &Client) -> Option<Self> {
        let get = |name: &str| client.get(name).unwrap_or_default().to_owned();
        let mut known = Mechanism::ALL.into_iter();
        let found = known.find(|known| known.name().eq_ignore_ascii_case(mechanism));
        found.map(|mechanism| Self {
            mechanism,
            user: get("sasl.username"),
            password: get("sasl.password"),
        })
    }

    /// Its name in SASL.
    pub(super) fn mechanism(&self) -> &'static str {
        self.mechanism.name()
    }

    /// What is said, anew for each connection.
    pub(super) fn steps(&self) -> io::Result<Steps<'_>> {
        let digest = match self.mechanism {
            Mechanism::Plain => None,
            Mechanism::Sha256 => Some(MessageDigest::sha256()),
            Mechanism::Sha512 => Some(MessageDigest::sha512()),
        };
        let mut nonce = [0; 24];
        openssl::rand::rand_bytes(&mut nonce)?;
        let scram = |digest| Scram::new(digest, &self.user, &self.password, STANDARD.encode(nonce));
        Ok(Steps {
            login: self,
            scram: digest.map(scram),
        })
    }
}

/// A login under way.
pub(super) struct Steps<'a> {
    login: &'a Login,
    scram: Option<Scram>,
}

impl Steps<'_> {
    /// The first words.
    pub(super) fn first(&self) -> Vec<u8> {
        match &self.scram {
            Some(scram) => scram.first(),
            None => format!("\0{}\0{}", self.login.user, self.login.password).into_bytes(),
        }
    }

    /// What to say to the broker's answer; nothing more if the login is done.
    pub(super) fn next(&mut self, said: &[u8]) -> Result<Option<Vec<u8>>, String> {
        match &mut self.scram {
            Some(scram) => scram.next(said),
            None => Ok(None),
        }
    }
}
