//! The rows of a state, as columns in chunks. Nothing outside this file holds any.
//!
//! A row has a slot, which stays while chunks are joined and their dead rows dropped.

use arrow_array::{Array, ArrayRef};
use arrow_select::interleave::interleave;
use weir_model::Failure;

/// Marks a row of the batch at hand, by its number, where slots stand.
pub(in crate::operator) const FRESH: u32 = 1 << 31;
/// No row, where [`RowStore::column`] is to give a null.
pub(in crate::operator) const NO_ROW: u32 = u32::MAX;
/// The slot of a dead row.
const DEAD: u32 = u32::MAX;
/// Rows of a joined chunk at most; smaller chunks are joined when there are many.
const CHUNK_ROWS: usize = 8192;
/// So many dead rows are not worth the work.
const SPARE_ROWS: usize = 16_384;
/// So many small chunks are not worth the work.
const SPARE_CHUNKS: usize = 32;

/// Rows by slot.
#[derive(Debug, Default)]
pub(in crate::operator) struct RowStore {
    chunks: Vec<Chunk>,
    /// Empty places in `chunks`.
    free_chunks: Vec<u32>,
    /// Chunk and row of each slot.
    places: Vec<(u32, u32)>,
    free_slots: Vec<u32>,
    live: usize,
    stored: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    columns: Vec<ArrayRef>,
    /// The slot of each row.
    owners: Vec<u32>,
    live: usize,
}

impl RowStore {
    /// Keeps some rows of a batch; `slots` gets the slot of each.
    ///
    /// Rows come in ascending order. When most are kept, the batch is kept as it is, without a copy.
    pub(in crate::operator) fn add(
        &mut self,
        columns: &[ArrayRef],
        batch_rows: usize,
        rows: &[u32],
        slots: &mut Vec<u32>,
    ) -> Result<(), Failure> {
        slots.clear();
        if rows.is_empty() {
            return Ok(());
        }
        let keeps_all = rows.len() * 4 >= batch_rows * 3;
        let chunk = self.free_chunks.pop().unwrap_or_else(|| {
            self.chunks.push(Chunk::default());
            self.chunks.len() as u32 - 1
        });
        let mut owners = vec![DEAD; if keeps_all { batch_rows } else { rows.len() }];
        for (i, &row) in rows.iter().enumerate() {
            let at = if keeps_all { row } else { i as u32 };
            let slot = self.slot((chunk, at));
            owners[at as usize] = slot;
            slots.push(slot);
        }
        let columns = if keeps_all {
            columns.to_vec()
        } else {
            let rows: arrow_array::UInt32Array = rows.to_vec().into();
            let take = |column: &ArrayRef| arrow_select::take::take(column, &rows, None);
            columns
                .iter()
                .map(take)
                .collect::<Result<_, _>>()
                .map_err(broken)?
        };
        self.live += rows.len();
        self.stored += owners.len();
        self.chunks[chunk as usize] = Chunk {
            columns,
            owners,
            live: rows.len(),
        };
        Ok(())
    }

    fn slot(&mut self, place: (u32, u32)) -> u32 {
        if let Some(slot) = self.free_slots.pop() {
            self.places[slot as usize] = place;
            return slot;
        }
        assert!(
            self.places.len() < FRESH as usize,
            "a state holds fewer than 2^31 rows"
        );
        self.places.push(place);
        self.places.len() as u32 - 1
    }

    /// Forgets a row.
    pub(in crate::operator) fn remove(&mut self, slot: u32) {
        let (chunk, row) = self.places[slot as usize];
        let place = &mut self.chunks[chunk as usize];
        place.owners[row as usize] = DEAD;
        place.live -= 1;
        self.live -= 1;
        self.free_slots.push(slot);
        if place.live == 0 {
            self.drop_chunk(chunk);
        }
    }

    fn drop_chunk(&mut self, chunk: u32) {
        let dropped = std::mem::take(&mut self.chunks[chunk as usize]);
        self.stored -= dropped.owners.len();
        self.free_chunks.push(chunk);
    }

    /// The columns of these rows: slots, or rows of the fresh batch by [`FRESH`] and their number.
    pub(in crate::operator) fn gather(
        &self,
        rows: &[u32],
        fresh: &[ArrayRef],
        columns: usize,
    ) -> Result<Vec<ArrayRef>, Failure> {
        self.gather_columns(rows, fresh, 0..columns)
    }

    /// Some of the columns of these rows, of which there is at least one.
    pub(in crate::operator) fn gather_columns(
        &self,
        rows: &[u32],
        fresh: &[ArrayRef],
        columns: impl IntoIterator<Item = usize>,
    ) -> Result<Vec<ArrayRef>, Failure> {
        let (sources, picks) = self.places(rows, fresh);
        let column = |c: usize| {
            let arrays: Vec<&dyn Array> = sources.iter().map(|s| s[c].as_ref()).collect();
            interleave(&arrays, &picks).map_err(broken)
        };
        columns.into_iter().map(column).collect()
    }

    /// One column of these rows, as [`gather`](Self::gather) names them; null for [`NO_ROW`].
    pub(in crate::operator) fn column(
        &self,
        rows: &[u32],
        fresh: &[ArrayRef],
        column: usize,
    ) -> Result<ArrayRef, Failure> {
        if rows.iter().all(|row| *row & FRESH != 0) {
            let row = |row: &u32| (*row != NO_ROW).then_some(row & !FRESH);
            let rows: arrow_array::UInt32Array = rows.iter().map(row).collect();
            return arrow_select::take::take(&fresh[column], &rows, None).map_err(broken);
        }
        let (sources, picks) = self.places(rows, fresh);
        let none = arrow_array::new_null_array(fresh[column].data_type(), 1);
        let columns = sources.iter().map(|s| s.get(column).unwrap_or(&none).as_ref());
        interleave(&columns.collect::<Vec<_>>(), &picks).map_err(broken)
    }

