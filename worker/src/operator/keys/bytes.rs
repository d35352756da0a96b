//! Byte strings as keys: one string column, or compound keys as `arrow-row` bytes.

use std::{hash::BuildHasher, ops::Range, sync::Arc};

use arrow_array::{Array, ArrayRef, BinaryArray, OffsetSizeTrait, cast::AsArray, make_array};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{ArrowError, DataType};
use foldhash::fast::FixedState;
use weir_model::Failure;

use super::slots::Slots;
use crate::operator::columns;

/// Distinct byte strings, end to end in one buffer.
#[derive(Debug)]
struct Interner {
    slots: Slots,
    hasher: FixedState,
    bytes: Vec<u8>,
    /// Where string i ends; it starts where the one before ends.
    ends: Vec<usize>,
}

impl Interner {
    fn new() -> Self {
        Self {
            slots: Slots::new(),
            hasher: FixedState::with_seed(0),
            bytes: Vec::new(),
            ends: Vec::new(),
        }
    }

    #[inline]
    fn group(&mut self, key: &[u8]) -> u32 {
        let Self {
            slots,
            hasher,
            bytes,
            ends,
        } = self;
        let seen = (bytes.as_slice(), ends.as_slice());
        let next = ends.len() as u32;
        let group = slots.find_or_insert(hasher.hash_one(key), |g| string(seen, g as usize) == key, || next);
        if group == next {
            bytes.extend_from_slice(key);
            ends.push(bytes.len());
        }
        group
    }

    fn push_placeholder(&mut self) -> u32 {
        self.ends.push(self.bytes.len());
        self.ends.len() as u32 - 1
    }

    /// Gives the string of a group the next group.
    fn renew(&mut self, group: u32) -> u32 {
        let range = self.start(group as usize)..self.ends[group as usize];
        let word = self.hasher.hash_one(&self.bytes[range.clone()]);
        let new = self.ends.len() as u32;
        self.slots.redirect(word, group, new);
        self.bytes.extend_from_within(range);
        self.ends.push(self.bytes.len());
        new
    }

    fn get(&self, group: usize) -> &[u8] {
        string((&self.bytes, &self.ends), group)
    }

    fn start(&self, group: usize) -> usize {
        if group == 0 { 0 } else { self.ends[group - 1] }
    }

    fn clear(&mut self) {
        self.slots.clear();
        self.bytes.clear();
        self.ends.clear();
    }
}

#[inline]
fn string<'a>((bytes, ends): (&'a [u8], &[usize]), group: usize) -> &'a [u8] {
    let start = if group == 0 { 0 } else { ends[group - 1] };
    &bytes[start..ends[group]]
}

/// One string or binary key; null is a group of its own.
#[derive(Debug)]
pub(super) struct StringTable {
    data_type: DataType,
    interner: Interner,
    null_group: Option<u32>,
}

impl StringTable {
    pub(super) fn supports(data_type: &DataType) -> bool {
        matches!(
            data_type,
            DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
        )
    }

    pub(super) fn new(data_type: DataType) -> Self {
        Self {
            data_type,
            interner: Interner::new(),
            null_group: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.interner.ends.len()
    }

    pub(super) fn intern(&mut self, keys: &ArrayRef, ids: &mut Vec<u32>) {
        match keys.data_type() {
            DataType::Utf8 => self.extend(keys.as_string::<i32>().iter().map(|k| k.map(str::as_bytes)), ids),
            DataType::LargeUtf8 => {
                self.extend(keys.as_string::<i64>().iter().map(|k| k.map(str::as_bytes)), ids);
            }
            DataType::Utf8View => {
                self.extend(keys.as_string_view().iter().map(|k| k.map(str::as_bytes)), ids);
            }
            DataType::Binary => self.extend(keys.as_binary::<i32>().iter(), ids),
            DataType::LargeBinary => self.extend(keys.as_binary::<i64>().iter(), ids),
            DataType::BinaryView => self.extend(keys.as_binary_view().iter(), ids),
            other => unreachable!("keys of {other} are for another table"),
        }
    }

    fn extend<'a>(&mut self, keys: impl Iterator<Item = Option<&'a [u8]>>, ids: &mut Vec<u32>) {
        ids.extend(keys.map(|key| {
            match key {
                Some(key) => self.interner.group(key),
                None => *self
                    .null_group
                    .get_or_insert_with(|| self.interner.push_placeholder()),
            }
        }));
    }

