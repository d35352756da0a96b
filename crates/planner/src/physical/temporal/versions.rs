//! Joins with the version of a table that is valid at a row's event time.
//!
//! Versions are the rows of a table with a primary key and event time, or those of which a view keeps the last one of each key:
//! that view is not computed, since what it forgets is what the join asks for.

use std::collections::HashSet;

use datafusion_common::DFSchema;
use datafusion_expr::{Expr, ExprSchemable};
use weir_model::Location;

use super::{
    TemporalJoin,
    sides::{Conditions, kind},
};
use crate::{
    catalog::TIMESTAMP_MS,
    error::{self, Result, plan_defect},
    logical::{cast_to, expr_place, temporal::TemporalJoin as Node},
    physical::{
        Kind, NodeId,
        expr::column,
        lower::{Lower, Rel},
        schema_of, type_of,
    },
};

/// Rows of which each is a version of its key, valid from its time on.
struct Versions {
    rel: Rel,
    /// Columns of the rel's operator.
    keys: Vec<String>,
    time: String,
    /// What a version must meet to be there at all; over the rel's operator.
    filters: Vec<Expr>,
}

impl Lower<'_> {
    /// The rows of a join as of an event time.
    pub(super) fn versioned_join(&mut self, join: &Node, left: Rel) -> Result<Rel> {
        let at = join.place().unwrap_or(self.at);
        left.check_append_only("a join FOR SYSTEM_TIME AS OF an event time", at)?;
        let versions = self.versions(join, at)?;
        let mut conditions = Conditions::of(join);
        let keys = self.version_keys(join, &versions, &mut conditions, at)?;
        let mut taken = HashSet::new();
        let left = self.versioned_left(join, left, &keys, &mut taken)?;
        let Versions {
            rel: right,
            keys: names,
            time,
            filters,
        } = versions;
        let schema = self.schema(&right);
        let moment = column(&time);
        let data_type = type_of(&moment, &schema)?;
        let mut hidden = vec![("$version".to_owned(), cast_to(moment, &data_type, &TIMESTAMP_MS))];
        hidden.extend(names.iter().map(|name| ("$key".to_owned(), column(name))));
        let filter = super::super::expr::all_of(filters, &schema);
        let is_filtered = filter.is_some();
        hidden.extend(filter.map(|filter| ("$passes".to_owned(), filter)));
        let right = self.side(right, hidden, &mut taken)?;
        let mut both = self.rows_of(&left.rel);
        both.extend(self.rows_of(&right.rel));
        let offset = both.len() - self.rows_of(&right.rel).len();
        let mut condition = Self::on_both(join, conditions.rest, &left.rel.columns, &right.rel.columns)?;
        let mut of_right = right.hidden.into_iter();
        let right_time = of_right.next().unwrap_or_default();
        let right_keys: Vec<usize> = of_right.by_ref().take(names.len()).collect();
        if is_filtered && let Some(passes) = of_right.next() {
            let passes = column(both[offset + passes].name());
            condition = Some(match condition {
                Some(condition) => passes.and(condition),
                None => passes,
            });
        }
        Self::check_condition(condition.as_ref(), &both, at)?;
        let joined = Self::joined(join, &left.rel, &right.rel.columns, &both)?;
        let kind = Kind::TemporalJoin(TemporalJoin {
            inputs: [left.rel.node, right.rel.node],
            kind: kind(join),
            keys: [left.hidden[1..].to_vec(), right_keys],
            times: [left.hidden[0], right_time],
            condition,
            both: schema_of(both)?,
            output: joined.output,
        });
        let uid = self.uid("temporal-join");
        let node = self.operators.push(uid, kind, schema_of(joined.fields)?);
        self.operators.keep_as_hinted(node, 1, &join.right);
        Ok(Rel {
            node,
            filters: Vec::new(),
            columns: joined.columns,
            window: joined.window,
            updates: None,
        })
    }

    fn versioned_left(
        &mut self,
        join: &Node,
        left: Rel,
        keys: &[Expr],
        taken: &mut HashSet<String>,
    ) -> Result<super::sides::Side> {
        let mut left = left;
        if left.is_pending() {
            left = self.materialize(left)?;
        }
        let from = join.left.schema();
        let moment = self.substitute(&join.time, &left, from)?;
        let data_type = type_of(&moment, &self.schema(&left))?;
        let mut hidden = vec![("$at".to_owned(), cast_to(moment, &data_type, &TIMESTAMP_MS))];
        for key in keys {
            hidden.push(("$key".to_owned(), self.substitute(key, &left, from)?));
        }
        self.side(left, hidden, taken)
    }

    /// The right input as versions.
    fn versions(&mut self, join: &Node, at: Location) -> Result<Versions> {
        let mut rel = self.plan(&join.right)?;
        let refuse = |why: &str| {
            Err(error::unsupported(
                at,
                format!(
                    "the right table of a join FOR SYSTEM_TIME AS OF an event time must have versions, and this one {why}: join a table with \
                     PRIMARY KEY ... NOT ENFORCED and WATERMARK FOR, or a view of ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts \
                     DESC) = 1 with ts an event time"
                ),
            ))
        };
        match &self.operators.get(rel.node).kind {
            Kind::Source(..) if rel.updates.is_some() => refuse("is made of changes"),
            Kind::Source(table, _) => {
                let Some(watermark) = &table.watermark else {
                    return refuse("has no event time");
                };
                if table.primary_key.is_empty() {
                    return refuse("has no primary key");
                }
                Ok(Versions {
                    keys: table.primary_key.clone(),
                    time: watermark.column.clone(),
                    filters: Vec::new(),
                    rel,
                })
            }
            // Ordered by the time at which rows pass, a rank has no order of its own.
            Kind::Rank(rank)
                if rank.updates_in_place
                    && rank.prefers_later
                    && !rank.keys.is_empty()
                    && !rank.order.is_empty() =>
            {
                let schema = &self.operators.get(rank.input).schema;
                let name = |column: usize| schema.field(column).name().clone();
                let keys = rank.keys.iter().map(|key| name(*key)).collect();
                let time = name(rank.order[0].column);
                let input: NodeId = rank.input;
                self.operators.get_mut(rel.node).kind = Kind::Gone;
                rel.node = input;
                rel.updates = None;
                let filters = std::mem::take(&mut rel.filters);
                Ok(Versions {
                    rel,
                    keys,
                    time,
                    filters,
                })
            }
            _ => refuse("has none"),
        }
    }

    /// The left expressions that are equal to the columns of the primary key, in its order; other equalities become conditions.
    fn version_keys(
        &self,
        join: &Node,
        versions: &Versions,
        conditions: &mut Conditions,
        at: Location,
    ) -> Result<Vec<Expr>> {
        let from = join.right.schema();
        let mut found: Vec<Option<Expr>> = vec![None; versions.keys.len()];
        for (left, right) in std::mem::take(&mut conditions.equal) {
            let own = self.substitute(&right, &versions.rel, from)?;
            let key = versions.keys.iter().position(|key| own == column(key));
            match key.filter(|key| found[*key].is_none() && same_type(&left, &right, join)) {
                Some(key) => found[key] = Some(left),
                None => conditions.demote((left, right)),
            }
        }
        found
            .into_iter()
            .zip(&versions.keys)
            .map(|(left, key)| {
                left.ok_or_else(|| {
                    error::unsupported(
                        at,
                        format!(
                            "a join FOR SYSTEM_TIME AS OF an event time needs an equality with each column of the primary key of its right \
                             table, of the same type: '{key}' has none"
                        ),
                    )
                })
            })
            .collect()
    }

    /// Refuses a condition that cannot be computed.
    pub(super) fn check_condition(
        condition: Option<&Expr>,
        both: &[arrow_schema::Field],
        at: Location,
    ) -> Result<()> {
        let Some(condition) = condition else { return Ok(()) };
        let at = expr_place(condition).unwrap_or(at);
        if condition.is_volatile() {
            return Err(error::unsupported(
                at,
                "the condition of a join FOR SYSTEM_TIME AS OF cannot read the clock or chance: filter its result by them",
            ));
        }
        let schema = arrow_schema::Schema::new(both.to_vec());
        crate::encode::check(condition, &schema).map_err(|problem| problem.at(at))
    }
}

/// Whether both sides of an equality are of one type.
pub(super) fn same_type(left: &Expr, right: &Expr, join: &Node) -> bool {
    let type_of = |expr: &Expr, schema: &DFSchema| expr.get_type(schema).map_err(plan_defect);
    match (
        type_of(left, join.left.schema()),
        type_of(right, join.right.schema()),
    ) {
        (Ok(left), Ok(right)) => left == right && !left.is_nested(),
        _ => false,
    }
}
