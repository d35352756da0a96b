//! What a batch changed in the first rows of its keys, as rows.

use std::{collections::HashSet, sync::Arc};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use weir_connector::{RowKind, changelog};
use weir_model::Failure;

use super::{Shape, rows::RowStore};

/// Lists up to this long are compared pair by pair.
const SHORT: usize = 16;

/// Rows to emit, in order.
#[derive(Debug, Default)]
pub(super) struct Changes {
    kinds: Vec<i8>,
    rows: Vec<u32>,
    ranks: Vec<i64>,
}

impl Changes {
    fn push(&mut self, kind: RowKind, row: u32, rank: usize) {
        self.kinds.push(kind.byte());
        self.rows.push(row);
        self.ranks.push(rank as i64);
    }

    /// Adds the difference between a key's first rows before and after a batch.
    pub(super) fn add(&mut self, shape: &Shape, before: &[u32], after: &[u32]) {
        let before = before.get(shape.offset..).unwrap_or_default();
        let after = after.get(shape.offset..).unwrap_or_default();
        if shape.with_rank || shape.updates_in_place {
            self.by_place(shape.offset, before, after);
        } else {
            self.by_row(before, after);
        }
    }

    /// Each place whose row is another one now.
    fn by_place(&mut self, offset: usize, before: &[u32], after: &[u32]) {
        for place in 0..before.len().max(after.len()) {
            let rank = offset + place + 1;
            match (before.get(place), after.get(place)) {
                (Some(old), Some(new)) if old == new => {}
                (Some(old), Some(new)) => {
                    self.push(RowKind::UpdateBefore, *old, rank);
                    self.push(RowKind::UpdateAfter, *new, rank);
                }
                (Some(old), None) => self.push(RowKind::Delete, *old, rank),
                (None, Some(new)) => self.push(RowKind::Insert, *new, rank),
                (None, None) => {}
            }
        }
    }

    /// Rows that left, then rows that came.
    fn by_row(&mut self, before: &[u32], after: &[u32]) {
        let only_in = |rows: &[u32], others: &[u32]| -> Vec<u32> {
            if others.len() <= SHORT {
                rows.iter().copied().filter(|row| !others.contains(row)).collect()
            } else {
                let others: HashSet<u32> = others.iter().copied().collect();
                rows.iter().copied().filter(|row| !others.contains(row)).collect()
            }
        };
        for old in only_in(before, after) {
            self.push(RowKind::Delete, old, 0);
        }
        for new in only_in(after, before) {
            self.push(RowKind::Insert, new, 0);
        }
    }

    /// The batch of them; none if there are none.
    pub(super) fn take(
        &mut self,
        shape: &Shape,
        store: &RowStore,
        fresh: &[ArrayRef],
    ) -> Result<Option<RecordBatch>, Failure> {
        if self.kinds.is_empty() {
            return Ok(None);
        }
        let mut columns = store.gather(&self.rows, fresh, shape.columns)?;
        self.rows.clear();
        let ranks = std::mem::take(&mut self.ranks);
        if shape.with_rank {
            columns.push(Arc::new(Int64Array::from(ranks)));
        }
        let kinds = std::mem::take(&mut self.kinds);
        if changelog::is_changelog(&shape.output) {
            columns.push(changelog::column(kinds));
        } else if kinds.iter().any(|kind| *kind != RowKind::Insert.byte()) {
            return Err(Failure::internal("a rank that only appends takes rows back"));
        }
        RecordBatch::try_new(Arc::clone(&shape.output), columns)
            .map(Some)
            .map_err(|e| Failure::internal(format!("ranked rows do not have the planned columns: {e}")))
    }
}
