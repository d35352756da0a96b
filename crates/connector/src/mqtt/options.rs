//! What tables of MQTT say.

use crate::{
    format,
    options::{OptionDef, OptionKind, option, required},
};

pub(super) const URL: &str = "url";
pub(super) const USERNAME: &str = "username";
pub(super) const PASSWORD: &str = "password";
pub(super) const CA_FILE: &str = "tls.ca-file";
pub(super) const CERTIFICATE_FILE: &str = "tls.certificate-file";
pub(super) const KEY_FILE: &str = "tls.key-file";
pub(super) const TIMEOUT: &str = "timeout";
pub(super) const CLIENT_ID: &str = "client-id";
pub(super) const TOPIC: &str = "topic";
pub(super) const QOS: &str = "qos";
pub(super) const SHARED_GROUP: &str = "scan.shared-group";
pub(super) const SESSION_EXPIRY: &str = "scan.session-expiry";
pub(super) const SCAN_IN_FLIGHT: &str = "scan.max-in-flight";
pub(super) const SCAN_RETRIES: &str = "scan.max-retries";
pub(super) const RETAIN: &str = "sink.retain";
pub(super) const SINK_IN_FLIGHT: &str = "sink.max-in-flight";
pub(super) const SINK_RETRIES: &str = "sink.max-retries";

pub(super) const OPTIONS: &[OptionDef] = &[
    required(
        URL,
        OptionKind::Text,
        "the broker, which must speak MQTT 5: `mqtt://host:1883`, or `mqtts://host:8883` by TLS",
    ),
    option(USERNAME, OptionKind::Text, None, "who connects"),
    option(PASSWORD, OptionKind::Text, None, "the password"),
    option(
        CA_FILE,
        OptionKind::Text,
        None,
        "a PEM file with a certificate that the broker's is checked by, beside those of the machine",
    ),
    option(
        CERTIFICATE_FILE,
        OptionKind::Text,
        None,
        "a PEM file with a certificate to show to the broker, with `tls.key-file`",
    ),
    option(
        KEY_FILE,
        OptionKind::Text,
        None,
        "a PEM file with the key of that certificate (PKCS #8)",
    ),
    option(
        TIMEOUT,
        OptionKind::Duration,
        Some("5 s"),
        "how long the broker may take to let somebody in; then it is tried again",
    ),
    option(
        CLIENT_ID,
        OptionKind::Text,
        None,
        "what ids of clients begin with; no other job may have the same. By default something new for each job. To read with an id that is \
         given is to go on with what the broker has kept for it, also in a new job",
    ),
    option(
        TOPIC,
        OptionKind::Text,
        None,
        "to read: the topic, which may have the wildcards `+` and `#`; several with `;` between. To write: the topic of messages, where no \
         column says it",
    ),
    option(
        QOS,
        OptionKind::OneOf(&["0", "1", "2"]),
        Some("1"),
        "the quality of service: `0` loses messages, `1` brings them at least once, and `2`, which is for writing alone, brings each to the \
         broker once while the connection holds",
    ),
    format::FORMAT,
    option(
        SHARED_GROUP,
        OptionKind::Text,
        None,
        "the name of a shared subscription: the broker spreads messages over as many readers as the job's parallelism is when it begins. \
         Without it, one subtask reads",
    ),
    option(
        SESSION_EXPIRY,
        OptionKind::Duration,
        Some("1 d"),
        "how long the broker keeps messages for a job that is away",
    ),
    option(
        SCAN_IN_FLIGHT,
        OptionKind::Int,
        Some("10000"),
        "how many messages the broker may send that no checkpoint has yet; at most 65535. Many brokers have a limit of their own",
    ),
    option(
        SCAN_RETRIES,
        OptionKind::Int,
        Some("10"),
        "how often reading is tried again in a row when the broker is away, at first after 0.2 s, each time after twice as long, at most 10 s",
    ),
    option(
        RETAIN,
        OptionKind::Bool,
        Some("false"),
        "whether the broker keeps the last message of each topic for those who come later, where no column says it",
    ),
    option(
        SINK_IN_FLIGHT,
        OptionKind::Int,
        Some("1000"),
        "how many messages may be on their way to the broker without being acknowledged; then the job waits. At most 65535",
    ),
    option(
        SINK_RETRIES,
        OptionKind::Int,
        Some("10"),
        "how often messages are sent again in a row that the broker did not acknowledge, at first after 0.2 s, each time after twice as long, \
         at most 10 s; meanwhile the job waits",
    ),
];
