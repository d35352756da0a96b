//! Flink's data types, as Arrow's.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, TimeUnit};
use sqlparser::{ast, tokenizer::Token};

use super::tokens::Cursor;
use crate::{
    error::{self, Result},
    logical::aggregates,
};

/// A type with its nullability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SqlType {
    /// How values are kept.
    pub data_type: DataType,
    /// False after `NOT NULL`.
    pub nullable: bool,
    /// How long values are; none: as long as they like.
    pub length: Option<Length>,
}

/// How long texts and byte strings of a type are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Length {
    /// Characters or bytes.
    pub most: u64,
    /// Whether all are just as long: CHAR and BINARY.
    pub fixed: bool,
}

/// How deep types may nest.
const MAX_DEPTH: usize = 20;

const KNOWN: &[&str] = &[
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INT",
    "INTEGER",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "NUMERIC",
    "DEC",
    "STRING",
    "VARCHAR",
    "CHAR",
    "BYTES",
    "VARBINARY",
    "BINARY",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "ARRAY",
    "MAP",
    "MULTISET",
    "ROW",
];

/// A type as DDL writes it, with an optional `NULL` or `NOT NULL`.
pub(crate) fn sql_type(cursor: &mut Cursor<'_>) -> Result<SqlType> {
    nested(cursor, 0)
}

fn nested(cursor: &mut Cursor<'_>, depth: usize) -> Result<SqlType> {
    if depth > MAX_DEPTH {
        return Err(error::unsupported(
            cursor.at(),
            format!("types nest at most {MAX_DEPTH} levels deep"),
        ));
    }
    let at = cursor.at();
    let name = cursor.name("a data type")?.value.to_uppercase();
    let mut length = None;
    let data_type = match name.as_str() {
        "BOOLEAN" => DataType::Boolean,
        "TINYINT" => DataType::Int8,
        "SMALLINT" => DataType::Int16,
        "INT" | "INTEGER" => DataType::Int32,
        "BIGINT" => DataType::Int64,
        "FLOAT" => DataType::Float32,
        "DOUBLE" => {
            cursor.eat(&["PRECISION"]);
            DataType::Float64
        }
        "DECIMAL" | "NUMERIC" | "DEC" => decimal(cursor)?,
        "STRING" => DataType::Utf8,
        "VARCHAR" | "CHAR" => {
            length = Some(length_of(cursor, name == "CHAR")?);
            DataType::Utf8
        }
        "BYTES" => DataType::Binary,
        "VARBINARY" | "BINARY" => {
            length = Some(length_of(cursor, name == "BINARY")?);
            DataType::Binary
        }
        "DATE" => DataType::Date32,
        "TIME" => time(precision(cursor, 0)?),
        "TIMESTAMP" => {
            let unit = unit(precision(cursor, 6)?);
            let local = timestamp_zone(cursor)?;
            DataType::Timestamp(unit, local.then(|| "UTC".into()))
        }
        "TIMESTAMP_LTZ" => DataType::Timestamp(unit(precision(cursor, 6)?), Some("UTC".into())),
        "ARRAY" => array(cursor, depth)?,
        "MAP" => map(cursor, depth)?,
        "ROW" => DataType::Struct(row(cursor, depth)?),
        "INTERVAL" => return Err(error::unsupported(at, "a column cannot be an INTERVAL")),
        "MULTISET" => multiset(cursor, depth)?,
        "RAW" | "VARIANT" => {
            return Err(error::unsupported(
                at,
                format!("the type {name} is not supported yet"),
            ));
        }
        _ => return Err(error::unknown(at, "data type", &name, KNOWN.iter().copied())),
    };
    let nullable = if cursor.eat(&["NOT", "NULL"]) {
        false
    } else {
        cursor.eat(&["NULL"]);
        true
    };
    Ok(SqlType {
        data_type,
        nullable,
        length: length.filter(|length| length.most < i32::MAX as u64),
    })
}

fn decimal(cursor: &mut Cursor<'_>) -> Result<DataType> {
    let at = cursor.at();
    if !cursor.eat_token(&Token::LParen) {
        return Ok(DataType::Decimal128(10, 0));
    }
    let precision = cursor.number("a precision")?;
    let scale = if cursor.eat_token(&Token::Comma) {
        cursor.number("a scale")?
    } else {
        0
    };
    cursor.expect_token(&Token::RParen)?;
    decimal_type(precision, scale).ok_or_else(|| {
        error::type_error(
            at,
            format!(
                "DECIMAL({precision}, {scale}): the precision is between 1 and 38, the scale at most the precision"
            ),
        )
    })
}

fn decimal_type(precision: u64, scale: u64) -> Option<DataType> {
    ((1..=38).contains(&precision) && scale <= precision)
        .then_some(DataType::Decimal128(precision as u8, scale as i8))
}

/// The length behind a type's name; 1 if there is none.
fn length_of(cursor: &mut Cursor<'_>, fixed: bool) -> Result<Length> {
    let mut most = 1;
    if cursor.eat_token(&Token::LParen) {
        most = cursor.number("a length")?;
        cursor.expect_token(&Token::RParen)?;
    }
    Ok(Length { most, fixed })
}

fn precision(cursor: &mut Cursor<'_>, default: u64) -> Result<u64> {
    if !cursor.eat_token(&Token::LParen) {
        return Ok(default);
    }
    let at = cursor.at();
    let precision = cursor.number("a precision")?;
    cursor.expect_token(&Token::RParen)?;
    if precision > 9 {
        return Err(error::type_error(
            at,
            format!("a precision of {precision}: at most 9 digits of a second"),
        ));
    }
    Ok(precision)
}

