//! A subquery that stands for one value fails when it gives more rows.

use std::sync::Arc;

use datafusion_common::{
    Column, Result, internal_err, plan_err,
    tree_node::{Transformed, TreeNode},
};
use datafusion_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery, lit};

use crate::logical::aggregates;

/// The plan with every subquery that may give several rows aggregated to one: its value and how many there are, which a
/// function compares.
pub(super) fn check_rows(plan: LogicalPlan) -> Result<LogicalPlan> {
    let checked = plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| {
            expr.transform_up(|e| match e {
                Expr::ScalarSubquery(subquery) if may_give_several(&subquery) => {
                    Ok(Transformed::yes(Expr::ScalarSubquery(aggregated(subquery)?)))
                }
                other => Ok(Transformed::no(other)),
            })
        })
    });
    Ok(checked?.data)
}

fn may_give_several(subquery: &Subquery) -> bool {
    subquery.subquery.max_rows().is_none_or(|rows| rows > 1)
}

fn aggregated(subquery: Subquery) -> Result<Subquery> {
    let schema = subquery.subquery.schema();
    if schema.fields().len() != 1 {
        return plan_err!("a subquery that stands for a value has one column");
    }
    let (qualifier, field) = schema.qualified_field(0);
    let value = Column::from((qualifier, field));
    let (Some(first), Some(count), Some(single)) = (
        aggregates::aggregate("first_value"),
        aggregates::aggregate("count"),
        weir_functions::function("$SINGLE_VALUE"),
    ) else {
        return internal_err!("the functions of a single value are missing");
    };
    let calls = [
        first.call(vec![Expr::Column(value)]),
        count.call(vec![lit(1_i32)]),
    ];
    let rows = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone())
        .aggregate(Vec::<Expr>::new(), calls)?
        .build()?;
    let counted = rows.schema().columns().into_iter().map(Expr::Column).collect();
    let value = single
        .call(counted)
        .alias_qualified(qualifier.cloned(), field.name());
    let plan = LogicalPlanBuilder::from(rows).project([value])?.build()?;
    Ok(Subquery {
        subquery: Arc::new(plan),
        ..subquery
    })
}
