//! Window functions in FROM: `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))`, and their plan node.
//!
//! - [`kind`]: which windows there are. Leans on nothing.
//! - [`count`]: windows of so many rows. Leans on `kind`.
//! - [`arguments`]: the arguments of the functions. Leans on nothing.

mod arguments;
pub(crate) mod count;
mod kind;

use std::{cmp::Ordering, collections::HashSet, fmt, sync::Arc};

use arrow_schema::{DataType, Field, TimeUnit};
use datafusion_common::{Column, DFSchema, DFSchemaRef, DataFusionError, Result, ScalarValue, internal_err};
use datafusion_expr::{
    Expr, ExprSchemable, Extension, LogicalPlan, UserDefinedLogicalNodeCore,
    planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning},
};
use sqlparser::ast::{self, Ident, Spanned, TableFactor};
use weir_model::{Location, Problem};

pub(super) use self::arguments::constant_ms;
use self::arguments::{Arguments, Function};
pub(crate) use self::count::{Count, WINDOW_ID};
pub(crate) use self::kind::{Cumulate, Hop, Session, Tumble, Windows};
use crate::{
    catalog::TIMESTAMP_MS,
    error::{self, place},
};

/// The columns that a window function adds, in order.
pub(crate) const WINDOW_COLUMNS: [&str; 3] = ["window_start", "window_end", "window_time"];

/// The rows of the input with the window that each one belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WindowNode {
    /// The rows.
    pub input: LogicalPlan,
    /// The event-time column of the input.
    pub time: Expr,
    /// What sessions are apart by; none: what their rows are grouped by.
    pub partition: Option<Vec<Expr>>,
    /// The windows.
    pub windows: Windows,
    /// The input's columns, then [`WINDOW_COLUMNS`]; of windows by rows, [`WINDOW_ID`].
    pub schema: DFSchemaRef,
    /// Where the descriptor's column stands; of windows by rows, the function.
    pub at: (u64, u64),
}

impl PartialOrd for WindowNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl WindowNode {
    fn try_new(
        input: LogicalPlan,
        time: Expr,
        partition: Option<Vec<Expr>>,
        windows: Windows,
        at: Location,
    ) -> Result<Self> {
        let mut fields: Vec<_> = input
            .schema()
            .fields()
            .iter()
            .map(|f| (None, Arc::clone(f)))
            .collect();
        let added = if matches!(windows, Windows::Count(_)) {
            vec![Field::new(WINDOW_ID, DataType::Int64, false)]
        } else {
            // The time of a window is of the kind of the time that it was made of.
            let of_time = match time.get_type(input.schema().as_ref())? {
                zoned @ DataType::Timestamp(TimeUnit::Millisecond, Some(_)) => zoned,
                _ => TIMESTAMP_MS,
            };
            let types = [TIMESTAMP_MS, TIMESTAMP_MS, of_time];
            let fields = WINDOW_COLUMNS.into_iter().zip(types);
            fields.map(|(name, of)| Field::new(name, of, true)).collect()
        };
        for field in added {
            let name = field.name();
            if fields.iter().any(|(_, f)| f.name() == name) {
                return refuse(error::invalid(
                    at,
                    format!("the input of the window has a column '{name}' already: rename it with AS"),
                ));
            }
            fields.push((None, Arc::new(field)));
        }
        let schema = Arc::new(DFSchema::new_with_metadata(
            fields,
            std::collections::HashMap::new(),
        )?);
        Ok(Self {
            input,
            time,
            partition,
            windows,
            schema,
            at: (at.line, at.column),
        })
    }

    /// Where the descriptor's column stands.
    pub(crate) fn place(&self) -> Location {
        Location {
            line: self.at.0,
            column: self.at.1,
        }
    }
}

