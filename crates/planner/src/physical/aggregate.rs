//! Windowed aggregates: a phase before the shuffle, and one behind it.

use arrow_schema::{DataType, Field};
use datafusion_common::{DFSchemaRef, ScalarValue};
use datafusion_expr::{Aggregate, Expr};
use weir_connector::changelog::op_field;
use weir_model::Location;

use super::{
    Kind, NodeId, WindowAggregate,
    aggregate_call::{name_results, partial_fields},
    count_window::is_by_count,
    emit,
    expr::{column, unique_name},
    lower::{Lower, Rel, RelColumn, Role, natural_name, role},
    schema_of, type_of,
    window::{Assigned, RelWindow, at_least_one, reads_placeholder},
};
use crate::{
    catalog::TIMESTAMP_MS,
    error::{self, Result, plan_defect},
    logical::{
        cast_to, expr_place,
        window::{WINDOW_COLUMNS, Windows},
    },
};

/// What one column of an aggregate's result is.
enum Output {
    Key(usize),
    Window(usize),
    Aggregate(usize),
}

/// The columns that the first phase reads, each expression once.
#[derive(Default)]
pub(super) struct Raw {
    pub(super) columns: Vec<(String, Expr)>,
}

impl Raw {
    /// All columns of rows that are there.
    pub(super) fn of(rel: &Rel) -> Self {
        let columns = rel.columns.iter().map(|c| (c.name.clone(), c.expr.clone()));
        Self {
            columns: columns.collect(),
        }
    }

    pub(super) fn add(&mut self, name: String, expr: Expr) -> usize {
        // What is drawn twice is two numbers.
        let known = self.columns.iter().position(|(_, e)| *e == expr);
        if let Some(known) = known.filter(|_| !expr.is_volatile()) {
            return known;
        }
        self.columns.push((name, expr));
        self.columns.len() - 1
    }
}

