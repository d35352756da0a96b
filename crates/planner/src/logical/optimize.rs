//! Plans with joins and subqueries, made ready to be lowered: conditions where they belong, only the columns that are read.
//!
//! Other plans are left as they are: lowering melts their filters and projections without that (ADR 2).

use std::sync::Arc;

use datafusion_common::{
    DataFusionError, Result,
    config::ConfigOptions,
    tree_node::{TreeNode, TreeNodeRecursion},
};
use datafusion_expr::{Expr, LogicalPlan};
use datafusion_optimizer::{
    Optimizer, OptimizerContext, OptimizerRule, decorrelate_lateral_join::DecorrelateLateralJoin,
    decorrelate_predicate_subquery::DecorrelatePredicateSubquery, eliminate_cross_join::EliminateCrossJoin,
    extract_equijoin_predicate::ExtractEquijoinPredicate, optimize_projections::OptimizeProjections,
    push_down_filter::PushDownFilter, scalar_subquery_to_join::ScalarSubqueryToJoin,
};

use super::{subquery, temporal, unnest::UnnestNode, volatile};

/// The plan with its subqueries as joins, its conditions at the joins or below them, and no column that nobody reads.
pub(crate) fn optimize(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !has_joins(&plan)? {
        return Ok(plan);
    }
    let mut options = ConfigOptions::default();
    // There is no operator that waits for a subquery's value before it begins.
    options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    let context = OptimizerContext::new_with_config_options(Arc::new(options))
        .with_max_passes(3)
        .with_skip_failing_rules(false);
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(DecorrelateLateralJoin::new()),
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(temporal::PushFilters),
        Arc::new(PushDownFilter::new()),
        Arc::new(OptimizeProjections::new()),
    ];
    let plan = volatile::hold(subquery::prepare(plan, &context)?)?;
    let plan = Optimizer::with_rules(rules).optimize(plan, &context, |_, _| {})?;
    subquery::check(&plan)?;
    Ok(plan)
}

fn is_unnest(node: &LogicalPlan) -> bool {
    matches!(node, LogicalPlan::Extension(extension) if extension.node.as_any().is::<UnnestNode>())
}

fn has_joins(plan: &LogicalPlan) -> std::result::Result<bool, DataFusionError> {
    let mut found = false;
    plan.apply(|node| {
        // An unnest has a join's need: conditions on one side belong below it.
        found |= matches!(node, LogicalPlan::Join(_)) || is_unnest(node) || temporal::as_join(node).is_some();
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                found |= matches!(e, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_));
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}
