//! GROUPING SETS, ROLLUP and CUBE by window: the window belongs to every set.

use datafusion_common::DFSchemaRef;
use datafusion_expr::{Aggregate, Expr, GroupingSet};
use weir_model::Location;

use super::{
    AggregateCall, Kind, NodeId, WindowAggregate,
    aggregate::{Raw, reads_windows},
    emit,
    expr::column,
    lower::{Lower, Rel, RelColumn, Role, role},
    window::{Assigned, RelWindow},
};
use crate::{
    error::{self, Result},
    logical::{
        cast_to,
        window::{WINDOW_COLUMNS, Windows},
    },
};

/// What is aggregated by sets.
struct Columns {
    columns: Vec<(String, Expr)>,
    /// Of each key, which come first, the bit of sets that leave it out.
    bits: Vec<i64>,
    calls: Vec<AggregateCall>,
    /// Where the time is; none: of processing time.
    time: Option<usize>,
    /// Where the start of sessions is.
    start: Option<usize>,
}

/// What one of the expressions of the sets is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Key(usize),
    Window(usize),
}

impl Lower<'_> {
    /// An aggregate by several sets of keys, within windows.
    pub(super) fn window_sets(
        &mut self,
        aggregate: &Aggregate,
        sets: &GroupingSet,
        mut input: Rel,
    ) -> Result<Rel> {
        input.check_append_only("a windowed aggregation", self.place(aggregate))?;
        let exprs = sets.distinct_expr();
        let is_session = |rel: &Rel| {
            rel.window
                .as_ref()
                .is_some_and(|w| matches!(w.windows, Windows::Session(_)))
        };
        if input.is_pending() && (is_session(&input) || reads_windows(&exprs, aggregate, &input)?) {
            // Sessions are found by other keys than the sets'.
            input = self.materialize(input)?;
        }
        let masks = self.sets(sets, &exprs, aggregate)?;
        let parts = self.parts(&exprs, &masks, &input, aggregate)?;
        let Some(window) = input.window.clone() else {
            return Err(error::internal("grouping sets by a window that is not there"));
        };
        let when = self.emit(&window)?;
        let columns = self.set_columns(aggregate, &exprs, &parts, &input, &window)?;
        input.window = None;
        let (count, key_count) = (columns.columns.len(), columns.bits.len());
        let expanded = self.expand(input, columns.columns, &columns.bits, &masks)?;
        // The set comes behind all others, and the stamp of processing time behind it.
        let mut keys: Vec<usize> = (0..key_count).chain([count]).collect();
        keys.extend(columns.start);
        let raw = Raw::of(&expanded);
        let node = self.phases(
            expanded,
            raw,
            window.is_processing,
            WindowAggregate {
                input: 0,
                windows: window.windows,
                time: columns.time.unwrap_or(count + 1),
                attached: window.assigned == Assigned::Attached,
                keys,
                aggregates: columns.calls,
                raw: when.is_some(),
                emit: when,
            },
        )?;
        Ok(self.result_of_sets(node, &parts, aggregate, window.at))
    }

    /// Keys, arguments, the time, and of sessions the start.
    fn set_columns(
        &self,
        aggregate: &Aggregate,
        exprs: &[&Expr],
        parts: &[Part],
        rows: &Rel,
        window: &RelWindow,
    ) -> Result<Columns> {
        let from = aggregate.input.schema();
        let (mut columns, mut bits) = (Vec::new(), Vec::new());
        for (i, expr) in exprs.iter().enumerate() {
            if let Part::Key(_) = parts[i] {
                columns.push(self.set_key(expr, rows, from)?);
                bits.push(1_i64 << (exprs.len() - 1 - i));
            }
        }
        let mut raw = Raw::default();
        let mut calls = Vec::new();
        for expr in &aggregate.aggr_expr {
            let mut call = self.call(expr, rows, from, &mut raw)?;
            call.column = call.column.map(|argument| argument + bits.len());
            calls.push(call);
        }
        columns.extend(raw.columns);
        let time = (!window.is_processing).then_some(columns.len());
        columns.extend(time.map(|_| ("$time".to_owned(), window.time.clone())));
        let is_session = matches!(window.windows, Windows::Session(_));
        let start = exprs
            .iter()
            .zip(parts)
            .find(|(_, part)| **part == Part::Window(0));
        let start = match start.filter(|_| is_session) {
            // What its end alone does not tell.
            Some((start, _)) => {
                columns.push((WINDOW_COLUMNS[0].into(), self.substitute(start, rows, from)?));
                Some(columns.len() - 1)
            }
            None => None,
        };
        Ok(Columns {
            columns,
            bits,
            calls,
            time,
            start,
        })
    }

    /// What each expression of the sets is; the window must belong to all of them.
    fn parts(&self, exprs: &[&Expr], masks: &[i64], input: &Rel, aggregate: &Aggregate) -> Result<Vec<Part>> {
        let from: &DFSchemaRef = aggregate.input.schema();
        let mut keys = 0..;
        let part = |expr: &&Expr| match role(expr, input, from) {
            Role::Window(part) => Part::Window(part),
            _ => Part::Key(keys.next().unwrap_or_default()),
        };
        let parts: Vec<Part> = exprs.iter().map(part).collect();
        let everywhere = |i: usize| masks.iter().all(|mask| mask >> (exprs.len() - 1 - i) & 1 == 0);
        let whole = [0, 1].iter().all(|part| parts.contains(&Part::Window(*part)));
        let in_all = (0..parts.len()).all(|i| matches!(parts[i], Part::Key(_)) || everywhere(i));
        if whole && in_all {
            return Ok(parts);
        }
        Err(error::unsupported(
            self.place(aggregate),
            "window_start and window_end must both belong to every set of GROUPING SETS, CUBE and ROLLUP: write GROUP BY window_start, \
             window_end, ROLLUP (k)",
        ))
    }

    fn result_of_sets(&self, node: NodeId, parts: &[Part], aggregate: &Aggregate, at: Location) -> Rel {
        let operator = self.operators.get(node);
        let Kind::Window(window) = &operator.kind else {
            unreachable!("the aggregate was just made")
        };
        let calls = window.keys.len();
        let moments = calls + window.aggregates.len();
        let set = parts.iter().filter(|part| matches!(part, Part::Key(_))).count();
        let fields = aggregate.schema.fields().iter().enumerate();
        let columns = fields.map(|(i, field)| {
            let (position, role) = match parts.get(i) {
                Some(Part::Key(key)) => (*key, Role::Plain),
                Some(Part::Window(part)) => (moments + part, Role::Window(*part)),
                None if i == parts.len() => (set, Role::Plain),
                None => (calls + i - parts.len() - 1, Role::Plain),
            };
            let own = operator.schema.field(position);
            let expr = column(own.name());
            RelColumn {
                name: field.name().clone(),
                expr: if i == parts.len() {
                    cast_to(expr, own.data_type(), field.data_type())
                } else {
                    expr
                },
                role,
            }
        });
        Rel {
            node,
            filters: Vec::new(),
            columns: columns.collect(),
            window: Some(RelWindow {
                windows: window.windows,
                time: column(operator.schema.field(moments + 1).name()),
                assigned: Assigned::Attached,
                is_processing: false,
                partition: None,
                at,
            }),
            updates: emit::updates(window, at),
        }
    }
}
