//! What tables of NATS say.

use crate::{
    format,
    options::{OptionDef, OptionKind, option, required},
};

pub(super) const URL: &str = "url";
pub(super) const USERNAME: &str = "username";
pub(super) const PASSWORD: &str = "password";
pub(super) const TOKEN: &str = "token";
pub(super) const NKEY: &str = "nkey";
pub(super) const CREDENTIALS: &str = "credentials";
pub(super) const CREDENTIALS_FILE: &str = "credentials-file";
pub(super) const CA_FILE: &str = "tls.ca-file";
pub(super) const CERTIFICATE_FILE: &str = "tls.certificate-file";
pub(super) const KEY_FILE: &str = "tls.key-file";
pub(super) const DOMAIN: &str = "jetstream.domain";
pub(super) const TIMEOUT: &str = "timeout";
pub(super) const STREAM: &str = "stream";
pub(super) const SUBJECT: &str = "subject";
pub(super) const STARTUP_MODE: &str = "scan.startup.mode";
pub(super) const STARTUP_TIMESTAMP: &str = "scan.startup.timestamp-millis";
pub(super) const STARTUP_SEQUENCE: &str = "scan.startup.sequence";
pub(super) const BOUNDED_MODE: &str = "scan.bounded.mode";
pub(super) const SCAN_RETRIES: &str = "scan.max-retries";
pub(super) const MAX_IN_FLIGHT: &str = "sink.max-in-flight";
pub(super) const SINK_RETRIES: &str = "sink.max-retries";

pub(super) const OPTIONS: &[OptionDef] = &[
    required(
        URL,
        OptionKind::Text,
        "the server, as `nats://host:4222`, or `tls://...`; several of a cluster with commas between. User and password, or a token, may stand \
         before the host",
    ),
    option(USERNAME, OptionKind::Text, None, "who connects"),
    option(PASSWORD, OptionKind::Text, None, "the password"),
    option(
        TOKEN,
        OptionKind::Text,
        None,
        "a token, instead of `username` and `password`",
    ),
    option(
        NKEY,
        OptionKind::Text,
        None,
        "the seed of an nkey (`SU...`), instead of those",
    ),
    option(
        CREDENTIALS,
        OptionKind::Text,
        None,
        "what is in a credentials file (a JWT and the seed of an nkey), instead of those: as `${secret:name}`",
    ),
    option(
        CREDENTIALS_FILE,
        OptionKind::Text,
        None,
        "a credentials file that the control plane and all workers have, instead of those",
    ),
    option(
        CA_FILE,
        OptionKind::Text,
        None,
        "a PEM file with the certificates that the server's is checked by; without it, those of the machine",
    ),
    option(
        CERTIFICATE_FILE,
        OptionKind::Text,
        None,
        "a PEM file with a certificate to show to the server, with `tls.key-file`",
    ),
    option(
        KEY_FILE,
        OptionKind::Text,
        None,
        "a PEM file with the key of that certificate",
    ),
    option(
        DOMAIN,
        OptionKind::Text,
        None,
        "the domain of JetStream, where there is more than one",
    ),
    option(
        TIMEOUT,
        OptionKind::Duration,
        Some("5 s"),
        "how long the server may take to let somebody in, and to answer; then it is tried again",
    ),
    option(
        STREAM,
        OptionKind::Text,
        None,
        "the stream to read; several with `;` between. Needed to read",
    ),
    option(
        SUBJECT,
        OptionKind::Text,
        None,
        "to read: only messages with this subject, which may have the wildcards `*` and `>`; several with `;` between. To write: the subject \
         of messages, where no column says it",
    ),
    format::FORMAT,
    option(
        STARTUP_MODE,
        OptionKind::OneOf(&["earliest", "latest", "timestamp", "sequence"]),
        Some("earliest"),
        "where a new job begins to read; one that goes on from a checkpoint or savepoint begins where that ends",
    ),
    option(
        STARTUP_TIMESTAMP,
        OptionKind::Int,
        None,
        "where to begin with `timestamp`: the first message stored at this time or later, in milliseconds since 1970",
    ),
    option(
        STARTUP_SEQUENCE,
        OptionKind::Int,
        None,
        "where to begin with `sequence`: the message with this sequence number in its stream, or the first one behind it",
    ),
    option(
        BOUNDED_MODE,
        OptionKind::OneOf(&["unbounded", "latest"]),
        Some("unbounded"),
        "where reading ends; `latest` is the last message that is there when the job begins",
    ),
    option(
        SCAN_RETRIES,
        OptionKind::Int,
        Some("10"),
        "how often reading is tried again in a row when the server is away, at first after 0.2 s, each time after twice as long, at most 10 s",
    ),
    option(
        MAX_IN_FLIGHT,
        OptionKind::Int,
        Some("1000"),
        "how many messages may be on their way to the server without being stored yet; then the job waits",
    ),
    option(
        SINK_RETRIES,
        OptionKind::Int,
        Some("10"),
        "how often messages are sent again in a row that the server did not store, at first after 0.2 s, each time after twice as long, at \
         most 10 s; meanwhile the job waits",
    ),
];
