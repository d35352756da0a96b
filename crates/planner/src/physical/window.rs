//! Window functions in FROM, and rows that belong to windows.
//!
//! A row belongs to one window of TUMBLE, so its window columns are expressions over its time. Of HOP and CUMULATE it may
//! belong to several: rows are multiplied only where something else than a windowed aggregate reads them, which needs but
//! their panes. Until then the window columns are [placeholders](PLACEHOLDERS) that no operator has yet.

use std::sync::Arc;

use arrow_schema::{DataType, Field};
use datafusion_common::{
    DFSchemaRef, ScalarValue,
    tree_node::{TreeNode, TreeNodeRecursion},
};
use datafusion_expr::{Expr, expr::ScalarFunction, lit};

use weir_model::Location;

use super::{
    Kind, NodeId,
    expr::column,
    lower::{Lower, Rel, RelColumn, Role, role},
    schema_of, type_of,
};
use crate::{
    catalog::TIMESTAMP_MS,
    error::{self, Result, plan_defect},
    logical::{
        cast_to, functions, simplify,
        window::{Tumble, WINDOW_COLUMNS, WindowNode, Windows},
    },
};

/// The window columns of rows that have yet to be multiplied, and what the operator that does so calls them.
const PLACEHOLDERS: [&str; 3] = ["$window_start", "$window_end", "$window_time"];
/// The same of windows by rows.
pub(super) const COUNT_PLACEHOLDER: &str = "$window_id";

/// The windows that rows belong to.
#[derive(Clone, Debug)]
pub(crate) struct RelWindow {
    /// The windows.
    pub windows: Windows,
    /// Over the operator's columns, TIMESTAMP(3): the row's time; of results of windows, the window's end.
    pub time: Expr,
    /// How rows have got their windows.
    pub assigned: Assigned,
    /// Whether windows are of the time at which rows pass; `time` is of no meaning until they are stamped with it.
    pub is_processing: bool,
    /// Of sessions that have yet to be found: what they are apart by; none: what their rows are grouped by.
    pub partition: Option<Vec<Expr>>,
    /// Where the window function stands.
    pub at: Location,
}

/// How rows have got their windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assigned {
    /// Each belongs to one, which follows from its time.
    ByTime,
    /// Each belongs to several and must be multiplied; the window columns are placeholders.
    Pending,
    /// Each is there once per window, and names its window's end.
    Attached,
}

/// Gives rows the windows that they belong to.
#[derive(Clone, Debug)]
pub(crate) struct WindowTable {
    /// Where the rows come from.
    pub input: NodeId,
    /// The windows.
    pub windows: Windows,
    /// The time column.
    pub time: usize,
    /// Of sessions and of windows by rows: the columns that they are apart by.
    pub keys: Vec<usize>,
}

impl WindowTable {
    /// Whether it finds sessions: keyed, when they have ended.
    pub(crate) fn is_session(&self) -> bool {
        matches!(self.windows, Windows::Session(_))
    }

    /// Whether windows are of so many rows of a key.
    pub(crate) fn is_count(&self) -> bool {
        matches!(self.windows, Windows::Count(_))
    }
}

/// Stamps rows with the time at which they pass, and makes that the time that watermarks speak of.
#[derive(Clone, Debug)]
pub(crate) struct ProcessingTime {
    /// Where the rows come from.
    pub input: NodeId,
    /// How often watermarks are due, ms.
    pub tick_ms: i64,
    /// A moment at which one is due, ms.
    pub offset_ms: i64,
}

impl RelWindow {
    /// What must be kept of rows that become an operator's: the time, or the window's end.
    pub(crate) fn kept(&self) -> Expr {
        match self.assigned {
            Assigned::Pending => column(PLACEHOLDERS[1]),
            Assigned::ByTime | Assigned::Attached => self.time.clone(),
        }
    }

    /// The same windows of rows that have become an operator's, which has what was [kept](Self::kept) in a column.
    pub(crate) fn kept_as(&self, name: &str) -> Self {
        Self {
            windows: self.windows,
            time: column(name),
            assigned: match self.assigned {
                Assigned::Pending => Assigned::Attached,
                other => other,
            },
            is_processing: self.is_processing && self.assigned == Assigned::Pending,
            partition: None,
            at: self.at,
        }
    }
}

impl Rel {
    /// Whether rows have yet to be multiplied.
    pub(crate) fn is_pending(&self) -> bool {
        self.window
            .as_ref()
            .is_some_and(|w| w.assigned == Assigned::Pending)
    }
}

