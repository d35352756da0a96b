//! Splits: streams with the position to read on from.

use serde::{Deserialize, Serialize};

use crate::{ConnectorError, Split, messages};

/// What to read of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) stream: String,
    /// The number of the first message that was not read.
    pub(super) next: u64,
    /// The number of the last message to read; none: there is no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<u64>,
}

impl Position {
    /// Whether all is read.
    pub(super) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| self.next > until)
    }

    pub(super) fn from_split(split: &Split) -> Result<Self, ConnectorError> {
        serde_json::from_slice(&split.state).map_err(|error| {
            ConnectorError::internal(format!(
                "the state of stream '{}' cannot be read: {error}",
                split.id
            ))
        })
    }
}

impl messages::Position for Position {
    fn to_split(&self) -> Split {
        Split {
            id: self.stream.clone(),
            state: serde_json::to_vec(self).expect("texts and numbers are always JSON"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Position as _;

    #[test]
    fn a_split_says_where_to_read_on() {
        let position = Position {
            stream: "s".into(),
            next: 5,
            until: Some(5),
        };
        let split = position.to_split();
        assert_eq!(split.state, br#"{"stream":"s","next":5,"until":5}"#);
        assert_eq!(Position::from_split(&split).expect("its own state"), position);
        assert!(!position.is_over());
        let over = Position { next: 6, ..position };
        assert!(over.is_over());
        let endless = Position { until: None, ..over };
        assert!(!endless.is_over());
    }
}
