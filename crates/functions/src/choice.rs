//! Conversions of single values to text.

use std::fmt::Write as _;

use arrow_array::{
    ArrayRef,
    cast::AsArray,
    types::{Float32Type, Float64Type, Int64Type},
};
use arrow_schema::DataType;
use datafusion_common::{Result, exec_err, plan_err};

use crate::{
    call::{Call, Text, Values},
    define::{Def, Gives, Takes, def},
    time,
};

use Takes::{Any, Int};

const SCALAR_TEXT: Gives = Gives::Of(scalar_text);

pub(crate) const FUNCTIONS: &[Def] = &[
    def("$TEXT", &[Any], SCALAR_TEXT, to_text),
    def("$VARCHAR", &[Any, Int], SCALAR_TEXT, varchar),
    def("$CHAR", &[Any, Int], SCALAR_TEXT, char),
];

/// Values that nest have no text yet.
fn scalar_text(types: &[DataType]) -> Result<DataType> {
    match &types[0] {
        DataType::Struct(_) | DataType::List(_) | DataType::Map(..) | DataType::Interval(_) => {
            plan_err!(
                "a value of the type {} cannot be CAST to STRING yet: cast its parts",
                types[0]
            )
        }
        _ => Ok(DataType::Utf8),
    }
}

/// `CAST(value AS STRING)`, as Flink prints values.
pub(crate) fn to_text(call: &Call<'_>) -> Result<ArrayRef> {
    match call.args[0].data_type() {
        DataType::Utf8 => call.column(0),
        DataType::Boolean => {
            let value = call.bools(0)?;
            call.texts(|row, out| {
                out.push_str(if value.get(row)? { "TRUE" } else { "FALSE" });
                Some(())
            })
        }
        DataType::Float64 => {
            let values = call.values::<Float64Type>(0)?;
            call.texts(|row, out| {
                push_double(values.get(row)?, out);
                Some(())
            })
        }
        DataType::Float32 => {
            let column = call.column(0)?;
            let values = Values::Many(column.as_primitive::<Float32Type>());
            call.texts(|row, out| {
                push_float(values.get(row)?, out);
                Some(())
            })
        }
        DataType::Date32 | DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_) => {
            time::time_text(call)
        }
        DataType::Binary => {
            let bytes = call.bytes(0)?;
            call.texts(|row, out| {
                out.push_str(&String::from_utf8_lossy(bytes.get(row)?));
                Some(())
            })
        }
        _ => Ok(arrow_cast::cast(&call.column(0)?, &DataType::Utf8)?),
    }
}

/// As Java prints a double: digits around a point, or an exponent below 10^-3 and from 10^7 on.
pub(crate) fn push_double(value: f64, out: &mut String) {
    push_java(value.is_finite().then(|| format!("{value:e}")), value, out);
}

fn push_float(value: f32, out: &mut String) {
    push_java(
        value.is_finite().then(|| format!("{value:e}")),
        f64::from(value),
        out,
    );
}

/// `scientific` is the shortest text that reads back as the value, as `1.25e-7`.
fn push_java(scientific: Option<String>, value: f64, out: &mut String) {
    let Some(scientific) = scientific else {
        out.push_str(if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        });
        return;
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    out.push_str(sign);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !(-3..7).contains(&exponent) {
        let fraction = if fraction.is_empty() { "0" } else { fraction };
        // Writing to a string does not fail.
        let _ = write!(out, "{whole}.{fraction}E{exponent}");
        return;
    }
    let digits = format!("{whole}{fraction}");
    if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
        out.push_str(&digits);
        return;
    }
    let point = exponent as usize + 1;
    for place in 0..point.max(digits.len()) {
        if place == point {
            out.push('.');
        }
        out.push(
            digits
                .as_bytes()
                .get(place)
                .map_or('0', |digit| char::from(*digit)),
        );
    }
    if digits.len() <= point {
        out.push_str(".0");
    }
}

/// The text of the first argument, at most so many characters of it.
fn cut(call: &Call<'_>, padded: bool) -> Result<ArrayRef> {
    let text = to_text(call)?;
    let text = Text::Many(text.as_string());
    let Some(length) = call
        .values::<Int64Type>(1)?
        .get(0)
        .and_then(|n| usize::try_from(n).ok())
    else {
        return exec_err!("the length of a text is a whole number");
    };
    call.texts(|row, out| {
        let text = text.get(row)?;
        let mut count = 0;
        for c in text.chars().take(length) {
            out.push(c);
            count += 1;
        }
        if padded {
            out.extend(std::iter::repeat_n(' ', length - count));
        }
        Some(())
    })
}

fn varchar(call: &Call<'_>) -> Result<ArrayRef> {
    cut(call, false)
}

fn char(call: &Call<'_>) -> Result<ArrayRef> {
    cut(call, true)
}

#[cfg(test)]
mod tests {
    use datafusion_common::ScalarValue;

    use crate::testing::{check, int, text};

    #[test]
    fn values_are_printed_as_java_prints_them() {
        let double = |value| ScalarValue::Float64(Some(value));
        for (value, expected) in [
            (1.0, "1.0"),
            (-0.5, "-0.5"),
            (1_234_567.0, "1234567.0"),
            (12_345_678.0, "1.2345678E7"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (3.75, "3.75"),
            (100.25, "100.25"),
            (0.0, "0.0"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            check("$TEXT", &[double(value)], Some(expected));
        }
        check("$TEXT", &[ScalarValue::Float32(Some(0.1))], Some("0.1"));
        check("$TEXT", &[ScalarValue::Boolean(Some(true))], Some("TRUE"));
        check("$TEXT", &[int(-5)], Some("-5"));
        check(
            "$TEXT",
            &[ScalarValue::Decimal128(Some(1250), 10, 2)],
            Some("12.50"),
        );
        check("$VARCHAR", &[text("größer"), int(3)], Some("grö"));
        check("$CHAR", &[text("a"), int(3)], Some("a  "));
    }
}
