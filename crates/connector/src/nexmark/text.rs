//! Columns of strings.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};

use super::{
    config::Kind,
    generator::Rows,
    random::{LETTERS, Stream, Words, below, letters},
};

const SHORTEST: u64 = 3;

/// A column of strings, each appended by `push` for its event number; `bytes` is their usual length.
pub(super) fn texts(
    rows: &Rows<'_>,
    kind: Kind,
    bytes: usize,
    mut push: impl FnMut(u64, &mut Vec<u8>),
) -> ArrayRef {
    let block = &rows.block;
    let mut offsets = Vec::with_capacity(block.rows + 1);
    let mut values = Vec::with_capacity((rows.count(kind) + 1) * bytes);
    offsets.push(0);
    for run in block.runs(kind) {
        offsets.resize(offsets.len() + run.gap, values.len() as i32);
        for n in run.events {
            push(n, &mut values);
            offsets.push(values.len() as i32);
        }
    }
    offsets.resize(block.rows + 1, values.len() as i32);
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Arc::new(StringArray::new(
        offsets,
        Buffer::from_vec(values),
        Some(rows.nulls(kind)),
    ))
}

/// Appends letters with a `special` one in thirteen times: at least 3, fewer than `longest`, without blanks around them.
pub(super) fn push_phrase(stream: Stream, n: u64, longest: u64, special: u8, out: &mut Vec<u8>) {
    let mut words = stream.words(n);
    let len = SHORTEST + below(words.next(), longest - SHORTEST);
    let start = out.len();
    let mut left = len;
    while left > 0 {
        let word = words.next();
        let count = left.min(4);
        out.extend((0..count).map(|place| character((word >> (16 * place)) as u16, special)));
        left -= count;
    }
    trim(start, out);
}

/// A character from 16 bits: the upper part of a product decides on `special`, the lower part on the letter.
fn character(bits: u16, special: u8) -> u8 {
    let product = u32::from(bits) * 13;
    match product >> 16 {
        0 => special,
        _ => b'a' + (((product & 0xffff) * 26) >> 16) as u8,
    }
}

fn trim(start: usize, out: &mut Vec<u8>) {
    let text = &out[start..];
    let kept = text.trim_ascii_end().len();
    let blanks = kept - text[..kept].trim_ascii_start().len();
    out.truncate(start + kept);
    out.drain(start..start + blanks);
}

/// Appends letters so that with them an event of `size` bytes has `average` bytes on average, within a fifth.
#[inline]
pub(super) fn push_extra(mut words: Words, size: u32, average: u32, out: &mut Vec<u8>) {
    let len = extra_len(words.next(), size, average);
    let start = out.len();
    for _ in 0..len.div_ceil(LETTERS) {
        out.extend_from_slice(&letters(&mut words));
    }
    out.truncate(start + len);
}

#[inline]
fn extra_len(word: u64, size: u32, average: u32) -> usize {
    let Some(wanted) = average.checked_sub(size) else {
        return 0;
    };
    let spread = (2 * wanted + 5) / 10;
    (u64::from(wanted - spread) + below(word, 2 * u64::from(spread))) as usize
}
