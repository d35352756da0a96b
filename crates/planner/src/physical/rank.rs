//! The first rows of each key: `ROW_NUMBER() ... <= n`, and LIMIT. Without a bound, ROW_NUMBER is a function [`over`](super::over) rows.

use arrow_schema::{DataType, Field};
use datafusion_common::{DFSchemaRef, ScalarValue};
use datafusion_expr::{
    BinaryExpr, Expr, Filter, Limit, LogicalPlan, Operator, Sort as SortPlan, Window,
    WindowFunctionDefinition,
    expr::{Sort as SortExpr, WindowFunctionParams},
    lit, utils,
};
use weir_connector::changelog::op_field;
use weir_model::Location;
use weir_proto::convert::sql_type;

use super::{
    Kind, NodeId, Updates,
    expr::{column, unique_name, unique_names},
    lower::{Lower, Rel, RelColumn, Role, natural_name, role},
    passing::passing_column,
    schema_of, type_of,
    window::{Assigned, RelWindow},
};
use crate::{
    error::{self, Result, plan_defect},
    logical::{expr_place, ranking::ROW_NUMBER, simplify},
};

/// The first rows of each key.
#[derive(Clone, Debug)]
pub(crate) struct Rank {
    /// Where the rows come from.
    pub input: NodeId,
    /// The key columns.
    pub keys: Vec<usize>,
    /// What comes first.
    pub order: Vec<SortColumn>,
    /// The ranks.
    pub range: RankRange,
    /// Whether the rank is a column behind those of the input.
    pub numbered: bool,
    /// Whether, of rows that order alike, the later one comes first.
    pub prefers_later: bool,
    /// Whether a row that takes another one's place is its new version.
    pub updates_in_place: bool,
    /// Whether the rows say what is there of their key now, and are not changes of anything: the input is of an upsert source.
    pub upserts: bool,
    /// The end of the row's window, when rows come out once per window.
    pub window_end: Option<usize>,
}

/// A column to sort by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SortColumn {
    /// The column.
    pub column: usize,
    /// Whether the greatest value comes first.
    pub descending: bool,
    /// Whether nulls come first.
    pub nulls_first: bool,
}

/// Ranks from 1 on: those above `offset`, up to `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RankRange {
    /// Ranks up to this one are left out.
    pub offset: u64,
    /// The last rank.
    pub limit: u64,
}

/// What a rank is asked to do, over rows not yet computed.
struct Request {
    keys: Vec<Expr>,
    order: Vec<SortExpr>,
    range: RankRange,
    /// In SQL's words.
    name: &'static str,
    at: Location,
}

