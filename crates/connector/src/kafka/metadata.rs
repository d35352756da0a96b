//! What Kafka says of a message beside its key and its value.

use crate::origin::{MetadataDef, MetadataKind};

pub(super) const TOPIC: &str = "topic";
pub(super) const PARTITION: &str = "partition";
pub(super) const OFFSET: &str = "offset";
pub(super) const TIMESTAMP: &str = "timestamp";
pub(super) const TIMESTAMP_TYPE: &str = "timestamp-type";
pub(super) const LEADER_EPOCH: &str = "leader-epoch";
pub(super) const HEADERS: &str = "headers";

/// The metadata columns: Flink's.
pub(super) const METADATA: &[MetadataDef] = &[
    MetadataDef {
        key: TOPIC,
        kind: MetadataKind::Text,
        is_writable: true,
        doc: "the name of the message's topic",
    },
    MetadataDef {
        key: PARTITION,
        kind: MetadataKind::Int,
        is_writable: false,
        doc: "the number of its partition",
    },
    MetadataDef {
        key: OFFSET,
        kind: MetadataKind::Long,
        is_writable: false,
        doc: "its offset in the partition",
    },
    MetadataDef {
        key: TIMESTAMP,
        kind: MetadataKind::Instant,
        is_writable: true,
        doc: "when it was made or, as the topic says, appended",
    },
    MetadataDef {
        key: TIMESTAMP_TYPE,
        kind: MetadataKind::Text,
        is_writable: false,
        doc: "which of the two: `CreateTime`, `LogAppendTime`, or `NoTimestampType` where it has none",
    },
    MetadataDef {
        key: LEADER_EPOCH,
        kind: MetadataKind::Int,
        is_writable: false,
        doc: "the epoch of the partition's leader; null where the broker does not say",
    },
    MetadataDef {
        key: HEADERS,
        kind: MetadataKind::TextToBytes,
        is_writable: true,
        doc: "its headers; of several with a name, the last",
    },
];
