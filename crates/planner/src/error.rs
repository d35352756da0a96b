//! Making a [`Problem`] of every error, with its place in the SQL.

use datafusion_common::{DataFusionError, SchemaError};
use sqlparser::{
    parser::ParserError,
    tokenizer::{Span, TokenizerError},
};
use weir_connector::options::nearest;
use weir_model::{ErrorCode, Location, Problem};

/// The result of everything that reads SQL.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// The SQL does not parse.
pub(crate) fn syntax(at: Location, detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::SqlSyntax, detail).at(at)
}

/// The SQL is valid Flink SQL that Weir does not run yet.
pub(crate) fn unsupported(at: Location, detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::SqlUnsupported, detail).at(at)
}

/// The SQL is well-formed but means nothing that can run.
pub(crate) fn invalid(at: Location, detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::SqlInvalid, detail).at(at)
}

/// Types do not fit together.
pub(crate) fn type_error(at: Location, detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::SqlType, detail).at(at)
}

/// A name that does not exist, with the nearest of the names that do.
pub(crate) fn unknown<'a>(
    at: Location,
    kind: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Problem {
    let problem = Problem::new(ErrorCode::SqlUnknownName, format!("there is no {kind} '{name}'")).at(at);
    let folded = name.to_lowercase();
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    let same_but_case = known
        .iter()
        .find(|k| k.to_lowercase() == folded)
        .map(|k| (*k).to_owned());
    match same_but_case.or_else(|| nearest(name, known)) {
        Some(suggestion) => problem.suggest(suggestion),
        None => problem,
    }
}

/// A defect of ours.
pub(crate) fn internal(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::Internal, detail)
}

/// Where a span of sqlparser begins; `otherwise` where it is unknown.
pub(crate) fn place(span: Span, otherwise: Location) -> Location {
    if span.start.line == 0 {
        otherwise
    } else {
        Location {
            line: span.start.line,
            column: span.start.column,
        }
    }
}

/// An error of the tokenizer.
pub(crate) fn of_tokenizer(error: &TokenizerError) -> Problem {
    let at = Location {
        line: error.location.line.max(1),
        column: error.location.column.max(1),
    };
    syntax(at, lowercase_first(&error.message))
}

/// An error of the parser; `otherwise` is the place if it names none.
pub(crate) fn of_parser(error: &ParserError, otherwise: Location) -> Problem {
    match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            let (text, at) = split_location(text);
            syntax(at.unwrap_or(otherwise), lowercase_first(text))
        }
        ParserError::RecursionLimitExceeded => syntax(
            otherwise,
            "the expression is nested too deeply: write it with fewer parentheses",
        ),
    }
}

/// Cuts ` at Line: 3, Column: 7` off an error's text.
fn split_location(text: &str) -> (&str, Option<Location>) {
    let Some((head, tail)) = text.rsplit_once(" at Line: ") else {
        return (text, None);
    };
    let place = tail.split_once(", Column: ").and_then(|(line, column)| {
        Some(Location {
            line: line.trim().parse().ok()?,
            column: column.trim().parse().ok()?,
        })
    });
    match place {
        Some(at) if at.line > 0 => (head, Some(at)),
        Some(_) => (head, None),
        None => (text, None),
    }
}

/// An error of DataFusion's planner; `otherwise` is the place if it names none.
pub(crate) fn of_datafusion(error: DataFusionError, otherwise: Location) -> Problem {
    let span = error.diagnostic().and_then(|d| d.span);
    let at = span.map_or(otherwise, |s| Location {
        line: s.start.line,
        column: s.start.column,
    });
    classify(error, at)
}

/// An error of DataFusion's about an expression whose place is not known here.
pub(crate) fn plan_defect(error: DataFusionError) -> Problem {
    const NOWHERE: Location = Location { line: 0, column: 0 };
    let mut problem = of_datafusion(error, NOWHERE);
    problem.location = problem.location.filter(|at| *at != NOWHERE);
    problem
}

