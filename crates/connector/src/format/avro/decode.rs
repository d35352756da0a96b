//! Avro's binary encoding into columns.

use super::{
    plan::{Plan, Row, Scalar, Step},
    schema::{Id, Kind, Schema},
};
use crate::format::{
    column::{Column, Values},
    fault::{Outcome, cut_off, fault},
    scalar::shown,
};

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Outcome<&'a [u8]> {
        match self.0.split_at_checked(len) {
            Some((taken, rest)) => {
                self.0 = rest;
                Ok(taken)
            }
            None => cut_off(),
        }
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Outcome<[u8; N]> {
        match self.0.split_first_chunk() {
            Some((taken, rest)) => {
                self.0 = rest;
                Ok(*taken)
            }
            None => cut_off(),
        }
    }

    /// A number of seven bits a byte, the lowest first, with its sign in the lowest bit.
    #[inline]
    pub(super) fn long(&mut self) -> Outcome<i64> {
        if let [first, rest @ ..] = self.0
            && *first < 0x80
        {
            self.0 = rest;
            return Ok(signed_of(u64::from(*first)));
        }
        let mut number = 0_u64;
        for (nth, byte) in self.0.iter().take(10).enumerate() {
            if nth == 9 && *byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << (7 * nth);
            if *byte < 0x80 {
                self.0 = &self.0[nth + 1..];
                return Ok(signed_of(number));
            }
        }
        if self.0.len() < 10 {
            return cut_off();
        }
        fault("has a number of more than 64 bits")
    }

    /// A length, and so many bytes.
    #[inline]
    pub(super) fn bytes(&mut self) -> Outcome<&'a [u8]> {
        let len = self.long()?;
        match usize::try_from(len) {
            Ok(len) => self.take(len),
            Err(_) => fault(format!("has a length of {len}")),
        }
    }

    /// The keys and values of a map of bytes.
    pub(super) fn each_entry(&mut self, mut entry: impl FnMut(&'a [u8], &'a [u8])) -> Outcome<()> {
        loop {
            let count = self.block()?;
            if count == 0 {
                return Ok(());
            }
            for _ in 0..count {
                let (key, value) = (self.bytes()?, self.bytes()?);
                entry(key, value);
            }
        }
    }

    /// How many values the next block has, none at the end.
    fn block(&mut self) -> Outcome<u64> {
        let count = self.long()?;
        if count < 0 {
            // Then the block's size in bytes comes first, for those that step over it.
            self.long()?;
        }
        Ok(count.unsigned_abs())
    }
}

/// Values within each other that are stepped over, at most: a type may hold itself.
const MAX_DEPTH: usize = 64;

/// Items of an array that have no bytes of their own, at most: of others there are no more than bytes.
const MAX_EMPTY_ITEMS: u64 = 1 << 20;

fn signed_of(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

impl Row {
    /// Appends the record at the front to the columns, a value to each.
    #[inline]
    pub(super) fn read(&self, schema: &Schema, bytes: &mut Bytes<'_>, columns: &mut [Column]) -> Outcome<()> {
        for step in &self.steps {
            match step {
                Step::Skip(id) => skip(schema, *id, bytes, 0)?,
                Step::Read { column, plan } => {
                    let column = &mut columns[*column];
                    if let Err(fault) = plan.read(schema, bytes, column) {
                        return Err(fault.within(column.field.name()));
                    }
                }
            }
        }
        for column in &self.missing {
            columns[*column].append_null();
        }
        Ok(())
    }
}

impl Plan {
    fn read(&self, schema: &Schema, bytes: &mut Bytes<'_>, column: &mut Column) -> Outcome<()> {
        match (self, &mut column.values) {
            (Self::Scalar(scalar), values) => scalar.read(bytes, values)?,
            (Self::Union(branches), _) => {
                let branch = bytes.long()?;
                return match usize::try_from(branch)
                    .ok()
                    .and_then(|branch| branches.get(branch))
                {
                    Some(plan) => plan.read(schema, bytes, column),
                    None => fault(format!("has branch {branch} of a union of {}", branches.len())),
                };
            }
            (Self::Null, _) => {
                column.append_null();
                return Ok(());
            }
            (Self::Row(row), Values::Row(columns)) => row.read(schema, bytes, columns)?,
            (Self::Array(plan), Values::Array(offsets, item)) => {
                each(bytes, |bytes| plan.read(schema, bytes, item))?;
                offsets.push(item.len() as i32);
            }
            (Self::Map(plan), Values::Map { offsets, key, value }) => {
                each(bytes, |bytes| {
                    text(bytes.bytes()?, &mut key.values)?;
                    key.end_value();
                    plan.read(schema, bytes, value)
                })?;
                offsets.push(key.len() as i32);
            }
            (Self::Refuse(reason), _) => return fault(reason.clone()),
            _ => return fault(NO_SUCH_COLUMN),
        }
        column.end_value();
        Ok(())
    }
}

const NO_SUCH_COLUMN: &str = "is read into a column of another type";

/// Does this for each value of blocks.
fn each(bytes: &mut Bytes<'_>, mut read: impl FnMut(&mut Bytes<'_>) -> Outcome<()>) -> Outcome<()> {
    loop {
        let count = bytes.block()?;
        if count == 0 {
            return Ok(());
        }
        if count > bytes.0.len() as u64 && count > MAX_EMPTY_ITEMS {
            return fault(format!("has a block of {count} values, which are not there"));
        }
        for _ in 0..count {
            read(bytes)?;
        }
    }
}

