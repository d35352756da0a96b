//! COUNT(*) and COUNT(column).

use std::{ops::Range, sync::Arc};

use arrow_array::{Array, ArrayRef, Int64Array, cast::AsArray, types::Int64Type};
use arrow_schema::DataType;
use weir_model::Failure;

use super::Accumulator;
use crate::operator::keys::Groups;

/// Rows, or rows with a value, per group.
#[derive(Debug, Default)]
pub(crate) struct Count {
    counts: Vec<i64>,
}

impl Count {
    /// Counts every row.
    #[inline]
    pub(crate) fn rows(&mut self, groups: Groups<'_>) {
        self.counts.resize(groups.total, 0);
        match groups.ids {
            Some(ids) => {
                let counts = self.counts.as_mut_slice();
                for &group in ids {
                    counts[group as usize] += 1;
                }
            }
            None if groups.total > 0 => self.counts[0] += groups.rows as i64,
            None => {}
        }
    }

    /// Adds counts per row.
    pub(crate) fn add(&mut self, groups: Groups<'_>, counts: &ArrayRef) {
        self.counts.resize(groups.total, 0);
        let counts = counts.as_primitive::<Int64Type>().values();
        match groups.ids {
            Some(ids) => {
                for (&group, count) in ids.iter().zip(counts) {
                    self.counts[group as usize] += count;
                }
            }
            None if groups.total > 0 => self.counts[0] += counts.iter().sum::<i64>(),
            None => {}
        }
    }

    /// The counts of some groups.
    pub(crate) fn get(&self, groups: Range<usize>) -> &[i64] {
        &self.counts[groups]
    }

    /// The counts of some groups as a column.
    pub(crate) fn column(&self, groups: Range<usize>) -> ArrayRef {
        Arc::new(Int64Array::from(self.counts[groups].to_vec()))
    }

    /// The counts of any groups.
    pub(crate) fn gather(&self, groups: &[u32]) -> Vec<i64> {
        groups.iter().map(|&group| self.counts[group as usize]).collect()
    }

    /// Forgets what was counted of these groups.
    pub(crate) fn forget(&mut self, groups: &[u32]) {
        for &group in groups {
            self.counts[group as usize] = 0;
        }
    }

    /// Keeps only these groups, in this order.
    pub(crate) fn keep_only(&mut self, groups: &[u32]) {
        self.counts = self.gather(groups);
    }

    /// Takes back rows that were counted.
    pub(crate) fn take_back(&mut self, groups: Groups<'_>) {
        self.counts.resize(groups.total, 0);
        match groups.ids {
            Some(ids) => ids.iter().for_each(|&group| self.counts[group as usize] -= 1),
            None if groups.total > 0 => self.counts[0] -= groups.rows as i64,
            None => {}
        }
    }

    /// Takes back rows whose column is not null.
    pub(super) fn take_back_values(&mut self, groups: Groups<'_>, column: &ArrayRef) {
        let Some(nulls) = column.logical_nulls().filter(|n| n.null_count() > 0) else {
            return self.take_back(groups);
        };
        self.counts.resize(groups.total, 0);
        for row in nulls.valid_indices() {
            self.counts[groups.ids.map_or(0, |ids| ids[row] as usize)] -= 1;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.counts.clear();
    }

    /// Counts rows whose column is not null.
    pub(super) fn values(&mut self, groups: Groups<'_>, column: &ArrayRef) {
        let nulls = column.logical_nulls().filter(|n| n.null_count() > 0);
        let Some(nulls) = nulls else {
            return self.rows(groups);
        };
        self.counts.resize(groups.total, 0);
        match groups.ids {
            Some(ids) => {
                for (&group, valid) in ids.iter().zip(&nulls) {
                    self.counts[group as usize] += i64::from(valid);
                }
            }
            None if groups.total > 0 => self.counts[0] += (nulls.len() - nulls.null_count()) as i64,
            None => {}
        }
    }
}

impl Accumulator for Count {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        match column {
            Some(column) => self.values(groups, column),
            None => self.rows(groups),
        }
        Ok(())
    }

    fn merge(&mut self, groups: Groups<'_>, partial: &[ArrayRef]) -> Result<(), Failure> {
        self.add(groups, &partial[0]);
        Ok(())
    }

    fn partial(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.column(groups)])
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        Ok(self.column(groups))
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        Ok(Arc::new(Int64Array::from(self.gather(groups))))
    }

    fn retract(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        match column {
            Some(column) => self.take_back_values(groups, column),
            None => self.take_back(groups),
        }
        Ok(())
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Int64]
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![Arc::new(Int64Array::from(self.gather(groups)))])
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.keep_only(groups);
        Ok(())
    }

    fn clear(&mut self) {
        Count::clear(self);
    }
}