impl Lower<'_> {
    /// The rows of a window function.
    pub(crate) fn window(&mut self, window: &WindowNode) -> Result<Rel> {
        if matches!(window.windows, Windows::Count(_)) {
            return self.count_window(window);
        }
        let mut input = self.plan(&window.input)?;
        input.check_append_only("a window", window.place())?;
        let from = window.input.schema();
        let time_role = role(&window.time, &input, from);
        let is_processing = time_role == Role::ProcessingTime;
        if !is_processing && !time_role.is_event_time() {
            let name = match &window.time {
                Expr::Column(column) => column.name.clone(),
                other => other.to_string(),
            };
            return Err(error::invalid(
                window.place(),
                format!(
                    "'{name}' is not an event-time column: declare WATERMARK FOR it in CREATE TABLE, and pass it on unchanged, or take a column AS PROCTIME()"
                ),
            ));
        }
        if input.is_pending() {
            input = self.materialize(input)?;
        }
        let time = if is_processing {
            lit(ScalarValue::TimestampMillisecond(None, None))
        } else {
            self.substitute(&window.time, &input, from)?
        };
        let partition = window.partition.as_ref().map(|keys| {
            let keys = keys.iter().map(|key| self.substitute(key, &input, from));
            keys.collect::<Result<Vec<_>>>()
        });
        let partition = partition.transpose()?;
        let schema = self.schema(&input);
        let time_type = type_of(&time, &schema)?;
        let time = cast_to(time, &time_type, &TIMESTAMP_MS);
        for column in &mut input.columns {
            column.role = match column.role {
                // Behind the stamp, watermarks speak of the time at which rows pass alone.
                Role::Window(2) | Role::EventTime if is_processing => Role::Plain,
                Role::Window(2) => Role::EventTime,
                Role::Window(_) => Role::Plain,
                other => other,
            };
        }
        let (exprs, assigned) = match window.windows {
            _ if is_processing => (PLACEHOLDERS.map(column), Assigned::Pending),
            Windows::Tumble(tumble) => (window_columns(tumble, &time)?, Assigned::ByTime),
            Windows::Hop(_) | Windows::Cumulate(_) | Windows::Session(_) | Windows::Count(_) => {
                (PLACEHOLDERS.map(column), Assigned::Pending)
            }
        };
        let types = window.schema.fields()[from.fields().len()..]
            .iter()
            .map(|f| f.data_type());
        for (part, ((name, expr), data_type)) in WINDOW_COLUMNS.into_iter().zip(exprs).zip(types).enumerate()
        {
            let expr = match assigned {
                Assigned::ByTime => simplify::coerce_and_simplify(expr, &schema).map_err(plan_defect)?,
                _ => expr,
            };
            let expr = cast_to(expr, &TIMESTAMP_MS, data_type);
            input.columns.push(RelColumn {
                name: name.into(),
                expr,
                role: Role::Window(part),
            });
        }
        input.window = Some(RelWindow {
            windows: window.windows,
            time,
            assigned,
            is_processing,
            partition,
            at: window.place(),
        });
        Ok(input)
    }

    /// Rows that have their windows, by an operator that multiplies them if need be; `columns` is what will be read of them.
    pub(crate) fn assign_windows(&mut self, mut rel: Rel, columns: &[(String, Expr)]) -> Result<Rel> {
        if !rel.is_pending() {
            return Ok(rel);
        }
        let Some(window) = rel.window.take() else {
            return Ok(rel);
        };
        if matches!(window.windows, Windows::Session(_)) && window.partition.is_none() {
            return Err(error::unsupported(
                window.at,
                "what is aggregated by SESSION in GROUP BY cannot depend on the session: write FROM TABLE(SESSION(TABLE t PARTITION BY \
                 k, DESCRIPTOR(ts), gap))",
            ));
        }
        let is_count = matches!(window.windows, Windows::Count(_));
        // A row that is left out before is not counted.
        let is_later = |filter: &Expr| is_count || reads_placeholder(filter);
        let (later, filters): (Vec<_>, Vec<_>) = rel.filters.into_iter().partition(is_later);
        let read = columns.iter().map(|(_, expr)| expr).chain(&later);
        let mut below: Vec<(String, Expr)> = Vec::new();
        for name in column_names(read)? {
            if !PLACEHOLDERS.contains(&name.as_str()) && name != COUNT_PLACEHOLDER {
                below.push((name.clone(), column(name)));
            }
        }
        let mut keys = Vec::new();
        for key in window.partition.iter().flatten() {
            let known = below.iter().position(|(_, expr)| expr == key);
            keys.push(known.unwrap_or_else(|| {
                below.push((format!("$key{}", below.len()), key.clone()));
                below.len() - 1
            }));
        }
        if !window.is_processing && !is_count {
            below.push(("$time".into(), window.time.clone()));
        }
        let rows = Rel {
            node: rel.node,
            filters,
            columns: Vec::new(),
            window: None,
            updates: None,
        };
        let mut input = self.calc(rows, at_least_one(below))?;
        if window.is_processing {
            input = self.stamp(input, window.windows)?;
        }
        let time = self.operators.get(input).schema.fields().len() - 1;
        let schema = with_placeholders(&self.operators.get(input).schema, window.windows)?;
        let table = WindowTable {
            input,
            windows: window.windows,
            time,
            keys,
        };
        let uid = self.uid("window");
        Ok(Rel {
            node: self.operators.push(uid, Kind::WindowTable(table), schema),
            filters: later,
            columns: rel.columns,
            window: (!is_count).then(|| window.kept_as(PLACEHOLDERS[1])),
            updates: rel.updates,
        })
    }
}