    pub(super) fn renew(&mut self, groups: &[u32]) {
        for &group in groups {
            if self.null_group == Some(group) {
                self.null_group = Some(self.interner.push_placeholder());
            } else {
                self.interner.renew(group);
            }
        }
    }

    pub(super) fn keys(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        let null = self.null_group.map(|g| g as usize).filter(|g| groups.contains(g));
        let nulls = null.map(|null| {
            NullBuffer::new(BooleanBuffer::collect_bool(groups.len(), |i| {
                groups.start + i != null
            }))
        });
        match self.data_type {
            DataType::LargeUtf8 | DataType::LargeBinary => self.build::<i64>(&self.data_type, groups, nulls),
            DataType::Utf8 | DataType::Binary => self.build::<i32>(&self.data_type, groups, nulls),
            DataType::Utf8View => columns::cast(
                &self.build::<i32>(&DataType::Utf8, groups, nulls)?,
                &self.data_type,
            ),
            _ => columns::cast(
                &self.build::<i32>(&DataType::Binary, groups, nulls)?,
                &self.data_type,
            ),
        }
    }

    pub(super) fn keys_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        let key = |&group: &u32| (self.null_group != Some(group)).then(|| self.interner.get(group as usize));
        let bytes: ArrayRef = Arc::new(groups.iter().map(key).collect::<BinaryArray>());
        columns::cast(&bytes, &self.data_type)
    }

    fn build<O: OffsetSizeTrait>(
        &self,
        data_type: &DataType,
        groups: Range<usize>,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, Failure> {
        let first = self.interner.start(groups.start);
        let lengths = groups.clone().map(|g| self.interner.get(g).len());
        let end = first + lengths.clone().sum::<usize>();
        if O::from_usize(end - first).is_none() {
            return Err(Failure::user(
                "the keys of 8192 groups exceed 2 GiB; group by shorter strings",
            ));
        }
        let offsets = OffsetBuffer::<O>::from_lengths(lengths);
        let bytes = Buffer::from(&self.interner.bytes[first..end]);
        let data = ArrayData::builder(data_type.clone())
            .len(groups.len())
            .add_buffer(ScalarBuffer::from(offsets).into_inner())
            .add_buffer(bytes)
            .nulls(nulls)
            .build();
        data.map(make_array)
            .map_err(|e| Failure::internal(format!("cannot rebuild string keys: {e}")))
    }

    pub(super) fn clear(&mut self) {
        self.interner.clear();
        self.null_group = None;
    }
}

/// Several keys, or one of a type that the other tables don't take, as `arrow-row` bytes.
#[derive(Debug)]
pub(super) struct RowTable {
    converter: RowConverter,
    rows: Rows,
    interner: Interner,
}

impl RowTable {
    pub(super) fn new(types: &[DataType]) -> Result<Self, Failure> {
        let fields = types.iter().map(|t| SortField::new(t.clone())).collect();
        let converter = RowConverter::new(fields)
            .map_err(|e| Failure::user(format!("cannot group by these columns: {e}")))?;
        let rows = converter.empty_rows(0, 0);
        Ok(Self {
            converter,
            rows,
            interner: Interner::new(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.interner.ends.len()
    }

    pub(super) fn intern(&mut self, keys: &[ArrayRef], ids: &mut Vec<u32>) -> Result<(), Failure> {
        self.rows.clear();
        self.converter
            .append(&mut self.rows, keys)
            .map_err(|e| not_keys(&e))?;
        ids.extend(self.rows.iter().map(|row| self.interner.group(row.data())));
        Ok(())
    }

    pub(super) fn renew(&mut self, groups: &[u32]) {
        for &group in groups {
            self.interner.renew(group);
        }
    }

    pub(super) fn keys(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        let parser = self.converter.parser();
        self.converter
            .convert_rows(groups.map(|g| parser.parse(self.interner.get(g))))
            .map_err(|e| not_keys(&e))
    }

    pub(super) fn keys_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let parser = self.converter.parser();
        let rows = groups
            .iter()
            .map(|&g| parser.parse(self.interner.get(g as usize)));
        self.converter.convert_rows(rows).map_err(|e| not_keys(&e))
    }

    pub(super) fn clear(&mut self) {
        self.interner.clear();
    }
}

fn not_keys(error: &ArrowError) -> Failure {
    Failure::internal(format!("rows do not have the planned key columns: {error}"))
}
