//! What tables of `http`, `sse` and `websocket` say.

use crate::{
    format, lookup,
    options::{OptionDef, OptionKind, option, required},
};

pub(super) const URL: &str = "url";
pub(super) const USERNAME: &str = "username";
pub(super) const PASSWORD: &str = "password";
pub(super) const HEADERS: &str = "header.#";
pub(super) const CA_FILE: &str = "tls.ca-file";
pub(super) const TIMEOUT: &str = "timeout";
pub(super) const METHOD: &str = "sink.method";
pub(super) const BODY: &str = "sink.body";
pub(super) const MAX_ROWS: &str = "sink.buffer-flush.max-rows";
pub(super) const IDEMPOTENCY_HEADER: &str = "sink.idempotency-key-header";
pub(super) const MAX_IN_FLIGHT: &str = "sink.max-in-flight";
pub(super) const SINK_RETRIES: &str = "sink.max-retries";
pub(super) const INTERVAL: &str = "scan.interval";
pub(super) const RECORDS: &str = "scan.records";
pub(super) const POINTER: &str = "scan.records-pointer";
pub(super) const EMIT: &str = "scan.emit";
pub(super) const BOUNDED_MODE: &str = "scan.bounded.mode";
pub(super) const SCAN_RETRIES: &str = "scan.max-retries";
pub(super) const EVENTS: &str = "scan.events";
pub(super) const IDLE_TIMEOUT: &str = "scan.idle-timeout";
pub(super) const LOOKUP_IN_FLIGHT: &str = "lookup.max-in-flight";
pub(super) const SUBSCRIPTION: &str = "scan.subscription-message";

const WHO: OptionDef = option(
    USERNAME,
    OptionKind::Text,
    None,
    "who asks, by basic authentication; for a token say `'header.Authorization' = 'Bearer ${secret:name}'`",
);
const ITS_PASSWORD: OptionDef = option(PASSWORD, OptionKind::Text, None, "the password");
const HEADER: OptionDef = option(
    HEADERS,
    OptionKind::Text,
    None,
    "a header of each request, named by what stands for the `#`",
);
const CA: OptionDef = option(
    CA_FILE,
    OptionKind::Text,
    None,
    "a PEM file with a certificate that the server's is checked by, beside those of the machine",
);
const RETRIES: OptionDef = option(
    SCAN_RETRIES,
    OptionKind::Int,
    Some("10"),
    "how often reading is tried again in a row when the server is away or overloaded, at first after 0.2 s, each time after twice as long, at \
     most 10 s, or when it says",
);
const IDLE: OptionDef = option(
    IDLE_TIMEOUT,
    OptionKind::Duration,
    Some("2 min"),
    "how long nothing at all may come before the connection is made anew",
);
const CONNECT_TIMEOUT: OptionDef = option(
    TIMEOUT,
    OptionKind::Duration,
    Some("10 s"),
    "how long the server may take to let somebody in; then it is tried again",
);

/// Of `http`.
pub(super) const HTTP: &[OptionDef] = &[
    required(
        URL,
        OptionKind::Text,
        "what is asked, or where rows are sent: `https://host/path`. Of a lookup, with columns in it: `https://host/users/{id}`",
    ),
    WHO,
    ITS_PASSWORD,
    HEADER,
    CA,
    option(
        TIMEOUT,
        OptionKind::Duration,
        Some("30 s"),
        "how long an answer may take; then it is tried again",
    ),
    format::FORMAT,
    option(
        METHOD,
        OptionKind::OneOf(&["POST", "PUT", "PATCH"]),
        Some("POST"),
        "the method of requests that have rows",
    ),
    option(
        BODY,
        OptionKind::OneOf(&["record", "array", "lines"]),
        Some("record"),
        "what a request has: one row (`record`), a JSON array of rows, or a row on each line",
    ),
    option(
        MAX_ROWS,
        OptionKind::Int,
        Some("500"),
        "of `array` and `lines`: how many rows a request has at most; it is sent earlier when input pauses and at checkpoints",
    ),
    option(
        IDEMPOTENCY_HEADER,
        OptionKind::Text,
        None,
        "a header with a key that is new for each request and stays the same when it is tried again, such as `Idempotency-Key`",
    ),
    option(
        MAX_IN_FLIGHT,
        OptionKind::Int,
        Some("1"),
        "how many requests of a subtask may be on their way at once; with more than one they come in no particular order",
    ),
    option(
        SINK_RETRIES,
        OptionKind::Int,
        Some("10"),
        "how often a request is made again when the server is away or overloaded (408, 425, 429, 5xx), at first after 0.2 s, each time after \
         twice as long, at most 10 s, or when the server says (`Retry-After`); meanwhile the job waits",
    ),
    option(
        INTERVAL,
        OptionKind::Duration,
        Some("10 s"),
        "how long after an answer the server is asked again",
    ),
    option(
        RECORDS,
        OptionKind::OneOf(&["record", "array", "lines"]),
        Some("record"),
        "what an answer has: one record, a JSON array of records, or a record on each line",
    ),
    option(
        POINTER,
        OptionKind::Text,
        None,
        "where in a JSON answer the record or the array is, as a JSON pointer: `/data/items`",
    ),
    option(
        EMIT,
        OptionKind::OneOf(&["changed", "all"]),
        Some("changed"),
        "whether an answer is read only if it is another one than the last (the server is asked so by `If-None-Match`), or each one",
    ),
    option(
        BOUNDED_MODE,
        OptionKind::OneOf(&["unbounded", "once"]),
        Some("unbounded"),
        "where reading ends; `once` is after the first answer",
    ),
    RETRIES,
    option(
        LOOKUP_IN_FLIGHT,
        OptionKind::Int,
        Some("16"),
        "of a lookup join: how many requests of a subtask may be on their way at once",
    ),
    lookup::cache("NONE"),
    lookup::MAX_ROWS,
    lookup::EXPIRE_AFTER_WRITE,
    lookup::EXPIRE_AFTER_ACCESS,
    lookup::CACHE_MISSING_KEY,
    lookup::MAX_RETRIES,
];

/// Of `sse`.
pub(super) const SSE: &[OptionDef] = &[
    required(URL, OptionKind::Text, "the stream of events: `https://host/path`"),
    WHO,
    ITS_PASSWORD,
    HEADER,
    CA,
    CONNECT_TIMEOUT,
    format::FORMAT,
    option(
        EVENTS,
        OptionKind::Text,
        None,
        "only events of these types, with `;` between; those without a type are `message`",
    ),
    IDLE,
    RETRIES,
];

/// Of `websocket`.
pub(super) const WEBSOCKET: &[OptionDef] = &[
    required(
        URL,
        OptionKind::Text,
        "the server: `wss://host/path`, or `ws://...` without TLS",
    ),
    WHO,
    ITS_PASSWORD,
    HEADER,
    CONNECT_TIMEOUT,
    format::FORMAT,
    option(
        SUBSCRIPTION,
        OptionKind::Text,
        None,
        "a text that is sent each time when the connection is made, such as what is asked for",
    ),
    IDLE,
    RETRIES,
];
