//! Flink's functions that DataFusion lacks or takes to mean something else, written with what it has.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType, DateTimeField, ExactNumberInfo, Expr, ExtractSyntax,
    Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, ObjectName, Query, Select,
    SelectItem, Spanned, Value, VisitMut, VisitorMut, helpers::attached_token::AttachedToken,
    visit_expressions_mut,
};
use weir_model::{Location, Problem};

use crate::error::{self, Result, place};

/// Rewrites a query: its calls, the types of its numbers, and the names of columns that would have the same one.
pub(crate) fn query(query: &mut Query, at: Location) -> Result<()> {
    struct Selects;
    impl VisitorMut for Selects {
        type Break = ();

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            name_columns(&mut select.projection);
            keep_positions(&mut select.group_by);
            ControlFlow::Continue(())
        }
    }
    desugar(query, at)?;
    let _ = query.visit(&mut Selects);
    Ok(())
}

/// Names columns as Flink does: expressions `EXPR$0`, later ones of the same name `page0`.
fn name_columns(items: &mut [SelectItem]) {
    let mut taken: Vec<String> = Vec::new();
    for (position, item) in items.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr) = item {
            let own = own_name(expr);
            let name = match &own {
                Some(name) => free_name(name, &taken),
                None => format!("EXPR${position}"),
            };
            if own.as_ref() != Some(&name) {
                let expr = std::mem::replace(expr, null());
                *item = SelectItem::ExprWithAlias {
                    expr,
                    alias: Ident::new(&name),
                };
            }
            taken.push(name);
        } else if let SelectItem::ExprWithAlias { alias, .. } = item {
            taken.push(alias.value.clone());
        }
    }
}

/// The name, or if it is taken the name with the first free number.
fn free_name(name: &str, taken: &[String]) -> String {
    let is_free = |candidate: &String| !taken.contains(candidate);
    let numbered = (0..=taken.len()).map(|n| format!("{name}{n}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(is_free)
        .unwrap_or_default()
}

/// The name of a column that is passed on; other expressions have none.
fn own_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.clone()),
        _ => None,
    }
}

/// A number in GROUP BY is a position, not a value with a type.
fn keep_positions(group_by: &mut GroupByExpr) {
    if let GroupByExpr::Expressions(exprs, _) = group_by {
        for expr in exprs {
            if let Expr::Cast {
                expr: inner,
                data_type: DataType::Int(None),
                ..
            } = expr
                && matches!(inner.as_ref(), Expr::Value(_))
            {
                *expr = std::mem::replace(inner.as_mut(), null());
            }
        }
    }
}

