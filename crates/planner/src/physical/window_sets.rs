//! GROUPING SETS, ROLLUP and CUBE by window: the window belongs to every set.

use datafusion_common::DFSchemaRef;
use datafusion_expr::{Aggregate, Expr, GroupingSet};
use weir_model::Location;

use super::{
    Kind, NodeId, WindowAggregate,
    aggregate::{Raw, reads_windows},
    emit,
    expr::column,
    grouping_sets::SET_COLUMN,
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
        let from = aggregate.input.schema();
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
        let Some(window) = input.window.take() else {
            return Err(error::internal("grouping sets by a window that is not there"));
        };
        let when = self.emit(&window)?;
        let rows = Rel {
            window: Some(window.clone()),
            ..input.clone()
        };
        let (mut columns, mut bits) = (Vec::new(), Vec::new());
        for (i, expr) in exprs.iter().enumerate() {
            if let Part::Key(_) = parts[i] {
                columns.push(self.set_key(expr, &rows, from)?);
                bits.push(1_i64 << (exprs.len() - 1 - i));
            }
        }
        let mut raw = Raw::default();
        let mut calls = Vec::new();
        for expr in &aggregate.aggr_expr {
            let mut call = self.call(expr, &rows, from, &mut raw)?;
            call.column = call.column.map(|argument| argument + bits.len());
            calls.push(call);
        }
        columns.extend(raw.columns);
        let time = columns.len();
        if !window.is_processing {
            columns.push(("$time".into(), window.time.clone()));
        }
        let mut keys: Vec<usize> = (0..bits.len()).collect();
        let start = exprs
            .iter()
            .zip(&parts)
            .find(|(_, part)| **part == Part::Window(0));
        if let (Windows::Session(_), Some((start, _))) = (window.windows, start) {
            // What its end alone does not tell.
            keys.push(columns.len());
            columns.push((WINDOW_COLUMNS[0].into(), self.substitute(start, &rows, from)?));
        }
        let expanded = self.expand(input, columns, &bits, &masks)?;
        let set = self.schema(&expanded).index_of_column_by_name(None, SET_COLUMN);
        let set =
            set.ok_or_else(|| error::internal("the rows of grouping sets do not say whose they are"))?;
        keys.insert(bits.len(), set);
        let raw = Raw::of(&expanded);
        let node = self.phases(
            expanded,
            raw,
            window.is_processing,
            WindowAggregate {
                input: 0,
                windows: window.windows,
                // The stamp comes behind all others.
                time: if window.is_processing { set + 1 } else { time },
                attached: window.assigned == Assigned::Attached,
                keys,
                aggregates: calls,
                raw: when.is_some(),
                emit: when,
            },
        )?;
        Ok(self.result_of_sets(node, &parts, aggregate, window.at))
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
