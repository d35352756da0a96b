//! Aggregates that rows can be taken back from.

use std::{collections::BTreeMap, fmt::Debug, ops::Range};

use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, DataType};
use weir_model::Failure;

use super::{
    Accumulator,
    count::Count,
    counted::{self, Restored},
    sum::{Addend, Sum},
};
use crate::operator::keys::Groups;

/// A sum with the count of its addends: when the last one is taken back, it is null again.
#[derive(Debug)]
pub(super) struct RetractableSum<N> {
    sum: Sum<N>,
    count: Count,
}

impl<N: Addend + Debug> RetractableSum<N> {
    pub(super) fn new(data_type: DataType) -> Self {
        Self {
            sum: Sum::new(data_type),
            count: Count::default(),
        }
    }
}

impl<N: Addend + Debug> Accumulator for RetractableSum<N> {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        self.sum.update(groups, column)?;
        self.count.update(groups, column)
    }

    fn merge(&mut self, _groups: Groups<'_>, _partial: &[ArrayRef]) -> Result<(), Failure> {
        Err(no_phases())
    }

    fn partial(&self, _groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        Err(no_phases())
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        self.finish_of(&groups.map(|group| group as u32).collect::<Vec<_>>())
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        let sums = self.sum.finish_of(groups)?;
        let counts = self.count.gather(groups);
        let set = NullBuffer::new(BooleanBuffer::collect_bool(counts.len(), |i| counts[i] > 0));
        let nulls = NullBuffer::union(sums.nulls(), Some(&set));
        let data = sums.to_data().into_builder().nulls(nulls).build();
        data.map(arrow_array::make_array)
            .map_err(|e| Failure::internal(format!("cannot null a sum: {e}")))
    }

    fn retract(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        let values = column.ok_or_else(|| Failure::internal("a SUM without an argument"))?;
        self.sum.subtract(groups, values)?;
        self.count.retract(groups, column)
    }

    fn state_types(&self) -> Vec<DataType> {
        let mut types = self.sum.state_types();
        types.extend(self.count.state_types());
        types
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let mut columns = self.sum.state_of(groups)?;
        columns.extend(self.count.state_of(groups)?);
        Ok(columns)
    }

    fn restore(&mut self, groups: Groups<'_>, state: &[ArrayRef]) -> Result<(), Failure> {
        self.sum.restore(groups, &state[..1])?;
        self.count.restore(groups, &state[1..])
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.sum.keep(groups)?;
        self.count.keep(groups)
    }

    fn clear(&mut self) {
        self.sum.clear();
        self.count.clear();
    }
}

/// All values of each group, in order, with how often each is there: the next best takes the place of one that is taken back.
#[derive(Debug)]
pub(super) struct RetractableExtreme<const GREATEST: bool> {
    data_type: DataType,
    converter: RowConverter,
    /// Values as `arrow-row` bytes, which sort as they do.
    groups: Vec<BTreeMap<Box<[u8]>, i64>>,
}

impl<const GREATEST: bool> RetractableExtreme<GREATEST> {
    pub(super) fn new(data_type: &DataType) -> Result<Self, Failure> {
        let converter = RowConverter::new(vec![SortField::new(data_type.clone())]).map_err(|e| {
            Failure::user(format!(
                "cannot take MIN or MAX of a column of type {data_type}: {e}"
            ))
        })?;
        Ok(Self {
            data_type: data_type.clone(),
            converter,
            groups: Vec::new(),
        })
    }

    fn change(
        &mut self,
        groups: Groups<'_>,
        column: Option<&ArrayRef>,
        by: impl Fn(usize) -> i64,
    ) -> Result<(), Failure> {
        let column = column.ok_or_else(|| Failure::internal("a MIN or MAX without an argument"))?;
        self.groups.resize_with(groups.total, BTreeMap::new);
        let rows = self
            .converter
            .convert_columns(std::slice::from_ref(column))
            .map_err(|e| not_values(&e))?;
        let nulls = column.logical_nulls();
        for row in (0..column.len()).filter(|row| nulls.as_ref().is_none_or(|n| n.is_valid(*row))) {
            let values = &mut self.groups[groups.ids.map_or(0, |ids| ids[row] as usize)];
            let (key, by) = (rows.row(row), by(row));
            match values.get_mut(key.data()) {
                Some(count) if *count + by == 0 => drop(values.remove(key.data())),
                Some(count) => *count += by,
                None => drop(values.insert(key.data().into(), by)),
            }
        }
        Ok(())
    }

    fn best(&self, group: u32) -> Option<&[u8]> {
        // What was taken back before it came is not there.
        let mut values = self.groups[group as usize]
            .iter()
            .filter(|(_, count)| **count > 0);
        let best = if GREATEST {
            values.next_back()
        } else {
            values.next()
        };
        best.map(|(value, _)| value.as_ref())
    }

    /// Values out of their bytes.
    fn values_of<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> Result<ArrayRef, Failure> {
        let parser = self.converter.parser();
        let columns = self
            .converter
            .convert_rows(values.map(|bytes| parser.parse(bytes)));
        let column = columns.map_err(|e| not_values(&e))?.pop();
        column.ok_or_else(|| Failure::internal("a MIN or MAX without values"))
    }
}

impl<const GREATEST: bool> Accumulator for RetractableExtreme<GREATEST> {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        self.change(groups, column, |_| 1)
    }

    fn merge(&mut self, _groups: Groups<'_>, _partial: &[ArrayRef]) -> Result<(), Failure> {
        Err(no_phases())
    }

    fn partial(&self, _groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        Err(no_phases())
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        self.finish_of(&groups.map(|group| group as u32).collect::<Vec<_>>())
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        let nulls: Vec<bool> = groups.iter().map(|&group| self.best(group).is_some()).collect();
        let found = groups.iter().filter_map(|&group| self.best(group));
        let found = self.values_of(found)?;
        // The values in their places, nulls between them.
        let mut next = 0_u32;
        let places: arrow_array::UInt32Array = nulls
            .into_iter()
            .map(|set| {
                next += u32::from(set);
                set.then(|| next - 1)
            })
            .collect();
        arrow::compute::take(&found, &places, None).map_err(|e| not_values(&e))
    }

    fn retract(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        self.change(groups, column, |_| -1)
    }

    fn state_types(&self) -> Vec<DataType> {
        counted::state_types(&self.data_type)
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let values = groups.iter().map(|&group| &self.groups[group as usize]);
        let sizes = values.clone().map(BTreeMap::len).collect();
        let counts = values.clone().flat_map(BTreeMap::values).copied().collect();
        let values = self.values_of(values.flat_map(BTreeMap::keys).map(AsRef::as_ref))?;
        counted::state(values, counts, sizes)
    }

    fn restore(&mut self, groups: Groups<'_>, state: &[ArrayRef]) -> Result<(), Failure> {
        let Restored { ids, values, counts } = Restored::new(groups, state);
        let groups = Groups {
            ids: Some(&ids),
            rows: ids.len(),
            total: groups.total,
        };
        self.change(groups, Some(&values), |row| counts[row])
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.groups = groups
            .iter()
            .map(|&group| std::mem::take(&mut self.groups[group as usize]))
            .collect();
        Ok(())
    }

    fn clear(&mut self) {
        self.groups.clear();
    }
}

fn no_phases() -> Failure {
    Failure::internal("what takes rows back is aggregated in one phase")
}

fn not_values(error: &ArrowError) -> Failure {
    Failure::internal(format!("cannot keep the values of a MIN or MAX: {error}"))
}
