//! DISTINCT: each value of a group is taken once, however often it is there.

use std::ops::Range;

use arrow::compute::nullif;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array, cast::AsArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use arrow_select::take::take;
use weir_model::Failure;

use super::{
    Accumulator,
    arena::set_values,
    counted::{Counted, lists},
};
use crate::operator::keys::Groups;

/// What another accumulator must see of the rows, beside the values that come or go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sees {
    /// Rows that make a value come or go, without the values: it counts.
    Rows,
    /// Their values.
    Turning,
    /// Nulls for all other rows: what it has none of is null.
    All,
}

/// Hands on to another accumulator the first of equal values of a group, and takes back the last.
#[derive(Debug)]
pub(super) struct Distinct {
    inner: Box<dyn Accumulator>,
    sees: Sees,
    values: Counted,
    /// Rows that make a value come or go.
    turning: Vec<u32>,
}

impl Distinct {
    /// Of values of this type.
    pub(super) fn new(inner: Box<dyn Accumulator>, value: DataType, sees: Sees) -> Result<Self, Failure> {
        Ok(Self {
            inner,
            sees,
            values: Counted::new(value)?,
            turning: Vec::new(),
        })
    }

    /// Counts the rows, and finds those that make a value come (or go).
    fn turn(&mut self, groups: Groups<'_>, values: &ArrayRef, by: i64) -> Result<(), Failure> {
        let turning = &mut self.turning;
        turning.clear();
        // Taken back is what was there once, come is what was not.
        let count = i64::from(by < 0);
        let changed = |row, before, _| {
            if before == count {
                turning.push(row as u32);
            }
        };
        self.values.add(groups, values, |_| by, changed)
    }

    fn hand_on(
        &mut self,
        groups: Groups<'_>,
        values: &ArrayRef,
        hand: impl Fn(&mut dyn Accumulator, Groups<'_>, Option<&ArrayRef>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.sees != Sees::All {
            let ids: Option<Vec<u32>> = groups
                .ids
                .map(|ids| self.turning.iter().map(|&row| ids[row as usize]).collect());
            let turning = Groups {
                ids: ids.as_deref(),
                rows: self.turning.len(),
                total: groups.total,
            };
            if self.sees == Sees::Rows {
                return hand(self.inner.as_mut(), turning, None);
            }
            let rows = UInt32Array::from(self.turning.clone());
            let values = take(values, &rows, None)
                .map_err(|e| Failure::internal(format!("cannot pick values: {e}")))?;
            return hand(self.inner.as_mut(), turning, Some(&values));
        }
        let mut others = vec![true; values.len()];
        for &row in &self.turning {
            others[row as usize] = false;
        }
        let values = nullif(values, &BooleanArray::from(others))
            .map_err(|e| Failure::internal(format!("cannot leave values out: {e}")))?;
        hand(self.inner.as_mut(), groups, Some(&values))
    }

    fn argument(column: Option<&ArrayRef>) -> Result<&ArrayRef, Failure> {
        column.ok_or_else(|| Failure::internal("a DISTINCT aggregate without an argument"))
    }
}

/// A list of its value for each row, which is what travels between two phases; null if it is null.
pub(super) fn partial_of_rows(column: &ArrayRef) -> Result<ArrayRef, Failure> {
    let (values, rows) = set_values(column)?;
    let Some(rows) = rows else {
        return lists(values, std::iter::repeat_n(1, column.len()), None);
    };
    let mut sizes = vec![0; column.len()];
    for row in rows {
        sizes[row as usize] = 1;
    }
    set_lists(values, &sizes)
}

/// Lists of so many of these values each; null where that is none.
fn set_lists(values: ArrayRef, sizes: &[usize]) -> Result<ArrayRef, Failure> {
    let nulls = NullBuffer::new(sizes.iter().map(|&size| size > 0).collect());
    lists(values, sizes.iter().copied(), Some(nulls))
}

impl Accumulator for Distinct {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        let values = Self::argument(column)?;
        self.turn(groups, values, 1)?;
        self.hand_on(groups, values, |inner, groups, column| {
            inner.update(groups, column)
        })
    }

    fn retract(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        let values = Self::argument(column)?;
        self.turn(groups, values, -1)?;
        self.hand_on(groups, values, |inner, groups, column| {
            inner.retract(groups, column)
        })
    }

    fn merge(&mut self, groups: Groups<'_>, partial: &[ArrayRef]) -> Result<(), Failure> {
        let list = partial[0].as_list::<i32>();
        let offsets = list.value_offsets();
        let (mut ids, mut taken) = (Vec::new(), Vec::new());
        for row in 0..list.len() {
            let group = groups.ids.map_or(0, |ids| ids[row]);
            let values = offsets[row] as u32..offsets[row + 1] as u32;
            if list.is_null(row) || values.is_empty() {
                // A group without values has a row all the same.
                ids.push(group);
                taken.push(None);
                continue;
            }
            ids.extend(std::iter::repeat_n(group, values.len()));
            taken.extend(values.map(Some));
        }
        let values = take(list.values(), &UInt32Array::from(taken), None)
            .map_err(|e| Failure::internal(format!("cannot gather values: {e}")))?;
        let groups = Groups {
            ids: Some(&ids),
            rows: ids.len(),
            total: groups.total,
        };
        self.update(groups, Some(&values))
    }

    fn partial(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        let groups = groups.map(|group| group as u32);
        let (pairs, sizes) = self.values.of_groups(groups, |count| count > 0);
        Ok(vec![set_lists(self.values.values_of(&pairs)?, &sizes)?])
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        self.inner.finish(groups)
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        self.inner.finish_of(groups)
    }

    fn state_types(&self) -> Vec<DataType> {
        let mut types = self.values.state_types();
        types.extend(self.inner.state_types());
        types
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let mut columns = self.values.state_of(groups)?;
        columns.extend(self.inner.state_of(groups)?);
        Ok(columns)
    }

    fn restore(&mut self, groups: Groups<'_>, state: &[ArrayRef]) -> Result<(), Failure> {
        let (values, inner) = state.split_at(2);
        self.values.restore(groups, values)?;
        self.inner.restore(groups, inner)
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.values.keep(groups)?;
        self.inner.keep(groups)
    }

    fn clear(&mut self) {
        self.inner.clear();
        self.values.clear();
    }
}
