//! Functions that pick one of the frame's values: MIN, MAX, FIRST_VALUE and LAST_VALUE; of no values null. Nulls are no values.

use std::cmp::Ordering;

use arrow::array::make_comparator;
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, UInt32Array, new_empty_array};
use arrow_buffer::NullBuffer;
use arrow_schema::{ArrowError, DataType, SortOptions};
use arrow_select::{concat::concat, take::take};
use weir_model::Failure;

use super::{
    call::{Function, of},
    frame::{Fold, Frame, PerSegment, Reach},
    rows::Rows,
};
use crate::operator::{
    columns,
    rank::rows::{NO_ROW, RowStore},
};

/// No value, and no slot of one.
const NONE: u32 = NO_ROW;

/// Which value is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Picks {
    Least,
    Greatest,
    First,
    Last,
}

/// A value of the frame.
#[derive(Debug)]
pub(super) struct Pick {
    picks: Picks,
    argument: usize,
    frame: Frame,
    /// The type of the values.
    value: DataType,
    /// Values that were picked of all rows of a key so far.
    carried: RowStore,
    /// The slot of each key's.
    slots: Vec<u32>,
}

impl Pick {
    pub(super) fn new(picks: Picks, argument: usize, frame: Frame, value: DataType) -> Self {
        Self {
            picks,
            argument,
            frame,
            value,
            carried: RowStore::default(),
            slots: Vec::new(),
        }
    }

    /// The carried values of the segments that have one, and which of them each segment has.
    fn load(&mut self, rows: &Rows) -> Result<(Option<ArrayRef>, Vec<u32>), Failure> {
        let carries = rows.carries && self.frame.reach == Reach::First;
        if !carries {
            return Ok((None, vec![NONE; rows.segments.len()]));
        }
        self.slots.resize(rows.groups, NONE);
        let mut slots = Vec::new();
        let mut places = Vec::with_capacity(rows.segments.len());
        for segment in &rows.segments {
            let slot = self.slots[segment.group as usize];
            places.push(if slot == NONE { NONE } else { slots.len() as u32 });
            slots.extend((slot != NONE).then_some(slot));
        }
        if slots.is_empty() {
            return Ok((None, places));
        }
        Ok((self.carried.gather(&slots, &[], 1)?.pop(), places))
    }

    /// Keeps the picked values of segments, which were at other places before.
    fn store(
        &mut self,
        rows: &Rows,
        values: &ArrayRef,
        before: &[u32],
        after: &[u32],
    ) -> Result<(), Failure> {
        let mut changed: Vec<(u32, u32)> = Vec::new();
        for ((segment, before), after) in rows.segments.iter().zip(before).zip(after) {
            if before != after {
                changed.push((*after, segment.group));
            }
        }
        changed.sort_unstable();
        let places: Vec<u32> = changed.iter().map(|(place, _)| *place).collect();
        let mut slots = Vec::new();
        self.carried
            .add(std::slice::from_ref(values), values.len(), &places, &mut slots)?;
        for ((_, group), slot) in changed.into_iter().zip(slots) {
            let old = std::mem::replace(&mut self.slots[group as usize], slot);
            if old != NONE {
                self.carried.remove(old);
            }
        }
        self.carried.tidy()
    }

    /// The place of each wanted row's pick among values of which so many stand before the rows.
    fn places(
        &self,
        rows: &Rows,
        values: &ArrayRef,
        carried: usize,
        carry: &mut PerSegment<u32>,
    ) -> Result<Vec<u32>, Failure> {
        use DataType as T;
        let nulls = rows.columns[self.argument].logical_nulls();
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        let nulls = nulls.as_ref();
        Ok(match (self.picks, values.data_type()) {
            (Picks::First, _) => self.folded(rows, carried, nulls, carry, |a, _| a),
            (Picks::Last, _) => self.folded(rows, carried, nulls, carry, |_, b| b),
            (_, T::Int32 | T::Date32 | T::Time32(_)) => {
                self.of_numbers::<i32>(rows, values, carried, nulls, carry)
            }
            (_, T::Int64 | T::Time64(_) | T::Timestamp(..)) => {
                self.of_numbers::<i64>(rows, values, carried, nulls, carry)
            }
            (_, T::Float64) => self.of_numbers::<f64>(rows, values, carried, nulls, carry),
            (_, T::Decimal128(..)) => self.of_numbers::<i128>(rows, values, carried, nulls, carry),
            _ => {
                let compare = make_comparator(values, values, SortOptions::default()).map_err(broken)?;
                let better = self.better(|a, b| compare(a as usize, b as usize));
                self.folded(rows, carried, nulls, carry, better)
            }
        })
    }

