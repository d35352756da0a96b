//! Refuses, with its place, what a query may say in Flink's SQL but Weir does not run yet.

use std::ops::ControlFlow;

use sqlparser::{
    ast::{
        self, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Query, Select,
        SetExpr, SetOperator, SetQuantifier, Spanned, TableFactor, Visit, Visitor,
    },
    tokenizer::Span,
};
use weir_model::{Location, Problem};

use super::{
    group_window::{GROUP_HOP, PARTITION},
    map_constructor, over,
    query::WINDOW_FUNCTIONS,
    temporal, unnest,
};
use crate::{
    error::{self, Result, place, unsupported},
    logical::{aggregates, functions, match_recognize::navigations, window},
};

/// Checks a whole query; `at` is where it begins.
pub(crate) fn check_query(query: &Query, at: Location, functions: &[String]) -> Result<()> {
    let mut check = Check {
        at,
        allowed: Vec::new(),
        functions,
        tables: true,
    };
    match query.visit(&mut check) {
        ControlFlow::Break(problem) => Err(problem),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Checks an expression outside a query; `at` is where it begins.
pub(crate) fn check_expr(expr: &Expr, at: Location, functions: &[String]) -> Result<()> {
    let mut check = Check {
        at,
        allowed: Vec::new(),
        functions,
        tables: false,
    };
    match expr.visit(&mut check) {
        ControlFlow::Break(problem) => Err(problem),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Check<'a> {
    at: Location,
    /// Function calls and subqueries that are right because of where they stand: in a window function.
    allowed: Vec<Span>,
    /// Whether tables and aggregates may be named at all.
    tables: bool,
    /// The functions that the script creates.
    functions: &'a [String],
}

type Flow = ControlFlow<Problem>;

impl Visitor for Check<'_> {
    type Break = Problem;

    fn pre_visit_query(&mut self, query: &Query) -> Flow {
        match self.query(query) {
            Some(problem) => ControlFlow::Break(problem),
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> Flow {
        match self.select(select) {
            Some(problem) => ControlFlow::Break(problem),
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Flow {
        match self.table_factor(factor) {
            Some(problem) => ControlFlow::Break(problem),
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Flow {
        match self.expr(expr) {
            Some(problem) => ControlFlow::Break(problem),
            None => ControlFlow::Continue(()),
        }
    }
}

impl Check<'_> {
    fn query(&self, query: &Query) -> Option<Problem> {
        let refuse = |span: Span, what: &str| Some(unsupported(place(span, self.at), what));
        if let Some(with) = query.with.as_ref().filter(|w| w.recursive) {
            return refuse(with.span(), "WITH RECURSIVE is not supported");
        }
        if let Some(fetch) = query.fetch.as_ref().filter(|f| f.percent || f.with_ties) {
            return refuse(
                fetch.span(),
                "FETCH takes a number of rows: FETCH FIRST 10 ROWS ONLY",
            );
        }
        match query.body.as_ref() {
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => None,
            SetExpr::SetOperation { .. } => self.set_operation(&query.body),
            _ => refuse(query.body.span(), "only SELECT queries are supported"),
        }
    }

    fn set_operation(&self, body: &SetExpr) -> Option<Problem> {
        let at = place(body.span(), self.at);
        match body {
            SetExpr::SetOperation {
                op: SetOperator::Union | SetOperator::Intersect | SetOperator::Except,
                set_quantifier: SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None,
                left,
                right,
            } => self.set_operation(left).or_else(|| self.set_operation(right)),
            SetExpr::SetOperation { op, .. } => Some(unsupported(
                at,
                format!(
                    "this form of {op} is not Flink's SQL: UNION, INTERSECT and EXCEPT are, with ALL or without"
                ),
            )),
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => None,
            _ => Some(unsupported(at, "only SELECT queries are supported")),
        }
    }

    fn select(&self, select: &Select) -> Option<Problem> {
        let refuse = |span: Span, what: &str| Some(unsupported(place(span, self.at), what));
        let here = select.select_token.0.span;
        if matches!(select.distinct, Some(ast::Distinct::On(_))) {
            return refuse(here, "DISTINCT ON is not Flink's SQL: write ROW_NUMBER() = 1");
        }
        if select.top.is_some() || select.into.is_some() || !select.lateral_views.is_empty() {
            return refuse(here, "this form of SELECT is not supported");
        }
        for join in select.from.iter().flat_map(|table| &table.joins) {
            if let Some(problem) = self.join(join) {
                return Some(problem);
            }
        }
        match &select.group_by {
            GroupByExpr::All(_) => refuse(here, "GROUP BY ALL is not supported"),
            GroupByExpr::Expressions(_, modifiers) if !modifiers.is_empty() => refuse(
                here,
                "WITH ROLLUP and the like are not Flink's SQL: write GROUP BY ROLLUP (a, b)",
            ),
            GroupByExpr::Expressions(..) => None,
        }
    }

    fn join(&self, join: &ast::Join) -> Option<Problem> {
        use ast::JoinOperator as J;
        match &join.join_operator {
            J::Join(_)
            | J::Inner(_)
            | J::Left(_)
            | J::LeftOuter(_)
            | J::Right(_)
            | J::RightOuter(_)
            | J::FullOuter(_)
            | J::CrossJoin(_) => None,
            _ => Some(unsupported(
                place(join.span(), self.at),
                "this kind of join is not Flink's SQL: write JOIN ... ON, or WHERE [NOT] EXISTS",
            )),
        }
    }

    fn table_factor(&mut self, factor: &TableFactor) -> Option<Problem> {
        let at = place(factor.span(), self.at);
        match factor {
            TableFactor::Table {
                args: None,
                version,
                sample,
                with_hints,
                ..
            } => {
                if version.is_some() {
                    return Some(unsupported(at, temporal::ONLY_JOINS));
                }
                (sample.is_some() || !with_hints.is_empty())
                    .then(|| unsupported(at, "samples and hints are not supported"))
            }
            TableFactor::Table {
                name,
                args: Some(args),
                ..
            } => self.window_function(&name.to_string(), &args.args, at),
            TableFactor::TableFunction {
                expr: Expr::Function(function),
                ..
            } => {
                self.allowed.push(function.span());
                match &function.args {
                    FunctionArguments::List(list) => self.window_function(
                        &function.name.to_string(),
                        &list.args,
                        place(function.span(), self.at),
                    ),
                    _ => Some(error::syntax(at, "a window function needs its arguments")),
                }
            }
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => None,
            factor if unnest::is_rewritten(factor) => None,
            TableFactor::Function { .. } => Some(unsupported(
                at,
                "there are no table functions yet: a function that gives an ARRAY goes with CROSS JOIN UNNEST(f(x))",
            )),
            TableFactor::MatchRecognize { .. } => {
                self.allowed.extend(navigations(factor));
                None
            }
            _ => Some(unsupported(at, "this kind of table is not supported")),
        }
    }

    fn window_function(&mut self, name: &str, args: &[FunctionArg], at: Location) -> Option<Problem> {
        if name == GROUP_HOP || window::FUNCTIONS.iter().any(|f| name.eq_ignore_ascii_case(f)) {
            self.allowed
                .extend(args.iter().filter_map(argument).filter_map(|expr| match expr {
                    Expr::Subquery(_) => Some(expr.span()),
                    Expr::Function(function)
                        if is_named(function, "DESCRIPTOR") || is_named(function, PARTITION) =>
                    {
                        Some(expr.span())
                    }
                    _ => None,
                }));
            return None;
        }
        if WINDOW_FUNCTIONS.iter().any(|f| name.eq_ignore_ascii_case(f)) {
            return Some(unsupported(
                at,
                format!(
                    "{} windows are not supported yet: TUMBLE, HOP, CUMULATE and SESSION windows are",
                    name.to_uppercase()
                ),
            ));
        }
        Some(error::unknown(at, "table function", name, window::FUNCTIONS))
    }

    fn expr(&self, expr: &Expr) -> Option<Problem> {
        let at = place(expr.span(), self.at);
        match expr {
            Expr::Function(function) if !self.allowed.contains(&function.span()) => self.function(function),
            Expr::InSubquery { expr, .. } if matches!(expr.as_ref(), Expr::Tuple(_)) => Some(unsupported(
                at,
                "several columns IN a subquery are not supported yet: write [NOT] EXISTS with an equality for each",
            )),
            Expr::AnyOp { .. } | Expr::AllOp { .. } => Some(unsupported(
                at,
                "ANY and ALL of a subquery are not supported yet: compare with its MIN or MAX",
            )),
            Expr::Cast {
                kind: ast::CastKind::DoubleColon,
                ..
            } => Some(error::syntax(
                at,
                "'::' is not Flink's SQL: write CAST(value AS type)",
            )),
            Expr::Cast {
                kind: ast::CastKind::SafeCast,
                ..
            } => Some(unsupported(
                at,
                "SAFE_CAST is not Flink's SQL: write TRY_CAST(value AS type)",
            )),
            Expr::AtTimeZone { .. } => Some(unsupported(at, "AT TIME ZONE is not supported")),
            _ => None,
        }
    }

    fn function(&self, function: &Function) -> Option<Problem> {
        let at = place(function.span(), self.at);
        let name = function.name.to_string();
        if name == temporal::AS_OF {
            return None;
        }
        if function.over.is_some() {
            return over::check(function, &name, self.functions, at);
        }
        if let Some(hint) = functions::refusal(&name) {
            return Some(unsupported(at, hint));
        }
        if functions::is_aggregate(&name) {
            return if self.tables {
                aggregate(function, at)
            } else {
                Some(error::invalid(
                    at,
                    format!("the aggregate {} cannot stand here", name.to_uppercase()),
                ))
            };
        }
        if self.functions.iter().any(|f| f.eq_ignore_ascii_case(&name)) {
            // What it is, its module says.
            return (!function.within_group.is_empty())
                .then(|| unsupported(at, "ordered aggregates are not supported yet"));
        }
        if function.filter.is_some() || !function.within_group.is_empty() {
            return Some(error::invalid(at, format!("{name} is not an aggregate function")));
        }
        if functions::is_scalar(&name) || name == map_constructor::FUNCTION {
            return None;
        }
        let known: Vec<String> = functions::names();
        let upper = name.to_uppercase();
        Some(error::unknown(
            at,
            "function",
            &upper,
            known.iter().chain(self.functions).map(String::as_str),
        ))
    }
}

pub(super) fn aggregate(function: &Function, at: Location) -> Option<Problem> {
    let FunctionArguments::List(list) = &function.args else {
        return Some(error::invalid(at, format!("{} needs an argument", function.name)));
    };
    let is_nulls = |clause: &ast::FunctionArgumentClause| {
        matches!(clause, ast::FunctionArgumentClause::IgnoreOrRespectNulls(_))
    };
    if !list.clauses.iter().all(is_nulls) || !function.within_group.is_empty() {
        return Some(unsupported(at, "ordered aggregates are not supported yet"));
    }
    if (!list.clauses.is_empty() || function.null_treatment.is_some()) && !is_named(function, "ARRAY_AGG") {
        let reason = format!(
            "IGNORE NULLS and RESPECT NULLS belong to ARRAY_AGG, not to {}",
            function.name
        );
        return Some(unsupported(at, reason));
    }
    let star = matches!(
        list.args.as_slice(),
        [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]
    );
    if star && !is_named(function, "COUNT") {
        return Some(error::invalid(
            at,
            format!("only COUNT takes *: name the column in {}", function.name),
        ));
    }
    if functions::GROUPING.iter().any(|name| is_named(function, name)) {
        return (list.args.is_empty() || function.filter.is_some() || list.duplicate_treatment.is_some())
            .then(|| error::type_error(at, format!("{} takes columns of GROUP BY", function.name)));
    }
    let counts = aggregates::argument_counts(&function.name.to_string());
    (!counts.contains(&list.args.len())).then(|| {
        let wanted = match (*counts.start(), *counts.end()) {
            (1, 1) => "one argument".to_owned(),
            (from, to) => format!("{from} to {to} arguments"),
        };
        error::type_error(
            at,
            format!("{} takes {wanted}, {} are given", function.name, list.args.len()),
        )
    })
}

fn argument(arg: &FunctionArg) -> Option<&Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
        | FunctionArg::Named {
            arg: FunctionArgExpr::Expr(expr),
            ..
        } => Some(expr),
        _ => None,
    }
}

fn is_named(function: &Function, name: &str) -> bool {
    function.name.to_string().eq_ignore_ascii_case(name)
}
