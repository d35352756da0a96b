//! The accumulators that a type of values needs.

use std::{ops::Range, sync::Arc};

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use weir_model::Failure;
use weir_proto::graph::AggregateFunction;

use super::{
    Accumulator, Count,
    average::Average,
    collect::Collect,
    extreme::Extreme,
    extreme_bytes::ExtremeBytes,
    list::{AsArrayOf, AsText, Listed},
    moments::{Moments, Spread},
    percentile::Percentiles,
    pick::{Pick, RetractablePick},
    retract::{RetractableExtreme, RetractableSum},
    shape::Shape,
    sum::Sum,
    user::User,
};
use crate::operator::{columns, keys::Groups};

/// An accumulator of values that are all different, if only distinct ones count.
pub(super) fn accumulator(shape: &Shape) -> Result<Box<dyn Accumulator>, Failure> {
    use AggregateFunction as F;
    let (state, retracts) = (&shape.state, shape.retracts);
    let spread = |of_sample, deviation| -> Result<Box<dyn Accumulator>, Failure> {
        let spread = Spread { of_sample, deviation };
        Ok(Box::new(Moments::new(spread, shape.result.clone())))
    };
    match shape.function {
        F::Sum if retracts => retractable_sum(state),
        F::Sum => sum(state),
        F::Avg => average(state, &shape.result),
        F::Min if retracts => Ok(Box::new(RetractableExtreme::<false>::new(state)?)),
        F::Max if retracts => Ok(Box::new(RetractableExtreme::<true>::new(state)?)),
        F::Min => extreme::<false>(state),
        F::Max => extreme::<true>(state),
        F::FirstValue if retracts => Ok(Box::new(RetractablePick::<false>::new(state.clone())?)),
        F::LastValue if retracts => Ok(Box::new(RetractablePick::<true>::new(state.clone())?)),
        F::FirstValue => Ok(Box::new(Pick::<false>::new(state.clone()))),
        F::LastValue => Ok(Box::new(Pick::<true>::new(state.clone()))),
        F::Listagg => texts(shape, AsText::joined(&shape.separator)),
        F::JsonArrayagg => texts(shape, AsText::json_array()),
        F::JsonObjectagg => texts(shape, AsText::json_object()),
        F::ArrayAgg => {
            let form = AsArrayOf::new(state, shape.packed, &shape.result)?;
            Ok(Box::new(Listed::new(state.clone(), retracts, form)?))
        }
        F::Percentile => {
            let form = Percentiles::new(shape.percentages.clone(), &shape.result);
            Ok(Box::new(Listed::new(DataType::Float64, retracts, form)?))
        }
        F::Collect => Ok(Box::new(Collect::new(state.clone(), shape.result.clone())?)),
        F::StddevPop => spread(false, true),
        F::StddevSamp => spread(true, true),
        F::VarPop => spread(false, false),
        F::VarSamp => spread(true, false),
        F::User => match &shape.user {
            Some(function) => Ok(Box::new(User::new(Arc::clone(function))?)),
            None => Err(Failure::internal("a user's aggregate without its function")),
        },
        F::CountStar | F::Count | F::Unspecified => Ok(Box::new(Count::default())),
    }
}

fn texts(shape: &Shape, form: AsText) -> Result<Box<dyn Accumulator>, Failure> {
    if shape.state != DataType::Utf8 {
        return Err(Failure::internal(format!(
            "texts of type {} to be joined",
            shape.state
        )));
    }
    Ok(Box::new(Listed::new(DataType::Utf8, shape.retracts, form)?))
}

fn sum(data_type: &DataType) -> Result<Box<dyn Accumulator>, Failure> {
    let t = data_type.clone();
    Ok(match data_type {
        DataType::Int8 => Box::new(Sum::<i8>::new(t)),
        DataType::Int16 => Box::new(Sum::<i16>::new(t)),
        DataType::Int32 => Box::new(Sum::<i32>::new(t)),
        DataType::Int64 => Box::new(Sum::<i64>::new(t)),
        DataType::Float32 => Box::new(Sum::<f32>::new(t)),
        DataType::Float64 => Box::new(Sum::<f64>::new(t)),
        DataType::Decimal128(..) => Box::new(Sum::<i128>::new(t)),
        other => return Err(Failure::user(format!("cannot sum a column of type {other}"))),
    })
}

