//! Functions that look at the rows of a match, and whose rows an expression reads.

use std::ops::ControlFlow;

use datafusion_common::Result;
use sqlparser::{
    ast::{self, AccessExpr, Function, Ident, Spanned, VisitMut, VisitorMut},
    tokenizer::Span,
};
use weir_model::Location;

use super::refuse;
use crate::{
    error::{self, place},
    logical::functions,
};

/// The functions that navigate within a match, or tell of it.
const NAVIGATIONS: [&str; 8] = [
    "FIRST",
    "LAST",
    "PREV",
    "NEXT",
    "CLASSIFIER",
    "MATCH_NUMBER",
    ROWTIME,
    PROCTIME,
];
pub(super) const ROWTIME: &str = "MATCH_ROWTIME";
pub(super) const PROCTIME: &str = "MATCH_PROCTIME";

/// Where functions stand in MATCH_RECOGNIZE that exist in it alone.
pub(crate) fn navigations(factor: &ast::TableFactor) -> Vec<Span> {
    let ast::TableFactor::MatchRecognize {
        measures, symbols, ..
    } = factor
    else {
        return Vec::new();
    };
    let mut spans = Vec::new();
    let exprs = measures
        .iter()
        .map(|m| &m.expr)
        .chain(symbols.iter().map(|s| &s.definition));
    for expr in exprs {
        let _ = ast::visit_expressions(expr, |e| {
            if let ast::Expr::Function(function) = e
                && NAVIGATIONS.iter().any(|name| is_named(function, name))
            {
                spans.push(e.span());
            }
            ControlFlow::<()>::Continue(())
        });
    }
    spans
}

/// Whether a function has a name.
pub(super) fn is_named(function: &Function, name: &str) -> bool {
    function.name.to_string().eq_ignore_ascii_case(name)
}

/// An expression over the rows of a variable.
pub(super) struct Scoped {
    pub(super) expr: ast::Expr,
    /// The variable; none: all rows.
    pub(super) variable: Option<usize>,
    /// Whether it reads a row at all.
    pub(super) reads: bool,
}

/// What an argument of a function is over the rows of one of these variables.
pub(super) fn scoped(names: &[String], mut expr: ast::Expr, at: Location, function: &str) -> Result<Scoped> {
    let mut strip = Strip {
        names,
        variables: Vec::new(),
        stripped: Vec::new(),
        nested: None,
    };
    let _ = expr.visit(&mut strip);
    if let Some(nested) = strip.nested {
        return refuse(error::invalid(
            place(nested, at),
            format!("a function that looks at rows of a match cannot stand within {function}"),
        ));
    }
    let variable = strip.variables.first().copied().flatten();
    if strip.variables.iter().any(|v| *v != variable) {
        return refuse(error::invalid(
            at,
            format!("{function} reads the rows of one variable, not of several"),
        ));
    }
    Ok(Scoped {
        expr,
        variable,
        reads: !strip.variables.is_empty(),
    })
}

/// Takes the variables off columns, and notes them.
struct Strip<'a> {
    names: &'a [String],
    variables: Vec<Option<usize>>,
    /// Columns whose variable was taken off, and that are met again.
    stripped: Vec<Span>,
    /// Where a function stands that looks at rows by itself.
    nested: Option<Span>,
}

impl Strip<'_> {
    fn variable(&self, name: &Ident) -> Option<usize> {
        self.names.iter().position(|n| *n == name.value)
    }
}

impl VisitorMut for Strip<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        let new = match expr {
            ast::Expr::CompoundIdentifier(parts) => {
                let variable = parts.first().and_then(|name| self.variable(name));
                self.variables.push(variable);
                match (variable, &parts[1..]) {
                    (Some(_), [column]) => ast::Expr::Identifier(column.clone()),
                    (Some(_), rest) => ast::Expr::CompoundIdentifier(rest.to_vec()),
                    (None, _) => return ControlFlow::Continue(()),
                }
            }
            ast::Expr::CompoundFieldAccess { root, access_chain } => {
                let variable = match root.as_ref() {
                    ast::Expr::Identifier(name) => self.variable(name),
                    _ => None,
                };
                let (Some(variable), [AccessExpr::Dot(ast::Expr::Identifier(column)), ..]) =
                    (variable, access_chain.as_slice())
                else {
                    return ControlFlow::Continue(());
                };
                self.variables.push(Some(variable));
                self.stripped.push(column.span);
                ast::Expr::CompoundFieldAccess {
                    root: Box::new(ast::Expr::Identifier(column.clone())),
                    access_chain: access_chain[1..].to_vec(),
                }
            }
            ast::Expr::Identifier(name) => {
                if !self.stripped.contains(&name.span) {
                    self.variables.push(None);
                }
                return ControlFlow::Continue(());
            }
            ast::Expr::Function(function) => {
                let name = function.name.to_string();
                if functions::is_aggregate(&name) || NAVIGATIONS.iter().any(|n| n.eq_ignore_ascii_case(&name))
                {
                    self.nested = Some(function.span());
                }
                return ControlFlow::Continue(());
            }
            _ => return ControlFlow::Continue(()),
        };
        *expr = new;
        ControlFlow::Continue(())
    }
}
