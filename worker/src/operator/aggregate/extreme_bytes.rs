//! MIN and MAX of strings and byte strings, by their bytes; of no values null.

use std::{ops::Range, sync::Arc};

use arrow_array::{ArrayRef, BinaryArray, cast::AsArray};
use arrow_schema::DataType;
use weir_model::Failure;

use super::Accumulator;
use crate::operator::{columns, keys::Groups};

/// Bytes of replaced values that may lie around before the buffer is packed.
const SLACK_BYTES: usize = 1 << 16;

/// The least string per group, or the greatest, in one buffer.
#[derive(Debug)]
pub(super) struct ExtremeBytes<const GREATEST: bool> {
    data_type: DataType,
    bytes: Vec<u8>,
    /// Where each group's value lies in `bytes`.
    spans: Vec<Option<Span>>,
    live_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    len: usize,
}

impl<const GREATEST: bool> ExtremeBytes<GREATEST> {
    /// Of values of this string or binary type.
    pub(super) fn new(data_type: DataType) -> Self {
        Self {
            data_type,
            bytes: Vec::new(),
            spans: Vec::new(),
            live_bytes: 0,
        }
    }

    fn offer(&mut self, group: usize, value: &[u8]) {
        let best = self.spans[group];
        if let Some(Span { start, len }) = best {
            let best = &self.bytes[start..start + len];
            if if GREATEST { value <= best } else { value >= best } {
                return;
            }
        }
        self.live_bytes = self.live_bytes + value.len() - best.map_or(0, |span| span.len);
        self.spans[group] = Some(match best {
            Some(Span { start, len }) if value.len() <= len => {
                self.bytes[start..start + value.len()].copy_from_slice(value);
                Span {
                    start,
                    len: value.len(),
                }
            }
            _ => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(value);
                Span {
                    start,
                    len: value.len(),
                }
            }
        });
    }

    #[cfg(test)]
    pub(super) fn buffered_bytes(&self) -> usize {
        self.bytes.len()
    }

    fn pack(&mut self) {
        if self.bytes.len() <= 2 * self.live_bytes + SLACK_BYTES {
            return;
        }
        let mut packed = Vec::with_capacity(self.live_bytes);
        for span in self.spans.iter_mut().flatten() {
            let start = packed.len();
            packed.extend_from_slice(&self.bytes[span.start..span.start + span.len]);
            span.start = start;
        }
        self.bytes = packed;
    }

    fn column(&self, spans: impl Iterator<Item = Option<Span>>) -> Result<ArrayRef, Failure> {
        let values = spans.map(|s| s.map(|s| &self.bytes[s.start..s.start + s.len]));
        columns::cast(
            &(Arc::new(values.collect::<BinaryArray>()) as ArrayRef),
            &self.data_type,
        )
    }
}

impl<const GREATEST: bool> Accumulator for ExtremeBytes<GREATEST> {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        let column = column.ok_or_else(|| Failure::internal("a MIN or MAX without an argument"))?;
        self.spans.resize(groups.total, None);
        let group = |row: usize| groups.ids.map_or(0, |ids| ids[row] as usize);
        let binary = columns::cast(column, &DataType::Binary)?;
        for (row, value) in binary.as_binary::<i32>().iter().enumerate() {
            if let Some(value) = value {
                self.offer(group(row), value);
            }
        }
        self.pack();
        Ok(())
    }

    fn merge(&mut self, groups: Groups<'_>, partial: &[ArrayRef]) -> Result<(), Failure> {
        self.update(groups, Some(&partial[0]))
    }

    fn partial(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.finish(groups)?])
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        self.column(self.spans[groups].iter().copied())
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        self.column(groups.iter().map(|&group| self.spans[group as usize]))
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![self.data_type.clone()]
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.finish_of(groups)?])
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.spans = groups.iter().map(|&group| self.spans[group as usize]).collect();
        self.live_bytes = self.spans.iter().flatten().map(|span| span.len).sum();
        self.pack();
        Ok(())
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
        self.live_bytes = 0;
    }
}
