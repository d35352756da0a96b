//! The operators of a job while it is planned.

use std::sync::Arc;

use datafusion_common::DFSchemaRef;
use datafusion_expr::{Expr, LogicalPlan};

use super::{Calc, Kind, calc_schema, changelog_schema, expr, table_schema};
use crate::{
    catalog::TableDef,
    error::Result,
    logical::hints,
    settings::{Enforcers, Settings, emit::Emit},
};

/// An operator's position in [`Operators`].
pub(crate) type NodeId = usize;

/// Operators in topological order.
#[derive(Debug, Default)]
pub(crate) struct Operators {
    nodes: Vec<Node>,
    /// How long operators keep state that nothing touches unless they are told otherwise, ms; 0: for ever.
    state_ttl_ms: u64,
    /// What becomes of values that a sink's columns cannot hold.
    pub(crate) enforcers: Enforcers,
    /// When results of windows come, if not just once at their end.
    pub emit: Option<Emit>,
}

/// An operator.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Stable identity; the sink and the kind alone before [`identity::identify`].
    pub uid: String,
    /// What it does.
    pub kind: Kind,
    /// The rows it emits (a sink: takes): unqualified, unique names.
    pub schema: DFSchemaRef,
    /// How long it keeps what it has of each input (of a keyed operator: of each key) that nothing touches, ms; 0: for ever.
    pub state_ttl_ms: [u64; 2],
    /// Of the rows that it reads by each port, how many of the last columns are for late rows alone; shorter if there are none.
    pub late_columns: Vec<usize>,
}

impl Operators {
    /// No operators; those to come are as the settings say.
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            nodes: Vec::new(),
            state_ttl_ms: settings.state_ttl_ms,
            enforcers: settings.enforcers,
            emit: settings.emit.resolve()?,
        })
    }

    /// Adds an operator behind all others.
    pub(crate) fn push(&mut self, uid: String, kind: Kind, schema: DFSchemaRef) -> NodeId {
        self.nodes.push(Node {
            uid,
            kind,
            schema,
            state_ttl_ms: [self.state_ttl_ms; 2],
            late_columns: Vec::new(),
        });
        self.nodes.len() - 1
    }

    /// Makes an operator keep what it has of an input for as long as a hint of the plan below says, if one does.
    pub(crate) fn keep_as_hinted(&mut self, id: NodeId, port: usize, plan: &LogicalPlan) {
        if let Some(ttl_ms) = hints::ttl_of(plan) {
            self.nodes[id].state_ttl_ms[port] = ttl_ms;
        }
    }

    /// The operator at a position.
    pub(crate) fn get(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    pub(crate) fn get_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id]
    }

    /// All operators with their positions.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate()
    }

    /// The operators that read this one's rows.
    pub(crate) fn consumers(&self, id: NodeId) -> Vec<NodeId> {
        self.iter()
            .filter(|(_, node)| node.kind.inputs().contains(&id))
            .map(|(consumer, _)| consumer)
            .collect()
    }

    /// The source of a table, added when it is not there yet: scans of one table share it. If its rows are changes, what each one does is
    /// one more, last column.
    pub(crate) fn source(&mut self, table: &Arc<TableDef>, is_changelog: bool) -> Result<NodeId> {
        // A hint may give a table other options.
        let same = |other: &TableDef| {
            other.table.name == table.table.name && other.table.options == table.table.options
        };
        let existing = self
            .nodes
            .iter()
            .position(|node| matches!(&node.kind, Kind::Source(other, _) if same(other)));
        if let Some(id) = existing {
            return Ok(id);
        }
        let schema = if is_changelog {
            changelog_schema(table)?
        } else {
            table_schema(table)?
        };
        let of_table = |node: &&Node| matches!(&node.kind, Kind::Source(other, _) if other.table.name == table.table.name);
        let uid = match self.nodes.iter().filter(of_table).count() {
            0 => format!("source-{}", table.table.name),
            others => format!("source-{}-{}", table.table.name, others + 1),
        };
        Ok(self.push(uid, Kind::Source(Arc::clone(table), None), schema))
    }

    /// A table that rows are looked up in.
    pub(crate) fn lookup_table(&mut self, table: &Arc<TableDef>) -> Result<NodeId> {
        let schema = table_schema(table)?;
        Ok(self.push(String::new(), Kind::LookupTable(Arc::clone(table)), schema))
    }

    /// Puts every operator behind those whose rows it reads.
    pub(crate) fn sort(&mut self) {
        let mut places = vec![None; self.nodes.len()];
        let mut order = Vec::with_capacity(self.nodes.len());
        for id in 0..self.nodes.len() {
            self.place(id, &mut places, &mut order);
        }
        let nodes = order.iter().map(|id| self.nodes[*id].clone());
        self.nodes = nodes.collect();
        for node in &mut self.nodes {
            for input in node.kind.inputs_mut() {
                *input = places[*input].unwrap_or(*input);
            }
        }
    }

    /// Places an operator in an order, those that it reads first.
    fn place(&self, id: NodeId, places: &mut [Option<NodeId>], order: &mut Vec<NodeId>) {
        if places[id].is_some() {
            return;
        }
        for input in self.get(id).kind.inputs() {
            self.place(*input, places, order);
        }
        places[id] = Some(order.len());
        order.push(id);
    }

    /// Drops an operator if nobody reads it, and those that only it has read.
    pub(crate) fn drop_unread(&mut self, id: NodeId) {
        if !self.consumers(id).is_empty() {
            return;
        }
        let inputs = self.get(id).kind.inputs().to_vec();
        self.get_mut(id).kind = Kind::Gone;
        for input in inputs {
            self.drop_unread(input);
        }
    }

    /// Adds a calc with these columns, or finds the one that is there; names are made unique.
    pub(crate) fn calc(
        &mut self,
        uid: String,
        input: NodeId,
        filter: Option<Expr>,
        columns: Vec<(String, Expr)>,
    ) -> Result<NodeId> {
        let columns = expr::unique_names(columns);
        let calc = Calc {
            input,
            filter,
            columns,
        };
        if let Some(same) = self.same_calc(&calc) {
            return Ok(same);
        }
        let schema = calc_schema(&calc.columns, &self.get(input).schema)?;
        Ok(self.push(uid, Kind::Calc(calc), schema))
    }
}

impl Operators {
    /// A calc that does just this, if what it computes depends on its rows alone.
    fn same_calc(&self, calc: &Calc) -> Option<NodeId> {
        if !calc.is_deterministic() {
            return None;
        }
        let is_same = |node: &Node| matches!(&node.kind, Kind::Calc(other) if other == calc);
        self.nodes.iter().position(is_same)
    }
}
