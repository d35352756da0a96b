//! Values from text and to text, as Flink's formats write them: dates, times, timestamps, decimals.

use std::io::Write;

use arrow_schema::{DataType, TimeUnit};

const DAY_NANOS: i64 = 86_400 * NANOS;
const NANOS: i64 = 1_000_000_000;

/// Units of this size in a second.
pub(crate) fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => NANOS,
    }
}

/// `2024-02-29` as days since 1970-01-01.
pub(crate) fn parse_date(text: &[u8]) -> Option<i32> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else {
        return None;
    };
    let year = i64::from(digits(&[y1, y2, y3, y4])?);
    let (month, day) = (digits(&[m1, m2])?, digits(&[d1, d2])?);
    let valid = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
    valid.then(|| days_from_civil(year, month, day) as i32)
}

/// `10:15`, `10:15:30` or `10:15:30.123456789` as nanoseconds since midnight.
pub(crate) fn parse_time(text: &[u8]) -> Option<i64> {
    let (nanos, rest) = time_prefix(text)?;
    rest.is_empty().then_some(nanos)
}

/// A moment: its wall-clock reading since 1970-01-01 00:00:00, and the distance of its zone from UTC if it names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    days: i32,
    nanos_of_day: i64,
    pub(crate) zone_s: Option<i64>,
}

impl Moment {
    /// Units since 1970-01-01 00:00:00, of UTC if it names a zone; digits beyond the unit are cut off.
    pub(crate) fn in_unit(self, unit: TimeUnit) -> Option<i64> {
        let per_second = per_second(unit);
        let seconds = i64::from(self.days) * 86_400 + self.nanos_of_day / NANOS - self.zone_s.unwrap_or(0);
        seconds
            .checked_mul(per_second)?
            .checked_add(self.nanos_of_day % NANOS / (NANOS / per_second))
    }
}

/// `2024-01-01 10:15:30.123`, with `T` instead of the space too, and with `Z` or `+02:00` at the end.
pub(crate) fn parse_timestamp(text: &[u8]) -> Option<Moment> {
    let (date, rest) = text.split_at_checked(10)?;
    let days = parse_date(date)?;
    let [b' ' | b'T' | b't', time @ ..] = rest else {
        return None;
    };
    let (nanos_of_day, zone) = time_prefix(time)?;
    let zone_s = match zone {
        b"" => None,
        b"Z" | b"z" => Some(0),
        &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let seconds = i64::from(digits(&[h1, h2])?) * 3_600 + i64::from(digits(&[m1, m2])?) * 60;
            Some(if sign == b'-' { -seconds } else { seconds })
        }
        _ => return None,
    };
    Some(Moment {
        days,
        nanos_of_day,
        zone_s,
    })
}

/// The time at the front and what follows it.
fn time_prefix(text: &[u8]) -> Option<(i64, &[u8])> {
    let &[h1, h2, b':', m1, m2, ref rest @ ..] = text else {
        return None;
    };
    let (hours, minutes) = (digits(&[h1, h2])?, digits(&[m1, m2])?);
    let (seconds, rest) = match rest {
        &[b':', s1, s2, ref rest @ ..] => (digits(&[s1, s2])?, rest),
        _ => (0, rest),
    };
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => fraction_prefix(rest)?,
        _ => (0, rest),
    };
    Some((
        i64::from(hours * 3_600 + minutes * 60 + seconds) * NANOS + fraction,
        rest,
    ))
}

/// One to nine digits at the front as nanoseconds.
fn fraction_prefix(text: &[u8]) -> Option<(i64, &[u8])> {
    let len = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let nanos = digits(text.get(..len).filter(|_| (1..=9).contains(&len))?)?;
    Some((i64::from(nanos) * 10_i64.pow(9 - len as u32), &text[len..]))
}

