//! Pairs of a group and one of its values, as DISTINCT needs them: numbers where words hold them, else as rows.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array, cast::AsArray, types::UInt32Type};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use arrow_select::filter::filter;
use weir_model::Failure;

use super::{
    GroupTable, normal,
    slots::Slots,
    word::{self, WordTable},
};
use crate::operator::columns;

/// The number of a pair that is none, because its value is null.
pub(in crate::operator) const NO_PAIR: u32 = u32::MAX;

/// Numbers distinct pairs in the order in which they are first seen.
#[derive(Debug)]
pub(in crate::operator) struct PairTable {
    value: DataType,
    pairs: Pairs,
    numbers: Vec<u32>,
}

#[derive(Debug)]
enum Pairs {
    /// Values of at most 8 bytes.
    Words(WordPairs),
    Rows(GroupTable),
}

impl PairTable {
    /// No pairs yet, of values of this type.
    pub(in crate::operator) fn new(value: DataType) -> Result<Self, Failure> {
        let pairs = if WordTable::supports(&value) {
            Pairs::Words(WordPairs::new())
        } else {
            Pairs::Rows(GroupTable::new(&[DataType::UInt32, value.clone()])?)
        };
        Ok(Self {
            value,
            pairs,
            numbers: Vec::new(),
        })
    }

