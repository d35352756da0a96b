//! What a match makes of a row that is kept, and the lack of one of a row that has come.

use weir_connector::{RowKind, changelog};
use weir_proto::graph::join::Type;

use super::{
    output::Pairs,
    regular::{Arrived, Join},
    side::NONE,
};

impl Join {
    /// Whether rows of a port without a match are in the result by themselves.
    pub(super) fn keeps_unmatched(&self, port: usize) -> bool {
        match self.kind {
            Type::Full => true,
            Type::Left | Type::Anti | Type::Mark => port == 0,
            Type::Right => port == 1,
            Type::Inner | Type::Semi => false,
        }
    }

    /// Rows that have come meet rows that are kept, pair by pair: what that does to the result.
    pub(super) fn push_matched(&mut self, arrived: &Arrived, come: &[u32], kept: &[u32], pairs: &mut Pairs) {
        let kind = self.kind;
        let keeps_unmatched = self.keeps_unmatched(1 - arrived.port);
        let (_, other) = self.state.sides(arrived.port);
        let met = come
            .iter()
            .zip(kept)
            .map(|(&row, &of)| (row, of, arrived.op(row)));
        match (kind, other.matches_mut()) {
            (Type::Semi | Type::Anti | Type::Mark, None) => return,
            (Type::Mark, Some(counts)) => {
                met.for_each(|(_, of, op)| mark(&mut counts[of as usize], of, op, pairs));
            }
            (Type::Semi | Type::Anti, Some(counts)) => {
                let is_semi = kind == Type::Semi;
                met.for_each(|(_, of, op)| turn(is_semi, &mut counts[of as usize], of, op, pairs));
            }
            (_, Some(counts)) if keeps_unmatched => {
                met.for_each(|(row, of, op)| outer(row, of, &mut counts[of as usize], op, pairs));
            }
            _ => return met.for_each(|(row, of, op)| pairs.push(row, of, op)),
        }
        // Their counts were written.
        other.write(kept);
    }

    /// The rows whose number of matches decides by itself.
    pub(super) fn push_unmatched(&self, arrived: &Arrived, matches: &[u32], pairs: &mut Pairs) {
        let is_left = arrived.port == 0;
        if self.kind == Type::Mark {
            let rows = (0_u32..).zip(matches).filter(|_| is_left);
            return rows.for_each(|(row, matches)| {
                pairs.push_marked(row, NONE, arrived.op(row), *matches > 0);
            });
        }
        let wanted = |matches: u32| match self.kind {
            Type::Semi => is_left && matches > 0,
            _ => self.keeps_unmatched(arrived.port) && matches == 0,
        };
        for (row, &matches) in (0_u32..).zip(matches) {
            if wanted(matches) {
                pairs.push(row, NONE, arrived.op(row));
            }
        }
    }
}

/// A kept row gains or loses a match, which may bring it into the result of a semi or anti join, or out of it.
fn turn(is_semi: bool, count: &mut u32, kept: u32, op: i8, pairs: &mut Pairs) {
    let adds = changelog::adds(op);
    let turns = if adds { *count == 0 } else { *count == 1 };
    *count = if adds { *count + 1 } else { count.saturating_sub(1) };
    if turns {
        let enters = adds == is_semi;
        let op = if enters { RowKind::Insert } else { RowKind::Delete };
        pairs.push(NONE, kept, op.byte());
    }
}

/// A kept row gains or loses a match: the first and the last one change its mark.
fn mark(count: &mut u32, kept: u32, op: i8, pairs: &mut Pairs) {
    let adds = changelog::adds(op);
    let turns = if adds { *count == 0 } else { *count == 1 };
    *count = if adds { *count + 1 } else { count.saturating_sub(1) };
    if turns {
        pairs.push_marked(NONE, kept, RowKind::UpdateBefore.byte(), !adds);
        pairs.push_marked(NONE, kept, RowKind::UpdateAfter.byte(), adds);
    }
}

/// A pair of an outer join: the kept row leaves the result by itself with its first match, and comes back with its last.
fn outer(row: u32, kept: u32, count: &mut u32, op: i8, pairs: &mut Pairs) {
    if changelog::adds(op) {
        if *count == 0 {
            pairs.push(NONE, kept, RowKind::Delete.byte());
        }
        *count += 1;
        pairs.push(row, kept, op);
    } else {
        pairs.push(row, kept, op);
        *count = count.saturating_sub(1);
        if *count == 0 {
            pairs.push(NONE, kept, RowKind::Insert.byte());
        }
    }
}
