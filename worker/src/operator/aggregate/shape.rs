//! Which accumulator an aggregate of the job graph needs, and rows as partial rows of their own.

use std::{ops::Range, sync::Arc};

use arrow::compute::is_not_null;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::{DECIMAL128_MAX_PRECISION, DataType, Schema};
use weir_model::Failure;
use weir_proto::{
    graph::{self, AggregateFunction},
    schema,
};

use super::{
    Accumulator, Count,
    average::Average,
    distinct::{self, Distinct},
    extreme::Extreme,
    extreme_bytes::ExtremeBytes,
    retract::{RetractableExtreme, RetractableSum},
    sum::Sum,
};
use crate::operator::{columns, keys::Groups};

/// An aggregate with its types.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    function: AggregateFunction,
    /// The argument among the raw input's columns.
    pub(crate) column: Option<usize>,
    /// The type of the argument.
    argument: DataType,
    /// What is kept: the type of the sum for SUM and AVG, of the argument for MIN and MAX.
    state: DataType,
    result: DataType,
    /// Whether each value of a group is taken once.
    distinct: bool,
    /// Whether rows may be taken back.
    retracts: bool,
}

/// The aggregates of an operator.
pub(crate) type Shapes = Vec<Shape>;

impl Shape {
    /// An aggregate over raw rows.
    pub(crate) fn of_raw(aggregate: &graph::Aggregate, input: &Schema) -> Result<Self, Failure> {
        let column = aggregate.column.map(|c| c as usize);
        let argument = column
            .map(|c| {
                let field = input.fields().get(c);
                field.ok_or_else(|| {
                    Failure::internal(format!("an aggregate of column {c}, which does not exist"))
                })
            })
            .transpose()?
            .map(|field| field.data_type());
        Self::new(aggregate, column, argument)
    }

    /// An aggregate over partial rows, its first partial column of this type.
    pub(crate) fn of_partial(aggregate: &graph::Aggregate, partial: &DataType) -> Result<Self, Failure> {
        let value = match partial {
            // The values of DISTINCT.
            DataType::List(item) if aggregate.distinct => item.data_type(),
            other => other,
        };
        Self::new(aggregate, aggregate.column.map(|c| c as usize), Some(value))
    }

    fn new(
        aggregate: &graph::Aggregate,
        column: Option<usize>,
        argument: Option<&DataType>,
    ) -> Result<Self, Failure> {
        let function = aggregate.function();
        let result = schema::decode(&aggregate.result)
            .map_err(|e| Failure::internal(format!("the result of an aggregate cannot be read: {e}")))?;
        let result = match result.fields().as_ref() {
            [field] => field.data_type().clone(),
            fields => {
                return Err(Failure::internal(format!(
                    "an aggregate with {} results",
                    fields.len()
                )));
            }
        };
        let given = argument.cloned().unwrap_or(DataType::Int64);
        let argument = match (function, argument) {
            (AggregateFunction::Unspecified, _) => {
                return Err(Failure::internal(
                    "an aggregate function that this version does not know",
                ));
            }
            (AggregateFunction::CountStar | AggregateFunction::Count, _) => &DataType::Int64,
            (_, Some(argument)) => argument,
            (function, None) => {
                return Err(Failure::internal(format!(
                    "{} without an argument",
                    function.as_str_name()
                )));
            }
        };
        let state = match function {
            AggregateFunction::Sum => result.clone(),
            AggregateFunction::Avg => sum_of_average(argument)?,
            _ => argument.clone(),
        };
        Ok(Self {
            function,
            column,
            argument: given,
            state,
            result,
            distinct: aggregate.distinct
                && !matches!(function, AggregateFunction::Min | AggregateFunction::Max),
            retracts: false,
        })
    }

    /// The same, with the means to take rows back.
    pub(crate) fn retracting(self) -> Self {
        Self {
            retracts: true,
            ..self
        }
    }

