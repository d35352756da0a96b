//! How far a reader has come: kept in checkpoints.

use serde::{Deserialize, Serialize};

use crate::ConnectorError;

/// How far a reader has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Where the log is read from; none: where the slot begins.
    pub(super) lsn: Option<u64>,
    /// How much of the table is copied.
    pub(super) copied: Copied,
    /// Which transactions the copy has seen, until the log is read beyond them.
    pub(super) seen: Option<Seen>,
    /// The transaction that was being read.
    pub(super) within: Option<Within>,
}

/// How much of a table is copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Copied {
    /// Nothing yet.
    #[default]
    Nothing,
    /// The rows up to this key, in the key's order.
    UpTo(Vec<String>),
    /// All.
    All,
}

/// Which transactions a snapshot of the database has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// All before this one.
    all_before: u64,
    /// None from this one on.
    none_from: u64,
    /// Not these of those in between.
    but: Vec<u64>,
    /// Where the log ended when the snapshot was there: no transaction that ends later is seen.
    pub(super) until: u64,
}

/// A transaction that was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Within {
    /// Where it ends, by which it is known.
    pub(super) ends_at: u64,
    /// How many of its messages were read.
    pub(super) messages: u64,
}

impl Position {
    pub(super) fn from_state(state: &[u8]) -> Result<Self, ConnectorError> {
        serde_json::from_slice(state).map_err(|error| {
            ConnectorError::internal(format!(
                "a position in a PostgreSQL table cannot be read: {error}"
            ))
        })
    }

    pub(super) fn to_state(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Seen {
    /// Of what `pg_current_snapshot()` says: `all_before:none_from:but,but`.
    pub(super) fn parse(text: &str, until: u64) -> Option<Self> {
        let mut parts = text.split(':');
        let (before, from, but) = (parts.next()?, parts.next()?, parts.next()?);
        let but = but.split(',').filter(|id| !id.is_empty()).map(str::parse);
        Some(Self {
            all_before: before.parse().ok()?,
            none_from: from.parse().ok()?,
            but: but.collect::<Result<_, _>>().ok()?,
            until,
        })
    }

    /// Whether it has seen a transaction that the log names by the low half of its number and that ends there.
    pub(super) fn has(&self, transaction: u32, ends_at: u64) -> bool {
        if ends_at > self.until {
            return false;
        }
        // The number near the snapshot's whose low half this is.
        let near = self.none_from;
        let low = (near & !0xffff_ffff) | u64::from(transaction);
        let half = 1_u64 << 31;
        let number = if low > near + half {
            low.saturating_sub(1 << 32)
        } else if low + half < near {
            low + (1 << 32)
        } else {
            low
        };
        number < self.all_before || number < self.none_from && !self.but.contains(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_knows_the_transactions_that_it_has_seen() {
        let seen = Seen::parse("100:105:101,103", 9_000).expect("a snapshot");
        let has: Vec<u32> = (98..107).filter(|id| seen.has(*id, 8_000)).collect();
        assert_eq!(has, [98, 99, 100, 102, 104]);
        assert!(!seen.has(99, 9_001), "it ended later");
        assert_eq!(Seen::parse("100:100:", 1).map(|seen| seen.but), Some(Vec::new()));
        assert_eq!(Seen::parse("100", 1), None);
    }

    #[test]
    fn numbers_of_transactions_come_round() {
        let seen = Seen::parse("4294967290:4294967300:4294967298", 10).expect("a snapshot");
        assert!(seen.has(4_294_967_295, 5), "before they came round");
        assert!(seen.has(1, 5), "4294967297");
        assert!(!seen.has(2, 5), "4294967298");
        assert!(!seen.has(4, 5), "4294967300");
    }

    #[test]
    fn positions_read_back() {
        let position = Position {
            lsn: Some(7),
            copied: Copied::UpTo(vec!["a".into(), "2".into()]),
            seen: Seen::parse("1:2:", 3),
            within: Some(Within {
                ends_at: 9,
                messages: 4,
            }),
        };
        assert_eq!(
            Position::from_state(&position.to_state()).expect("reads"),
            position
        );
    }
}
