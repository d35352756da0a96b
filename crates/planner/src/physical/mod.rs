//! Logical plans as streaming operators.
//!
//! Lowering keeps, above each operator, the filters and expressions not yet computed (a [`Rel`]), and makes an
//! operator of them only where one is needed: below an aggregate, before a sink, or where an expression would be computed
//! twice. So projections, filters and views melt into one calc, and DataFusion's optimizer has nothing left to do.
//!
//! - [`operators`]: the operators of a job while it is planned. Leans on `kind`.
//! - [`kind`]: what operators do. Leans on what makes them.
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
//! - `side_table`: tables that take what rows leave by the side. Leans on nothing.
//! - [`late`]: late rows into tables of their own. Leans on `side_table`.
//! - [`dead_letter`]: records that cannot be read into tables of their own. Leans on `side_table`.
//! - [`narrow`]: ranks and unnests that keep only what is read. Leans on `rank` and `unnest`.
//! - [`passing`]: the time at which rows pass, and functions that the runtime answers. Leans on `lower`.
//! - [`sink`]: rows as a sink's columns. Leans on `lower`.
//! - [`enforce`]: values that a sink's columns cannot hold. Leans on `lower`.
//! - [`spread`]: changes of a key to one writer of a sink. Leans on nothing.
//! - `changes`: tables whose rows are changes. Leans on `lower` and `rank`.
//! - [`source`]: sources that read only what is needed. Leans on `expr`.
//! - [`identity`]: the uids of operators. Leans on `format`.

pub(crate) mod aggregate;
mod aggregate_call;
mod changes;
pub(crate) mod count_window;
pub(crate) mod dead_letter;
mod emit;
mod enforce;
pub(crate) mod expr;
pub(crate) mod format;
pub(crate) mod frame;
mod group;
mod grouping_sets;
pub(crate) mod identity;
mod join;
mod kind;
pub(crate) mod late;
pub(crate) mod lower;
pub(crate) mod match_recognize;
pub(crate) mod narrow;
mod operators;
pub(crate) mod over;
mod over_call;
pub(crate) mod passing;
pub(crate) mod rank;
mod side_table;
pub(crate) mod sink;
pub(crate) mod sort;
pub(crate) mod source;
pub(crate) mod spread;
pub(crate) mod temporal;
mod union;
pub(crate) mod unnest;
mod values;
pub(crate) mod window;
mod window_sets;

use std::sync::Arc;

use arrow_schema::{DataType, Field};
use datafusion_common::{DFSchema, DFSchemaRef};
use datafusion_expr::{Expr, ExprSchemable};
use weir_connector::changelog::op_field;
use weir_functions::wasm::WasmAggregate;
use weir_model::Location;
use weir_proto::graph::{AggregateFunction, join as join_kind};

pub(crate) use self::{
    kind::{Kind, Partitioning},
    operators::{Node, NodeId, Operators},
};
use crate::{
    catalog::TableDef,
    error::{self, Result, plan_defect},
    logical::{proctime, window::Windows},
    settings::emit::Emit,
};

/// Writes a table.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    /// Where the rows come from.
    pub input: NodeId,
    /// The table.
    pub table: Arc<TableDef>,
    /// What makes the rows changes; none when they are only appended.
    pub updates: Option<Updates>,
    /// The columns by which rows go to its writers, before [`spread::spread_sinks`] none; none: they stay where they are.
    pub spread_by: Vec<usize>,
}

/// What makes rows changes of a result: they have the column [`OP_COLUMN`](weir_connector::changelog::OP_COLUMN) last.
#[derive(Clone, Debug)]
pub(crate) struct Updates {
    /// The operation, in SQL's words.
    pub by: String,
    /// Where it stands.
    pub at: Location,
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
    /// What its state is of, in the same words without what makes a result of the state.
    pub name: String,
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

fn table_schema(table: &TableDef) -> Result<DFSchemaRef> {
    let schema = DFSchema::try_from(table.schema.as_ref().clone());
    schema
        .map(Arc::new)
        .map_err(|e| error::of_datafusion(e, table.at))
}

/// The table's columns, and what each row does.
fn changelog_schema(table: &TableDef) -> Result<DFSchemaRef> {
    let fields = table.schema.fields().iter().map(|field| field.as_ref().clone());
    schema_of(fields.chain([op_field()]).collect())
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
