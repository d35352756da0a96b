//! The one split: how far an answer, or a stream of events, is read.

use serde::{Deserialize, Serialize};

use crate::{ConnectorError, Split, messages};

/// What was read last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Where it is read, for people.
    pub(super) url: String,
    /// What the server calls the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    /// When the server last changed it, in its words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_modified: Option<String>,
    /// A digest of the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<u64>,
    /// The last id that a stream of events has given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_event_id: Option<String>,
}

impl Position {
    /// At the start.
    pub(super) fn start(url: String) -> Self {
        Self {
            url,
            ..Self::default()
        }
    }

    pub(super) fn from_split(split: &Split) -> Result<Self, ConnectorError> {
        serde_json::from_slice(&split.state).map_err(|error| {
            ConnectorError::internal(format!("the state of '{}' cannot be read: {error}", split.id))
        })
    }
}

impl messages::Position for Position {
    fn to_split(&self) -> Split {
        Split {
            id: self.url.clone(),
            state: serde_json::to_vec(self).expect("texts and numbers are always JSON"),
        }
    }
}
