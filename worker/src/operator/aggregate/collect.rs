//! COLLECT: how often each value of a group is there, as a MAP of values to numbers.

use std::{ops::Range, sync::Arc};

use arrow_array::{ArrayRef, Int32Array, MapArray, StructArray, cast::AsArray, types::Int32Type};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use weir_model::Failure;

use super::{
    Accumulator,
    arena::{not_kept, set_values},
    counted::Counted,
    kept::ids_of,
};
use crate::operator::keys::Groups;

/// Values that are there no longer before their memory is given back, if they are as many as those that are there.
const SLACK: usize = 4096;

/// The values of each group and their numbers, in the order in which values came first.
#[derive(Debug)]
pub(super) struct Collect {
    map: DataType,
    values: Counted,
    /// How many values are there.
    there: usize,
}

impl Collect {
    /// Of values of this type to a MAP of that type.
    pub(super) fn new(value: DataType, map: DataType) -> Result<Self, Failure> {
        Ok(Self {
            map,
            values: Counted::new(value)?,
            there: 0,
        })
    }

    fn add(
        &mut self,
        groups: Groups<'_>,
        values: &ArrayRef,
        by: impl Fn(usize) -> i64,
    ) -> Result<(), Failure> {
        let there = &mut self.there;
        self.values
            .add(groups, values, by, |_, before, after| match (before, after) {
                (0, 0) => {}
                (0, _) => *there += 1,
                (_, 0) => *there -= 1,
                _ => {}
            })?;
        let gone = self.values.len() - self.there;
        if gone > SLACK && gone * 2 > self.values.len() {
            let all: Vec<u32> = (0..self.values.groups() as u32).collect();
            self.values.keep(&all)?;
        }
        Ok(())
    }

    fn rows(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>, by: i64) -> Result<(), Failure> {
        let (values, rows) = set_values(argument(column)?)?;
        let ids = ids_of(groups, rows.as_deref(), values.len());
        self.add(of_rows(&ids, groups.total), &values, |_| by)
    }

    fn result(&self, groups: impl Iterator<Item = u32>) -> Result<ArrayRef, Failure> {
        let (found, sizes) = self.values.of_groups(groups, |count| count > 0);
        let counts = self.values.counts_of(&found);
        let counts: Int32Array = counts
            .map(|count| Some(i32::try_from(count).unwrap_or(i32::MAX)))
            .collect();
        let DataType::Map(entry, _) = &self.map else {
            return Err(Failure::internal(format!("a COLLECT that gives {}", self.map)));
        };
        let DataType::Struct(fields) = entry.data_type() else {
            return Err(Failure::internal(format!("a COLLECT that gives {}", self.map)));
        };
        let columns: Vec<ArrayRef> = vec![self.values.values_of(&found)?, Arc::new(counts)];
        let entries = StructArray::try_new(fields.clone(), columns, None).map_err(|e| not_kept(&e))?;
        MapArray::try_new(
            Arc::clone(entry),
            OffsetBuffer::from_lengths(sizes),
            entries,
            None,
            false,
        )
        .map(|map| Arc::new(map) as ArrayRef)
        .map_err(|e| not_kept(&e))
    }
}

fn of_rows(ids: &[u32], total: usize) -> Groups<'_> {
    Groups {
        ids: Some(ids),
        rows: ids.len(),
        total,
    }
}

impl Accumulator for Collect {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        self.rows(groups, column, 1)
    }

    fn merge(&mut self, groups: Groups<'_>, partial: &[ArrayRef]) -> Result<(), Failure> {
        let maps = partial[0].as_map();
        let offsets = maps.value_offsets();
        let mut ids = Vec::new();
        for (row, range) in offsets.windows(2).enumerate() {
            let group = groups.ids.map_or(0, |ids| ids[row]);
            ids.extend(std::iter::repeat_n(group, (range[1] - range[0]) as usize));
        }
        let keys = maps.keys().slice(offsets[0] as usize, ids.len());
        let counts = maps.values().slice(offsets[0] as usize, ids.len());
        let counts = counts.as_primitive::<Int32Type>();
        self.add(of_rows(&ids, groups.total), &keys, |row| {
            i64::from(counts.value(row))
        })
    }

    fn partial(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.finish(groups)?])
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        self.result(groups.map(|group| group as u32))
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        self.result(groups.iter().copied())
    }

    fn retract(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        self.rows(groups, column, -1)
    }

    fn state_types(&self) -> Vec<DataType> {
        self.values.state_types()
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        self.values.state_of(groups)
    }

    fn restore(&mut self, groups: Groups<'_>, state: &[ArrayRef]) -> Result<(), Failure> {
        self.there += self.values.restore(groups, state)?;
        Ok(())
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.values.keep(groups)?;
        self.there = self.values.len();
        Ok(())
    }

    fn clear(&mut self) {
        self.values.clear();
        self.there = 0;
    }
}

fn argument(column: Option<&ArrayRef>) -> Result<&ArrayRef, Failure> {
    column.ok_or_else(|| Failure::internal("a COLLECT without an argument"))
}
