//! Newtypes for everything that has an identity.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id! {
    /// A job: a named SQL script that is or was run. Time-ordered (UUID v7).
    JobId
}
uuid_id! {
    /// A savepoint: a job's state at one moment, kept until somebody deletes it. Time-ordered (UUID v7).
    SavepointId
}
uuid_id! {
    /// A worker process. New at each start of the process.
    WorkerId
}
number_id! {
    /// An operator within one job graph.
    OperatorId(u32)
}
number_id! {
    /// A task within one job graph: a chain of operators that run by direct calls.
    TaskId(u32)
}
number_id! {
    /// The place of one parallel instance of a task, `0..parallelism`.
    SubtaskIndex(u32)
}
number_id! {
    /// The how-manieth execution of a job, from 1.
    Attempt(u32)
}
number_id! {
    /// Fences deployments of a job: it grows with each one, and anything that bears an older one is refused.
    Generation(u64)
}
