//! The operator that runs, by name.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use weir_model::{Failure, OperatorId, SubtaskIndex};

/// Names the operator that runs, for failures and panics.
#[derive(Debug)]
pub struct Place {
    subtask: u32,
    /// Id and name of each operator of the chain.
    operators: Vec<(u32, String)>,
    current: AtomicUsize,
}

impl Place {
    /// The place of a subtask that runs these operators.
    pub fn new(subtask: u32, operators: Vec<(u32, String)>) -> Self {
        Self {
            subtask,
            operators,
            current: AtomicUsize::new(usize::MAX),
        }
    }

    /// Sets the operator that runs now.
    #[inline]
    pub fn enter(&self, node: usize) {
        self.current.store(node, Relaxed);
    }

    /// No operator runs now: what fails from here on is the runtime's.
    pub fn leave(&self) {
        self.current.store(usize::MAX, Relaxed);
    }

    /// The failure with the operator and subtask in which it happened, as far as it does not say so itself.
    pub fn locate(&self, failure: Failure) -> Failure {
        let current = self.operators.get(self.current.load(Relaxed));
        Failure {
            operator: failure.operator.or(current.map(|(id, _)| OperatorId(*id))),
            operator_name: failure.operator_name.or(current.map(|(_, name)| name.clone())),
            subtask: failure.subtask.or(Some(SubtaskIndex(self.subtask))),
            ..failure
        }
    }
}
