//! Calls and operators with a syntax of their own as plain calls of the functions that do the work.

use sqlparser::ast::{
    BinaryOperator, CeilFloorKind, CharacterLength, DataType, DateTimeField, Expr, Function, Spanned, Value,
    ValueWithSpan,
};
use weir_model::Location;

use super::desugar::{
    all_arguments, arguments, binary, case, cast, is_int, literal_text, named_call, nested, null, text,
    uncast,
};
use super::{json_calls, json_constructors};
use crate::error::{self, Result, place};

/// The expression in its plain form; none if it is plain already.
pub(super) fn rewrite(expr: &mut Expr, at: Location) -> Result<Option<Expr>> {
    let at = place(expr.span(), at);
    let take = |expr: &mut Box<Expr>| std::mem::replace(expr.as_mut(), null());
    let call = match expr {
        Expr::Function(function) => return call(function, at),
        Expr::Value(value) if is_int(&value.value) => cast(expr.clone(), DataType::Int(None)),
        Expr::Extract { field, expr, .. } => {
            let function = extracted(field).ok_or_else(|| {
                error::unsupported(
                    at,
                    format!("EXTRACT of {field} is not supported: use DATE_FORMAT"),
                )
            })?;
            named_call(function, vec![take(expr)])
        }
        Expr::Ceil { expr, field } => match rounding(field, "CEIL", at)? {
            Some(unit) => named_call("$CEIL", vec![take(expr), text(unit)]),
            None => return Ok(None),
        },
        Expr::Floor { expr, field } => match rounding(field, "FLOOR", at)? {
            Some(unit) => named_call("$FLOOR", vec![take(expr), text(unit)]),
            None => return Ok(None),
        },
        Expr::Position { expr, r#in } => named_call("LOCATE", vec![take(expr), take(r#in)]),
        Expr::Substring {
            expr,
            substring_from,
            substring_for,
            ..
        } => {
            let rest = substring_from.iter_mut().chain(substring_for).map(take);
            named_call("SUBSTRING", std::iter::once(take(expr)).chain(rest).collect())
        }
        Expr::Overlay {
            expr,
            overlay_what,
            overlay_from,
            overlay_for,
        } => {
            let mut args = vec![take(expr), take(overlay_what), take(overlay_from)];
            args.extend(overlay_for.as_mut().map(take));
            named_call("OVERLAY", args)
        }
        Expr::SimilarTo {
            negated,
            expr,
            pattern,
            escape_char,
        } => {
            let regex = literal_text(pattern).map(|pattern| {
                weir_functions::similar_regex(pattern, escape_char.as_ref().and_then(character))
            });
            let regex = match regex {
                Some(Some(regex)) => regex,
                Some(None) => return Err(error::invalid(at, "the pattern ends in its escape character")),
                None => {
                    return Err(error::unsupported(
                        at,
                        "SIMILAR TO needs its pattern as a text in single quotes: use REGEXP",
                    ));
                }
            };
            check_regex(&regex, at)?;
            not_if(*negated, named_call("$SIMILAR", vec![take(expr), text(&regex)]))
        }
        Expr::RLike {
            negated,
            expr,
            pattern,
            ..
        } => {
            if let Some(pattern) = literal_text(pattern) {
                check_regex(pattern, at)?;
            }
            not_if(*negated, named_call("REGEXP", vec![take(expr), take(pattern)]))
        }
        Expr::Like {
            pattern, escape_char, ..
        } if escape_char.is_some() => {
            let escaped = literal_text(pattern).zip(escape_char.as_ref().and_then(character));
            let (like, escape) = escaped.ok_or_else(|| {
                error::unsupported(
                    at,
                    "LIKE ... ESCAPE needs its pattern and one character in single quotes",
                )
            })?;
            **pattern = text(&with_backslashes(like, escape));
            *escape_char = None;
            return Ok(None);
        }
        Expr::Cast { expr, data_type, .. } => match text_type(data_type) {
            Some(TextType::Whole) => named_call("$TEXT", vec![take(expr)]),
            Some(TextType::Cut(length)) => named_call("$VARCHAR", vec![take(expr), number(length)]),
            Some(TextType::Padded(length)) => named_call("$CHAR", vec![take(expr), number(length)]),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(call))
}

fn not_if(negated: bool, expr: Expr) -> Expr {
    if negated {
        nested(Expr::UnaryOp {
            op: sqlparser::ast::UnaryOperator::Not,
            expr: Box::new(nested(expr)),
        })
    } else {
        expr
    }
}

fn number(value: u64) -> Expr {
    Expr::value(Value::Number(value.to_string(), false))
}

enum TextType {
    Whole,
    Cut(u64),
    Padded(u64),
}

/// The kind of text that a CAST makes.
fn text_type(data_type: &DataType) -> Option<TextType> {
    let length = |length: &CharacterLength| match length {
        CharacterLength::IntegerLength { length, .. } => Some(*length),
        CharacterLength::Max => None,
    };
    match data_type {
        DataType::String(None) | DataType::Varchar(None) => Some(TextType::Whole),
        DataType::Varchar(Some(given)) => length(given).map(TextType::Cut),
        DataType::Char(Some(given)) | DataType::Character(Some(given)) => length(given).map(TextType::Padded),
        DataType::Char(None) | DataType::Character(None) => Some(TextType::Padded(1)),
        _ => None,
    }
}

/// The one character of an ESCAPE clause.
fn character(value: &ValueWithSpan) -> Option<char> {
    let Value::SingleQuotedString(text) = &value.value else {
        return None;
    };
    let mut chars = text.chars();
    chars.next().filter(|_| chars.next().is_none())
}

/// A pattern of LIKE with a backslash for its escape character.
fn with_backslashes(pattern: &str, escape: char) -> String {
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c == escape {
            out.push('\\');
            out.extend(chars.next());
        } else {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
        }
    }
    out
}

/// The function that computes a field of a time.
fn extracted(field: &DateTimeField) -> Option<&'static str> {
    use DateTimeField as F;
    Some(match field {
        F::Year => "YEAR",
        F::Quarter => "QUARTER",
        F::Month => "MONTH",
        F::Week(None) => "WEEK",
        F::Day => "DAYOFMONTH",
        F::Doy | F::DayOfYear => "DAYOFYEAR",
        F::Dow | F::DayOfWeek => "DAYOFWEEK",
        F::Hour => "HOUR",
        F::Minute => "MINUTE",
        F::Second => "SECOND",
        F::Isodow => "$ISODOW",
        F::Isoyear => "$ISOYEAR",
        F::Decade => "$DECADE",
        F::Century => "$CENTURY",
        F::Millenium | F::Millennium => "$MILLENNIUM",
        F::Epoch => "$EPOCH",
        _ => return None,
    })
}

