//! SUM: of no values null; integers wrap as Flink's do; a decimal out of its precision is null.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, types::DecimalType};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, NullBuffer};
use arrow_schema::DataType;
use weir_model::Failure;

use super::{Accumulator, values::Values};
use crate::operator::{columns, keys::Groups};

/// A number that can be summed.
pub(in crate::operator) trait Addend: ArrowNativeType + ArrowNativeTypeOp {
    /// The sum; never panics.
    fn plus(self, other: Self) -> Self;

    /// The sum without an addend; never panics.
    fn minus(self, other: Self) -> Self;
}

macro_rules! wrapping {
    ($($native:ty),*) => {
        $(impl Addend for $native {
            #[inline]
            fn plus(self, other: Self) -> Self {
                self.add_wrapping(other)
            }

            #[inline]
            fn minus(self, other: Self) -> Self {
                self.sub_wrapping(other)
            }
        })*
    };
}
wrapping!(i8, i16, i32, i64, f32, f64);

/// A decimal sum that has left the 38 digits. It stays so whatever is added, travels as it is in partial columns, and ends as null.
pub(super) const OVERFLOW: i128 = i128::MAX;

impl Addend for i128 {
    #[inline]
    fn plus(self, other: Self) -> Self {
        if self == OVERFLOW || other == OVERFLOW {
            return OVERFLOW;
        }
        let sum = self.saturating_add(other);
        if fits(sum, arrow_array::types::Decimal128Type::MAX_PRECISION) {
            sum
        } else {
            OVERFLOW
        }
    }

    #[inline]
    fn minus(self, other: Self) -> Self {
        if self == OVERFLOW || other == OVERFLOW {
            return OVERFLOW;
        }
        self.plus(-other)
    }
}

/// Whether an unscaled value has at most `precision` digits.
pub(super) fn fits(value: i128, precision: u8) -> bool {
    value.unsigned_abs() < 10_u128.pow(u32::from(precision))
}

/// The sum per group, in the type of the result.
#[derive(Debug)]
pub(super) struct Sum<N> {
    data_type: DataType,
    sums: Values<N>,
}

impl<N: Addend> Sum<N> {
    /// Sums of this type.
    pub(super) fn new(data_type: DataType) -> Self {
        Self {
            data_type,
            sums: Values::new(N::ZERO),
        }
    }

    /// The sums of any groups.
    pub(super) fn gather(&self, groups: &[u32]) -> Vec<N> {
        self.sums.gather(groups)
    }

    /// Takes addends back. A group without any left still has a sum: whoever takes back must count.
    pub(super) fn subtract(&mut self, groups: Groups<'_>, column: &ArrayRef) -> Result<(), Failure> {
        let column = as_addends(column, &self.data_type)?;
        self.sums
            .fold(groups, &columns::values::<N>(&column), column.nulls(), N::minus);
        Ok(())
    }

    fn result(&self, column: ArrayRef) -> ArrayRef {
        match self.data_type {
            DataType::Decimal128(precision, _) => null_overflow(&column, precision),
            _ => column,
        }
    }

    /// The sums of some groups.
    pub(super) fn get(&self, groups: Range<usize>) -> &[N] {
        self.sums.get(groups)
    }
}

/// The column in the type of its sum; decimals of the same scale as they are.
pub(in crate::operator) fn as_addends(column: &ArrayRef, sum: &DataType) -> Result<ArrayRef, Failure> {
    match (column.data_type(), sum) {
        (DataType::Decimal128(_, from), DataType::Decimal128(_, to)) if from == to => {
            Ok(ArrayRef::clone(column))
        }
        _ => columns::cast(column, sum),
    }
}

impl<N: Addend + std::fmt::Debug> Accumulator for Sum<N> {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        let column = column.ok_or_else(|| Failure::internal("a SUM without an argument"))?;
        let column = as_addends(column, &self.data_type)?;
        self.sums
            .fold(groups, &columns::values::<N>(&column), column.nulls(), N::plus);
        Ok(())
    }

    fn merge(&mut self, groups: Groups<'_>, partial: &[ArrayRef]) -> Result<(), Failure> {
        self.update(groups, Some(&partial[0]))
    }

    fn partial(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.sums.column(&self.data_type, groups)])
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        Ok(self.result(self.sums.column(&self.data_type, groups)))
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        Ok(self.result(self.sums.column_of(&self.data_type, groups)))
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![self.data_type.clone()]
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.sums.column_of(&self.data_type, groups)])
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.sums.keep(groups);
        Ok(())
    }

    fn clear(&mut self) {
        self.sums.clear();
    }
}

/// The decimals, null where one has more digits than the precision.
pub(in crate::operator) fn null_overflow(column: &ArrayRef, precision: u8) -> ArrayRef {
    let values = columns::values::<i128>(column);
    let fitting = NullBuffer::new(BooleanBuffer::collect_bool(values.len(), |i| {
        fits(values[i], precision)
    }));
    let nulls = NullBuffer::union(column.nulls(), Some(&fitting));
    columns::column(column.data_type(), values.to_vec(), nulls)
}
