//! MIN and MAX of numbers, dates and times; of no values null. Floats compare by total order: NaN is the greatest.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp};
use arrow_schema::DataType;
use weir_model::Failure;

use super::{Accumulator, values::Values};
use crate::operator::{columns, keys::Groups};

/// The least value per group, or the greatest.
#[derive(Debug)]
pub(super) struct Extreme<N, const GREATEST: bool> {
    data_type: DataType,
    values: Values<N>,
}

impl<N: ArrowNativeTypeOp, const GREATEST: bool> Extreme<N, GREATEST> {
    /// Of values of this type, whose elements have the size of `N`.
    pub(super) fn new(data_type: DataType) -> Self {
        let initial = if GREATEST {
            N::MIN_TOTAL_ORDER
        } else {
            N::MAX_TOTAL_ORDER
        };
        Self {
            data_type,
            values: Values::new(initial),
        }
    }

    #[inline]
    fn better(best: N, value: N) -> N {
        let wins = if GREATEST {
            value.is_gt(best)
        } else {
            value.is_lt(best)
        };
        if wins { value } else { best }
    }
}

impl<N: ArrowNativeTypeOp, const GREATEST: bool> Accumulator for Extreme<N, GREATEST> {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        let column = column.ok_or_else(|| Failure::internal("a MIN or MAX without an argument"))?;
        self.values.fold(
            groups,
            &columns::values::<N>(column),
            column.nulls(),
            Self::better,
        );
        Ok(())
    }

    fn merge(&mut self, groups: Groups<'_>, partial: &[ArrayRef]) -> Result<(), Failure> {
        self.update(groups, Some(&partial[0]))
    }

    fn partial(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.values.column(&self.data_type, groups)])
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        Ok(self.values.column(&self.data_type, groups))
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        Ok(self.values.column_of(&self.data_type, groups))
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![self.data_type.clone()]
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.finish_of(groups)?])
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.values.keep(groups);
        Ok(())
    }

    fn clear(&mut self) {
        self.values.clear();
    }
}
