//! Java's date patterns: `yyyy-MM-dd HH:mm:ss.SSS`.

use std::fmt::Write as _;

use chrono::{Datelike, NaiveDate};

use super::calendar::{DAY_NANOS, NANOS, Reading, civil};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// A pattern, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Literal(String),
    Number(Field, usize),
    /// The last two digits of the year.
    ShortYear,
    /// Digits after the second.
    Fraction(usize),
    Month {
        full: bool,
    },
    Weekday {
        full: bool,
    },
    HalfDay,
    Era,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    Year,
    Quarter,
    Month,
    Day,
    DayOfYear,
    /// 0-23
    Hour,
    /// 1-24
    HourFrom1,
    /// 0-11
    HalfHour,
    /// 1-12
    HalfHourFrom1,
    Minute,
    Second,
    Nano,
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let run = rest.chars().take_while(|c| *c == first).count();
            if first == '\'' {
                let (literal, after) = quoted(rest)
                    .ok_or_else(|| format!("the date pattern '{text}' has a quote without an end"))?;
                pieces.push(Piece::Literal(literal));
                rest = after;
                continue;
            }
            if first.is_ascii_alphabetic() {
                pieces.push(letters(first, run).ok_or_else(|| {
                    format!(
                        "the date pattern '{text}' has '{}', which is not supported: y, M, d, D, E, Q, H, h, k, K, m, s, S, n, a and G are",
                        &rest[..run]
                    )
                })?);
            } else if "[]{}#".contains(first) {
                return Err(format!(
                    "the date pattern '{text}' has '{first}', which is not supported: quote it"
                ));
            } else {
                pieces.push(Piece::Literal(first.to_string().repeat(run)));
            }
            rest = &rest[run * first.len_utf8()..];
        }
        Ok(Self(pieces))
    }

    /// Appends a time.
    pub(super) fn write(&self, at: Reading, out: &mut String) {
        let date = at.date();
        for piece in &self.0 {
            piece.write(at, date, out);
        }
    }

    /// The time that a text says. `lenient` takes numbers of any length and leaves what follows the pattern unread.
    pub(super) fn read(&self, text: &str, lenient: bool) -> Option<Reading> {
        let mut parts = Parts::default();
        let mut rest = text;
        for (index, piece) in self.0.iter().enumerate() {
            let adjacent = matches!(
                self.0.get(index + 1),
                Some(Piece::Number(..) | Piece::Fraction(_) | Piece::ShortYear)
            );
            rest = piece.read(rest, adjacent, lenient, &mut parts)?;
        }
        (lenient || rest.is_empty()).then(|| parts.reading(lenient))?
    }
}

/// What stands in quotes at the front, `''` being one of them, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix("''") {
        return Some(("'".to_owned(), rest));
    }
    let mut literal = String::new();
    let mut rest = text.strip_prefix('\'')?;
    loop {
        let (before, after) = rest.split_once('\'')?;
        literal.push_str(before);
        match after.strip_prefix('\'') {
            Some(more) => {
                literal.push('\'');
                rest = more;
            }
            None => return Some((literal, after)),
        }
    }
}

fn letters(letter: char, run: usize) -> Option<Piece> {
    let number = |field, most| (run <= most).then_some(Piece::Number(field, run));
    match letter {
        'y' | 'u' if run == 2 => Some(Piece::ShortYear),
        'y' | 'u' => number(Field::Year, 9),
        'Q' | 'q' => number(Field::Quarter, 2),
        'M' | 'L' if run > 2 => (run <= 4).then_some(Piece::Month { full: run == 4 }),
        'M' | 'L' => number(Field::Month, 2),
        'd' => number(Field::Day, 2),
        'D' => number(Field::DayOfYear, 3),
        'E' => (run <= 4).then_some(Piece::Weekday { full: run == 4 }),
        'H' => number(Field::Hour, 2),
        'k' => number(Field::HourFrom1, 2),
        'K' => number(Field::HalfHour, 2),
        'h' => number(Field::HalfHourFrom1, 2),
        'm' => number(Field::Minute, 2),
        's' => number(Field::Second, 2),
        'n' => number(Field::Nano, 9),
        'S' => (run <= 9).then_some(Piece::Fraction(run)),
        'a' if run == 1 => Some(Piece::HalfDay),
        'G' if run <= 3 => Some(Piece::Era),
        _ => None,
    }
}

