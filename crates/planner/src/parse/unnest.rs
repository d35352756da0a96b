//! UNNEST in FROM: `t CROSS JOIN UNNEST(t.items) AS i (name)` as one table that is made of `t`, so that the items are an
//! expression over the columns of `t`.
//!
//! The parser has no node for that. UNPIVOT, which is not Flink's SQL, has all that is needed and [stands for it](call).

use std::{mem, ops::ControlFlow};

use sqlparser::ast::{
    Expr, ExprWithAlias, FunctionArg, FunctionArgExpr, Ident, Join, JoinConstraint, JoinOperator,
    NullInclusion, Query, Select, Spanned, TableAlias, TableFactor, TableWithJoins, Value, VisitMut,
    VisitorMut,
};
use weir_model::{Location, Problem};

use super::group_window::empty;
use crate::error::{self, Result, place, unsupported};

const UNNEST: &str = "$UNNEST";
const UNNEST_WITH_ORDINALITY: &str = "$UNNEST WITH ORDINALITY";

/// An UNNEST and the table whose rows it multiplies.
pub(crate) struct Call {
    /// The table; none: one row.
    pub input: Option<TableFactor>,
    /// An ARRAY or a MAP.
    pub elements: Expr,
    /// Whether the place of each element is asked for.
    pub ordinality: bool,
    /// Whether rows without elements stay.
    pub outer: bool,
    /// Which rows of the result are wanted.
    pub condition: Option<Expr>,
    /// What the elements are called.
    pub alias: Option<TableAlias>,
}

/// The UNNEST that a rewritten table is; the table itself if it is none.
pub(crate) fn call(table: TableFactor) -> std::result::Result<Call, Box<TableFactor>> {
    if !is_rewritten(&table) {
        return Err(Box::new(table));
    }
    let TableFactor::Unpivot {
        table,
        value,
        name,
        columns,
        null_inclusion,
        alias,
    } = table
    else {
        return Err(Box::new(table));
    };
    Ok(Call {
        input: Some(*table).filter(|table| !is_empty(table)),
        elements: value,
        ordinality: name.value == UNNEST_WITH_ORDINALITY,
        outer: null_inclusion == Some(NullInclusion::IncludeNulls),
        condition: columns.into_iter().next().map(|column| column.expr),
        alias,
    })
}

/// Whether the table is a rewritten UNNEST.
pub(crate) fn is_rewritten(table: &TableFactor) -> bool {
    matches!(table, TableFactor::Unpivot { name, .. } if name.value == UNNEST || name.value == UNNEST_WITH_ORDINALITY)
}

/// `FROM t, UNNEST(...)` as `FROM t CROSS JOIN UNNEST(...)` in a whole query.
pub(crate) fn as_joins(query: &mut Query, at: Location) -> Result<()> {
    rewrite(query, at, |select, at| join_commas(&mut select.from, at))
}

/// Makes one table of each UNNEST and what is joined with it, in a whole query.
pub(crate) fn fold(query: &mut Query, at: Location) -> Result<()> {
    rewrite(query, at, |select, at| {
        select.from.iter_mut().try_for_each(|table| fold_joins(table, at))
    })
}

