//! Windows and the panes that they are made of.

use std::iter::successors;

use weir_model::{EventTime, Failure};
use weir_proto::graph::{self, window};

use super::grid::Grid;

/// Windows over panes. Every row belongs to one pane; a pane to one window or several.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    /// How rows find their pane.
    pub(super) grid: Grid,
    /// How panes make windows.
    pub(super) kind: Kind,
}

/// How panes make windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Every pane is a window.
    Tumble {
        /// Length, ms.
        size_ms: i64,
    },
    /// Windows of a size begin with every slide.
    Hop(Hops),
    /// Windows grow by steps up to a size.
    Cumulate(Steps),
    /// A pane is a window, named by its end; this is how long it is.
    Attached(Attached),
}

/// Windows of a size that begin with every slide, which is not above the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hops {
    /// Length of a window, ms.
    pub(super) size_ms: i64,
    /// From one start to the next, ms.
    pub(super) slide_ms: i64,
    /// A start, ms.
    pub(super) offset_ms: i64,
    /// Length of a pane, ms.
    pub(super) pane_ms: i64,
}

/// Windows that begin together and grow by steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    /// Length of the longest window, ms.
    pub(super) max_size_ms: i64,
    /// By how much the next is longer, ms; the length of a pane.
    pub(super) step_ms: i64,
    /// A start, ms.
    pub(super) offset_ms: i64,
}

/// How long the windows are that rows name by their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attached {
    /// All as long, ms.
    Fixed(i64),
    /// Back to the last start.
    Cumulate(Steps),
    /// The last key is the start.
    Session,
}

impl Windows {
    /// The windows of the job graph.
    pub(super) fn new(spec: Option<&graph::Window>) -> Result<Self, Failure> {
        let spec = spec.ok_or_else(|| Failure::internal("an operator on windows without a window"))?;
        let column = spec.time_column as usize;
        let spec_kind = spec
            .kind
            .as_ref()
            .ok_or_else(|| Failure::internal("a window of a kind that this version does not know"))?;
        let (kind, pane_ms, offset_ms) = match spec_kind {
            window::Kind::Session(_) if spec.attached => (Kind::Attached(Attached::Session), 1, 0),
            window::Kind::Session(_) => return Err(Failure::internal("sessions have no panes")),
            window::Kind::Tumble(tumble) => {
                let size_ms = positive(tumble.size_ms)?;
                (Kind::Tumble { size_ms }, size_ms, tumble.offset_ms)
            }
            window::Kind::Hop(hop) => {
                let hops = Hops::new(hop)?;
                (Kind::Hop(hops), hops.pane_ms, hops.offset_ms)
            }
            window::Kind::Cumulate(cumulate) => {
                let steps = Steps::new(cumulate)?;
                (Kind::Cumulate(steps), steps.step_ms, steps.offset_ms)
            }
        };
        if !spec.attached {
            let grid = Grid::new(column, pane_ms, offset_ms);
            return Ok(Self { grid, kind });
        }
        let attached = match kind {
            Kind::Hop(hops) => Attached::Fixed(hops.size_ms),
            Kind::Cumulate(steps) => Attached::Cumulate(steps),
            Kind::Tumble { size_ms } => Attached::Fixed(size_ms),
            Kind::Attached(attached) => attached,
        };
        Ok(Self {
            // A pane per moment: the end of a window.
            grid: Grid::new(column, 1, 0),
            kind: Kind::Attached(attached),
        })
    }

    /// The same windows over batches with pane starts in this column.
    pub(super) fn over(self, column: usize) -> Self {
        Self {
            grid: self.grid.over(column),
            ..self
        }
    }

    /// The last moment of a pane: no more rows come to it once the watermark reaches this.
    #[inline]
    pub(super) fn last(self, pane: i64) -> EventTime {
        match self.kind {
            Kind::Attached(_) => EventTime(pane.saturating_sub(1)),
            _ => self.grid.last(pane),
        }
    }

    /// The start and the end of the window that a pane is; of windows of several panes, those of the pane.
    pub(super) fn of_pane(self, pane: i64) -> (i64, i64) {
        match self.kind {
            Kind::Attached(attached) => (attached.start(pane), pane),
            Kind::Tumble { size_ms } => (pane, pane.saturating_add(size_ms)),
            Kind::Hop(hops) => (pane, pane.saturating_add(hops.pane_ms)),
            Kind::Cumulate(steps) => (pane, pane.saturating_add(steps.step_ms)),
        }
    }

