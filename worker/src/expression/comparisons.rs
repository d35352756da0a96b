//! What a filter says of single columns: for sources, which may leave out rows.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use datafusion_expr::Operator;
use datafusion_physical_expr::expressions::{BinaryExpr, Column, Literal};
use weir_connector::{CompareOperator, Comparison};
use weir_model::Failure;
use weir_proto::graph;

use super::decode;

/// Comparisons of columns of `scan` to values, of the same type, all of which hold where the filter is true. The filter is over the rows of
/// `projected`, which the projection makes of those of `scan`.
pub fn comparisons(
    filter: &[u8],
    projection: &[graph::NamedExpr],
    scan: &SchemaRef,
    projected: &SchemaRef,
) -> Result<Vec<Comparison>, Failure> {
    let mut found = Vec::new();
    let mut left = vec![decode::parse(filter, projected)?];
    while let Some(expression) = left.pop() {
        let Some(binary) = expression.downcast_ref::<BinaryExpr>() else {
            continue;
        };
        if *binary.op() == Operator::And {
            left.extend([Arc::clone(binary.left()), Arc::clone(binary.right())]);
        } else if let Some((column, operator, value)) = sides(binary)
            && let Some(named) = projection.get(column.index())
            && let Some(comparison) = comparison(&named.expr, operator, value, scan)?
        {
            found.push(comparison);
        }
    }
    Ok(found)
}

/// A column, and what it is compared to.
fn sides(binary: &BinaryExpr) -> Option<(&Column, CompareOperator, &Literal)> {
    let operator = match binary.op() {
        Operator::Eq => CompareOperator::Eq,
        Operator::Lt => CompareOperator::Lt,
        Operator::LtEq => CompareOperator::LtEq,
        Operator::Gt => CompareOperator::Gt,
        Operator::GtEq => CompareOperator::GtEq,
        _ => return None,
    };
    let (left, right) = (binary.left(), binary.right());
    match left.downcast_ref::<Column>() {
        Some(column) => Some((column, operator, right.downcast_ref()?)),
        None => Some((right.downcast_ref()?, mirrored(operator), left.downcast_ref()?)),
    }
}

/// The same with its sides exchanged.
fn mirrored(operator: CompareOperator) -> CompareOperator {
    match operator {
        CompareOperator::Eq => CompareOperator::Eq,
        CompareOperator::Lt => CompareOperator::Gt,
        CompareOperator::LtEq => CompareOperator::GtEq,
        CompareOperator::Gt => CompareOperator::Lt,
        CompareOperator::GtEq => CompareOperator::LtEq,
    }
}

/// None: the projected column is computed, or the value is of another type, or null.
fn comparison(
    projected: &[u8],
    operator: CompareOperator,
    value: &Literal,
    scan: &SchemaRef,
) -> Result<Option<Comparison>, Failure> {
    let expression = decode::parse(projected, scan)?;
    let Some(column) = expression.downcast_ref::<Column>() else {
        return Ok(None);
    };
    let field = scan.field(column.index());
    let value = value.value();
    if value.is_null() || value.data_type() != *field.data_type() {
        return Ok(None);
    }
    let value = value
        .to_array()
        .map_err(|e| Failure::internal(format!("a value of a filter is none: {e}")))?;
    Ok(Some(Comparison {
        column: field.name().clone(),
        operator,
        value,
    }))
}

#[cfg(test)]
mod tests {
    use arrow_schema::DataType;
    use datafusion_common::ScalarValue;

    use super::*;
    use crate::expression::testing::{Expr, binary, bytes, cast, column, literal, named, schema};

    /// What is pushed, as text, of a filter over `m` (the column `n`), `word` and `next` (`n + 1`).
    fn pushed(filter: impl FnOnce(&dyn Fn(&str) -> Expr) -> Expr) -> Vec<String> {
        let scan = schema(&[("word", DataType::Utf8), ("n", DataType::Int64)]);
        let projected = schema(&[
            ("m", DataType::Int64),
            ("word", DataType::Utf8),
            ("next", DataType::Int64),
        ]);
        let n = column("n", &scan);
        let projection = [
            named("m", &n),
            named("word", &column("word", &scan)),
            named("next", &binary(n, Operator::Plus, literal(1_i64.into()))),
        ];
        let filter = filter(&|name| column(name, &projected));
        let found = comparisons(&bytes(&filter), &projection, &scan, &projected).expect("a filter");
        let text = |c: &Comparison| {
            let value = ScalarValue::try_from_array(&c.value, 0).expect("a value");
            format!("{} {:?} {value}", c.column, c.operator)
        };
        let mut texts: Vec<_> = found.iter().map(text).collect();
        texts.sort();
        texts
    }

    #[test]
    fn comparisons_that_all_must_hold_are_found() {
        let found = pushed(|column| {
            let big = binary(literal(3_i64.into()), Operator::Lt, column("m"));
            let named = binary(column("word"), Operator::Eq, literal("x".into()));
            let computed = binary(column("next"), Operator::Gt, literal(9_i64.into()));
            binary(binary(big, Operator::And, named), Operator::And, computed)
        });
        assert_eq!(found, ["n Gt 3", "word Eq x"]);
    }

    #[test]
    fn what_need_not_hold_or_is_of_another_type_is_not() {
        let either = |column: &dyn Fn(&str) -> Expr| {
            let one = |n: i64| binary(column("m"), Operator::Eq, literal(n.into()));
            binary(one(1), Operator::Or, one(2))
        };
        assert!(pushed(either).is_empty());
        for filter in [
            |column: &dyn Fn(&str) -> Expr| binary(column("m"), Operator::NotEq, literal(1_i64.into())),
            |column: &dyn Fn(&str) -> Expr| {
                let as_text = cast(column("m"), DataType::Utf8);
                binary(as_text, Operator::Eq, literal("1".into()))
            },
            |column: &dyn Fn(&str) -> Expr| binary(column("m"), Operator::Eq, column("next")),
            |column: &dyn Fn(&str) -> Expr| {
                binary(column("m"), Operator::Eq, literal(ScalarValue::Int64(None)))
            },
        ] {
            assert!(pushed(filter).is_empty());
        }
    }
}
