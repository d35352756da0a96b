//! A broker's listeners with TLS and logins, and the certificates that they take.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    hash::MessageDigest,
    pkey::{PKey, PKeyRef, Private},
    rsa::Rsa,
    x509::{
        X509, X509Name, X509NameBuilder, X509Ref,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};

use crate::cluster::free_port;

/// The user that logins are of.
const USER: &str = "weir";
const PASSWORD: &str = "pencil";

/// Listeners beside the plain one, for 127.0.0.1.
#[derive(Debug)]
pub struct Secured {
    folder: PathBuf,
    tls: u16,
    login: u16,
    login_and_tls: u16,
}

impl Secured {
    /// Makes certificates in the folder: of an authority (`ca.pem`), the broker and a client (`client.pem`, `client.key`).
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let (ca, ca_key) = certificate("authority of a test", None)?;
        fs::write(folder.join("ca.pem"), ca.to_pem()?)?;
        let (broker, broker_key) = certificate("127.0.0.1", Some((&ca, &ca_key)))?;
        let key = broker_key.private_key_to_pem_pkcs8()?;
        fs::write(folder.join("broker.pem"), [key, broker.to_pem()?].concat())?;
        let (client, client_key) = certificate("client", Some((&ca, &ca_key)))?;
        fs::write(folder.join("client.pem"), client.to_pem()?)?;
        fs::write(folder.join("client.key"), client_key.private_key_to_pem_pkcs8()?)?;
        Ok(Self {
            folder: folder.to_owned(),
            tls: free_port()?,
            login: free_port()?,
            login_and_tls: free_port()?,
        })
    }

    pub(super) fn listeners(&self) -> String {
        let Self {
            tls,
            login,
            login_and_tls,
            ..
        } = self;
        format!(
            ",SSL://127.0.0.1:{tls},SASL_PLAINTEXT://127.0.0.1:{login},SASL_SSL://127.0.0.1:{login_and_tls}"
        )
    }

    pub(super) fn settings(&self) -> String {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let login = |listener: &str| {
            let of = format!("listener.name.{listener}");
            let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
            let plain = "org.apache.kafka.common.security.plain.PlainLoginModule required";
            format!(
                "{of}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
{of}.scram-sha-256.sasl.jaas.config={scram}
{of}.scram-sha-512.sasl.jaas.config={scram}
{of}.plain.sasl.jaas.config={plain} user_{USER}=\"{PASSWORD}\";
"
            )
        };
        format!(
            "ssl.keystore.type=PEM
ssl.keystore.location={}
ssl.truststore.type=PEM
ssl.truststore.location={}
listener.name.ssl.ssl.client.auth=required
{}{}",
            file("broker.pem"),
            file("ca.pem"),
            login("sasl_plaintext"),
            login("sasl_ssl")
        )
    }

    /// Users, for making the broker's storage.
    pub(super) fn logins() -> Vec<String> {
        let add = |mechanism: &str| {
            [
                "--add-scram".to_owned(),
                format!("{mechanism}=[name={USER},password=\"{PASSWORD}\"]"),
            ]
        };
        [add("SCRAM-SHA-256"), add("SCRAM-SHA-512")].concat()
    }

    /// Options of a table that reaches the broker by TLS, with a certificate of the client.
    pub fn by_tls(&self) -> Vec<(String, String)> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        options(
            self.tls,
            &[
                ("security.protocol", "SSL"),
                ("ssl.ca.location", &file("ca.pem")),
                ("ssl.certificate.location", &file("client.pem")),
                ("ssl.key.location", &file("client.key")),
            ],
        )
    }

    /// The same with a login by that mechanism, over TLS or not.
    pub fn by_login(&self, mechanism: &str, tls: bool) -> Vec<(String, String)> {
        let ca = self.folder.join("ca.pem").display().to_string();
        let (port, protocol) = if tls {
            (self.login_and_tls, "SASL_SSL")
        } else {
            (self.login, "SASL_PLAINTEXT")
        };
        options(
            port,
            &[
                ("security.protocol", protocol),
                ("sasl.mechanism", mechanism),
                ("sasl.username", USER),
                ("sasl.password", PASSWORD),
                ("ssl.ca.location", &ca),
            ],
        )
    }
}

fn options(port: u16, settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let servers = ("bootstrap.servers", format!("127.0.0.1:{port}"));
    let given = settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let all = given.chain([servers]);
    all.map(|(name, value)| (format!("properties.{name}"), value))
        .collect()
}

fn name(common: &str) -> Result<X509Name> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", common)?;
    Ok(name.build())
}

/// A certificate of that name, signed by the other, or by itself.
fn certificate(common: &str, issuer: Option<(&X509Ref, &PKeyRef<Private>)>) -> Result<(X509, PKey<Private>)> {
    let key = PKey::from_rsa(Rsa::generate(2048)?)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    let mut serial = BigNum::new()?;
    serial.rand(64, openssl::bn::MsbOption::ONE, false)?;
    let serial = serial.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    let (from, to) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(2)?);
    builder.set_not_before(&from)?;
    builder.set_not_after(&to)?;
    let subject = name(common)?;
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(issuer.map_or(subject.as_ref(), |(issuer, _)| issuer.subject_name()))?;
    builder.set_pubkey(&key)?;
    if issuer.is_none() {
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
    } else if common.parse::<std::net::IpAddr>().is_ok() {
        let context = builder.x509v3_context(issuer.map(|(issuer, _)| issuer), None);
        let place = SubjectAlternativeName::new().ip(common).build(&context)?;
        builder.append_extension(place)?;
    }
    let signer = issuer.map_or(key.as_ref(), |(_, signer)| signer);
    builder.sign(signer, MessageDigest::sha256())?;
    Ok((builder.build(), key))
}