impl Lower<'_> {
    /// Rows with the time at which they pass as their last column.
    pub(crate) fn stamp(&mut self, input: NodeId, windows: Windows) -> Result<NodeId> {
        let (tick_ms, offset_ms) = match windows {
            Windows::Tumble(tumble) => (tumble.size_ms, tumble.offset_ms),
            // Windows end at multiples of the slide only if their size is one.
            Windows::Hop(hop) => (divisor(hop.size_ms, hop.slide_ms), hop.offset_ms),
            Windows::Cumulate(cumulate) => (cumulate.step_ms, cumulate.offset_ms),
            // Any moment may end a session.
            Windows::Session(session) => ((session.gap_ms / 10).clamp(1, 1000), 0),
            Windows::Count(_) => return Err(error::internal("a window by rows asks for the time")),
        };
        self.stamped(input, ("$proctime".into(), TIMESTAMP_MS), tick_ms, offset_ms)
    }
}

/// The greatest common divisor.
fn divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// These columns; a constant where there is none, since rows must be counted even if no value is read.
pub(crate) fn at_least_one(mut columns: Vec<(String, Expr)>) -> Vec<(String, Expr)> {
    if columns.is_empty() {
        columns.push(("$row".into(), lit(true)));
    }
    columns
}

/// A schema with the window columns of rows that have yet to be multiplied.
pub(crate) fn with_placeholders(schema: &DFSchemaRef, windows: Windows) -> Result<DFSchemaRef> {
    let added = match windows {
        Windows::Count(_) => vec![Field::new(COUNT_PLACEHOLDER, DataType::Int64, false)],
        _ => PLACEHOLDERS
            .map(|name| Field::new(name, TIMESTAMP_MS, false))
            .to_vec(),
    };
    schema_of(
        schema
            .fields()
            .iter()
            .map(|f| f.as_ref().clone())
            .chain(added)
            .collect(),
    )
}

/// Whether an expression reads the window of rows that have yet to be multiplied.
pub(crate) fn reads_placeholder(expr: &Expr) -> bool {
    let placeholder = |e: &Expr| {
        Ok(
            matches!(e, Expr::Column(column) if PLACEHOLDERS.contains(&column.name.as_str()) || column.name == COUNT_PLACEHOLDER),
        )
    };
    expr.exists(placeholder).unwrap_or(true)
}

/// The names of the columns that expressions read, each once.
fn column_names<'a>(exprs: impl Iterator<Item = &'a Expr>) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for expr in exprs {
        expr.apply(|e| {
            if let Expr::Column(column) = e
                && !names.contains(&column.name)
            {
                names.push(column.name.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .map_err(plan_defect)?;
    }
    Ok(names)
}

/// `window_start`, `window_end` and `window_time` of a row.
fn window_columns(tumble: Tumble, time: &Expr) -> Result<[Expr; 3]> {
    let function =
        functions::scalar("date_bin").ok_or_else(|| error::internal("the function date_bin is missing"))?;
    let interval = |ms: i64| {
        let nanoseconds = ms.checked_mul(1_000_000);
        nanoseconds
            .map(|nanoseconds| lit(ScalarValue::new_interval_mdn(0, 0, nanoseconds)))
            .ok_or_else(|| error::internal("the window is too long"))
    };
    let origin = lit(ScalarValue::TimestampNanosecond(
        tumble.offset_ms.checked_mul(1_000_000),
        None,
    ));
    let start = Expr::ScalarFunction(ScalarFunction::new_udf(
        function,
        vec![interval(tumble.size_ms)?, time.clone(), origin],
    ));
    let end = start.clone() + interval(tumble.size_ms)?;
    let last = start.clone() + interval(tumble.size_ms - 1)?;
    Ok([start, end, last])
}

/// The schema that a rel's expressions are over.
pub(crate) fn schema_with_windows(schema: &DFSchemaRef, rel: &Rel) -> DFSchemaRef {
    if let Some(window) = rel.window.as_ref().filter(|_| rel.is_pending())
        && let Ok(extended) = with_placeholders(schema, window.windows)
    {
        return extended;
    }
    Arc::clone(schema)
}
