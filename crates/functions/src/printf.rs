//! PRINTF, with the format of Java's `Formatter`.

use arrow_array::{
    Array, ArrayRef, BooleanArray, StringArray,
    cast::AsArray,
    types::{Float64Type, Int64Type},
};
use arrow_schema::DataType;
use datafusion_common::Result;

use crate::{
    call::{Call, Values},
    define::{Def, TEXT, Takes, def},
};

use Takes::{Any, Text};

pub(crate) const FUNCTIONS: &[Def] = &[def("PRINTF", &[Text, Any], TEXT, printf).optional(1).repeats()];

/// A value that can be formatted.
enum Argument {
    Whole(ArrayRef),
    Real(ArrayRef),
    Bool(BooleanArray),
    Text(StringArray),
}

impl Argument {
    fn new(call: &Call<'_>, index: usize) -> Result<Self> {
        let column = call.column(index)?;
        Ok(match column.data_type() {
            t if t.is_signed_integer() => Self::Whole(arrow_cast::cast(&column, &DataType::Int64)?),
            DataType::Float32 | DataType::Float64 | DataType::Decimal128(..) => {
                Self::Real(arrow_cast::cast(&column, &DataType::Float64)?)
            }
            DataType::Boolean => Self::Bool(column.as_boolean().clone()),
            _ => Self::Text(crate::json_build::text_of(&column)?),
        })
    }

    /// A whole number or null; none if these are no whole numbers.
    #[allow(clippy::option_option, reason = "another type is not null")]
    fn whole(&self, row: usize) -> Option<Option<i64>> {
        match self {
            Self::Whole(column) => Some(Values::<Int64Type>::Many(column.as_primitive()).get(row)),
            _ => None,
        }
    }

    /// A real number or null; none if these are no real numbers.
    #[allow(clippy::option_option, reason = "another type is not null")]
    fn real(&self, row: usize) -> Option<Option<f64>> {
        match self {
            Self::Real(column) => Some(Values::<Float64Type>::Many(column.as_primitive()).get(row)),
            _ => None,
        }
    }
}

/// One `%` of a format.
#[derive(Default)]
struct Directive {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    comma: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
    conversion: char,
}

impl Directive {
    /// The same for what is no number: blanks fill the width.
    fn without_zeros(&self) -> Self {
        Self { zero: false, ..*self }
    }
}

/// The directive behind a `%`, and the rest of the format; none if there is no such one.
fn directive(format: &str) -> Option<(Directive, &str)> {
    let mut directive = Directive::default();
    let flags = format.find(|c| !"-+ 0,#".contains(c)).unwrap_or(format.len());
    for flag in format[..flags].chars() {
        match flag {
            '-' => directive.left = true,
            '+' => directive.plus = true,
            ' ' => directive.space = true,
            '0' => directive.zero = true,
            ',' => directive.comma = true,
            _ => directive.alternate = true,
        }
    }
    let rest = &format[flags..];
    let number = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let digits = number(rest);
    if digits > 0 {
        directive.width = rest[..digits].parse().ok().filter(|width| *width <= 10_000)?;
    }
    let mut rest = &rest[digits..];
    if let Some(precision) = rest.strip_prefix('.') {
        let digits = number(precision);
        directive.precision = Some(precision[..digits].parse().ok().filter(|p| *p <= 1_000)?);
        rest = &precision[digits..];
    }
    directive.conversion = rest.chars().next()?;
    let behind = &rest[directive.conversion.len_utf8()..];
    Some((directive, behind))
}

/// Null for a format that is none, or that does not fit the values.
fn printf(call: &Call<'_>) -> Result<ArrayRef> {
    let format = call.text(0)?;
    let arguments = (1..call.count())
        .map(|index| Argument::new(call, index))
        .collect::<Result<Vec<_>>>()?;
    call.texts(|row, out| {
        let mut rest = format.get(row)?;
        let mut next = arguments.iter();
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            let (directive, behind) = directive(&rest[at + 1..])?;
            match directive.conversion {
                '%' => pad(&directive, "", "%", out),
                'n' => out.push('\n'),
                _ => value(&directive, next.next()?, row, out)?,
            }
            rest = behind;
        }
        out.push_str(rest);
        Some(())
    })
}

