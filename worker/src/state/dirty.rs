//! Which groups of an operator were written since the last snapshot.

use super::Frozen;

/// Groups by number, each noted once. Costs a bit per group, and nothing while changes are not tracked.
#[derive(Debug, Default)]
pub struct Dirty {
    is_tracking: bool,
    marks: Vec<u64>,
    groups: Vec<u32>,
}

impl Dirty {
    /// Notes groups from now on.
    pub fn track(&mut self) {
        self.is_tracking = true;
    }

    /// Whether it notes groups.
    pub fn is_tracking(&self) -> bool {
        self.is_tracking
    }

    /// These groups are written.
    #[inline]
    pub fn mark(&mut self, groups: impl IntoIterator<Item = u32>) {
        if self.is_tracking {
            groups.into_iter().for_each(|group| self.note(group));
        }
    }

    /// The groups of rows are written; without ids, all rows are of group 0.
    #[inline]
    pub fn mark_rows(&mut self, ids: Option<&[u32]>, rows: usize) {
        match ids {
            Some(ids) => self.mark(ids.iter().copied()),
            None => self.mark((rows > 0).then_some(0)),
        }
    }

    fn note(&mut self, group: u32) {
        let (word, bit) = (group as usize / 64, 1 << (group % 64));
        if word >= self.marks.len() {
            self.marks.resize((word + 1).next_power_of_two(), 0);
        }
        if self.marks[word] & bit == 0 {
            self.marks[word] |= bit;
            self.groups.push(group);
        }
    }

    /// Whether no group is noted.
    pub fn is_empty(&self) -> bool {
        !self.groups.iter().any(|group| self.contains(*group))
    }

    /// These groups are not written after all.
    pub fn unmark(&mut self, groups: &[u32]) {
        for &group in groups {
            if let Some(marks) = self.marks.get_mut(group as usize / 64) {
                *marks &= !(1 << (group % 64));
            }
        }
    }

    /// Whether a group is noted.
    pub fn contains(&self, group: u32) -> bool {
        let mark = self.marks.get(group as usize / 64);
        mark.is_some_and(|mark| mark & (1 << (group % 64)) != 0)
    }

    /// The groups noted, in ascending order; forgets them.
    pub fn take(&mut self) -> Vec<u32> {
        let mut groups = std::mem::take(&mut self.groups);
        groups.retain(|group| self.contains(*group));
        for group in &groups {
            self.marks[*group as usize / 64] = 0;
        }
        groups.sort_unstable();
        // One that was marked anew is there twice.
        groups.dedup();
        groups
    }

    /// The groups noted, for a snapshot to say; forgets them. Costs the same however many there are.
    pub fn freeze(&mut self) -> Frozen {
        self.groups.clear();
        Frozen::new(std::mem::take(&mut self.marks))
    }

    /// Follows a renumbering: group `kept[i]` is now group `i`, others are gone.
    pub fn keep(&mut self, kept: &[u32]) {
        if !self.is_tracking {
            return;
        }
        let noted: Vec<u32> = (0..)
            .zip(kept)
            .filter(|(_, old)| self.contains(**old))
            .map(|(new, _)| new)
            .collect();
        self.take();
        self.mark(noted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_noted_once_and_follow_a_renumbering() {
        let mut dirty = Dirty::default();
        dirty.mark([1]);
        assert!(dirty.take().is_empty(), "nothing is tracked yet");
        dirty.track();
        dirty.mark([700, 3, 3, 64]);
        assert!(dirty.contains(64) && !dirty.contains(65) && !dirty.contains(100_000));
        dirty.keep(&[64, 65, 700]);
        assert_eq!(dirty.take(), [0, 2]);
        assert!(dirty.take().is_empty());
        dirty.mark([0, 7, 9]);
        dirty.unmark(&[7, 9, 1_000]);
        dirty.mark([9, 9]);
        assert_eq!(dirty.take(), [0, 9]);
        dirty.mark([7]);
        dirty.unmark(&[7]);
        assert!(dirty.is_empty() && dirty.take().is_empty());
    }
}