    /// The windows that a pane belongs to: start and end of each, the earliest end first.
    pub(super) fn all_of_pane(self, pane: i64) -> Vec<(i64, i64)> {
        let ends = |first: i64, last: i64, step_ms: i64| {
            let ends = successors(Some(first), move |end: &i64| end.checked_add(step_ms));
            ends.take_while(move |end| *end <= last)
        };
        match self.kind {
            Kind::Tumble { .. } | Kind::Attached(_) => vec![self.of_pane(pane)],
            Kind::Hop(hops) => ends(hops.first_end(pane), hops.last_end(pane), hops.slide_ms)
                .map(|end| (end.saturating_sub(hops.size_ms), end))
                .collect(),
            Kind::Cumulate(steps) => {
                let start = steps.start(pane);
                let first = pane.saturating_add(steps.step_ms);
                ends(first, steps.last_end(pane), steps.step_ms)
                    .map(|end| (start, end))
                    .collect()
            }
        }
    }

    /// Whether all windows of a pane have fired at a watermark.
    pub(super) fn have_fired(self, pane: i64, watermark: EventTime) -> bool {
        let last = match self.kind {
            Kind::Tumble { .. } | Kind::Attached(_) => self.last(pane),
            Kind::Hop(hops) => EventTime(hops.last_end(pane).saturating_sub(1)),
            Kind::Cumulate(steps) => EventTime(steps.last_end(pane).saturating_sub(1)),
        };
        last <= watermark
    }
}

impl Hops {
    fn new(hop: &graph::HopWindow) -> Result<Self, Failure> {
        let (size_ms, slide_ms) = (positive(hop.size_ms)?, positive(hop.slide_ms)?);
        if slide_ms > size_ms {
            return Err(Failure::internal(format!(
                "windows of {size_ms} ms every {slide_ms} ms"
            )));
        }
        Ok(Self {
            size_ms,
            slide_ms,
            offset_ms: hop.offset_ms.rem_euclid(slide_ms),
            pane_ms: divisor(size_ms, slide_ms),
        })
    }

    /// The start of the last window that holds a moment.
    #[inline]
    pub(super) fn last_start(self, moment: i64) -> i64 {
        floor(moment, self.slide_ms, self.offset_ms)
    }

    /// The end of the last window that a pane belongs to.
    pub(super) fn last_end(self, pane: i64) -> i64 {
        self.last_start(pane).saturating_add(self.size_ms)
    }

    /// The end of the first window that a pane belongs to.
    pub(super) fn first_end(self, pane: i64) -> i64 {
        self.end_from(pane.saturating_add(self.pane_ms))
    }

    /// The first end of a window that is not before this moment.
    pub(super) fn end_from(self, moment: i64) -> i64 {
        let start = moment.saturating_sub(self.size_ms);
        let floor = self.last_start(start);
        let start = if floor < start {
            floor.saturating_add(self.slide_ms)
        } else {
            floor
        };
        start.saturating_add(self.size_ms)
    }
}

impl Steps {
    fn new(cumulate: &graph::CumulateWindow) -> Result<Self, Failure> {
        let (max_size_ms, step_ms) = (positive(cumulate.max_size_ms)?, positive(cumulate.step_ms)?);
        if max_size_ms % step_ms != 0 {
            return Err(Failure::internal(format!(
                "windows up to {max_size_ms} ms in steps of {step_ms} ms"
            )));
        }
        Ok(Self {
            max_size_ms,
            step_ms,
            offset_ms: cumulate.offset_ms.rem_euclid(max_size_ms),
        })
    }

    /// Where the windows that hold a moment begin.
    #[inline]
    pub(super) fn start(self, moment: i64) -> i64 {
        floor(moment, self.max_size_ms, self.offset_ms)
    }

    /// The end of the longest window that a pane belongs to.
    pub(super) fn last_end(self, pane: i64) -> i64 {
        self.start(pane).saturating_add(self.max_size_ms)
    }