fn value(directive: &Directive, argument: &Argument, row: usize, out: &mut String) -> Option<()> {
    let upper = directive.conversion.is_ascii_uppercase();
    let mut text = String::new();
    match directive.conversion.to_ascii_lowercase() {
        's' => general(directive, argument, row, &mut text),
        'b' => {
            let shown = match argument {
                Argument::Text(texts) if texts.is_null(row) => "false",
                Argument::Bool(bools) if bools.is_null(row) || !bools.value(row) => "false",
                Argument::Whole(column) | Argument::Real(column) if column.is_null(row) => "false",
                _ => "true",
            };
            pad(directive, "", shown, &mut text);
        }
        'c' => match argument.whole(row)? {
            Some(code) => pad(
                directive,
                "",
                &char::from_u32(u32::try_from(code).ok()?)?.to_string(),
                &mut text,
            ),
            None => null(directive, &mut text),
        },
        'd' if !upper => match argument.whole(row)? {
            Some(number) => {
                let digits = number.unsigned_abs().to_string();
                let digits = if directive.comma { grouped(&digits) } else { digits };
                pad(directive, sign(directive, number < 0), &digits, &mut text);
            }
            None => null(directive, &mut text),
        },
        'x' => match argument.whole(row)? {
            Some(number) => {
                let prefix = if directive.alternate { "0x" } else { "" };
                pad(directive, prefix, &format!("{number:x}"), &mut text);
            }
            None => null(directive, &mut text),
        },
        'o' if !upper => match argument.whole(row)? {
            Some(number) => {
                let prefix = if directive.alternate { "0" } else { "" };
                pad(directive, prefix, &format!("{number:o}"), &mut text);
            }
            None => null(directive, &mut text),
        },
        'f' if !upper => real(directive, argument.real(row)?, fixed, &mut text),
        'e' => real(directive, argument.real(row)?, scientific, &mut text),
        _ => return None,
    }
    if upper {
        text = text.to_uppercase();
    }
    out.push_str(&text);
    Some(())
}

/// As the value is printed, cut to the precision.
fn general(directive: &Directive, argument: &Argument, row: usize, out: &mut String) {
    let text = match argument {
        Argument::Whole(_) => argument.whole(row).flatten().map(|number| number.to_string()),
        Argument::Real(_) => argument.real(row).flatten().map(|number| {
            let mut text = String::new();
            crate::choice::push_double(number, &mut text);
            text
        }),
        Argument::Bool(bools) => bools.is_valid(row).then(|| bools.value(row).to_string()),
        Argument::Text(texts) => texts.is_valid(row).then(|| texts.value(row).to_owned()),
    };
    let text = text.unwrap_or_else(|| "null".to_owned());
    let cut: String = match directive.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text,
    };
    pad(directive, "", &cut, out);
}

fn real(directive: &Directive, number: Option<f64>, form: fn(f64, usize) -> String, out: &mut String) {
    let Some(number) = number else {
        return null(directive, out);
    };
    if !number.is_finite() {
        let text = if number.is_nan() { "NaN" } else { "Infinity" };
        let sign = if number.is_nan() {
            ""
        } else {
            sign(directive, number < 0.0)
        };
        return pad(&directive.without_zeros(), sign, text, out);
    }
    let digits = form(number.abs(), directive.precision.unwrap_or(6));
    let digits = match (directive.comma, digits.split_once('.')) {
        (true, Some((whole, fraction))) => format!("{}.{fraction}", grouped(whole)),
        (true, None) => grouped(&digits),
        _ => digits,
    };
    pad(
        directive,
        sign(directive, number.is_sign_negative()),
        &digits,
        out,
    );
}

