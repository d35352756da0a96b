//! Logical plans as streaming operators.
//!
//! Lowering keeps, above each operator, the filters and expressions not yet computed (a [`Rel`]), and makes an
//! operator of them only where one is needed: below an aggregate, before a sink, or where an expression would be computed
//! twice. So projections, filters and views melt into one calc, and DataFusion's optimizer has nothing left to do.
//!
//! - [`expr`]: questions about expressions. Leans on nothing.
//! - [`format`](mod@format): expressions in SQL's words. Leans on nothing.
//! - [`lower`]: plans without aggregates. Leans on `expr`.
//! - [`aggregate_call`]: one aggregate function of a query. Leans on `lower`.
//! - [`aggregate`]: windowed aggregates, in two phases. Leans on `aggregate_call`.
//! - [`emit`]: windowed aggregates whose results change. Leans on `lower`.
//! - [`group`]: aggregates without windows. Leans on `aggregate`.
//! - [`grouping_sets`]: aggregates by several sets of keys. Leans on `group`.
//! - [`count_window`]: windows by rows, and aggregates by them. Leans on `aggregate`.
//! - [`window_sets`]: aggregates by window and several sets of keys. Leans on `grouping_sets`.
//! - [`window`]: window functions in FROM. Leans on `lower`.
//! - [`join`]: joins of two inputs. Leans on `lower`.
//! - [`match_recognize`]: patterns in the rows of each key. Leans on `rank`.
//! - [`temporal`]: joins as of a time. Leans on `lower` and `source`.
//! - [`union`]: several inputs as one. Leans on `lower`.
//! - [`unnest`]: rows multiplied by what is in them. Leans on `lower`.
//! - [`values`]: rows that stand in the query. Leans on `lower`.
//! - [`rank`]: the first rows of each key. Leans on `lower`.
//! - [`frame`]: the rows that a function OVER a window looks at. Leans on nothing.
//! - [`over`], [`over_call`]: functions of the rows before each row. Lean on `aggregate`, `frame` and `rank`.
//! - [`sort`]: rows in the order of their time. Leans on `rank`.
//! - [`late`]: late rows into tables of their own. Leans on nothing.
//! - [`narrow`]: ranks and unnests that keep only what is read. Leans on `rank` and `unnest`.
//! - [`passing`]: the time at which rows pass, and functions that the runtime answers. Leans on `lower`.
//! - [`sink`]: rows as a sink's columns. Leans on `lower`.
//! - [`enforce`]: values that a sink's columns cannot hold. Leans on `lower`.
//! - [`source`]: sources that read only what is needed. Leans on `expr`.
//! - [`identity`]: the uids of operators. Leans on `format`.

pub(crate) mod aggregate;
mod aggregate_call;
pub(crate) mod count_window;
mod emit;
mod enforce;
pub(crate) mod expr;
pub(crate) mod format;
pub(crate) mod frame;
mod group;
mod grouping_sets;
pub(crate) mod identity;
mod join;
pub(crate) mod late;
pub(crate) mod lower;
pub(crate) mod match_recognize;
pub(crate) mod narrow;
pub(crate) mod over;
mod over_call;
pub(crate) mod passing;
pub(crate) mod rank;
pub(crate) mod sink;
pub(crate) mod sort;
pub(crate) mod source;
pub(crate) mod temporal;
mod union;
pub(crate) mod unnest;
mod values;
pub(crate) mod window;
mod window_sets;

use std::{slice, sync::Arc};

use arrow_schema::{DataType, Field};
use datafusion_common::{DFSchema, DFSchemaRef};
use datafusion_expr::{Expr, ExprSchemable, LogicalPlan};
use weir_functions::wasm::WasmAggregate;
use weir_model::Location;
use weir_proto::graph::{AggregateFunction, join as join_kind};

use self::{
    count_window::CountAggregate,
    source::SourceRead,
    window::{ProcessingTime, WindowTable},
};
use crate::{
    catalog::TableDef,
    error::{self, Result, plan_defect},
    logical::{hints, proctime, window::Windows},
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
    /// All that operators drop as late: a union in which each input is there once.
    LateUnion(Vec<NodeId>),
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

/// Writes a table.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    /// Where the rows come from.
    pub input: NodeId,
    /// The table.
    pub table: Arc<TableDef>,
    /// What makes the rows changes; none when they are only appended.
    pub updates: Option<Updates>,
}

/// What makes rows changes of a result: they have the column [`OP_COLUMN`](weir_connector::changelog::OP_COLUMN) last.
#[derive(Clone, Debug)]
pub(crate) struct Updates {
    /// The operation, in SQL's words.
    pub by: String,
    /// Where it stands.
    pub at: Location,
}

/// How an operator's rows must be spread over its subtasks.
pub(crate) enum Partitioning {
    /// As they are.
    Forward,
    /// By these columns of the input.
    Hash(Vec<usize>),
}

/// Filters, then projects.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Calc {
    /// Where the rows come from.
    pub input: NodeId,
    /// Rows to keep.
    pub filter: Option<Expr>,
    /// Columns to compute, by unique names.
    pub columns: Vec<(String, Expr)>,
}

/// Either phase of a windowed aggregate; columns are those of the rows before the first phase.
#[derive(Clone, Debug)]
pub(crate) struct WindowAggregate {
    /// Where the rows come from.
    pub input: NodeId,
    /// The windows.
    pub windows: Windows,
    /// The event-time column; of rows that name their window, the window's end.
    pub time: usize,
    /// Whether rows name their window: they are there once per window.
    pub attached: bool,
    /// The key columns.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// Of the second phase: whether it is the only one, and reads raw rows.
    pub raw: bool,
    /// Of raw rows: when results come; none: once, at the window's end.
    pub emit: Option<Emit>,
}

