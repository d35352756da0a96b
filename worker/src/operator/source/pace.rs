//! When the watermark of a split rises within a batch.

use arrow_array::{Array, TimestampMillisecondArray};
use weir_model::EventTime;

/// Rows of a batch that follow each other, and the split's watermark behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// How many rows.
    pub rows: usize,
    /// The watermark; none: as before.
    pub watermark: Option<EventTime>,
}

/// A watermark with every so many rows of a split, as if they came one by one.
///
/// A watermark between two rows matters only if a row behind it has a time that it has passed: elsewhere it may as well come later. So
/// batches are cut before such rows and nowhere else.
#[derive(Clone, Debug)]
pub(super) struct EveryRows {
    every: u64,
    /// Rows since the last watermark.
    since: u64,
    /// What the rows so far imply.
    highest: Option<i64>,
    /// The last watermark.
    told: Option<i64>,
}

impl EveryRows {
    pub(super) fn new(every: u64) -> Self {
        Self {
            every: every.max(1),
            since: 0,
            highest: None,
            told: None,
        }
    }

    /// The stretches of a batch: the times of its rows, and the watermark that each implies.
    pub(super) fn stretches(
        &mut self,
        times: &TimestampMillisecondArray,
        implied: &TimestampMillisecondArray,
    ) -> Vec<Stretch> {
        let mut stretches = Vec::new();
        let (mut start, mut before) = (0, self.told);
        for row in 0..times.len() {
            let passed = self.told.is_some_and(|told| times.value(row) <= told);
            if passed && self.told != before {
                stretches.push(self.stretch(row - start));
                (start, before) = (row, self.told);
            }
            if implied.is_valid(row) {
                self.highest = self.highest.max(Some(implied.value(row)));
            }
            self.since += 1;
            if self.since == self.every {
                self.since = 0;
                self.told = self.highest;
            }
        }
        stretches.push(self.stretch(times.len() - start));
        stretches
    }

    fn stretch(&self, rows: usize) -> Stretch {
        Stretch {
            rows,
            watermark: self.told.map(EventTime),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows whose times are their watermarks; stretches as `rows@watermark`.
    fn check(every: u64, batches: &[&[i64]], expected: &str) {
        let mut pace = EveryRows::new(every);
        let mut said = Vec::new();
        for times in batches {
            let times = TimestampMillisecondArray::from(times.to_vec());
            for stretch in pace.stretches(&times, &times) {
                let at = stretch.watermark.map_or("-".to_owned(), |at| at.to_string());
                said.push(format!("{}@{at}", stretch.rows));
            }
        }
        assert_eq!(said.join(" "), expected, "every {every} of {batches:?}");
    }

    #[test]
    fn rows_in_order_are_not_cut() {
        check(1, &[&[1, 2, 3], &[4, 5]], "3@3 2@5");
        check(2, &[&[1, 2, 3]], "3@2");
        check(4, &[&[1, 2, 3], &[4]], "3@- 1@4");
    }

    #[test]
    fn a_row_that_a_watermark_has_passed_comes_behind_it() {
        check(1, &[&[1, 5, 4, 6, 7]], "2@5 3@7");
        check(1, &[&[5, 4, 3, 2]], "1@5 3@5");
        // The watermark 5 comes with the second row, so the third is late; with four rows to each, none is.
        check(2, &[&[1, 5, 4]], "2@5 1@5");
        check(4, &[&[1, 5, 4]], "3@-");
        // The watermark came with the batch before.
        check(1, &[&[5], &[4, 3]], "1@5 2@5");
    }
}
