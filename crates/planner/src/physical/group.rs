//! Aggregates without windows, whose results change as rows come: before and behind the shuffle if rows are only appended.

use arrow_schema::{DataType, Field};
use datafusion_common::DFSchemaRef;
use datafusion_expr::{Aggregate, Distinct, Expr};
use weir_connector::changelog::op_field;
use weir_model::Location;

use super::{
    AggregateCall, GroupAggregate, Kind, NodeId, Updates,
    aggregate::Raw,
    aggregate_call::{name_results, partial_fields},
    expr::column,
    lower::{Lower, Rel, RelColumn, Role},
    schema_of,
};
use crate::error::{self, Result};

/// What one column of the result is.
enum Output {
    Key(usize),
    Aggregate(usize),
}

impl Lower<'_> {
    /// An aggregate by keys that are no window.
    pub(crate) fn group(&mut self, aggregate: &Aggregate, input: Rel) -> Result<Rel> {
        if let [Expr::GroupingSet(sets)] = aggregate.group_expr.as_slice() {
            return self.grouping_sets(aggregate, sets, input);
        }
        let from = aggregate.input.schema();
        let mut raw = Raw::default();
        let (mut outputs, mut keys, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        for group in &aggregate.group_expr {
            outputs.push(Output::Key(self.key(group, &input, from, &mut raw, &mut keys)?));
        }
        for expr in &aggregate.aggr_expr {
            outputs.push(Output::Aggregate(calls.len()));
            calls.push(self.call(expr, &input, from, &mut raw)?);
        }
        let names = aggregate
            .schema
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect();
        let updates = updates_of(&input, &calls, self.place(aggregate));
        let group = GroupAggregate {
            input: 0,
            keys,
            aggregates: calls,
            partial: false,
        };
        let (node, positions) = self.group_phases(input, raw, group, updates.is_some())?;
        self.operators.keep_as_hinted(node, 0, &aggregate.input);
        Ok(self.grouped(node, positions, &outputs, names, updates))
    }

    /// The distinct rows: groups by all columns, without aggregates.
    pub(crate) fn distinct(&mut self, distinct: &Distinct) -> Result<Rel> {
        let Distinct::All(plan) = distinct else {
            return Err(error::unsupported(self.at, "DISTINCT ON is not Flink's SQL"));
        };
        let input = self.plan(plan)?;
        let from: &DFSchemaRef = plan.schema();
        let mut raw = Raw::default();
        let (mut outputs, mut keys) = (Vec::new(), Vec::new());
        for (qualifier, field) in from.iter() {
            let group = Expr::Column((qualifier, field).into());
            outputs.push(Output::Key(self.key(&group, &input, from, &mut raw, &mut keys)?));
        }
        let updates = input.updates.clone();
        let names = from.fields().iter().map(|f| f.name().clone()).collect();
        let group = GroupAggregate {
            input: 0,
            keys,
            aggregates: Vec::new(),
            partial: false,
        };
        let (node, positions) = self.group_phases(input, raw, group, updates.is_some())?;
        self.operators.keep_as_hinted(node, 0, plan);
        Ok(self.grouped(node, positions, &outputs, names, updates))
    }

    /// The operators, and how many keys their rows begin with.
    pub(super) fn group_phases(
        &mut self,
        input: Rel,
        raw: Raw,
        mut group: GroupAggregate,
        is_changelog: bool,
    ) -> Result<(NodeId, usize)> {
        let uid = self.uid("group-aggregate");
        let one_phase = input.updates.is_some()
            || group
                .aggregates
                .iter()
                .any(|call| call.distinct || !call.merges());
        group.input = self.calc(input, raw.columns)?;
        let rows = self.operators.get(group.input).schema.clone();
        let keys: Vec<Field> = group
            .keys
            .iter()
            .map(|k| rows.field(*k).as_ref().clone())
            .collect();
        let mut taken = keys.iter().map(|f| f.name().clone()).collect();
        name_results(&mut group.aggregates, &mut taken);
        if !one_phase {
            let mut partial = partial_fields(&keys, &group.aggregates, &rows);
            partial.push(Field::new("$rows", DataType::Int64, false));
            let local = Kind::LocalGroup(group.clone());
            group.input = self
                .operators
                .push(format!("{uid}/local"), local, schema_of(partial)?);
            group.partial = true;
        }
        let count = keys.len();
        let mut fields = keys;
        fields.extend(
            group
                .aggregates
                .iter()
                .map(|call: &AggregateCall| call.result.clone()),
        );
        fields.extend(is_changelog.then(op_field));
        let schema = schema_of(fields)?;
        Ok((self.operators.push(uid, Kind::Group(group), schema), count))
    }

    fn grouped(
        &self,
        node: NodeId,
        keys: usize,
        outputs: &[Output],
        names: Vec<String>,
        updates: Option<Updates>,
    ) -> Rel {
        let schema = &self.operators.get(node).schema;
        let columns = outputs.iter().zip(names).map(|(output, name)| {
            let position = match output {
                Output::Key(key) => *key,
                Output::Aggregate(call) => keys + call,
            };
            RelColumn {
                name,
                expr: column(schema.field(position).name()),
                role: Role::Plain,
            }
        });
        Rel {
            node,
            filters: Vec::new(),
            columns: columns.collect(),
            window: None,
            updates,
        }
    }
}

/// What makes the result of these aggregates change; of distinct rows that are only appended, nothing.
pub(super) fn updates_of(input: &Rel, calls: &[AggregateCall], at: Location) -> Option<Updates> {
    let own = || {
        (!calls.is_empty()).then(|| Updates {
            by: "an aggregation without a window".to_owned(),
            at,
        })
    };
    input.updates.clone().or_else(own)
}
