//! Functions of the rows before each row: OVER.

use arrow_schema::{DataType, Field};
use datafusion_common::DFSchemaRef;
use datafusion_expr::{Expr, Window, WindowFunctionDefinition, expr::WindowFunctionParams};
use weir_connector::changelog::{OP_COLUMN, op_field};
use weir_model::Location;
use weir_proto::graph::over_function::Kind as Own;

use super::{
    AggregateCall, Kind, NodeId, Updates,
    aggregate::Raw,
    expr::{column, unique_name, unique_names},
    frame::{self, Frame},
    lower::{Lower, Rel, RelColumn, Role, role},
    rank::{SortColumn, call_of, place_of},
    schema_of, type_of,
    window::{Assigned, RelWindow, at_least_one},
};
use crate::{
    error::{self, Result},
    logical::window::Windows,
};

/// Rows with functions of the rows before them.
#[derive(Clone, Debug)]
pub(crate) struct Over {
    /// Where the rows come from.
    pub input: NodeId,
    /// The key columns.
    pub keys: Vec<usize>,
    /// When rows come out.
    pub order: Ordering,
    /// What orders the rows of a key; nothing if they are in the order of arrival.
    pub order_by: Vec<SortColumn>,
    /// The functions.
    pub calls: Vec<OverCall>,
    /// The columns of the input that are passed on, before the results.
    pub passed: Vec<usize>,
}

/// When rows come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ordering {
    /// Once, in the order of their event time.
    EventTime,
    /// At once, in the order in which they come.
    Arrival,
    /// At once, and again when their results change.
    Columns,
}

/// A function with its frame.
#[derive(Clone, Debug)]
pub(crate) struct OverCall {
    /// The function.
    pub function: Function,
    /// The rows that it looks at.
    pub frame: Frame,
    /// Name and type of the result.
    pub result: Field,
    /// In SQL's words.
    pub text: String,
}

/// A function OVER rows.
#[derive(Clone, Debug)]
pub(crate) enum Function {
    /// An aggregate of the rows in the frame.
    Aggregate(AggregateCall),
    /// One that is no aggregate of groups.
    Own {
        /// Which one.
        kind: Own,
        /// Its argument.
        column: Option<usize>,
        /// How many rows LAG looks back.
        offset: u64,
        /// What LAG is of a row that has none so many rows before.
        default: Option<usize>,
    },
}

/// A call in the plan.
type Planned<'a> = (&'a WindowFunctionDefinition, &'a WindowFunctionParams);

