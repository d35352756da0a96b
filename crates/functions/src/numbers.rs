//! Numbers: logarithms, Euler's number, bits.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef,
    types::{Float64Type, Int64Type},
};
use arrow_schema::DataType;
use datafusion_common::{Result, plan_err};

use crate::{
    call::{Call, Values},
    define::{DOUBLE, Def, Gives, Takes, def},
};

use Takes::{Any, Double};

/// The wider of two types of whole numbers.
const WIDER: Gives = Gives::Of(|types| {
    let whole = types.iter().filter(|t| !t.is_null());
    match whole.clone().find(|t| !t.is_signed_integer()) {
        Some(other) => plan_err!("bits are of whole numbers, not of the type {other}: add a CAST"),
        None => Ok(whole
            .max_by_key(|t| t.primitive_width())
            .cloned()
            .unwrap_or(DataType::Int32)),
    }
});

pub(crate) const FUNCTIONS: &[Def] = &[
    def("BITWISE_AND", &[Any, Any], WIDER, |call| bits(call, |a, b| a & b)),
    def("BITWISE_NOT", &[Any], WIDER, not),
    def("BITWISE_OR", &[Any, Any], WIDER, |call| bits(call, |a, b| a | b)),
    def("BITWISE_XOR", &[Any, Any], WIDER, |call| bits(call, |a, b| a ^ b)),
    def("E", &[], DOUBLE, e),
    def("LOG", &[Double, Double], DOUBLE, log).optional(1),
];

#[allow(clippy::unnecessary_wraps, reason = "as all functions of columns")]
fn e(call: &Call<'_>) -> Result<ArrayRef> {
    Ok(call.numbers::<Float64Type>(|_| Some(std::f64::consts::E)))
}

/// `LOG(x)`, the natural logarithm, and `LOG(base, x)`.
fn log(call: &Call<'_>) -> Result<ArrayRef> {
    let first = call.values::<Float64Type>(0)?;
    if call.count() == 1 {
        return Ok(call.numbers::<Float64Type>(|row| first.get(row).map(f64::ln)));
    }
    let second = call.values::<Float64Type>(1)?;
    Ok(call.numbers::<Float64Type>(|row| Some(second.get(row)?.ln() / first.get(row)?.ln())))
}

fn whole(call: &Call<'_>, index: usize) -> Result<ArrayRef> {
    Ok(arrow_cast::cast(&call.column(index)?, &DataType::Int64)?)
}

fn values(column: &ArrayRef) -> Values<'_, Int64Type> {
    Values::Many(arrow_array::cast::AsArray::as_primitive(column))
}

/// Of both values in the wider type: the sign is the highest bit of either.
fn bits(call: &Call<'_>, of: fn(i64, i64) -> i64) -> Result<ArrayRef> {
    let (left, right) = (whole(call, 0)?, whole(call, 1)?);
    let (left, right) = (values(&left), values(&right));
    narrowed(call, |row| Some(of(left.get(row)?, right.get(row)?)))
}

fn not(call: &Call<'_>) -> Result<ArrayRef> {
    let value = whole(call, 0)?;
    let value = values(&value);
    narrowed(call, |row| value.get(row).map(|value| !value))
}

/// Results in the type of the call, which they fit, as the arguments did.
fn narrowed(call: &Call<'_>, value: impl FnMut(usize) -> Option<i64>) -> Result<ArrayRef> {
    let wide: arrow_array::Int64Array = (0..call.rows).map(value).collect();
    Ok(arrow_cast::cast(
        &(Arc::new(wide) as Arc<dyn Array>),
        call.result,
    )?)
}

#[cfg(test)]
mod tests {
    use datafusion_common::ScalarValue;

    use crate::testing::{call, int};

    #[test]
    fn bits_are_those_of_the_wider_type() {
        let small = |value| ScalarValue::Int32(Some(value));
        assert_eq!(call("BITWISE_AND", &[small(6), small(3)]), Ok(small(2)));
        assert_eq!(call("BITWISE_OR", &[small(-8), int(3)]), Ok(int(-5)));
        assert_eq!(call("BITWISE_XOR", &[small(6), small(3)]), Ok(small(5)));
        assert_eq!(call("BITWISE_NOT", &[small(-10)]), Ok(small(9)));
        assert_eq!(
            call("BITWISE_AND", &[small(1), ScalarValue::Null]),
            Ok(ScalarValue::Int32(None))
        );
        assert!(call("BITWISE_NOT", &[ScalarValue::Float64(Some(1.0))]).is_err());
    }

    #[test]
    fn logarithms_have_a_base_first() {
        let double = |value| ScalarValue::Float64(Some(value));
        assert_eq!(call("LOG", &[double(1.0)]), Ok(double(0.0)));
        assert_eq!(call("LOG", &[int(2), int(8)]), Ok(double(3.0)));
        assert_eq!(call("LOG", &[double(0.0)]), Ok(double(f64::NEG_INFINITY)));
    }
}
