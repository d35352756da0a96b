//! Arithmetic of DECIMALs with Flink's precisions and scales; a result that does not fit is null.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Decimal128Array, cast::AsArray, types::Decimal128Type};
use arrow_buffer::i256;
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result, plan_err};

use crate::{
    call::Call,
    define::{Def, Gives, Takes, def},
};

use Takes::Any;

pub(crate) const FUNCTIONS: &[Def] = &[
    def("$DECIMAL_ADD", &[Any, Any], Gives::Of(sum_type), add),
    def("$DECIMAL_SUBTRACT", &[Any, Any], Gives::Of(sum_type), subtract),
    def(
        "$DECIMAL_MULTIPLY",
        &[Any, Any],
        Gives::Of(product_type),
        multiply,
    ),
    def("$DECIMAL_DIVIDE", &[Any, Any], Gives::Of(quotient_type), divide),
    def("$DECIMAL_MODULO", &[Any, Any], Gives::Of(modulo_type), modulo),
];

/// Precision and scale of a number.
fn shape(data_type: &DataType) -> Result<(i32, i32)> {
    Ok(match data_type {
        DataType::Decimal128(precision, scale) => (i32::from(*precision), i32::from(*scale)),
        DataType::Int8 => (3, 0),
        DataType::Int16 => (5, 0),
        DataType::Int32 | DataType::Null => (10, 0),
        DataType::Int64 => (19, 0),
        other => return plan_err!("a DECIMAL cannot be computed with the type {other}: add a CAST"),
    })
}

/// Digits before the point are kept, and of those behind it up to six.
fn fitted(precision: i32, scale: i32) -> DataType {
    let (precision, scale) = if precision <= 38 {
        (precision, scale)
    } else {
        (38, (38 - (precision - scale)).max(scale.min(6)))
    };
    DataType::Decimal128(precision as u8, scale as i8)
}

fn sum_type(types: &[DataType]) -> Result<DataType> {
    let ((p1, s1), (p2, s2)) = (shape(&types[0])?, shape(&types[1])?);
    let scale = s1.max(s2);
    Ok(fitted((p1 - s1).max(p2 - s2) + scale + 1, scale))
}

fn product_type(types: &[DataType]) -> Result<DataType> {
    let ((p1, s1), (p2, s2)) = (shape(&types[0])?, shape(&types[1])?);
    Ok(fitted(p1 + p2 + 1, s1 + s2))
}

fn quotient_type(types: &[DataType]) -> Result<DataType> {
    let ((p1, s1), (p2, s2)) = (shape(&types[0])?, shape(&types[1])?);
    let scale = (s1 + p2 + 1).max(6);
    Ok(fitted(p1 - s1 + s2 + scale, scale))
}

fn modulo_type(types: &[DataType]) -> Result<DataType> {
    let ((p1, s1), (p2, s2)) = (shape(&types[0])?, shape(&types[1])?);
    let scale = s1.max(s2);
    Ok(fitted((p1 - s1).min(p2 - s2) + scale, scale))
}

/// The operands as decimals, their scales, and the precision and scale of the result.
struct Operands {
    left: Decimal128Array,
    right: Decimal128Array,
    constant: (bool, bool),
    scales: (i32, i32),
    precision: u8,
    scale: i32,
}

impl Operands {
    fn new(call: &Call<'_>) -> Result<Self> {
        let operand = |index: usize| -> Result<(Decimal128Array, i32)> {
            // A constant is kept as one value.
            let column = match &call.args[index] {
                datafusion_expr::ColumnarValue::Scalar(value) => value.to_array()?,
                datafusion_expr::ColumnarValue::Array(array) => Arc::clone(array),
            };
            let (precision, scale) = shape(column.data_type())?;
            let column = if matches!(column.data_type(), DataType::Decimal128(..)) {
                column
            } else {
                arrow_cast::cast(&column, &DataType::Decimal128(precision as u8, 0))?
            };
            Ok((column.as_primitive::<Decimal128Type>().clone(), scale))
        };
        let ((left, s1), (right, s2)) = (operand(0)?, operand(1)?);
        let DataType::Decimal128(precision, scale) = *call.result else {
            return plan_err!("{} gives a DECIMAL", call.name);
        };
        Ok(Self {
            left,
            right,
            constant: (call.is_constant(0), call.is_constant(1)),
            scales: (s1, s2),
            precision,
            scale: i32::from(scale),
        })
    }

