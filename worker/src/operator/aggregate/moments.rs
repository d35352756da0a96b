//! Variances and standard deviations: a count, a mean and the sum of squared distances from it per group.
//!
//! Values move the mean one by one (Welford), partial rows by Chan's formula: no squares of large numbers are subtracted.

use std::{ops::Range, sync::Arc};

use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array,
    cast::AsArray,
    types::{Float64Type, Int64Type},
};
use arrow_schema::DataType;
use weir_model::Failure;

use super::Accumulator;
use crate::operator::{columns, keys::Groups};

/// Which of the four it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    /// Divided by one less than the count; of one value null.
    pub(super) of_sample: bool,
    /// The square root.
    pub(super) deviation: bool,
}

/// The moments of values per group.
#[derive(Debug)]
pub(super) struct Moments {
    spread: Spread,
    result: DataType,
    counts: Vec<i64>,
    means: Vec<f64>,
    /// Sums of squared distances from the mean.
    squares: Vec<f64>,
}

impl Moments {
    /// For a result of this type.
    pub(super) fn new(spread: Spread, result: DataType) -> Self {
        Self {
            spread,
            result,
            counts: Vec::new(),
            means: Vec::new(),
            squares: Vec::new(),
        }
    }

    fn resize(&mut self, total: usize) {
        let total = total.max(self.counts.len());
        self.counts.resize(total, 0);
        self.means.resize(total, 0.0);
        self.squares.resize(total, 0.0);
    }

    /// Calls back with the group and the value of each row that has one.
    fn each(
        &mut self,
        groups: Groups<'_>,
        column: Option<&ArrayRef>,
        take: impl Fn(&mut Self, usize, f64),
    ) -> Result<(), Failure> {
        let column = column.ok_or_else(|| Failure::internal("a variance without an argument"))?;
        self.resize(groups.total);
        let values = columns::cast(column, &DataType::Float64)?;
        let values = values.as_primitive::<Float64Type>();
        let group = |row: usize| groups.ids.map_or(0, |ids| ids[row] as usize);
        match values.nulls().filter(|n| n.null_count() > 0) {
            None => {
                for (row, &value) in values.values().iter().enumerate() {
                    take(self, group(row), value);
                }
            }
            Some(nulls) => {
                for row in nulls.valid_indices() {
                    take(self, group(row), values.value(row));
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn add(&mut self, group: usize, value: f64) {
        self.counts[group] += 1;
        let distance = value - self.means[group];
        self.means[group] += distance / self.counts[group] as f64;
        self.squares[group] += distance * (value - self.means[group]);
    }

    #[inline]
    fn subtract(&mut self, group: usize, value: f64) {
        self.counts[group] -= 1;
        if self.counts[group] <= 0 {
            (self.means[group], self.squares[group]) = (0.0, 0.0);
            return;
        }
        let distance = value - self.means[group];
        self.means[group] -= distance / self.counts[group] as f64;
        // What is left of it when all values are equal is an error of rounding.
        self.squares[group] = (self.squares[group] - distance * (value - self.means[group])).max(0.0);
    }

    fn add_moments(&mut self, group: usize, count: i64, mean: f64, squares: f64) {
        let before = self.counts[group];
        let total = before + count;
        let distance = mean - self.means[group];
        let share = count as f64 / total as f64;
        self.means[group] += distance * share;
        self.squares[group] += squares + distance * distance * before as f64 * share;
        self.counts[group] = total;
    }

    fn result(&self, groups: impl Iterator<Item = usize>) -> Result<ArrayRef, Failure> {
        let value = |group: usize| {
            let count = self.counts.get(group).copied().unwrap_or(0) - i64::from(self.spread.of_sample);
            if count <= 0 {
                return None;
            }
            let variance = self.squares[group] / count as f64;
            Some(if self.spread.deviation {
                variance.sqrt()
            } else {
                variance
            })
        };
        let values: ArrayRef = Arc::new(groups.map(value).collect::<Float64Array>());
        // Out of the range of the result is null.
        arrow_cast::cast(&values, &self.result)
            .map_err(|e| Failure::internal(format!("a variance of type {}: {e}", self.result)))
    }

    fn gathered<T: Copy>(values: &[T], groups: &[u32]) -> Vec<T> {
        groups.iter().map(|&group| values[group as usize]).collect()
    }
}

impl Accumulator for Moments {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        self.each(groups, column, Self::add)
    }

    fn merge(&mut self, groups: Groups<'_>, partial: &[ArrayRef]) -> Result<(), Failure> {
        self.resize(groups.total);
        let counts = partial[0].as_primitive::<Int64Type>();
        let means = partial[1].as_primitive::<Float64Type>();
        let squares = partial[2].as_primitive::<Float64Type>();
        for (row, &count) in counts.values().iter().enumerate() {
            if count > 0 && counts.is_valid(row) {
                let group = groups.ids.map_or(0, |ids| ids[row] as usize);
                self.add_moments(group, count, means.value(row), squares.value(row));
            }
        }
        Ok(())
    }

    fn partial(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![
            Arc::new(Int64Array::from(self.counts[groups.clone()].to_vec())),
            Arc::new(Float64Array::from(self.means[groups.clone()].to_vec())),
            Arc::new(Float64Array::from(self.squares[groups].to_vec())),
        ])
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        self.result(groups)
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        self.result(groups.iter().map(|&group| group as usize))
    }

    fn retract(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        self.each(groups, column, Self::subtract)
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Int64, DataType::Float64, DataType::Float64]
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![
            Arc::new(Int64Array::from(Self::gathered(&self.counts, groups))),
            Arc::new(Float64Array::from(Self::gathered(&self.means, groups))),
            Arc::new(Float64Array::from(Self::gathered(&self.squares, groups))),
        ])
    }

    fn restore(&mut self, groups: Groups<'_>, state: &[ArrayRef]) -> Result<(), Failure> {
        // Not merged: a count may be negative, and a large mean has no square.
        self.resize(groups.total);
        let counts = state[0].as_primitive::<Int64Type>();
        let means = state[1].as_primitive::<Float64Type>();
        let squares = state[2].as_primitive::<Float64Type>();
        for row in 0..groups.rows {
            let group = groups.ids.map_or(0, |ids| ids[row] as usize);
            self.counts[group] = counts.value(row);
            self.means[group] = means.value(row);
            self.squares[group] = squares.value(row);
        }
        Ok(())
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.counts = Self::gathered(&self.counts, groups);
        self.means = Self::gathered(&self.means, groups);
        self.squares = Self::gathered(&self.squares, groups);
        Ok(())
    }

    fn clear(&mut self) {
        self.counts.clear();
        self.means.clear();
        self.squares.clear();
    }
}
