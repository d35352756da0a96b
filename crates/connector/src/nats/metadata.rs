//! What NATS says of a message beside what is in it.

use crate::origin::{MetadataDef, MetadataKind};

pub(super) const STREAM: &str = "stream";
pub(super) const SUBJECT: &str = "subject";
pub(super) const SEQUENCE: &str = "sequence";
pub(super) const TIMESTAMP: &str = "timestamp";
pub(super) const HEADERS: &str = "headers";
pub(super) const MESSAGE_ID: &str = "message-id";

pub(super) const METADATA: &[MetadataDef] = &[
    MetadataDef {
        key: STREAM,
        kind: MetadataKind::Text,
        is_writable: false,
        doc: "the message's stream",
    },
    MetadataDef {
        key: SUBJECT,
        kind: MetadataKind::Text,
        is_writable: true,
        doc: "its subject",
    },
    MetadataDef {
        key: SEQUENCE,
        kind: MetadataKind::Long,
        is_writable: false,
        doc: "its sequence number in the stream",
    },
    MetadataDef {
        key: TIMESTAMP,
        kind: MetadataKind::Instant,
        is_writable: false,
        doc: "when the server stored it",
    },
    MetadataDef {
        key: HEADERS,
        kind: MetadataKind::TextToBytes,
        is_writable: true,
        doc: "its headers; of several with a name, the last",
    },
    MetadataDef {
        key: MESSAGE_ID,
        kind: MetadataKind::Text,
        is_writable: true,
        doc: "its header `Nats-Msg-Id`, by which the server knows a message that it has already",
    },
];
