//! The values of each group in the order in which they came; what is not null of them.

use std::{ops::Range, sync::Arc};

use arrow_array::{Array, ArrayRef, ListArray, cast::AsArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field};
use weir_model::Failure;

use super::{
    arena::{Arena, not_kept, set_values},
    counted::{elements, ids_of_lists, list_type},
};
use crate::operator::keys::{Groups, NO_PAIR, PairTable};

/// No value.
const NONE: u32 = u32::MAX;
/// Values taken back before their memory is given back, if they are as many as those that are there.
const SLACK: usize = 4096;

/// Values in lists, one per group: each knows the one before it and the one behind it.
#[derive(Debug)]
pub(super) struct Kept {
    values: Arena,
    links: Vec<Link>,
    lists: Vec<Ends>,
    gone: usize,
    /// How values are found that are taken back; none if none will be.
    index: Option<Index>,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    previous: u32,
    next: u32,
}

/// A group's first value and its last one.
#[derive(Clone, Copy, Debug)]
struct Ends {
    first: u32,
    last: u32,
}

const EMPTY: Ends = Ends {
    first: NONE,
    last: NONE,
};

/// Equal values of a group, in the order in which they came.
#[derive(Debug)]
struct Index {
    pairs: PairTable,
    alike: Vec<Ends>,
    /// Per value, the next one that is equal to it.
    next: Vec<u32>,
}

impl Index {
    /// Notes that these values of groups, numbered from `first` on, are there.
    fn add(&mut self, ids: &[u32], values: &ArrayRef, first: usize) -> Result<(), Failure> {
        self.pairs.intern(Some(ids), values)?;
        self.alike.resize(self.pairs.len(), EMPTY);
        self.next.resize(first + ids.len(), NONE);
        for (number, &pair) in (first as u32..).zip(self.pairs.numbers()) {
            let alike = &mut self.alike[pair as usize];
            match alike.last {
                NONE => alike.first = number,
                last => self.next[last as usize] = number,
            }
            alike.last = number;
        }
        Ok(())
    }

    /// The first of the values of a pair, which is there no longer.
    fn pop(&mut self, pair: u32) -> Option<u32> {
        let alike = &mut self.alike[pair as usize];
        let first = alike.first;
        if first == NONE {
            return None;
        }
        alike.first = self.next[first as usize];
        if alike.first == NONE {
            alike.last = NONE;
        }
        Some(first)
    }

    fn clear(&mut self) {
        self.pairs.clear();
        self.alike.clear();
        self.next.clear();
    }
}

impl Kept {
    /// Of values of this type, which can be taken back or not.
    pub(super) fn new(data_type: DataType, retracts: bool) -> Result<Self, Failure> {
        let index = retracts
            .then(|| {
                PairTable::new(data_type.clone()).map(|pairs| Index {
                    pairs,
                    alike: Vec::new(),
                    next: Vec::new(),
                })
            })
            .transpose()?;
        Ok(Self {
            values: Arena::new(data_type),
            links: Vec::new(),
            lists: Vec::new(),
            gone: 0,
            index,
        })
    }

    /// Puts the values of rows behind those of their groups.
    pub(super) fn append(&mut self, groups: Groups<'_>, column: &ArrayRef) -> Result<(), Failure> {
        let (values, rows) = set_values(column)?;
        let ids = ids_of(groups, rows.as_deref(), values.len());
        self.append_all(&ids, groups.total, values)
    }

    fn append_all(&mut self, ids: &[u32], total: usize, values: ArrayRef) -> Result<(), Failure> {
        self.lists.resize(self.lists.len().max(total), EMPTY);
        let first = self.values.len();
        self.links.reserve(ids.len());
        for (number, &group) in (first as u32..).zip(ids) {
            let ends = &mut self.lists[group as usize];
            self.links.push(Link {
                previous: ends.last,
                next: NONE,
            });
            match ends.last {
                NONE => ends.first = number,
                last => self.links[last as usize].next = number,
            }
            ends.last = number;
        }
        if let Some(index) = &mut self.index {
            index.add(ids, &values, first)?;
        }
        self.values.push(values)
    }

    /// Puts lists of values, as [`Kept::lists`] makes them, behind those of their groups.
    pub(super) fn append_lists(&mut self, groups: Groups<'_>, lists: &ArrayRef) -> Result<(), Failure> {
        let lists = lists.as_list::<i32>();
        self.append_all(&ids_of_lists(groups, lists), groups.total, elements(lists))
    }