impl Field {
    fn of(self, at: Reading, date: NaiveDate) -> i64 {
        let hour = at.nanos / (3_600 * NANOS);
        let one_if_zero = |n: i64, otherwise: i64| if n == 0 { otherwise } else { n };
        match self {
            // The year of the era, as `y` says.
            Self::Year => i64::from(if date.year() > 0 {
                date.year()
            } else {
                1 - date.year()
            }),
            Self::Quarter => i64::from(date.month0() / 3 + 1),
            Self::Month => i64::from(date.month()),
            Self::Day => i64::from(date.day()),
            Self::DayOfYear => i64::from(date.ordinal()),
            Self::Hour => hour,
            Self::HourFrom1 => one_if_zero(hour, 24),
            Self::HalfHour => hour % 12,
            Self::HalfHourFrom1 => one_if_zero(hour % 12, 12),
            Self::Minute => at.nanos / (60 * NANOS) % 60,
            Self::Second => at.nanos / NANOS % 60,
            Self::Nano => at.nanos % NANOS,
        }
    }
}

impl Piece {
    fn write(&self, at: Reading, date: NaiveDate, out: &mut String) {
        match self {
            Self::Literal(text) => out.push_str(text),
            Self::Number(field, width) => push_number(field.of(at, date), *width, out),
            Self::ShortYear => push_number(i64::from(date.year().rem_euclid(100)), 2, out),
            Self::Fraction(digits) => {
                let value = at.nanos % NANOS / 10_i64.pow(9 - *digits as u32);
                push_number(value, *digits, out);
            }
            Self::Month { full } => push_name(MONTHS[date.month0() as usize], *full, out),
            Self::Weekday { full } => {
                push_name(DAYS[date.weekday().num_days_from_monday() as usize], *full, out);
            }
            Self::HalfDay => out.push_str(if at.nanos < 43_200 * NANOS { "AM" } else { "PM" }),
            Self::Era => out.push_str(if date.year() > 0 { "AD" } else { "BC" }),
        }
    }

    /// Reads the front of a text; what follows is given back.
    fn read<'a>(&self, text: &'a str, adjacent: bool, lenient: bool, parts: &mut Parts) -> Option<&'a str> {
        match self {
            Self::Literal(literal) => text.strip_prefix(literal.as_str()),
            Self::Number(field, width) => {
                let most = if adjacent {
                    *width
                } else {
                    (*width).max(field.most_digits())
                };
                let least = if lenient { 1 } else { *width };
                let most = if *width > 1 && !lenient && *field != Field::Year {
                    *width
                } else {
                    most
                };
                let (number, rest) = number(text, least, most)?;
                parts.set(*field, number);
                Some(rest)
            }
            Self::ShortYear => {
                let (number, rest) = number(text, 2, 2)?;
                parts.year = Some(2_000 + number);
                Some(rest)
            }
            Self::Fraction(digits) => {
                let (number, rest) = number(text, if lenient { 1 } else { *digits }, *digits)?;
                let read = text.len() - rest.len();
                // A lenient reader takes `.5` for 5 milliseconds, as Java's does.
                let scale = if lenient && *digits == 3 {
                    6
                } else {
                    9 - read as u32
                };
                parts.nano = number * 10_i64.pow(scale);
                Some(rest)
            }
            Self::Month { full } => {
                let (index, rest) = name(text, &MONTHS, *full)?;
                parts.month = Some(index as i64 + 1);
                Some(rest)
            }
            Self::Weekday { full } => name(text, &DAYS, *full).map(|(_, rest)| rest),
            Self::HalfDay => {
                let (half, rest) = text.split_at_checked(2)?;
                parts.afternoon = match half {
                    "AM" => Some(false),
                    "PM" => Some(true),
                    _ => return None,
                };
                Some(rest)
            }
            Self::Era => text.strip_prefix("AD"),
        }
    }
}

