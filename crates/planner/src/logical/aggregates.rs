//! The aggregate functions: their names and Flink's result types. They plan only; workers compute them natively.

use std::{
    hash::Hash,
    ops::RangeInclusive,
    sync::{Arc, LazyLock},
};

use arrow_schema::{DataType, Field, FieldRef, Fields};
use datafusion_common::{Result, ScalarValue, not_impl_err, plan_err};
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility, expr::AggregateFunctionParams,
    function::AccumulatorArgs,
};
use weir_proto::{convert::sql_type, graph::AggregateFunction as F};

/// An aggregate function of Flink's.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FlinkAggregate {
    name: &'static str,
    function: F,
    signature: Signature,
}

/// The functions by their names in lowercase; `$` begins those that others are rewritten to.
const NAMES: &[(&str, F)] = &[
    ("$json_arrayagg", F::JsonArrayagg),
    ("$json_objectagg", F::JsonObjectagg),
    ("array_agg", F::ArrayAgg),
    ("avg", F::Avg),
    ("collect", F::Collect),
    ("count", F::Count),
    ("first_value", F::FirstValue),
    ("last_value", F::LastValue),
    ("listagg", F::Listagg),
    ("max", F::Max),
    ("min", F::Min),
    ("percentile", F::Percentile),
    ("stddev_pop", F::StddevPop),
    ("stddev_samp", F::StddevSamp),
    ("sum", F::Sum),
    ("var_pop", F::VarPop),
    ("var_samp", F::VarSamp),
    ("variance", F::VarSamp),
];