impl Lower<'_> {
    /// A filter by ROW_NUMBER, with what it reads; none if the filter is of another kind.
    pub(crate) fn ranked_filter(&mut self, filter: &Filter) -> Result<Option<Rel>> {
        let from = filter.input.schema();
        let predicate = simplify::coerce_and_simplify(filter.predicate.clone(), from).map_err(plan_defect)?;
        let (ranks, rest): (Vec<&Expr>, Vec<&Expr>) = utils::split_conjunction(&predicate)
            .into_iter()
            .partition(|part| reads_rank(part, &filter.input));
        if ranks.is_empty() {
            return Ok(None);
        }
        let at = expr_place(&filter.predicate).unwrap_or(self.at);
        let Some(range) = range_of(&ranks, at)? else {
            return Ok(None);
        };
        self.pending_rank = Some(range);
        let input = self.plan(&filter.input)?;
        let Some(rest) = utils::conjunction(rest.into_iter().cloned()) else {
            return Ok(Some(input));
        };
        self.filtered(input, &rest, from).map(Some)
    }

    /// Functions over windows of rows.
    pub(crate) fn window_functions(&mut self, window: &Window) -> Result<Rel> {
        let calls: Vec<_> = window.window_expr.iter().filter_map(call_of).collect();
        let (Some(range), [(_, params)]) = (self.pending_rank.take(), calls.as_slice()) else {
            return self.over(window);
        };
        let at = place_of(params).unwrap_or(self.at);
        if params.order_by.is_empty() {
            return Err(error::invalid(
                at,
                "ROW_NUMBER needs an order to number rows by: write OVER (PARTITION BY k ORDER BY c)",
            ));
        }
        let input = self.plan(&window.input)?;
        let request = Request {
            keys: params.partition_by.clone(),
            order: params.order_by.clone(),
            range,
            name: "ROW_NUMBER",
            at,
        };
        let (mut rel, rank) = self.rank(input, window.input.schema(), &request)?;
        let name = window.schema.fields().last().map(|f| f.name().clone());
        rel.columns.push(RelColumn {
            name: name.unwrap_or_default(),
            expr: rank,
            role: Role::Plain,
        });
        Ok(rel)
    }

    /// LIMIT, FETCH and OFFSET, with the ORDER BY before them.
    pub(crate) fn limit(&mut self, limit: &Limit) -> Result<Rel> {
        let constant = |expr: &Option<Box<Expr>>| match expr {
            None => Ok(None),
            Some(expr) => {
                let value = simplify::coerce_and_simplify(expr.as_ref().clone(), limit.input.schema());
                match value.map_err(plan_defect)? {
                    Expr::Literal(value, _) => whole(&value)
                        .and_then(|n| u64::try_from(n).ok())
                        .map(Some)
                        .ok_or_else(|| {
                            error::invalid(self.at, "LIMIT and OFFSET take whole numbers from 0 on")
                        }),
                    _ => Err(error::invalid(self.at, "LIMIT and OFFSET take constants")),
                }
            }
        };
        let offset = constant(&limit.skip)?.unwrap_or(0);
        let Some(fetch) = constant(&limit.fetch)? else {
            return Err(error::unsupported(
                self.at,
                "OFFSET without LIMIT is not supported: say how many rows are wanted",
            ));
        };
        let range = RankRange {
            offset,
            limit: offset.saturating_add(fetch),
        };
        if is_sorted(&limit.input) {
            self.pending_limit = Some(range);
            return self.plan(&limit.input);
        }
        let input = self.plan(&limit.input)?;
        self.limited(input, limit.input.schema(), Vec::new(), range)
    }

    /// ORDER BY: of so many rows if LIMIT follows, else by time.
    pub(crate) fn ordered(&mut self, sort: &SortPlan) -> Result<Rel> {
        let range = self.pending_limit.take();
        let input = self.plan(&sort.input)?;
        match range {
            Some(range) => self.limited(input, sort.input.schema(), sort.expr.clone(), range),
            None => self.sorted(input, sort),
        }
    }

    fn limited(
        &mut self,
        input: Rel,
        from: &DFSchemaRef,
        order: Vec<SortExpr>,
        range: RankRange,
    ) -> Result<Rel> {
        let at = order.iter().find_map(|s| expr_place(&s.expr)).unwrap_or(self.at);
        let request = Request {
            keys: Vec::new(),
            name: if order.is_empty() {
                "LIMIT"
            } else {
                "ORDER BY with LIMIT"
            },
            order,
            range,
            at,
        };
        self.rank(input, from, &request).map(|(rel, _)| rel)
    }

    /// The operator, its rows, and what the rank of a row is.
    fn rank(&mut self, mut input: Rel, from: &DFSchemaRef, request: &Request) -> Result<(Rel, Expr)> {
        if input.is_pending() {
            input = self.materialize(input)?;
        }
        let is_time =
            matches!(request.order.as_slice(), [one] if role(&one.expr, &input, from).is_event_time());
        // The order in which rows come.
        let in_passing =
            matches!(request.order.as_slice(), [one] if self.is_passing(&one.expr, &input, from));
        let comes_last = in_passing && !request.order[0].asc;
        if request
            .order
            .iter()
            .any(|by| self.is_passing(&by.expr, &input, from))
        {
            input.check_append_only("an order by processing time", request.at)?;
        }
        let is_part = |part: usize| {
            let mut roles = request.keys.iter().map(|key| role(key, &input, from));
            roles.any(|role| role == Role::Window(part))
        };
        let window = input.window.clone().filter(|_| is_part(0) && is_part(1));
        if window.is_some() {
            input.check_append_only("ROW_NUMBER by window", request.at)?;
        }
        let appends = input.updates.is_none();
        let (roles, columns) = (self.rank_columns(&input)?, input.columns.clone());
        let mut computed = roles;
        let keys = request
            .keys
            .iter()
            .map(|key| self.rank_column(key, &input, from, &mut computed))
            .collect::<Result<Vec<_>>>()?;
        let mut order = Vec::with_capacity(request.order.len());
        for by in request.order.iter().filter(|_| !in_passing) {
            order.push(SortColumn {
                column: self.rank_column(&by.expr, &input, from, &mut computed)?,
                descending: !by.asc,
                nulls_first: by.nulls_first,
            });
        }
        let window_end = request
            .keys
            .iter()
            .position(|key| role(key, &input, from) == Role::Window(1))
            .filter(|_| window.is_some())
            .map(|key| keys[key]);
        let only_one = request.range.limit == request.range.offset.saturating_add(1);
        let is_dedup = (is_time || in_passing)
            && appends
            && request.range == RankRange { offset: 0, limit: 1 }
            && request.name == "ROW_NUMBER";
        let numbers = request.name == "ROW_NUMBER" && !only_one;
        let updates = input.updates.clone();
        let rank = Rank {
            input: self.calc(input, computed)?,
            keys,
            window_end,
            range: request.range,
            numbered: numbers,
            prefers_later: comes_last || is_dedup && order.first().is_some_and(|by| by.descending),
            updates_in_place: is_dedup,
            upserts: false,
            order,
        };
        let comes_first = request.order.is_empty() || in_passing && !comes_last;
        let changes = window_end.is_none() && !(comes_first && appends);
        let updates = updates.or_else(|| {
            changes.then(|| Updates {
                by: request.name.into(),
                at: request.at,
            })
        });
        let node = self.push_rank(rank, changes || !appends)?;
        let schema = self.operators.get(node).schema.clone();
        let column_of = |i: usize| column(schema.field(i).name());
        let Kind::Rank(rank) = &self.operators.get(node).kind else {
            return Err(error::internal("the rank was just made"));
        };
        let value = if rank.numbered {
            column_of(schema.fields().len() - 1 - usize::from(updates.is_some()))
        } else {
            lit(i64::try_from(request.range.limit).unwrap_or(i64::MAX))
        };
        let window = window.zip(rank.window_end).map(|(window, end)| RelWindow {
            time: column_of(end),
            assigned: Assigned::Attached,
            ..window
        });
        let keeps_time = updates.is_none() && window.is_none();
        let columns = columns.into_iter().enumerate().map(|(i, c)| {
            let role = match c.role {
                Role::ProcessingTime if updates.is_none() => return passing_column(c.name),
                Role::Window(_) if window.is_some() => c.role,
                Role::EventTime if keeps_time => Role::EventTime,
                _ => Role::Plain,
            };
            RelColumn {
                name: c.name,
                expr: column_of(i),
                role,
            }
        });
        let rel = Rel {
            node,
            filters: Vec::new(),
            columns: columns.collect(),
            window,
            updates,
        };
        Ok((rel, value))
    }

    fn push_rank(&mut self, rank: Rank, is_changelog: bool) -> Result<NodeId> {
        let input = &self.operators.get(rank.input).schema;
        let is_payload = |f: &&Field| f.name() != op_field().name();
        let mut fields: Vec<Field> = input
            .fields()
            .iter()
            .map(AsRef::as_ref)
            .filter(is_payload)
            .cloned()
            .collect();
        if rank.numbered {
            let mut taken = fields.iter().map(|f| f.name().clone()).collect();
            fields.push(Field::new(
                unique_name("rank".into(), &mut taken),
                DataType::Int64,
                false,
            ));
        }
        fields.extend(is_changelog.then(op_field));
        let uid = self.uid("rank");
        Ok(self.operators.push(uid, Kind::Rank(rank), schema_of(fields)?))
    }

    /// The rel's columns under unique names, as the rank's input.
    pub(crate) fn rank_columns(&self, input: &Rel) -> Result<Vec<(String, Expr)>> {
        let columns = input
            .columns
            .iter()
            .map(|c| Ok((c.name.clone(), self.canonical(c.expr.clone(), input)?)));
        Ok(unique_names(columns.collect::<Result<Vec<_>>>()?))
    }

    /// Where an expression stands among the columns; it is added if it does not.
    pub(crate) fn rank_column(
        &self,
        expr: &Expr,
        input: &Rel,
        from: &DFSchemaRef,
        columns: &mut Vec<(String, Expr)>,
    ) -> Result<usize> {
        let at = expr_place(expr).unwrap_or(self.at);
        let expr = self.canonical(self.substitute(expr, input, from)?, input)?;
        let schema = self.schema(input);
        let data_type = type_of(&expr, &schema)?;
        if data_type.is_nested() {
            return Err(error::unsupported(
                at,
                format!(
                    "a column of type {} cannot order or partition rows yet",
                    sql_type(&data_type)
                ),
            ));
        }
        if let Some(known) = columns.iter().position(|(_, e)| *e == expr) {
            return Ok(known);
        }
        let mut taken = columns.iter().map(|(name, _)| name.clone()).collect();
        columns.push((unique_name(natural_name(&expr, &schema), &mut taken), expr));
        Ok(columns.len() - 1)
    }
}