/// Rounded half up, of the shortest digits that mean the number.
fn fixed(number: f64, precision: usize) -> String {
    let shortest = format!("{number}");
    let (whole, fraction) = shortest.split_once('.').unwrap_or((&shortest, ""));
    if fraction.len() <= precision {
        let point = if precision > 0 { "." } else { "" };
        return format!("{whole}{point}{fraction:0<precision$}");
    }
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes().take(precision)).collect();
    if fraction.as_bytes()[precision] >= b'5' {
        increment(&mut digits);
    }
    let point = digits.len() - precision;
    let text = String::from_utf8(digits).unwrap_or_default();
    if precision == 0 {
        return text;
    }
    format!("{}.{}", &text[..point], &text[point..])
}

/// The next number of as many digits, or of one more.
fn increment(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

/// As Java: at least two digits in the exponent, with its sign.
fn scientific(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{exponent:0>2}")
}

fn null(directive: &Directive, out: &mut String) {
    pad(&directive.without_zeros(), "", "null", out);
}

fn sign(directive: &Directive, negative: bool) -> &'static str {
    match (negative, directive.plus, directive.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    }
}

/// Digits with a comma before each third one.
fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn pad(directive: &Directive, prefix: &str, text: &str, out: &mut String) {
    let missing = directive
        .width
        .saturating_sub(prefix.chars().count() + text.chars().count());
    if !directive.left && !directive.zero {
        out.extend(std::iter::repeat_n(' ', missing));
    }
    out.push_str(prefix);
    if directive.zero && !directive.left {
        out.extend(std::iter::repeat_n('0', missing));
    }
    out.push_str(text);
    if directive.left {
        out.extend(std::iter::repeat_n(' ', missing));
    }
}

#[cfg(test)]
mod tests {
    use datafusion_common::ScalarValue;

    use crate::testing::{check, int, text as s};

    #[test]
    fn values_are_formatted_as_java_formats_them() {
        let real = |value| ScalarValue::Float64(Some(value));
        let gives = |format: &str, args: &[ScalarValue], expected: Option<&str>| {
            let args: Vec<_> = std::iter::once(s(format)).chain(args.iter().cloned()).collect();
            check("PRINTF", &args, expected);
        };
        gives("Hello %s%n", &[s("World")], Some("Hello World\n"));
        gives(
            "%5d|%-5d|%05d|%+d|%,d",
            &[int(42), int(42), int(-42), int(7), int(-1_234_567)],
            Some("   42|42   |-0042|+7|-1,234,567"),
        );
        gives(
            "%x %X %o %#x",
            &[int(255), int(255), int(8), int(16)],
            Some("ff FF 10 0x10"),
        );
        gives(
            "%.2f %8.1f %f",
            &[real(2.675), real(-3.25), real(1.0)],
            Some("2.68     -3.3 1.000000"),
        );
        gives(
            "%.3e %E",
            &[real(12345.678), real(0.5)],
            Some("1.235e+04 5.000000E-01"),
        );
        gives("%.0f %.2f", &[real(9.5), real(99.999)], Some("10 100.00"));
        gives(
            "%s %S %.2s|%4s|%-4s|",
            &[real(1.5), s("up"), s("cut"), s("r"), s("l")],
            Some("1.5 UP cu|   r|l   |"),
        );
        gives(
            "%b %c %d%%",
            &[ScalarValue::Boolean(Some(true)), int(65), int(50)],
            Some("true A 50%"),
        );
        gives(
            "%s %d",
            &[ScalarValue::Null, ScalarValue::Int64(None)],
            Some("null null"),
        );
        gives(
            "%06d|%05.1f",
            &[ScalarValue::Int64(None), real(f64::NEG_INFINITY)],
            Some("  null|-Infinity"),
        );
        gives("%d", &[s("x")], None);
        gives("%q", &[int(1)], None);
        gives("%d %d", &[int(1)], None);
        gives("plain", &[], Some("plain"));
    }
}
