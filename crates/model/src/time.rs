//! Event time.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A moment of event time or a watermark, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct EventTime(pub i64);

impl EventTime {
    /// Before any event: the watermark of a source that has seen nothing.
    pub const MIN: Self = Self(i64::MIN);
    /// After every event: the watermark at the end of a bounded input.
    pub const MAX: Self = Self(i64::MAX);
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