/// Whether `WITH LOCAL TIME ZONE` follows.
fn timestamp_zone(cursor: &mut Cursor<'_>) -> Result<bool> {
    let at = cursor.at();
    if cursor.eat(&["WITH", "LOCAL", "TIME", "ZONE"]) {
        return Ok(true);
    }
    if cursor.eat(&["WITH", "TIME", "ZONE"]) {
        return Err(error::unsupported(
            at,
            "TIMESTAMP WITH TIME ZONE is not supported: use TIMESTAMP_LTZ",
        ));
    }
    cursor.eat(&["WITHOUT", "TIME", "ZONE"]);
    Ok(false)
}

fn unit(precision: u64) -> TimeUnit {
    match precision {
        0 => TimeUnit::Second,
        1..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

fn time(precision: u64) -> DataType {
    match unit(precision) {
        unit @ (TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(unit),
        unit => DataType::Time64(unit),
    }
}

fn array(cursor: &mut Cursor<'_>, depth: usize) -> Result<DataType> {
    cursor.expect_token(&Token::Lt)?;
    let element = nested(cursor, depth + 1)?;
    cursor.close_angle()?;
    Ok(DataType::List(Arc::new(Field::new(
        "item",
        element.data_type,
        element.nullable,
    ))))
}

fn map(cursor: &mut Cursor<'_>, depth: usize) -> Result<DataType> {
    cursor.expect_token(&Token::Lt)?;
    let key = nested(cursor, depth + 1)?;
    cursor.expect_token(&Token::Comma)?;
    let value = nested(cursor, depth + 1)?;
    cursor.close_angle()?;
    let entries = Fields::from(vec![
        Field::new("keys", key.data_type, false),
        Field::new("values", value.data_type, value.nullable),
    ]);
    Ok(DataType::Map(
        Arc::new(Field::new("entries", DataType::Struct(entries), false)),
        false,
    ))
}

/// `MULTISET<TYPE>`: a MAP from each value to how often it is there.
fn multiset(cursor: &mut Cursor<'_>, depth: usize) -> Result<DataType> {
    cursor.expect_token(&Token::Lt)?;
    let element = nested(cursor, depth + 1)?;
    cursor.close_angle()?;
    Ok(aggregates::multiset(element.data_type))
}

/// `ROW<name TYPE ['comment'], ...>` or `ROW(...)`.
fn row(cursor: &mut Cursor<'_>, depth: usize) -> Result<Fields> {
    let angled = cursor.eat_token(&Token::Lt);
    if !angled {
        cursor.expect_token(&Token::LParen)?;
    }
    let mut fields: Vec<Field> = Vec::new();
    loop {
        let name = cursor.name("a field name")?;
        if fields.iter().any(|f| *f.name() == name.value) {
            return Err(error::invalid(
                name.at,
                format!("the ROW has two fields named '{}'", name.value),
            ));
        }
        let field = nested(cursor, depth + 1)?;
        if matches!(cursor.peek(), Some(Token::SingleQuotedString(_))) {
            cursor.skip();
        }
        fields.push(Field::new(name.value, field.data_type, field.nullable));
        if !cursor.eat_token(&Token::Comma) {
            break;
        }
    }
    if angled {
        cursor.close_angle()?;
    } else {
        cursor.expect_token(&Token::RParen)?;
    }
    Ok(fields.into())
}

/// A type within an expression, as sqlparser read it: the target of a CAST.
pub(crate) fn of_ast(data_type: &ast::DataType) -> Option<DataType> {
    use ast::{DataType as T, ExactNumberInfo as N, TimezoneInfo as Zone};
    Some(match data_type {
        T::Boolean | T::Bool => DataType::Boolean,
        T::TinyInt(_) => DataType::Int8,
        T::SmallInt(_) => DataType::Int16,
        T::Int(_) | T::Integer(_) => DataType::Int32,
        T::BigInt(_) => DataType::Int64,
        T::Float(N::None) => DataType::Float32,
        T::Double(_) | T::DoublePrecision => DataType::Float64,
        T::Decimal(info) | T::Numeric(info) | T::Dec(info) => match info {
            N::None => DataType::Decimal128(10, 0),
            N::Precision(p) => decimal_type(*p, 0)?,
            N::PrecisionAndScale(p, s) => decimal_type(*p, u64::try_from(*s).ok()?)?,
        },
        T::String(_) | T::Varchar(None) | T::Char(None) => DataType::Utf8,
        T::Bytes(_) | T::Varbinary(None) | T::Binary(None) => DataType::Binary,
        T::Date => DataType::Date32,
        T::Time(p, Zone::None | Zone::WithoutTimeZone) if p.unwrap_or(0) <= 9 => time(p.unwrap_or(0)),
        T::Timestamp(p, Zone::None | Zone::WithoutTimeZone) if p.unwrap_or(6) <= 9 => {
            DataType::Timestamp(unit(p.unwrap_or(6)), None)
        }
        T::Custom(name, arguments) if name.to_string().eq_ignore_ascii_case("TIMESTAMP_LTZ") => {
            let precision = match arguments.as_slice() {
                [] => 6,
                [digits] => digits.parse().ok().filter(|p| *p <= 9)?,
                _ => return None,
            };
            DataType::Timestamp(unit(precision), Some("UTC".into()))
        }
        _ => return None,
    })
}