/// A window function and what it is called with.
pub(crate) fn call_of(expr: &Expr) -> Option<(&WindowFunctionDefinition, &WindowFunctionParams)> {
    match expr {
        Expr::Alias(alias) => call_of(&alias.expr),
        Expr::WindowFunction(call) => Some((&call.fun, &call.params)),
        _ => None,
    }
}

/// Where a window stands.
pub(crate) fn place_of(params: &WindowFunctionParams) -> Option<Location> {
    let order = params.order_by.iter().map(|s| &s.expr);
    params
        .args
        .iter()
        .chain(&params.partition_by)
        .chain(order)
        .find_map(expr_place)
}

/// Whether LIMIT takes the first rows of an ORDER BY.
fn is_sorted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(projection) => is_sorted(&projection.input),
        _ => false,
    }
}

fn reads_rank(expr: &Expr, plan: &LogicalPlan) -> bool {
    expr.column_refs().into_iter().any(|column| {
        let index = plan.schema().index_of_column(column);
        index.is_ok_and(|index| is_rank(plan, index))
    })
}

/// Whether a column of a plan is a ROW_NUMBER, passed on unchanged.
fn is_rank(plan: &LogicalPlan, index: usize) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => is_rank(&alias.input, index),
        LogicalPlan::Projection(projection) => {
            let mut expr = &projection.expr[index];
            while let Expr::Alias(alias) = expr {
                expr = &alias.expr;
            }
            let Expr::Column(column) = expr else { return false };
            let index = projection.input.schema().index_of_column(column);
            index.is_ok_and(|index| is_rank(&projection.input, index))
        }
        LogicalPlan::Window(window) => index
            .checked_sub(window.input.schema().fields().len())
            .filter(|_| window.window_expr.len() == 1)
            .and_then(|i| call_of(&window.window_expr[i]))
            .is_some_and(|(function, _)| function.name() == ROW_NUMBER),
        _ => false,
    }
}

