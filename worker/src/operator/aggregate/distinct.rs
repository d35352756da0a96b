//! DISTINCT: each value of a group is taken once, however often it is there.

use std::{ops::Range, sync::Arc};

use arrow::compute::nullif;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array, cast::AsArray, types::UInt32Type};
use arrow_schema::DataType;
use arrow_select::filter::filter;
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

fn no_phases() -> Failure {
    Failure::internal("DISTINCT is aggregated in one phase")
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

    fn merge(&mut self, _groups: Groups<'_>, _partial: &[ArrayRef]) -> Result<(), Failure> {
        Err(no_phases())
    }

    fn partial(&self, _groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        Err(no_phases())
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
