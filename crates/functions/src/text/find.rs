//! Where a text stands in another; splitting, replacing, tests.

use arrow_array::{
    ArrayRef,
    types::{Int32Type, Int64Type},
};
use arrow_schema::DataType;
use datafusion_common::{Result, exec_err};

use crate::call::{Call, Text};

/// The position of the first occurrence at or after the 0-based position `from`, from 1; 0 if there is none.
fn position(needle: &str, text: &str, from: i64) -> i32 {
    if needle.is_empty() {
        return 1;
    }
    let skipped = from.max(0) as usize;
    let start = if text.is_ascii() {
        skipped.min(text.len())
    } else {
        text.char_indices().nth(skipped).map_or(text.len(), |(at, _)| at)
    };
    match text[start..].find(needle) {
        Some(at) if text.is_ascii() => (start + at) as i32 + 1,
        Some(at) => text[..start + at].chars().count() as i32 + 1,
        None => 0,
    }
}

pub(super) fn instr(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, needle) = (call.text(0)?, call.text(1)?);
    Ok(call.numbers::<Int32Type>(|row| Some(position(needle.get(row)?, text.get(row)?, 0))))
}

/// `LOCATE(needle, text [, from])` and `POSITION(needle IN text)`.
pub(super) fn locate(call: &Call<'_>) -> Result<ArrayRef> {
    let (needle, text) = (call.text(0)?, call.text(1)?);
    let from = if call.count() > 2 {
        Some(call.values::<Int64Type>(2)?)
    } else {
        None
    };
    Ok(call.numbers::<Int32Type>(|row| {
        let from = match &from {
            Some(from) => from.get(row)?.saturating_sub(1),
            None => 0,
        };
        Some(position(needle.get(row)?, text.get(row)?, from))
    }))
}

pub(super) fn starts_with(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, start) = (call.text(0)?, call.text(1)?);
    Ok(call.truths(|row| Some(text.get(row)?.starts_with(start.get(row)?))))
}

pub(super) fn ends_with(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, end) = (call.text(0)?, call.text(1)?);
    Ok(call.truths(|row| Some(text.get(row)?.ends_with(end.get(row)?))))
}

/// An empty text to look for stands before and after every character.
pub(super) fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, old, new) = (call.text(0)?, call.text(1)?, call.text(2)?);
    call.texts(|row, out| {
        let (text, old, new) = (text.get(row)?, old.get(row)?, new.get(row)?);
        if let (&[byte], "") = (old.as_bytes(), new) {
            without_byte(text, byte, out);
            return Some(());
        }
        let mut from = 0;
        for (at, found) in text.match_indices(old) {
            out.push_str(&text[from..at]);
            out.push_str(new);
            from = at + found.len();
        }
        out.push_str(&text[from..]);
        Some(())
    })
}

/// Leaves one ASCII character out: every byte is written, and the next one over it if it was to go, so that nothing branches.
fn without_byte(text: &str, left_out: u8, out: &mut String) {
    let start = out.len();
    // SAFETY: what is left of UTF-8 without some of its ASCII characters is UTF-8, and what is behind it is cut off.
    let bytes = unsafe { out.as_mut_vec() };
    bytes.resize(start + text.len(), 0);
    let mut end = start;
    for &byte in text.as_bytes() {
        bytes[end] = byte;
        end += usize::from(byte != left_out);
    }
    bytes.truncate(end);
}

/// Replaces characters by those at the same place of the other list; those beyond its end go.
pub(super) fn translate(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, from, to) = (call.text(0)?, call.text(1)?, call.text(2)?);
    call.texts(|row, out| {
        let (text, from, to) = (text.get(row)?, from.get(row)?, to.get(row)?);
        out.extend(
            text.chars()
                .filter_map(|c| match from.chars().position(|f| f == c) {
                    Some(place) => to.chars().nth(place),
                    None => Some(c),
                }),
        );
        Some(())
    })
}

/// `SPLIT_INDEX(text, separator, index)`: the part at the index, from 0. The separator is a text or a character's code;
/// an empty one is white space. An empty text has no parts.
pub(super) fn split_index(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, index) = (call.text(0)?, call.values::<Int64Type>(2)?);
    let by_text = |separator: Text<'_>| {
        call.texts(|row, out| {
            let part = part(text.get(row)?, separator.get(row)?, index.get(row)?)?;
            out.push_str(part);
            Some(())
        })
    };
    match call.args[1].data_type() {
        DataType::Utf8 => by_text(call.text(1)?),
        DataType::Null => by_text(Text::One(None)),
        DataType::Int32 => {
            let code = call.values::<Int32Type>(1)?;
            split_by_code(
                call,
                text,
                |row| code.get(row).map(i64::from),
                |row| index.get(row),
            )
        }
        DataType::Int64 => {
            let code = call.values::<Int64Type>(1)?;
            split_by_code(call, text, |row| code.get(row), |row| index.get(row))
        }
        other => exec_err!("the separator of SPLIT_INDEX is a STRING or an INT, not {other}"),
    }
}

fn split_by_code(
    call: &Call<'_>,
    text: Text<'_>,
    code: impl Fn(usize) -> Option<i64>,
    index: impl Fn(usize) -> Option<i64>,
) -> Result<ArrayRef> {
    call.texts(|row, out| {
        let code = code(row).filter(|code| (0..=255).contains(code))?;
        let mut buffer = [0; 4];
        let separator = char::from(code as u8).encode_utf8(&mut buffer);
        out.push_str(part(text.get(row)?, separator, index(row)?)?);
        Some(())
    })
}

fn part<'a>(text: &'a str, separator: &str, index: i64) -> Option<&'a str> {
    let index = usize::try_from(index).ok()?;
    if text.is_empty() {
        return None;
    }
    match separator.as_bytes() {
        [] => text.split(char::is_whitespace).nth(index),
        &[byte] => nth_part(text, byte, index),
        _ => text.split(separator).nth(index),
    }
}

/// The part between single bytes, which is what separators mostly are.
fn nth_part(text: &str, separator: u8, index: usize) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut ends = (0..bytes.len()).filter(|at| bytes[*at] == separator);
    let start = match index.checked_sub(1) {
        None => 0,
        Some(before) => ends.nth(before)? + 1,
    };
    Some(&text[start..ends.next().unwrap_or(bytes.len())])
}

pub(super) fn is_alpha(call: &Call<'_>) -> Result<ArrayRef> {
    test(call, |text| {
        !text.is_empty() && text.chars().all(char::is_alphabetic)
    })
}

pub(super) fn is_digit(call: &Call<'_>) -> Result<ArrayRef> {
    test(call, |text| {
        !text.is_empty() && text.chars().all(char::is_numeric)
    })
}

pub(super) fn is_decimal(call: &Call<'_>) -> Result<ArrayRef> {
    test(call, |text| {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        digits.bytes().any(|b| b.is_ascii_digit())
            && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && digits.bytes().filter(|b| *b == b'.').count() <= 1
    })
}

/// False for null.
fn test(call: &Call<'_>, passes: impl Fn(&str) -> bool) -> Result<ArrayRef> {
    let text = call.text(0)?;
    Ok(call.truths(|row| Some(text.get(row).is_some_and(&passes))))
}
