//! Window functions in FROM: `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))`, and their plan node.

use std::{cmp::Ordering, collections::HashSet, fmt, sync::Arc};

use arrow_schema::Field;
use datafusion_common::{Column, DFSchema, DFSchemaRef, DataFusionError, Result, ScalarValue, internal_err};
use datafusion_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore,
    planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning},
};
use sqlparser::ast::{
    self, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Spanned, TableFactor,
};
use weir_model::{Location, Problem};

use super::simplify;
use crate::{
    catalog::TIMESTAMP_MS,
    error::{self, place},
};

/// The columns that a window function adds, in order.
pub(crate) const WINDOW_COLUMNS: [&str; 3] = ["window_start", "window_end", "window_time"];

/// Event-time windows of one size that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tumble {
    /// Length, ms; positive.
    pub size_ms: i64,
    /// Start of one of the windows, ms; from 0 to below the size.
    pub offset_ms: i64,
}

/// The rows of the input with the window that each one belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WindowNode {
    /// The rows.
    pub input: LogicalPlan,
    /// The event-time column of the input.
    pub time: Expr,
    /// The windows.
    pub tumble: Tumble,
    /// The input's columns, then [`WINDOW_COLUMNS`].
    pub schema: DFSchemaRef,
    /// Where the descriptor's column stands.
    pub at: (u64, u64),
}

impl PartialOrd for WindowNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl WindowNode {
    fn try_new(input: LogicalPlan, time: Expr, tumble: Tumble, at: Location) -> Result<Self> {
        let mut fields: Vec<_> = input
            .schema()
            .fields()
            .iter()
            .map(|f| (None, Arc::clone(f)))
            .collect();
        for name in WINDOW_COLUMNS {
            if fields.iter().any(|(_, f)| f.name() == name) {
                return refuse(error::invalid(
                    at,
                    format!("the input of the window has a column '{name}' already: rename it with AS"),
                ));
            }
            fields.push((None, Arc::new(Field::new(name, TIMESTAMP_MS, true))));
        }
        let schema = Arc::new(DFSchema::new_with_metadata(
            fields,
            std::collections::HashMap::new(),
        )?);
        Ok(Self {
            input,
            time,
            tumble,
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
        vec![self.time.clone()]
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        WINDOW_COLUMNS.iter().map(|name| (*name).to_owned()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Tumble: {} size={} ms offset={} ms",
            self.time, self.tumble.size_ms, self.tumble.offset_ms
        )
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let (Some(time), Some(input)) = (exprs.pop(), inputs.pop()) else {
            return internal_err!("a window has one time column and one input");
        };
        Self::try_new(input, time, self.tumble, self.place())
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
        let (args, alias, at) = match relation {
            TableFactor::Table {
                name,
                args: Some(args),
                alias,
                ..
            } => (args.args, alias, place(name.span(), NOWHERE)),
            TableFactor::TableFunction {
                expr: ast::Expr::Function(function),
                alias,
            } => {
                let at = place(function.span(), NOWHERE);
                (arguments(function), alias, at)
            }
            other => return Ok(RelationPlanning::Original(Box::new(other))),
        };
        let arguments = Arguments::new(args, at)?;
        let plan = tumble(arguments, at, context)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, alias,
        ))))
    }
}

const NOWHERE: Location = Location { line: 1, column: 1 };

fn arguments(function: Function) -> Vec<FunctionArg> {
    match function.args {
        FunctionArguments::List(list) => list.args,
        FunctionArguments::None | FunctionArguments::Subquery(_) => Vec::new(),
    }
}

/// The arguments of TUMBLE by meaning.
struct Arguments {
    data: ast::Expr,
    time: ast::Expr,
    size: ast::Expr,
    offset: Option<ast::Expr>,
}

impl Arguments {
    const NAMES: [&'static str; 4] = ["DATA", "TIMECOL", "SIZE", "OFFSET"];

    fn new(args: Vec<FunctionArg>, at: Location) -> Result<Self> {
        let mut slots: [Option<ast::Expr>; 4] = [None, None, None, None];
        for (i, arg) in args.into_iter().enumerate() {
            let arg_at = place(arg.span(), at);
            let (slot, value) = match arg {
                FunctionArg::Named {
                    name,
                    arg: FunctionArgExpr::Expr(value),
                    ..
                } => {
                    let slot = Self::NAMES
                        .iter()
                        .position(|n| name.value.eq_ignore_ascii_case(n));
                    let unknown = || {
                        error::unknown(
                            place(name.span, at),
                            "argument of TUMBLE",
                            &name.value,
                            Self::NAMES,
                        )
                    };
                    (slot.ok_or_else(|| external(unknown()))?, value)
                }
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) if i < slots.len() => (i, value),
                _ => return refuse(error::syntax(arg_at, USAGE)),
            };
            if slots[slot].replace(value).is_some() {
                return refuse(error::syntax(
                    arg_at,
                    format!("TUMBLE has two arguments {}", Self::NAMES[slot]),
                ));
            }
        }
        match slots {
            [Some(data), Some(time), Some(size), offset] => Ok(Self {
                data,
                time,
                size,
                offset,
            }),
            _ => refuse(error::syntax(at, USAGE)),
        }
    }
}