fn retractable_sum(data_type: &DataType) -> Result<Box<dyn Accumulator>, Failure> {
    let t = data_type.clone();
    Ok(match data_type {
        DataType::Int8 => Box::new(RetractableSum::<i8>::new(t)),
        DataType::Int16 => Box::new(RetractableSum::<i16>::new(t)),
        DataType::Int32 => Box::new(RetractableSum::<i32>::new(t)),
        DataType::Int64 => Box::new(RetractableSum::<i64>::new(t)),
        DataType::Float32 => Box::new(RetractableSum::<f32>::new(t)),
        DataType::Float64 => Box::new(RetractableSum::<f64>::new(t)),
        DataType::Decimal128(..) => Box::new(RetractableSum::<i128>::new(t)),
        other => return Err(Failure::user(format!("cannot sum a column of type {other}"))),
    })
}

fn average(sum: &DataType, result: &DataType) -> Result<Box<dyn Accumulator>, Failure> {
    let (t, r) = (sum.clone(), result.clone());
    Ok(match sum {
        DataType::Int64 => Box::new(Average::<i64>::new(t, r)),
        DataType::Float64 => Box::new(Average::<f64>::new(t, r)),
        DataType::Decimal128(..) => Box::new(Average::<i128>::new(t, r)),
        other => return Err(Failure::internal(format!("an average from sums of type {other}"))),
    })
}

fn extreme<const GREATEST: bool>(data_type: &DataType) -> Result<Box<dyn Accumulator>, Failure> {
    let t = data_type.clone();
    Ok(match data_type {
        DataType::Boolean => Box::new(BooleanExtreme {
            inner: Extreme::<i8, GREATEST>::new(DataType::Int8),
        }),
        DataType::Int8 => Box::new(Extreme::<i8, GREATEST>::new(t)),
        DataType::Int16 => Box::new(Extreme::<i16, GREATEST>::new(t)),
        DataType::Int32 | DataType::Date32 | DataType::Time32(_) => {
            Box::new(Extreme::<i32, GREATEST>::new(t))
        }
        DataType::Int64
        | DataType::Date64
        | DataType::Time64(_)
        | DataType::Timestamp(..)
        | DataType::Duration(_) => Box::new(Extreme::<i64, GREATEST>::new(t)),
        DataType::UInt8 => Box::new(Extreme::<u8, GREATEST>::new(t)),
        DataType::UInt16 => Box::new(Extreme::<u16, GREATEST>::new(t)),
        DataType::UInt32 => Box::new(Extreme::<u32, GREATEST>::new(t)),
        DataType::UInt64 => Box::new(Extreme::<u64, GREATEST>::new(t)),
        DataType::Float32 => Box::new(Extreme::<f32, GREATEST>::new(t)),
        DataType::Float64 => Box::new(Extreme::<f64, GREATEST>::new(t)),
        DataType::Decimal128(..) => Box::new(Extreme::<i128, GREATEST>::new(t)),
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => Box::new(ExtremeBytes::<GREATEST>::new(t)),
        other => {
            return Err(Failure::user(format!(
                "cannot take MIN or MAX of a column of type {other}"
            )));
        }
    })
}

/// MIN and MAX of booleans, as 0 and 1.
#[derive(Debug)]
struct BooleanExtreme<const GREATEST: bool> {
    inner: Extreme<i8, GREATEST>,
}

impl<const GREATEST: bool> Accumulator for BooleanExtreme<GREATEST> {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        let bits = column.map(|c| columns::cast(c, &DataType::Int8)).transpose()?;
        self.inner.update(groups, bits.as_ref())
    }

    fn merge(&mut self, groups: Groups<'_>, partial: &[ArrayRef]) -> Result<(), Failure> {
        self.update(groups, partial.first())
    }

    fn partial(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.finish(groups)?])
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        columns::cast(&self.inner.finish(groups)?, &DataType::Boolean)
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        columns::cast(&self.inner.finish_of(groups)?, &DataType::Boolean)
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Boolean]
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.finish_of(groups)?])
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.inner.keep(groups)
    }

    fn clear(&mut self) {
        self.inner.clear();
    }
}
