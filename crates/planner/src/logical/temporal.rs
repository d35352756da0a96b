//! Joins with a table as of a time of the left rows, and their plan node.
//!
//! DataFusion's planner sees a join with one more condition, which says the time; once types are coerced, that join becomes a node of
//! ours, so that no rule takes it for a join of all rows: what is asked of the right rows is asked of the version that is
//! valid, and never decides which one that is.

use std::{
    any::Any,
    cmp::Ordering,
    collections::HashSet,
    fmt,
    sync::{Arc, LazyLock},
};

use arrow_schema::DataType;
use datafusion_common::{
    DFSchema, DFSchemaRef, DataFusionError, Result, internal_err, not_impl_err, tree_node::Transformed,
};
use datafusion_expr::{
    ColumnarValue, Expr, Extension, Filter, Join, JoinType, LogicalPlan, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, UserDefinedLogicalNodeCore, Volatility,
    logical_plan::build_join_schema,
    utils::{conjunction, split_conjunction_owned},
};
use datafusion_optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use weir_model::Location;

use super::expr_place;
use crate::{error, parse::temporal::AS_OF};

#[derive(Debug, PartialEq, Eq, Hash)]
struct AsOf {
    signature: Signature,
}

static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::any(1, Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(AsOf { signature }))
});

/// The mark of the time, if that is the function's name.
pub(crate) fn function(name: &str) -> Option<Arc<ScalarUDF>> {
    name.eq_ignore_ascii_case(AS_OF).then(|| Arc::clone(&FUNCTION))
}

// The trait ties the name to the function.
#[allow(clippy::unnecessary_literal_bound)]
impl ScalarUDFImpl for AsOf {
    fn name(&self) -> &str {
        AS_OF
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        not_impl_err!("{AS_OF} outside of a join")
    }
}

/// The rows of the left input, each with those of the right one as of its time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TemporalJoin {
    /// The rows.
    pub left: LogicalPlan,
    /// What they are joined with.
    pub right: LogicalPlan,
    /// Inner or left.
    pub kind: JoinType,
    /// A column of the left input.
    pub time: Expr,
    /// What pairs must meet, over the columns of both.
    pub condition: Option<Expr>,
    /// The columns of left, then right.
    pub schema: DFSchemaRef,
}

impl PartialOrd for TemporalJoin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl TemporalJoin {
    fn try_new(
        left: LogicalPlan,
        right: LogicalPlan,
        kind: JoinType,
        time: Expr,
        condition: Option<Expr>,
    ) -> Result<Self> {
        let schema = Arc::new(build_join_schema(left.schema(), right.schema(), &kind)?);
        Ok(Self {
            left,
            right,
            kind,
            time,
            condition,
            schema,
        })
    }

    /// Where the time stands.
    pub(crate) fn place(&self) -> Option<Location> {
        expr_place(&self.time)
    }

    fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }
}

// The trait ties the name to the node.
#[allow(clippy::unnecessary_literal_bound)]
impl UserDefinedLogicalNodeCore for TemporalJoin {
    fn name(&self) -> &str {
        "TemporalJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        std::iter::once(self.time.clone())
            .chain(self.condition.clone())
            .collect()
    }

    /// All: [`PushFilters`] knows to which side a condition may go.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.schema.fields().iter().map(|f| f.name().clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TemporalJoin: {} as of {}", self.kind, self.time)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut exprs = exprs.into_iter();
        let (Some(time), Ok([left, right])) = (exprs.next(), <[LogicalPlan; 2]>::try_from(inputs)) else {
            return internal_err!("a temporal join has a time and two inputs");
        };
        Self::try_new(left, right, self.kind, time, exprs.next())
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let left = self.left.schema().fields().len();
        let (of_left, of_right): (Vec<usize>, Vec<usize>) =
            output_columns.iter().partition(|column| **column < left);
        Some(vec![of_left, of_right.into_iter().map(|c| c - left).collect()])
    }
}

