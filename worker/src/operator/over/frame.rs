//! Which rows belong to a row, and folds over them.

use super::rows::{Rows, Segment};

/// The rows from some before a row to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Where it begins.
    pub(super) reach: Reach,
    /// Whether rows that order as the row does belong to it, though they come later.
    pub(super) with_peers: bool,
}

/// How far back a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// To the first row of the key.
    First,
    /// So many rows.
    Rows(usize),
    /// To rows that are so much earlier, ms.
    Range(i64),
}

/// What a fold over all rows of a key so far has come to, by key or by segment.
pub(super) trait Carry<T> {
    /// What the rows before those of a segment have come to.
    fn load(&self, at: usize, segment: &Segment) -> T;

    /// What the rows have come to with those of a segment.
    fn store(&mut self, at: usize, segment: &Segment, value: T);
}

/// By key.
impl<T: Copy> Carry<T> for Vec<T> {
    fn load(&self, _at: usize, segment: &Segment) -> T {
        self[segment.group as usize]
    }

    fn store(&mut self, _at: usize, segment: &Segment, value: T) {
        self[segment.group as usize] = value;
    }
}

/// By segment.
#[derive(Debug)]
pub(super) struct PerSegment<T>(pub(super) Vec<T>);

impl<T: Copy> Carry<T> for PerSegment<T> {
    fn load(&self, at: usize, _segment: &Segment) -> T {
        self.0[at]
    }

    fn store(&mut self, at: usize, _segment: &Segment, value: T) {
        self.0[at] = value;
    }
}

/// Values that can be put together, in order.
#[derive(Clone, Copy)]
pub(super) struct Fold<T, I, C> {
    /// What changes nothing.
    pub(super) neutral: T,
    /// The value of a row.
    pub(super) item: I,
    /// Two values as one; the first is of earlier rows.
    pub(super) combine: C,
}

impl Frame {
    /// Folds the frame of each wanted row; a carry per key grows with the keys.
    pub(super) fn fold<T: Copy>(
        self,
        rows: &Rows,
        carry: &mut Vec<T>,
        fold: Fold<T, impl Fn(usize) -> T, impl Fn(T, T) -> T>,
    ) -> Vec<T> {
        if self.reach == Reach::First && rows.carries {
            carry.resize(rows.groups, fold.neutral);
        }
        self.fold_from(rows, carry, fold)
    }

    /// Folds the frame of each wanted row.
    pub(super) fn fold_from<T: Copy>(
        self,
        rows: &Rows,
        carry: &mut impl Carry<T>,
        fold: Fold<T, impl Fn(usize) -> T, impl Fn(T, T) -> T>,
    ) -> Vec<T> {
        match self.reach {
            Reach::First => {
                let mut results = running(rows, carry, fold);
                if self.with_peers {
                    rows.share(&mut results);
                }
                results
            }
            Reach::Rows(_) | Reach::Range(_) => self.sliding(rows, fold),
        }
    }

    /// Two-stack aggregation: frames only move on, so that each row is put together with others twice at most, and nothing is ever taken
    /// out of a sum. Rows up to `middle` are folded from the back, those after it from the front.
    fn sliding<T: Copy>(self, rows: &Rows, fold: Fold<T, impl Fn(usize) -> T, impl Fn(T, T) -> T>) -> Vec<T> {
        let mut results = Vec::with_capacity(rows.wanted());
        let mut back: Vec<T> = Vec::new();
        for segment in &rows.segments {
            back.clear();
            back.resize(segment.end - segment.begin, fold.neutral);
            let mut frames = self.frames(rows, *segment);
            let (mut middle, mut next, mut front) = (segment.begin, segment.begin, fold.neutral);
            for row in segment.wanted() {
                let (start, end) = frames.of(row);
                next = next.max(start);
                for added in next..end {
                    front = (fold.combine)(front, (fold.item)(added));
                }
                next = next.max(end);
                if start >= middle {
                    let mut suffix = fold.neutral;
                    for moved in (start..next).rev() {
                        suffix = (fold.combine)((fold.item)(moved), suffix);
                        back[moved - segment.begin] = suffix;
                    }
                    (middle, front) = (next, fold.neutral);
                }
                results.push((fold.combine)(back[start - segment.begin], front));
            }
        }
        results
    }

    /// The frames of a segment's rows, asked for in order.
    pub(super) fn frames(self, rows: &Rows, segment: Segment) -> Frames<'_> {
        Frames {
            frame: self,
            rows,
            start: segment.begin,
            end: segment.begin,
            segment,
        }
    }
}

/// The frames of a segment's rows.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    frame: Frame,
    rows: &'a Rows,
    segment: Segment,
    start: usize,
    end: usize,
}

impl Frames<'_> {
    /// The first row of a row's frame, and behind its last one. Rows must come in order.
    pub(super) fn of(&mut self, row: usize) -> (usize, usize) {
        match self.frame.reach {
            Reach::First => {}
            Reach::Rows(before) => self.start = self.start.max(row.saturating_sub(before)),
            Reach::Range(before_ms) => {
                let earliest = self.rows.times[row].saturating_sub(before_ms);
                while self.rows.times[self.start] < earliest {
                    self.start += 1;
                }
            }
        }
        self.end = self.end.max(row + 1);
        if self.frame.with_peers {
            while self.end < self.segment.end && self.rows.ties_with_previous(self.end) {
                self.end += 1;
            }
        }
        (self.start, self.end)
    }
}

fn running<T: Copy>(
    rows: &Rows,
    carry: &mut impl Carry<T>,
    fold: Fold<T, impl Fn(usize) -> T, impl Fn(T, T) -> T>,
) -> Vec<T> {
    let mut results = Vec::with_capacity(rows.wanted());
    for (at, segment) in rows.segments.iter().enumerate() {
        let mut value = if rows.carries {
            carry.load(at, segment)
        } else {
            fold.neutral
        };
        for row in rows.from(segment)..segment.first {
            value = (fold.combine)(value, (fold.item)(row));
        }
        for row in segment.wanted() {
            value = (fold.combine)(value, (fold.item)(row));
            results.push(value);
        }
        if rows.carries {
            carry.store(at, segment, value);
        }
    }
    results
}
