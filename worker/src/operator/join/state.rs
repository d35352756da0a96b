//! The state of a join: both sides over one table of keys. Nothing outside this file and `side` holds any.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use weir_model::Failure;

use super::side::Side;
use crate::operator::keys::GroupTable;

/// The rows of both inputs by key.
#[derive(Debug)]
pub(super) struct State {
    keys: GroupTable,
    /// By port: left, right.
    sides: [Side; 2],
}

impl State {
    pub(super) fn new(keys: &[DataType], sides: [Side; 2]) -> Result<Self, Failure> {
        Ok(Self {
            keys: GroupTable::new(keys)?,
            sides,
        })
    }

    /// The groups of rows with these keys.
    pub(super) fn groups(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>, Failure> {
        let groups = self.keys.intern(keys, rows)?;
        let ids = groups.ids.map_or_else(|| vec![0; rows], <[u32]>::to_vec);
        let total = groups.total;
        self.sides.iter_mut().for_each(|side| side.reserve_groups(total));
        Ok(ids)
    }

    /// The side of a port, and the other one.
    pub(super) fn sides(&mut self, port: usize) -> (&mut Side, &mut Side) {
        let [left, right] = &mut self.sides;
        if port == 0 { (left, right) } else { (right, left) }
    }
}
