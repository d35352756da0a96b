//! Flink's functions that DataFusion lacks or takes to mean something else, written with what it has.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, GroupByExpr, Ident, LimitClause, ObjectName, Query, Select, SelectItem, Value,
    VisitMut, VisitorMut, helpers::attached_token::AttachedToken, visit_expressions_mut,
};
use weir_model::{Location, Problem};

use super::{calls, over};
use crate::error::{self, Result};

/// Rewrites a query: its calls, the types of its numbers, and the names of columns that would have the same one.
pub(crate) fn query(query: &mut Query, at: Location) -> Result<()> {
    struct Selects;
    impl VisitorMut for Selects {
        type Break = ();

        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            fetch_as_limit(query);
            ControlFlow::Continue(())
        }

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            name_columns(&mut select.projection);
            keep_positions(&mut select.group_by);
            ControlFlow::Continue(())
        }
    }
    desugar(query, at)?;
    over::plain_frames(query);
    let _ = query.visit(&mut Selects);
    Ok(())
}

/// `FETCH FIRST n ROWS ONLY` as `LIMIT n`.
fn fetch_as_limit(query: &mut Query) {
    let Some(fetch) = query.fetch.take() else { return };
    let one = || Expr::value(Value::Number("1".into(), false));
    let quantity = fetch.quantity.unwrap_or_else(one);
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit, .. }) => *limit = Some(quantity),
        _ => {
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: Some(quantity),
                offset: None,
                limit_by: Vec::new(),
            });
        }
    }
}

/// Names columns as Flink does: expressions `EXPR$0`, later ones of the same name `page0`.
fn name_columns(items: &mut [SelectItem]) {
    let mut taken: Vec<String> = Vec::new();
    for (position, item) in items.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr) = item {
            let own = own_name(expr);
            let name = match &own {
                Some(name) => free_name(name, &taken),
                None => format!("EXPR${position}"),
            };
            if own.as_ref() != Some(&name) {
                let expr = std::mem::replace(expr, null());
                *item = SelectItem::ExprWithAlias {
                    expr,
                    alias: Ident::new(&name),
                };
            }
            taken.push(name);
        } else if let SelectItem::ExprWithAlias { alias, .. } = item {
            taken.push(alias.value.clone());
        }
    }
}

/// The name, or if it is taken the name with the first free number.
fn free_name(name: &str, taken: &[String]) -> String {
    let is_free = |candidate: &String| !taken.contains(candidate);
    let numbered = (0..=taken.len()).map(|n| format!("{name}{n}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(is_free)
        .unwrap_or_default()
}

/// The name of a column that is passed on; other expressions have none.
fn own_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.clone()),
        _ => None,
    }
}

/// A number in GROUP BY is a position, not a value with a type.
fn keep_positions(group_by: &mut GroupByExpr) {
    if let GroupByExpr::Expressions(exprs, _) = group_by {
        for expr in exprs {
            if let Expr::Cast {
                expr: inner,
                data_type: DataType::Int(None),
                ..
            } = expr
                && matches!(inner.as_ref(), Expr::Value(_))
            {
                *expr = std::mem::replace(inner.as_mut(), null());
            }
        }
    }
}

/// Rewrites all calls and numbers in an expression, or in something that holds expressions.
pub(crate) fn desugar<V: VisitMut>(tree: &mut V, at: Location) -> Result<()> {
    let flow = visit_expressions_mut(tree, |expr| match calls::rewrite(expr, at) {
        Ok(Some(new)) => {
            *expr = new;
            ControlFlow::Continue(())
        }
        Ok(None) => ControlFlow::Continue(()),
        Err(problem) => ControlFlow::Break(problem),
    });
    match flow {
        ControlFlow::Break(problem) => Err(problem),
        ControlFlow::Continue(()) => Ok(()),
    }
}

pub(super) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

/// Whether the value is a number that Flink takes for an INT; DataFusion takes all for a BIGINT.
pub(super) fn is_int(value: &Value) -> bool {
    matches!(value, Value::Number(digits, _) if digits.parse::<i32>().is_ok())
}

/// A literal without the type that it was given.
pub(super) fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast { expr, .. } => expr,
        other => other,
    }
}

/// A text in single quotes.
pub(super) fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn arguments<const N: usize>(
    function: &mut Function,
    name: &str,
    at: Location,
) -> Result<[Expr; N]> {
    all_arguments(function, at)?
        .try_into()
        .map_err(|_| wrong_count(name, N, at))
}

pub(super) fn all_arguments(function: &mut Function, at: Location) -> Result<Vec<Expr>> {
    let FunctionArguments::List(list) = &mut function.args else {
        return Ok(Vec::new());
    };
    std::mem::take(&mut list.args)
        .into_iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
            other => Err(error::syntax(
                at,
                format!("'{other}' cannot be an argument of {}", function.name),
            )),
        })
        .collect()
}

fn wrong_count(name: &str, wanted: usize, at: Location) -> Problem {
    error::type_error(
        at,
        format!(
            "{name} takes {wanted} argument{}",
            if wanted == 1 { "" } else { "s" }
        ),
    )
}

pub(super) fn null() -> Expr {
    Expr::value(Value::Null)
}

pub(super) fn text(text: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(text.to_owned()))
}

pub(super) fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}

pub(super) fn case(condition: Expr, yes: Expr, no: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen {
            condition,
            result: yes,
        }],
        else_result: Some(Box::new(no)),
    }
}

pub(super) fn named_call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args
        .into_iter()
        .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
        .collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(sqlparser::ast::FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
