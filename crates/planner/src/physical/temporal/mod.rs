//! Joins with a table as of a time of the left rows: its versions by event time, or what it says when a row passes.
//!
//! - `sides`: what both joins make of their inputs and conditions. Leans on nothing.
//! - `versions`: joins as of an event time. Leans on `sides`.
//! - `lookup`: joins as of the processing time. Leans on `sides`.

mod lookup;
mod sides;
mod versions;

use std::sync::Arc;

use arrow_schema::Schema;
use datafusion_common::DFSchemaRef;
use datafusion_expr::{Expr, LogicalPlan};
use weir_model::Location;
use weir_proto::graph::join::Type;

use super::{
    NodeId,
    lower::{Lower, Rel, Role, role},
};
use crate::{
    catalog::TableDef,
    error::{self, Result},
    logical::{
        lookup_hint::{HintedLookup, LookupHint},
        temporal as logical,
    },
};

/// Joins rows with the versions of another input that are valid at their times.
#[derive(Clone, Debug)]
pub(crate) struct TemporalJoin {
    /// The rows, and the versions.
    pub inputs: [NodeId; 2],
    /// Inner or left.
    pub kind: Type,
    /// The key columns of each input.
    pub keys: [Vec<usize>; 2],
    /// The time columns of each input.
    pub times: [usize; 2],
    /// What the version must meet, over `both`.
    pub condition: Option<Expr>,
    /// The columns of left, then right.
    pub both: DFSchemaRef,
    /// The columns of the result among `both`.
    pub output: Vec<usize>,
}

/// Joins rows with what a table outside has for them when they pass.
#[derive(Clone, Debug)]
pub(crate) struct LookupJoin {
    /// Where the rows come from.
    pub input: NodeId,
    /// The table.
    pub table: Arc<TableDef>,
    /// Inner or left.
    pub kind: Type,
    /// The key: physical columns of the table, and columns of the input.
    pub keys: Vec<(usize, usize)>,
    /// What the connector produces.
    pub scan: Schema,
    /// The right columns, over the produced ones.
    pub right: Vec<(String, Expr)>,
    /// What pairs must meet, over `both`.
    pub condition: Option<Expr>,
    /// The columns of the input, without what changes do, then the right ones.
    pub both: DFSchemaRef,
    /// The columns of the result among `both`.
    pub output: Vec<usize>,
    /// How the table is asked.
    pub hint: LookupHint,
    /// Where the time stands.
    pub at: Location,
}

impl LookupJoin {
    /// The columns of the input that rows are spread by, if they are.
    pub(crate) fn spread_by(&self) -> Option<Vec<usize>> {
        self.hint
            .shuffles
            .then(|| self.keys.iter().map(|(_, of_input)| *of_input).collect())
    }
}

impl Lower<'_> {
    /// A table that a hint says how to ask.
    pub(crate) fn hinted_lookup(&mut self, hinted: &HintedLookup) -> Result<Rel> {
        if !self.looks_up {
            return Err(error::invalid(
                hinted.place(),
                "the hint LOOKUP is for a table that is joined FOR SYSTEM_TIME AS OF a processing time",
            ));
        }
        self.lookup_hint = Some((hinted.hint, hinted.place()));
        self.plan(&hinted.input)
    }

    /// The rows of a join as of a time.
    pub(crate) fn temporal_join(&mut self, plan: &LogicalPlan) -> Result<Rel> {
        let join = logical::as_join(plan).ok_or_else(|| error::internal("a temporal join is none"))?;
        let left = self.plan(&join.left)?;
        match role(&join.time, &left, join.left.schema()) {
            role if role.is_event_time() => self.versioned_join(join, left),
            Role::ProcessingTime => self.lookup_join(join, left),
            _ if left.updates.is_some() => {
                let at = join.place().unwrap_or(self.at);
                left.check_append_only("a join FOR SYSTEM_TIME AS OF an event time", at)?;
                Err(error::internal("changes were taken for rows"))
            }
            _ => Err(error::invalid(
                join.place().unwrap_or(self.at),
                format!(
                    "'{}' is no time that FOR SYSTEM_TIME AS OF can take: declare WATERMARK FOR it in CREATE TABLE, and pass it on \
                     unchanged, or take a column AS PROCTIME()",
                    super::format::format_expr(&join.time)
                ),
            )),
        }
    }
}