/// The unit that a time is rounded to; none for a number.
fn rounding(kind: &CeilFloorKind, name: &str, at: Location) -> Result<Option<&'static str>> {
    use DateTimeField as F;
    let CeilFloorKind::DateTimeField(field) = kind else {
        return Err(error::unsupported(
            at,
            format!("{name} takes a number alone: use ROUND"),
        ));
    };
    Ok(Some(match field {
        F::NoDateTime => return Ok(None),
        F::Second => "SECOND",
        F::Minute => "MINUTE",
        F::Hour => "HOUR",
        F::Day => "DAY",
        F::Week(None) => "WEEK",
        F::Month => "MONTH",
        F::Quarter => "QUARTER",
        F::Year => "YEAR",
        other => {
            return Err(error::unsupported(
                at,
                format!("{name} to {other} is not supported: SECOND to YEAR are"),
            ));
        }
    }))
}

const UNITS: &[&str] = &[
    "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR",
];

/// `DAY` or `SQL_TSI_DAY`, which the parser took for a column.
fn unit(expr: &Expr, name: &str, at: Location) -> Result<Expr> {
    let word = expr.to_string().to_uppercase();
    let word = word.strip_prefix("SQL_TSI_").unwrap_or(&word);
    if UNITS.contains(&word) {
        Ok(text(word))
    } else {
        Err(error::invalid(
            at,
            format!(
                "the first argument of {name} is a unit, {}: it is {word}",
                UNITS.join(", ")
            ),
        ))
    }
}

fn check_regex(pattern: &str, at: Location) -> Result<()> {
    weir_functions::check_regex(pattern).map_err(|reason| error::unsupported(at, reason))
}

/// Checks a literal argument before anything runs.
fn check_argument(
    function: &Function,
    index: usize,
    at: Location,
    check: fn(&str) -> std::result::Result<(), String>,
) -> Result<()> {
    let sqlparser::ast::FunctionArguments::List(list) = &function.args else {
        return Ok(());
    };
    let Some(sqlparser::ast::FunctionArg::Unnamed(sqlparser::ast::FunctionArgExpr::Expr(expr))) =
        list.args.get(index)
    else {
        return Ok(());
    };
    match literal_text(expr) {
        Some(literal) => check(literal).map_err(|reason| error::unsupported(place(expr.span(), at), reason)),
        None => Ok(()),
    }
}

