//! Accumulators of groups that come and go one by one: sessions, counted windows.
//!
//! A group that has gone leaves its place empty until so many are that [`Slots::keep`] packs the others.

use std::{ops::Range, sync::Arc};

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_select::{concat::concat, take::take};
use weir_model::Failure;

use crate::{
    operator::{
        aggregate::{Accumulators, Shapes, parts},
        keys::{GroupTable, Groups},
    },
    state::table::Part,
};

/// Places between two wanted ones that are read along, rather than reading each on its own.
const READ_ALONG: u32 = 64;

/// Raw rows and aggregates per slot.
#[derive(Debug)]
pub(super) struct Slots {
    aggregates: Accumulators,
    parts: Vec<Part>,
}

impl Slots {
    /// No slots yet.
    pub(super) fn new(shapes: &Shapes) -> Result<Self, Failure> {
        Ok(Self {
            aggregates: Accumulators::new(shapes)?,
            parts: parts(shapes)?,
        })
    }

    /// Takes raw rows: the slot of each, how many slots there are, and per aggregate its argument. Every new slot has a row.
    pub(super) fn update(
        &mut self,
        slots: &[u32],
        total: usize,
        arguments: &[Option<ArrayRef>],
    ) -> Result<(), Failure> {
        let groups = Groups {
            ids: Some(slots),
            rows: slots.len(),
            total,
        };
        self.aggregates.update(groups, arguments)
    }

    /// Gives a slot's rows to another.
    pub(super) fn move_rows(&mut self, from: u32, into: u32, total: usize) -> Result<(), Failure> {
        let groups = Groups {
            ids: Some(&[into]),
            rows: 1,
            total,
        };
        self.aggregates.move_rows(from, groups)
    }

    /// The result columns of some slots.
    pub(super) fn results(&self, slots: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        self.aggregates.results_of(slots)
    }

    /// The columns that the state of a slot is kept in.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The state of any slots, a row each. Leaves it as it is.
    pub(super) fn state_of(&self, slots: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        self.aggregates.state_of(slots)
    }

    /// Takes the state of new slots, of which there are so many then, as `state_of` gave it.
    pub(super) fn restore(&mut self, slots: &[u32], total: usize, state: &[ArrayRef]) -> Result<(), Failure> {
        let groups = Groups {
            ids: Some(slots),
            rows: slots.len(),
            total,
        };
        self.aggregates.restore(groups, state)
    }

    /// Drops all slots but these, which get the numbers from 0 on.
    pub(super) fn keep(&mut self, live: &[u32]) -> Result<(), Failure> {
        self.aggregates.keep(live)
    }
}

/// The key columns of some keys of a table, in this order.
pub(super) fn key_columns(table: &GroupTable, keys: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
    gather(keys, |range| table.keys(range))
}

/// The columns of scattered places, in the order of these: near ones are read together.
fn gather(
    places: &[u32],
    columns: impl Fn(Range<usize>) -> Result<Vec<ArrayRef>, Failure>,
) -> Result<Vec<ArrayRef>, Failure> {
    let mut order: Vec<u32> = (0..places.len() as u32).collect();
    order.sort_unstable_by_key(|&i| places[i as usize]);
    let mut pieces: Vec<Vec<ArrayRef>> = Vec::new();
    // Where each place's value lies in the pieces, one behind the other.
    let mut position = vec![0_u32; places.len()];
    let (mut read, mut i) = (0, 0);
    while i < order.len() {
        let first = places[order[i] as usize];
        let mut last = first;
        while i < order.len() && places[order[i] as usize] <= last.saturating_add(READ_ALONG) {
            last = places[order[i] as usize];
            position[order[i] as usize] = read + (last - first);
            i += 1;
        }
        pieces.push(columns(first as usize..last as usize + 1)?);
        read += last - first + 1;
    }
    if pieces.is_empty() {
        return columns(0..0);
    }
    let wrong = |e| Failure::internal(format!("cannot gather the values of windows: {e}"));
    let positions = UInt32Array::from(position);
    let straight = read as usize == places.len() && positions.values().iter().zip(0..).all(|(p, i)| *p == i);
    (0..pieces[0].len())
        .map(|column| {
            let parts: Vec<&dyn Array> = pieces.iter().map(|piece| piece[column].as_ref()).collect();
            let all = match parts.as_slice() {
                [_] => Arc::clone(&pieces[0][column]),
                _ => concat(&parts).map_err(wrong)?,
            };
            if straight {
                return Ok(all);
            }
            take(&all, &positions, None).map_err(wrong)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, cast::AsArray, types::Int64Type};

    use super::*;

    #[test]
    fn scattered_places_come_in_the_order_in_which_they_are_asked_for() {
        let read = |places: &[u32]| {
            let squares = |range: Range<usize>| {
                Ok(vec![
                    Arc::new(range.map(|n| (n * n) as i64).collect::<Int64Array>()) as ArrayRef,
                ])
            };
            gather(places, squares).expect("gathers")[0]
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        };
        assert_eq!(read(&[]), [] as [i64; 0]);
        assert_eq!(read(&[2, 3, 4]), [4, 9, 16]);
        assert_eq!(read(&[9, 2, 2000, 3, 2]), [81, 4, 4_000_000, 9, 4]);
    }
}
