//! Groups of an operator that were written before a snapshot began, and that it has not said yet.
//!
//! Such a group is said as it was when the snapshot began: before anything writes it, it is [claimed](Frozen::claim) and said. So rows need
//! not wait until all of a snapshot is said.

/// Groups by number; each is given once.
#[derive(Debug, Default)]
pub struct Frozen {
    marks: Vec<u64>,
    /// No group is left in the words before this one.
    at: usize,
}

impl Frozen {
    /// The groups whose bits are set.
    pub(super) fn new(marks: Vec<u64>) -> Self {
        Self { marks, at: 0 }
    }

    /// Whether no group is left, as far as is known.
    pub fn is_empty(&self) -> bool {
        self.at >= self.marks.len()
    }

    /// Those of these groups that are left, once each, in the order given.
    pub fn claim(&mut self, groups: impl IntoIterator<Item = u32>) -> Vec<u32> {
        if self.is_empty() {
            return Vec::new();
        }
        groups.into_iter().filter(|group| self.unset(*group)).collect()
    }

    fn unset(&mut self, group: u32) -> bool {
        let bit = 1 << (group % 64);
        match self.marks.get_mut(group as usize / 64) {
            Some(word) if *word & bit != 0 => {
                *word &= !bit;
                true
            }
            _ => false,
        }
    }

    /// So many of the groups that are left, in ascending order.
    pub fn next(&mut self, groups: usize) -> Vec<u32> {
        let mut next = Vec::new();
        while let Some(word) = self.marks.get_mut(self.at) {
            while *word != 0 && next.len() < groups {
                next.push(self.at as u32 * 64 + word.trailing_zeros());
                *word &= *word - 1;
            }
            if *word != 0 {
                break;
            }
            self.at += 1;
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use crate::state::Dirty;

    #[test]
    fn a_group_is_given_once_claimed_or_in_its_turn() {
        let mut dirty = Dirty::default();
        dirty.track();
        dirty.mark([3, 64, 65, 700]);
        dirty.unmark(&[65]);
        let mut frozen = dirty.freeze();
        assert!(dirty.is_empty(), "what comes now is for the next snapshot");
        dirty.mark([3, 5]);
        assert_eq!(frozen.claim([64, 5, 65, 9_999, 64]), [64]);
        assert_eq!(frozen.next(1), [3]);
        assert!(!frozen.is_empty());
        assert_eq!(frozen.next(10), [700]);
        assert!(frozen.is_empty() && frozen.next(10).is_empty() && frozen.claim([3]).is_empty());
        assert_eq!(dirty.take(), [3, 5]);
    }
}
