//! Groups of windows as rows.

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use weir_model::Failure;

use super::{pane::Pane, partial};
use crate::operator::Context;

/// Rows of windows that wait to be emitted.
#[derive(Debug)]
pub(super) struct Emit {
    output: SchemaRef,
    /// The key column that is the window's start, if it does not follow from the end.
    start: Option<usize>,
    pieces: Vec<RecordBatch>,
}

impl Emit {
    /// Of rows of this schema: keys, aggregates, `window_start`, `window_end`, `window_time`.
    pub(super) fn new(output: SchemaRef, start: Option<usize>) -> Self {
        Self {
            output,
            start,
            pieces: Vec::new(),
        }
    }

    /// Adds all groups of a window.
    pub(super) fn groups(&mut self, start: i64, end: i64, groups: &Pane) -> Result<(), Failure> {
        for range in partial::chunks(groups.len()) {
            let rows = range.len();
            let mut columns = groups.keys(range.clone())?;
            columns.extend(groups.results(range)?);
            match self.start {
                Some(key) => columns.push(ArrayRef::clone(&columns[key])),
                None => columns.push(partial::moments(&self.output, columns.len(), vec![start; rows])),
            }
            for moment in [end, end.saturating_sub(1)] {
                columns.push(partial::moments(&self.output, columns.len(), vec![moment; rows]));
            }
            self.pieces.push(partial::batch(&self.output, columns)?);
        }
        Ok(())
    }

    /// Adds the groups of a window that have rows, and returns how many those are.
    pub(super) fn live_groups(&mut self, start: i64, end: i64, groups: &Pane) -> Result<usize, Failure> {
        let first = self.pieces.len();
        self.groups(start, end, groups)?;
        let mut live = 0;
        for (range, piece) in partial::chunks(groups.len()).zip(&mut self.pieces[first..]) {
            let counts = groups.counts(range);
            let with_rows = counts.iter().filter(|&&count| count > 0).count();
            live += with_rows;
            if with_rows < counts.len() {
                let keep: BooleanArray = counts.iter().map(|&count| Some(count > 0)).collect();
                *piece = filter_record_batch(piece, &keep)
                    .map_err(|e| Failure::internal(format!("cannot pick the rows of a window: {e}")))?;
            }
        }
        Ok(live)
    }

    /// Hands on all that was added, in order.
    pub(super) fn send(&mut self, context: &mut Context) -> Result<(), Failure> {
        partial::emit_coalesced(&self.output, std::mem::take(&mut self.pieces), context)
    }
}