// The trait ties the name to the node.
#[allow(clippy::unnecessary_literal_bound)]
impl UserDefinedLogicalNodeCore for WindowNode {
    fn name(&self) -> &str {
        "Window"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let partition = self.partition.iter().flatten().cloned();
        std::iter::once(self.time.clone()).chain(partition).collect()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        if matches!(self.windows, Windows::Count(_)) {
            // A row that is left out before is not counted.
            return self.schema.fields().iter().map(|f| f.name().clone()).collect();
        }
        WINDOW_COLUMNS.iter().map(|name| (*name).to_owned()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Window: {} {:?}", self.time, self.windows)
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Some(input) = inputs.pop().filter(|_| !exprs.is_empty()) else {
            return internal_err!("a window has one time column and one input");
        };
        let time = exprs.remove(0);
        let partition = self.partition.is_some().then_some(exprs);
        Self::try_new(input, time, partition, self.windows, self.place())
    }
}

/// Plans window functions in FROM.
#[derive(Debug)]
pub(crate) struct WindowFunctions;

impl RelationPlanner for WindowFunctions {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (name, args, alias, at) = match relation {
            TableFactor::Table {
                name,
                args: Some(args),
                alias,
                ..
            } => (name.to_string(), args.args, alias, place(name.span(), NOWHERE)),
            TableFactor::TableFunction {
                expr: ast::Expr::Function(function),
                alias,
            } => {
                let at = place(function.span(), NOWHERE);
                (function.name.to_string(), arguments::list(function), alias, at)
            }
            other => return Ok(RelationPlanning::Original(Box::new(other))),
        };
        let Some(function) = Function::of(&name) else {
            return refuse(error::unknown(at, "table function", &name, FUNCTIONS));
        };
        let arguments = Arguments::new(function, args, at)?;
        let plan = window(function, arguments, context)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, alias,
        ))))
    }
}

const NOWHERE: Location = Location { line: 1, column: 1 };

/// The window functions in FROM that run.
pub(crate) const FUNCTIONS: [&str; 6] = [
    "TUMBLE",
    "HOP",
    "CUMULATE",
    "SESSION",
    "COUNT_TUMBLE",
    "COUNT_HOP",
];

fn window(
    function: Function,
    mut arguments: Arguments,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    arguments.check()?;
    let time = if function.is_count() {
        None
    } else {
        Some(arguments.time()?)
    };
    let windows = match function {
        Function::Tumble => {
            let (size_ms, _) = arguments.length("SIZE", context)?;
            Windows::tumble(size_ms, arguments.offset(context)?)
        }
        Function::Hop => {
            let (slide_ms, _) = arguments.length("SLIDE", context)?;
            let (size_ms, at) = arguments.length("SIZE", context)?;
            Windows::hop(size_ms, slide_ms, arguments.offset(context)?, at)?
        }
        Function::GroupHop => {
            let (slide_ms, at) = arguments.length("SLIDE", context)?;
            let (size_ms, _) = arguments.length("SIZE", context)?;
            Windows::group_hop(size_ms, slide_ms, at)?
        }
        Function::Cumulate => {
            let (step_ms, _) = arguments.length("STEP", context)?;
            let (size_ms, at) = arguments.length("SIZE", context)?;
            Windows::cumulate(size_ms, step_ms, arguments.offset(context)?, at)?
        }
        Function::Session => {
            let (gap_ms, _) = arguments.length("GAP", context)?;
            Windows::Session(Session { gap_ms })
        }
        Function::CountTumble => {
            let (size, at) = arguments.rows("SIZE", context)?;
            Windows::count(size, size, at)?
        }
        Function::CountHop => {
            let (slide, at) = arguments.rows("SLIDE", context)?;
            let (size, _) = arguments.rows("SIZE", context)?;
            Windows::count(size, slide, at)?
        }
    };
    let input = context.plan(arguments.data()?)?;
    let schema = Arc::clone(input.schema());
    let time_at = time
        .as_ref()
        .map_or(arguments.place(), |time| place(time.span, NOWHERE));
    let column = |name: &Ident| {
        let Ok((qualifier, field)) = schema.qualified_field_with_unqualified_name(&name.value) else {
            let names = schema.fields().iter().map(|f| f.name().as_str());
            return refuse(error::unknown(
                place(name.span, NOWHERE),
                "column",
                &name.value,
                names,
            ));
        };
        Ok(Expr::Column(Column::from((qualifier, field))))
    };
    let time = match &time {
        Some(time) => column(time)?,
        None => Expr::Literal(ScalarValue::Null, None),
    };
    let partition = arguments.partition();
    let partition = partition
        .map(|names| names.iter().map(column).collect::<Result<Vec<_>>>())
        .transpose()?;
    let node = WindowNode::try_new(input, time, partition, windows, time_at)?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

fn external(problem: Problem) -> DataFusionError {
    DataFusionError::External(Box::new(problem))
}

fn refuse<T>(problem: Problem) -> Result<T> {
    Err(external(problem))
}