    /// The end of the first window from this start that has not fired at a watermark.
    pub(super) fn first_end(self, start: i64, watermark: EventTime) -> i64 {
        let passed = watermark.0.saturating_add(1).saturating_sub(start).max(0);
        start.saturating_add(
            (passed / self.step_ms)
                .saturating_add(1)
                .saturating_mul(self.step_ms),
        )
    }
}

impl Attached {
    /// Where the window begins that ends here.
    pub(super) fn start(self, end: i64) -> i64 {
        match self {
            Self::Fixed(size_ms) => end.saturating_sub(size_ms),
            Self::Cumulate(steps) => steps.start(end.saturating_sub(1)),
            Self::Session => end,
        }
    }
}

/// The greatest value at or before a moment that is `offset` past a multiple of `size`.
#[inline]
fn floor(moment: i64, size: i64, offset: i64) -> i64 {
    // Both terms are within the size, so that nothing overflows.
    let past = (moment.rem_euclid(size) - offset).rem_euclid(size);
    moment.saturating_sub(past)
}

fn divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

fn positive(ms: i64) -> Result<i64, Failure> {
    if ms <= 0 {
        return Err(Failure::internal(format!("a window of {ms} ms")));
    }
    Ok(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(size_ms: i64, slide_ms: i64, offset_ms: i64) -> Hops {
        Hops::new(&graph::HopWindow {
            size_ms,
            slide_ms,
            offset_ms,
        })
        .expect("windows")
    }

    #[test]
    fn a_pane_belongs_to_the_windows_that_hold_it_whole() {
        let tens = hops(10, 5, 0);
        assert_eq!(tens.pane_ms, 5);
        assert_eq!((tens.first_end(0), tens.last_end(0)), (5, 10));
        assert_eq!((tens.first_end(-5), tens.last_end(-5)), (0, 5));
        let odd = hops(10, 4, 1);
        assert_eq!((odd.pane_ms, odd.last_start(0), odd.last_start(1)), (2, -3, 1));
        assert_eq!((odd.first_end(-1), odd.last_end(-1)), (3, 7));
        assert_eq!((odd.first_end(1), odd.last_end(1)), (3, 11));
        assert_eq!((odd.first_end(3), odd.last_end(3)), (7, 11));
    }

    #[test]
    fn all_windows_of_a_pane_come_by_their_ends() {
        let windows = |kind| {
            let spec = graph::Window {
                time_column: 0,
                attached: false,
                kind: Some(kind),
            };
            Windows::new(Some(&spec)).expect("windows")
        };
        let hop = windows(window::Kind::Hop(graph::HopWindow {
            size_ms: 10,
            slide_ms: 4,
            offset_ms: 1,
        }));
        assert_eq!(hop.all_of_pane(3), [(-3, 7), (1, 11)]);
        let cumulate = windows(window::Kind::Cumulate(graph::CumulateWindow {
            max_size_ms: 30,
            step_ms: 10,
            offset_ms: 5,
        }));
        assert_eq!(cumulate.all_of_pane(15), [(5, 25), (5, 35)]);
        let tumble = windows(window::Kind::Tumble(graph::TumbleWindow {
            size_ms: 10,
            offset_ms: 0,
        }));
        assert_eq!(tumble.all_of_pane(20), [(20, 30)]);
    }

    #[test]
    fn cumulating_windows_end_at_every_step_up_to_the_longest() {
        let cumulate = graph::CumulateWindow {
            max_size_ms: 30,
            step_ms: 10,
            offset_ms: 5,
        };
        let steps = Steps::new(&cumulate).expect("windows");
        assert_eq!((steps.start(4), steps.start(5), steps.start(34)), (-25, 5, 5));
        let first = |watermark| steps.first_end(5, EventTime(watermark));
        assert_eq!(first(i64::MIN), 15);
        assert_eq!(first(13), 15);
        assert_eq!(first(14), 25);
        assert_eq!(first(24), 35);
        assert_eq!(Attached::Cumulate(steps).start(35), 5);
        assert_eq!(Attached::Cumulate(steps).start(15), 5);
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let tens = hops(10, 5, 0);
        assert_eq!(tens.last_end(i64::MAX - 7), i64::MAX);
        assert_eq!(tens.end_from(i64::MIN + 3), i64::MIN + 10);
    }
}