    /// The results of an operation, null where there is none.
    fn map(&self, rows: usize, mut of: impl FnMut(i128, i128) -> Result<Option<i128>>) -> Result<ArrayRef> {
        let limit = 10_i128.pow(u32::from(self.precision));
        let get = |array: &Decimal128Array, constant: bool, row: usize| {
            let row = if constant { 0 } else { row };
            array.is_valid(row).then(|| array.value(row))
        };
        let values = (0..rows).map(|row| {
            match (
                get(&self.left, self.constant.0, row),
                get(&self.right, self.constant.1, row),
            ) {
                (Some(left), Some(right)) => {
                    Ok(of(left, right)?.filter(|value| -limit < *value && *value < limit))
                }
                _ => Ok(None),
            }
        });
        let array: Decimal128Array = values.collect::<Result<_>>()?;
        Ok(Arc::new(
            array.with_precision_and_scale(self.precision, self.scale as i8)?,
        ))
    }
}

/// 10^n; n is at most 76.
fn power(n: i32) -> i256 {
    let part = |n: i32| i256::from_i128(10_i128.pow(n.clamp(0, 38) as u32));
    part(n).wrapping_mul(part(n - 38))
}

/// The quotient, rounded half away from zero.
fn rounded(value: i256, divisor: i256) -> Option<i128> {
    let quotient = value.checked_div(divisor)?;
    let rest = value.checked_rem(divisor)?;
    let half = rest.wrapping_abs().checked_mul(i256::from_i128(2))?;
    let away = half >= divisor.wrapping_abs();
    let negative = (value < i256::ZERO) != (divisor < i256::ZERO);
    let step = match (away, negative) {
        (false, _) => i256::ZERO,
        (true, false) => i256::ONE,
        (true, true) => i256::MINUS_ONE,
    };
    quotient.checked_add(step)?.to_i128()
}

/// A value of one scale in another.
fn rescaled(value: i256, from: i32, to: i32) -> Option<i128> {
    if to >= from {
        value.checked_mul(power(to - from))?.to_i128()
    } else {
        rounded(value, power(from - to))
    }
}

fn sum(call: &Call<'_>, sign: i128) -> Result<ArrayRef> {
    let operands = Operands::new(call)?;
    let (s1, s2) = operands.scales;
    let common = s1.max(s2);
    let (up1, up2) = (power(common - s1), power(common - s2));
    let narrow = (
        10_i128.pow((common - s1) as u32),
        10_i128.pow((common - s2) as u32),
    );
    operands.map(call.rows, |left, right| {
        if operands.scale == common
            && let Some(sum) = left
                .checked_mul(narrow.0)
                .zip(right.checked_mul(sign * narrow.1))
                .and_then(|(left, right)| left.checked_add(right))
        {
            return Ok(Some(sum));
        }
        let left = i256::from_i128(left).wrapping_mul(up1);
        let right = i256::from_i128(sign * right).wrapping_mul(up2);
        Ok(rescaled(left.wrapping_add(right), common, operands.scale))
    })
}

fn add(call: &Call<'_>) -> Result<ArrayRef> {
    sum(call, 1)
}

fn subtract(call: &Call<'_>) -> Result<ArrayRef> {
    sum(call, -1)
}

