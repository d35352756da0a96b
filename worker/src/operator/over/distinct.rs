//! DISTINCT in frames without a bound: a value counts in the row in which it first comes.

use arrow::compute::nullif;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_schema::{ArrowError, DataType};
use arrow_select::take::take;
use weir_model::Failure;

use super::{call::Function, rows::Rows};
use crate::operator::{aggregate::Counted, keys::Groups};

/// Hands on to another function what comes for the first time; the rest is null there.
#[derive(Debug)]
pub(super) struct Distinct {
    inner: Box<dyn Function>,
    argument: usize,
    value: DataType,
    /// The values of each key so far.
    seen: Counted,
}

impl Distinct {
    /// Of an argument of this type.
    pub(super) fn new(inner: Box<dyn Function>, argument: usize, value: DataType) -> Result<Self, Failure> {
        Ok(Self {
            inner,
            argument,
            seen: Counted::new(value.clone())?,
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
        let (seen, total) = if rows.carries {
            (&mut self.seen, rows.groups)
        } else {
            own = Counted::new(self.value.clone())?;
            (&mut own, rows.segments.len())
        };
        let values = take(column, &UInt32Array::from(places.clone()), None).map_err(broken)?;
        let mut repeats = vec![true; column.len()];
        let note = |row: usize, before: i64, _| repeats[places[row] as usize] &= before > 0;
        seen.add(of_rows(&groups, total), &values, |_| 1, note)?;
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
        self.seen.keep(groups)?;
        self.inner.keep(groups)
    }

    fn state_types(&self) -> Vec<DataType> {
        let mut types = self.inner.state_types();
        types.extend(self.seen.state_types());
        types
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let mut columns = self.inner.state_of(groups)?;
        columns.extend(self.seen.state_of(groups)?);
        Ok(columns)
    }

    fn restore(&mut self, groups: &[u32], total: usize, state: &[ArrayRef]) -> Result<(), Failure> {
        let (inner, seen) = state.split_at(self.inner.state_types().len());
        self.inner.restore(groups, total, inner)?;
        self.seen.restore(of_rows(groups, total), seen)?;
        Ok(())
    }
}

fn of_rows(groups: &[u32], total: usize) -> Groups<'_> {
    Groups {
        ids: Some(groups),
        rows: groups.len(),
        total,
    }
}

fn broken(error: ArrowError) -> Failure {
    Failure::internal(format!("the values of a DISTINCT cannot be gathered: {error}"))
}