/// Rewrites all calls and numbers in an expression, or in something that holds expressions.
pub(crate) fn desugar<V: VisitMut>(tree: &mut V, at: Location) -> Result<()> {
    let flow = visit_expressions_mut(tree, |expr| match rewrite(expr, at) {
        Ok(Some(new)) => {
            *expr = new;
            ControlFlow::Continue(())
        }
        Ok(None) => ControlFlow::Continue(()),
        Err(problem) => ControlFlow::Break(problem),
    });
    match flow {
        ControlFlow::Break(problem) => Err(problem),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn rewrite(expr: &mut Expr, at: Location) -> Result<Option<Expr>> {
    match expr {
        Expr::Extract {
            field, expr: inner, ..
        } => {
            let at = place(inner.span(), at);
            check_field(field, at)?;
            let inner = std::mem::replace(inner.as_mut(), null());
            Ok(Some(extract(field.clone(), inner)))
        }
        Expr::Function(function) => call(function, at),
        Expr::Value(value) if is_int(&value.value) => Ok(Some(cast(expr.clone(), DataType::Int(None)))),
        _ => Ok(None),
    }
}

fn call(function: &mut Function, at: Location) -> Result<Option<Expr>> {
    let at = place(function.span(), at);
    let name = function.name.to_string().to_uppercase();
    let field = match name.as_str() {
        "MOD" => {
            let [left, right] = arguments(function, &name, at)?;
            return Ok(Some(nested(binary(
                nested(left),
                BinaryOperator::Modulo,
                nested(right),
            ))));
        }
        "IF" => {
            let [condition, yes, no] = arguments(function, &name, at)?;
            return Ok(Some(case(condition, yes, no)));
        }
        "CONCAT" => return concat(function, at).map(Some),
        "REGEXP_REPLACE" => return regexp_replace(function, at).map(|()| None),
        "DATE_FORMAT" => return date_format(function, at).map(Some),
        "TO_TIMESTAMP_LTZ" => return to_timestamp_ltz(function, at).map(Some),
        "YEAR" => DateTimeField::Year,
        "QUARTER" => DateTimeField::Quarter,
        "MONTH" => DateTimeField::Month,
        "WEEK" => DateTimeField::Week(None),
        "DAYOFMONTH" => DateTimeField::Day,
        "DAYOFYEAR" => DateTimeField::Doy,
        "HOUR" => DateTimeField::Hour,
        "MINUTE" => DateTimeField::Minute,
        "SECOND" => DateTimeField::Second,
        _ => return Ok(None),
    };
    let [of] = arguments(function, &name, at)?;
    Ok(Some(extract(field, of)))
}

/// Only fields that both take to mean the same: the day of the week, for one, counts differently.
fn check_field(field: &DateTimeField, at: Location) -> Result<()> {
    use DateTimeField as F;
    match field {
        F::Year
        | F::Quarter
        | F::Month
        | F::Week(None)
        | F::Day
        | F::Doy
        | F::Hour
        | F::Minute
        | F::Second => Ok(()),
        other => Err(error::unsupported(
            at,
            format!("EXTRACT of {other} is not supported yet"),
        )),
    }
}

/// Flink extracts a BIGINT.
fn extract(field: DateTimeField, of: Expr) -> Expr {
    let extract = Expr::Extract {
        field,
        syntax: ExtractSyntax::From,
        expr: Box::new(of),
    };
    cast(extract, DataType::BigInt(None))
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

/// Whether the value is a number that Flink takes for an INT; DataFusion takes all for a BIGINT.
fn is_int(value: &Value) -> bool {
    matches!(value, Value::Number(digits, _) if digits.parse::<i32>().is_ok())
}

/// Flink's CONCAT of a NULL is NULL, as `||` is; DataFusion's CONCAT skips it.
fn concat(function: &mut Function, at: Location) -> Result<Expr> {
    let mut parts = all_arguments(function, at)?.into_iter();
    let first = parts
        .next()
        .ok_or_else(|| error::type_error(at, "CONCAT needs an argument"))?;
    Ok(nested(parts.fold(nested(first), |left, right| {
        binary(left, BinaryOperator::StringConcat, nested(right))
    })))
}

/// Flink replaces every match; DataFusion the first, unless told otherwise.
fn regexp_replace(function: &mut Function, at: Location) -> Result<()> {
    let FunctionArguments::List(list) = &mut function.args else {
        return Err(wrong_count("REGEXP_REPLACE", 3, at));
    };
    match list.args.len() {
        3 => list
            .args
            .push(FunctionArg::Unnamed(FunctionArgExpr::Expr(text("g")))),
        _ => return Err(wrong_count("REGEXP_REPLACE", 3, at)),
    }
    Ok(())
}

fn date_format(function: &mut Function, at: Location) -> Result<Expr> {
    let [of, format] = arguments(function, "DATE_FORMAT", at)?;
    let pattern = match &format {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(pattern) => Some(pattern.clone()),
            _ => None,
        },
        _ => None,
    };
    let pattern = pattern
        .ok_or_else(|| error::unsupported(at, "DATE_FORMAT needs its format as a text in single quotes"))?;
    let converted = chrono_pattern(&pattern).ok_or_else(|| {
        error::unsupported(
            at,
            format!("the date format '{pattern}' is not supported: yyyy, MM, dd, HH, mm, ss and SSS are, with punctuation"),
        )
    })?;
    Ok(named_call("to_char", vec![of, text(&converted)]))
}

/// A number of milliseconds (precision 3, the default) or seconds (precision 0) since 1970 as a moment.
fn to_timestamp_ltz(function: &mut Function, at: Location) -> Result<Expr> {
    let mut arguments = all_arguments(function, at)?;
    let precision = match arguments.len() {
        1 => None,
        2 => arguments.pop(),
        _ => {
            return Err(error::type_error(
                at,
                "TO_TIMESTAMP_LTZ takes a number and its precision: 0 for seconds, 3 for milliseconds",
            ));
        }
    };
    let Some(number) = arguments.pop() else {
        return Err(wrong_count("TO_TIMESTAMP_LTZ", 2, at));
    };
    if matches!(&number, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_))) {
        return Err(error::unsupported(
            at,
            "TO_TIMESTAMP_LTZ of a text is not supported yet: use CAST(text AS TIMESTAMP_LTZ(3))",
        ));
    }
    let precision = precision.map_or_else(|| "3".to_owned(), |p| uncast(&p).to_string());
    let ms = match precision.as_str() {
        "3" => cast(number, DataType::BigInt(None)),
        // A decimal keeps the fraction of a second, and refuses to overflow.
        "0" => {
            let seconds = cast(
                number,
                DataType::Decimal(ExactNumberInfo::PrecisionAndScale(22, 3)),
            );
            let thousand = Expr::value(Value::Number("1000".into(), false));
            cast(
                nested(binary(seconds, BinaryOperator::Multiply, thousand)),
                DataType::BigInt(None),
            )
        }
        other => {
            return Err(error::unsupported(
                at,
                format!("the precision of TO_TIMESTAMP_LTZ is 0 (seconds) or 3 (milliseconds), not {other}"),
            ));
        }
    };
    let moment = DataType::Custom(
        ObjectName::from(vec![Ident::new("TIMESTAMP_LTZ")]),
        vec!["3".to_owned()],
    );
    Ok(cast(ms, moment))
}