#[inline]
fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |number, b| {
        b.is_ascii_digit().then(|| number * 10 + u32::from(b - b'0'))
    })
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, counting years from March so that leap days come last.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// A decimal number as an integer of 10^-scale, rounded half up; none if it is not a number or has too many digits.
pub(crate) fn parse_decimal(text: &[u8], precision: u8, scale: i8) -> Option<i128> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let exponent_at = text
        .iter()
        .position(|b| matches!(b, b'e' | b'E'))
        .unwrap_or(text.len());
    let exponent: i64 = match std::str::from_utf8(&text[exponent_at..]).ok()? {
        "" => 0,
        exponent => exponent[1..].parse().ok()?,
    };
    let mantissa = &text[..exponent_at];
    let whole_len = mantissa.iter().position(|b| *b == b'.').unwrap_or(mantissa.len());
    let (whole, fraction) = (
        &mantissa[..whole_len],
        mantissa.get(whole_len + 1..).unwrap_or_default(),
    );
    let count = whole.len() + fraction.len();
    if count == 0 || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| {
        whole
            .iter()
            .chain(fraction)
            .nth(at)
            .map_or(0, |b| i128::from(b - b'0'))
    };
    if (0..count).all(|at| digit(at) == 0) {
        return Some(0);
    }
    let keep = (whole.len() as i64)
        .checked_add(exponent)?
        .checked_add(i64::from(scale))?;
    let Ok(keep) = usize::try_from(keep) else {
        return Some(0);
    };
    let mut number = 0_i128;
    for at in 0..keep {
        number = number.checked_mul(10)?.checked_add(digit(at))?;
    }
    number += i128::from(digit(keep) >= 5);
    let fits = 10_i128
        .checked_pow(u32::from(precision))
        .is_some_and(|limit| number < limit);
    fits.then_some(if negative { -number } else { number })
}

/// Writes days since 1970 as `2024-02-29`.
pub(crate) fn write_date(days: i32, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(i64::from(days));
    append(out, format_args!("{year:04}-{month:02}-{day:02}"));
}

/// Writes a time of day as `10:15:30`, with all digits of its unit.
pub(crate) fn write_time(value: i64, unit: TimeUnit, out: &mut Vec<u8>) {
    let per_second = per_second(unit);
    let seconds = value.div_euclid(per_second);
    append(
        out,
        format_args!(
            "{:02}:{:02}:{:02}",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        ),
    );
    let fraction = value.rem_euclid(per_second);
    match unit {
        TimeUnit::Second => {}
        TimeUnit::Millisecond => append(out, format_args!(".{fraction:03}")),
        TimeUnit::Microsecond => append(out, format_args!(".{fraction:06}")),
        TimeUnit::Nanosecond => append(out, format_args!(".{fraction:09}")),
    }
}

/// How the date and the time of a timestamp are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampStyle {
    /// `2024-01-01 10:15:30.123`.
    #[default]
    Sql,
    /// `2024-01-01T10:15:30.123`.
    Iso8601,
}

/// Writes units since 1970 as a timestamp; `Z` follows if it is a moment rather than a wall-clock reading.
pub(crate) fn write_timestamp(
    value: i64,
    unit: TimeUnit,
    zoned: bool,
    style: TimestampStyle,
    out: &mut Vec<u8>,
) {
    let per_day = 86_400 * per_second(unit);
    write_date(value.div_euclid(per_day) as i32, out);
    out.push(if style == TimestampStyle::Sql { b' ' } else { b'T' });
    write_time(value.rem_euclid(per_day), unit, out);
    if zoned {
        out.push(b'Z');
    }
}

/// Writes an integer of 10^-scale as a decimal number.
pub(crate) fn write_decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let magnitude = value.unsigned_abs();
    let Ok(scale) = u32::try_from(scale) else {
        append(out, format_args!("{magnitude}"));
        out.extend(std::iter::repeat_n(
            b'0',
            if magnitude == 0 {
                0
            } else {
                usize::from(scale.unsigned_abs())
            },
        ));
        return;
    };
    match 10_u128.checked_pow(scale) {
        _ if scale == 0 => append(out, format_args!("{magnitude}")),
        Some(one) => {
            let width = scale as usize;
            append(
                out,
                format_args!("{}.{:0width$}", magnitude / one, magnitude % one),
            );
        }
        None => append(out, format_args!("{magnitude}e-{scale}")),
    }
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory does not fail");
}

/// A nanosecond count within a day in another unit, cut off.
pub(crate) fn time_in_unit(nanos: i64, unit: TimeUnit) -> i64 {
    debug_assert!((0..DAY_NANOS).contains(&nanos), "a time of day");
    nanos / (NANOS / per_second(unit))
}

