//! Changes of groups some of whose rows have been forgotten: what is taken back of a group without rows means nothing, as in Flink, and a
//! group whose last row is taken back begins anew.

use std::collections::HashMap;

use arrow_array::{BooleanArray, Int8Array};
use foldhash::fast::FixedState;
use weir_connector::changelog;

/// What is void in a batch.
#[derive(Debug, PartialEq)]
pub(super) struct Voided {
    /// The rows that count.
    pub(super) kept: BooleanArray,
    /// The groups that had rows and lost their last one on the way, in ascending order.
    pub(super) emptied: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    before: i64,
    rows: i64,
    /// Rows of the batch before this one are void.
    from: usize,
}

/// What is void of rows that do this, of these groups (none: all of group 0), which had so many rows; none if nothing is.
pub(super) fn voided(ops: &Int8Array, ids: Option<&[u32]>, rows_of: impl Fn(u32) -> i64) -> Option<Voided> {
    let group = |row: usize| ids.map_or(0, |ids| ids[row]);
    let adds = |row: usize| changelog::adds(ops.value(row));
    let mut running: HashMap<u32, Running, FixedState> = HashMap::default();
    for row in (0..ops.len()).filter(|row| !adds(*row)) {
        running.entry(group(row)).or_insert_with_key(|group| {
            let before = rows_of(*group);
            Running {
                before,
                rows: before,
                from: 0,
            }
        });
    }
    if running.is_empty() {
        return None;
    }
    for row in 0..ops.len() {
        let Some(of) = running.get_mut(&group(row)) else {
            continue;
        };
        of.rows = if adds(row) {
            of.rows + 1
        } else {
            (of.rows - 1).max(0)
        };
        if of.rows == 0 {
            of.from = row + 1;
        }
    }
    let emptied = running.iter().filter(|(_, of)| of.from > 0 && of.before > 0);
    let mut emptied: Vec<u32> = emptied.map(|(group, _)| *group).collect();
    emptied.sort_unstable();
    let is_kept = |row: usize| running.get(&group(row)).is_none_or(|of| row >= of.from);
    let kept: BooleanArray = (0..ops.len()).map(|row| Some(is_kept(row))).collect();
    (kept.true_count() < kept.len()).then_some(Voided { kept, emptied })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `+1` adds a row of group 1, `-2` takes one of group 2 back; groups had so many rows.
    fn check(changes: &[i64], rows: [i64; 3], kept: &[bool], emptied: &[u32]) {
        let ops: Int8Array = changes.iter().map(|c| Some(if *c > 0 { 0 } else { 3 })).collect();
        let ids: Vec<u32> = changes.iter().map(|c| c.unsigned_abs() as u32).collect();
        let voided = voided(&ops, Some(&ids), |group| rows[group as usize]).expect("something is void");
        let expected = Voided {
            kept: kept.to_vec().into(),
            emptied: emptied.to_vec(),
        };
        assert_eq!(voided, expected);
    }

    #[test]
    fn what_is_taken_back_of_nothing_is_void() {
        check(&[-1, 1], [0, 0, 0], &[false, true], &[]);
        check(
            &[1, -1, -1, 1, 2],
            [0, 0, 0],
            &[false, false, false, true, true],
            &[],
        );
    }

    #[test]
    fn a_group_that_loses_its_last_row_begins_anew() {
        check(&[-1, 2, 1], [0, 1, 5], &[false, true, true], &[1]);
        check(
            &[1, -1, -1, 1, -2],
            [0, 1, 5],
            &[false, false, false, true, true],
            &[1],
        );
    }

    #[test]
    fn groups_that_keep_rows_are_as_ever() {
        let ops = Int8Array::from(vec![0, 3, 3]);
        assert_eq!(voided(&ops, None, |_| 2), None);
        assert_eq!(voided(&Int8Array::from(vec![0, 0]), None, |_| 0), None);
    }
}
