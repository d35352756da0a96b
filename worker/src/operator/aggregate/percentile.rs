//! PERCENTILE: exact, of all values of a group.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, ListArray, cast::AsArray, types::Float64Type};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field};
use weir_model::Failure;

use super::list::Form;

/// Values at some shares of the way through a group's values in their order; of no values null.
#[derive(Debug)]
pub(super) struct Percentiles {
    item: Arc<Field>,
    shares: Vec<f64>,
    /// The field of an element, if the result is an ARRAY.
    element: Option<Arc<Field>>,
}

impl Percentiles {
    /// At these shares, each 0 to 1, for a result of this type.
    pub(super) fn new(shares: Vec<f64>, result: &DataType) -> Self {
        Self {
            item: Arc::new(Field::new_list_field(DataType::Float64, true)),
            shares,
            element: match result {
                DataType::List(element) => Some(Arc::clone(element)),
                _ => None,
            },
        }
    }
}

impl Form for Percentiles {
    fn finish(&self, lists: ListArray) -> Result<ArrayRef, Failure> {
        let values = lists.values().as_primitive::<Float64Type>().values();
        let mut results = Vec::with_capacity(lists.len() * self.shares.len());
        let mut sorted: Vec<f64> = Vec::new();
        for range in lists.value_offsets().windows(2) {
            sorted.clear();
            sorted.extend_from_slice(&values[range[0] as usize..range[1] as usize]);
            sorted.sort_unstable_by(f64::total_cmp);
            results.extend(self.shares.iter().map(|share| at(&sorted, *share)));
        }
        let values = Arc::new(Float64Array::from(results));
        let Some(element) = &self.element else {
            return Ok(values);
        };
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(self.shares.len(), lists.len()));
        let ranges = lists.value_offsets().windows(2);
        let set: NullBuffer = ranges.map(|range| range[0] < range[1]).collect();
        ListArray::try_new(Arc::clone(element), offsets, values, Some(set))
            .map(|lists| Arc::new(lists) as ArrayRef)
            .map_err(|e| super::arena::not_kept(&e))
    }

    fn item(&self) -> (&Arc<Field>, bool) {
        (&self.item, true)
    }
}

/// The value at a share of the way from the first to the last.
fn at(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share * last as f64;
    let (low, high) = (place.floor(), place.ceil());
    let (from, to) = (sorted[low as usize], sorted[high as usize]);
    // Equal ones are not computed with: they may be infinite.
    let between = || (high - place) * from + (place - low) * to;
    #[allow(clippy::float_cmp, reason = "the same value, not one near it")]
    let is_one = low == high || from == to;
    Some(if is_one { from } else { between() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_between_two_values_is_between_them() {
        let values = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(at(&values, 0.0), Some(1.0));
        assert_eq!(at(&values, 0.5), Some(3.0));
        assert_eq!(at(&values, 0.75), Some(5.0));
        assert_eq!(at(&values, 1.0), Some(8.0));
        assert_eq!(at(&[7.0], 0.3), Some(7.0));
        assert_eq!(at(&[], 0.3), None);
    }
}
