//! In which order the database gets what operators say.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::Shared;
use crate::state::Change;

/// Checkpoints whose changes the database is to have before others.
#[derive(Debug, Default)]
pub(super) struct Order {
    counts: Mutex<Counts>,
    written: Condvar,
}

#[derive(Debug, Default)]
struct Counts {
    /// Checkpoints that are not written yet.
    waiting: usize,
    /// Those of them that operators have not said yet.
    saying: usize,
}

impl Order {
    /// Another one is to come.
    pub(super) fn hand_over(&self) {
        self.counts.lock().waiting += 1;
    }

    /// One has been written, or has failed.
    pub(super) fn written(&self) {
        let mut counts = self.counts.lock();
        counts.waiting = counts.waiting.saturating_sub(1);
        self.written.notify_all();
    }

    /// Whether one is not said yet.
    pub(super) fn is_held(&self) -> bool {
        self.counts.lock().saying > 0
    }

    /// Blocks until all are written. Not while it is held: who waits may be the one who has something to say.
    pub(super) fn wait(&self) {
        let mut counts = self.counts.lock();
        while counts.waiting > 0 {
            self.written.wait(&mut counts);
        }
    }
}

/// The changes of a checkpoint that operators are about to say.
pub struct Saying {
    shared: Arc<Shared>,
    given: Option<oneshot::Sender<Vec<Vec<Change>>>>,
}

impl Saying {
    pub(super) fn new(shared: &Arc<Shared>, given: oneshot::Sender<Vec<Vec<Change>>>) -> Self {
        shared.order.counts.lock().saying += 1;
        Self {
            shared: Arc::clone(shared),
            given: Some(given),
        }
    }

    /// They have said all, by operator.
    pub fn give(mut self, changes: Vec<Vec<Change>>) {
        if let Some(given) = self.given.take() {
            // Whoever writes may have been stopped.
            drop(given.send(changes));
        }
    }
}

impl Drop for Saying {
    fn drop(&mut self) {
        let mut counts = self.shared.order.counts.lock();
        counts.saying = counts.saying.saturating_sub(1);
    }
}
