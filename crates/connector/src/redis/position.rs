//! Ids of entries, and splits: streams with the position to read on from.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{ConnectorError, Split};

/// The id of an entry: when it was added, ms since 1970, and its number among those of the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Id {
    pub(super) ms: u64,
    number: u64,
}

impl Id {
    /// The last one before a time.
    pub(super) fn before(ms: u64) -> Self {
        match ms.checked_sub(1) {
            Some(ms) => Self { ms, number: u64::MAX },
            None => Self::default(),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.number)
    }
}

impl FromStr for Id {
    type Err = String;

    /// `1526919030474-55`; without a number it is 0.
    fn from_str(text: &str) -> Result<Self, String> {
        let (ms, number) = text.split_once('-').unwrap_or((text, "0"));
        match (ms.parse(), number.parse()) {
            (Ok(ms), Ok(number)) => Ok(Self { ms, number }),
            _ => Err(format!(
                "'{text}' is no id of a stream's entry, such as 1526919030474-55"
            )),
        }
    }
}

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.to_string()
    }
}

/// What to read of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) key: String,
    /// The last entry that was read.
    pub(super) after: Id,
    /// The last entry to read; none: there is no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<Id>,
}

impl Position {
    pub(super) fn to_split(&self) -> Split {
        Split {
            id: self.key.clone(),
            state: serde_json::to_vec(self).expect("texts are always JSON"),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_by_time_and_number() {
        let id = |text: &str| text.parse::<Id>().expect(text);
        assert!(id("9-2") < id("10-1") && id("10-9") < id("10-10"));
        assert_eq!(id("7"), id("7-0"));
        assert_eq!(id("7-3").to_string(), "7-3");
        assert!(Id::before(7) < id("7-0") && Id::before(7) > id("6-999"));
        assert_eq!(Id::before(0), id("0-0"));
        for wrong in ["", "$", "1-x", "-1"] {
            assert!(wrong.parse::<Id>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_split_says_where_to_read_on() {
        let position = Position {
            key: "s".into(),
            after: "5-1".parse().expect("an id"),
            until: Some("6-0".parse().expect("an id")),
        };
        let split = position.to_split();
        assert_eq!(split.state, br#"{"key":"s","after":"5-1","until":"6-0"}"#);
        assert_eq!(Position::from_split(&split).expect("its own state"), position);
    }
}
