//! What operators do: whose rows they read, how those must be spread, and what they need of time.

use std::{slice, sync::Arc};

use datafusion_expr::Expr;

use super::{
    Calc, GroupAggregate, Join, NodeId, Sink, WindowAggregate,
    count_window::CountAggregate,
    late, match_recognize, over, rank, sort,
    source::SourceRead,
    temporal, unnest,
    window::{ProcessingTime, WindowTable},
};
use crate::catalog::TableDef;

/// What an operator does.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Reads a table; before [`source::prune`], all of its columns.
    Source(Arc<TableDef>, Option<SourceRead>),
    /// Filters, then projects.
    Calc(Calc),
    /// Aggregates before the shuffle.
    LocalWindow(WindowAggregate),
    /// Aggregates by key.
    Window(WindowAggregate),
    /// Stamps rows with the time at which they pass.
    ProcessingTime(ProcessingTime),
    /// Gives rows the windows that they belong to.
    WindowTable(WindowTable),
    /// Aggregates by key and window of rows.
    CountAggregate(CountAggregate),
    /// Aggregates each batch before the shuffle.
    LocalGroup(GroupAggregate),
    /// Aggregates by key, without windows.
    Group(GroupAggregate),
    /// Joins two inputs.
    Join(Join),
    /// Joins rows with the versions of another input that are valid at their times.
    TemporalJoin(temporal::TemporalJoin),
    /// Joins rows with what a table outside has for them.
    LookupJoin(temporal::LookupJoin),
    /// A table that is not read but looked rows up in: stands for its columns alone.
    LookupTable(Arc<TableDef>),
    /// All rows of several inputs, which have the same columns.
    Union(Vec<NodeId>),
    /// Rows multiplied by what is in them.
    Unnest(unnest::Unnest),
    /// The rows that an operator drops as late: no operator of its own.
    LateRows(late::LateRows),
    /// The records that a source cannot read: no operator of its own.
    DeadLetters(NodeId),
    /// What goes to one table by the side: a union in which each input is there once.
    SideUnion(Vec<NodeId>),
    /// The first rows of each key.
    Rank(rank::Rank),
    /// Rows in the order of their time.
    Sort(sort::Sort),
    /// Finds patterns in the rows of each key.
    MatchRecognize(Box<match_recognize::MatchRecognize>),
    /// Rows with functions of the rows before them.
    Over(over::Over),
    /// Writes a table.
    Sink(Sink),
    /// Was folded into another operator.
    Gone,
}

/// How an operator's rows must be spread over its subtasks.
pub(crate) enum Partitioning {
    /// As they are.
    Forward,
    /// By these columns of the input.
    Hash(Vec<usize>),
}

impl Kind {
    /// Whether what it does depends on its rows alone.
    pub(crate) fn is_deterministic(&self) -> bool {
        match self {
            Self::Calc(calc) => calc.is_deterministic(),
            Self::Join(join) => !join.condition.as_ref().is_some_and(Expr::is_volatile),
            _ => true,
        }
    }

    /// The operators whose rows it reads, by port.
    pub(crate) fn inputs(&self) -> &[NodeId] {
        match self {
            Self::Source(..) | Self::LookupTable(_) | Self::Gone => &[],
            Self::Calc(calc) => slice::from_ref(&calc.input),
            Self::LocalWindow(aggregate) | Self::Window(aggregate) => slice::from_ref(&aggregate.input),
            Self::ProcessingTime(time) => slice::from_ref(&time.input),
            Self::WindowTable(table) => slice::from_ref(&table.input),
            Self::CountAggregate(aggregate) => slice::from_ref(&aggregate.input),
            Self::LocalGroup(group) | Self::Group(group) => slice::from_ref(&group.input),
            Self::Join(join) => &join.inputs,
            Self::TemporalJoin(join) => &join.inputs,
            Self::LookupJoin(join) => slice::from_ref(&join.input),
            Self::Union(inputs) | Self::SideUnion(inputs) => inputs,
            Self::Unnest(unnest) => slice::from_ref(&unnest.input),
            Self::LateRows(late) => slice::from_ref(&late.input),
            Self::DeadLetters(source) => slice::from_ref(source),
            Self::Rank(rank) => slice::from_ref(&rank.input),
            Self::Sort(sort) => slice::from_ref(&sort.input),
            Self::MatchRecognize(pattern) => slice::from_ref(&pattern.input),
            Self::Over(over) => slice::from_ref(&over.input),
            Self::Sink(sink) => slice::from_ref(&sink.input),
        }
    }