fn call(function: &mut Function, at: Location) -> Result<Option<Expr>> {
    let name = function.name.to_string().to_uppercase();
    match name.as_str() {
        "GROUPING" | "GROUPING_ID" => {
            let args = all_arguments(function, at)?;
            return Ok(Some(cast(named_call("grouping", args), DataType::BigInt(None))));
        }
        "MOD" => {
            let [left, right] = arguments(function, &name, at)?;
            let modulo = binary(nested(left), BinaryOperator::Modulo, nested(right));
            return Ok(Some(nested(modulo)));
        }
        "IF" => {
            let [condition, yes, no] = arguments(function, &name, at)?;
            return Ok(Some(case(condition, yes, no)));
        }
        "GREATEST" | "LEAST" => return extreme(function, &name, at).map(Some),
        "TIMESTAMPDIFF" => {
            let [unit_, from, to] = arguments(function, &name, at)?;
            return Ok(Some(named_call(
                "$TIMESTAMPDIFF",
                vec![unit(&unit_, &name, at)?, from, to],
            )));
        }
        "TIMESTAMPADD" => {
            let [unit_, count, to] = arguments(function, &name, at)?;
            return Ok(Some(named_call(
                "$TIMESTAMPADD",
                vec![count, to, unit(&unit_, &name, at)?],
            )));
        }
        "UNIX_TIMESTAMP" if matches!(&function.args, sqlparser::ast::FunctionArguments::List(list) if list.args.is_empty()) =>
        {
            return Ok(Some(named_call("$UNIX_TIMESTAMP", Vec::new())));
        }
        "JSON_VALUE" | "JSON_QUERY" | "JSON_EXISTS" => {
            return json_calls::rewrite(function, &name, at).map(Some);
        }
        "JSON_OBJECT" | "JSON_ARRAY" | "JSON_OBJECTAGG" | "JSON_ARRAYAGG" | "JSON" => {
            return json_constructors::rewrite(function, &name, at);
        }
        "TO_TIMESTAMP_LTZ" => check_precision(function, at)?,
        _ => {}
    }
    match name.as_str() {
        "DATE_FORMAT" | "TO_DATE" | "TO_TIMESTAMP" | "TO_TIMESTAMP_LTZ" | "FROM_UNIXTIME"
        | "UNIX_TIMESTAMP" => {
            check_argument(function, 1, at, weir_functions::check_date_pattern)?;
        }
        "REGEXP" | "REGEXP_COUNT" | "REGEXP_EXTRACT" | "REGEXP_EXTRACT_ALL" | "REGEXP_INSTR"
        | "REGEXP_REPLACE" | "REGEXP_SUBSTR" => check_argument(function, 1, at, weir_functions::check_regex)?,
        _ => {}
    }
    Ok(None)
}

/// A precision of a number of seconds or milliseconds.
fn check_precision(function: &Function, at: Location) -> Result<()> {
    let sqlparser::ast::FunctionArguments::List(list) = &function.args else {
        return Ok(());
    };
    let Some(precision) = list.args.get(1) else {
        return Ok(());
    };
    let sqlparser::ast::FunctionArg::Unnamed(sqlparser::ast::FunctionArgExpr::Expr(precision)) = precision
    else {
        return Ok(());
    };
    let precision = uncast(precision).to_string();
    if precision.parse::<u64>().is_ok_and(|p| p != 0 && p != 3) {
        return Err(error::unsupported(
            at,
            format!("the precision of TO_TIMESTAMP_LTZ is 0 (seconds) or 3 (milliseconds), not {precision}"),
        ));
    }
    Ok(())
}

/// Null if any argument is, unlike DataFusion's.
fn extreme(function: &mut Function, name: &str, at: Location) -> Result<Expr> {
    let args = all_arguments(function, at)?;
    let any_null = args
        .iter()
        .map(|arg| Expr::IsNull(Box::new(nested(arg.clone()))))
        .reduce(|left, right| binary(left, BinaryOperator::Or, right))
        .ok_or_else(|| error::type_error(at, format!("{name} needs an argument")))?;
    Ok(case(any_null, null(), named_call(name, args)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_backslashes() {
        assert_eq!(with_backslashes("50!%_a\\", '!'), "50\\%_a\\\\");
    }
}
