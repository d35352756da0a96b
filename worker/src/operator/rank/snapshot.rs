//! What a snapshot says of a rank's rows.

use weir_model::Failure;

use super::{Shape, rows::RowStore};
use crate::{
    operator::keys::GroupTable,
    state::{NumberedRows, Snapshot},
};

/// What a snapshot says of rows.
#[derive(Debug, Default)]
pub(super) struct Said {
    written: Places,
    /// Where each written row is kept.
    slots: Vec<u32>,
    gone: Places,
}

/// Rows by their groups and their numbers in them.
#[derive(Debug, Default)]
struct Places {
    groups: Vec<u32>,
    numbers: Vec<i64>,
}

impl Said {
    /// A row is there, in this slot.
    pub(super) fn write(&mut self, group: u32, number: i64, slot: u32) {
        self.written.groups.push(group);
        self.written.numbers.push(number);
        self.slots.push(slot);
    }

    /// A row is there no longer.
    pub(super) fn delete(&mut self, group: u32, number: i64) {
        self.gone.groups.push(group);
        self.gone.numbers.push(number);
    }

    /// Says it of the first table of a snapshot.
    pub(super) fn tell(
        &self,
        shape: &Shape,
        groups: &GroupTable,
        rows: &RowStore,
        into: &mut Snapshot,
    ) -> Result<(), Failure> {
        let chunk = into.chunk_rows();
        for (of, numbers) in self.gone.chunks(chunk) {
            into.delete(0, NumberedRows::key(groups.keys_of(of)?, numbers.to_vec()))?;
        }
        for ((of, numbers), slots) in self.written.chunks(chunk).zip(self.slots.chunks(chunk)) {
            let mut columns = NumberedRows::key(groups.keys_of(of)?, numbers.to_vec());
            columns.extend(rows.gather_columns(slots, &[], shape.kept.values().iter().copied())?);
            into.write(0, columns)?;
        }
        Ok(())
    }
}

impl Places {
    fn chunks(&self, rows: usize) -> impl Iterator<Item = (&[u32], &[i64])> {
        let numbers = self.numbers.chunks(rows);
        self.groups.chunks(rows).zip(numbers)
    }
}