/// Either phase of an aggregate without windows; columns are those of the rows before the first phase.
#[derive(Clone, Debug)]
pub(crate) struct GroupAggregate {
    /// Where the rows come from.
    pub input: NodeId,
    /// The key columns.
    pub keys: Vec<usize>,
    /// The aggregates; none: distinct rows.
    pub aggregates: Vec<AggregateCall>,
    /// Whether the rows are those of the first phase, which begin with the keys.
    pub partial: bool,
}

impl GroupAggregate {
    /// The key columns in the rows that it reads.
    pub(crate) fn input_keys(&self) -> Vec<usize> {
        if self.partial {
            (0..self.keys.len()).collect()
        } else {
            self.keys.clone()
        }
    }
}

/// Joins two inputs by equal keys and a condition.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    /// Left and right.
    pub inputs: [NodeId; 2],
    /// Which rows are in the result.
    pub kind: join_kind::Type,
    /// The key columns of each input.
    pub keys: [Vec<usize>; 2],
    /// What pairs must meet, over `both`.
    pub condition: Option<Expr>,
    /// The columns of left, then right, without what changes do.
    pub both: DFSchemaRef,
    /// The columns of the result among `both`.
    pub output: Vec<usize>,
    /// Whether null is a key like others.
    pub null_equals_null: bool,
    /// Of rows that meet within a time.
    pub time: Option<join::Timed>,
}

/// An aggregate function of a column.
#[derive(Clone, Debug)]
pub(crate) struct AggregateCall {
    /// The function.
    pub function: AggregateFunction,
    /// Its argument; none for COUNT(*).
    pub column: Option<usize>,
    /// What stands between the texts of LISTAGG.
    pub separator: String,
    /// Of PERCENTILE: shares of the values, 0 to 1.
    pub percentages: Vec<f64>,
    /// Whether the argument is a ROW of what is aggregated, null where a row does not count.
    pub packed: bool,
    /// What computes it, if the script created it.
    pub user: Option<Arc<WasmAggregate>>,
    /// Whether each value of a group is taken once.
    pub distinct: bool,
    /// Name and type of the result.
    pub result: Field,
    /// In SQL's words.
    pub text: String,
}

impl AggregateCall {
    /// Whether partial results are put together.
    pub(crate) fn merges(&self) -> bool {
        self.user.as_ref().is_none_or(|user| user.merges())
    }
}

impl WindowAggregate {
    /// Whether it finds sessions: in one phase, of raw rows.
    pub(crate) fn is_session(&self) -> bool {
        matches!(self.windows, Windows::Session(_)) && !self.attached
    }

    /// Whether there is no phase before it.
    pub(crate) fn reads_raw(&self) -> bool {
        self.raw || self.is_session()
    }
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

    /// The source of a table, added when it is not there yet: scans of one table share it.
    pub(crate) fn source(&mut self, table: &Arc<TableDef>) -> Result<NodeId> {
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
        let schema = table_schema(table)?;
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

impl Calc {
    fn is_deterministic(&self) -> bool {
        !self.exprs().any(Expr::is_volatile)
    }

    fn reads_watermark(&self) -> bool {
        self.exprs().any(proctime::reads_watermark)
    }

    fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.columns.iter().map(|(_, expr)| expr).chain(&self.filter)
    }
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
            Self::Union(inputs) | Self::LateUnion(inputs) => inputs,
            Self::Unnest(unnest) => slice::from_ref(&unnest.input),
            Self::LateRows(late) => slice::from_ref(&late.input),
            Self::Rank(rank) => slice::from_ref(&rank.input),
            Self::Sort(sort) => slice::from_ref(&sort.input),
            Self::MatchRecognize(pattern) => slice::from_ref(&pattern.input),
            Self::Over(over) => slice::from_ref(&over.input),
            Self::Sink(sink) => slice::from_ref(&sink.input),
        }
    }

    fn inputs_mut(&mut self) -> &mut [NodeId] {
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
            Self::Union(inputs) | Self::LateUnion(inputs) => inputs,
            Self::Unnest(unnest) => slice::from_mut(&mut unnest.input),
            Self::LateRows(late) => slice::from_mut(&mut late.input),
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

fn table_schema(table: &TableDef) -> Result<DFSchemaRef> {
    let schema = DFSchema::try_from(table.schema.as_ref().clone());
    schema
        .map(Arc::new)
        .map_err(|e| error::of_datafusion(e, table.at))
}

/// The schema of expressions over rows of another schema.
pub(crate) fn calc_schema(columns: &[(String, Expr)], input: &DFSchemaRef) -> Result<DFSchemaRef> {
    let fields = columns.iter().map(|(name, expr)| {
        let (_, field) = expr.to_field(input.as_ref())?;
        Ok(Field::new(name, field.data_type().clone(), field.is_nullable()))
    });
    let fields = fields
        .collect::<datafusion_common::Result<Vec<_>>>()
        .map_err(plan_defect)?;
    schema_of(fields)
}

/// A schema of unqualified columns.
pub(crate) fn schema_of(fields: Vec<Field>) -> Result<DFSchemaRef> {
    DFSchema::from_unqualified_fields(fields.into(), std::collections::HashMap::new())
        .map(Arc::new)
        .map_err(plan_defect)
}

/// The type of an expression.
pub(crate) fn type_of(expr: &Expr, schema: &DFSchemaRef) -> Result<DataType> {
    expr.get_type(schema.as_ref()).map_err(plan_defect)
}
