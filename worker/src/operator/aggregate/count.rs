//! COUNT(*) and COUNT(column).

use std::{ops::Range, sync::Arc};

use arrow_array::{Array, ArrayRef, Int64Array, cast::AsArray, types::Int64Type};
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

    fn clear(&mut self) {
        Count::clear(self);
    }
}