    /// The chunks that rows are in, the fresh batch among them, and the chunk and row of each; no columns for [`NO_ROW`].
    fn places<'a>(
        &'a self,
        rows: &[u32],
        fresh: &'a [ArrayRef],
    ) -> (Vec<&'a [ArrayRef]>, Vec<(usize, usize)>) {
        const UNUSED: usize = usize::MAX;
        let mut sources: Vec<&[ArrayRef]> = Vec::new();
        let mut source_of = vec![UNUSED; self.chunks.len() + 2];
        let mut picks = Vec::with_capacity(rows.len());
        for &row in rows {
            let (source, at, arrays) = if row == NO_ROW {
                (self.chunks.len() + 1, 0, &[][..])
            } else if row & FRESH != 0 {
                (self.chunks.len(), row & !FRESH, fresh)
            } else {
                let (chunk, at) = self.places[row as usize];
                (chunk as usize, at, self.chunks[chunk as usize].columns.as_slice())
            };
            if source_of[source] == UNUSED {
                source_of[source] = sources.len();
                sources.push(arrays);
            }
            picks.push((source_of[source], at as usize));
        }
        (sources, picks)
    }

    /// Drops dead rows when they are most of what is kept, and joins small chunks when there are many.
    pub(in crate::operator) fn tidy(&mut self) -> Result<(), Failure> {
        let chunks = self.chunks.len() - self.free_chunks.len();
        let is_sparse = self.stored > 2 * self.live + SPARE_ROWS;
        let is_scattered = chunks > SPARE_CHUNKS + 2 * self.live / CHUNK_ROWS;
        if !is_sparse && !is_scattered {
            return Ok(());
        }
        let worth = |chunk: &Chunk| {
            chunk.live > 0 && (chunk.live * 2 < chunk.owners.len() || chunk.owners.len() < CHUNK_ROWS / 2)
        };
        let chosen: Vec<u32> = (0..self.chunks.len() as u32)
            .filter(|c| worth(&self.chunks[*c as usize]))
            .collect();
        let slots: Vec<u32> = chosen
            .iter()
            .flat_map(|c| self.chunks[*c as usize].owners.iter().copied())
            .filter(|slot| *slot != DEAD)
            .collect();
        let Some(width) = chosen.first().map(|c| self.chunks[*c as usize].columns.len()) else {
            return Ok(());
        };
        let joined = slots
            .chunks(CHUNK_ROWS)
            .map(|slots| self.gather(slots, &[], width))
            .collect::<Result<Vec<_>, _>>()?;
        for chunk in chosen {
            self.drop_chunk(chunk);
        }
        for (columns, owners) in joined.into_iter().zip(slots.chunks(CHUNK_ROWS)) {
            let chunk = self.free_chunks.pop().unwrap_or_else(|| {
                self.chunks.push(Chunk::default());
                self.chunks.len() as u32 - 1
            });
            for (row, slot) in owners.iter().enumerate() {
                self.places[*slot as usize] = (chunk, row as u32);
            }
            self.stored += owners.len();
            self.chunks[chunk as usize] = Chunk {
                columns,
                owners: owners.to_vec(),
                live: owners.len(),
            };
        }
        Ok(())
    }

    /// Rows kept for their slots, and rows kept in all.
    #[cfg(test)]
    pub(in crate::operator) fn sizes(&self) -> (usize, usize) {
        (self.live, self.stored)
    }
}

fn broken(error: arrow_schema::ArrowError) -> Failure {
    Failure::internal(format!("the rows of a rank cannot be gathered: {error}"))
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::Arc};

    use arrow_array::{Int64Array, cast::AsArray, types::Int64Type};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_keep_their_slots_while_chunks_are_joined(
            batches in prop::collection::vec((1..400_usize, 1..5_usize, 0..4_usize), 1..150)
        ) {
            let mut store = RowStore::default();
            let mut kept: HashMap<u32, i64> = HashMap::new();
            let mut next = 0;
            for (size, step, removed) in batches {
                let values: Vec<i64> = (next..next + size as i64).collect();
                next += size as i64;
                let column: ArrayRef = Arc::new(Int64Array::from(values.clone()));
                let rows: Vec<u32> = (0..size as u32).step_by(step).collect();
                let mut slots = Vec::new();
                store.add(&[column], size, &rows, &mut slots).expect("fits");
                for (slot, row) in slots.iter().zip(&rows) {
                    prop_assert_eq!(kept.insert(*slot, values[*row as usize]), None);
                }
                let gone: Vec<u32> = kept.keys().copied().filter(|s| *s as usize % 4 < removed).collect();
                for slot in gone {
                    store.remove(slot);
                    kept.remove(&slot);
                }
                store.tidy().expect("fits");
                let (live, stored) = store.sizes();
                prop_assert_eq!(live, kept.len());
                prop_assert!(stored <= 2 * live + SPARE_ROWS + 400);
            }
            let slots: Vec<u32> = kept.keys().copied().collect();
            let gathered = store.gather(&slots, &[], 1).expect("fits");
            if !slots.is_empty() {
                let values: Vec<i64> = slots.iter().map(|s| kept[s]).collect();
                prop_assert_eq!(gathered[0].as_primitive::<Int64Type>().values().as_ref(), values.as_slice());
            }
        }
    }
}
