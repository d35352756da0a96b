//! Splits: sessions of clients.

use serde::{Deserialize, Serialize};

use crate::{ConnectorError, Split, messages};

/// A session, and how many messages were taken in it: what the broker has to send is known to the broker alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The client's id.
    pub(super) client: String,
    /// Messages taken so far, those twice that came twice.
    pub(super) taken: u64,
}

impl Position {
    pub(super) fn from_split(split: &Split) -> Result<Self, ConnectorError> {
        serde_json::from_slice(&split.state).map_err(|error| {
            ConnectorError::internal(format!(
                "the state of client '{}' cannot be read: {error}",
                split.id
            ))
        })
    }
}

impl messages::Position for Position {
    fn to_split(&self) -> Split {
        Split {
            id: self.client.clone(),
            state: serde_json::to_vec(self).expect("texts and numbers are always JSON"),
        }
    }
}
