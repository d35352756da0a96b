//! What tables of Kafka say: Flink's names.

use crate::{
    format,
    options::{OptionDef, OptionKind, Options, option},
};

pub(super) const TOPIC: &str = "topic";
pub(super) const TOPIC_PATTERN: &str = "topic-pattern";
pub(super) const BOOTSTRAP_SERVERS: &str = "properties.bootstrap.servers";
pub(super) const GROUP_ID: &str = "properties.group.id";
pub(super) const AUTO_OFFSET_RESET: &str = "properties.auto.offset.reset";
/// What all of librdkafka's own settings begin with.
pub(super) const PROPERTIES: &str = "properties.";
pub(super) const FORMAT: &str = "format";
pub(super) const VALUE_FORMAT: &str = "value.format";
pub(super) const KEY_FORMAT: &str = "key.format";
pub(super) const KEY_FIELDS: &str = "key.fields";
pub(super) const KEY_FIELDS_PREFIX: &str = "key.fields-prefix";
pub(super) const VALUE_FIELDS_INCLUDE: &str = "value.fields-include";
pub(super) const STARTUP_MODE: &str = "scan.startup.mode";
pub(super) const STARTUP_OFFSETS: &str = "scan.startup.specific-offsets";
pub(super) const STARTUP_TIMESTAMP: &str = "scan.startup.timestamp-millis";
pub(super) const BOUNDED_MODE: &str = "scan.bounded.mode";
pub(super) const BOUNDED_OFFSETS: &str = "scan.bounded.specific-offsets";
pub(super) const BOUNDED_TIMESTAMP: &str = "scan.bounded.timestamp-millis";
pub(super) const DISCOVERY_INTERVAL: &str = "scan.topic-partition-discovery.interval";
pub(super) const PARTITIONER: &str = "sink.partitioner";
pub(super) const GUARANTEE: &str = "sink.delivery-guarantee";
pub(super) const TRANSACTIONAL_ID_PREFIX: &str = "sink.transactional-id-prefix";

