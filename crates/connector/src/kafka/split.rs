//! A partition of a topic, with the offset to read on from.

use std::ffi::CString;

use serde::{Deserialize, Serialize};

use super::native;
use crate::{ConnectorError, Split};

/// What to read of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Partition {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// The offset of the next message; none: that of the first that there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<i64>,
    /// Where it ends: before this offset. None: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<i64>,
}

impl Partition {
    /// For people, and what checkpoints know it by: topics have no `/` in their names.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.topic, self.partition)
    }

    /// The topic's name as librdkafka takes it.
    pub(super) fn topic_name(&self) -> CString {
        native::name(&self.topic)
    }

    /// Whether nothing is left of it.
    pub(super) fn is_over(&self) -> bool {
        matches!((self.next, self.end), (Some(next), Some(end)) if next >= end) || self.end == Some(0)
    }

    pub(super) fn to_split(&self) -> Split {
        Split {
            id: self.id(),
            // Texts and numbers: it cannot fail.
            state: serde_json::to_vec(self).unwrap_or_default(),
        }
    }

    pub(super) fn from_split(split: &Split) -> Result<Self, ConnectorError> {
        serde_json::from_slice(&split.state).map_err(|error| {
            ConnectorError::internal(format!(
                "the state of split '{}' cannot be read: {error}",
                split.id
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_says_all_of_itself_and_is_over_at_its_end() {
        for (next, end, over) in [
            (None, None, false),
            (None, Some(3), false),
            (None, Some(0), true),
            (Some(7), None, false),
            (Some(2), Some(3), false),
            (Some(3), Some(3), true),
            (Some(9), Some(3), true),
        ] {
            let partition = Partition {
                topic: "a.b".into(),
                partition: 4,
                next,
                end,
            };
            let split = partition.to_split();
            assert_eq!(split.id, "a.b/4");
            assert_eq!(Partition::from_split(&split).expect("read"), partition);
            assert_eq!(partition.is_over(), over, "{partition:?}");
        }
    }
}
