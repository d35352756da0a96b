//! New ids.

use std::{fmt, sync::Arc};

use uuid::Uuid;
use weir_model::{JobId, WorkerId};

/// Where new ids come from.
pub trait Ids: fmt::Debug + Send + Sync + 'static {
    /// A fresh UUID, greater than those before it.
    fn next(&self) -> Uuid;
}

impl dyn Ids {
    /// A fresh job id.
    pub fn job(&self) -> JobId {
        JobId(self.next())
    }

    /// A number that is another one each time, for chance to begin with.
    pub fn seed(&self) -> u64 {
        let (high, low) = self.next().as_u64_pair();
        high.rotate_left(32) ^ low
    }

    /// A fresh worker id.
    pub fn worker(&self) -> WorkerId {
        WorkerId(self.next())
    }
}

/// Ids of the current time with randomness: UUID v7.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[allow(clippy::disallowed_methods, reason = "the one place that makes random ids")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// The ids of a normal process.
pub fn system() -> Arc<dyn Ids> {
    Arc::new(SystemIds)
}
