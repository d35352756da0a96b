//! Names behind the one catalog and the one database, `default_catalog.default_database.t`, as the table's name alone.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart, Query, Spanned, VisitMut, VisitorMut};
use weir_model::{Location, Problem};

use super::tokens::{DEFAULT_CATALOG, DEFAULT_DATABASE, ONE_DATABASE, is_default};
use crate::error::{Result, place, unsupported};

/// Shortens the names of a query.
pub(super) fn shorten(query: &mut Query, at: Location) -> Result<()> {
    match query.visit(&mut Names(at)) {
        ControlFlow::Break(problem) => Err(problem),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Names(Location);

impl VisitorMut for Names {
    type Break = Problem;

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<Problem> {
        let parts: Option<Vec<&Ident>> = relation.0.iter().map(ObjectNamePart::as_ident).collect();
        let names: Vec<&str> = parts.iter().flatten().map(|part| part.value.as_str()).collect();
        let Some((_, before)) = names.split_last() else {
            return ControlFlow::Continue(());
        };
        if !is_default(before) {
            let at = place(relation.span(), self.0);
            return ControlFlow::Break(unsupported(at, ONE_DATABASE));
        }
        let count = before.len();
        relation.0.drain(..count);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Problem> {
        if let Expr::CompoundIdentifier(parts) = expr {
            let names: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
            let count = match names.as_slice() {
                [DEFAULT_CATALOG, DEFAULT_DATABASE, _, ..] => 2,
                [DEFAULT_DATABASE, _, ..] => 1,
                _ => 0,
            };
            parts.drain(..count);
            if let [name] = parts.as_slice() {
                *expr = Expr::Identifier(name.clone());
            }
        }
        ControlFlow::Continue(())
    }
}
