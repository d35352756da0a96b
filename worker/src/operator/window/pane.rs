//! The state of a window aggregate: panes of groups. Nothing outside this file holds any, so that snapshots have one place to look.

use std::{collections::BTreeMap, ops::Range};

use arrow_array::{Array as _, ArrayRef, new_null_array};
use arrow_schema::DataType;
use weir_model::Failure;

use crate::operator::{
    aggregate::{Accumulator, Count, Shapes},
    keys::{GroupTable, Groups},
};

/// The groups of one pane and their accumulators.
#[derive(Debug)]
pub(in crate::operator) struct Pane {
    groups: GroupTable,
    /// Raw rows per group; COUNT(*) is this.
    rows: Count,
    /// None: COUNT(*).
    aggregates: Vec<Option<Box<dyn Accumulator>>>,
}

impl Pane {
    /// No groups yet.
    pub(in crate::operator) fn new(keys: &[DataType], aggregates: &Shapes) -> Result<Self, Failure> {
        let accumulators = aggregates
            .iter()
            .map(|a| (!a.is_count_star()).then(|| a.accumulator()).transpose());
        Ok(Self {
            groups: GroupTable::new(keys)?,
            rows: Count::default(),
            aggregates: accumulators.collect::<Result<_, _>>()?,
        })
    }

    /// Takes raw rows: their keys, and per aggregate its argument.
    pub(in crate::operator) fn update(
        &mut self,
        keys: &[ArrayRef],
        arguments: &[Option<ArrayRef>],
        rows: usize,
    ) -> Result<(), Failure> {
        let groups = self.groups.intern(keys, rows)?;
        self.rows.rows(groups);
        for (accumulator, argument) in self.aggregates.iter_mut().zip(arguments) {
            if let Some(accumulator) = accumulator {
                accumulator.update(groups, argument.as_ref())?;
            }
        }
        Ok(())
    }

    /// Takes partial rows: their keys, per aggregate its partial columns, and how many raw rows each is.
    pub(in crate::operator) fn merge(
        &mut self,
        keys: &[ArrayRef],
        partials: &[Vec<ArrayRef>],
        rows: &ArrayRef,
    ) -> Result<(), Failure> {
        let groups = self.groups.intern(keys, rows.len())?;
        self.rows.add(groups, rows);
        for (accumulator, partial) in self.aggregates.iter_mut().zip(partials) {
            if let Some(accumulator) = accumulator {
                accumulator.merge(groups, partial)?;
            }
        }
        Ok(())
    }

    /// Takes all rows of another pane.
    pub(in crate::operator) fn absorb(&mut self, other: &Self) -> Result<(), Failure> {
        for groups in super::partial::chunks(other.len()) {
            let keys = other.keys(groups.clone())?;
            let numbered = self.groups.intern(&keys, groups.len())?;
            self.rows.add(numbered, &other.rows.column(groups.clone()));
            for (into, from) in self.aggregates.iter_mut().zip(&other.aggregates) {
                if let (Some(into), Some(from)) = (into, from) {
                    into.merge(numbered, &from.partial(groups.clone())?)?;
                }
            }
        }
        Ok(())
    }

    /// The groups of some groups of another pane in this one, made if need be.
    pub(in crate::operator) fn number(
        &mut self,
        other: &Self,
        groups: Range<usize>,
        ids: &mut Vec<u32>,
    ) -> Result<(), Failure> {
        let keys = other.keys(groups.clone())?;
        match self.groups.intern(&keys, groups.len())?.ids {
            Some(numbers) => ids.extend_from_slice(numbers),
            None => ids.resize(ids.len() + groups.len(), 0),
        }
        Ok(())
    }

    /// Takes all rows of another pane, whose groups have these numbers here. Returns whether one of its aggregates has no value.
    pub(in crate::operator) fn absorb_numbered(
        &mut self,
        other: &Self,
        ids: &[u32],
    ) -> Result<bool, Failure> {
        let groups = Groups {
            ids: Some(ids),
            rows: ids.len(),
            total: self.groups.len(),
        };
        self.rows.add(groups, &other.rows.column(0..ids.len()));
        let mut nulls = false;
        for (into, from) in self.aggregates.iter_mut().zip(&other.aggregates) {
            if let (Some(into), Some(from)) = (into, from) {
                let partial = from.partial(0..ids.len())?;
                nulls |= partial.iter().any(|column| column.null_count() > 0);
                into.merge(groups, &partial)?;
            }
        }
        Ok(nulls)
    }

    /// Takes a row of no values for every group: where there are groups without rows, accumulators must know that.
    pub(in crate::operator) fn seed(&mut self, aggregates: &Shapes) -> Result<(), Failure> {
        let all: Vec<u32> = (0..self.groups.len() as u32).collect();
        let groups = Groups {
            ids: Some(&all),
            rows: all.len(),
            total: all.len(),
        };
        for (accumulator, shape) in self.aggregates.iter_mut().zip(aggregates) {
            if let Some(accumulator) = accumulator {
                let nulls: Vec<ArrayRef> = shape
                    .partial_types()
                    .iter()
                    .map(|t| new_null_array(t, all.len()))
                    .collect();
                accumulator.merge(groups, &nulls)?;
            }
        }
        Ok(())
    }