/// The temporal join that a plan node is, if it is one.
pub(crate) fn as_join(plan: &LogicalPlan) -> Option<&TemporalJoin> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref::<TemporalJoin>(),
        _ => None,
    }
}

/// The plan with the joins that are marked with a time as nodes of ours.
pub(crate) fn joins(plan: LogicalPlan) -> Result<LogicalPlan> {
    let converted = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) => temporal(join),
        other => Ok(Transformed::no(other)),
    });
    Ok(converted?.data)
}

fn temporal(join: Join) -> Result<Transformed<LogicalPlan>> {
    let conditions = join.filter.iter().cloned().flat_map(split_conjunction_owned);
    let (marks, mut rest): (Vec<Expr>, Vec<Expr>) = conditions.partition(is_mark);
    let Some(Expr::ScalarFunction(mark)) = marks.into_iter().next() else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    let time = mark
        .args
        .into_iter()
        .next()
        .map(Expr::unalias)
        .unwrap_or_default();
    let is_of_left =
        matches!(&time, Expr::Column(column) if join.left.schema().maybe_index_of_column(column).is_some());
    if !is_of_left {
        let at = expr_place(&time).unwrap_or(Location { line: 0, column: 0 });
        let mut problem = error::unsupported(
            at,
            "FOR SYSTEM_TIME AS OF takes a time column of the left table: its event time, or a column AS PROCTIME()",
        );
        problem.location = problem.location.filter(|at| at.line > 0);
        return Err(DataFusionError::External(Box::new(problem)));
    }
    rest.extend(join.on.into_iter().map(|(left, right)| left.eq(right)));
    let (left, right) = (Arc::unwrap_or_clone(join.left), Arc::unwrap_or_clone(join.right));
    let node = TemporalJoin::try_new(left, right, join.join_type, time, conjunction(rest))?;
    Ok(Transformed::yes(node.into_plan()))
}

fn is_mark(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if (call.func.inner().as_ref() as &dyn Any).is::<AsOf>())
}

/// Brings conditions on the result of temporal joins to their left input, and of inner ones into the join's condition.
#[derive(Debug)]
pub(crate) struct PushFilters;

// The trait ties the name to the rule.
#[allow(clippy::unnecessary_literal_bound)]
impl OptimizerRule for PushFilters {
    fn name(&self) -> &str {
        "push_filters_into_temporal_joins"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = &plan else {
            return Ok(Transformed::no(plan));
        };
        let Some(join) = as_join(&filter.input) else {
            return Ok(Transformed::no(plan));
        };
        let conditions = split_conjunction_owned(filter.predicate.clone());
        let (mut of_left, mut of_pairs, mut above) = (Vec::new(), Vec::new(), Vec::new());
        for condition in conditions {
            if condition.is_volatile() {
                above.push(condition);
            } else if is_over(&condition, join.left.schema()) {
                of_left.push(condition);
            } else if join.kind == JoinType::Inner {
                of_pairs.push(condition);
            } else {
                above.push(condition);
            }
        }
        if of_left.is_empty() && of_pairs.is_empty() {
            return Ok(Transformed::no(plan));
        }
        let mut left = join.left.clone();
        if let Some(predicate) = conjunction(of_left) {
            left = LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(left))?);
        }
        let condition = conjunction(join.condition.clone().into_iter().chain(of_pairs));
        let node = TemporalJoin::try_new(left, join.right.clone(), join.kind, join.time.clone(), condition)?;
        let mut pushed = node.into_plan();
        if let Some(predicate) = conjunction(above) {
            pushed = LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(pushed))?);
        }
        Ok(Transformed::yes(pushed))
    }
}

fn is_over(expr: &Expr, schema: &DFSchema) -> bool {
    let mut columns = expr.column_refs().into_iter();
    columns.all(|column| schema.maybe_index_of_column(column).is_some())
}
