//! FIRST_VALUE and LAST_VALUE: the value that came first, or last, and is not null.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::DataType;
use arrow_select::take::take;
use weir_model::Failure;

use super::{
    Accumulator,
    arena::{Arena, not_kept},
    kept::Kept,
};
use crate::operator::keys::Groups;

/// No value yet.
const NONE: u32 = u32::MAX;
/// Values that were replaced before their memory is given back.
const SLACK: usize = 4096;

/// One value per group, of rows that are only appended.
#[derive(Debug)]
pub(super) struct Pick<const LAST: bool> {
    values: Arena,
    chosen: Vec<u32>,
}

impl<const LAST: bool> Pick<LAST> {
    /// Of values of this type.
    pub(super) fn new(data_type: DataType) -> Self {
        Self {
            values: Arena::new(data_type),
            chosen: Vec::new(),
        }
    }

    fn choose(&mut self, groups: Groups<'_>, column: &ArrayRef) -> Result<(), Failure> {
        self.chosen.resize(self.chosen.len().max(groups.total), NONE);
        let base = self.values.len() as u32;
        let nulls = column.logical_nulls().filter(|n| n.null_count() > 0);
        let mut winners: Vec<u32> = Vec::new();
        let mut offer = |row: usize| {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                return;
            }
            let chosen = &mut self.chosen[groups.ids.map_or(0, |ids| ids[row] as usize)];
            // Of LAST_VALUE rows come backwards: the first that is met wins over all before this batch.
            if *chosen == NONE || (LAST && *chosen < base) {
                *chosen = base + winners.len() as u32;
                winners.push(row as u32);
            }
        };
        if LAST {
            (0..column.len()).rev().for_each(&mut offer);
        } else {
            (0..column.len()).for_each(&mut offer);
        }
        let values = take(column, &UInt32Array::from(winners), None).map_err(|e| not_kept(&e))?;
        self.values.push(values)?;
        if self.values.len() > 2 * self.chosen.len() + SLACK {
            let all: Vec<u32> = (0..self.chosen.len() as u32).collect();
            self.pack(&all)?;
        }
        Ok(())
    }

    fn numbers(&self, groups: impl Iterator<Item = u32>) -> Vec<Option<u32>> {
        let chosen = |group: u32| {
            let number = self.chosen.get(group as usize).copied()?;
            (number != NONE).then_some(number)
        };
        groups.map(chosen).collect()
    }

    fn pack(&mut self, groups: &[u32]) -> Result<(), Failure> {
        let numbers = self.numbers(groups.iter().copied());
        let set: Vec<Option<u32>> = numbers.iter().flatten().copied().map(Some).collect();
        self.values.keep(&set)?;
        let mut next = 0;
        self.chosen = numbers
            .into_iter()
            .map(|number| {
                next += u32::from(number.is_some());
                if number.is_some() { next - 1 } else { NONE }
            })
            .collect();
        Ok(())
    }
}

impl<const LAST: bool> Accumulator for Pick<LAST> {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        self.choose(groups, argument(column)?)
    }

    fn merge(&mut self, groups: Groups<'_>, partial: &[ArrayRef]) -> Result<(), Failure> {
        self.choose(groups, &partial[0])
    }

    fn partial(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.finish(groups)?])
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        self.values
            .gather(&self.numbers(groups.map(|group| group as u32)))
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        self.values.gather(&self.numbers(groups.iter().copied()))
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![self.values.data_type().clone()]
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.finish_of(groups)?])
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.pack(groups)
    }

    fn clear(&mut self) {
        self.values.clear();
        self.chosen.clear();
    }
}

/// The same where values are taken back: then the one next to it is first, or last.
#[derive(Debug)]
pub(super) struct RetractablePick<const LAST: bool> {
    kept: Kept,
}

impl<const LAST: bool> RetractablePick<LAST> {
    /// Of values of this type.
    pub(super) fn new(data_type: DataType) -> Result<Self, Failure> {
        Ok(Self {
            kept: Kept::new(data_type, true)?,
        })
    }
}

impl<const LAST: bool> Accumulator for RetractablePick<LAST> {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        self.kept.append(groups, argument(column)?)
    }

    fn merge(&mut self, groups: Groups<'_>, partial: &[ArrayRef]) -> Result<(), Failure> {
        self.kept.append(groups, &partial[0])
    }

    fn partial(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.finish(groups)?])
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        let groups: Vec<u32> = groups.map(|group| group as u32).collect();
        self.finish_of(&groups)
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        self.kept.ends(groups, LAST)
    }

    fn retract(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        self.kept.take_back(groups, argument(column)?)
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![self.kept.state_type()]
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.kept.state_of(groups.iter().copied())?])
    }

    fn restore(&mut self, groups: Groups<'_>, state: &[ArrayRef]) -> Result<(), Failure> {
        self.kept.append_lists(groups, &state[0])
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.kept.keep(groups)
    }

    fn clear(&mut self) {
        self.kept.clear();
    }
}

fn argument(column: Option<&ArrayRef>) -> Result<&ArrayRef, Failure> {
    column.ok_or_else(|| Failure::internal("a FIRST_VALUE or LAST_VALUE without an argument"))
}