    /// Whether it counts all rows.
    pub(crate) fn is_count_star(&self) -> bool {
        self.function == AggregateFunction::CountStar
    }

    /// The types of its partial columns.
    pub(crate) fn partial_types(&self) -> Vec<DataType> {
        match self.function {
            _ if self.distinct => vec![distinct::partial_type(&self.argument)],
            AggregateFunction::Avg => vec![self.state.clone(), DataType::Int64],
            _ => vec![self.state.clone()],
        }
    }

    /// The type of its result column.
    pub(crate) fn result_type(&self) -> &DataType {
        &self.result
    }

    /// An accumulator without groups.
    pub(crate) fn accumulator(&self) -> Result<Box<dyn Accumulator>, Failure> {
        let inner = match self.function {
            AggregateFunction::Sum if self.retracts => retractable_sum(&self.state),
            AggregateFunction::Min if self.retracts => {
                Ok(Box::new(RetractableExtreme::<false>::new(&self.state)?) as _)
            }
            AggregateFunction::Max if self.retracts => {
                Ok(Box::new(RetractableExtreme::<true>::new(&self.state)?) as _)
            }
            _ => self.plain(),
        }?;
        if self.distinct {
            let counts = self.function == AggregateFunction::Count;
            return Ok(Box::new(Distinct::new(inner, self.argument.clone(), counts)?));
        }
        Ok(inner)
    }

    fn plain(&self) -> Result<Box<dyn Accumulator>, Failure> {
        match self.function {
            AggregateFunction::Sum => sum(&self.state),
            AggregateFunction::Avg => average(&self.state, &self.result),
            AggregateFunction::Min => extreme::<false>(&self.state),
            AggregateFunction::Max => extreme::<true>(&self.state),
            AggregateFunction::CountStar | AggregateFunction::Count | AggregateFunction::Unspecified => {
                Ok(Box::new(Count::default()))
            }
        }
    }

    /// The partial columns of rows that are partial rows of their own.
    pub(crate) fn partial_of_rows(
        &self,
        column: Option<&ArrayRef>,
        rows: usize,
    ) -> Result<Vec<ArrayRef>, Failure> {
        let Some(column) = column else {
            return Ok(vec![ones(rows)]);
        };
        match self.function {
            _ if self.distinct => Ok(vec![distinct::partial_of_rows(column)?]),
            AggregateFunction::CountStar | AggregateFunction::Unspecified => Ok(vec![ones(rows)]),
            AggregateFunction::Count => Ok(vec![ones_where_set(column)?]),
            AggregateFunction::Sum => Ok(vec![columns::cast(column, &self.state)?]),
            AggregateFunction::Min | AggregateFunction::Max => Ok(vec![Arc::clone(column)]),
            AggregateFunction::Avg => Ok(vec![columns::cast(column, &self.state)?, ones_where_set(column)?]),
        }
    }
}

/// A count of one for every row.
pub(crate) fn ones(rows: usize) -> ArrayRef {
    Arc::new(Int64Array::from(vec![1; rows]))
}

fn ones_where_set(column: &ArrayRef) -> Result<ArrayRef, Failure> {
    if column.logical_null_count() == 0 {
        return Ok(ones(column.len()));
    }
    let set = is_not_null(column).map_err(|e| Failure::internal(format!("cannot count values: {e}")))?;
    columns::cast(&(Arc::new(set) as ArrayRef), &DataType::Int64)
}

fn sum_of_average(argument: &DataType) -> Result<DataType, Failure> {
    match argument {
        DataType::Decimal128(_, scale) => Ok(DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale)),
        t if t.is_floating() => Ok(DataType::Float64),
        t if t.is_integer() => Ok(DataType::Int64),
        other => Err(Failure::user(format!(
            "cannot take the average of a column of type {other}"
        ))),
    }
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

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.inner.keep(groups)
    }

    fn clear(&mut self) {
        self.inner.clear();
    }
}