const USAGE: &str = "TUMBLE takes a table, a time column and a size: TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE [, offset])";

fn tumble(
    arguments: Arguments,
    at: Location,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let Arguments {
        data,
        time,
        size,
        offset,
    } = arguments;
    let time = descriptor(&time, at)?;
    let size_at = place(size.span(), at);
    let size_ms = interval_ms(size, at, context)?;
    if size_ms <= 0 {
        return refuse(error::invalid(size_at, "the size of a window must be positive"));
    }
    let offset_ms = offset.map_or(Ok(0), |offset| interval_ms(offset, at, context))?;
    let tumble = Tumble {
        size_ms,
        offset_ms: offset_ms.rem_euclid(size_ms),
    };
    let input = context.plan(relation(data, at)?)?;
    let schema = Arc::clone(input.schema());
    let time_at = place(time.span, at);
    let Ok((qualifier, field)) = schema.qualified_field_with_unqualified_name(&time.value) else {
        let names = schema.fields().iter().map(|f| f.name().as_str());
        return refuse(error::unknown(time_at, "column", &time.value, names));
    };
    let time = Expr::Column(Column::from((qualifier, field)));
    let node = WindowNode::try_new(input, time, tumble, time_at)?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

/// The column of `DESCRIPTOR(ts)`.
fn descriptor(expr: &ast::Expr, at: Location) -> Result<Ident> {
    let wrong = error::syntax(
        place(expr.span(), at),
        "the time column is written DESCRIPTOR(ts)",
    );
    let ast::Expr::Function(function) = expr else {
        return refuse(wrong);
    };
    if !function.name.to_string().eq_ignore_ascii_case("DESCRIPTOR") {
        return refuse(wrong);
    }
    match arguments(function.clone()).as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Identifier(column)))] => Ok(column.clone()),
        _ => refuse(wrong),
    }
}

/// The table that a window function reads, as it would stand in FROM.
fn relation(data: ast::Expr, at: Location) -> Result<TableFactor> {
    match data {
        ast::Expr::Identifier(name) => Ok(TableFactor::Table {
            name: ObjectName::from(vec![name]),
            alias: None,
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        }),
        ast::Expr::Subquery(subquery) => Ok(TableFactor::Derived {
            lateral: false,
            subquery,
            alias: None,
            sample: None,
        }),
        ast::Expr::Nested(inner) => relation(*inner, at),
        other => refuse(error::syntax(
            place(other.span(), at),
            "the first argument of TUMBLE is a table: TABLE t, or a query in parentheses",
        )),
    }
}

/// The length of a constant interval of days or less.
fn interval_ms(expr: ast::Expr, at: Location, context: &mut dyn RelationPlannerContext) -> Result<i64> {
    let at = place(expr.span(), at);
    let wrong = || {
        error::invalid(
            at,
            "a window's size and offset are constant intervals: INTERVAL '10' SECOND",
        )
    };
    let schema = DFSchema::empty();
    let planned = context.sql_to_expr(expr, &schema)?;
    let value = simplify::coerce_and_simplify(planned, &Arc::new(schema))?;
    let Expr::Literal(value, _) = value else {
        return refuse(wrong());
    };
    let ms = match value {
        ScalarValue::IntervalMonthDayNano(Some(v)) if v.months == 0 && v.nanoseconds % 1_000_000 == 0 => {
            i64::from(v.days)
                .checked_mul(86_400_000)
                .and_then(|days| days.checked_add(v.nanoseconds / 1_000_000))
        }
        ScalarValue::IntervalDayTime(Some(v)) => i64::from(v.days)
            .checked_mul(86_400_000)
            .and_then(|days| days.checked_add(i64::from(v.milliseconds))),
        ScalarValue::IntervalMonthDayNano(Some(v)) if v.months != 0 => {
            return refuse(error::unsupported(
                at,
                "a window's size cannot be in months or years: use days",
            ));
        }
        _ => None,
    };
    ms.ok_or_else(|| external(wrong()))
}

fn external(problem: Problem) -> DataFusionError {
    DataFusionError::External(Box::new(problem))
}

fn refuse<T>(problem: Problem) -> Result<T> {
    Err(external(problem))
}