impl Lower<'_> {
    /// An aggregate: by window if the window's start and end are grouped by.
    pub(crate) fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Rel> {
        let input = self.plan(&aggregate.input)?;
        self.aggregate_of(aggregate, input)
    }

    fn aggregate_of(&mut self, aggregate: &Aggregate, mut input: Rel) -> Result<Rel> {
        let from = aggregate.input.schema();
        let is_drawn = |c: &RelColumn| c.role != Role::ProcessingTime && c.expr.is_volatile();
        if input.columns.iter().any(is_drawn) {
            // What several of its parts read is drawn once.
            input = self.materialize(input)?;
        }
        if is_by_count(aggregate, &input) {
            return self.count_aggregate(aggregate, input);
        }
        if let [Expr::GroupingSet(sets)] = aggregate.group_expr.as_slice() {
            let is_window = |expr: &&Expr| matches!(role(expr, &input, from), Role::Window(_));
            if sets.distinct_expr().iter().any(is_window) {
                return self.window_sets(aggregate, sets, input);
            }
        }
        let groups: Vec<&Expr> = aggregate.group_expr.iter().collect();
        if input.is_pending() && reads_windows(&groups, aggregate, &input)? {
            input = self.materialize(input)?;
        }
        let groups_by = |part: usize| {
            let by = |group: &Expr| role(group, &input, from) == Role::Window(part);
            aggregate.group_expr.iter().any(by)
        };
        let Some(window) = input.window.clone().filter(|_| groups_by(0) && groups_by(1)) else {
            return self.group(aggregate, input);
        };
        input.check_append_only("a windowed aggregation", self.place(aggregate))?;
        let mut raw = Raw::default();
        let mut outputs = Vec::new();
        let mut keys = Vec::new();
        let mut start = None;
        for group in &aggregate.group_expr {
            if let Role::Window(part) = role(group, &input, from) {
                outputs.push(Output::Window(part));
                if part == 0 {
                    start = Some(group);
                }
                continue;
            }
            outputs.push(Output::Key(self.key(group, &input, from, &mut raw, &mut keys)?));
        }
        let mut calls = Vec::new();
        for expr in &aggregate.aggr_expr {
            outputs.push(Output::Aggregate(calls.len()));
            calls.push(self.call(expr, &input, from, &mut raw)?);
        }
        if let Some(user) = calls
            .iter()
            .find(|call| !call.merges())
            .and_then(|call| call.user.as_ref())
        {
            return Err(error::unsupported(
                self.place(aggregate),
                format!(
                    "{0} by window needs a function that puts states together: export \"{0}.merge\" from its module",
                    user.name()
                ),
            ));
        }
        let is_session = matches!(window.windows, Windows::Session(_));
        let when = self.emit(&window)?;
        if let (true, Assigned::Attached, Some(start)) = (is_session, window.assigned, start) {
            // What its end alone does not tell.
            let start = self.substitute(start, &input, from)?;
            keys.push(raw.add(WINDOW_COLUMNS[0].into(), start));
        }
        if is_session && window.assigned == Assigned::Pending && !is_partition(&window, &keys, &raw) {
            // Sessions first, then groups of their rows.
            let input = self.materialize(input)?;
            return self.aggregate_of(aggregate, input);
        }
        // Of rows that have yet to be multiplied, the panes are enough.
        input.window = None;
        let time = if window.is_processing {
            raw.columns = at_least_one(raw.columns);
            // The stamp comes behind them.
            raw.columns.len()
        } else {
            raw.add(natural_name(&window.time, &self.schema(&input)), window.time)
        };
        let node = self.phases(
            input,
            raw,
            window.is_processing,
            WindowAggregate {
                input: 0,
                windows: window.windows,
                time,
                attached: window.assigned == Assigned::Attached,
                keys,
                aggregates: calls,
                raw: when.is_some(),
                emit: when,
            },
        )?;
        Ok(self.result(node, &outputs, aggregate, window.at))
    }

    /// The position among the keys of what is grouped by, added if it is new.
    pub(super) fn key(
        &self,
        group: &Expr,
        input: &Rel,
        from: &DFSchemaRef,
        raw: &mut Raw,
        keys: &mut Vec<usize>,
    ) -> Result<usize> {
        let expr = self.canonical(self.substitute(group, input, from)?, input)?;
        check_key(&expr, &self.schema(input), expr_place(group).unwrap_or(self.at))?;
        let index = raw.add(natural_name(&expr, &self.schema(input)), expr);
        Ok(keys.iter().position(|k| *k == index).unwrap_or_else(|| {
            keys.push(index);
            keys.len() - 1
        }))
    }

    /// The calc that computes keys and arguments, and the two phases.
    pub(super) fn phases(
        &mut self,
        input: Rel,
        raw: Raw,
        is_processing: bool,
        mut aggregate: WindowAggregate,
    ) -> Result<NodeId> {
        let uid = self.uid("window-aggregate");
        aggregate.input = self.calc(input, raw.columns)?;
        if is_processing {
            aggregate.input = self.stamp(aggregate.input, aggregate.windows)?;
        }
        let rows = self.operators.get(aggregate.input).schema.clone();
        let keys: Vec<Field> = aggregate
            .keys
            .iter()
            .map(|k| rows.field(*k).as_ref().clone())
            .collect();
        let mut taken = keys.iter().map(|f| f.name().clone()).collect();
        name_results(&mut aggregate.aggregates, &mut taken);
        if !aggregate.reads_raw() {
            let mut partial = partial_fields(&keys, &aggregate.aggregates, &rows);
            partial.push(Field::new("$pane", TIMESTAMP_MS, false));
            partial.push(Field::new("$rows", DataType::Int64, false));
            let partial = schema_of(partial)?;
            let local = self.operators.push(
                format!("{uid}/local"),
                Kind::LocalWindow(aggregate.clone()),
                partial,
            );
            aggregate.input = local;
        }
        let mut fields = keys;
        fields.extend(aggregate.aggregates.iter().map(|call| call.result.clone()));
        fields.extend(
            WINDOW_COLUMNS.map(|name| Field::new(unique_name(name.into(), &mut taken), TIMESTAMP_MS, false)),
        );
        fields.extend(aggregate.emit.map(|_| op_field()));
        let schema = schema_of(fields)?;
        Ok(self.operators.push(uid, Kind::Window(aggregate), schema))
    }

    fn result(&self, node: NodeId, outputs: &[Output], aggregate: &Aggregate, at: Location) -> Rel {
        let operator = self.operators.get(node);
        let Kind::Window(window) = &operator.kind else {
            unreachable!("the aggregate was just made")
        };
        let (keys, calls) = (window.keys.len(), window.aggregates.len());
        let columns = outputs
            .iter()
            .zip(aggregate.schema.fields())
            .map(|(output, field)| {
                let (position, role) = match output {
                    Output::Key(key) => (*key, Role::Plain),
                    Output::Aggregate(call) => (keys + call, Role::Plain),
                    Output::Window(part) => (keys + calls + part, Role::Window(*part)),
                };
                let own = column(operator.schema.field(position).name());
                let expr = match role {
                    Role::Window(_) => cast_to(own, &TIMESTAMP_MS, field.data_type()),
                    _ => own,
                };
                RelColumn {
                    name: field.name().clone(),
                    expr,
                    role,
                }
            });
        Rel {
            node,
            filters: Vec::new(),
            columns: columns.collect(),
            window: Some(RelWindow {
                windows: window.windows,
                time: column(operator.schema.field(keys + calls + 1).name()),
                assigned: Assigned::Attached,
                is_processing: false,
                partition: None,
                at,
            }),
            updates: emit::updates(window, at),
        }
    }

    /// Texts in the one representation that state and exchange know.
    pub(crate) fn canonical(&self, expr: Expr, input: &Rel) -> Result<Expr> {
        let data_type = type_of(&expr, &self.schema(input))?;
        Ok(match data_type {
            DataType::Utf8View | DataType::LargeUtf8 => cast_to(expr, &data_type, &DataType::Utf8),
            DataType::BinaryView | DataType::LargeBinary => cast_to(expr, &data_type, &DataType::Binary),
            DataType::Null => Expr::Literal(ScalarValue::Utf8(None), None),
            _ => expr,
        })
    }

    pub(super) fn place(&self, aggregate: &Aggregate) -> Location {
        let mut exprs = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
        exprs.find_map(expr_place).unwrap_or(self.at)
    }
}

