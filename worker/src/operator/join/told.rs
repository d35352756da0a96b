//! What the last snapshot knows of a side's rows: by which ids, and what has become of them since.

use std::ops::Range;

use arrow_array::ArrayRef;

use crate::state::Dirty;

/// Rows by the numbers that the side gives them; an id stays while those change.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The id of each row, rising with arrival.
    ids: Vec<i64>,
    next_id: i64,
    /// How many rows the last snapshot knew: all behind them are new.
    known: u32,
    /// Rows that were written since, of those that were known.
    written: Dirty,
    /// Rows that are gone since, of those that were known.
    gone: Vec<u32>,
    /// By what those are found whose memory was given back.
    forgotten: Vec<Vec<ArrayRef>>,
}

impl Told {
    /// Notes what changes from now on; so many rows are there already.
    pub(super) fn track(&mut self, rows: usize) {
        let known = self.ids.len();
        self.added(rows.saturating_sub(known));
        self.known = self.ids.len() as u32;
        self.written.track();
    }

    /// Rows come behind all others.
    pub(super) fn added(&mut self, rows: usize) {
        let next = self.next_id + rows as i64;
        self.ids.extend(self.next_id..next);
        self.next_id = next;
    }

    /// Rows of these ids, which the last snapshot knows, come behind all others.
    pub(super) fn restored(&mut self, ids: &[i64]) {
        // Those that have come since are no longer behind all that are known, and have yet to be said.
        self.written.mark(self.known..self.ids.len() as u32);
        self.ids.extend_from_slice(ids);
        self.known = self.ids.len() as u32;
        self.next_id = ids.iter().fold(self.next_id, |next, id| next.max(id + 1));
    }

    /// What is kept with rows is written.
    pub(super) fn wrote(&mut self, rows: &[u32]) {
        let known = self.known;
        self.written.mark(rows.iter().copied().filter(|row| *row < known));
    }

    /// A row is gone.
    #[inline]
    pub(super) fn lost(&mut self, row: u32) {
        if row < self.known && self.written.is_tracking() {
            self.gone.push(row);
        }
    }

    /// Follows a renumbering: row `kept[i]` is now row `i`, others are gone, of which those are found by `forgotten`
    /// that are to be told of.
    pub(super) fn keep(&mut self, kept: &[u32], forgotten: Option<Vec<ArrayRef>>) {
        self.ids = kept.iter().map(|row| self.ids[*row as usize]).collect();
        self.known = kept.partition_point(|row| *row < self.known) as u32;
        self.written.keep(kept);
        self.gone.clear();
        self.forgotten.extend(forgotten);
    }

    /// The id of a row.
    pub(super) fn id(&self, row: u32) -> i64 {
        self.ids[row as usize]
    }

    /// Rows that are gone whose memory is there.
    pub(super) fn gone(&self) -> &[u32] {
        &self.gone
    }

    /// By what rows are found that are gone with their memory; forgets that.
    pub(super) fn take_forgotten(&mut self) -> Vec<Vec<ArrayRef>> {
        std::mem::take(&mut self.forgotten)
    }

    /// The rows that were written, and those that are new; all that there are is known from now on.
    pub(super) fn take_written(&mut self) -> (Vec<u32>, Range<u32>) {
        let new = self.known..self.ids.len() as u32;
        self.known = new.end;
        self.gone.clear();
        (self.written.take(), new)
    }
}
