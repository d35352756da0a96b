//! `JOIN t FOR SYSTEM_TIME AS OF time ON ...`: the time as one more condition of its join, where the left table's columns are known.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Join, JoinConstraint, JoinOperator, Query, Select, Spanned, TableFactor,
    TableVersion, TableWithJoins, VisitMut, VisitorMut,
};
use weir_model::{Location, Problem};

use super::desugar::{binary, named_call, nested, null};
use crate::error::{self, Result, place};

/// The condition that says as of which time the right table of a join is meant.
pub(crate) const AS_OF: &str = "$AS_OF";

/// What is said where it stands behind another table.
pub(crate) const ONLY_JOINS: &str = "FOR SYSTEM_TIME AS OF stands behind the right table of a join: write JOIN t FOR SYSTEM_TIME AS OF a.ts AS t ON a.k = t.k";

/// Rewrites the joins of a query, and of all queries in it.
pub(crate) fn rewrite(query: &mut Query, at: Location) -> Result<()> {
    struct Joins(Location);
    impl VisitorMut for Joins {
        type Break = Problem;

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Problem> {
            let rewritten = select.from.iter_mut().try_for_each(|table| tables(table, self.0));
            match rewritten {
                Ok(()) => ControlFlow::Continue(()),
                Err(problem) => ControlFlow::Break(problem),
            }
        }
    }
    match query.visit(&mut Joins(at)) {
        ControlFlow::Break(problem) => Err(problem),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn tables(table: &mut TableWithJoins, at: Location) -> Result<()> {
    inner_tables(&mut table.relation, at)?;
    for join in &mut table.joins {
        inner_tables(&mut join.relation, at)?;
        let here = place(join.relation.span(), at);
        if let Some(time) = take_time(&mut join.relation, here)? {
            add_condition(join, named_call(AS_OF, vec![time]), here)?;
        }
    }
    Ok(())
}

fn inner_tables(factor: &mut TableFactor, at: Location) -> Result<()> {
    match factor {
        TableFactor::NestedJoin { table_with_joins, .. } => tables(table_with_joins, at),
        _ => Ok(()),
    }
}

fn take_time(factor: &mut TableFactor, at: Location) -> Result<Option<Expr>> {
    let TableFactor::Table { version, .. } = factor else {
        return Ok(None);
    };
    match version.take() {
        None => Ok(None),
        Some(TableVersion::ForSystemTimeAsOf(time)) => Ok(Some(time)),
        Some(other) => Err(error::syntax(
            at,
            format!("'{other}' is not Flink's SQL: write FOR SYSTEM_TIME AS OF"),
        )),
    }
}

fn add_condition(join: &mut Join, condition: Expr, at: Location) -> Result<()> {
    use JoinOperator as J;
    match &mut join.join_operator {
        J::Join(JoinConstraint::On(on))
        | J::Inner(JoinConstraint::On(on))
        | J::Left(JoinConstraint::On(on))
        | J::LeftOuter(JoinConstraint::On(on)) => {
            let given = std::mem::replace(on, null());
            *on = binary(nested(given), BinaryOperator::And, condition);
            Ok(())
        }
        J::Join(_) | J::Inner(_) | J::Left(_) | J::LeftOuter(_) => Err(error::unsupported(
            at,
            "a join FOR SYSTEM_TIME AS OF needs its keys in ON: write JOIN t FOR SYSTEM_TIME AS OF a.ts AS t ON a.k = t.k",
        )),
        _ => Err(error::unsupported(
            at,
            "only JOIN and LEFT JOIN can be FOR SYSTEM_TIME AS OF: a row of the right table has no time to come by itself",
        )),
    }
}