/// Whether sessions are apart by just what their rows are grouped by.
fn is_partition(window: &RelWindow, keys: &[usize], raw: &Raw) -> bool {
    let Some(partition) = &window.partition else {
        return true;
    };
    let grouped: Vec<&Expr> = keys.iter().map(|key| &raw.columns[*key].1).collect();
    partition.iter().all(|expr| grouped.contains(&expr))
        && grouped.iter().all(|expr| partition.contains(expr))
}

/// Whether something else than the grouping by window reads the window of a row.
pub(super) fn reads_windows(groups: &[&Expr], aggregate: &Aggregate, input: &Rel) -> Result<bool> {
    let from = aggregate.input.schema();
    let keys = groups
        .iter()
        .copied()
        .filter(|group| !matches!(role(group, input, from), Role::Window(_)));
    for expr in keys.chain(&aggregate.aggr_expr) {
        for column in expr.column_refs() {
            let index = from.index_of_column(column).map_err(plan_defect)?;
            if reads_placeholder(&input.columns[index].expr) {
                return Ok(true);
            }
        }
    }
    Ok(input.filters.iter().any(reads_placeholder))
}

pub(super) fn check_key(expr: &Expr, schema: &DFSchemaRef, at: Location) -> Result<()> {
    let data_type = type_of(expr, schema)?;
    if data_type.is_nested() {
        return Err(error::unsupported(
            at,
            format!(
                "GROUP BY a column of type {} is not supported yet",
                weir_proto::convert::sql_type(&data_type)
            ),
        ));
    }
    Ok(())
}