impl Field {
    fn most_digits(self) -> usize {
        match self {
            Self::Year | Self::Nano => 9,
            Self::DayOfYear => 3,
            _ => 2,
        }
    }
}

/// Appends a number, zeros before it up to the width.
pub(super) fn push_number(value: i64, width: usize, out: &mut String) {
    if width == 2 && (0..100).contains(&value) {
        out.push(char::from(b'0' + (value / 10) as u8));
        out.push(char::from(b'0' + (value % 10) as u8));
    } else {
        // Writing to a string does not fail.
        let _ = write!(out, "{value:0width$}");
    }
}

fn push_name(name: &str, full: bool, out: &mut String) {
    out.push_str(if full { name } else { &name[..3] });
}

fn name<'a>(text: &'a str, names: &[&str], full: bool) -> Option<(usize, &'a str)> {
    names.iter().enumerate().find_map(|(index, name)| {
        let name = if full { name } else { &name[..3] };
        text.strip_prefix(name).map(|rest| (index, rest))
    })
}

/// The digits at the front, between `least` and `most` of them.
pub(super) fn number(text: &str, least: usize, most: usize) -> Option<(i64, &str)> {
    let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if digits < least || digits == 0 {
        return None;
    }
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

/// What was read of a time.
#[derive(Default)]
struct Parts {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: Option<i64>,
    half_hour: Option<i64>,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    nano: i64,
}

impl Parts {
    fn set(&mut self, field: Field, value: i64) {
        match field {
            Field::Year => self.year = Some(value),
            Field::Quarter => {}
            Field::Month => self.month = Some(value),
            Field::Day => self.day = Some(value),
            Field::DayOfYear => self.day_of_year = Some(value),
            Field::Hour => self.hour = Some(value),
            Field::HourFrom1 => self.hour = Some(value % 24),
            Field::HalfHour => self.half_hour = Some(value),
            Field::HalfHourFrom1 => self.half_hour = Some(value % 12),
            Field::Minute => self.minute = value,
            Field::Second => self.second = value,
            Field::Nano => self.nano = value,
        }
    }

    /// Lenient, a month, a day or an hour beyond the last one counts on from it, as Java's does.
    fn reading(self, lenient: bool) -> Option<Reading> {
        let hour = match (self.hour, self.half_hour) {
            (Some(hour), _) => hour,
            (None, Some(hour)) => hour + if self.afternoon == Some(true) { 12 } else { 0 },
            (None, None) => 0,
        };
        let valid = hour < 24 && self.minute < 60 && self.second < 60 && self.nano < NANOS;
        if !valid && !lenient {
            return None;
        }
        let time = (hour * 3_600 + self.minute * 60 + self.second) * NANOS + self.nano;
        Some(Reading {
            days: self.days(lenient)? + time.div_euclid(DAY_NANOS),
            nanos: time.rem_euclid(DAY_NANOS),
        })
    }

    fn days(&self, lenient: bool) -> Option<i64> {
        let year = self.year.unwrap_or(1970);
        if let Some(day) = self.day_of_year {
            let date = NaiveDate::from_yo_opt(i32::try_from(year).ok()?, u32::try_from(day).ok()?)?;
            return Some(super::calendar::days(date));
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if lenient {
            let first = civil(
                year + (month - 1).div_euclid(12),
                (month - 1).rem_euclid(12) as u32 + 1,
                1,
            )?;
            return Some(first + day - 1);
        }
        civil(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)
    }
}
