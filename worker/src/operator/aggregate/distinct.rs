//! DISTINCT: each value of a group is taken once, however often it is there.

use std::{ops::Range, sync::Arc};

use arrow::compute::nullif;
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, UInt32Array, cast::AsArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field};
use arrow_select::take::take;
use weir_model::Failure;

use super::Accumulator;
use crate::operator::keys::{Groups, NO_PAIR, PairTable};

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
    pairs: PairTable,
    /// How often each pair is there.
    counts: Vec<i64>,
    /// Rows whose pair comes or goes.
    turning: Vec<u32>,
}

impl Distinct {
    /// Of values of this type.
    pub(super) fn new(inner: Box<dyn Accumulator>, value: DataType, sees: Sees) -> Result<Self, Failure> {
        Ok(Self {
            inner,
            sees,
            pairs: PairTable::new(value)?,
            counts: Vec::new(),
            turning: Vec::new(),
        })
    }

    /// Counts the rows, and finds those that make a pair come (or go).
    fn turn(&mut self, groups: Groups<'_>, values: &ArrayRef, by: i64) -> Result<(), Failure> {
        self.turning.clear();
        self.pairs.intern(groups.ids, values)?;
        self.counts.resize(self.pairs.len(), 0);
        // Taken back is what was there once, come is what was not.
        let turning = i64::from(by < 0);
        for (row, &pair) in (0_u32..).zip(self.pairs.numbers()) {
            if pair == NO_PAIR {
                continue;
            }
            let count = &mut self.counts[pair as usize];
            if *count == turning {
                self.turning.push(row);
            }
            *count += by;
        }
        Ok(())
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

/// The type of what travels between two phases: the values of a group, null if it has none.
pub(super) fn partial_type(value: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(value.clone(), true)))
}

/// A list of its value for each row.
pub(super) fn partial_of_rows(column: &ArrayRef) -> Result<ArrayRef, Failure> {
    let nulls = column.logical_nulls().filter(|n| n.null_count() > 0);
    let rows = 0..column.len() as u32;
    let set: Vec<u32> = match &nulls {
        None => rows.collect(),
        Some(nulls) => rows.filter(|&row| nulls.is_valid(row as usize)).collect(),
    };
    let sizes = (0..column.len()).map(|row| usize::from(nulls.as_ref().is_none_or(|n| n.is_valid(row))));
    lists(column, sizes.collect(), UInt32Array::from(set))
}

/// Lists of so many of these values each, in order.
fn lists(values: &ArrayRef, sizes: Vec<usize>, taken: UInt32Array) -> Result<ArrayRef, Failure> {
    let wrong = |e| Failure::internal(format!("cannot list values: {e}"));
    let nulls = NullBuffer::new(sizes.iter().map(|&size| size > 0).collect());
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let values = take(values, &taken, None).map_err(wrong)?;
    let list = ListArray::try_new(item, OffsetBuffer::from_lengths(sizes), values, Some(nulls));
    Ok(Arc::new(list.map_err(wrong)?))
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
        let (pairs, values) = self.pairs.columns()?;
        let wanted = |pair: &usize| groups.contains(&(pairs[*pair] as usize)) && self.counts[*pair] > 0;
        let mut sizes = vec![0; groups.len()];
        for pair in (0..pairs.len()).filter(wanted) {
            sizes[pairs[pair] as usize - groups.start] += 1;
        }
        let mut next: Vec<usize> = sizes
            .iter()
            .scan(0, |end, size| {
                *end += size;
                Some(*end - size)
            })
            .collect();
        let mut order = vec![0_u32; sizes.iter().sum()];
        for pair in (0..pairs.len()).filter(wanted) {
            let place = &mut next[pairs[pair] as usize - groups.start];
            order[*place] = pair as u32;
            *place += 1;
        }
        Ok(vec![lists(&values, sizes, UInt32Array::from(order))?])
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        self.inner.finish(groups)
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        self.inner.finish_of(groups)
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        let last = groups.iter().max().map_or(0, |&last| last as usize + 1);
        let mut renumbered = vec![NO_PAIR; last];
        for (new, &old) in (0_u32..).zip(groups) {
            renumbered[old as usize] = new;
        }
        let counts = &self.counts;
        let kept = self.pairs.keep(|pair| counts[pair as usize] != 0, &renumbered)?;
        self.counts = kept.iter().map(|&pair| counts[pair as usize]).collect();
        self.inner.keep(groups)
    }

    fn clear(&mut self) {
        self.inner.clear();
        self.pairs.clear();
        self.counts.clear();
    }
}
