//! Parts of texts, padding, repetition, concatenation.

use arrow_array::{
    ArrayRef,
    types::{Int32Type, Int64Type},
};
use datafusion_common::Result;

use crate::call::{Call, Text};

/// The longest text that padding and repetition make, in characters.
const MAX_CHARS: i64 = 1 << 28;

/// Where the `n`th character begins; the end if there are fewer.
fn offset(text: &str, n: usize) -> usize {
    if text.is_ascii() {
        return n.min(text.len());
    }
    text.char_indices().nth(n).map_or(text.len(), |(at, _)| at)
}

fn length(text: &str) -> i64 {
    if text.is_ascii() {
        text.len() as i64
    } else {
        text.chars().count() as i64
    }
}

/// The characters `from..to`, both at least 0.
fn chars(text: &str, from: i64, to: i64) -> &str {
    if from >= to {
        return "";
    }
    let text = &text[..offset(text, to as usize)];
    &text[offset(text, from as usize)..]
}

/// `SUBSTRING(text, from [, length])`: 0 is the first character too, negative positions count from the end.
pub(super) fn substring(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, from) = (call.text(0)?, call.values::<Int64Type>(1)?);
    let len = if call.count() > 2 {
        Some(call.values::<Int64Type>(2)?)
    } else {
        None
    };
    call.texts(|row, out| {
        let (text, from) = (text.get(row)?, from.get(row)?);
        let len = match &len {
            Some(len) => len.get(row)?,
            None => i64::MAX,
        };
        let start = match from {
            1.. => from - 1,
            0 => 0,
            _ => length(text) + from,
        };
        let end = start.saturating_add(len.max(0));
        out.push_str(chars(text, start.max(0), end.max(0)));
        Some(())
    })
}

pub(super) fn left(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, n) = (call.text(0)?, call.values::<Int64Type>(1)?);
    call.texts(|row, out| {
        out.push_str(chars(text.get(row)?, 0, n.get(row)?));
        Some(())
    })
}

pub(super) fn right(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, n) = (call.text(0)?, call.values::<Int64Type>(1)?);
    call.texts(|row, out| {
        let (text, n) = (text.get(row)?, n.get(row)?);
        if n > 0 {
            out.push_str(&text[offset(text, (length(text) - n).max(0) as usize)..]);
        }
        Some(())
    })
}

pub(super) fn lpad(call: &Call<'_>) -> Result<ArrayRef> {
    pad(call, true)
}

pub(super) fn rpad(call: &Call<'_>) -> Result<ArrayRef> {
    pad(call, false)
}

/// Null for a negative length and for nothing to pad with; a longer text is cut.
fn pad(call: &Call<'_>, before: bool) -> Result<ArrayRef> {
    let (text, to, with) = (call.text(0)?, call.values::<Int64Type>(1)?, call.text(2)?);
    call.texts(|row, out| {
        let (text, to, with) = (text.get(row)?, to.get(row)?, with.get(row)?);
        if !(0..=MAX_CHARS).contains(&to) || with.is_empty() {
            return None;
        }
        let missing = (to - length(text)).max(0) as usize;
        let kept = chars(text, 0, to);
        if !before {
            out.push_str(kept);
        }
        out.extend(with.chars().cycle().take(missing));
        if before {
            out.push_str(kept);
        }
        Some(())
    })
}

pub(super) fn repeat(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, times) = (call.text(0)?, call.values::<Int64Type>(1)?);
    call.try_texts(|row, out| {
        let (Some(text), Some(times)) = (text.get(row), times.get(row)) else {
            return Ok(None);
        };
        if times.saturating_mul(text.len() as i64) > MAX_CHARS {
            return datafusion_common::exec_err!("REPEAT makes a text of more than {MAX_CHARS} bytes");
        }
        for _ in 0..times.max(0) {
            out.push_str(text);
        }
        Ok(Some(()))
    })
}

pub(super) fn reverse(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    call.texts(|row, out| {
        out.extend(text.get(row)?.chars().rev());
        Some(())
    })
}