    /// Finds the pair of each row, [`NO_PAIR`] where the value is null. Without ids, all rows are of group 0.
    pub(in crate::operator) fn intern(
        &mut self,
        ids: Option<&[u32]>,
        values: &ArrayRef,
    ) -> Result<(), Failure> {
        self.numbers.clear();
        let rows = values.len();
        match &mut self.pairs {
            Pairs::Words(words) => words.intern(ids, &normal(values), &mut self.numbers),
            Pairs::Rows(table) => {
                let ids = ids.map_or_else(|| vec![0; rows], <[u32]>::to_vec);
                let pairs = table.intern(&[Arc::new(UInt32Array::from(ids)), Arc::clone(values)], rows)?;
                self.numbers.extend_from_slice(pairs.ids.unwrap_or_default());
                if let Some(nulls) = values.logical_nulls().filter(|n| n.null_count() > 0) {
                    for (number, valid) in self.numbers.iter_mut().zip(&nulls) {
                        if !valid {
                            *number = NO_PAIR;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The pairs of the rows that were interned last.
    pub(in crate::operator) fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// How many pairs there are.
    pub(in crate::operator) fn len(&self) -> usize {
        match &self.pairs {
            Pairs::Words(words) => words.words.len(),
            Pairs::Rows(table) => table.len(),
        }
    }

    /// The group and the value of each pair, in the order of their numbers.
    pub(in crate::operator) fn columns(&self) -> Result<(Vec<u32>, ArrayRef), Failure> {
        match &self.pairs {
            Pairs::Words(words) => Ok((
                words.groups.clone(),
                word::column(&self.value, &words.words, None),
            )),
            Pairs::Rows(table) => {
                let columns = table.keys(0..table.len())?;
                let groups = columns[0].as_primitive::<UInt32Type>().values().to_vec();
                Ok((groups, Arc::clone(&columns[1])))
            }
        }
    }

    /// The values of some pairs.
    pub(in crate::operator) fn values_of(&self, pairs: &[u32]) -> Result<ArrayRef, Failure> {
        match &self.pairs {
            Pairs::Words(words) => {
                let words: Vec<u64> = pairs.iter().map(|&pair| words.words[pair as usize]).collect();
                Ok(word::column(&self.value, &words, None))
            }
            Pairs::Rows(table) => Ok(table.keys_of(pairs)?.swap_remove(1)),
        }
    }

    /// Keeps the pairs that are wanted, of groups that have a new number (`renumbered`, by old one; the others
    /// [`NO_PAIR`]). Gives back the old numbers of those kept, which are numbered in this order from now on.
    pub(in crate::operator) fn keep(
        &mut self,
        wanted: impl Fn(u32) -> bool,
        renumbered: &[u32],
    ) -> Result<Vec<u32>, Failure> {
        let new = |group: u32| renumbered.get(group as usize).copied().unwrap_or(NO_PAIR);
        match &mut self.pairs {
            Pairs::Words(old) => {
                let mut kept = Vec::new();
                let mut words = WordPairs::new();
                for (pair, (&group, &word)) in (0_u32..).zip(old.groups.iter().zip(&old.words)) {
                    if new(group) != NO_PAIR && wanted(pair) {
                        words.pair(new(group), word);
                        kept.push(pair);
                    }
                }
                *old = words;
                Ok(kept)
            }
            Pairs::Rows(table) => {
                let columns = table.keys(0..table.len())?;
                let groups = columns[0].as_primitive::<UInt32Type>().values();
                let mask: BooleanArray = (0_u32..)
                    .zip(groups)
                    .map(|(pair, &group)| Some(new(group) != NO_PAIR && wanted(pair)))
                    .collect();
                let kept: Vec<u32> = mask.values().set_indices().map(|pair| pair as u32).collect();
                let ids: UInt32Array = kept
                    .iter()
                    .map(|&pair| Some(new(groups[pair as usize])))
                    .collect();
                let values = filter(&columns[1], &mask)
                    .map_err(|e| Failure::internal(format!("cannot keep values: {e}")))?;
                let rows = values.len();
                *table = GroupTable::new(&[DataType::UInt32, self.value.clone()])?;
                table.intern(&[Arc::new(ids), values], rows)?;
                Ok(kept)
            }
        }
    }

    /// Forgets all pairs and keeps the memory.
    pub(in crate::operator) fn clear(&mut self) {
        match &mut self.pairs {
            Pairs::Words(words) => words.clear(),
            Pairs::Rows(table) => table.clear(),
        }
    }
}

/// Pairs of a group and the bits of a value.
#[derive(Debug)]
struct WordPairs {
    slots: Slots,
    groups: Vec<u32>,
    words: Vec<u64>,
}

impl WordPairs {
    fn new() -> Self {
        Self {
            slots: Slots::new(),
            groups: Vec::new(),
            words: Vec::new(),
        }
    }

    fn intern(&mut self, ids: Option<&[u32]>, values: &ArrayRef, numbers: &mut Vec<u32>) {
        let nulls = values.nulls();
        match values.data_type().primitive_width() {
            Some(1) => self.extend(ids, &columns::values::<u8>(values), nulls, numbers),
            Some(2) => self.extend(ids, &columns::values::<u16>(values), nulls, numbers),
            Some(4) => self.extend(ids, &columns::values::<u32>(values), nulls, numbers),
            Some(8) => self.extend(ids, &columns::values::<u64>(values), nulls, numbers),
            width => unreachable!("values of {width:?} bytes are kept as rows"),
        }
    }

    fn extend<N: Copy + Into<u64>>(
        &mut self,
        ids: Option<&[u32]>,
        values: &[N],
        nulls: Option<&NullBuffer>,
        numbers: &mut Vec<u32>,
    ) {
        let group = |row: usize| ids.map_or(0, |ids| ids[row]);
        match nulls.filter(|n| n.null_count() > 0) {
            None => numbers.extend(
                values
                    .iter()
                    .enumerate()
                    .map(|(row, &value)| self.pair(group(row), value.into())),
            ),
            Some(nulls) => {
                numbers.resize(values.len(), NO_PAIR);
                for row in nulls.valid_indices() {
                    numbers[row] = self.pair(group(row), values[row].into());
                }
            }
        }
    }

    #[inline]
    fn pair(&mut self, group: u32, word: u64) -> u32 {
        let Self { slots, groups, words } = self;
        let next = words.len() as u32;
        // The slots spread the bits: here, equal values of different groups only have to differ.
        let mixed = word
            ^ u64::from(group)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(32);
        let same = |pair: u32| groups[pair as usize] == group && words[pair as usize] == word;
        let pair = slots.find_or_insert(mixed, same, || next);
        if pair == next {
            groups.push(group);
            words.push(word);
        }
        pair
    }

    fn clear(&mut self) {
        self.slots.clear();
        self.groups.clear();
        self.words.clear();
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Float64Array, Int64Array, StringArray};

    use super::*;

    fn check(values: ArrayRef, others: ArrayRef) {
        let mut table = PairTable::new(values.data_type().clone()).expect("a type of values");
        let groups = [0, 0, 1, 2, 0, 1];
        table.intern(Some(&groups), &values).expect("values");
        assert_eq!(table.numbers(), [0, 1, 2, 3, 0, NO_PAIR], "{values:?}");
        // Group 2 becomes 0, group 0 becomes 1, group 1 goes, as does the pair that is not wanted.
        let kept = table.keep(|pair| pair != 1, &[1, NO_PAIR, 0]).expect("pairs");
        assert_eq!(kept, [0, 3]);
        table.intern(Some(&[1, 1, 0]), &others).expect("values");
        assert_eq!(table.numbers(), [0, 2, 1], "{others:?}");
        assert_eq!(table.len(), 3);
    }

    #[test]
    fn pairs_have_one_number_and_the_kept_ones_a_new_one() {
        check(
            Arc::new(Int64Array::from(vec![
                Some(7),
                Some(8),
                Some(7),
                Some(9),
                Some(7),
                None,
            ])),
            Arc::new(Int64Array::from(vec![7, 8, 9])),
        );
        check(
            Arc::new(StringArray::from(vec![
                Some("x"),
                Some(""),
                Some("x"),
                Some("z"),
                Some("x"),
                None,
            ])),
            Arc::new(StringArray::from(vec!["x", "", "z"])),
        );
    }

    #[test]
    fn zeros_and_nans_are_one_value_each() {
        let mut table = PairTable::new(DataType::Float64).expect("a type of values");
        let values: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN]));
        table.intern(None, &values).expect("values");
        assert_eq!(table.numbers(), [0, 0, 1, 1]);
    }
}
