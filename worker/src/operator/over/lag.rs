//! LAG: the value of a row so many rows before.

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::{ArrowError, DataType};
use arrow_select::{interleave::interleave, take::take};
use weir_model::Failure;

use super::{call::Function, rows::Rows};

/// The value of an earlier row; where there is none, a default of the row itself, or null.
#[derive(Debug)]
pub(super) struct Lag {
    argument: usize,
    offset: usize,
    default: Option<usize>,
}

impl Lag {
    pub(super) fn new(argument: usize, offset: usize, default: Option<usize>) -> Self {
        Self {
            argument,
            offset,
            default,
        }
    }
}

impl Function for Lag {
    fn compute(&mut self, rows: &Rows) -> Result<ArrayRef, Failure> {
        let column = &rows.columns[self.argument];
        let offset = self.offset;
        let wanted = || {
            rows.segments.iter().flat_map(|segment| {
                let earlier = move |row: usize| {
                    let earlier = row.checked_sub(offset);
                    (row, earlier.filter(|earlier| *earlier >= segment.begin))
                };
                segment.wanted().map(earlier)
            })
        };
        let Some(default) = self.default else {
            let places: UInt32Array = wanted().map(|(_, row)| row.map(|row| row as u32)).collect();
            return take(column, &places, None).map_err(broken);
        };
        let place = |(row, earlier): (usize, Option<usize>)| earlier.map_or((1, row), |row| (0, row));
        let places: Vec<(usize, usize)> = wanted().map(place).collect();
        let both: [&dyn Array; 2] = [column, &rows.columns[default]];
        interleave(&both, &places).map_err(broken)
    }

    fn keep(&mut self, _groups: &[u32]) -> Result<(), Failure> {
        Ok(())
    }

    fn state_types(&self) -> Vec<DataType> {
        Vec::new()
    }

    fn state_of(&self, _groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _groups: &[u32], _total: usize, _state: &[ArrayRef]) -> Result<(), Failure> {
        Ok(())
    }
}

fn broken(error: ArrowError) -> Failure {
    Failure::internal(format!("the values of earlier rows cannot be gathered: {error}"))
}