impl Scalar {
    #[inline]
    fn read(&self, bytes: &mut Bytes<'_>, values: &mut Values) -> Outcome<()> {
        match self {
            Self::Whole => return whole(bytes.long()?, values),
            Self::Text => return text(bytes.bytes()?, values),
            Self::InUnit { per_second, wanted } => {
                let written = bytes.long()?;
                return match in_unit(written, *per_second, *wanted) {
                    Some(number) => whole(number, values),
                    None => fault(format!("{written} is beyond what the column's type holds")),
                };
            }
            _ => {}
        }
        match (self, values) {
            (Self::Bool, Values::Bool(bits)) => match bytes.array()? {
                [0] => bits.append(false),
                [1] => bits.append(true),
                [other] => return fault(format!("has {other} for a boolean")),
            },
            (Self::Float, Values::Float32(vec)) => vec.push(f32::from_le_bytes(bytes.array()?)),
            (Self::Float, Values::Float64(vec)) => vec.push(f32::from_le_bytes(bytes.array()?).into()),
            (Self::Double, Values::Float64(vec)) => vec.push(f64::from_le_bytes(bytes.array()?)),
            (Self::Bytes, Values::Bytes(strings)) => {
                strings.bytes.extend_from_slice(bytes.bytes()?);
                strings.end();
            }
            (Self::Fixed(size), Values::Bytes(strings)) => {
                strings.bytes.extend_from_slice(bytes.take(*size)?);
                strings.end();
            }
            (Self::Enum(symbols), Values::Text(texts)) => {
                let index = bytes.long()?;
                match usize::try_from(index).ok().and_then(|index| symbols.get(index)) {
                    Some(symbol) => texts.bytes.extend_from_slice(symbol),
                    None => return fault(format!("has symbol {index} of an enum of {}", symbols.len())),
                }
                texts.end();
            }
            (Self::Uuid, Values::Text(texts)) => {
                write_uuid(bytes.array()?, &mut texts.bytes);
                texts.end();
            }
            (Self::Decimal { size, scale }, values) => {
                let digits = match size {
                    Some(size) => bytes.take(*size)?,
                    None => bytes.bytes()?,
                };
                return decimal(digits, *scale, values);
            }
            _ => return fault(NO_SUCH_COLUMN),
        }
        Ok(())
    }
}

#[inline]
fn whole(number: i64, values: &mut Values) -> Outcome<()> {
    fn narrow<T: TryFrom<i64>>(number: i64, vec: &mut Vec<T>) -> Outcome<()> {
        match T::try_from(number) {
            Ok(number) => {
                vec.push(number);
                Ok(())
            }
            Err(_) => fault(format!("{number} is beyond what the column's type holds")),
        }
    }
    match values {
        Values::Int64(vec) | Values::Timestamp { values: vec, .. } | Values::Time64(vec, _) => {
            vec.push(number);
        }
        Values::Int32(vec) | Values::Date(vec) | Values::Time32(vec, _) => return narrow(number, vec),
        Values::Int16(vec) => return narrow(number, vec),
        Values::Int8(vec) => return narrow(number, vec),
        Values::Float64(vec) => vec.push(number as f64),
        Values::Float32(vec) => vec.push(number as f32),
        _ => return fault(NO_SUCH_COLUMN),
    }
    Ok(())
}

