//! What an export's name says of a function: `discount(DOUBLE, INT) -> DOUBLE`, `batch initials(STRING) -> STRING`.

use std::fmt;

use arrow_schema::{DataType, TimeUnit};

/// How a function takes its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// The values of one row; a null gives null without a call.
    Row,
    /// The columns of many rows, in memory.
    Batch,
}

/// A function's name and types.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    /// How it takes its arguments.
    pub form: Form,
    /// Its name in the module.
    pub name: String,
    /// The types of its arguments.
    pub arguments: Vec<DataType>,
    /// The type of its result.
    pub result: DataType,
}

impl Signature {
    /// Reads an export's name; none if it does not look like a signature.
    ///
    /// # Errors
    /// What is wrong with a name that does.
    pub fn parse(export: &str) -> Option<Result<Self, String>> {
        export.contains('(').then(|| {
            Self::read(export).map_err(|reason| format!("the export \"{export}\" is no signature: {reason}"))
        })
    }

    fn read(text: &str) -> Result<Self, String> {
        let (head, arguments, result) = parts(text).ok_or("write name(TYPE, TYPE) -> TYPE")?;
        let mut words = head.split_whitespace();
        let (form, name) = match (words.next(), words.next(), words.next()) {
            (Some(name), None, None) => (Form::Row, name),
            (Some(form), Some(name), None) if form.eq_ignore_ascii_case("batch") => (Form::Batch, name),
            _ => {
                return Err(
                    "write name(TYPE, TYPE) -> TYPE, with the word batch before it for columns".into(),
                );
            }
        };
        if !is_name(name) {
            return Err(format!("'{name}' is no name of letters, digits and _"));
        }
        let arguments = types(arguments)?;
        let signature = Self {
            form,
            name: name.to_owned(),
            arguments,
            result: data_type(result)?,
        };
        let is_wide = |t: &&DataType| form == Form::Row && core_type(t).is_none();
        let mut types = signature.arguments.iter().chain([&signature.result]);
        match types.find(is_wide).map(type_name) {
            Some(wide) => Err(format!(
                "a value of type {wide} does not fit a parameter: write the function for batches"
            )),
            None => Ok(signature.clone()),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments: Vec<_> = self.arguments.iter().map(type_name).collect();
        write!(
            f,
            "{}({}) -> {}",
            self.name,
            arguments.join(", "),
            type_name(&self.result)
        )
    }
}

/// What stands before the parentheses, between them, and behind the arrow.
pub(super) fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let (head, rest) = text.split_once('(')?;
    let (arguments, result) = rest.rsplit_once("->")?;
    Some((head, arguments.trim().strip_suffix(')')?, result.trim()))
}

/// The types of a list.
pub(super) fn types(list: &str) -> Result<Vec<DataType>, String> {
    split_types(list).into_iter().map(data_type).collect()
}

pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The types of a list; those in parentheses hold commas of their own.
fn split_types(list: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let mut types: Vec<&str> = list
        .split(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ',' && depth == 0
        })
        .map(str::trim)
        .collect();
    if types == [""] {
        types.clear();
    }
    types
}

pub(super) fn data_type(text: &str) -> Result<DataType, String> {
    let upper = text.to_uppercase();
    let (name, digits) = match upper.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.trim_end().strip_suffix(')').and_then(numbers)),
        None => (upper.as_str(), Some(Vec::new())),
    };
    let unknown = || {
        format!(
            "'{text}' is no type of these: BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, DECIMAL(p, s), STRING, \
             BYTES, DATE, TIME(p), TIMESTAMP(p), TIMESTAMP_LTZ(p)"
        )
    };
    let digits = digits.ok_or_else(unknown)?;
    Ok(match (name, digits.as_slice()) {
        ("BOOLEAN", []) => DataType::Boolean,
        ("TINYINT", []) => DataType::Int8,
        ("SMALLINT", []) => DataType::Int16,
        ("INT" | "INTEGER", []) => DataType::Int32,
        ("BIGINT", []) => DataType::Int64,
        ("FLOAT", []) => DataType::Float32,
        ("DOUBLE", []) => DataType::Float64,
        ("STRING" | "VARCHAR", []) => DataType::Utf8,
        ("BYTES", []) => DataType::Binary,
        ("DATE", []) => DataType::Date32,
        ("DECIMAL", [precision @ 1..=38, scale]) if scale <= precision => {
            DataType::Decimal128(*precision, *scale as i8)
        }
        ("TIME", []) => DataType::Time32(TimeUnit::Second),
        ("TIME", [digits @ 0..=9]) => match unit(*digits) {
            unit @ (TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(unit),
            unit => DataType::Time64(unit),
        },
        ("TIMESTAMP", []) => DataType::Timestamp(TimeUnit::Microsecond, None),
        ("TIMESTAMP", [digits @ 0..=9]) => DataType::Timestamp(unit(*digits), None),
        ("TIMESTAMP_LTZ", []) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ("TIMESTAMP_LTZ", [digits @ 0..=9]) => DataType::Timestamp(unit(*digits), Some("UTC".into())),
        _ => return Err(unknown()),
    })
}

fn numbers(text: &str) -> Option<Vec<u8>> {
    text.split(',').map(|number| number.trim().parse().ok()).collect()
}

fn unit(digits: u8) -> TimeUnit {
    match digits {
        0 => TimeUnit::Second,
        1..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

/// A type as a signature writes it.
pub fn type_name(data_type: &DataType) -> String {
    let digits = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    match data_type {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INT".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Float32 => "FLOAT".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTES".into(),
        DataType::Date32 => "DATE".into(),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("TIME({})", digits(unit)),
        DataType::Timestamp(unit, None) => format!("TIMESTAMP({})", digits(unit)),
        DataType::Timestamp(unit, Some(_)) => format!("TIMESTAMP_LTZ({})", digits(unit)),
        other => other.to_string(),
    }
}

/// WebAssembly's type of a value, and the width in memory: `i32`, 4. None for what is no number.
pub(super) fn core_type(data_type: &DataType) -> Option<(&'static str, usize)> {
    Some(match data_type {
        DataType::Boolean | DataType::Int8 => ("i32", 1),
        DataType::Int16 => ("i32", 2),
        DataType::Int32 | DataType::Date32 | DataType::Time32(_) => ("i32", 4),
        DataType::Int64 | DataType::Time64(_) | DataType::Timestamp(..) => ("i64", 8),
        DataType::Float32 => ("f32", 4),
        DataType::Float64 => ("f64", 8),
        _ => return None,
    })
}