impl Lower<'_> {
    /// Each row with functions of the rows before it; one operator for all calls of one partition and order.
    pub(crate) fn over(&mut self, window: &Window) -> Result<Rel> {
        let from = window.input.schema();
        let mut rel = self.plan(&window.input)?;
        let width = rel.columns.len();
        let calls: Vec<Planned> = window.window_expr.iter().filter_map(call_of).collect();
        if calls.len() != window.window_expr.len() {
            return Err(error::internal("a window of something else than functions"));
        }
        let mut rest: Vec<usize> = (0..calls.len()).collect();
        let mut computed = Vec::with_capacity(calls.len());
        while let Some(&first) = rest.first() {
            let together = |call: &usize| {
                let (one, other) = (calls[first].1, calls[*call].1);
                one.partition_by == other.partition_by && one.order_by == other.order_by
            };
            let (these, others): (Vec<_>, Vec<_>) = rest.iter().copied().partition(together);
            let planned: Vec<Planned> = these.iter().map(|call| calls[*call]).collect();
            rel = self.over_once(rel, from, &planned)?;
            computed.extend(these);
            rest = others;
        }
        let results = rel.columns.split_off(width);
        let mut results: Vec<_> = computed.into_iter().zip(results).collect();
        results.sort_by_key(|(call, _)| *call);
        let names = window.schema.fields().iter().skip(width);
        let named = results
            .into_iter()
            .zip(names)
            .map(|((_, result), field)| RelColumn {
                name: field.name().clone(),
                ..result
            });
        rel.columns.extend(named);
        Ok(rel)
    }

    /// One operator: the columns of its rows are followed by the results of calls of one partition and order.
    fn over_once(&mut self, mut input: Rel, from: &DFSchemaRef, calls: &[Planned<'_>]) -> Result<Rel> {
        if input.is_pending() {
            input = self.materialize(input)?;
        }
        let params = calls[0].1;
        let at = calls.iter().find_map(|call| place_of(call.1)).unwrap_or(self.at);
        let order = ordering(&input, from, params, at)?;
        let mut raw = Raw {
            columns: self.passed_columns(&input, order)?,
        };
        let passed = (0..raw.columns.len()).collect();
        let keys = params
            .partition_by
            .iter()
            .map(|key| self.rank_column(key, &input, from, &mut raw.columns))
            .collect::<Result<Vec<_>>>()?;
        let mut order_by = Vec::new();
        for by in params.order_by.iter().filter(|_| order != Ordering::Arrival) {
            order_by.push(SortColumn {
                column: self.rank_column(&by.expr, &input, from, &mut raw.columns)?,
                descending: !by.asc,
                nulls_first: by.nulls_first,
            });
        }
        let mut planned = Vec::with_capacity(calls.len());
        for (function, params) in calls {
            planned.push(self.over_call(function, params, &input, from, order, &mut raw)?);
        }
        let timed = self.order_is_timed(&order_by, &raw, &input)?;
        for (call, (_, params)) in planned.iter().zip(calls) {
            frame::check_time(call.frame, order == Ordering::Arrival || timed, params, at)?;
        }
        let shape = input.clone();
        let over = Over {
            input: self.calc(input, at_least_one(raw.columns))?,
            keys,
            order,
            order_by,
            calls: planned,
            passed,
        };
        let by_window = |role: Role| role == Role::Window(2);
        let time = params.order_by.first().map(|by| role(&by.expr, &shape, from));
        self.over_rel(over, shape, time.is_some_and(by_window), at)
    }

    /// The rel's columns under unique names; then what must be kept of their windows. The time at which rows pass is no value yet, unless
    /// rows may be taken back.
    fn passed_columns(&self, input: &Rel, order: Ordering) -> Result<Vec<(String, Expr)>> {
        let is_value = |c: &&RelColumn| c.role != Role::ProcessingTime || order == Ordering::Columns;
        let columns = input.columns.iter().filter(is_value);
        let columns = columns.map(|c| Ok((c.name.clone(), self.canonical(c.expr.clone(), input)?)));
        let mut columns = columns.collect::<Result<Vec<_>>>()?;
        if let Some(window) = kept_window(input) {
            columns.push(("$time".into(), window.kept()));
        }
        Ok(unique_names(columns))
    }

    fn order_is_timed(&self, order_by: &[SortColumn], raw: &Raw, input: &Rel) -> Result<bool> {
        let [by] = order_by else { return Ok(false) };
        let data_type = type_of(&raw.columns[by.column].1, &self.schema(input))?;
        let is_time = matches!(
            data_type,
            DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, _)
        );
        Ok(is_time && !by.descending)
    }

    /// The operator's rows.
    fn over_rel(&mut self, mut over: Over, shape: Rel, by_window: bool, at: Location) -> Result<Rel> {
        let input = self.operators.get(over.input).schema.clone();
        let changes = over.order == Ordering::Columns;
        let mut fields: Vec<Field> = over
            .passed
            .iter()
            .map(|passed| input.field(*passed).as_ref().clone())
            .collect();
        let mut taken = fields.iter().map(|f| f.name().clone()).collect();
        for call in &mut over.calls {
            let name = unique_name(call.result.name().clone(), &mut taken);
            call.result = call.result.clone().with_name(name);
            fields.push(call.result.clone());
        }
        let names: Vec<String> = fields.iter().map(|f| f.name().clone()).collect();
        let passed = over.passed.len();
        fields.extend(changes.then(op_field));
        debug_assert!(names.iter().all(|name| name != OP_COLUMN), "columns are renamed");
        let uid = self.uid("over");
        let node = self.operators.push(uid, Kind::Over(over), schema_of(fields)?);
        let updates = shape.updates.clone().or_else(|| {
            changes.then(|| Updates {
                by: "an aggregation OVER rows that are not in the order of their time".into(),
                at,
            })
        });
        let is_assigned = shape
            .window
            .as_ref()
            .is_some_and(|window| window.assigned == Assigned::ByTime);
        let window = kept_window(&shape).cloned().filter(|_| updates.is_none());
        let kept = window.as_ref().and(names.get(passed.wrapping_sub(1)));
        let mut own = names.iter();
        let mut columns: Vec<RelColumn> = Vec::with_capacity(names.len());
        for given in shape.columns {
            let role = match given.role {
                Role::ProcessingTime if !changes => {
                    columns.push(given);
                    continue;
                }
                _ if updates.is_some() => Role::Plain,
                // Rows come out when their window has ended, long after their time.
                Role::EventTime if by_window && is_assigned => Role::Plain,
                role => role,
            };
            let expr = own.next().map_or_else(|| given.expr.clone(), column);
            columns.push(RelColumn { expr, role, ..given });
        }
        columns.extend(names[passed..].iter().map(|name| RelColumn {
            name: name.clone(),
            expr: column(name),
            role: Role::Plain,
        }));
        Ok(Rel {
            node,
            filters: Vec::new(),
            columns,
            window: window.zip(kept).map(|(window, time)| window.kept_as(time)),
            updates,
        })
    }
}

/// The windows that rows still belong to behind OVER: those of time.
fn kept_window(input: &Rel) -> Option<&RelWindow> {
    let window = input.window.as_ref();
    window.filter(|window| !matches!(window.windows, Windows::Count(_)))
}

/// When rows of this order come out.
fn ordering(
    input: &Rel,
    from: &DFSchemaRef,
    params: &WindowFunctionParams,
    at: Location,
) -> Result<Ordering> {
    let is_constant = |expr: &Expr| matches!(expr, Expr::Literal(..));
    let Some(first) = params.order_by.first().filter(|by| !is_constant(&by.expr)) else {
        return Err(error::unsupported(
            at,
            "OVER needs an order: a stream has no last row of a key; write OVER (PARTITION BY k ORDER BY ts)",
        ));
    };
    let role = role(&first.expr, input, from);
    if role == Role::ProcessingTime {
        input.check_append_only("OVER in the order of processing time", at)?;
        if !first.asc || params.order_by.len() > 1 {
            return Err(error::unsupported(
                at,
                "OVER by processing time is ordered by that alone, ascending",
            ));
        }
        return Ok(Ordering::Arrival);
    }
    if role.is_event_time() && first.asc && input.updates.is_none() {
        return Ok(Ordering::EventTime);
    }
    Ok(Ordering::Columns)
}
