//! RANK and DENSE_RANK: of rows that order alike the same.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use arrow_schema::DataType;
use weir_model::Failure;

use super::{
    call::{Function, of, restore},
    rows::Rows,
};
use crate::operator::columns;

/// The place of a row among those of its key.
#[derive(Debug)]
pub(super) struct Number {
    /// Whether rows that order alike count as one.
    is_dense: bool,
    /// How many rows of a key came before; if dense, how many that order differently.
    before: Vec<i64>,
}

impl Number {
    pub(super) fn new(is_dense: bool) -> Self {
        Self {
            is_dense,
            before: Vec::new(),
        }
    }
}

impl Function for Number {
    fn compute(&mut self, rows: &Rows) -> Result<ArrayRef, Failure> {
        if rows.carries {
            self.before.resize(rows.groups, 0);
        }
        let mut results = Vec::with_capacity(rows.wanted());
        for segment in &rows.segments {
            let from = rows.from(segment);
            let group = segment.group as usize;
            let mut before = if rows.carries { self.before[group] } else { 0 };
            let mut rank = before;
            for row in from..segment.end {
                // What was carried is of rows that order differently.
                let ties = row > from && rows.ties_with_previous(row);
                before += i64::from(!self.is_dense || !ties);
                if !ties {
                    rank = before;
                }
                if row >= segment.first {
                    results.push(rank);
                }
            }
            if rows.carries {
                self.before[group] = before;
            }
        }
        Ok(Arc::new(Int64Array::from(results)))
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.before = of(&self.before, groups, 0);
        Ok(())
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Int64]
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![Arc::new(Int64Array::from(of(&self.before, groups, 0)))])
    }

    fn restore(&mut self, groups: &[u32], total: usize, state: &[ArrayRef]) -> Result<(), Failure> {
        let before = columns::values::<i64>(&state[0]);
        restore(&mut self.before, groups, total, &before, 0);
        Ok(())
    }
}
