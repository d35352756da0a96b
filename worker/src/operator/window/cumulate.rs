//! Cumulating windows: each takes up the one before and the pane that it has more.

use weir_model::{EventTime, Failure};

use super::{emit::Emit, pane::Panes, windows::Steps};

/// The windows that have begun to fire, by start: all panes whose end has passed.
#[derive(Debug)]
pub(super) struct Cumulating {
    steps: Steps,
    /// Windows that still grow.
    pub(super) growing: Panes,
}

impl Cumulating {
    /// None yet; they will be kept in `growing`.
    pub(super) fn new(steps: Steps, growing: Panes) -> Self {
        Self { steps, growing }
    }

    /// The growing window that a pane belongs to.
    pub(super) fn start(&self, pane: i64) -> i64 {
        self.steps.start(pane)
    }

    /// Emits the windows that end after one watermark and by another.
    pub(super) fn fire(
        &mut self,
        panes: &mut Panes,
        fired: EventTime,
        watermark: EventTime,
        emit: &mut Emit,
    ) -> Result<(), Failure> {
        let mut from = i64::MIN;
        loop {
            let Some(start) = self.first_from(panes, from) else {
                return Ok(());
            };
            if EventTime(self.steps.first_end(start, fired).saturating_sub(1)) > watermark {
                return Ok(());
            }
            self.grow(panes, start, (fired, watermark), emit)?;
            let Some(next) = start.checked_add(self.steps.max_size_ms) else {
                return Ok(());
            };
            from = next;
        }
    }

    /// The first start of windows with rows from a moment on.
    fn first_from(&self, panes: &Panes, from: i64) -> Option<i64> {
        let pane = panes.first_from(from).map(|pane| self.steps.start(pane));
        pane.into_iter().chain(self.growing.first_from(from)).min()
    }

    /// The watermark at which the next window fires.
    pub(super) fn due(&self, panes: &Panes, fired: EventTime) -> Option<EventTime> {
        let start = self.first_from(panes, i64::MIN)?;
        Some(EventTime(self.steps.first_end(start, fired).saturating_sub(1)))
    }

    /// Emits the windows from one start.
    fn grow(
        &mut self,
        panes: &mut Panes,
        start: i64,
        (fired, watermark): (EventTime, EventTime),
        emit: &mut Emit,
    ) -> Result<(), Failure> {
        let last = start.saturating_add(self.steps.max_size_ms);
        let mut end = self.steps.first_end(start, fired);
        while end <= last && EventTime(end.saturating_sub(1)) <= watermark {
            let added = end - self.steps.step_ms;
            if let Some(pane) = panes.remove(added) {
                self.growing.pane(start)?.absorb(&pane)?;
                panes.recycle(added, pane)?;
            }
            if let Some(window) = self.growing.get(start) {
                emit.groups(start, end, window)?;
            }
            let Some(next) = end.checked_add(self.steps.step_ms) else {
                break;
            };
            end = next;
        }
        if EventTime(last.saturating_sub(1)) <= watermark
            && let Some(window) = self.growing.remove(start)
        {
            self.growing.recycle(start, window)?;
        }
        Ok(())
    }
}
