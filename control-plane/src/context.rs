//! What every part of the control plane holds on to.

use std::sync::Arc;

use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use weir_checkpoint::storage::Stores;
use weir_env::{Clock, Ids};
use weir_model::JobId;

use crate::{
    checkpoint::Checkpoints,
    cluster::Cluster,
    config::{Limits, TablesOf},
    db::Store,
    metrics::Metrics,
    secrets::SecretKey,
};

/// The handles that the parts share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// The metadata store.
    pub store: Store,
    /// The cluster as it is seen.
    pub cluster: Cluster,
    /// The coordinators of checkpoints.
    pub checkpoints: Checkpoints,
    /// Opens folders of checkpoints and savepoints.
    pub stores: Stores,
    /// Tells what operators keep.
    pub tables: TablesOf,
    /// Where checkpoints and savepoints go; none: none are taken.
    pub state_url: Option<Arc<str>>,
    /// Opens secrets; none: there are none.
    pub secret_key: Option<SecretKey>,
    /// Live numbers.
    pub metrics: Metrics,
    /// Wakes the reconcile loop.
    pub wake: Wake,
    /// Tells of jobs that moved on.
    pub moves: Moves,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn Ids>,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// Cancelled when the control plane shall stop.
    pub shutdown: CancellationToken,
}

/// Wakes the reconcile loop: something was seen or asked for. Many calls before it looks count as one.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Makes the loop look at once.
    pub fn now(&self) {
        self.0.notify_one();
    }

    /// Returns when [`Wake::now`] was called since the last return.
    pub async fn called(&self) {
        self.0.notified().await;
    }
}

/// Tells whoever watches a job that it moved on. Watchers look the job up themselves.
#[derive(Clone, Debug)]
pub struct Moves(broadcast::Sender<JobId>);

impl Default for Moves {
    fn default() -> Self {
        Self(broadcast::Sender::new(256))
    }
}

impl Moves {
    /// The job moved.
    pub fn tell(&self, job: JobId) {
        // No watcher is no error.
        let _ = self.0.send(job);
    }

    /// Jobs that move from now on.
    pub fn watch(&self) -> broadcast::Receiver<JobId> {
        self.0.subscribe()
    }
}