/// The type as Flink SQL spells it, for messages.
pub(crate) fn sql_type(data_type: &DataType) -> String {
    let digits = |unit: &TimeUnit| per_second(*unit).ilog10();
    match data_type {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INT".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Float32 => "FLOAT".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::Utf8 => "STRING".into(),
        DataType::Binary => "BYTES".into(),
        DataType::Date32 => "DATE".into(),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("TIME({})", digits(unit)),
        DataType::Timestamp(unit, None) => format!("TIMESTAMP({})", digits(unit)),
        DataType::Timestamp(unit, Some(_)) => format!("TIMESTAMP_LTZ({})", digits(unit)),
        DataType::List(_) => "ARRAY".into(),
        DataType::Map(..) => "MAP".into(),
        DataType::Struct(_) => "ROW".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn dates_are_days_since_1970() {
        for (date, days) in [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("2000-02-29", Some(11_016)),
            ("2024-03-01", Some(19_783)),
            ("0001-01-01", Some(-719_162)),
            ("9999-12-31", Some(2_932_896)),
            ("1900-02-29", None),
            ("2024-13-01", None),
            ("2024-00-01", None),
            ("2024-01-00", None),
            ("2024-1-1", None),
            ("2024/01/01", None),
            ("", None),
        ] {
            assert_eq!(parse_date(date.as_bytes()), days, "{date}");
            if let Some(days) = days {
                assert_eq!(text(|out| write_date(days, out)), date);
            }
        }
    }

    #[test]
    fn timestamps_are_read_in_both_of_flinks_styles() {
        let second = 1_704_103_200;
        for (written, expected_ms) in [
            ("2024-01-01 10:00:00", Some(second * 1000)),
            ("2024-01-01 10:00", Some(second * 1000)),
            ("2024-01-01T10:00:00.5", Some(second * 1000 + 500)),
            ("2024-01-01 10:00:00.123456789", Some(second * 1000 + 123)),
            ("2024-01-01T10:00:00Z", Some(second * 1000)),
            ("2024-01-01T12:00:00+02:00", Some(second * 1000)),
            ("1969-12-31 23:59:59.999", Some(-1)),
            ("2024-01-01", None),
            ("2024-01-01 24:00:00", None),
            ("2024-01-01 10:60:00", None),
            ("2024-01-01 10:00:60", None),
            ("2024-01-01 10:00:00.", None),
            ("2024-01-01 10:00:00.1234567890", None),
            ("2024-01-01 10:00:00 UTC", None),
            ("2024-01-01_10:00:00", None),
        ] {
            let moment = parse_timestamp(written.as_bytes());
            assert_eq!(
                moment.and_then(|m| m.in_unit(TimeUnit::Millisecond)),
                expected_ms,
                "{written}"
            );
        }
        let far = parse_timestamp(b"9999-01-01 00:00:00").expect("a timestamp");
        assert_eq!(
            far.in_unit(TimeUnit::Nanosecond),
            None,
            "beyond what 64 bits of nanoseconds hold"
        );
    }

    #[test]
    fn decimals_are_rounded_half_up_and_bounded() {
        for (written, precision, scale, expected) in [
            ("12.345", 10, 2, Some(1235)),
            ("-12.345", 10, 2, Some(-1235)),
            ("12.344", 10, 2, Some(1234)),
            ("0.005", 10, 2, Some(1)),
            ("0.004", 10, 2, Some(0)),
            ("1e3", 10, 2, Some(100_000)),
            ("1.5E-1", 10, 2, Some(15)),
            (".5", 10, 1, Some(5)),
            ("5.", 10, 1, Some(50)),
            ("99.99", 4, 2, Some(9999)),
            ("99.995", 4, 2, None),
            ("100", 4, 2, None),
            ("0e999999999", 4, 2, Some(0)),
            ("1e999999999", 4, 2, None),
            ("1e-999999999", 4, 2, Some(0)),
            ("1e99999999999999999999", 4, 2, None),
            (
                "99999999999999999999999999999999999999",
                38,
                0,
                Some(10_i128.pow(38) - 1),
            ),
            ("999999999999999999999999999999999999999", 38, 0, None),
            ("", 4, 2, None),
            (".", 4, 2, None),
            ("1.2.3", 4, 2, None),
            ("abc", 4, 2, None),
        ] {
            assert_eq!(
                parse_decimal(written.as_bytes(), precision, scale),
                expected,
                "{written}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            days in -719_162..2_932_896_i32,
            nanos in 0..DAY_NANOS,
            number in -(10_i128.pow(38) - 1)..10_i128.pow(38),
            scale in 0..=38_i8,
        ) {
            let date = text(|out| write_date(days, out));
            prop_assert_eq!(parse_date(date.as_bytes()), Some(days));
            let time = text(|out| write_time(nanos, TimeUnit::Nanosecond, out));
            prop_assert_eq!(parse_time(time.as_bytes()), Some(nanos));
            let micros = i64::from(days) * 86_400_000_000 + nanos / 1_000;
            let timestamp = text(|out| {
                write_timestamp(micros, TimeUnit::Microsecond, true, TimestampStyle::Iso8601, out);
            });
            let moment = parse_timestamp(timestamp.as_bytes()).expect("a timestamp");
            prop_assert_eq!(moment.in_unit(TimeUnit::Microsecond), Some(micros));
            let decimal = text(|out| write_decimal(number, scale, out));
            prop_assert_eq!(parse_decimal(decimal.as_bytes(), 38, scale), Some(number));
        }
    }
}
