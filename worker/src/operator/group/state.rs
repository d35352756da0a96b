//! The state of an aggregation without windows. Nothing outside this file holds any, so that snapshots have one place to look.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use weir_model::Failure;

use crate::operator::{
    aggregate::{Accumulator, Count, Shapes},
    keys::{GroupTable, Groups},
};

/// Groups that have lost all their rows before their memory is given back.
const DEAD_GROUPS: usize = 4096;

/// The groups, how many rows each has, and its accumulators.
#[derive(Debug)]
pub(super) struct State {
    key_types: Vec<DataType>,
    keys: GroupTable,
    /// Rows per group; COUNT(*) is this.
    rows: Count,
    /// None: COUNT(*).
    aggregates: Vec<Option<Box<dyn Accumulator>>>,
    dead: usize,
}

/// The groups that the rows of a batch belong to.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// The group of each row; none: all rows are of group 0.
    pub(super) ids: Option<Vec<u32>>,
    /// How many groups there are now.
    pub(super) total: usize,
    /// Each group once, first those that were there before.
    pub(super) groups: Vec<u32>,
    /// How many of them were there before.
    pub(super) known: usize,
}

impl State {
    pub(super) fn new(key_types: Vec<DataType>, aggregates: &Shapes) -> Result<Self, Failure> {
        let accumulators = aggregates
            .iter()
            .map(|a| (!a.is_count_star()).then(|| a.accumulator()).transpose());
        Ok(Self {
            keys: GroupTable::new(&key_types)?,
            key_types,
            rows: Count::default(),
            aggregates: accumulators.collect::<Result<_, _>>()?,
            dead: 0,
        })
    }

    /// Finds the groups of rows with these keys; new keys get new groups.
    pub(super) fn touch(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Touched, Failure> {
        let before = self.keys.len();
        let groups = self.keys.intern(keys, rows)?;
        let (ids, total) = (groups.ids.map(<[u32]>::to_vec), groups.total);
        let mut touched: Vec<u32> = match &ids {
            Some(ids) => ids.iter().copied().filter(|&id| (id as usize) < before).collect(),
            None => (0..before as u32).collect(),
        };
        touched.sort_unstable();
        touched.dedup();
        let known = touched.len();
        touched.extend(before as u32..total as u32);
        Ok(Touched {
            ids,
            total,
            groups: touched,
            known,
        })
    }

    /// Takes raw rows of these groups: per aggregate its argument.
    pub(super) fn update(
        &mut self,
        groups: Groups<'_>,
        arguments: &[Option<ArrayRef>],
    ) -> Result<(), Failure> {
        self.rows.rows(groups);
        for (accumulator, argument) in self.aggregates.iter_mut().zip(arguments) {
            if let Some(accumulator) = accumulator {
                accumulator.update(groups, argument.as_ref())?;
            }
        }
        Ok(())
    }

    /// Takes raw rows back.
    pub(super) fn retract(
        &mut self,
        groups: Groups<'_>,
        arguments: &[Option<ArrayRef>],
    ) -> Result<(), Failure> {
        self.rows.take_back(groups);
        for (accumulator, argument) in self.aggregates.iter_mut().zip(arguments) {
            if let Some(accumulator) = accumulator {
                accumulator.retract(groups, argument.as_ref())?;
            }
        }
        Ok(())
    }

    /// Takes partial rows: per aggregate its partial columns, and how many raw rows each is.
    pub(super) fn merge(
        &mut self,
        groups: Groups<'_>,
        partials: &[Vec<ArrayRef>],
        rows: &ArrayRef,
    ) -> Result<(), Failure> {
        self.rows.add(groups, rows);
        for (accumulator, partial) in self.aggregates.iter_mut().zip(partials) {
            if let Some(accumulator) = accumulator {
                accumulator.merge(groups, partial)?;
            }
        }
        Ok(())
    }

    /// How many rows each of these groups has.
    pub(super) fn rows(&self, groups: &[u32]) -> Vec<i64> {
        self.rows.gather(groups)
    }

    /// The key columns of these groups.
    pub(super) fn keys(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        self.keys.keys_of(groups)
    }

    /// The result columns of these groups.
    pub(super) fn results(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let result = |accumulator: &Option<Box<dyn Accumulator>>| match accumulator {
            Some(accumulator) => accumulator.finish_of(groups),
            None => Accumulator::finish_of(&self.rows, groups),
        };
        self.aggregates.iter().map(result).collect()
    }

    /// Notes that so many groups have no rows now, and so many had none before; forgets them when they are many.
    pub(super) fn bury(&mut self, dead: usize, dead_before: usize) -> Result<(), Failure> {
        self.dead = (self.dead + dead).saturating_sub(dead_before);
        if self.dead < DEAD_GROUPS || self.dead * 2 < self.keys.len() {
            return Ok(());
        }
        let counts = self.rows.get(0..self.keys.len());
        let live: Vec<u32> = (0_u32..)
            .zip(counts)
            .filter(|(_, rows)| **rows != 0)
            .map(|(group, _)| group)
            .collect();
        let keys = self.keys.keys_of(&live)?;
        self.keys = GroupTable::new(&self.key_types)?;
        self.keys.intern(&keys, live.len())?;
        self.rows.keep_only(&live);
        for accumulator in self.aggregates.iter_mut().flatten() {
            accumulator.keep(&live)?;
        }
        self.dead = 0;
        Ok(())
    }
}