fn rewrite(query: &mut Query, at: Location, each: fn(&mut Select, Location) -> Result<()>) -> Result<()> {
    struct Selects(Location, fn(&mut Select, Location) -> Result<()>);
    impl VisitorMut for Selects {
        type Break = Problem;

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Problem> {
            match (self.1)(select, self.0) {
                Ok(()) => ControlFlow::Continue(()),
                Err(problem) => ControlFlow::Break(problem),
            }
        }
    }
    match query.visit(&mut Selects(at, each)) {
        ControlFlow::Break(problem) => Err(problem),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn join_commas(from: &mut Vec<TableWithJoins>, at: Location) -> Result<()> {
    let Some(last) = from.iter().rposition(|table| is_unnest(&table.relation)) else {
        return Ok(());
    };
    let mut tables = from.drain(..=last);
    let Some(mut joined) = tables.next() else {
        return Ok(());
    };
    for table in tables {
        if is_unnest(&table.relation) {
            let kept_apart = table.joins.iter().find(|join| keeps_right_rows(join));
            if let Some(join) = kept_apart {
                return Err(unsupported(
                    place(join.span(), at),
                    "a RIGHT or FULL JOIN behind UNNEST in a comma list is not supported: write CROSS JOIN UNNEST(...)",
                ));
            }
            joined.joins.push(cross_join(table.relation));
            joined.joins.extend(table.joins);
        } else if table.joins.is_empty() {
            joined.joins.push(cross_join(table.relation));
        } else {
            joined.joins.push(cross_join(nested(table)));
        }
    }
    from.insert(0, joined);
    Ok(())
}

fn fold_joins(table: &mut TableWithJoins, at: Location) -> Result<()> {
    fold_nested(&mut table.relation, at)?;
    if is_unnest(&table.relation) {
        let relation = mem::replace(&mut table.relation, empty());
        table.relation = folded(empty(), relation, false, None, at)?;
    }
    for mut join in mem::take(&mut table.joins) {
        if !is_unnest(&join.relation) {
            fold_nested(&mut join.relation, at)?;
            table.joins.push(join);
            continue;
        }
        let (outer, condition) = kind(&join, at)?;
        let left = TableWithJoins {
            relation: mem::replace(&mut table.relation, empty()),
            joins: mem::take(&mut table.joins),
        };
        let input = if left.joins.is_empty() {
            left.relation
        } else {
            nested(left)
        };
        table.relation = folded(input, join.relation, outer, condition, at)?;
    }
    Ok(())
}

fn fold_nested(table: &mut TableFactor, at: Location) -> Result<()> {
    match table {
        TableFactor::NestedJoin { table_with_joins, .. } => fold_joins(table_with_joins, at),
        _ => Ok(()),
    }
}

/// Whether rows of the left stay that have no elements, and the condition of the join.
fn kind(join: &Join, at: Location) -> Result<(bool, Option<Expr>)> {
    use JoinConstraint as C;
    let at = place(join.relation.span(), at);
    match &join.join_operator {
        JoinOperator::CrossJoin(C::None) | JoinOperator::Join(C::None) | JoinOperator::Inner(C::None) => {
            Ok((false, None))
        }
        JoinOperator::Join(C::On(condition)) | JoinOperator::Inner(C::On(condition)) => {
            Ok((false, Some(condition.clone()).filter(|c| !is_true(c))))
        }
        JoinOperator::Left(C::On(condition)) | JoinOperator::LeftOuter(C::On(condition))
            if is_true(condition) =>
        {
            Ok((true, None))
        }
        JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => Err(unsupported(
            at,
            "LEFT JOIN UNNEST takes ON TRUE alone, as in Flink: filter the rows behind it",
        )),
        _ => Err(unsupported(
            at,
            "UNNEST can be joined by CROSS JOIN, JOIN ... ON, LEFT JOIN ... ON TRUE and a comma",
        )),
    }
}

/// UNNEST over the rows of a table.
fn folded(
    input: TableFactor,
    unnest: TableFactor,
    outer: bool,
    condition: Option<Expr>,
    at: Location,
) -> Result<TableFactor> {
    let at = place(unnest.span(), at);
    let (arguments, ordinality, alias) = match unnest {
        TableFactor::Table {
            args,
            with_ordinality,
            alias,
            ..
        } => (args.map(|a| a.args).unwrap_or_default(), with_ordinality, alias),
        TableFactor::Function {
            args,
            with_ordinality,
            alias,
            ..
        } => (args, with_ordinality, alias),
        _ => return Err(error::internal("UNNEST is written in a way of its own")),
    };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(elements))] = arguments.as_slice() else {
        return Err(unsupported(at, "UNNEST takes one ARRAY or one MAP"));
    };
    let marker = if ordinality {
        UNNEST_WITH_ORDINALITY
    } else {
        UNNEST
    };
    let condition = condition.map(|expr| ExprWithAlias { expr, alias: None });
    Ok(TableFactor::Unpivot {
        table: Box::new(input),
        value: elements.clone(),
        name: Ident::new(marker),
        columns: condition.into_iter().collect(),
        null_inclusion: outer.then_some(NullInclusion::IncludeNulls),
        alias,
    })
}

/// Whether the table is an UNNEST as it is written.
pub(crate) fn is_unnest(table: &TableFactor) -> bool {
    let (TableFactor::Table {
        name, args: Some(_), ..
    }
    | TableFactor::Function { name, .. }) = table
    else {
        return false;
    };
    name.to_string().eq_ignore_ascii_case("UNNEST")
}

fn keeps_right_rows(join: &Join) -> bool {
    use JoinOperator as J;
    matches!(
        join.join_operator,
        J::Right(_) | J::RightOuter(_) | J::FullOuter(_)
    )
}

fn cross_join(relation: TableFactor) -> Join {
    Join {
        relation,
        global: false,
        join_operator: JoinOperator::CrossJoin(JoinConstraint::None),
    }
}

fn nested(table: TableWithJoins) -> TableFactor {
    TableFactor::NestedJoin {
        table_with_joins: Box::new(table),
        alias: None,
    }
}

fn is_empty(table: &TableFactor) -> bool {
    matches!(table, TableFactor::Table { name, .. } if name.0.is_empty())
}

fn is_true(condition: &Expr) -> bool {
    match condition {
        Expr::Value(value) => value.value == Value::Boolean(true),
        Expr::Nested(inner) => is_true(inner),
        _ => false,
    }
}
