//! Which values each group has, in the order in which they came first, and how often each is there.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, ListArray, cast::AsArray, types::Int64Type};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field};
use weir_model::Failure;

use super::arena::not_kept;
use crate::operator::keys::{Groups, NO_PAIR, PairTable};

/// No pair.
const NONE: u32 = u32::MAX;

/// Pairs of a group and one of its values; each group knows its own.
#[derive(Debug)]
pub(in crate::operator) struct Counted {
    value: DataType,
    pairs: PairTable,
    counts: Vec<i64>,
    /// Per pair, the next one of its group.
    next: Vec<u32>,
    /// Per group, its first pair and its last one.
    ends: Vec<(u32, u32)>,
}

impl Counted {
    /// Of values of this type.
    pub(in crate::operator) fn new(value: DataType) -> Result<Self, Failure> {
        Ok(Self {
            pairs: PairTable::new(value.clone())?,
            value,
            counts: Vec::new(),
            next: Vec::new(),
            ends: Vec::new(),
        })
    }

    /// Counts rows, those whose value is not null: `by` says by how much. Says of each the row and the count before and after.
    #[inline]
    pub(in crate::operator) fn add(
        &mut self,
        groups: Groups<'_>,
        values: &ArrayRef,
        by: impl Fn(usize) -> i64,
        mut changed: impl FnMut(usize, i64, i64),
    ) -> Result<(), Failure> {
        let Self {
            pairs,
            counts,
            next,
            ends,
            ..
        } = self;
        ends.resize(ends.len().max(groups.total), (NONE, NONE));
        pairs.intern(groups.ids, values)?;
        for (row, &pair) in pairs.numbers().iter().enumerate() {
            if pair == NO_PAIR {
                continue;
            }
            let at = pair as usize;
            // Pairs are numbered in the order in which they are first met; those of nulls are left out.
            if at >= counts.len() {
                counts.resize(at + 1, 0);
                next.resize(at + 1, NONE);
                link(
                    next,
                    &mut ends[groups.ids.map_or(0, |ids| ids[row] as usize)],
                    pair,
                );
            }
            let before = counts[at];
            counts[at] += by(row);
            changed(row, before, counts[at]);
        }
        Ok(())
    }

    /// How many pairs memory is held for.
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// How many groups are known.
    pub(super) fn groups(&self) -> usize {
        self.ends.len()
    }

    /// The pairs of groups whose count is wanted, and how many of them each group has.
    pub(super) fn of_groups(
        &self,
        groups: impl Iterator<Item = u32>,
        is_wanted: impl Fn(i64) -> bool,
    ) -> (Vec<u32>, Vec<usize>) {
        let (mut found, mut sizes) = (Vec::new(), Vec::new());
        for group in groups {
            let before = found.len();
            let mut pair = self.ends.get(group as usize).map_or(NONE, |ends| ends.0);
            while pair != NONE {
                if is_wanted(self.counts[pair as usize]) {
                    found.push(pair);
                }
                pair = self.next[pair as usize];
            }
            sizes.push(found.len() - before);
        }
        (found, sizes)
    }

    /// The values of some pairs.
    pub(super) fn values_of(&self, pairs: &[u32]) -> Result<ArrayRef, Failure> {
        self.pairs.values_of(pairs)
    }

    /// The counts of some pairs.
    pub(super) fn counts_of<'a>(&'a self, pairs: &'a [u32]) -> impl Iterator<Item = i64> + 'a {
        pairs.iter().map(|&pair| self.counts[pair as usize])
    }

    /// The types of the columns of its state.
    pub(in crate::operator) fn state_types(&self) -> Vec<DataType> {
        state_types(&self.value)
    }