    pub(super) fn inputs_mut(&mut self) -> &mut [NodeId] {
        match self {
            Self::Source(..) | Self::LookupTable(_) | Self::Gone => &mut [],
            Self::Calc(calc) => slice::from_mut(&mut calc.input),
            Self::LocalWindow(aggregate) | Self::Window(aggregate) => slice::from_mut(&mut aggregate.input),
            Self::ProcessingTime(time) => slice::from_mut(&mut time.input),
            Self::WindowTable(table) => slice::from_mut(&mut table.input),
            Self::CountAggregate(aggregate) => slice::from_mut(&mut aggregate.input),
            Self::LocalGroup(group) | Self::Group(group) => slice::from_mut(&mut group.input),
            Self::Join(join) => &mut join.inputs,
            Self::TemporalJoin(join) => &mut join.inputs,
            Self::LookupJoin(join) => slice::from_mut(&mut join.input),
            Self::Union(inputs) | Self::SideUnion(inputs) => inputs,
            Self::Unnest(unnest) => slice::from_mut(&mut unnest.input),
            Self::LateRows(late) => slice::from_mut(&mut late.input),
            Self::DeadLetters(source) => slice::from_mut(source),
            Self::Rank(rank) => slice::from_mut(&mut rank.input),
            Self::Sort(sort) => slice::from_mut(&mut sort.input),
            Self::MatchRecognize(pattern) => slice::from_mut(&mut pattern.input),
            Self::Over(over) => slice::from_mut(&mut over.input),
            Self::Sink(sink) => slice::from_mut(&mut sink.input),
        }
    }

    /// The operator whose rows it reads, if it has one input.
    pub(crate) fn input(&self) -> Option<NodeId> {
        match self.inputs() {
            [input] => Some(*input),
            _ => None,
        }
    }

    /// Makes it read another operator's rows wherever it read this one's.
    pub(crate) fn replace_input(&mut self, from: NodeId, to: NodeId) {
        for input in self.inputs_mut() {
            if *input == from {
                *input = to;
            }
        }
    }

    /// How the rows of a port must be spread.
    pub(crate) fn partitioning(&self, port: usize) -> Partitioning {
        match self {
            Self::Window(aggregate) if aggregate.reads_raw() => Partitioning::Hash(aggregate.keys.clone()),
            Self::WindowTable(table) if table.is_session() || table.is_count() => {
                Partitioning::Hash(table.keys.clone())
            }
            Self::CountAggregate(aggregate) => Partitioning::Hash(aggregate.keys.clone()),
            Self::Window(aggregate) => Partitioning::Hash((0..aggregate.keys.len()).collect()),
            Self::Join(join) => Partitioning::Hash(join.keys[port].clone()),
            Self::TemporalJoin(join) => Partitioning::Hash(join.keys[port].clone()),
            Self::LookupJoin(join) => join.spread_by().map_or(Partitioning::Forward, Partitioning::Hash),
            Self::Group(group) => Partitioning::Hash(group.input_keys()),
            Self::Rank(rank) => Partitioning::Hash(rank.keys.clone()),
            Self::Sort(_) => Partitioning::Hash(Vec::new()),
            Self::MatchRecognize(pattern) => Partitioning::Hash(pattern.keys.clone()),
            Self::Over(over) => Partitioning::Hash(over.keys.clone()),
            Self::Sink(sink) if !sink.spread_by.is_empty() => Partitioning::Hash(sink.spread_by.clone()),
            _ => Partitioning::Forward,
        }
    }

    /// Whether what it does depends on watermarks.
    pub(crate) fn needs_watermarks(&self) -> bool {
        match self {
            Self::Calc(calc) => calc.reads_watermark(),
            Self::Join(join) => join.time.is_some(),
            Self::WindowTable(table) => !table.is_count(),
            Self::LocalWindow(_) | Self::Window(_) | Self::TemporalJoin(_) | Self::Sort(_) => true,
            Self::Rank(rank) => rank.window_end.is_some(),
            Self::MatchRecognize(pattern) => pattern.time.is_some(),
            Self::Over(over) => over.order == over::Ordering::EventTime,
            _ => false,
        }
    }
}