/// The ranks for which all of these conditions hold; none if there is no last one, or that is no constant.
fn range_of(conditions: &[&Expr], at: Location) -> Result<Option<RankRange>> {
    let (mut first, mut last) = (1_i64, None::<i64>);
    for condition in conditions {
        let Some((op, bound)) = bound_of(condition) else {
            return Ok(None);
        };
        let least = |n: i64| last.map_or(n, |last: i64| last.min(n));
        match op {
            Operator::Lt => last = Some(least(bound.saturating_sub(1))),
            Operator::LtEq => last = Some(least(bound)),
            Operator::Gt => first = first.max(bound.saturating_add(1)),
            Operator::GtEq => first = first.max(bound),
            _ => {
                first = first.max(bound);
                last = Some(least(bound));
            }
        }
    }
    let Some(last) = last else { return Ok(None) };
    match (u64::try_from(first - 1), u64::try_from(last)) {
        (Ok(offset), Ok(limit)) if offset < limit => Ok(Some(RankRange { offset, limit })),
        _ => Err(error::invalid(
            at,
            "no ROW_NUMBER fulfils this condition: they begin with 1",
        )),
    }
}

/// A comparison with a constant, the constant on the right.
fn bound_of(condition: &Expr) -> Option<(Operator, i64)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else {
        return None;
    };
    let is_comparison = matches!(
        op,
        Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq | Operator::Eq
    );
    match (left.as_ref(), right.as_ref()) {
        (Expr::Column(_), Expr::Literal(value, _)) if is_comparison => Some((*op, whole(value)?)),
        (Expr::Literal(value, _), Expr::Column(_)) if is_comparison => Some((op.swap()?, whole(value)?)),
        _ => None,
    }
}

/// The whole number that a constant is.
pub(crate) fn whole(value: &ScalarValue) -> Option<i64> {
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(number)) if value.data_type().is_integer() => number,
        _ => None,
    }
}
