//! What tables of Redis say.

use crate::{
    OptionError, lookup,
    options::{Checked, OptionDef, OptionKind, invalid, option},
};

pub(super) const URL: &str = "url";
pub(super) const HOST: &str = "host";
pub(super) const PORT: &str = "port";
pub(super) const USERNAME: &str = "username";
pub(super) const PASSWORD: &str = "password";
pub(super) const DATABASE: &str = "database";
pub(super) const TIMEOUT: &str = "timeout";
pub(super) const DATA_TYPE: &str = "data-type";
pub(super) const KEY: &str = "key";
pub(super) const KEY_PREFIX: &str = "key.prefix";
pub(super) const KEY_SEPARATOR: &str = "key.separator";
pub(super) const VALUE_FORMAT: &str = "value.format";
pub(super) const FIELD_COLUMN: &str = "hash.field-column";
pub(super) const TTL: &str = "ttl";
pub(super) const MAX_LENGTH: &str = "stream.max-length";
pub(super) const STARTUP_MODE: &str = "scan.startup.mode";
pub(super) const STARTUP_TIMESTAMP: &str = "scan.startup.timestamp-millis";
pub(super) const STARTUP_ID: &str = "scan.startup.id";
pub(super) const BOUNDED_MODE: &str = "scan.bounded.mode";
pub(super) const SCAN_RETRIES: &str = "scan.max-retries";
pub(super) const MAX_ROWS: &str = "sink.buffer-flush.max-rows";
pub(super) const MAX_RETRIES: &str = "sink.max-retries";

pub(super) const OPTIONS: &[OptionDef] = &[
    option(
        URL,
        OptionKind::Text,
        None,
        "the server, as `redis://host:6379/0`, or `rediss://...` by TLS; user and password may stand before the host. Instead of `host`",
    ),
    option(
        HOST,
        OptionKind::Text,
        None,
        "the server's name or address; instead of `url`",
    ),
    option(PORT, OptionKind::Int, Some("6379"), "its port, with `host`"),
    option(
        USERNAME,
        OptionKind::Text,
        None,
        "who connects, if the server has users",
    ),
    option(PASSWORD, OptionKind::Text, None, "the password"),
    option(
        DATABASE,
        OptionKind::Int,
        None,
        "the number of the database; 0 if neither this nor the `url` names one",
    ),
    option(
        TIMEOUT,
        OptionKind::Duration,
        Some("5 s"),
        "how long the server may take to let somebody in, and to answer; then it is tried again",
    ),
    option(
        DATA_TYPE,
        OptionKind::OneOf(&["hash", "string", "stream", "pubsub"]),
        Some("hash"),
        "what rows are in Redis: a `hash` for each PRIMARY KEY with a field for each other column, a `string` for each PRIMARY KEY, entries of \
         a `stream` with a field for each column, or JSON objects that are published to a channel (`pubsub`)",
    ),
    option(
        KEY,
        OptionKind::Text,
        None,
        "of `stream` and `pubsub`: the key of the stream or the name of the channel; to read from several streams, their keys with `;` between",
    ),
    option(
        KEY_PREFIX,
        OptionKind::Text,
        Some(""),
        "of `hash` and `string`: what keys begin with, before the columns of the PRIMARY KEY",
    ),
    option(
        KEY_SEPARATOR,
        OptionKind::Text,
        Some(":"),
        "of `hash` and `string`: what stands between the columns of the PRIMARY KEY, in the order of the table",
    ),
    option(
        VALUE_FORMAT,
        OptionKind::OneOf(&["plain", "json"]),
        None,
        "of `string`: whether a value is the text of the one column beside the PRIMARY KEY (`plain`; BYTES as they are), or a JSON object of all \
         of them (`json`); by default `plain` if there is one column",
    ),
    option(
        FIELD_COLUMN,
        OptionKind::Text,
        None,
        "of `hash`: a column of the PRIMARY KEY that names the field, whose value is the one column beside the PRIMARY KEY; the hash is found by \
         the other columns of the PRIMARY KEY",
    ),
    option(
        TTL,
        OptionKind::Duration,
        None,
        "of `hash` and `string`: how long after it was last written a key is there; without it, for ever",
    ),
    option(
        MAX_LENGTH,
        OptionKind::Int,
        None,
        "of `stream`: about how many entries are kept, the newest ones; without it, all",
    ),
    option(
        STARTUP_MODE,
        OptionKind::OneOf(&["earliest", "latest", "timestamp", "id"]),
        Some("earliest"),
        "of `stream`: where a new job begins to read; one that goes on from a checkpoint or savepoint begins where that ends",
    ),
    option(
        STARTUP_TIMESTAMP,
        OptionKind::Int,
        None,
        "where to begin with `timestamp`: the first entry of this time or later, in milliseconds since 1970",
    ),
    option(
        STARTUP_ID,
        OptionKind::Text,
        None,
        "where to begin with `id`: behind the entry of this id, `1526919030474-55` or `1526919030474`",
    ),
    option(
        BOUNDED_MODE,
        OptionKind::OneOf(&["unbounded", "latest"]),
        Some("unbounded"),
        "of `stream`: where reading ends; `latest` is the last entry that is there when the job begins",
    ),
    option(
        SCAN_RETRIES,
        OptionKind::Int,
        Some("10"),
        "how often reading is tried again in a row that the server could not do, at first after 0.2 s, each time after twice as long, at most \
         10 s",
    ),
    option(
        MAX_ROWS,
        OptionKind::Int,
        Some("5000"),
        "about how many rows are sent at once, in one round trip; they are sent earlier when input pauses and at checkpoints",
    ),
    option(
        MAX_RETRIES,
        OptionKind::Int,
        Some("10"),
        "how often rows are sent again that the server could not take, at first after 0.2 s, each time after twice as long, at most 10 s; \
         meanwhile the job waits",
    ),
    lookup::cache("NONE"),
    lookup::MAX_ROWS,
    lookup::EXPIRE_AFTER_WRITE,
    lookup::EXPIRE_AFTER_ACCESS,
    lookup::CACHE_MISSING_KEY,
    lookup::MAX_RETRIES,
];

/// Refuses options that the data type has no use for.
pub(super) fn check_fit(options: &Checked<'_>) -> Result<(), OptionError> {
    let data_type = options.word(DATA_TYPE).unwrap_or_default();
    let keyed = &["hash", "string"][..];
    for (key, of) in [
        (KEY, &["stream", "pubsub"][..]),
        (KEY_PREFIX, keyed),
        (KEY_SEPARATOR, keyed),
        (TTL, keyed),
        (VALUE_FORMAT, &["string"]),
        (FIELD_COLUMN, &["hash"]),
        (MAX_LENGTH, &["stream"]),
        (STARTUP_MODE, &["stream"]),
        (BOUNDED_MODE, &["stream"]),
    ] {
        if options.is_given(key) && !of.contains(&data_type) {
            let of = of.join("' or '");
            return Err(invalid(
                key,
                format!("is for '{DATA_TYPE}' = '{of}', and the table's is '{data_type}'"),
            ));
        }
    }
    Ok(())
}
