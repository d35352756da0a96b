//! Values per group and which groups have any.

use std::ops::Range;

use arrow_array::ArrayRef;
use arrow_buffer::{ArrowNativeType, BooleanBuffer, NullBuffer};
use arrow_schema::DataType;

use crate::operator::{columns, keys::Groups};

/// One value per group, folded from the values of its rows.
#[derive(Debug)]
pub(super) struct Values<N> {
    initial: N,
    folded: Vec<N>,
    /// Which groups have a value. None while no null has been seen: every group has rows, so all have values.
    seen: Option<Vec<bool>>,
}

impl<N: ArrowNativeType> Values<N> {
    /// No groups; a new one starts from `initial`, which must be neutral.
    pub(super) fn new(initial: N) -> Self {
        Self {
            initial,
            folded: Vec::new(),
            seen: None,
        }
    }

    /// Folds values, nulls left out, into their groups.
    #[inline]
    pub(super) fn fold(
        &mut self,
        groups: Groups<'_>,
        values: &[N],
        nulls: Option<&NullBuffer>,
        fold: impl Fn(N, N) -> N,
    ) {
        let groups_before = self.folded.len();
        self.folded.resize(groups.total, self.initial);
        match nulls.filter(|n| n.null_count() > 0) {
            None => self.fold_all(groups, values, fold),
            Some(nulls) => {
                let seen = self.seen.get_or_insert_with(|| vec![true; groups_before]);
                seen.resize(groups.total, false);
                for row in nulls.valid_indices() {
                    let group = groups.ids.map_or(0, |ids| ids[row] as usize);
                    self.folded[group] = fold(self.folded[group], values[row]);
                    seen[group] = true;
                }
            }
        }
    }

    #[inline]
    fn fold_all(&mut self, groups: Groups<'_>, values: &[N], fold: impl Fn(N, N) -> N) {
        let Some(ids) = groups.ids else {
            if groups.total > 0 {
                self.folded[0] = values.iter().fold(self.folded[0], |acc, &v| fold(acc, v));
                self.mark_all(groups);
            }
            return;
        };
        let state = self.folded.as_mut_slice();
        for (&group, &value) in ids.iter().zip(values) {
            let slot = &mut state[group as usize];
            *slot = fold(*slot, value);
        }
        self.mark_all(groups);
    }

    fn mark_all(&mut self, groups: Groups<'_>) {
        let Some(seen) = &mut self.seen else { return };
        seen.resize(groups.total, false);
        match groups.ids {
            None => seen[0] |= groups.rows > 0,
            Some(ids) => {
                for &group in ids {
                    seen[group as usize] = true;
                }
            }
        }
    }

    /// The value of each of some groups.
    pub(super) fn get(&self, groups: Range<usize>) -> &[N] {
        &self.folded[groups]
    }

    /// Null where a group has no value.
    pub(super) fn nulls(&self, groups: Range<usize>) -> Option<NullBuffer> {
        let seen = &self.seen.as_ref()?[groups];
        Some(NullBuffer::new(BooleanBuffer::from(seen)))
    }

    /// The values of some groups as a column.
    pub(super) fn column(&self, data_type: &DataType, groups: Range<usize>) -> ArrayRef {
        columns::column(data_type, self.get(groups.clone()).to_vec(), self.nulls(groups))
    }

    /// The values of any groups as a column.
    pub(super) fn column_of(&self, data_type: &DataType, groups: &[u32]) -> ArrayRef {
        columns::column(data_type, self.gather(groups), self.nulls_of(groups))
    }

    /// The value of each of any groups.
    pub(super) fn gather(&self, groups: &[u32]) -> Vec<N> {
        groups.iter().map(|&group| self.folded[group as usize]).collect()
    }

    fn nulls_of(&self, groups: &[u32]) -> Option<NullBuffer> {
        let seen = self.seen.as_ref()?;
        let bits = BooleanBuffer::collect_bool(groups.len(), |i| seen[groups[i] as usize]);
        Some(NullBuffer::new(bits))
    }

    /// Keeps only these groups, in this order.
    pub(super) fn keep(&mut self, groups: &[u32]) {
        self.folded = self.gather(groups);
        if let Some(seen) = &mut self.seen {
            *seen = groups.iter().map(|&group| seen[group as usize]).collect();
        }
    }

    pub(super) fn clear(&mut self) {
        self.folded.clear();
        self.seen = None;
    }
}