    fn of_numbers<N: ArrowNativeTypeOp>(
        &self,
        rows: &Rows,
        values: &ArrayRef,
        carried: usize,
        nulls: Option<&NullBuffer>,
        carry: &mut PerSegment<u32>,
    ) -> Vec<u32> {
        let values = columns::values::<N>(values);
        let better = self.better(|a, b| values[a as usize].compare(values[b as usize]));
        self.folded(rows, carried, nulls, carry, better)
    }

    /// The better one of two places; of equal values the earlier one.
    fn better(&self, compare: impl Fn(u32, u32) -> Ordering) -> impl Fn(u32, u32) -> u32 {
        let wins = if self.picks == Picks::Least {
            Ordering::Less
        } else {
            Ordering::Greater
        };
        move |a, b| if compare(b, a) == wins { b } else { a }
    }

    fn folded(
        &self,
        rows: &Rows,
        carried: usize,
        nulls: Option<&NullBuffer>,
        carry: &mut PerSegment<u32>,
        better: impl Fn(u32, u32) -> u32,
    ) -> Vec<u32> {
        let combine = |a: u32, b: u32| match (a, b) {
            (NONE, other) | (other, NONE) => other,
            (a, b) => better(a, b),
        };
        let item = |row: usize| {
            if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
                (carried + row) as u32
            } else {
                NONE
            }
        };
        let fold = Fold {
            neutral: NONE,
            item,
            combine,
        };
        self.frame.fold_from(rows, carry, fold)
    }
}

impl Function for Pick {
    fn compute(&mut self, rows: &Rows) -> Result<ArrayRef, Failure> {
        let (carried, before) = self.load(rows)?;
        let column = &rows.columns[self.argument];
        let values = match &carried {
            Some(carried) => concat(&[carried, column]).map_err(broken)?,
            None => ArrayRef::clone(column),
        };
        let mut carry = PerSegment(before.clone());
        let places = self.places(rows, &values, carried.map_or(0, |c| c.len()), &mut carry)?;
        if rows.carries && self.frame.reach == Reach::First {
            self.store(rows, &values, &before, &carry.0)?;
        }
        let places: UInt32Array = places.into_iter().map(|p| (p != NONE).then_some(p)).collect();
        take(&values, &places, None).map_err(broken)
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        let mut stays = vec![false; self.slots.len()];
        for &group in groups {
            if let Some(stays) = stays.get_mut(group as usize) {
                *stays = true;
            }
        }
        for (slot, stays) in self.slots.iter().zip(stays) {
            if !stays && *slot != NONE {
                self.carried.remove(*slot);
            }
        }
        self.slots = of(&self.slots, groups, NONE);
        self.carried.tidy()
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![self.value.clone()]
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let slots = of(&self.slots, groups, NONE);
        let no_values = [new_empty_array(&self.value)];
        Ok(vec![self.carried.column(&slots, &no_values, 0)?])
    }

    fn restore(&mut self, groups: &[u32], total: usize, state: &[ArrayRef]) -> Result<(), Failure> {
        let nulls = state[0].logical_nulls();
        let rows = 0..groups.len() as u32;
        let picked: Vec<u32> = match &nulls {
            Some(nulls) => rows.filter(|row| nulls.is_valid(*row as usize)).collect(),
            None => rows.collect(),
        };
        let mut slots = Vec::new();
        self.carried.add(state, groups.len(), &picked, &mut slots)?;
        self.slots.resize(total, NONE);
        for (row, slot) in picked.into_iter().zip(slots) {
            self.slots[groups[row as usize] as usize] = slot;
        }
        self.carried.tidy()
    }
}

fn broken(error: ArrowError) -> Failure {
    Failure::internal(format!("a value of a frame cannot be picked: {error}"))
}
