//! What a person reads when a row cannot be computed.

use std::{
    fmt::{self, Write},
    sync::Arc,
};

use arrow_array::{Array, RecordBatch, cast::AsArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType};
use datafusion_common::DataFusionError;
use datafusion_physical_expr::{PhysicalExpr, expressions::Column, utils::collect_columns};
use weir_model::Failure;

use super::leaf::SEED;

/// Characters of a row that a message shows.
const ROW_CHARS: usize = 200;
/// Characters of an expression that a message shows.
const EXPRESSION_CHARS: usize = 120;

/// The failure of an expression over `batch`, at the first row that fails by itself.
///
/// Evaluates again, about as many rows as the batch has.
pub(super) fn of_rows(
    error: &DataFusionError,
    expression: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
) -> Failure {
    let Some((row, error_of_row)) = first_failing_row(expression, batch) else {
        return of_error(error, Some(expression));
    };
    let failure = of_error(&error_of_row, Some(expression));
    let of_row = |column: &&Column| column.name() != SEED;
    let columns = collect_columns(expression);
    let mut read: Vec<usize> = columns.iter().filter(of_row).map(Column::index).collect();
    read.sort_unstable();
    match batch.project(&read) {
        Ok(read) if read.num_columns() > 0 => failure.at(describe_row(&read, row)),
        _ => failure,
    }
}

/// Halves the rows that may hold the first failure, evaluating the first half only.
fn first_failing_row(
    expression: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
) -> Option<(usize, DataFusionError)> {
    let fails = |from: usize, rows: usize| expression.evaluate(&batch.slice(from, rows)).err();
    let (mut from, mut rows) = (0, batch.num_rows());
    while rows > 1 {
        let half = rows / 2;
        if fails(from, half).is_some() {
            rows = half;
        } else {
            from += half;
            rows -= half;
        }
    }
    fails(from, rows).map(|e| (from, e))
}

/// The failure without a place.
pub(super) fn of_error(error: &DataFusionError, expression: Option<&Arc<dyn PhysicalExpr>>) -> Failure {
    let (reason, internal) = reason(error.find_root());
    let message = match expression {
        Some(e) => {
            let sql = truncate(without_marks(&Sql(e.as_ref()).to_string()), EXPRESSION_CHARS);
            format!("cannot compute {sql}: {reason}")
        }
        None => format!("cannot compute an expression: {reason}"),
    };
    if internal {
        Failure::internal(message)
    } else {
        Failure::user(message)
    }
}

/// An expression as SQL would spell it.
struct Sql<'a>(&'a dyn PhysicalExpr);

impl fmt::Display for Sql<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_sql(f)
    }
}

/// The text without the `$` that begins the names of functions that only a planner calls.
fn without_marks(sql: &str) -> String {
    let mut letters = sql.chars().peekable();
    let mut text = String::with_capacity(sql.len());
    while let Some(letter) = letters.next() {
        if letter != '$' || !letters.peek().is_some_and(char::is_ascii_uppercase) {
            text.push(letter);
        }
    }
    text
}

/// What went wrong in lower case, and whether it is our fault rather than the data's.
fn reason(error: &DataFusionError) -> (String, bool) {
    let (text, internal) = match error {
        DataFusionError::ArrowError(error, _) => return (arrow_reason(error), false),
        DataFusionError::Execution(text) => (text.clone(), false),
        DataFusionError::Internal(_)
        | DataFusionError::ResourcesExhausted(_)
        | DataFusionError::IoError(_)
        | DataFusionError::ExecutionJoin(_) => (error.strip_backtrace(), true),
        other => (other.strip_backtrace(), false),
    };
    let text = text
        .split(DataFusionError::BACK_TRACE_SEP)
        .next()
        .unwrap_or_default();
    (lower_first(text), internal)
}

fn arrow_reason(error: &ArrowError) -> String {
    match error {
        ArrowError::DivideByZero => "division by zero".into(),
        ArrowError::ArithmeticOverflow(text) => format!("the result is out of range: {}", lower_first(text)),
        ArrowError::CastError(text)
        | ArrowError::ParseError(text)
        | ArrowError::ComputeError(text)
        | ArrowError::InvalidArgumentError(text) => lower_first(text),
        other => lower_first(&other.to_string()),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

fn truncate(mut text: String, chars: usize) -> String {
    if let Some((at, _)) = text.char_indices().nth(chars) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// A row as text, `row {"x":"abc"}`, at most 200 characters of it.
pub(crate) fn describe_row(batch: &RecordBatch, row: usize) -> String {
    let mut text = String::from("row ");
    let fields = batch.schema_ref().fields();
    describe_fields(
        fields.iter().map(|f| f.name().as_str()),
        batch.columns(),
        row,
        &mut text,
    );
    truncate(text, ROW_CHARS)
}

fn describe_fields<'a>(
    names: impl Iterator<Item = &'a str>,
    columns: &[arrow_array::ArrayRef],
    row: usize,
    text: &mut String,
) {
    text.push('{');
    for (i, (name, column)) in names.zip(columns).enumerate() {
        if i > 0 {
            text.push(',');
        }
        let _ = write!(text, "{}:", serde_json::Value::from(name));
        describe_value(column, row, text);
        if text.len() > 8 * ROW_CHARS {
            break;
        }
    }
    text.push('}');
}

fn describe_value(column: &dyn Array, row: usize, text: &mut String) {
    if column.is_null(row) {
        text.push_str("null");
        return;
    }
    if let DataType::Struct(fields) = column.data_type() {
        return describe_fields(
            fields.iter().map(|f| f.name().as_str()),
            column.as_struct().columns(),
            row,
            text,
        );
    }
    let value = ArrayFormatter::try_new(column, &FormatOptions::default())
        .map_or_else(|_| "?".into(), |f| f.value(row).to_string());
    if column.data_type().is_numeric() || column.data_type() == &DataType::Boolean {
        text.push_str(&value);
    } else {
        let _ = write!(text, "{}", serde_json::Value::from(value));
    }
}
