//! INTERSECT ALL and EXCEPT ALL: their second input gets a name, by which the plan knows them again.

use std::ops::ControlFlow;

use sqlparser::{
    ast::{Ident, Query, SetExpr, SetOperator, SetQuantifier, TableAlias, TableFactor, VisitMut, VisitorMut},
    parser::Parser,
    tokenizer::Tokenizer,
};

use super::tokens::FlinkDialect;
use crate::error::{self, Result};

/// The name of the second input.
pub(crate) const ALL: &str = "$ALL";

/// Names the second input of every such operation in a query.
pub(crate) fn mark(query: &mut Query) -> Result<()> {
    struct Queries(Query);
    impl VisitorMut for Queries {
        type Break = ();

        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            mark_all(&mut query.body, &self.0);
            ControlFlow::Continue(())
        }
    }
    // Tokens without places: errors are about what the user wrote.
    let tokens = Tokenizer::new(&FlinkDialect, "SELECT * FROM (SELECT 1)").tokenize();
    let tokens = tokens.map_err(|e| error::internal(e.to_string()))?;
    let template = Parser::new(&FlinkDialect).with_tokens(tokens).parse_query();
    let template = template.map_err(|e| error::internal(e.to_string()))?;
    let _ = query.visit(&mut Queries(*template));
    Ok(())
}

fn mark_all(body: &mut SetExpr, template: &Query) {
    let SetExpr::SetOperation {
        op,
        set_quantifier,
        left,
        right,
    } = body
    else {
        return;
    };
    mark_all(left, template);
    if *set_quantifier == SetQuantifier::All && matches!(op, SetOperator::Intersect | SetOperator::Except) {
        let named = SetExpr::Query(Box::new(template.clone()));
        let inner = std::mem::replace(right.as_mut(), named);
        // It is visited as a query of its own now.
        name_inner(right, inner);
    } else {
        mark_all(right, template);
    }
}

/// Puts the query into the template, and gives it the name.
fn name_inner(template: &mut SetExpr, inner: SetExpr) {
    if let SetExpr::Query(query) = template
        && let SetExpr::Select(select) = query.body.as_mut()
        && let [table] = select.from.as_mut_slice()
        && let TableFactor::Derived { subquery, alias, .. } = &mut table.relation
    {
        *subquery.body = inner;
        *alias = Some(TableAlias {
            explicit: true,
            name: Ident::new(ALL),
            columns: Vec::new(),
            at: None,
        });
    }
}
