//! What is known of many rows at once: the least and the greatest value of a column.

use arrow_array::{Array, ArrayRef};
use arrow_row::{RowConverter, Rows, SortField};

use crate::{CompareOperator, Comparison};

/// How the least and the greatest values of groups of rows compare to a value.
pub(super) struct Bounds {
    operator: CompareOperator,
    /// The value, then the least ones of all groups, then the greatest ones, in a form whose bytes compare as they do.
    rows: Rows,
    known: Vec<bool>,
}

impl Bounds {
    /// Of the least and the greatest values by group; null is not known. None: nothing can be said of values of such a type.
    pub(super) fn new(comparison: &Comparison, least: &ArrayRef, greatest: &ArrayRef) -> Option<Self> {
        let data_type = comparison.value.data_type();
        // What is no number is greater than all that are, and nobody says whether there is such.
        if data_type.is_floating() || data_type.is_nested() {
            return None;
        }
        let known = (0..least.len()).map(|group| least.is_valid(group) && greatest.is_valid(group));
        let known = known.collect();
        let all = [&comparison.value, least, greatest].map(|array| array as &dyn Array);
        let all = arrow_select::concat::concat(&all).ok()?;
        let converter = RowConverter::new(vec![SortField::new(data_type.clone())]).ok()?;
        Some(Self {
            operator: comparison.operator,
            rows: converter.convert_columns(&[all]).ok()?,
            known,
        })
    }

    /// Whether the comparison may hold for a row of a group.
    pub(super) fn may_hold(&self, group: usize) -> bool {
        if !self.known[group] {
            return true;
        }
        let value = self.rows.row(0);
        let least = self.rows.row(1 + group);
        let greatest = self.rows.row(1 + self.known.len() + group);
        match self.operator {
            CompareOperator::Eq => least <= value && value <= greatest,
            CompareOperator::Lt => least < value,
            CompareOperator::LtEq => least <= value,
            CompareOperator::Gt => greatest > value,
            CompareOperator::GtEq => greatest >= value,
        }
    }
}