static AGGREGATES: LazyLock<Vec<Arc<AggregateUDF>>> = LazyLock::new(|| {
    let udf = |&(name, function): &(&'static str, F)| {
        Arc::new(AggregateUDF::new_from_impl(FlinkAggregate {
            name,
            function,
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    };
    NAMES.iter().map(udf).collect()
});

/// The aggregate function of that name, in lowercase.
pub(crate) fn aggregate(name: &str) -> Option<Arc<AggregateUDF>> {
    AGGREGATES.iter().find(|f| f.name() == name).cloned()
}

/// The operator's function of that name; COUNT is of an argument.
pub(crate) fn operator_function(name: &str) -> Option<F> {
    let mut names = NAMES.iter();
    names.find(|(own, _)| *own == name).map(|(_, function)| *function)
}

/// How many arguments the function of a name takes, in any case; JSON's with their clause.
pub(crate) fn argument_counts(name: &str) -> RangeInclusive<usize> {
    match name.to_uppercase().as_str() {
        "COUNT" => 1..=usize::MAX,
        "PERCENTILE" => 2..=2,
        "LISTAGG" | "JSON_ARRAYAGG" => 1..=2,
        "JSON_OBJECTAGG" => 2..=3,
        _ => 1..=1,
    }
}

/// Whether equal values make no difference to a function.
pub(crate) fn takes_each_once(function: F) -> bool {
    matches!(function, F::Min | F::Max | F::FirstValue | F::LastValue)
}

impl AggregateUDFImpl for FlinkAggregate {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if argument_counts(self.name).contains(&given.len()) {
            return Ok(given.to_vec());
        }
        plan_err!(
            "{} does not take {} arguments",
            self.name.to_uppercase(),
            given.len()
        )
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let Some(argument) = arguments.first() else {
            return plan_err!("{} takes an argument", self.name.to_uppercase());
        };
        let result = match arguments {
            [_, DataType::List(_)] if self.function == F::Percentile => result_type(self.function, argument)
                .map(|one| DataType::List(Arc::new(Field::new_list_field(one, true)))),
            _ => result_type(self.function, argument),
        };
        result.map_or_else(
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

    fn supports_null_handling_clause(&self) -> bool {
        self.function == F::ArrayAgg
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        Ok(column_name(self.name, params))
    }

    fn is_nullable(&self) -> bool {
        let never = [F::Count, F::Collect, F::JsonArrayagg, F::JsonObjectagg];
        !never.contains(&self.function)
    }

    /// What it gives of no rows, where a subquery counts those that belong to an outer row.
    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        match self.function {
            F::Count => Ok(ScalarValue::Int64(Some(0))),
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

/// A name that no other aggregate of a query has: with the types that arguments are cast to.
pub(crate) fn column_name(name: &str, params: &AggregateFunctionParams) -> String {
    let args: Vec<String> = params.args.iter().map(ToString::to_string).collect();
    let distinct = if params.distinct { "DISTINCT " } else { "" };
    let nulls = params.null_treatment.map(|nulls| format!(" {nulls}"));
    let filter = params
        .filter
        .as_ref()
        .map(|filter| format!(" FILTER (WHERE {filter})"));
    format!(
        "{name}({distinct}{}){}{}",
        args.join(", "),
        nulls.unwrap_or_default(),
        filter.unwrap_or_default()
    )
}

/// Flink's result types: SUM keeps the type (DECIMAL widens to 38 digits), AVG and the like of integers truncate to their type.
fn result_type(function: F, argument: &DataType) -> Option<DataType> {
    use DataType as T;
    let numeric = matches!(
        argument,
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Float32 | T::Float64 | T::Decimal128(..)
    );
    match function {
        F::Count => Some(T::Int64),
        F::Sum => numeric.then(|| match argument {
            T::Decimal128(_, scale) => T::Decimal128(38, *scale),
            other => other.clone(),
        }),
        F::Avg | F::StddevPop | F::StddevSamp | F::VarPop | F::VarSamp => numeric.then(|| match argument {
            T::Decimal128(_, scale) => T::Decimal128(38, (*scale).max(6)),
            other => other.clone(),
        }),
        F::Percentile => numeric.then_some(T::Float64),
        F::Min | F::Max => is_ordered(argument).then(|| argument.clone()),
        F::FirstValue | F::LastValue => (!argument.is_null()).then(|| argument.clone()),
        F::Listagg | F::JsonArrayagg | F::JsonObjectagg => is_text(argument).then_some(T::Utf8),
        F::ArrayAgg => Some(T::List(Arc::new(Field::new_list_field(plain(argument), true)))),
        F::Collect => (!holds_map(argument)).then(|| multiset(plain(argument))),
        F::CountStar | F::Unspecified | F::User => None,
    }
}

/// A MULTISET: a MAP from each value to how often it is there.
pub(crate) fn multiset(value: DataType) -> DataType {
    let entries = Fields::from(vec![
        Field::new("keys", value, false),
        Field::new("values", DataType::Int32, true),
    ]);
    DataType::Map(
        Arc::new(Field::new("entries", DataType::Struct(entries), false)),
        false,
    )
}

/// Whether values of a type cannot be compared as wholes.
pub(crate) fn holds_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => true,
        DataType::List(item) => holds_map(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| holds_map(field.data_type())),
        _ => false,
    }
}

/// The one representation of texts that state knows.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        other => other.clone(),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Null
    )
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
        assert_eq!(of(F::Sum, DataType::Int32), Some(DataType::Int32));
        assert_eq!(
            of(F::Sum, DataType::Decimal128(10, 2)),
            Some(DataType::Decimal128(38, 2))
        );
        assert_eq!(of(F::Avg, DataType::Int64), Some(DataType::Int64));
        assert_eq!(
            of(F::Avg, DataType::Decimal128(10, 2)),
            Some(DataType::Decimal128(38, 6))
        );
        assert_eq!(of(F::Count, DataType::Utf8), Some(DataType::Int64));
        assert_eq!(of(F::Sum, DataType::Utf8), None);
        assert_eq!(of(F::Max, DataType::Utf8), Some(DataType::Utf8));
        assert_eq!(of(F::VarPop, DataType::Int32), Some(DataType::Int32));
        assert_eq!(
            of(F::StddevSamp, DataType::Decimal128(10, 8)),
            Some(DataType::Decimal128(38, 8))
        );
        assert_eq!(of(F::Listagg, DataType::Int32), None);
    }
}
