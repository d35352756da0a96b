//! What MQTT says of a message beside what is in it.

use std::borrow::Cow;

use rumqttc::v5::mqttbytes::v5::Publish;

use crate::{
    messages::{Message, Said},
    origin::{MetadataDef, MetadataKind},
};

pub(super) const TOPIC: &str = "topic";
pub(super) const QOS: &str = "qos";
pub(super) const RETAINED: &str = "retained";
pub(super) const PROPERTIES: &str = "user-properties";

pub(super) const METADATA: &[MetadataDef] = &[
    MetadataDef {
        key: TOPIC,
        kind: MetadataKind::Text,
        is_writable: true,
        doc: "the message's topic",
    },
    MetadataDef {
        key: QOS,
        kind: MetadataKind::Int,
        is_writable: false,
        doc: "the quality of service with which the broker sent it",
    },
    MetadataDef {
        key: RETAINED,
        kind: MetadataKind::Bool,
        is_writable: true,
        doc: "whether the broker had kept it from before; of one that is written, whether it shall",
    },
    MetadataDef {
        key: PROPERTIES,
        kind: MetadataKind::TextToBytes,
        is_writable: true,
        doc: "its user properties; of several with a name, the last",
    },
];

/// A message that came.
#[derive(Debug)]
pub(super) struct Received(pub(super) Publish);

impl Message for Received {
    fn payload(&self) -> &[u8] {
        &self.0.payload
    }

    fn says(&self, key: &str) -> Said<'_> {
        match key {
            TOPIC => Said::Text(self.topic()),
            QOS => Said::Int(self.0.qos as i32),
            RETAINED => Said::Bool(self.0.retain),
            PROPERTIES => {
                let properties = self
                    .0
                    .properties
                    .iter()
                    .flat_map(|properties| &properties.user_properties);
                let mut last: Vec<(&str, &[u8])> = Vec::new();
                for (name, value) in properties {
                    last.retain(|(known, _)| known != name);
                    last.push((name, value.as_bytes()));
                }
                Said::Entries(last)
            }
            _ => Said::Null,
        }
    }

    fn place(&self) -> String {
        self.topic().into_owned()
    }
}

impl Received {
    fn topic(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0.topic)
    }
}