fn multiply(call: &Call<'_>) -> Result<ArrayRef> {
    let operands = Operands::new(call)?;
    let exact = operands.scales.0 + operands.scales.1;
    operands.map(call.rows, |left, right| {
        if exact == operands.scale
            && let Some(product) = left.checked_mul(right)
        {
            return Ok(Some(product));
        }
        let product = i256::from_i128(left).wrapping_mul(i256::from_i128(right));
        Ok(rescaled(product, exact, operands.scale))
    })
}

fn by_zero() -> DataFusionError {
    DataFusionError::Execution("division by zero".into())
}

fn divide(call: &Call<'_>) -> Result<ArrayRef> {
    let operands = Operands::new(call)?;
    let shift = operands.scale - operands.scales.0 + operands.scales.1;
    operands.map(call.rows, |left, right| {
        if right == 0 {
            return Err(by_zero());
        }
        let (mut left, mut right) = (i256::from_i128(left), i256::from_i128(right));
        let (scaled, factor) = if shift >= 0 {
            (&mut left, shift)
        } else {
            (&mut right, -shift)
        };
        match scaled.checked_mul(power(factor)) {
            Some(value) => *scaled = value,
            None => return Ok(None),
        }
        Ok(rounded(left, right))
    })
}

fn modulo(call: &Call<'_>) -> Result<ArrayRef> {
    let operands = Operands::new(call)?;
    let (s1, s2) = operands.scales;
    let common = s1.max(s2);
    operands.map(call.rows, |left, right| {
        if right == 0 {
            return Err(by_zero());
        }
        let left = i256::from_i128(left).wrapping_mul(power(common - s1));
        let right = i256::from_i128(right).wrapping_mul(power(common - s2));
        Ok(left
            .checked_rem(right)
            .and_then(|rest| rescaled(rest, common, operands.scale)))
    })
}

#[cfg(test)]
mod tests {
    use datafusion_common::ScalarValue;

    use super::*;
    use crate::testing::call;

    fn decimal(value: i128, precision: u8, scale: i8) -> ScalarValue {
        ScalarValue::Decimal128(Some(value), precision, scale)
    }

    #[test]
    fn results_have_flinks_types_and_values() {
        let check = |name, left, right, expected| {
            assert_eq!(call(name, &[left, right]), Ok(expected), "{name}");
        };
        check(
            "$DECIMAL_ADD",
            decimal(150, 5, 2),
            decimal(25, 4, 1),
            decimal(400, 6, 2),
        );
        check(
            "$DECIMAL_SUBTRACT",
            decimal(150, 5, 2),
            ScalarValue::Int32(Some(2)),
            decimal(-50, 13, 2),
        );
        check(
            "$DECIMAL_MULTIPLY",
            decimal(908, 3, 3),
            ScalarValue::Int64(Some(1000)),
            decimal(908_000, 23, 3),
        );
        check(
            "$DECIMAL_DIVIDE",
            decimal(100, 5, 2),
            decimal(300, 5, 2),
            decimal(33_333_333, 13, 8),
        );
        check(
            "$DECIMAL_DIVIDE",
            decimal(-200, 5, 2),
            decimal(300, 5, 2),
            decimal(-66_666_667, 13, 8),
        );
        check(
            "$DECIMAL_MODULO",
            decimal(-750, 5, 2),
            decimal(20, 3, 1),
            decimal(-150, 4, 2),
        );
        let large = || decimal(10_i128.pow(37), 38, 0);
        check(
            "$DECIMAL_MULTIPLY",
            large(),
            large(),
            ScalarValue::Decimal128(None, 38, 0),
        );
        assert!(call("$DECIMAL_DIVIDE", &[decimal(1, 5, 2), decimal(0, 5, 2)]).is_err());
    }

    #[test]
    fn digits_behind_the_point_give_way() {
        let of =
            |rule: fn(&[DataType]) -> Result<DataType>, left, right| rule(&[left, right]).expect("a type");
        let t = DataType::Decimal128;
        assert_eq!(of(product_type, t(38, 10), t(38, 10)), t(38, 6));
        assert_eq!(of(sum_type, t(38, 10), t(10, 2)), t(38, 9));
    }
}
