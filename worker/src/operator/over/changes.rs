//! What a batch changed in the results, as rows.

use arrow::array::make_comparator;
use arrow_array::ArrayRef;
use arrow_schema::{ArrowError, SortOptions};
use arrow_select::interleave::interleave;
use weir_connector::RowKind;
use weir_model::Failure;

use crate::operator::rank::rows::FRESH;

/// Rows whose results are wanted, and rows that went.
#[derive(Debug, Default)]
pub(super) struct Affected {
    /// The slots of rows that were taken back.
    pub(super) gone: Vec<u32>,
    /// The numbers of those.
    pub(super) gone_numbers: Vec<i64>,
    /// The slots of the others; of rows of the batch at hand, their numbers and a mark.
    pub(super) wanted: Vec<u32>,
    /// Of each of the others, its key and its place among the key's rows.
    pub(super) places: Vec<(u32, u32)>,
    /// Per key, where its rows end in `gone` and in `wanted`.
    pub(super) ends: Vec<(usize, usize)>,
}

/// Rows to emit, in order.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) kinds: Vec<i8>,
    /// The slot of each, or its number in the batch at hand and a mark.
    pub(super) slots: Vec<u32>,
    /// Its results: of those before (0) or of those after (1), which.
    results: Vec<(usize, usize)>,
    /// Those that stay, in order: their positions among the others here, and which of the wanted rows they are.
    pub(super) stay: Vec<(u32, usize)>,
}

impl Changes {
    fn push(&mut self, kind: RowKind, slot: u32, result: (usize, usize)) {
        self.kinds.push(kind.byte());
        self.slots.push(slot);
        self.results.push(result);
    }

    /// The results of the rows to emit.
    pub(super) fn columns(&self, before: &[ArrayRef], after: &[ArrayRef]) -> Result<Vec<ArrayRef>, Failure> {
        let both = before.iter().zip(after);
        both.map(|(before, after)| {
            interleave(&[before.as_ref(), after.as_ref()], &self.results).map_err(broken)
        })
        .collect()
    }
}

impl Affected {
    /// The slots of rows whose former results are needed: those that went, then those wanted that were there before.
    pub(super) fn known(&self) -> Vec<u32> {
        let wanted = self.wanted.iter().copied().filter(|slot| slot & FRESH == 0);
        self.gone.iter().copied().chain(wanted).collect()
    }

    /// The difference: results before, of the [known](Self::known) rows, and after, of the wanted ones.
    pub(super) fn changes(&self, before: &[ArrayRef], after: &[ArrayRef]) -> Result<Changes, Failure> {
        let pairs = before.iter().zip(after);
        let compare = pairs
            .map(|(b, a)| make_comparator(b, a, SortOptions::default()).map_err(broken))
            .collect::<Result<Vec<_>, _>>()?;
        let is_same = |b: usize, a: usize| compare.iter().all(|compare| compare(b, a).is_eq());
        let mut changes = Changes::default();
        let (mut gone, mut wanted, mut known) = (0, 0, self.gone.len());
        for &(gone_end, wanted_end) in &self.ends {
            for row in gone..gone_end {
                changes.push(RowKind::Delete, self.gone[row], (0, row));
            }
            for row in wanted..wanted_end {
                let slot = self.wanted[row];
                if slot & FRESH != 0 {
                    changes.stays(RowKind::Insert, slot, row);
                    continue;
                }
                if !is_same(known, row) {
                    changes.push(RowKind::UpdateBefore, slot, (0, known));
                    changes.stays(RowKind::UpdateAfter, slot, row);
                }
                known += 1;
            }
            (gone, wanted) = (gone_end, wanted_end);
        }
        Ok(changes)
    }
}

impl Changes {
    fn stays(&mut self, kind: RowKind, slot: u32, wanted: usize) {
        self.stay.push((self.kinds.len() as u32, wanted));
        self.push(kind, slot, (1, wanted));
    }
}

/// The rows of the state that make room for new ones: those that went, and former versions.
pub(super) fn outdated(changes: &Changes) -> impl Iterator<Item = u32> + '_ {
    let leaves = |kind: i8| kind == RowKind::Delete.byte() || kind == RowKind::UpdateBefore.byte();
    let rows = changes.kinds.iter().zip(&changes.slots);
    rows.filter(move |(kind, _)| leaves(**kind))
        .map(|(_, slot)| *slot)
}

fn broken(error: ArrowError) -> Failure {
    Failure::internal(format!(
        "results before and after a batch cannot be compared: {error}"
    ))
}
