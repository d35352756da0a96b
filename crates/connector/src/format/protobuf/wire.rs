//! How Protobuf's messages are written: numbers, lengths, and what is stepped over.

use crate::format::fault::{Outcome, cut_off, fault};

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    #[inline]
    pub(super) fn take(&mut self, len: u64) -> Outcome<&'a [u8]> {
        match usize::try_from(len)
            .ok()
            .and_then(|len| self.0.split_at_checked(len))
        {
            Some((taken, rest)) => {
                self.0 = rest;
                Ok(taken)
            }
            None => cut_off(),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Outcome<[u8; N]> {
        match self.0.split_first_chunk() {
            Some((taken, rest)) => {
                self.0 = rest;
                Ok(*taken)
            }
            None => cut_off(),
        }
    }

    /// A number of seven bits a byte, the lowest first.
    #[inline]
    pub(super) fn varint(&mut self) -> Outcome<u64> {
        if let [first, rest @ ..] = self.0
            && *first < 0x80
        {
            self.0 = rest;
            return Ok((*first).into());
        }
        let mut number = 0;
        for (nth, byte) in self.0.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * nth);
            if *byte < 0x80 {
                self.0 = &self.0[nth + 1..];
                return Ok(number);
            }
        }
        if self.0.len() < 10 {
            return cut_off();
        }
        fault("has a number of more than 10 bytes")
    }
}

/// How a field's bytes are found.
pub(super) const VARINT: u64 = 0;
pub(super) const FIXED64: u64 = 1;
pub(super) const DELIMITED: u64 = 2;
const GROUP: u64 = 3;
const END_GROUP: u64 = 4;
pub(super) const FIXED32: u64 = 5;

/// Groups within each other that are stepped over, at most.
const MAX_DEPTH: u32 = 64;

/// A value as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    pub(super) bits: u64,
    pub(super) bytes: &'a [u8],
}

#[inline]
pub(super) fn raw<'a>(wire: u64, bytes: &mut Bytes<'a>) -> Outcome<Raw<'a>> {
    let bits = |bits: u64| Raw { bits, bytes: &[] };
    Ok(match wire {
        VARINT => bits(bytes.varint()?),
        FIXED64 => bits(u64::from_le_bytes(bytes.array()?)),
        FIXED32 => bits(u32::from_le_bytes(bytes.array()?).into()),
        _ => {
            let len = bytes.varint()?;
            Raw {
                bits: 0,
                bytes: bytes.take(len)?,
            }
        }
    })
}

/// Steps over a field.
pub(super) fn skip(number: u64, wire: u64, bytes: &mut Bytes<'_>) -> Outcome<()> {
    match wire {
        VARINT | FIXED64 | FIXED32 | DELIMITED => {
            raw(wire, bytes)?;
            Ok(())
        }
        GROUP => skip_group(number, bytes),
        _ => fault(format!("has a field {number} that is written in no known way")),
    }
}

/// Steps over what is up to the end of a group, which old messages have.
#[cold]
fn skip_group(number: u64, bytes: &mut Bytes<'_>) -> Outcome<()> {
    let mut depth = 1;
    while depth > 0 {
        let tag = bytes.varint()?;
        match tag & 7 {
            GROUP if depth < MAX_DEPTH => depth += 1,
            END_GROUP => depth -= 1,
            wire @ (VARINT | FIXED64 | FIXED32 | DELIMITED) => {
                raw(wire, bytes)?;
            }
            _ => return fault(format!("has a group {number} that cannot be stepped over")),
        }
    }
    Ok(())
}