    /// How many raw rows each of some groups has, as numbers.
    pub(in crate::operator) fn counts(&self, groups: Range<usize>) -> &[i64] {
        self.rows.get(groups)
    }

    /// Forgets all rows; groups keep their numbers.
    pub(in crate::operator) fn clear_rows(&mut self) {
        self.rows.clear();
        self.aggregates.iter_mut().flatten().for_each(|a| a.clear());
    }

    /// How many groups there are.
    pub(in crate::operator) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The key columns of some groups.
    pub(in crate::operator) fn keys(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        self.groups.keys(groups)
    }

    /// The partial columns of some groups, aggregate by aggregate.
    pub(in crate::operator) fn partials(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        let mut columns = Vec::with_capacity(self.aggregates.len());
        for accumulator in &self.aggregates {
            match accumulator {
                Some(accumulator) => columns.extend(accumulator.partial(groups.clone())?),
                None => columns.push(self.rows.column(groups.clone())),
            }
        }
        Ok(columns)
    }

    /// How many raw rows each of some groups has.
    pub(in crate::operator) fn rows(&self, groups: Range<usize>) -> ArrayRef {
        self.rows.column(groups)
    }

    /// The result columns of some groups.
    pub(in crate::operator) fn results(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        let result = |accumulator: &Option<Box<dyn Accumulator>>| match accumulator {
            Some(accumulator) => accumulator.finish(groups.clone()),
            None => Ok(self.rows.column(groups.clone())),
        };
        self.aggregates.iter().map(result).collect()
    }

    /// Forgets all groups and keeps the memory.
    pub(in crate::operator) fn clear(&mut self) {
        self.groups.clear();
        self.clear_rows();
    }
}

/// The live panes of an operator, by start.
#[derive(Debug)]
pub(in crate::operator) struct Panes {
    keys: Vec<DataType>,
    aggregates: Shapes,
    live: BTreeMap<i64, Pane>,
    /// An emptied pane, whose memory the next one takes over.
    spare: Option<Pane>,
}

impl Panes {
    /// No panes yet, of groups by keys of these types.
    pub(in crate::operator) fn new(keys: Vec<DataType>, aggregates: Shapes) -> Result<Self, Failure> {
        // Finds at once what cannot be aggregated.
        let spare = Some(Pane::new(&keys, &aggregates)?);
        Ok(Self {
            keys,
            aggregates,
            live: BTreeMap::new(),
            spare,
        })
    }

    /// The aggregates of each pane.
    pub(in crate::operator) fn aggregates(&self) -> &Shapes {
        &self.aggregates
    }

    /// The pane that starts here, made if need be.
    pub(in crate::operator) fn pane(&mut self, start: i64) -> Result<&mut Pane, Failure> {
        match self.live.entry(start) {
            std::collections::btree_map::Entry::Occupied(pane) => Ok(pane.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => Ok(place.insert(match self.spare.take() {
                Some(pane) => pane,
                None => Pane::new(&self.keys, &self.aggregates)?,
            })),
        }
    }

    /// An empty pane of the same groups and aggregates, which is not one of these.
    pub(in crate::operator) fn empty(&self) -> Result<Pane, Failure> {
        Pane::new(&self.keys, &self.aggregates)
    }

    /// The start of the earliest pane.
    pub(in crate::operator) fn first(&self) -> Option<i64> {
        self.live.first_key_value().map(|(start, _)| *start)
    }

    /// The start of the earliest pane that is not before this.
    pub(in crate::operator) fn first_from(&self, start: i64) -> Option<i64> {
        self.live.range(start..).next().map(|(start, _)| *start)
    }

    /// The panes that start in a range of time.
    pub(in crate::operator) fn range(&self, starts: Range<i64>) -> impl Iterator<Item = (i64, &Pane)> {
        self.live.range(starts).map(|(start, pane)| (*start, pane))
    }

    /// The pane that starts here, if there is one.
    pub(in crate::operator) fn get(&self, start: i64) -> Option<&Pane> {
        self.live.get(&start)
    }

    /// Removes the pane that starts here.
    pub(in crate::operator) fn remove(&mut self, start: i64) -> Option<Pane> {
        self.live.remove(&start)
    }

    /// Removes the earliest pane if `due` says so of its start.
    pub(in crate::operator) fn pop(&mut self, due: impl FnOnce(i64) -> bool) -> Option<(i64, Pane)> {
        let first = self.live.first_entry()?;
        due(*first.key()).then(|| first.remove_entry())
    }

    /// Takes back a pane that is no longer needed.
    pub(in crate::operator) fn recycle(&mut self, mut pane: Pane) {
        if self.spare.is_none() {
            pane.clear();
            self.spare = Some(pane);
        }
    }
}
