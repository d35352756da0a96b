//! Which accumulator an aggregate of the job graph needs, and rows as partial rows of their own.

use std::sync::Arc;

use arrow::compute::is_not_null;
use arrow_array::{Array, ArrayRef, Int64Array, new_null_array};
use arrow_schema::{DECIMAL128_MAX_PRECISION, DataType, Schema};
use weir_functions::wasm::WasmAggregate;
use weir_model::Failure;
use weir_proto::{
    graph::{self, AggregateFunction},
    schema,
};

use super::{
    Accumulator,
    counted::list_type,
    distinct::{self, Distinct, Sees},
    make,
};
use crate::{
    operator::{columns, keys::Groups},
    state::table::Part,
};

/// An aggregate with its types.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(super) function: AggregateFunction,
    /// The argument among the raw input's columns.
    pub(crate) column: Option<usize>,
    /// The type of the argument.
    argument: DataType,
    /// What is kept: the type of the sum for SUM and AVG, of the argument for what keeps values.
    pub(super) state: DataType,
    pub(super) result: DataType,
    /// What stands between the texts of LISTAGG.
    pub(super) separator: String,
    /// Of PERCENTILE, each 0 to 1.
    pub(super) percentages: Vec<f64>,
    /// Whether the argument is a ROW of what is aggregated.
    pub(super) packed: bool,
    /// What computes a user's aggregate.
    pub(super) user: Option<Arc<WasmAggregate>>,
    /// Whether each value of a group is taken once.
    distinct: bool,
    /// Whether rows may be taken back.
    pub(super) retracts: bool,
    /// What its state is of, in SQL's words; may be empty.
    name: String,
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
        let value = match (partial, aggregate.function()) {
            (DataType::List(item), function) if aggregate.distinct || keeps_lists(function) => {
                item.data_type().clone()
            }
            (DataType::Map(entries, _), AggregateFunction::Collect) => key_type(entries.data_type())?,
            (other, _) => other.clone(),
        };
        Self::new(aggregate, aggregate.column.map(|c| c as usize), Some(&value))
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
            separator: aggregate.separator.clone(),
            percentages: aggregate.percentages.clone(),
            packed: aggregate.packed,
            user: user(aggregate)?,
            distinct: aggregate.distinct && !takes_each_once(function),
            retracts: false,
            name: aggregate.name.clone(),
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
            _ if self.distinct => vec![list_type(&self.argument)],
            AggregateFunction::Avg => vec![self.state.clone(), DataType::Int64],
            AggregateFunction::Collect => vec![self.result.clone()],
            AggregateFunction::User => {
                let bytes = self.user.as_ref().map_or(0, |user| user.signature().state_bytes);
                vec![DataType::FixedSizeBinary(bytes as i32), DataType::Int64]
            }
            function if keeps_lists(function) => vec![list_type(&self.state)],
            function if is_spread(function) => vec![DataType::Int64, DataType::Float64, DataType::Float64],
            _ => vec![self.state.clone()],
        }
    }

    /// The type of its result column.
    pub(crate) fn result_type(&self) -> &DataType {
        &self.result
    }

    /// An accumulator without groups.
    pub(crate) fn accumulator(&self) -> Result<Box<dyn Accumulator>, Failure> {
        let inner = make::accumulator(self)?;
        if !self.distinct {
            return Ok(inner);
        }
        let sees = match self.function {
            AggregateFunction::Count => Sees::Rows,
            AggregateFunction::Sum | AggregateFunction::Avg => Sees::All,
            _ => Sees::Turning,
        };
        Ok(Box::new(Distinct::new(inner, self.argument.clone(), sees)?))
    }

    /// The columns that its state is kept in. Rows whose groups it has not seen may begin without, unless rows are taken back from it.
    pub(super) fn part(&self) -> Result<Part, Failure> {
        let mut accumulator = self.accumulator()?;
        let types = accumulator.state_types();
        let one = Groups {
            ids: Some(&[0]),
            rows: 1,
            total: 1,
        };
        let beginning = if self.retracts {
            None
        } else {
            if self.function == AggregateFunction::User && self.argument.is_nested() {
                accumulator.update(one, Some(&new_null_array(&self.argument, 1)))?;
            } else {
                let nulls = self.partial_types();
                let nulls: Vec<ArrayRef> = nulls.iter().map(|t| new_null_array(t, 1)).collect();
                accumulator.merge(one, &nulls)?;
            }
            Some(accumulator.state_of(&[0])?)
        };
        Ok(Part {
            name: self.name.clone(),
            types,
            beginning,
        })
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
            AggregateFunction::Min
            | AggregateFunction::Max
            | AggregateFunction::FirstValue
            | AggregateFunction::LastValue => Ok(vec![Arc::clone(column)]),
            AggregateFunction::Avg => Ok(vec![columns::cast(column, &self.state)?, ones_where_set(column)?]),
            function if keeps_lists(function) => Ok(vec![distinct::partial_of_rows(column)?]),
            _ => {
                let ids: Vec<u32> = (0..rows as u32).collect();
                let each = Groups {
                    ids: Some(&ids),
                    rows,
                    total: rows,
                };
                let mut accumulator = self.accumulator()?;
                accumulator.update(each, Some(column))?;
                accumulator.partial(0..rows)
            }
        }
    }
}

/// How many partial columns an aggregate has.
pub(crate) fn partial_columns(aggregate: &graph::Aggregate) -> usize {
    let function = aggregate.function();
    match function {
        _ if aggregate.distinct && !takes_each_once(function) => 1,
        AggregateFunction::Avg | AggregateFunction::User => 2,
        function if is_spread(function) => 3,
        _ => 1,
    }
}

/// What computes a user's aggregate; its module has come with the job.
fn user(aggregate: &graph::Aggregate) -> Result<Option<Arc<WasmAggregate>>, Failure> {
    let decode = |user: &graph::WasmFunction| WasmAggregate::decode(&user.name, &user.definition);
    let user = aggregate.user.as_ref().map(decode).transpose();
    user.map(|user| user.map(Arc::new)).map_err(Failure::internal)
}

/// Whether equal values make no difference.
fn takes_each_once(function: AggregateFunction) -> bool {
    use AggregateFunction as F;
    matches!(function, F::Min | F::Max | F::FirstValue | F::LastValue)
}

/// Whether lists of values travel between its phases.
fn keeps_lists(function: AggregateFunction) -> bool {
    use AggregateFunction as F;
    matches!(
        function,
        F::Listagg | F::ArrayAgg | F::JsonArrayagg | F::JsonObjectagg | F::Percentile
    )
}

fn is_spread(function: AggregateFunction) -> bool {
    use AggregateFunction as F;
    matches!(function, F::StddevPop | F::StddevSamp | F::VarPop | F::VarSamp)
}

fn key_type(entries: &DataType) -> Result<DataType, Failure> {
    match entries {
        DataType::Struct(fields) if fields.len() == 2 => Ok(fields[0].data_type().clone()),
        other => Err(Failure::internal(format!("a MAP with entries of type {other}"))),
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

/// The type in which an average of an argument of this type sums up.
pub(crate) fn sum_of_average(argument: &DataType) -> Result<DataType, Failure> {
    match argument {
        DataType::Decimal128(_, scale) => Ok(DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale)),
        t if t.is_floating() => Ok(DataType::Float64),
        t if t.is_integer() => Ok(DataType::Int64),
        other => Err(Failure::user(format!(
            "cannot take the average of a column of type {other}"
        ))),
    }
}
