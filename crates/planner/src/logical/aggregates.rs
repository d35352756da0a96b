//! The aggregate functions: their names and Flink's result types. They plan only; workers compute them natively.

use std::{
    hash::Hash,
    sync::{Arc, LazyLock},
};

use arrow_schema::{DataType, FieldRef};
use datafusion_common::{Result, ScalarValue, not_impl_err, plan_err};
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility, function::AccumulatorArgs,
};
use weir_proto::{convert::sql_type, graph::AggregateFunction};

/// An aggregate function of Flink's.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FlinkAggregate {
    name: &'static str,
    function: Function,
    signature: Signature,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Function {
    Count,
    Sum,
    Min,
    Max,
    Avg,
}

static AGGREGATES: LazyLock<Vec<Arc<AggregateUDF>>> = LazyLock::new(|| {
    [
        ("count", Function::Count),
        ("sum", Function::Sum),
        ("min", Function::Min),
        ("max", Function::Max),
        ("avg", Function::Avg),
    ]
    .into_iter()
    .map(|(name, function)| {
        let signature = Signature::any(1, Volatility::Immutable);
        Arc::new(AggregateUDF::new_from_impl(FlinkAggregate {
            name,
            function,
            signature,
        }))
    })
    .collect()
});

/// The aggregate function of that name, in lowercase.
pub(crate) fn aggregate(name: &str) -> Option<Arc<AggregateUDF>> {
    AGGREGATES.iter().find(|f| f.name() == name).cloned()
}

/// The operator's function of that name; COUNT is of an argument.
pub(crate) fn operator_function(name: &str) -> Option<AggregateFunction> {
    Some(match name {
        "count" => AggregateFunction::Count,
        "sum" => AggregateFunction::Sum,
        "min" => AggregateFunction::Min,
        "max" => AggregateFunction::Max,
        "avg" => AggregateFunction::Avg,
        _ => return None,
    })
}

impl AggregateUDFImpl for FlinkAggregate {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let [argument] = arguments else {
            return plan_err!("{} takes one argument", self.name.to_uppercase());
        };
        result_type(self.function, argument).map_or_else(
            || {
                plan_err!(
                    "{} of the type {} is not supported",
                    self.name.to_uppercase(),
                    sql_type(argument)
                )
            },
            Ok,
        )
    }

    fn is_nullable(&self) -> bool {
        self.function != Function::Count
    }

    /// What it gives of no rows, where a subquery counts those that belong to an outer row.
    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        match self.function {
            Function::Count => Ok(ScalarValue::Int64(Some(0))),
            _ => ScalarValue::try_from(data_type),
        }
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        not_impl_err!("{} is computed by workers", self.name)
    }

    fn state_fields(&self, _: datafusion_expr::function::StateFieldsArgs) -> Result<Vec<FieldRef>> {
        not_impl_err!("{} is computed by workers", self.name)
    }
}

/// Flink's result types: SUM keeps the type (DECIMAL widens to 38 digits), AVG of integers truncates to their type.
fn result_type(function: Function, argument: &DataType) -> Option<DataType> {
    use DataType as T;
    let numeric = matches!(
        argument,
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Float32 | T::Float64 | T::Decimal128(..)
    );
    match function {
        Function::Count => Some(T::Int64),
        Function::Sum | Function::Avg if !numeric => None,
        Function::Sum => Some(match argument {
            T::Decimal128(_, scale) => T::Decimal128(38, *scale),
            other => other.clone(),
        }),
        Function::Avg => Some(match argument {
            T::Decimal128(_, scale) => T::Decimal128(38, (*scale).max(6)),
            other => other.clone(),
        }),
        Function::Min | Function::Max => is_ordered(argument).then(|| argument.clone()),
    }
}

fn is_ordered(data_type: &DataType) -> bool {
    use DataType as T;
    matches!(
        data_type,
        T::Boolean
            | T::Int8
            | T::Int16
            | T::Int32
            | T::Int64
            | T::Float32
            | T::Float64
            | T::Decimal128(..)
            | T::Utf8
            | T::Date32
            | T::Time32(_)
            | T::Time64(_)
            | T::Timestamp(..)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_types_are_flinks() {
        let of = |function, argument| result_type(function, &argument);
        assert_eq!(of(Function::Sum, DataType::Int32), Some(DataType::Int32));
        assert_eq!(
            of(Function::Sum, DataType::Decimal128(10, 2)),
            Some(DataType::Decimal128(38, 2))
        );
        assert_eq!(of(Function::Avg, DataType::Int64), Some(DataType::Int64));
        assert_eq!(
            of(Function::Avg, DataType::Decimal128(10, 2)),
            Some(DataType::Decimal128(38, 6))
        );
        assert_eq!(of(Function::Count, DataType::Utf8), Some(DataType::Int64));
        assert_eq!(of(Function::Sum, DataType::Utf8), None);
        assert_eq!(of(Function::Max, DataType::Utf8), Some(DataType::Utf8));
    }
}
