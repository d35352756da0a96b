//! ORDER BY of a stream without LIMIT: by event time first, as the watermark passes.

use datafusion_expr::Sort as SortPlan;
use datafusion_expr::expr::Sort as SortExpr;
use weir_model::Location;

use super::{
    Kind, NodeId,
    expr::column,
    lower::{Lower, Rel, RelColumn, Role, role},
    passing::passing_column,
    rank::SortColumn,
};
use crate::{
    error::{self, Result},
    logical::expr_place,
};

/// Rows in the order of their event time.
#[derive(Clone, Debug)]
pub(crate) struct Sort {
    /// Where the rows come from.
    pub input: NodeId,
    /// The event time, then columns that order rows of one time.
    pub order: Vec<SortColumn>,
}

impl Lower<'_> {
    /// The rows in order; refused where that would need all of them.
    pub(crate) fn sorted(&mut self, input: Rel, sort: &SortPlan) -> Result<Rel> {
        let from = sort.input.schema();
        let at = sort
            .expr
            .iter()
            .find_map(|s| expr_place(&s.expr))
            .unwrap_or(self.at);
        if sort
            .expr
            .first()
            .is_some_and(|by| self.is_passing(&by.expr, &input, from))
        {
            return in_passing(input, sort, at);
        }
        let is_time = |by: &SortExpr| by.asc && role(&by.expr, &input, from).is_event_time();
        if !sort.expr.first().is_some_and(is_time) {
            return Err(error::unsupported(
                at,
                "ORDER BY of a stream begins with an event-time column, ascending: others have no last row to sort; or add LIMIT",
            ));
        }
        input.check_append_only("ORDER BY", at)?;
        let input = if input.is_pending() {
            self.materialize(input)?
        } else {
            input
        };
        let (mut computed, columns) = (self.rank_columns(&input)?, input.columns.clone());
        let mut order = Vec::with_capacity(sort.expr.len());
        for by in &sort.expr {
            order.push(SortColumn {
                column: self.rank_column(&by.expr, &input, from, &mut computed)?,
                descending: !by.asc,
                nulls_first: by.nulls_first,
            });
        }
        let rows = self.calc(input, computed)?;
        let schema = self.operators.get(rows).schema.clone();
        let uid = self.uid("sort");
        let node = self
            .operators
            .push(uid, Kind::Sort(Sort { input: rows, order }), schema.clone());
        let columns = columns
            .into_iter()
            .zip(schema.fields())
            .map(|(c, own)| match c.role {
                Role::ProcessingTime => passing_column(c.name),
                _ => RelColumn {
                    expr: column(own.name()),
                    ..c
                },
            });
        Ok(Rel {
            node,
            filters: Vec::new(),
            columns: columns.collect(),
            window: None,
            updates: None,
        })
    }
}

/// Rows in the order in which they pass: as they come.
fn in_passing(input: Rel, sort: &SortPlan, at: Location) -> Result<Rel> {
    input.check_append_only("ORDER BY", at)?;
    if sort.expr.len() > 1 || !sort.expr[0].asc {
        return Err(error::unsupported(
            at,
            "ORDER BY a processing time is the order in which rows come: it takes no other columns and no DESC",
        ));
    }
    Ok(input)
}
