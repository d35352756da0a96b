//! Expressions in SQL's words.

use datafusion_common::ScalarValue;
use datafusion_expr::{Expr, Operator};
use weir_proto::convert::sql_type;

use crate::logical::operators::as_operator;

/// An expression as SQL writes it, near enough for a person to recognise.
pub fn format_expr(expr: &Expr) -> String {
    if let Some((symbol, left, right)) = as_operator(expr) {
        return format!("{} {symbol} {}", nested(left), nested(right));
    }
    match expr {
        Expr::Alias(alias) => format_expr(&alias.expr),
        Expr::Column(column) => column.name.clone(),
        Expr::Literal(value, _) => literal(value),
        Expr::BinaryExpr(binary) => {
            let (left, right) = (
                operand(&binary.left, binary.op),
                operand(&binary.right, binary.op),
            );
            format!("{left} {} {right}", operator(binary.op))
        }
        Expr::Not(inner) => format!("NOT ({})", format_expr(inner)),
        Expr::Negative(inner) => format!("-({})", format_expr(inner)),
        Expr::IsNull(inner) => format!("{} IS NULL", nested(inner)),
        Expr::IsNotNull(inner) => format!("{} IS NOT NULL", nested(inner)),
        Expr::IsTrue(inner) => format!("{} IS TRUE", nested(inner)),
        Expr::IsFalse(inner) => format!("{} IS FALSE", nested(inner)),
        Expr::IsNotTrue(inner) => format!("{} IS NOT TRUE", nested(inner)),
        Expr::IsNotFalse(inner) => format!("{} IS NOT FALSE", nested(inner)),
        Expr::Cast(cast) => format!(
            "CAST({} AS {})",
            format_expr(&cast.expr),
            sql_type(cast.field.data_type())
        ),
        Expr::TryCast(cast) => {
            format!(
                "TRY_CAST({} AS {})",
                format_expr(&cast.expr),
                sql_type(cast.field.data_type())
            )
        }
        Expr::Like(like) => {
            let not = if like.negated { "NOT " } else { "" };
            format!("{} {not}LIKE {}", nested(&like.expr), nested(&like.pattern))
        }
        Expr::Between(between) => {
            let not = if between.negated { "NOT " } else { "" };
            format!(
                "{} {not}BETWEEN {} AND {}",
                nested(&between.expr),
                nested(&between.low),
                nested(&between.high)
            )
        }
        Expr::InList(list) => {
            let not = if list.negated { "NOT " } else { "" };
            format!("{} {not}IN ({})", nested(&list.expr), arguments(&list.list))
        }
        Expr::Case(case) => case_text(case),
        Expr::ScalarFunction(call) if call.func.name() == "get_field" => match call.args.split_first() {
            Some((base, names)) => {
                let names = names.iter().map(|name| match name {
                    Expr::Literal(ScalarValue::Utf8(Some(name)), _) => format!(".{name}"),
                    other => format!("[{}]", format_expr(other)),
                });
                std::iter::once(nested(base)).chain(names).collect()
            }
            None => "get_field()".into(),
        },
        Expr::ScalarFunction(call) if call.func.name() == "$TEXT" => {
            format!("CAST({} AS STRING)", arguments(&call.args))
        }
        Expr::ScalarFunction(call) => {
            format!(
                "{}({})",
                call.func.name().trim_start_matches('$').to_uppercase(),
                arguments(&call.args)
            )
        }
        other => other.to_string(),
    }
}

fn case_text(case: &datafusion_expr::Case) -> String {
    let mut parts = vec!["CASE".to_owned()];
    parts.extend(case.expr.iter().map(|of| format_expr(of)));
    for (when, then) in &case.when_then_expr {
        parts.push(format!("WHEN {} THEN {}", format_expr(when), format_expr(then)));
    }
    parts.extend(
        case.else_expr
            .iter()
            .map(|otherwise| format!("ELSE {}", format_expr(otherwise))),
    );
    parts.push("END".to_owned());
    parts.join(" ")
}