/// A literal without the type that it was given.
fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast { expr, .. } => expr,
        other => other,
    }
}

/// A Java date pattern as `strftime` writes it.
fn chrono_pattern(java: &str) -> Option<String> {
    let mut rest = java;
    let mut out = String::new();
    while let Some(first) = rest.chars().next() {
        let run = rest.chars().take_while(|c| *c == first).count();
        let letters = first.is_ascii_alphabetic();
        match (first, run) {
            ('y', 4) => out.push_str("%Y"),
            ('M', 2) => out.push_str("%m"),
            ('d', 2) => out.push_str("%d"),
            ('H', 2) => out.push_str("%H"),
            ('m', 2) => out.push_str("%M"),
            ('s', 2) => out.push_str("%S"),
            ('S', 3) => out.push_str("%3f"),
            _ if letters || first == '\'' || first == '%' => return None,
            _ => out.extend(std::iter::repeat_n(first, run)),
        }
        rest = &rest[run * first.len_utf8()..];
    }
    Some(out)
}

fn arguments<const N: usize>(function: &mut Function, name: &str, at: Location) -> Result<[Expr; N]> {
    all_arguments(function, at)?
        .try_into()
        .map_err(|_| wrong_count(name, N, at))
}

fn all_arguments(function: &mut Function, at: Location) -> Result<Vec<Expr>> {
    let FunctionArguments::List(list) = &mut function.args else {
        return Ok(Vec::new());
    };
    std::mem::take(&mut list.args)
        .into_iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
            other => Err(error::syntax(
                at,
                format!("'{other}' cannot be an argument of {}", function.name),
            )),
        })
        .collect()
}

fn wrong_count(name: &str, wanted: usize, at: Location) -> Problem {
    error::type_error(
        at,
        format!(
            "{name} takes {wanted} argument{}",
            if wanted == 1 { "" } else { "s" }
        ),
    )
}

fn null() -> Expr {
    Expr::value(Value::Null)
}

fn text(text: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(text.to_owned()))
}

fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}

fn case(condition: Expr, yes: Expr, no: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen {
            condition,
            result: yes,
        }],
        else_result: Some(Box::new(no)),
    }
}

pub(super) fn named_call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args
        .into_iter()
        .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
        .collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(sqlparser::ast::FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_date_patterns_become_strftime_patterns() {
        assert_eq!(
            chrono_pattern("yyyy-MM-dd HH:mm:ss.SSS").as_deref(),
            Some("%Y-%m-%d %H:%M:%S.%3f")
        );
        assert_eq!(chrono_pattern("yyyyMMdd").as_deref(), Some("%Y%m%d"));
        assert_eq!(chrono_pattern("EEE"), None);
        assert_eq!(chrono_pattern("yy"), None);
    }
}