pub(super) const OPTIONS: &[OptionDef] = &[
    option(
        TOPIC,
        OptionKind::Text,
        None,
        "the topic; to read from several, their names with `;` between",
    ),
    option(
        TOPIC_PATTERN,
        OptionKind::Text,
        None,
        "a regular expression that the whole name of a topic must match to be read; instead of `topic`",
    ),
    OptionDef {
        key: BOOTSTRAP_SERVERS,
        kind: OptionKind::Text,
        required: true,
        default: None,
        doc: "brokers to ask first, as `host:port` with commas between",
    },
    option(
        GROUP_ID,
        OptionKind::Text,
        None,
        "the consumer group whose offsets are begun with (`group-offsets`) and to which offsets are committed, for monitoring alone",
    ),
    option(
        AUTO_OFFSET_RESET,
        OptionKind::OneOf(&["earliest", "latest", "none"]),
        Some("none"),
        "where reading goes on, with a warning, if the offset that it would go on from is not there: nothing was committed to the group, \
         or messages were deleted before they were read; with `none` the job fails",
    ),
    option(
        "properties.*",
        OptionKind::Text,
        None,
        "any setting of Kafka's clients, by the name that librdkafka has for it, or Kafka's own for those of TLS and SASL",
    ),
    option(
        FORMAT,
        OptionKind::OneOf(format::NAMES),
        None,
        "the format of values; its options follow with its name first (`json.ignore-parse-errors`)",
    ),
    option(
        VALUE_FORMAT,
        OptionKind::OneOf(format::NAMES),
        None,
        "the same as `format`; its options then begin with `value.`",
    ),
    option(
        KEY_FORMAT,
        OptionKind::OneOf(format::NAMES),
        None,
        "the format of keys; its options follow as `key.json...`",
    ),
    option(
        KEY_FIELDS,
        OptionKind::Text,
        None,
        "the columns that are in the key, with `;` between",
    ),
    option(
        KEY_FIELDS_PREFIX,
        OptionKind::Text,
        Some(""),
        "what the names of the key's columns begin with here and not in the key; `value.fields-include` must then be `EXCEPT_KEY`",
    ),
    option(
        VALUE_FIELDS_INCLUDE,
        OptionKind::OneOf(&["ALL", "EXCEPT_KEY"]),
        Some("ALL"),
        "whether the key's columns are in the value too",
    ),
    option(
        STARTUP_MODE,
        OptionKind::OneOf(&[
            "earliest-offset",
            "latest-offset",
            "group-offsets",
            "timestamp",
            "specific-offsets",
        ]),
        Some("group-offsets"),
        "where a new job begins to read; one that goes on from a checkpoint or savepoint begins where that ends",
    ),
    option(
        STARTUP_OFFSETS,
        OptionKind::Text,
        None,
        "where to begin with `specific-offsets`: `partition:0,offset:42;partition:1,offset:300`",
    ),
    option(
        STARTUP_TIMESTAMP,
        OptionKind::Int,
        None,
        "where to begin with `timestamp`: the first message of this time or later, in milliseconds since 1970",
    ),
    option(
        BOUNDED_MODE,
        OptionKind::OneOf(&[
            "unbounded",
            "latest-offset",
            "group-offsets",
            "timestamp",
            "specific-offsets",
        ]),
        Some("unbounded"),
        "where reading ends, as seen when the job begins",
    ),
    option(
        BOUNDED_OFFSETS,
        OptionKind::Text,
        None,
        "where to end with `specific-offsets`, each partition before its offset",
    ),
    option(
        BOUNDED_TIMESTAMP,
        OptionKind::Int,
        None,
        "where to end with `timestamp`: before the first message of this time or later, in milliseconds since 1970",
    ),
    option(
        DISCOVERY_INTERVAL,
        OptionKind::Duration,
        Some("5 min"),
        "how often new topics and partitions are looked for; 0: never",
    ),
    option(
        PARTITIONER,
        OptionKind::OneOf(&["default", "fixed", "round-robin"]),
        Some("default"),
        "which partition a row goes to: by the hash of its key as Kafka's own clients do and rows without key to any (`default`), one for each \
         subtask (`fixed`), or one after the other (`round-robin`)",
    ),
    option(
        GUARANTEE,
        OptionKind::OneOf(&["at-least-once", "exactly-once", "none"]),
        Some("at-least-once"),
        "`exactly-once` writes in transactions that are committed with the checkpoint that has their rows: consumers need \
         `isolation.level` = `read_committed`, the brokers Kafka 3.0. A transaction that is open for longer than \
         `properties.transaction.timeout.ms` (15 min, what brokers allow unless `transaction.max.timeout.ms` is raised) is lost, so a job \
         must not be down for longer. With `at-least-once`, rows are delivered when a checkpoint has them, and come again after a failure; \
         with `none`, nothing waits for their delivery. In a job without checkpoints rows are always seen at once",
    ),
    option(
        TRANSACTIONAL_ID_PREFIX,
        OptionKind::Text,
        None,
        "what the ids of transactions begin with (`weir`). With a prefix of its own, which no other table may have, a job that goes on under \
         another id, as from a savepoint, aborts at once what the one before left open; else that ends with its timeout, and until then \
         hides what is behind it",
    ),
];

/// The options of the connector itself, and those of its formats.
pub(super) fn parted(given: &Options) -> (Options, Options) {
    let is_format = |key: &str| {
        let key = key
            .strip_prefix("key.")
            .or_else(|| key.strip_prefix("value."))
            .unwrap_or(key);
        let first = key.split_once('.').map(|(first, _)| first);
        first.is_some_and(|first| format::NAMES.contains(&first))
    };
    let (formats, own) = given
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .partition(|(key, _)| is_format(key));
    (own, formats)
}
