//! Rows in order, by key, as calls see them.

use std::ops::Range;

use arrow_array::ArrayRef;

/// Rows of several keys that follow each other, of each key in order.
#[derive(Debug)]
pub(super) struct Rows {
    /// The columns that calls read.
    pub(super) columns: Vec<ArrayRef>,
    /// The rows of each key.
    pub(super) segments: Vec<Segment>,
    /// A number per row: neighbours of one key have the same if they order alike.
    pub(super) ties: Vec<u32>,
    /// The time of each row, ms; of an order by something else, anything.
    pub(super) times: Vec<i64>,
    /// How many keys there are in all.
    pub(super) groups: usize,
    /// Whether frames without a bound go on from what calls carry of their key, and leave it for the next rows.
    pub(super) carries: bool,
}

/// The rows of one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// The key.
    pub(super) group: u32,
    /// The first row.
    pub(super) begin: usize,
    /// The first row whose result is wanted; those before it are there for the frames of others.
    pub(super) first: usize,
    /// Behind the last row.
    pub(super) end: usize,
}

impl Segment {
    /// The rows whose results are wanted.
    pub(super) fn wanted(&self) -> Range<usize> {
        self.first..self.end
    }
}

impl Rows {
    /// How many results are wanted.
    pub(super) fn wanted(&self) -> usize {
        self.segments.iter().map(|s| s.end - s.first).sum()
    }

    /// Where a fold without a bound begins.
    pub(super) fn from(&self, segment: &Segment) -> usize {
        if self.carries {
            segment.first
        } else {
            segment.begin
        }
    }

    /// Whether a row orders as the one before it, which is of the same key.
    pub(super) fn ties_with_previous(&self, row: usize) -> bool {
        self.ties[row] == self.ties[row - 1]
    }

    /// Gives each of the wanted results the value of the last row that orders alike.
    pub(super) fn share<T: Copy>(&self, results: &mut [T]) {
        let mut offset = 0;
        for segment in &self.segments {
            let results = &mut results[offset..offset + segment.end - segment.first];
            for i in (1..results.len()).rev() {
                if self.ties_with_previous(segment.first + i) {
                    results[i - 1] = results[i];
                }
            }
            offset += results.len();
        }
    }
}