    /// Takes values back: of equal ones of a group the one that came first.
    pub(super) fn take_back(&mut self, groups: Groups<'_>, column: &ArrayRef) -> Result<(), Failure> {
        self.lists.resize(self.lists.len().max(groups.total), EMPTY);
        let (values, rows) = set_values(column)?;
        let ids = ids_of(groups, rows.as_deref(), values.len());
        let Some(index) = &mut self.index else {
            return Err(Failure::internal(
                "an aggregate was made without the means to take rows back",
            ));
        };
        index.pairs.intern(Some(&ids), &values)?;
        index.alike.resize(index.pairs.len(), EMPTY);
        let pairs = index.pairs.numbers().to_vec();
        for (&group, pair) in ids.iter().zip(pairs) {
            if pair != NO_PAIR
                && let Some(number) = index.pop(pair)
            {
                unlink(&mut self.links, &mut self.lists[group as usize], number);
                self.gone += 1;
            }
        }
        if self.gone > SLACK && self.gone * 2 > self.values.len() {
            let all: Vec<u32> = (0..self.lists.len() as u32).collect();
            self.keep(&all)?;
        }
        Ok(())
    }

    /// The numbers of a group's values, in order.
    fn list(&self, group: u32) -> impl Iterator<Item = u32> {
        let first = self.lists.get(group as usize).map_or(NONE, |ends| ends.first);
        let set = |number: u32| (number != NONE).then_some(number);
        std::iter::successors(set(first), move |&number| set(self.links[number as usize].next))
    }

    /// The values of groups as lists with elements of this field; of a group without values empty, or null.
    pub(super) fn lists(
        &self,
        groups: impl Iterator<Item = u32>,
        item: &Arc<Field>,
        empty_is_null: bool,
    ) -> Result<ListArray, Failure> {
        let (mut numbers, mut sizes) = (Vec::new(), Vec::new());
        for group in groups {
            let before = numbers.len();
            numbers.extend(self.list(group).map(Some));
            sizes.push(numbers.len() - before);
        }
        let nulls = empty_is_null.then(|| NullBuffer::new(sizes.iter().map(|&size| size > 0).collect()));
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        let values = self.values.gather(&numbers)?;
        ListArray::try_new(Arc::clone(item), OffsetBuffer::from_lengths(sizes), values, nulls)
            .map_err(|e| not_kept(&e))
    }

    /// The values of groups between two phases.
    pub(super) fn partial(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.state_of(groups.map(|group| group as u32))?])
    }

    /// The type of the column that its state is kept in.
    pub(super) fn state_type(&self) -> DataType {
        list_type(self.values.data_type())
    }

    /// The values of groups in their order.
    pub(super) fn state_of(&self, groups: impl Iterator<Item = u32>) -> Result<ArrayRef, Failure> {
        let item = Arc::new(Field::new_list_field(self.values.data_type().clone(), true));
        Ok(Arc::new(self.lists(groups, &item, false)?))
    }

    /// The first value of each group, or the last one; null if it has none.
    pub(super) fn ends(&self, groups: &[u32], last: bool) -> Result<ArrayRef, Failure> {
        let end = |&group: &u32| {
            let ends = self.lists.get(group as usize)?;
            let number = if last { ends.last } else { ends.first };
            (number != NONE).then_some(number)
        };
        self.values.gather(&groups.iter().map(end).collect::<Vec<_>>())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Keeps only these groups, which are numbered in this order from now on.
    pub(super) fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        let (mut numbers, mut ids) = (Vec::new(), Vec::new());
        for (new, &old) in (0_u32..).zip(groups) {
            let before = numbers.len();
            numbers.extend(self.list(old).map(Some));
            ids.resize(ids.len() + numbers.len() - before, new);
        }
        let values = self.values.gather(&numbers)?;
        self.clear();
        self.append_all(&ids, groups.len(), values)
    }

    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.links.clear();
        self.lists.clear();
        self.gone = 0;
        if let Some(index) = &mut self.index {
            index.clear();
        }
    }
}

fn unlink(links: &mut [Link], ends: &mut Ends, number: u32) {
    let Link { previous, next } = links[number as usize];
    match previous {
        NONE => ends.first = next,
        previous => links[previous as usize].next = next,
    }
    match next {
        NONE => ends.last = previous,
        next => links[next as usize].previous = previous,
    }
}

/// The group of each of some rows, of all if none are named.
pub(super) fn ids_of(groups: Groups<'_>, rows: Option<&[u32]>, count: usize) -> Vec<u32> {
    match (groups.ids, rows) {
        (None, _) => vec![0; count],
        (Some(ids), None) => ids.to_vec(),
        (Some(ids), Some(rows)) => rows.iter().map(|&row| ids[row as usize]).collect(),
    }
}
