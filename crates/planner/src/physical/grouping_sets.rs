//! GROUPING SETS, ROLLUP and CUBE: each row goes to a group of every set, with nulls for the keys that the set leaves out.

use std::collections::HashSet;

use arrow_schema::{DataType, Field};
use datafusion_common::{DFSchemaRef, ScalarValue};
use datafusion_expr::{Aggregate, Expr, GroupingSet, lit};
use weir_connector::changelog::{OP_COLUMN, op_field};

use super::{
    GroupAggregate, Kind, NodeId,
    aggregate::{Raw, check_key},
    expr::column,
    group::updates_of,
    lower::{Lower, Rel, RelColumn, Role, natural_name},
    schema_of,
};
use crate::{
    error::{self, Result, plan_defect},
    logical::{cast_to, expr_place},
};

/// Sets of one aggregation at most.
const MAX_SETS: usize = 256;

/// Which set a row is for: a bit per key that is left out, the last key's the lowest.
const SET_COLUMN: &str = "$set";

impl Lower<'_> {
    /// An aggregate by several sets of keys.
    pub(super) fn grouping_sets(
        &mut self,
        aggregate: &Aggregate,
        sets: &GroupingSet,
        input: Rel,
    ) -> Result<Rel> {
        let from = aggregate.input.schema();
        let exprs = sets.distinct_expr();
        let mut columns = Vec::with_capacity(exprs.len());
        for expr in &exprs {
            columns.push(self.set_key(expr, &input, from)?);
        }
        let sets = self.sets(sets, &exprs, aggregate)?;
        let mut raw = Raw::default();
        let mut calls = Vec::new();
        for expr in &aggregate.aggr_expr {
            let mut call = self.call(expr, &input, from, &mut raw)?;
            call.column = call.column.map(|argument| argument + exprs.len());
            calls.push(call);
        }
        columns.extend(raw.columns);
        let updates = updates_of(&input, &calls, self.place(aggregate));
        let bits: Vec<i64> = (0..exprs.len()).rev().map(|key| 1_i64 << key).collect();
        let expanded = self.expand(input, columns, &bits, &sets)?;
        let rows = self.schema(&expanded);
        let set = rows.index_of_column_by_name(None, SET_COLUMN);
        let set =
            set.ok_or_else(|| error::internal("the rows of grouping sets do not say whose they are"))?;
        let group = GroupAggregate {
            input: 0,
            keys: (0..exprs.len()).chain([set]).collect(),
            aggregates: calls,
            partial: false,
        };
        let raw = Raw::of(&expanded);
        let (node, _) = self.group_phases(expanded, raw, group, updates.is_some())?;
        self.operators.keep_as_hinted(node, 0, &aggregate.input);
        let schema = &self.operators.get(node).schema;
        let columns = aggregate.schema.fields().iter().enumerate().map(|(i, field)| {
            let own = schema.field(i);
            RelColumn {
                name: field.name().clone(),
                expr: if i == exprs.len() {
                    cast_to(column(own.name()), own.data_type(), field.data_type())
                } else {
                    column(own.name())
                },
                role: Role::Plain,
            }
        });
        Ok(Rel {
            node,
            filters: Vec::new(),
            columns: columns.collect(),
            window: None,
            updates,
        })
    }

    pub(super) fn set_key(&self, expr: &Expr, input: &Rel, from: &DFSchemaRef) -> Result<(String, Expr)> {
        let at = expr_place(expr).unwrap_or(self.at);
        if expr.column_refs().is_empty() {
            return Err(error::unsupported(
                at,
                "a constant or a position in GROUPING SETS, CUBE or ROLLUP is not supported: name the column",
            ));
        }
        let key = self.canonical(self.substitute(expr, input, from)?, input)?;
        let schema = self.schema(input);
        check_key(&key, &schema, at)?;
        Ok((natural_name(&key, &schema), key))
    }

    /// Each set as a bit per key that it leaves out.
    pub(super) fn sets(
        &self,
        sets: &GroupingSet,
        exprs: &[&Expr],
        aggregate: &Aggregate,
    ) -> Result<Vec<i64>> {
        let refuse = |what: &str| error::unsupported(self.place(aggregate), what);
        let keys = exprs.len();
        if keys > 62 {
            return Err(refuse("GROUPING SETS, CUBE and ROLLUP take 62 columns at most"));
        }
        let all = (1_i64 << keys) - 1;
        let bit = |expr: &Expr| {
            exprs
                .iter()
                .position(|e| *e == expr)
                .map_or(0, |i| 1_i64 << (keys - 1 - i))
        };
        let without = |set: &[Expr]| all & !set.iter().map(bit).fold(0, |a, b| a | b);
        let masks: Vec<i64> = match sets {
            GroupingSet::Rollup(list) => (0..=list.len()).rev().map(|n| without(&list[..n])).collect(),
            GroupingSet::Cube(list) if list.len() <= 8 => {
                let subset = |chosen: usize| {
                    let is_in = |i: &usize| chosen >> (list.len() - 1 - i) & 1 == 0;
                    let set: Vec<Expr> = (0..list.len()).filter(is_in).map(|i| list[i].clone()).collect();
                    without(&set)
                };
                (0..1_usize << list.len()).map(subset).collect()
            }
            GroupingSet::Cube(_) => return Err(refuse("CUBE takes 8 columns at most")),
            GroupingSet::GroupingSets(lists) => lists.iter().map(|set| without(set)).collect(),
        };
        if masks.len() > MAX_SETS {
            return Err(refuse("GROUPING SETS, CUBE and ROLLUP make 256 sets at most"));
        }
        if masks.iter().collect::<HashSet<_>>().len() < masks.len() {
            return Err(refuse(
                "the same set of columns twice in GROUPING SETS, CUBE or ROLLUP is not supported",
            ));
        }
        Ok(masks)
    }

    /// The rows once per set: the columns, first the keys, each with the bit of sets that leave it out; and whose the rows are.
    pub(super) fn expand(
        &mut self,
        input: Rel,
        columns: Vec<(String, Expr)>,
        bits: &[i64],
        sets: &[i64],
    ) -> Result<Rel> {
        let keys = bits.len();
        let updates = input.updates.clone();
        let count = columns.len();
        let base = self.calc(input, columns)?;
        let schema = self.operators.get(base).schema.clone();
        let field = |i: usize| schema.field(i);
        let mut nodes: Vec<NodeId> = Vec::with_capacity(sets.len());
        for set in sets {
            let mut columns = Vec::with_capacity(count + 2);
            for i in 0..count {
                let left_out = bits.get(i).is_some_and(|bit| set & bit != 0);
                let value = if left_out {
                    null(field(i).data_type())?
                } else {
                    column(field(i).name())
                };
                columns.push((field(i).name().clone(), value));
            }
            columns.push((SET_COLUMN.to_owned(), lit(*set)));
            if updates.is_some() {
                columns.push((OP_COLUMN.to_owned(), column(OP_COLUMN)));
            }
            let uid = self.uid("grouping-set");
            nodes.push(self.operators.calc(uid, base, None, columns)?);
        }
        let mut fields: Vec<Field> = (0..count)
            .map(|i| {
                field(i)
                    .as_ref()
                    .clone()
                    .with_nullable(i < keys || field(i).is_nullable())
            })
            .collect();
        fields.push(Field::new(SET_COLUMN, DataType::Int64, false));
        let columns = fields.iter().map(|f| RelColumn {
            name: f.name().clone(),
            expr: column(f.name()),
            role: Role::Plain,
        });
        let columns = columns.collect();
        fields.extend(updates.is_some().then(op_field));
        let uid = self.uid("grouping-sets");
        let node = self.operators.push(uid, Kind::Union(nodes), schema_of(fields)?);
        Ok(Rel {
            node,
            filters: Vec::new(),
            columns,
            window: None,
            updates,
        })
    }
}

fn null(data_type: &DataType) -> Result<Expr> {
    let value = ScalarValue::try_from(data_type).map_err(plan_defect)?;
    Ok(Expr::Literal(value, None))
}
