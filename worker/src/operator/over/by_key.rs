//! Rows put together by key.

use arrow_array::{ArrayRef, UInt32Array};
use arrow_schema::ArrowError;
use arrow_select::take::take;
use weir_model::Failure;

/// Rows in the order of their keys.
pub(super) struct ByKey {
    /// The key of each row.
    ids: Vec<u32>,
    /// The rows' positions, those of one key together, in order.
    pub(super) order: Vec<u32>,
}

impl ByKey {
    /// The order of rows with these keys.
    pub(super) fn new(ids: Vec<u32>) -> Self {
        let mut packed: Vec<u64> = (0_u64..)
            .zip(&ids)
            .map(|(row, id)| u64::from(*id) << 32 | row)
            .collect();
        packed.sort_unstable();
        let order = packed.into_iter().map(|packed| packed as u32).collect();
        Self { ids, order }
    }

    /// The key of a row.
    pub(super) fn key(&self, position: u32) -> u32 {
        self.ids[position as usize]
    }

    /// The positions of each key's rows.
    pub(super) fn segments(&self) -> impl Iterator<Item = &[u32]> {
        self.order.chunk_by(|a, b| self.key(*a) == self.key(*b))
    }

    /// Whether that is the rows' own order.
    pub(super) fn is_in_place(&self) -> bool {
        self.order.is_sorted()
    }

    /// A column in the rows' own order.
    pub(super) fn put_back(&self, column: ArrayRef) -> Result<ArrayRef, Failure> {
        if self.is_in_place() {
            return Ok(column);
        }
        let mut places = vec![0; self.order.len()];
        for (place, row) in (0_u32..).zip(&self.order) {
            places[*row as usize] = place;
        }
        take(&column, &UInt32Array::from(places), None).map_err(broken)
    }
}

fn broken(error: ArrowError) -> Failure {
    Failure::internal(format!(
        "results cannot be put in the order of their rows: {error}"
    ))
}
