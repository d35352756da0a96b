//! The accumulators of all aggregates of an operator, over the same groups.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_schema::DataType;
use weir_model::Failure;

use super::{Accumulator, Count, Shape, Shapes};
use crate::{operator::keys::Groups, state::table::Part};

/// The columns that the state of aggregates is kept in: rows, and of each aggregate its own.
pub(crate) fn parts(aggregates: &Shapes) -> Result<Vec<Part>, Failure> {
    let rows = Part::own("$rows", DataType::Int64);
    let each = aggregates.iter().filter(|a| !a.is_count_star()).map(Shape::part);
    std::iter::once(Ok(rows)).chain(each).collect()
}

/// How many rows each group has, and what its aggregates have come to.
#[derive(Debug)]
pub(crate) struct Accumulators {
    /// Raw rows per group; COUNT(*) is this.
    rows: Count,
    /// None: COUNT(*).
    each: Vec<Option<Box<dyn Accumulator>>>,
}

impl Accumulators {
    /// Of no groups yet.
    pub(crate) fn new(aggregates: &Shapes) -> Result<Self, Failure> {
        let each = aggregates
            .iter()
            .map(|a| (!a.is_count_star()).then(|| a.accumulator()).transpose());
        Ok(Self {
            rows: Count::default(),
            each: each.collect::<Result<_, _>>()?,
        })
    }

    /// How many rows each group has.
    pub(crate) fn rows(&self) -> &Count {
        &self.rows
    }

    /// Forgets how many rows these groups had.
    pub(crate) fn forget_rows(&mut self, groups: &[u32]) {
        self.rows.forget(groups);
    }

    /// Takes raw rows: per aggregate its argument.
    pub(crate) fn update(
        &mut self,
        groups: Groups<'_>,
        arguments: &[Option<ArrayRef>],
    ) -> Result<(), Failure> {
        self.rows.rows(groups);
        for (accumulator, argument) in self.each.iter_mut().zip(arguments) {
            if let Some(accumulator) = accumulator {
                accumulator.update(groups, argument.as_ref())?;
            }
        }
        Ok(())
    }

    /// Takes raw rows back.
    pub(crate) fn retract(
        &mut self,
        groups: Groups<'_>,
        arguments: &[Option<ArrayRef>],
    ) -> Result<(), Failure> {
        self.rows.take_back(groups);
        for (accumulator, argument) in self.each.iter_mut().zip(arguments) {
            if let Some(accumulator) = accumulator {
                accumulator.retract(groups, argument.as_ref())?;
            }
        }
        Ok(())
    }

    /// Takes partial rows: per aggregate its partial columns, and how many raw rows each is.
    pub(crate) fn merge(
        &mut self,
        groups: Groups<'_>,
        partials: &[Vec<ArrayRef>],
        rows: &ArrayRef,
    ) -> Result<(), Failure> {
        self.rows.add(groups, rows);
        for (accumulator, partial) in self.each.iter_mut().zip(partials) {
            if let Some(accumulator) = accumulator {
                accumulator.merge(groups, partial)?;
            }
        }
        Ok(())
    }

    /// Takes all rows of some groups of others. Returns whether one of their aggregates has no value.
    pub(crate) fn absorb(
        &mut self,
        groups: Groups<'_>,
        others: &Self,
        range: Range<usize>,
    ) -> Result<bool, Failure> {
        self.rows.add(groups, &others.rows.column(range.clone()));
        let mut nulls = false;
        for (into, from) in self.each.iter_mut().zip(&others.each) {
            if let (Some(into), Some(from)) = (into, from) {
                let partial = from.partial(range.clone())?;
                nulls |= partial.iter().any(|column| column.null_count() > 0);
                into.merge(groups, &partial)?;
            }
        }
        Ok(nulls)
    }

    /// Gives all rows of a group to another.
    pub(crate) fn move_rows(&mut self, from: u32, into: Groups<'_>) -> Result<(), Failure> {
        let one = from as usize..from as usize + 1;
        let count = self.rows.column(one.clone());
        self.rows.add(into, &count);
        for accumulator in self.each.iter_mut().flatten() {
            let partial = accumulator.partial(one.clone())?;
            accumulator.merge(into, &partial)?;
        }
        Ok(())
    }

    /// Takes a row of no values for each of these groups: accumulators must know groups without rows.
    pub(crate) fn seed(&mut self, groups: Groups<'_>, aggregates: &Shapes) -> Result<(), Failure> {
        for (accumulator, shape) in self.each.iter_mut().zip(aggregates) {
            if let Some(accumulator) = accumulator {
                let types = shape.partial_types();
                let nulls = types.iter().map(|t| new_null_array(t, groups.rows));
                accumulator.merge(groups, &nulls.collect::<Vec<_>>())?;
            }
        }
        Ok(())
    }

    /// The partial columns of some groups, aggregate by aggregate.
    pub(crate) fn partials(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        let mut columns = Vec::with_capacity(self.each.len());
        for accumulator in &self.each {
            match accumulator {
                Some(accumulator) => columns.extend(accumulator.partial(groups.clone())?),
                None => columns.push(self.rows.column(groups.clone())),
            }
        }
        Ok(columns)
    }

    /// The result columns of some groups.
    pub(crate) fn results(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        let result = |accumulator: &Option<Box<dyn Accumulator>>| match accumulator {
            Some(accumulator) => accumulator.finish(groups.clone()),
            None => Ok(self.rows.column(groups.clone())),
        };
        self.each.iter().map(result).collect()
    }

    /// The result columns of any groups.
    pub(crate) fn results_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let result = |accumulator: &Option<Box<dyn Accumulator>>| match accumulator {
            Some(accumulator) => accumulator.finish_of(groups),
            None => self.rows.finish_of(groups),
        };
        self.each.iter().map(result).collect()
    }

    /// The types of the columns that its state is kept in: rows, and of each aggregate its own.
    pub(crate) fn state_types(&self) -> Vec<DataType> {
        let each = self.each.iter().flatten().flat_map(|a| a.state_types());
        self.rows.state_types().into_iter().chain(each).collect()
    }

    /// The state of any groups, a row each. Leaves it as it is.
    pub(crate) fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let mut columns = self.rows.state_of(groups)?;
        for accumulator in self.each.iter().flatten() {
            columns.extend(accumulator.state_of(groups)?);
        }
        Ok(columns)
    }

    /// Takes the state of groups which had none, as `state_of` gave it.
    pub(crate) fn restore(&mut self, groups: Groups<'_>, state: &[ArrayRef]) -> Result<(), Failure> {
        let (rows, mut rest) = state.split_at(1);
        self.rows.restore(groups, rows)?;
        for accumulator in self.each.iter_mut().flatten() {
            let (own, others) = rest.split_at(accumulator.state_types().len());
            accumulator.restore(groups, own)?;
            rest = others;
        }
        Ok(())
    }

    /// Keeps only these groups, which are numbered in this order from now on.
    pub(crate) fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.rows.keep_only(groups);
        let mut each = self.each.iter_mut().flatten();
        each.try_for_each(|accumulator| accumulator.keep(groups))
    }

    /// Forgets all groups and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.each.iter_mut().flatten().for_each(|a| a.clear());
    }
}
