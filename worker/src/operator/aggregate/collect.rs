//! COLLECT: how often each value of a group is there, as a MAP of values to numbers.

use std::{ops::Range, sync::Arc};

use arrow_array::{Array, ArrayRef, Int32Array, MapArray, StructArray, cast::AsArray, types::Int32Type};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use weir_model::Failure;

use super::{
    Accumulator,
    arena::{not_kept, set_values},
    kept::ids_of,
};
use crate::operator::keys::{Groups, NO_PAIR, PairTable};

/// No value.
const NONE: u32 = u32::MAX;
/// Values that are there no longer before their memory is given back, if they are as many as those that are there.
const SLACK: usize = 4096;

/// The values of each group and their numbers, in the order in which values came first.
#[derive(Debug)]
pub(super) struct Collect {
    map: DataType,
    pairs: PairTable,
    counts: Vec<i64>,
    /// Per pair, the next one of its group.
    next: Vec<u32>,
    /// Per group, its first pair and its last one.
    ends: Vec<(u32, u32)>,
    gone: usize,
}

impl Collect {
    /// Of values of this type to a MAP of that type.
    pub(super) fn new(value: DataType, map: DataType) -> Result<Self, Failure> {
        Ok(Self {
            map,
            pairs: PairTable::new(value)?,
            counts: Vec::new(),
            next: Vec::new(),
            ends: Vec::new(),
            gone: 0,
        })
    }

    fn add(
        &mut self,
        groups: Groups<'_>,
        ids: &[u32],
        values: &ArrayRef,
        by: impl Fn(usize) -> i64,
    ) -> Result<(), Failure> {
        self.ends.resize(self.ends.len().max(groups.total), (NONE, NONE));
        self.pairs.intern(Some(ids), values)?;
        for (row, &group) in ids.iter().enumerate() {
            let pair = self.pairs.numbers()[row];
            // Pairs are numbered in the order in which they are first met.
            if pair as usize == self.counts.len() {
                link(&mut self.next, &mut self.ends[group as usize], pair);
                self.counts.push(0);
                self.gone += 1;
            }
            let count = &mut self.counts[pair as usize];
            let was_there = *count != 0;
            *count += by(row);
            match (was_there, *count != 0) {
                (false, true) => self.gone -= 1,
                (true, false) => self.gone += 1,
                _ => {}
            }
        }
        if self.gone > SLACK && self.gone * 2 > self.counts.len() {
            let all: Vec<u32> = (0..self.ends.len() as u32).collect();
            self.pack(&all)?;
        }
        Ok(())
    }

    fn result(&self, groups: impl Iterator<Item = u32>) -> Result<ArrayRef, Failure> {
        let (mut found, mut counts, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for group in groups {
            let before = found.len();
            let mut pair = self.ends.get(group as usize).map_or(NONE, |ends| ends.0);
            while pair != NONE {
                let count = self.counts[pair as usize];
                if count > 0 {
                    found.push(pair);
                    counts.push(i32::try_from(count).unwrap_or(i32::MAX));
                }
                pair = self.next[pair as usize];
            }
            sizes.push(found.len() - before);
        }
        let DataType::Map(entry, _) = &self.map else {
            return Err(Failure::internal(format!("a COLLECT that gives {}", self.map)));
        };
        let DataType::Struct(fields) = entry.data_type() else {
            return Err(Failure::internal(format!("a COLLECT that gives {}", self.map)));
        };
        let columns: Vec<ArrayRef> = vec![self.pairs.values_of(&found)?, Arc::new(Int32Array::from(counts))];
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

    /// Keeps these groups, which are numbered in this order from now on, and of them the pairs that are there.
    fn pack(&mut self, groups: &[u32]) -> Result<(), Failure> {
        let mut renumbered = vec![NO_PAIR; self.ends.len()];
        for (new, &old) in (0_u32..).zip(groups) {
            if let Some(number) = renumbered.get_mut(old as usize) {
                *number = new;
            }
        }
        let counts = &self.counts;
        let kept = self.pairs.keep(|pair| counts[pair as usize] != 0, &renumbered)?;
        self.counts = kept.iter().map(|&pair| counts[pair as usize]).collect();
        self.gone = 0;
        self.next.clear();
        self.ends = vec![(NONE, NONE); groups.len()];
        let (ids, _) = self.pairs.columns()?;
        for (pair, &group) in (0_u32..).zip(&ids) {
            link(&mut self.next, &mut self.ends[group as usize], pair);
        }
        Ok(())
    }
}

/// Puts a new pair behind those of its group.
fn link(next: &mut Vec<u32>, ends: &mut (u32, u32), pair: u32) {
    next.push(NONE);
    match ends.1 {
        NONE => ends.0 = pair,
        last => next[last as usize] = pair,
    }
    ends.1 = pair;
}

impl Accumulator for Collect {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        let (values, rows) = set_values(argument(column)?)?;
        let ids = ids_of(groups, rows.as_deref(), values.len());
        self.add(groups, &ids, &values, |_| 1)
    }

    fn merge(&mut self, groups: Groups<'_>, partial: &[ArrayRef]) -> Result<(), Failure> {
        let maps = partial[0].as_map();
        let offsets = maps.value_offsets();
        let mut ids = Vec::new();
        for row in 0..maps.len() {
            let group = groups.ids.map_or(0, |ids| ids[row]);
            ids.extend(std::iter::repeat_n(
                group,
                (offsets[row + 1] - offsets[row]) as usize,
            ));
        }
        let keys = maps.keys().slice(offsets[0] as usize, ids.len());
        let counts = maps.values().slice(offsets[0] as usize, ids.len());
        let counts = counts.as_primitive::<Int32Type>();
        self.add(groups, &ids, &keys, |row| i64::from(counts.value(row)))
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
        let (values, rows) = set_values(argument(column)?)?;
        let ids = ids_of(groups, rows.as_deref(), values.len());
        self.add(groups, &ids, &values, |_| -1)
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.pack(groups)
    }

    fn clear(&mut self) {
        self.pairs.clear();
        self.counts.clear();
        self.next.clear();
        self.ends.clear();
        self.gone = 0;
    }
}

fn argument(column: Option<&ArrayRef>) -> Result<&ArrayRef, Failure> {
    column.ok_or_else(|| Failure::internal("a COLLECT without an argument"))
}
