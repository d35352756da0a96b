//! Windows of so many rows of a key, and aggregates by them.

use arrow_schema::{DataType, Field};
use datafusion_common::{
    DFSchema, ScalarValue,
    tree_node::{Transformed, TreeNode},
};
use datafusion_expr::{Aggregate, Expr, when};

use super::{
    AggregateCall, Kind, NodeId,
    aggregate::{Raw, check_key},
    aggregate_call::name_results,
    expr::{all_of, column, is_cheap, unique_name},
    lower::{Lower, Rel, RelColumn, Role, role},
    schema_of,
    window::{Assigned, COUNT_PLACEHOLDER, RelWindow, at_least_one, reads_placeholder},
};
use crate::{
    error::{self, Result, plan_defect},
    logical::window::{Count, WINDOW_ID, WindowNode, Windows},
};

/// Aggregates the rows of windows by rows, each when it is complete.
#[derive(Clone, Debug)]
pub(crate) struct CountAggregate {
    /// Where the rows come from.
    pub input: NodeId,
    /// What windows are apart by.
    pub keys: Vec<usize>,
    /// The windows.
    pub count: Count,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// The column that says whether a row is aggregated; it is counted in any case.
    pub filter: Option<usize>,
}

/// What an aggregate reads and gives.
struct Columns {
    /// The columns that are computed before it.
    raw: Raw,
    /// Which of them are keys.
    keys: Vec<usize>,
    outputs: Vec<Output>,
    calls: Vec<AggregateCall>,
}

/// What one column of the result is.
enum Output {
    Key(usize),
    Window,
    Aggregate(usize),
}