/// A count of units in others; what is below them is cut off towards the past.
fn in_unit(number: i64, per_second: i64, wanted: i64) -> Option<i64> {
    if wanted >= per_second {
        number.checked_mul(wanted / per_second)
    } else {
        Some(number.div_euclid(per_second / wanted))
    }
}

#[inline]
fn text(bytes: &[u8], values: &mut Values) -> Outcome<()> {
    let Values::Text(texts) = values else {
        return fault(NO_SUCH_COLUMN);
    };
    if std::str::from_utf8(bytes).is_err() {
        return fault(format!("{} is not UTF-8", shown(bytes)));
    }
    texts.bytes.extend_from_slice(bytes);
    texts.end();
    Ok(())
}

fn decimal(digits: &[u8], written: u32, values: &mut Values) -> Outcome<()> {
    let Values::Decimal {
        values,
        precision,
        scale,
    } = values
    else {
        return fault(NO_SUCH_COLUMN);
    };
    let number = signed(digits).and_then(|number| rescale(number, i64::from(*scale) - i64::from(written)));
    let limit = 10_i128.checked_pow(u32::from(*precision));
    match number.filter(|number| limit.is_none_or(|limit| -limit < *number && *number < limit)) {
        Some(number) => {
            values.push(number);
            Ok(())
        }
        None => fault(format!("has more digits than DECIMAL({precision}, {scale})")),
    }
}

/// A two's complement number, the highest byte first.
fn signed(bytes: &[u8]) -> Option<i128> {
    let fill = if bytes.first().is_some_and(|first| *first >= 0x80) {
        0xff
    } else {
        0
    };
    let excess = bytes.len().saturating_sub(16);
    let (before, last) = bytes.split_at(excess);
    let mut all = [fill; 16];
    all[16 - last.len()..].copy_from_slice(last);
    let fits = before.iter().all(|byte| *byte == fill) && (excess == 0 || (all[0] >= 0x80) == (fill == 0xff));
    fits.then(|| i128::from_be_bytes(all))
}

/// The number with so many decimal digits more, or fewer, rounded half up.
fn rescale(number: i128, digits: i64) -> Option<i128> {
    let power = 10_i128.checked_pow(u32::try_from(digits.unsigned_abs()).ok()?);
    if digits >= 0 {
        return if number == 0 {
            Some(0)
        } else {
            number.checked_mul(power?)
        };
    }
    let Some(power) = power else {
        return Some(0);
    };
    let (whole, rest) = (number / power, number % power);
    Some(if rest.abs() >= power - rest.abs() {
        whole + number.signum()
    } else {
        whole
    })
}

fn write_uuid(bytes: [u8; 16], out: &mut Vec<u8>) {
    let hex = b"0123456789abcdef";
    for (nth, byte) in bytes.iter().enumerate() {
        if matches!(nth, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend([hex[usize::from(byte >> 4)], hex[usize::from(byte & 15)]]);
    }
}

/// Steps over a value.
fn skip(schema: &Schema, id: Id, bytes: &mut Bytes<'_>, depth: usize) -> Outcome<()> {
    if depth > MAX_DEPTH {
        return fault(format!("has more than {MAX_DEPTH} values within each other"));
    }
    let inner = |id: Id, bytes: &mut Bytes<'_>| skip(schema, id, bytes, depth + 1);
    match schema.kind(id) {
        Kind::Null => {}
        Kind::Boolean => {
            bytes.take(1)?;
        }
        Kind::Int | Kind::Long | Kind::Enum(_) => {
            bytes.long()?;
        }
        Kind::Float => {
            bytes.take(4)?;
        }
        Kind::Double => {
            bytes.take(8)?;
        }
        Kind::Bytes | Kind::String => {
            bytes.bytes()?;
        }
        Kind::Fixed(size) => {
            bytes.take(*size)?;
        }
        Kind::Record { fields, .. } => {
            for field in fields {
                inner(field.id, bytes)?;
            }
        }
        Kind::Union(branches) => {
            let branch = bytes.long()?;
            match usize::try_from(branch)
                .ok()
                .and_then(|branch| branches.get(branch))
            {
                Some(id) => inner(*id, bytes)?,
                None => return fault(format!("has branch {branch} of a union of {}", branches.len())),
            }
        }
        Kind::Array(item) => each(bytes, |bytes| inner(*item, bytes))?,
        Kind::Map(value) => each(bytes, |bytes| {
            bytes.bytes()?;
            inner(*value, bytes)
        })?,
    }
    Ok(())
}
