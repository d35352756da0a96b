//! Group tables: rows' keys to dense group numbers, and back to key columns.
//!
//! - `slots`: the open-addressing table under all of them. Leans on nothing.
//! - `word`: one fixed-width key of at most 8 bytes. Leans on `slots`.
//! - `bytes`: byte strings: one string key, or compound keys as `arrow-row` bytes. Leans on `slots`.
//! - `pairs`: a group and one of its values. Leans on all of the above.

mod bytes;
mod pairs;
mod slots;
mod word;

use std::{ops::Range, sync::Arc};

use arrow_array::{
    ArrayRef, RecordBatch,
    cast::AsArray,
    types::{Float32Type, Float64Type},
};
use arrow_schema::{DataType, SchemaRef};
use weir_model::Failure;

use bytes::{RowTable, StringTable};
pub(super) use pairs::{NO_PAIR, PairTable};
use word::WordTable;

/// The groups of a batch's rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Groups<'a> {
    /// The group of each row; none: all rows are of group 0.
    pub(super) ids: Option<&'a [u32]>,
    /// How many rows.
    pub(super) rows: usize,
    /// How many groups there are in all.
    pub(super) total: usize,
}

/// Numbers distinct keys in the order in which they are first seen.
#[derive(Debug)]
pub(super) struct GroupTable {
    keys: Keys,
    ids: Vec<u32>,
}

#[derive(Debug)]
enum Keys {
    /// No key columns: one group, once there are rows.
    Global {
        seen: bool,
    },
    Word(WordTable),
    String(StringTable),
    Rows(RowTable),
}

impl GroupTable {
    /// An empty table for keys of these types.
    pub(super) fn new(types: &[DataType]) -> Result<Self, Failure> {
        let keys = match types {
            [] => Keys::Global { seen: false },
            [key] if WordTable::supports(key) => Keys::Word(WordTable::new(key.clone())),
            [key] if StringTable::supports(key) => Keys::String(StringTable::new(key.clone())),
            _ => Keys::Rows(RowTable::new(types)?),
        };
        Ok(Self {
            keys,
            ids: Vec::new(),
        })
    }

    /// The groups of rows with these keys; new keys get the next numbers.
    pub(super) fn intern(&mut self, columns: &[ArrayRef], rows: usize) -> Result<Groups<'_>, Failure> {
        self.ids.clear();
        match &mut self.keys {
            Keys::Global { seen } => {
                *seen |= rows > 0;
                return Ok(Groups {
                    ids: None,
                    rows,
                    total: usize::from(*seen),
                });
            }
            Keys::Word(table) => table.intern(&normal(&columns[0]), &mut self.ids),
            Keys::String(table) => table.intern(&columns[0], &mut self.ids),
            Keys::Rows(table) => {
                let columns: Vec<ArrayRef> = columns.iter().map(normal).collect();
                table.intern(&columns, &mut self.ids)?;
            }
        }
        let total = self.len();
        Ok(Groups {
            ids: Some(&self.ids),
            rows,
            total,
        })
    }

    /// Gives the keys of these groups new groups, with the next numbers in this order; the old ones are found no more.
    ///
    /// Without key columns, all is forgotten instead.
    pub(super) fn renew(&mut self, groups: &[u32]) {
        match &mut self.keys {
            Keys::Global { seen } => *seen &= groups.is_empty(),
            Keys::Word(table) => table.renew(groups),
            Keys::String(table) => table.renew(groups),
            Keys::Rows(table) => table.renew(groups),
        }
    }

    /// How many groups there are.
    pub(super) fn len(&self) -> usize {
        match &self.keys {
            Keys::Global { seen } => usize::from(*seen),
            Keys::Word(table) => table.len(),
            Keys::String(table) => table.len(),
            Keys::Rows(table) => table.len(),
        }
    }

    /// The key columns of some groups, in their order.
    pub(super) fn keys(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        match &self.keys {
            Keys::Global { .. } => Ok(Vec::new()),
            Keys::Word(table) => Ok(vec![table.keys(groups)]),
            Keys::String(table) => Ok(vec![table.keys(groups)?]),
            Keys::Rows(table) => table.keys(groups),
        }
    }

    /// The key columns of any groups.
    pub(super) fn keys_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        match &self.keys {
            Keys::Global { .. } => Ok(Vec::new()),
            Keys::Word(table) => Ok(vec![table.keys_of(groups)]),
            Keys::String(table) => Ok(vec![table.keys_of(groups)?]),
            Keys::Rows(table) => table.keys_of(groups),
        }
    }

    /// Forgets all keys and keeps the memory.
    pub(super) fn clear(&mut self) {
        match &mut self.keys {
            Keys::Global { seen } => *seen = false,
            Keys::Word(table) => table.clear(),
            Keys::String(table) => table.clear(),
            Keys::Rows(table) => table.clear(),
        }
    }
}

/// The types of the keys by which rows of two inputs meet, which are the same on both.
pub(super) fn common_types(
    inputs: [&SchemaRef; 2],
    keys: &[Vec<usize>; 2],
) -> Result<Vec<DataType>, Failure> {
    let types = |side: usize| -> Option<Vec<DataType>> {
        let field = |key: &usize| inputs[side].fields().get(*key).map(|f| f.data_type().clone());
        keys[side].iter().map(field).collect()
    };
    let left = types(0).filter(|left| types(1).as_ref() == Some(left));
    left.ok_or_else(|| Failure::internal("the keys of a join do not fit together"))
}

/// Some columns of rows, as [`normal`] makes them: keys as tables of state have them.
pub(super) fn normal_columns(batch: &RecordBatch, columns: &[usize]) -> Vec<ArrayRef> {
    columns
        .iter()
        .map(|column| normal(batch.column(*column)))
        .collect()
}

/// Floats with one bit pattern per value, as the exchange hashes them: -0.0 is 0.0, and there is one NaN. Other columns as they are.
pub(super) fn normal(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float32 => {
            let one = |v: f32| if v.is_nan() { f32::NAN } else { v + 0.0 };
            Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float32Type>(one))
        }
        DataType::Float64 => {
            let one = |v: f64| if v.is_nan() { f64::NAN } else { v + 0.0 };
            Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(one))
        }
        _ => Arc::clone(column),
    }
}

#[cfg(test)]
mod tests;
