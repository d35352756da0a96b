//! The life cycle of a job.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a job stands.
///
/// `Created -> Scheduling -> Running -> Finished` when all goes well; `Scheduling` waits for slots. A retryable
/// failure leads through `Restarting` (waiting out the backoff) to `Scheduling` again; one that is not leads to
/// `Failed`. A cancel leads through `Cancelling` to `Cancelled`, a stop through `Stopping` to `Stopped`, from where
/// the job can be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Accepted; nothing done yet.
    Created,
    /// Waiting for slots, or its tasks are being deployed.
    Scheduling,
    /// Every task runs.
    Running,
    /// A failure happened; the next execution starts when the backoff has passed.
    Restarting,
    /// A stop was asked for; its savepoint is being taken, or tasks are being stopped.
    Stopping,
    /// Stopped because it was asked to; it goes on from there when it is resumed.
    Stopped,
    /// A cancel was asked for; tasks are being stopped.
    Cancelling,
    /// Given up because it was asked to.
    Cancelled,
    /// Read all of its bounded input.
    Finished,
    /// Stopped for good by a failure.
    Failed,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 10] = [
        Self::Created,
        Self::Scheduling,
        Self::Running,
        Self::Restarting,
        Self::Stopping,
        Self::Stopped,
        Self::Cancelling,
        Self::Cancelled,
        Self::Finished,
        Self::Failed,
    ];

    /// Whether nothing will happen any more by itself.
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Stopped | Self::Cancelled | Self::Finished | Self::Failed
        )
    }

    /// The word on the wire and in the metadata store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Scheduling => "scheduling",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Phase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|p| p.as_str() == text)
            .ok_or_else(|| format!("no phase named '{text}'"))
    }
}
