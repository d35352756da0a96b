//! One fixed-width key of at most 8 bytes: numbers, dates, times, timestamps. Equal keys must have equal bits.

use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, NullBuffer};
use arrow_schema::DataType;

use super::slots::Slots;
use crate::operator::columns;

/// Keys as their bits, zero-extended; null is a group of its own.
#[derive(Debug)]
pub(super) struct WordTable {
    data_type: DataType,
    slots: Slots,
    /// The key of each group; 0 for the null group.
    words: Vec<u64>,
    null_group: Option<u32>,
}

impl WordTable {
    pub(super) fn supports(data_type: &DataType) -> bool {
        matches!(data_type.primitive_width(), Some(1 | 2 | 4 | 8))
    }

    pub(super) fn new(data_type: DataType) -> Self {
        Self {
            data_type,
            slots: Slots::new(),
            words: Vec::new(),
            null_group: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    pub(super) fn intern(&mut self, keys: &ArrayRef, ids: &mut Vec<u32>) {
        let nulls = keys.nulls();
        match keys.data_type().primitive_width() {
            Some(1) => self.intern_words(&columns::values::<u8>(keys), nulls, ids),
            Some(2) => self.intern_words(&columns::values::<u16>(keys), nulls, ids),
            Some(4) => self.intern_words(&columns::values::<u32>(keys), nulls, ids),
            Some(8) => self.intern_words(&columns::values::<u64>(keys), nulls, ids),
            width => unreachable!("keys of {width:?} bytes are for another table"),
        }
    }

    fn intern_words<N: Copy + Into<u64>>(
        &mut self,
        keys: &[N],
        nulls: Option<&NullBuffer>,
        ids: &mut Vec<u32>,
    ) {
        match nulls.filter(|n| n.null_count() > 0) {
            None => ids.extend(keys.iter().map(|&key| self.group(key.into()))),
            Some(nulls) => ids.extend(keys.iter().zip(nulls).map(|(&key, valid)| {
                if valid {
                    self.group(key.into())
                } else {
                    self.null_group()
                }
            })),
        }
    }

    #[inline]
    fn group(&mut self, word: u64) -> u32 {
        let words = &mut self.words;
        self.slots.find_or_insert(
            word,
            |_| true,
            || {
                words.push(word);
                words.len() as u32 - 1
            },
        )
    }

    fn null_group(&mut self) -> u32 {
        *self.null_group.get_or_insert_with(|| {
            self.words.push(0);
            self.words.len() as u32 - 1
        })
    }

    pub(super) fn renew(&mut self, groups: &[u32]) {
        for &group in groups {
            let new = self.words.len() as u32;
            let word = self.words[group as usize];
            self.words.push(word);
            if self.null_group == Some(group) {
                self.null_group = Some(new);
            } else {
                self.slots.redirect(word, group, new);
            }
        }
    }

    pub(super) fn keys(&self, groups: Range<usize>) -> ArrayRef {
        let null = self.null_group.map(|g| g as usize).filter(|g| groups.contains(g));
        let nulls = null.map(|null| {
            NullBuffer::new(BooleanBuffer::collect_bool(groups.len(), |i| {
                groups.start + i != null
            }))
        });
        column(&self.data_type, &self.words[groups], nulls)
    }

    pub(super) fn keys_of(&self, groups: &[u32]) -> ArrayRef {
        let words: Vec<u64> = groups.iter().map(|&group| self.words[group as usize]).collect();
        let nulls = self
            .null_group
            .filter(|null| groups.contains(null))
            .map(|null| NullBuffer::new(BooleanBuffer::collect_bool(groups.len(), |i| groups[i] != null)));
        column(&self.data_type, &words, nulls)
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.words.clear();
        self.null_group = None;
    }
}

/// Words as a column of the type that they were widened from.
pub(super) fn column(data_type: &DataType, words: &[u64], nulls: Option<NullBuffer>) -> ArrayRef {
    match data_type.primitive_width() {
        Some(1) => columns::column(data_type, narrow::<u8>(words), nulls),
        Some(2) => columns::column(data_type, narrow::<u16>(words), nulls),
        Some(4) => columns::column(data_type, narrow::<u32>(words), nulls),
        Some(8) => columns::column(data_type, words.to_vec(), nulls),
        width => unreachable!("keys of {width:?} bytes are for another table"),
    }
}

/// The low bytes of words, which were widened from this type.
fn narrow<N: ArrowNativeType>(words: &[u64]) -> Vec<N> {
    words.iter().map(|&word| N::usize_as(word as usize)).collect()
}
