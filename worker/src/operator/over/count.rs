//! COUNT(*), COUNT(column) and ROW_NUMBER.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::DataType;
use weir_model::Failure;

use super::{
    call::{Function, of, restore},
    frame::{Fold, Frame},
    rows::Rows,
};
use crate::operator::columns;

/// Rows in the frame, or rows with a value.
#[derive(Debug)]
pub(super) struct Count {
    argument: Option<usize>,
    frame: Frame,
    counts: Vec<i64>,
}

impl Count {
    /// Of an argument's values; none: of rows.
    pub(super) fn new(argument: Option<usize>, frame: Frame) -> Self {
        Self {
            argument,
            frame,
            counts: Vec::new(),
        }
    }
}

impl Function for Count {
    fn compute(&mut self, rows: &Rows) -> Result<ArrayRef, Failure> {
        let column = self.argument.map(|argument| &rows.columns[argument]);
        let counts = counts(self.frame, rows, column, &mut self.counts);
        Ok(Arc::new(Int64Array::from(counts)))
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.counts = of(&self.counts, groups, 0);
        Ok(())
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Int64]
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![Arc::new(Int64Array::from(of(&self.counts, groups, 0)))])
    }

    fn restore(&mut self, groups: &[u32], total: usize, state: &[ArrayRef]) -> Result<(), Failure> {
        let counts = columns::values::<i64>(&state[0]);
        restore(&mut self.counts, groups, total, &counts, 0);
        Ok(())
    }
}

/// How many rows with a value the frame of each wanted row has; without a column, how many rows.
pub(super) fn counts(frame: Frame, rows: &Rows, column: Option<&ArrayRef>, carry: &mut Vec<i64>) -> Vec<i64> {
    let nulls = column.and_then(Array::logical_nulls);
    let combine = |a: i64, b: i64| a + b;
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        None => {
            let item = |_| 1;
            let fold = Fold {
                neutral: 0,
                item,
                combine,
            };
            frame.fold(rows, carry, fold)
        }
        Some(nulls) => {
            let item = |row| i64::from(nulls.is_valid(row));
            let fold = Fold {
                neutral: 0,
                item,
                combine,
            };
            frame.fold(rows, carry, fold)
        }
    }
}