fn arguments(exprs: &[Expr]) -> String {
    exprs.iter().map(format_expr).collect::<Vec<_>>().join(", ")
}

fn operator(op: Operator) -> String {
    match op {
        Operator::NotEq => "<>".into(),
        other => other.to_string(),
    }
}

/// In parentheses unless it binds as tightly as it needs to.
fn operand(expr: &Expr, outer: Operator) -> String {
    match expr {
        Expr::BinaryExpr(inner) if inner.op != outer && inner.op.precedence() <= outer.precedence() => {
            format!("({})", format_expr(expr))
        }
        _ => format_expr(expr),
    }
}

fn nested(expr: &Expr) -> String {
    match expr {
        Expr::BinaryExpr(_) | Expr::Not(_) => format!("({})", format_expr(expr)),
        expr if as_operator(expr).is_some() => format!("({})", format_expr(expr)),
        _ => format_expr(expr),
    }
}

fn literal(value: &ScalarValue) -> String {
    match value {
        value if value.is_null() => "NULL".into(),
        ScalarValue::Utf8(Some(text)) => format!("'{}'", text.replace('\'', "''")),
        ScalarValue::Boolean(Some(value)) => value.to_string().to_uppercase(),
        ScalarValue::IntervalMonthDayNano(Some(v)) if v.months == 0 && v.nanoseconds % 1_000_000 == 0 => {
            interval(i64::from(v.days) * 86_400_000 + v.nanoseconds / 1_000_000)
        }
        ScalarValue::Decimal128(Some(value), _, scale) if *scale > 0 => decimal(*value, *scale as u32),
        ScalarValue::TimestampMillisecond(..)
        | ScalarValue::TimestampSecond(..)
        | ScalarValue::TimestampMicrosecond(..)
        | ScalarValue::TimestampNanosecond(..) => match value.cast_to(&arrow_schema::DataType::Utf8) {
            Ok(ScalarValue::Utf8(Some(text))) => format!("TIMESTAMP '{}'", text.replace('T', " ")),
            _ => value.to_string(),
        },
        value => value.to_string(),
    }
}

fn interval(ms: i64) -> String {
    for (factor, unit) in [
        (86_400_000, "DAY"),
        (3_600_000, "HOUR"),
        (60_000, "MINUTE"),
        (1_000, "SECOND"),
    ] {
        if ms != 0 && ms % factor == 0 {
            return format!("INTERVAL '{}' {unit}", ms / factor);
        }
    }
    format!("INTERVAL '{}' SECOND", decimal(i128::from(ms), 3))
}

fn decimal(value: i128, scale: u32) -> String {
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    format!("{}{whole}.{fraction}", if value < 0 { "-" } else { "" })
}

/// A length of time in the largest unit that fits: `5 min`, `1500 ms`.
pub(crate) fn duration(ms: i64) -> String {
    for (factor, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")] {
        if ms != 0 && ms % factor == 0 {
            return format!("{} {unit}", ms / factor);
        }
    }
    format!("{ms} ms")
}

#[cfg(test)]
mod tests {
    use datafusion_expr::{col, lit};

    use super::*;

    #[test]
    fn expressions_read_like_sql() {
        let check = |expr: Expr, expected: &str| assert_eq!(format_expr(&expr), expected);
        check((col("a") + lit(1)) * col("b"), "(a + 1) * b");
        check(
            col("a").eq(lit("it's")).and(col("b").is_null()),
            "a = 'it''s' AND b IS NULL",
        );
        check(lit(ScalarValue::Decimal128(Some(908), 3, 3)), "0.908");
    }

    #[test]
    fn durations_take_the_largest_unit() {
        assert_eq!(duration(300_000), "5 min");
        assert_eq!(duration(1_500), "1500 ms");
        assert_eq!(duration(0), "0 ms");
    }
}
