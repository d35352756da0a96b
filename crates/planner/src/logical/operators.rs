//! Operators that Flink computes otherwise than DataFusion.

use arrow_schema::DataType;
use datafusion_common::{DFSchema, Result, plan_err};
use datafusion_expr::{
    Expr, ExprSchemable, GetFieldAccess,
    planner::{ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr},
};
use sqlparser::ast::BinaryOperator;
use weir_proto::convert::sql_type;

/// Plans arithmetic of decimals with Flink's types, and refuses what Flink does not convert by itself.
#[derive(Debug)]
pub(crate) struct FlinkOperators;

impl ExprPlanner for FlinkOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        if is_comparison(&expr.op) && (mixes(&left, &right) || mixes(&right, &left)) {
            return plan_err!(
                "types do not fit together: {} {} {} is not converted by itself, add a CAST",
                sql_type(&left),
                expr.op,
                sql_type(&right)
            );
        }
        if matches!(
            (&expr.op, &left, &right),
            (
                BinaryOperator::Minus,
                DataType::Timestamp(..) | DataType::Date32,
                DataType::Timestamp(..) | DataType::Date32
            )
        ) {
            return plan_err!(
                "the difference of two times has no type of its own: use TIMESTAMPDIFF(SECOND, from, to)"
            );
        }
        let Some(name) =
            function(&expr.op).filter(|_| is_decimal(&left, &right) || is_decimal(&right, &left))
        else {
            return Ok(PlannerResult::Original(expr));
        };
        match weir_functions::function(name) {
            Some(function) => Ok(PlannerResult::Planned(function.call(vec![expr.left, expr.right]))),
            None => Ok(PlannerResult::Original(expr)),
        }
    }

    fn plan_field_access(
        &self,
        access: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let of = access.expr.clone();
        let planned = match (&access.field_access, of.get_type(schema)?) {
            (GetFieldAccess::ListIndex { key }, DataType::List(_) | DataType::Map(..)) => {
                item(of, key.as_ref().clone())
            }
            (GetFieldAccess::NamedStructField { name }, DataType::List(_) | DataType::Map(..)) => {
                item(of, Expr::Literal(name.clone(), None))
            }
            _ => None,
        };
        Ok(planned.map_or(PlannerResult::Original(access), PlannerResult::Planned))
    }

    fn plan_array_literal(&self, elements: Vec<Expr>, _: &DFSchema) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(
            weir_functions::array_constructor().call(elements),
        ))
    }
}

/// `of[at]`, of an array or a map.
fn item(of: Expr, at: Expr) -> Option<Expr> {
    weir_functions::function("$ITEM").map(|function| function.call(vec![of, at]))
}

/// A DECIMAL with a DECIMAL or a whole number.
fn is_decimal(one: &DataType, other: &DataType) -> bool {
    matches!(one, DataType::Decimal128(..))
        && (matches!(other, DataType::Decimal128(..)) || other.is_signed_integer())
}

fn mixes(one: &DataType, other: &DataType) -> bool {
    one.is_numeric() && *other == DataType::Utf8
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator as B;
    matches!(op, B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq)
}

fn function(op: &BinaryOperator) -> Option<&'static str> {
    Some(match op {
        BinaryOperator::Plus => "$DECIMAL_ADD",
        BinaryOperator::Minus => "$DECIMAL_SUBTRACT",
        BinaryOperator::Multiply => "$DECIMAL_MULTIPLY",
        BinaryOperator::Divide => "$DECIMAL_DIVIDE",
        BinaryOperator::Modulo => "$DECIMAL_MODULO",
        _ => return None,
    })
}

/// The SQL operator that a function computes in place of; for people who read plans.
pub(crate) fn symbol(function: &str) -> Option<&'static str> {
    Some(match function {
        "$DECIMAL_ADD" => "+",
        "$DECIMAL_SUBTRACT" => "-",
        "$DECIMAL_MULTIPLY" => "*",
        "$DECIMAL_DIVIDE" => "/",
        "$DECIMAL_MODULO" => "%",
        _ => return None,
    })
}

/// Whether the function is one that people write as an operator.
pub(crate) fn as_operator(expr: &Expr) -> Option<(&'static str, &Expr, &Expr)> {
    let Expr::ScalarFunction(call) = expr else {
        return None;
    };
    match (symbol(call.func.name()), call.args.as_slice()) {
        (Some(symbol), [left, right]) => Some((symbol, left, right)),
        _ => None,
    }
}
