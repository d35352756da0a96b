//! SUM and AVG: of no values null, with the types, the overflow and the rounding of the aggregates of groups.

use std::{fmt::Debug, sync::Arc};

use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType;
use weir_model::Failure;

use super::{
    call::{Function, of as carried_of, restore},
    count::counts,
    frame::{Fold, Frame},
    rows::Rows,
};
use crate::operator::{
    aggregate::{Addend, Divide, as_addends, null_overflow, sum_of_average},
    columns,
};

/// Makes results of sums, counts, the type of the sums and the type of the results.
type Finish<N> = fn(&[N], &[i64], &DataType, &DataType) -> Result<ArrayRef, Failure>;

/// The sum of the frame's values, and how many there are.
#[derive(Debug)]
struct Sum<N> {
    argument: usize,
    frame: Frame,
    sum_type: DataType,
    result: DataType,
    finish: Finish<N>,
    sums: Vec<N>,
    counts: Vec<i64>,
}

/// SUM of an argument.
pub(super) fn sum(argument: usize, frame: Frame, result: &DataType) -> Result<Box<dyn Function>, Failure> {
    match result {
        DataType::Int8 => Ok(of(argument, frame, result, result, sums::<i8>)),
        DataType::Int16 => Ok(of(argument, frame, result, result, sums::<i16>)),
        DataType::Int32 => Ok(of(argument, frame, result, result, sums::<i32>)),
        DataType::Int64 => Ok(of(argument, frame, result, result, sums::<i64>)),
        DataType::Float32 => Ok(of(argument, frame, result, result, sums::<f32>)),
        DataType::Float64 => Ok(of(argument, frame, result, result, sums::<f64>)),
        DataType::Decimal128(..) => Ok(of(argument, frame, result, result, sums::<i128>)),
        other => Err(Failure::user(format!("cannot sum a column of type {other}"))),
    }
}

/// AVG of an argument of this type.
pub(super) fn average(
    argument: usize,
    frame: Frame,
    given: &DataType,
    result: &DataType,
) -> Result<Box<dyn Function>, Failure> {
    let sum = &sum_of_average(given)?;
    match sum {
        DataType::Int64 => Ok(of(argument, frame, sum, result, i64::averages)),
        DataType::Float64 => Ok(of(argument, frame, sum, result, f64::averages)),
        DataType::Decimal128(..) => Ok(of(argument, frame, sum, result, i128::averages)),
        other => Err(Failure::internal(format!("an average from sums of type {other}"))),
    }
}

fn of<N: Addend + Debug>(
    argument: usize,
    frame: Frame,
    sum_type: &DataType,
    result: &DataType,
    finish: Finish<N>,
) -> Box<dyn Function> {
    Box::new(Sum {
        argument,
        frame,
        sum_type: sum_type.clone(),
        result: result.clone(),
        finish,
        sums: Vec::new(),
        counts: Vec::new(),
    })
}

/// Sums as a column.
#[allow(clippy::unnecessary_wraps, reason = "one of several ways to finish")]
fn sums<N: Addend>(sums: &[N], counts: &[i64], _: &DataType, result: &DataType) -> Result<ArrayRef, Failure> {
    let set = NullBuffer::new(BooleanBuffer::collect_bool(counts.len(), |i| counts[i] > 0));
    let column = columns::column(result, sums.to_vec(), Some(set));
    Ok(match result {
        DataType::Decimal128(precision, _) => null_overflow(&column, *precision),
        _ => column,
    })
}

impl<N: Addend + Debug> Function for Sum<N> {
    fn compute(&mut self, rows: &Rows) -> Result<ArrayRef, Failure> {
        let column = &rows.columns[self.argument];
        let counts = counts(self.frame, rows, Some(column), &mut self.counts);
        let addends = as_addends(column, &self.sum_type)?;
        let values = columns::values::<N>(&addends);
        let (neutral, combine) = (N::ZERO, N::plus);
        let sums = match addends.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => {
                let item = |row: usize| values[row];
                let fold = Fold {
                    neutral,
                    item,
                    combine,
                };
                self.frame.fold(rows, &mut self.sums, fold)
            }
            Some(nulls) => {
                let item = |row: usize| if nulls.is_valid(row) { values[row] } else { N::ZERO };
                let fold = Fold {
                    neutral,
                    item,
                    combine,
                };
                self.frame.fold(rows, &mut self.sums, fold)
            }
        };
        (self.finish)(&sums, &counts, &self.sum_type, &self.result)
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.sums = carried_of(&self.sums, groups, N::ZERO);
        self.counts = carried_of(&self.counts, groups, 0);
        Ok(())
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![self.sum_type.clone(), DataType::Int64]
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let sums = carried_of(&self.sums, groups, N::ZERO);
        let counts = carried_of(&self.counts, groups, 0);
        Ok(vec![
            columns::column(&self.sum_type, sums, None),
            Arc::new(Int64Array::from(counts)),
        ])
    }

    fn restore(&mut self, groups: &[u32], total: usize, state: &[ArrayRef]) -> Result<(), Failure> {
        let (sums, counts) = (columns::values::<N>(&state[0]), columns::values::<i64>(&state[1]));
        restore(&mut self.sums, groups, total, &sums, N::ZERO);
        restore(&mut self.counts, groups, total, &counts, 0);
        Ok(())
    }
}