    /// The values of groups and their counts.
    pub(in crate::operator) fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let (pairs, sizes) = self.of_groups(groups.iter().copied(), |count| count != 0);
        let counts = self.counts_of(&pairs).collect();
        state(self.values_of(&pairs)?, counts, sizes)
    }

    /// Takes the values of groups which had none, and returns how many those are.
    pub(in crate::operator) fn restore(
        &mut self,
        groups: Groups<'_>,
        state: &[ArrayRef],
    ) -> Result<usize, Failure> {
        let Restored { ids, values, counts } = Restored::new(groups, state);
        let groups = Groups {
            ids: Some(&ids),
            rows: ids.len(),
            total: groups.total,
        };
        self.add(groups, &values, |row| counts[row], |_, _, _| {})?;
        Ok(ids.len())
    }

    /// Keeps these groups, which are numbered in this order from now on, and of them the pairs that are there.
    pub(in crate::operator) fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        let mut renumbered = vec![NO_PAIR; self.ends.len()];
        for (new, &old) in (0_u32..).zip(groups) {
            if let Some(number) = renumbered.get_mut(old as usize) {
                *number = new;
            }
        }
        let counts = &self.counts;
        let is_there = |pair: u32| counts.get(pair as usize).is_some_and(|count| *count != 0);
        let kept = self.pairs.keep(is_there, &renumbered)?;
        self.counts = kept.iter().map(|&pair| counts[pair as usize]).collect();
        self.next = vec![NONE; kept.len()];
        self.ends = vec![(NONE, NONE); groups.len()];
        let (ids, _) = self.pairs.columns()?;
        for (pair, &group) in (0_u32..).zip(&ids) {
            link(&mut self.next, &mut self.ends[group as usize], pair);
        }
        Ok(())
    }

    /// Forgets all and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.pairs.clear();
        self.counts.clear();
        self.next.clear();
        self.ends.clear();
    }
}

/// Puts a new pair behind those of its group.
#[inline]
fn link(next: &mut [u32], ends: &mut (u32, u32), pair: u32) {
    match ends.1 {
        NONE => ends.0 = pair,
        last => next[last as usize] = pair,
    }
    ends.1 = pair;
}

/// The types of the columns that hold values of this type and how often each is there: a list of both for each group.
pub(super) fn state_types(value: &DataType) -> Vec<DataType> {
    vec![list_type(value), list_type(&DataType::Int64)]
}

/// A list of values of this type for each group.
pub(super) fn list_type(value: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(value.clone(), true)))
}

/// Those columns, of groups that have so many of these values and counts each.
pub(super) fn state(values: ArrayRef, counts: Vec<i64>, sizes: Vec<usize>) -> Result<Vec<ArrayRef>, Failure> {
    let counts = Arc::new(Int64Array::from(counts));
    Ok(vec![
        lists(values, sizes.iter().copied(), None)?,
        lists(counts, sizes.into_iter(), None)?,
    ])
}

/// Lists of so many of these values each, in their order.
pub(super) fn lists(
    values: ArrayRef,
    sizes: impl Iterator<Item = usize>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, Failure> {
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let list = ListArray::try_new(item, OffsetBuffer::from_lengths(sizes), values, nulls);
    list.map(|list| Arc::new(list) as ArrayRef)
        .map_err(|e| not_kept(&e))
}

/// Values of groups out of the columns of a state.
pub(super) struct Restored {
    /// The group of each value.
    pub(super) ids: Vec<u32>,
    pub(super) values: ArrayRef,
    /// How often each is there.
    pub(super) counts: Vec<i64>,
}

impl Restored {
    /// Out of columns that [`state`] has made.
    pub(super) fn new(groups: Groups<'_>, state: &[ArrayRef]) -> Self {
        let lists = state[0].as_list::<i32>();
        let ids = ids_of_lists(groups, lists);
        Self {
            values: elements(lists),
            counts: elements(state[1].as_list::<i32>())
                .as_primitive::<Int64Type>()
                .values()
                .to_vec(),
            ids,
        }
    }
}

/// The group of each element of lists, of which each is of a group.
pub(super) fn ids_of_lists(groups: Groups<'_>, lists: &ListArray) -> Vec<u32> {
    let mut ids = Vec::with_capacity(lists.values().len());
    for (row, range) in lists.value_offsets().windows(2).enumerate() {
        let group = groups.ids.map_or(0, |ids| ids[row]);
        ids.extend(std::iter::repeat_n(group, (range[1] - range[0]) as usize));
    }
    ids
}

/// The elements of lists, one list behind the other.
pub(super) fn elements(lists: &ListArray) -> ArrayRef {
    let offsets = lists.value_offsets();
    let (start, end) = (offsets[0] as usize, offsets[lists.len()] as usize);
    lists.values().slice(start, end - start)
}
