//! What the coordinator of checkpoints says.

use std::sync::Arc;

use super::message::Barrier;

/// What the coordinator has said last.
#[derive(Clone, Debug, Default)]
pub struct Commands {
    /// The newest checkpoint that sources are to begin.
    pub trigger: Option<Trigger>,
    /// Checkpoints up to this one were given up, unless they are complete.
    pub aborted: u64,
    /// The newest checkpoint that is complete.
    pub completed: u64,
    /// How many events a source reads from one checkpoint to the next, which it waits for; none: it never waits. For rehearsals.
    pub pace: Option<u32>,
}

/// A checkpoint to begin.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// What is said to all that follow.
    pub barrier: Arc<Barrier>,
    /// What sources do behind it.
    pub after: After,
}

/// What sources do behind a barrier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// They read on.
    #[default]
    GoOn,
    /// They read nothing more.
    Suspend,
    /// The same; event time ends before the barrier.
    Drain,
}
