//! Ranks and unnests that keep only what is read of their rows: the rank itself, and the columns of their input.

use std::collections::HashSet;

use datafusion_expr::Expr;
use weir_connector::changelog::OP_COLUMN;

use super::{Kind, NodeId, Operators, calc_schema, rank::Rank, schema_of, unnest};
use crate::error::Result;

/// Drops what nobody reads from every rank and unnest, those downstream first.
pub(crate) fn narrow(operators: &mut Operators) -> Result<()> {
    let all: Vec<NodeId> = operators.iter().map(|(id, _)| id).collect();
    all.into_iter()
        .rev()
        .try_for_each(|id| match &operators.get(id).kind {
            Kind::Rank(_) => narrow_rank(operators, id),
            Kind::Unnest(unnest) => {
                let unnest = unnest.clone();
                unnest::narrow(operators, id, unnest)
            }
            _ => Ok(()),
        })
}

fn narrow_rank(operators: &mut Operators, id: NodeId) -> Result<()> {
    let Kind::Rank(mut rank) = operators.get(id).kind.clone() else {
        return Ok(());
    };
    let Some(read) = read_by_consumers(operators, id) else {
        return Ok(());
    };
    let input = operators.get(rank.input).clone();
    let (mut calc, mut width) = (None, input.schema.fields().len());
    if input
        .schema
        .fields()
        .last()
        .is_some_and(|f| f.name() == OP_COLUMN)
    {
        width -= 1;
    }
    let schema = operators.get(id).schema.clone();
    if rank.numbered && !read.contains(schema.field(width).name()) {
        rank.numbered = false;
    }
    let mut kept: Vec<usize> = (0..width).collect();
    if let (Kind::Calc(of_input), 1) = (&input.kind, operators.consumers(rank.input).len()) {
        let own: HashSet<usize> = own_columns(&rank).collect();
        kept.retain(|c| own.contains(c) || read.contains(schema.field(*c).name()));
        let mut of_input = of_input.clone();
        let mut place = 0..;
        of_input.columns.retain(|(name, _)| {
            let at = place.next().unwrap_or_default();
            name == OP_COLUMN || kept.contains(&at)
        });
        calc = Some(of_input);
    }
    let moved = |column: &mut usize| *column = kept.iter().position(|k| k == column).unwrap_or_default();
    rank.keys.iter_mut().for_each(moved);
    rank.order.iter_mut().for_each(|by| moved(&mut by.column));
    rank.window_end.iter_mut().for_each(moved);
    let fields =
        schema.fields().iter().enumerate().filter(|(i, field)| {
            kept.contains(i) || field.name() == OP_COLUMN || (rank.numbered && *i == width)
        });
    let fields = fields.map(|(_, field)| field.as_ref().clone()).collect();
    if let Some(calc) = calc {
        let schema = calc_schema(&calc.columns, &operators.get(calc.input).schema)?;
        let node = operators.get_mut(rank.input);
        node.schema = schema;
        node.kind = Kind::Calc(calc);
    }
    let node = operators.get_mut(id);
    node.schema = schema_of(fields)?;
    node.kind = Kind::Rank(rank);
    Ok(())
}

fn own_columns(rank: &Rank) -> impl Iterator<Item = usize> {
    let order = rank.order.iter().map(|by| by.column);
    rank.keys.iter().copied().chain(order).chain(rank.window_end)
}

/// The columns that are read of an operator's rows; none if all are.
pub(super) fn read_by_consumers(operators: &Operators, id: NodeId) -> Option<HashSet<String>> {
    let mut read = HashSet::new();
    for consumer in operators.consumers(id) {
        let Kind::Calc(calc) = &operators.get(consumer).kind else {
            return None;
        };
        let exprs = calc.columns.iter().map(|(_, expr)| expr).chain(&calc.filter);
        let columns = exprs.flat_map(Expr::column_refs);
        read.extend(columns.map(|column| column.name.clone()));
    }
    Some(read)
}
