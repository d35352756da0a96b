//! DISTINCT in frames without a bound: a value counts in the row in which it first comes.

use arrow::compute::nullif;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_schema::{ArrowError, DataType};
use arrow_select::take::take;
use weir_model::Failure;

use super::{call::Function, rows::Rows};
use crate::operator::keys::{NO_PAIR, PairTable};

/// Hands on to another function what comes for the first time; the rest is null there.
#[derive(Debug)]
pub(super) struct Distinct {
    inner: Box<dyn Function>,
    argument: usize,
    value: DataType,
    /// The values of each key so far.
    seen: PairTable,
}

impl Distinct {
    /// Of an argument of this type.
    pub(super) fn new(inner: Box<dyn Function>, argument: usize, value: DataType) -> Result<Self, Failure> {
        Ok(Self {
            inner,
            argument,
            seen: PairTable::new(value.clone())?,
            value,
        })
    }

    /// The argument with null for values that came before.
    fn first_ones(&mut self, rows: &Rows) -> Result<ArrayRef, Failure> {
        let column = &rows.columns[self.argument];
        let mut places: Vec<u32> = Vec::new();
        let mut groups: Vec<u32> = Vec::new();
        for (at, segment) in (0_u32..).zip(&rows.segments) {
            let group = if rows.carries { segment.group } else { at };
            let folded = rows.from(segment)..segment.end;
            groups.extend(std::iter::repeat_n(group, folded.len()));
            places.extend(folded.map(|row| row as u32));
        }
        let mut own;
        let seen = if rows.carries {
            &mut self.seen
        } else {
            own = PairTable::new(self.value.clone())?;
            &mut own
        };
        let mut known = seen.len() as u32;
        // Pairs are numbered as they come; nulls, which are none, may have taken numbers.
        let values = take(column, &UInt32Array::from(places.clone()), None).map_err(broken)?;
        seen.intern(Some(&groups), &values)?;
        let mut repeats = vec![true; column.len()];
        for (&place, &pair) in places.iter().zip(seen.numbers()) {
            if pair != NO_PAIR && pair >= known {
                repeats[place as usize] = false;
                known = pair + 1;
            }
        }
        nullif(column, &BooleanArray::from(repeats)).map_err(broken)
    }
}

impl Function for Distinct {
    fn compute(&mut self, rows: &Rows) -> Result<ArrayRef, Failure> {
        let mut columns = rows.columns.clone();
        columns[self.argument] = self.first_ones(rows)?;
        let rows = Rows {
            columns,
            segments: rows.segments.clone(),
            ties: rows.ties.clone(),
            times: Vec::new(),
            ..*rows
        };
        self.inner.compute(&rows)
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        let last = groups.iter().max().map_or(0, |&last| last as usize + 1);
        let mut renumbered = vec![NO_PAIR; last];
        for (new, &old) in (0_u32..).zip(groups) {
            renumbered[old as usize] = new;
        }
        self.seen.keep(|_| true, &renumbered)?;
        self.inner.keep(groups)
    }
}

fn broken(error: ArrowError) -> Failure {
    Failure::internal(format!("the values of a DISTINCT cannot be gathered: {error}"))
}