impl Lower<'_> {
    /// The rows of a window by rows.
    pub(super) fn count_window(&mut self, window: &WindowNode) -> Result<Rel> {
        let mut input = self.plan(&window.input)?;
        input.check_append_only("a window by count", window.place())?;
        if input.is_pending() || !input.filters.is_empty() {
            // What is left out below is not counted, what is left out above is.
            input = self.materialize(input)?;
        }
        let mut partition = Vec::new();
        for key in window.partition.iter().flatten() {
            let key = self.canonical(self.substitute(key, &input, window.input.schema())?, &input)?;
            check_key(&key, &self.schema(&input), window.place())?;
            partition.push(key);
        }
        for column in &mut input.columns {
            column.role = match column.role {
                Role::Window(2) => Role::EventTime,
                Role::Window(_) | Role::CountWindow => Role::Plain,
                other => other,
            };
        }
        input.columns.push(RelColumn {
            name: WINDOW_ID.into(),
            expr: column(COUNT_PLACEHOLDER),
            role: Role::CountWindow,
        });
        input.window = Some(RelWindow {
            windows: window.windows,
            time: Expr::Literal(ScalarValue::Null, None),
            assigned: Assigned::Pending,
            is_processing: false,
            partition: Some(partition),
            at: window.place(),
        });
        Ok(input)
    }

    /// An aggregate by a window by rows.
    pub(super) fn count_aggregate(&mut self, aggregate: &Aggregate, mut input: Rel) -> Result<Rel> {
        let at = self.place(aggregate);
        let window = input.window.clone();
        let Some((window, Windows::Count(count))) = window.map(|w| (w.clone(), w.windows)) else {
            return Err(error::unsupported(
                at,
                "GROUP BY window_id behind something that is computed between the window and it is not supported: aggregate FROM \
                 TABLE(COUNT_TUMBLE(...)) directly",
            ));
        };
        let Columns {
            mut raw,
            keys,
            outputs,
            calls,
        } = self.count_columns(aggregate, &input, &window)?;
        input.window = None;
        let filters = std::mem::take(&mut input.filters);
        let (over_windows, filters): (Vec<_>, Vec<_>) = filters.into_iter().partition(reads_placeholder);
        let reads_else = |e: &Expr| e.column_refs().iter().any(|c| c.name != COUNT_PLACEHOLDER);
        if over_windows.iter().any(reads_else) || raw.columns.iter().any(|(_, e)| reads_placeholder(e)) {
            return Err(error::unsupported(
                at,
                "what is aggregated by window_id cannot depend on it: filter by window_id behind the aggregation",
            ));
        }
        let filter = match all_of(filters, &self.schema(&input)) {
            Some(filter) => Some(only_where(filter, &keys, &mut raw, &self.schema(&input))?),
            None => None,
        };
        let kind = CountAggregate {
            input: 0,
            keys,
            count,
            aggregates: calls,
            filter,
        };
        let node = self.count_node(input, raw, kind)?;
        self.count_result(node, &outputs, aggregate, over_windows)
    }

    /// The calc that computes keys and arguments, and the aggregate.
    fn count_node(&mut self, input: Rel, raw: Raw, mut aggregate: CountAggregate) -> Result<NodeId> {
        let uid = self.uid("count-window-aggregate");
        aggregate.input = self.calc(input, at_least_one(raw.columns))?;
        let rows = &self.operators.get(aggregate.input).schema;
        let keys = aggregate.keys.iter();
        let mut fields: Vec<Field> = keys.map(|k| rows.field(*k).as_ref().clone()).collect();
        let mut taken = fields.iter().map(|f| f.name().clone()).collect();
        name_results(&mut aggregate.aggregates, &mut taken);
        fields.extend(aggregate.aggregates.iter().map(|call| call.result.clone()));
        let id = unique_name(WINDOW_ID.into(), &mut taken);
        fields.push(Field::new(id, DataType::Int64, false));
        let schema = schema_of(fields)?;
        Ok(self.operators.push(uid, Kind::CountAggregate(aggregate), schema))
    }

    /// What is aggregated, by what, and what the result consists of.
    fn count_columns(&self, aggregate: &Aggregate, input: &Rel, window: &RelWindow) -> Result<Columns> {
        let from = aggregate.input.schema();
        let mut raw = Raw::default();
        let (mut keys, mut outputs, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        for group in &aggregate.group_expr {
            if let Expr::GroupingSet(_) = group {
                return Err(error::unsupported(
                    self.place(aggregate),
                    "GROUPING SETS, CUBE and ROLLUP by a window by count are not supported: write a query each, with UNION ALL",
                ));
            }
            outputs.push(match role(group, input, from) {
                Role::CountWindow => Output::Window,
                _ => Output::Key(self.key(group, input, from, &mut raw, &mut keys)?),
            });
        }
        let partition: Vec<&Expr> = window.partition.iter().flatten().collect();
        let grouped: Vec<&Expr> = keys.iter().map(|key| &raw.columns[*key].1).collect();
        if partition.iter().any(|key| !grouped.contains(key))
            || grouped.iter().any(|key| !partition.contains(key))
        {
            return Err(error::unsupported(
                self.place(aggregate),
                "windows by count are aggregated by window_id and just the columns behind their PARTITION BY: put the same columns there",
            ));
        }
        for expr in &aggregate.aggr_expr {
            outputs.push(Output::Aggregate(calls.len()));
            calls.push(self.call(expr, input, from, &mut raw)?);
        }
        Ok(Columns {
            raw,
            keys,
            outputs,
            calls,
        })
    }

    /// The result, less the windows that a condition leaves out.
    fn count_result(
        &self,
        node: NodeId,
        outputs: &[Output],
        aggregate: &Aggregate,
        over_windows: Vec<Expr>,
    ) -> Result<Rel> {
        let operator = self.operators.get(node);
        let Kind::CountAggregate(made) = &operator.kind else {
            unreachable!("the aggregate was just made")
        };
        let (keys, calls) = (made.keys.len(), made.aggregates.len());
        let own = |position: usize| column(operator.schema.field(position).name());
        let columns = outputs
            .iter()
            .zip(aggregate.schema.fields())
            .map(|(output, field)| RelColumn {
                name: field.name().clone(),
                expr: own(match output {
                    Output::Key(key) => *key,
                    Output::Aggregate(call) => keys + call,
                    Output::Window => keys + calls,
                }),
                role: Role::Plain,
            });
        let of_result = |filter: Expr| {
            let replaced = filter.transform_up(|e| match &e {
                Expr::Column(c) if c.name == COUNT_PLACEHOLDER => Ok(Transformed::yes(own(keys + calls))),
                _ => Ok(Transformed::no(e)),
            });
            replaced.map(|t| t.data).map_err(plan_defect)
        };
        Ok(Rel {
            node,
            columns: columns.collect(),
            filters: over_windows.into_iter().map(of_result).collect::<Result<_>>()?,
            window: None,
            updates: None,
        })
    }
}

/// Whether an aggregate groups by a window by rows.
pub(super) fn is_by_count(aggregate: &Aggregate, input: &Rel) -> bool {
    let from = aggregate.input.schema();
    let is_window = |expr: &Expr| role(expr, input, from) == Role::CountWindow;
    aggregate.group_expr.iter().any(|group| match group {
        Expr::GroupingSet(sets) => sets.distinct_expr().into_iter().any(is_window),
        other => is_window(other),
    })
}

/// Adds a condition as one more column, and computes the arguments only where it holds: elsewhere they may fail.
fn only_where(filter: Expr, keys: &[usize], raw: &mut Raw, schema: &DFSchema) -> Result<usize> {
    for (i, (_, expr)) in raw.columns.iter_mut().enumerate() {
        if !keys.contains(&i) && !is_cheap(expr, schema) {
            *expr = when(filter.clone(), expr.clone()).end().map_err(plan_defect)?;
        }
    }
    raw.columns.push(("$counts".into(), filter));
    Ok(raw.columns.len() - 1)
}
