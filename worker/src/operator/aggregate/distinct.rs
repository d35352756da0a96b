//! DISTINCT: each value of a group is taken once, however often it is there.

use std::{ops::Range, sync::Arc};

use arrow::compute::nullif;
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, UInt32Array, cast::AsArray, types::UInt32Type};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field};
use arrow_select::{filter::filter, take::take};
use weir_model::Failure;

use super::Accumulator;
use crate::operator::keys::{GroupTable, Groups};

/// Hands on to another accumulator the first of equal values of a group, and takes back the last.
#[derive(Debug)]
pub(super) struct Distinct {
    inner: Box<dyn Accumulator>,
    value: DataType,
    /// Pairs of a group and a value of it.
    pairs: GroupTable,
    /// How often each pair is there.
    counts: Vec<i64>,
}

impl Distinct {
    /// Of values of this type.
    pub(super) fn new(inner: Box<dyn Accumulator>, value: DataType) -> Result<Self, Failure> {
        Ok(Self {
            inner,
            pairs: GroupTable::new(&[DataType::UInt32, value.clone()])?,
            value,
            counts: Vec::new(),
        })
    }

    /// Counts the rows, and nulls the values of those that make no pair come (or go).
    fn turning(&mut self, groups: Groups<'_>, values: &ArrayRef, by: i64) -> Result<ArrayRef, Failure> {
        let rows = values.len();
        let ids = match groups.ids {
            Some(ids) => UInt32Array::from(ids.to_vec()),
            None => UInt32Array::from(vec![0; rows]),
        };
        let nulls = values.logical_nulls().filter(|n| n.null_count() > 0);
        let pairs = self.pairs.intern(&[Arc::new(ids), Arc::clone(values)], rows)?;
        self.counts.resize(pairs.total, 0);
        // Taken back is what was there once, come is what was not.
        let turning = i64::from(by < 0);
        let mut others = vec![true; rows];
        for (row, &pair) in pairs.ids.unwrap_or_default().iter().enumerate() {
            if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                continue;
            }
            let count = &mut self.counts[pair as usize];
            others[row] = *count != turning;
            *count += by;
        }
        nullif(values, &BooleanArray::from(others))
            .map_err(|e| Failure::internal(format!("cannot leave values out: {e}")))
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
        let values = self.turning(groups, Self::argument(column)?, 1)?;
        self.inner.update(groups, Some(&values))
    }

    fn retract(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        let values = self.turning(groups, Self::argument(column)?, -1)?;
        self.inner.retract(groups, Some(&values))
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
        let columns = self.pairs.keys(0..self.pairs.len())?;
        let pairs = columns[0].as_primitive::<UInt32Type>().values();
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
        Ok(vec![lists(&columns[1], sizes, UInt32Array::from(order))?])
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        self.inner.finish(groups)
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        self.inner.finish_of(groups)
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        let mut numbers = std::collections::HashMap::with_capacity(groups.len());
        numbers.extend(groups.iter().zip(0_u32..).map(|(&old, new)| (old, new)));
        let columns = self.pairs.keys(0..self.pairs.len())?;
        let old = columns[0].as_primitive::<UInt32Type>();
        let kept: BooleanArray = (0..old.len())
            .map(|pair| Some(self.counts[pair] != 0 && numbers.contains_key(&old.value(pair))))
            .collect();
        let ids: UInt32Array = kept
            .values()
            .set_indices()
            .map(|pair| numbers[&old.value(pair)])
            .collect();
        let values =
            filter(&columns[1], &kept).map_err(|e| Failure::internal(format!("cannot keep values: {e}")))?;
        let counts = kept
            .values()
            .set_indices()
            .map(|pair| self.counts[pair])
            .collect();
        self.pairs = GroupTable::new(&[DataType::UInt32, self.value.clone()])?;
        let rows = values.len();
        self.pairs.intern(&[Arc::new(ids), values], rows)?;
        self.counts = counts;
        self.inner.keep(groups)
    }

    fn clear(&mut self) {
        self.inner.clear();
        self.pairs.clear();
        self.counts.clear();
    }
}
