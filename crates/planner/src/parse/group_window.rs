//! The older windows in GROUP BY, as window functions in FROM: `GROUP BY TUMBLE(ts, size), k` becomes
//! `FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), size)) GROUP BY window_start, window_end, window_time, k`.

use std::ops::ControlFlow;

use sqlparser::{
    ast::{
        self, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
        ObjectName, Query, Select, SelectItem, Spanned, TableAlias, TableFactor, VisitMut, VisitorMut,
        visit_expressions_mut,
    },
    tokenizer::Span,
};
use weir_model::{Location, Problem};

use super::{desugar::named_call, unnest};
use crate::error::{self, Result, place};

/// The name of the call that carries a session window's PARTITION BY; without arguments: by what the query groups by.
pub(crate) const PARTITION: &str = "$PARTITION";

/// The name of HOP's window function where it stands in GROUP BY: its size need be no multiple of its slide.
pub(crate) const GROUP_HOP: &str = "$HOP";

/// Rewrites all grouped windows of a query.
pub(crate) fn rewrite(query: &mut Query, at: Location) -> Result<()> {
    struct Selects(Location);
    impl VisitorMut for Selects {
        type Break = Problem;

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Problem> {
            match rewrite_select(select, self.0) {
                Ok(()) => ControlFlow::Continue(()),
                Err(problem) => ControlFlow::Break(problem),
            }
        }
    }
    match query.visit(&mut Selects(at)) {
        ControlFlow::Break(problem) => Err(problem),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The name of a group window function.
fn window_name(expr: &Expr) -> Option<String> {
    let Expr::Function(function) = expr else {
        return None;
    };
    let name = function.name.to_string().to_uppercase();
    ["TUMBLE", "HOP", "SESSION"]
        .contains(&name.as_str())
        .then_some(name)
}

fn rewrite_select(select: &mut Select, at: Location) -> Result<()> {
    let GroupByExpr::Expressions(groups, _) = &mut select.group_by else {
        return Ok(());
    };
    let Some(position) = groups.iter().position(|group| window_name(group).is_some()) else {
        return Ok(());
    };
    let window = groups.remove(position);
    let at = place(window.span(), at);
    if let Some(second) = groups.iter().find(|group| window_name(group).is_some()) {
        let at = place(second.span(), at);
        return Err(error::invalid(at, "a query groups by one window at most"));
    }
    let span = window.span();
    groups.extend(["window_start", "window_end", "window_time"].map(|name| identifier(name, span)));
    let Expr::Function(window) = window else {
        return Ok(());
    };
    let name = window.name.to_string().to_uppercase();
    let arguments = arguments(&window, &name, at)?;
    replace_auxiliaries(select, &name, &arguments, at)?;
    let [table] = select.from.as_mut_slice() else {
        return Err(error::unsupported(at, JOINED));
    };
    if !table.joins.iter().all(|join| unnest::is_unnest(&join.relation)) {
        return Err(error::unsupported(at, JOINED));
    }
    let relation = std::mem::replace(&mut table.relation, empty());
    table.relation = windowed(relation, &name, arguments, &window, at)?;
    Ok(())
}

const JOINED: &str = "a window in GROUP BY of a join is not supported yet: join in a subquery, and aggregate FROM (SELECT ...)";

fn arguments(window: &Function, name: &str, at: Location) -> Result<Vec<Expr>> {
    let wanted = if name == "HOP" { 3 } else { 2 };
    let usage = match name {
        "HOP" => {
            "HOP in GROUP BY takes a time column, a slide and a size: HOP(ts, INTERVAL '10' SECOND, INTERVAL '1' MINUTE)"
        }
        "SESSION" => "SESSION in GROUP BY takes a time column and a gap: SESSION(ts, INTERVAL '1' MINUTE)",
        _ => "TUMBLE in GROUP BY takes a time column and a size: TUMBLE(ts, INTERVAL '1' MINUTE)",
    };
    let FunctionArguments::List(list) = &window.args else {
        return Err(error::syntax(at, usage));
    };
    let exprs = list.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    let exprs: Option<Vec<Expr>> = exprs.collect();
    exprs
        .filter(|exprs| exprs.len() == wanted)
        .ok_or_else(|| error::syntax(at, usage))
}

/// `TUMBLE_START(ts, size)` as `window_start`, and so on; columns keep the names that they would have had.
fn replace_auxiliaries(select: &mut Select, window: &str, arguments: &[Expr], at: Location) -> Result<()> {
    let text = |exprs: &[Expr]| exprs.iter().map(ToString::to_string).collect::<Vec<_>>();
    let wanted = text(arguments);
    let replace = |expr: &mut Expr| -> ControlFlow<Problem> {
        let Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        let name = function.name.to_string().to_uppercase();
        let Some(part) = name.strip_prefix(window).and_then(|rest| rest.strip_prefix('_')) else {
            return ControlFlow::Continue(());
        };
        let column = match part {
            "START" => "window_start",
            "END" => "window_end",
            "ROWTIME" => "window_time",
            "PROCTIME" => "",
            _ => return ControlFlow::Continue(()),
        };
        let place = place(function.span(), at);
        match self::arguments(function, window, place) {
            Ok(given) if text(&given) == wanted => {}
            _ => {
                return ControlFlow::Break(error::invalid(
                    place,
                    format!(
                        "{name} takes the arguments of {window} in GROUP BY: {name}({})",
                        wanted.join(", ")
                    ),
                ));
            }
        }
        *expr = match column {
            // The time at which the result passes.
            "" => named_call("PROCTIME", Vec::new()),
            column => identifier(column, function.span()),
        };
        ControlFlow::Continue(())
    };
    for (position, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr @ Expr::Function(_)) = item {
            let expr = std::mem::replace(expr, identifier("", Span::empty()));
            *item = SelectItem::ExprWithAlias {
                expr,
                alias: Ident::new(format!("EXPR${position}")),
            };
        }
    }
    let flow = visit_expressions_mut(&mut select.projection, replace);
    let flow = match flow {
        ControlFlow::Continue(()) => visit_expressions_mut(&mut select.having, replace),
        stop @ ControlFlow::Break(_) => stop,
    };
    match flow {
        ControlFlow::Break(problem) => Err(problem),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The window function over a relation, by the name that the relation had.
fn windowed(
    relation: TableFactor,
    name: &str,
    arguments: Vec<Expr>,
    window: &Function,
    at: Location,
) -> Result<TableFactor> {
    let (data, alias) = match relation {
        TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } => {
            let table = name.0.last().and_then(|part| part.as_ident()).cloned();
            let table = table.ok_or_else(|| error::unsupported(at, JOINED))?;
            let alias = alias.unwrap_or_else(|| TableAlias {
                explicit: true,
                name: table.clone(),
                columns: Vec::new(),
                at: None,
            });
            (Expr::Identifier(table), Some(alias))
        }
        TableFactor::Derived {
            lateral: false,
            subquery,
            alias,
            ..
        } => (Expr::Subquery(subquery), alias),
        _ => {
            return Err(error::unsupported(
                at,
                "a window in GROUP BY needs FROM a table, a view or a query in parentheses",
            ));
        }
    };
    let mut arguments = arguments.into_iter();
    let time = match arguments.next() {
        Some(Expr::Identifier(column)) => column,
        Some(Expr::CompoundIdentifier(mut path)) if path.len() == 2 => path.swap_remove(1),
        _ => {
            return Err(error::invalid(
                at,
                format!("the first argument of {name} in GROUP BY is a time column"),
            ));
        }
    };
    let mut given = vec![data];
    if name == "SESSION" {
        given.push(named_call(PARTITION, Vec::new()));
    }
    given.push(named_call("DESCRIPTOR", vec![Expr::Identifier(time)]));
    given.extend(arguments);
    let mut call = named_call(name, given);
    if let Expr::Function(function) = &mut call {
        function.name.clone_from(&window.name);
        if let (true, Some(name)) = (name == "HOP", function.name.0.last_mut()) {
            let mut own = Ident::new(GROUP_HOP);
            own.span = window.name.span();
            *name = ast::ObjectNamePart::Identifier(own);
        }
    }
    Ok(TableFactor::TableFunction { expr: call, alias })
}

fn identifier(name: &str, span: Span) -> Expr {
    Expr::Identifier(Ident {
        value: name.to_owned(),
        quote_style: None,
        span,
    })
}

pub(super) fn empty() -> TableFactor {
    TableFactor::Table {
        name: ObjectName::from(Vec::<Ident>::new()),
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}