/// `OVERLAY(text PLACING other FROM position [FOR length])`.
pub(super) fn overlay(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, other, from) = (call.text(0)?, call.text(1)?, call.values::<Int64Type>(2)?);
    let len = if call.count() > 3 {
        Some(call.values::<Int64Type>(3)?)
    } else {
        None
    };
    call.texts(|row, out| {
        let (text, other, from) = (text.get(row)?, other.get(row)?, from.get(row)?);
        let len = match &len {
            Some(len) => len.get(row)?,
            None => length(other),
        };
        if from <= 0 || from > length(text) {
            out.push_str(text);
            return Some(());
        }
        out.push_str(chars(text, 0, from - 1));
        out.push_str(other);
        if len > 0 {
            out.push_str(chars(text, (from - 1).saturating_add(len), i64::MAX));
        }
        Some(())
    })
}

/// Only ASCII letters change, and only they and digits make words.
pub(super) fn initcap(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    call.texts(|row, out| {
        let mut inside = false;
        out.extend(text.get(row)?.chars().map(|c| {
            let changed = if inside {
                c.to_ascii_lowercase()
            } else {
                c.to_ascii_uppercase()
            };
            inside = c.is_ascii_alphanumeric();
            changed
        }));
        Some(())
    })
}

fn all_texts<'a>(call: &Call<'a>) -> Result<Vec<Text<'a>>> {
    (0..call.count()).map(|index| call.text(index)).collect()
}

/// Null if any is.
pub(super) fn concat(call: &Call<'_>) -> Result<ArrayRef> {
    let parts = all_texts(call)?;
    call.texts(|row, out| {
        parts
            .iter()
            .try_for_each(|part| part.get(row).map(|part| out.push_str(part)))
    })
}

/// Leaves nulls out; null if the separator is.
pub(super) fn concat_ws(call: &Call<'_>) -> Result<ArrayRef> {
    let parts = all_texts(call)?;
    call.texts(|row, out| {
        let separator = parts[0].get(row)?;
        let mut some = parts[1..].iter().filter_map(|part| part.get(row));
        out.push_str(some.next().unwrap_or_default());
        for part in some {
            out.push_str(separator);
            out.push_str(part);
        }
        Some(())
    })
}

/// The `n`th of the texts, from 1.
pub(super) fn elt(call: &Call<'_>) -> Result<ArrayRef> {
    let index = call.values::<Int64Type>(0)?;
    let texts = (1..call.count())
        .map(|i| call.text(i))
        .collect::<Result<Vec<_>>>()?;
    call.texts(|row, out| {
        let index = usize::try_from(index.get(row)?).ok()?.checked_sub(1)?;
        out.push_str(texts.get(index)?.get(row)?);
        Some(())
    })
}

/// The character of the number's last byte.
pub(super) fn chr(call: &Call<'_>) -> Result<ArrayRef> {
    let number = call.values::<Int64Type>(0)?;
    call.texts(|row, out| {
        let number = number.get(row)?;
        if number >= 0 {
            out.push(char::from(number as u8));
        }
        Some(())
    })
}

/// The first byte, signed as Java's are; 0 of an empty text.
pub(super) fn ascii(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    Ok(call.numbers::<Int32Type>(|row| {
        text.get(row)
            .map(|text| text.as_bytes().first().map_or(0, |byte| i32::from(*byte as i8)))
    }))
}

pub(super) fn trim(call: &Call<'_>) -> Result<ArrayRef> {
    trim_ends(call, true, true)
}

pub(super) fn ltrim(call: &Call<'_>) -> Result<ArrayRef> {
    trim_ends(call, true, false)
}

pub(super) fn rtrim(call: &Call<'_>) -> Result<ArrayRef> {
    trim_ends(call, false, true)
}

/// Takes any of the characters off; blanks unless they are given.
fn trim_ends(call: &Call<'_>, start: bool, end: bool) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let given = if call.count() > 1 {
        call.text(1)?
    } else {
        Text::One(Some(" "))
    };
    call.texts(|row, out| {
        let (mut text, given) = (text.get(row)?, given.get(row)?);
        if start {
            text = text.trim_start_matches(|c| given.contains(c));
        }
        if end {
            text = text.trim_end_matches(|c| given.contains(c));
        }
        out.push_str(text);
        Some(())
    })
}