fn classify(error: DataFusionError, at: Location) -> Problem {
    match error {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => classify(*inner, at),
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => classify(first, at),
            None => internal("an empty list of errors"),
        },
        DataFusionError::Shared(inner) => invalid(at, first_line(&inner.strip_backtrace())),
        DataFusionError::External(inner) => match inner.downcast::<Problem>() {
            Ok(problem) if problem.location.is_some() => *problem,
            Ok(problem) => problem.at(at),
            Err(other) => invalid(at, lowercase_first(&other.to_string())),
        },
        DataFusionError::SQL(inner, _) => of_parser(&inner, at),
        DataFusionError::SchemaError(inner, _) => of_schema(*inner, at),
        DataFusionError::NotImplemented(text) => {
            unsupported(at, format!("this is not supported yet: {}", first_line(&text)))
        }
        DataFusionError::Internal(text) | DataFusionError::Plan(text) if is_about_types(&text) => {
            type_error(at, first_line(&text))
        }
        // What DataFusion holds for a defect of its own is SQL that it did not think of.
        DataFusionError::Internal(text) => {
            unsupported(at, format!("this is not supported: {}", first_line(&text)))
        }
        DataFusionError::Plan(text) => invalid(at, first_line(&text)),
        DataFusionError::ArrowError(inner, _) => type_error(at, lowercase_first(&inner.to_string())),
        other => invalid(at, first_line(&other.strip_backtrace())),
    }
}

fn is_about_types(text: &str) -> bool {
    [
        "coerc",
        "non-boolean",
        "type",
        "cast",
        "signature",
        "arguments",
        "Cannot infer",
    ]
    .iter()
    .any(|word| text.contains(word))
}

fn of_schema(error: SchemaError, at: Location) -> Problem {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => unknown(
            at,
            "column",
            &field.name,
            valid_fields.iter().map(|f| f.name.as_str()),
        ),
        SchemaError::AmbiguousReference { field } => invalid(
            at,
            format!(
                "column '{}' is ambiguous: say which table it belongs to",
                field.name
            ),
        ),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => invalid(
            at,
            format!("there are two columns named '{name}': rename one with AS"),
        ),
    }
}

fn first_line(text: &str) -> String {
    let text = coercion_reason(text).unwrap_or(text);
    let line = text.lines().next().unwrap_or_default().trim_end_matches('.');
    // What a function of ours says of its arguments comes wrapped.
    let line = line.split("coercion failed with: ").last().unwrap_or(line);
    let line = line.strip_prefix("Error during planning: ").unwrap_or(line);
    let line = line.split(". No function matches").next().unwrap_or(line);
    lowercase_first(&in_sql_types(line))
}

/// A function's own reason to refuse its arguments, without what DataFusion writes around it.
fn coercion_reason(text: &str) -> Option<&str> {
    let (_, reason) = text.split_once("coercion failed with: Error during planning: ")?;
    Some(
        reason
            .split_once(" No function matches")
            .map_or(reason, |(reason, _)| reason),
    )
}

/// A sentence of DataFusion's with Arrow's simple types as SQL spells them.
fn in_sql_types(text: &str) -> String {
    const TYPES: [(&str, &str); 12] = [
        ("Boolean", "BOOLEAN"),
        ("Int8", "TINYINT"),
        ("Int16", "SMALLINT"),
        ("Int32", "INT"),
        ("Int64", "BIGINT"),
        ("Float32", "FLOAT"),
        ("Float64", "DOUBLE"),
        ("Utf8", "STRING"),
        ("Binary", "BYTES"),
        ("Date32", "DATE"),
        ("Timestamp(ms)", "TIMESTAMP(3)"),
        ("Timestamp(Millisecond, None)", "TIMESTAMP(3)"),
    ];
    let words = text.split(' ').map(|word| {
        let bare = word.trim_matches(|c: char| ",:;'.".contains(c));
        match TYPES.iter().find(|(arrow, _)| *arrow == bare) {
            Some((arrow, sql)) => word.replacen(arrow, sql, 1),
            None => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Our sentences begin in lowercase; names and acronyms keep theirs.
fn lowercase_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.to_owned(),
    }
}
