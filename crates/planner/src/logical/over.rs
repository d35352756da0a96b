//! Functions that stand OVER a window and are no aggregates, as DataFusion's planner sees them. They plan only; workers compute them.

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::{Result, ScalarValue, not_impl_err, plan_err};
use datafusion_expr::{
    Expr, PartitionEvaluator, Signature, Volatility, WindowFunctionDefinition, WindowUDF, WindowUDFImpl,
    function::{PartitionEvaluatorArgs, WindowUDFFieldArgs},
    planner::{ExprPlanner, PlannerResult, RawWindowExpr},
};
use weir_proto::graph::over_function::Kind;

/// Their names, how many arguments they take, and what they are to operators; ROW_NUMBER is [`ranking`](super::ranking)'s.
const FUNCTIONS: [(&str, std::ops::RangeInclusive<usize>, Kind); 5] = [
    ("rank", 0..=0, Kind::Rank),
    ("dense_rank", 0..=0, Kind::DenseRank),
    ("lag", 1..=3, Kind::Lag),
    ("first_value", 1..=1, Kind::FirstValue),
    ("last_value", 1..=1, Kind::LastValue),
];

static PLANNED: LazyLock<Vec<Arc<WindowUDF>>> = LazyLock::new(|| {
    let plan = |(name, _, kind)| {
        let signature = match kind {
            Kind::RowNumber | Kind::Rank | Kind::DenseRank => Signature::nullary(Volatility::Immutable),
            Kind::Lag | Kind::FirstValue | Kind::LastValue => Signature::variadic_any(Volatility::Immutable),
        };
        Arc::new(WindowUDF::new_from_impl(Planned {
            name,
            kind,
            signature,
        }))
    };
    FUNCTIONS.into_iter().map(plan).collect()
});

/// The function of that name, in any case.
pub(crate) fn function(name: &str) -> Option<Arc<WindowUDF>> {
    PLANNED
        .iter()
        .find(|f| f.name().eq_ignore_ascii_case(name))
        .cloned()
}

/// How many arguments the function of that name takes, in any case.
pub(crate) fn arity(name: &str) -> Option<std::ops::RangeInclusive<usize>> {
    let known = |(known, ..): &&(&str, _, _)| known.eq_ignore_ascii_case(name);
    FUNCTIONS.iter().find(known).map(|(_, arity, _)| arity.clone())
}

/// What the function of that name, in lowercase, is to operators.
pub(crate) fn kind(name: &str) -> Option<Kind> {
    if name == super::ranking::ROW_NUMBER {
        return Some(Kind::RowNumber);
    }
    FUNCTIONS
        .iter()
        .find(|(known, ..)| *known == name)
        .map(|(.., kind)| *kind)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Planned {
    name: &'static str,
    kind: Kind,
    signature: Signature,
}

impl WindowUDFImpl for Planned {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, _args: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        not_impl_err!("{} is computed by workers", self.name)
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        let field = match (self.kind, args.get_input_field(0)) {
            (Kind::RowNumber | Kind::Rank | Kind::DenseRank, _) => {
                Field::new(args.name(), DataType::Int64, false)
            }
            (_, Some(argument)) => Field::new(args.name(), argument.data_type().clone(), true),
            (_, None) => return plan_err!("{} needs an argument", self.name.to_uppercase()),
        };
        Ok(Arc::new(field))
    }
}

/// Plans COUNT(*) OVER as a count of constants, as it is planned in groups.
#[derive(Debug)]
pub(crate) struct CountRows;

impl ExprPlanner for CountRows {
    fn plan_window(&self, mut call: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        // The form that COUNT(*) has until it is planned.
        #[expect(deprecated)]
        let is_star = matches!(call.args.as_slice(), [] | [Expr::Wildcard { .. }]);
        let is_count =
            matches!(&call.func_def, WindowFunctionDefinition::AggregateUDF(udf) if udf.name() == "count");
        if is_count && is_star {
            call.args = vec![Expr::Literal(ScalarValue::Int64(Some(1)), None)];
        }
        Ok(PlannerResult::Original(call))
    }
}
