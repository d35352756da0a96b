//! Aggregates that have no column code for frames: by the accumulators of groups, a row of each key at a time.
//!
//! That is slower where few keys have many rows. Frames with a bound take rows back from the accumulator, which must be able to.

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::{ArrowError, DataType};
use arrow_select::{concat::concat, take::take};
use weir_model::Failure;

use super::{
    call::Function,
    frame::{Frame, Frames, Reach},
    rows::Rows,
};
use crate::operator::{
    aggregate::{Accumulator, Shape},
    keys::Groups,
};

/// Any aggregate.
#[derive(Debug)]
pub(super) struct Accumulated {
    shape: Shape,
    argument: Option<usize>,
    frame: Frame,
    /// What keys have come to so far.
    carried: Box<dyn Accumulator>,
}

/// How far the frame of a segment has moved.
struct Cursor<'a> {
    frames: Frames<'a>,
    group: u32,
    start: usize,
    end: usize,
}

/// Rows that come into frames, or leave them.
#[derive(Default)]
struct Moves {
    groups: Vec<u32>,
    rows: Vec<u32>,
}

impl Accumulated {
    pub(super) fn new(shape: Shape, argument: Option<usize>, frame: Frame) -> Result<Self, Failure> {
        let shape = match frame.reach {
            Reach::First => shape,
            Reach::Rows(_) | Reach::Range(_) => shape.retracting(),
        };
        Ok(Self {
            carried: shape.accumulator()?,
            shape,
            argument,
            frame,
        })
    }
}

/// Computes results layer by layer: of each segment the first wanted row, then of each the second, and so on.
fn layers(
    frame: Frame,
    rows: &Rows,
    column: Option<&ArrayRef>,
    carries: bool,
    accumulator: &mut dyn Accumulator,
) -> Result<ArrayRef, Failure> {
    let total = if carries { rows.groups } else { rows.segments.len() };
    let mut cursors = Vec::with_capacity(rows.segments.len());
    for (at, segment) in (0_u32..).zip(&rows.segments) {
        let begin = if carries { segment.first } else { segment.begin };
        cursors.push(Cursor {
            frames: frame.frames(rows, *segment),
            group: if carries { segment.group } else { at },
            start: begin,
            end: begin,
        });
    }
    let longest = rows.segments.iter().map(|s| s.wanted().len()).max().unwrap_or(0);
    let mut results: Vec<ArrayRef> = Vec::new();
    // Of each result its segment and which one of it.
    let mut found: Vec<(usize, usize)> = Vec::with_capacity(rows.wanted());
    for layer in 0..longest {
        let (mut come, mut gone, mut groups) = (Moves::default(), Moves::default(), Vec::new());
        for (at, (segment, cursor)) in rows.segments.iter().zip(&mut cursors).enumerate() {
            let row = segment.first + layer;
            if row >= segment.end {
                continue;
            }
            let (start, end) = cursor.frames.of(row);
            come.add(cursor.group, cursor.end..end);
            cursor.end = cursor.end.max(end);
            if frame.reach != Reach::First {
                gone.add(cursor.group, cursor.start..start);
                cursor.start = start;
            }
            groups.push(cursor.group);
            found.push((at, layer));
        }
        come.apply(column, total, |groups, column| accumulator.update(groups, column))?;
        gone.apply(column, total, |groups, column| {
            accumulator.retract(groups, column)
        })?;
        results.push(accumulator.finish_of(&groups)?);
    }
    let mut order: Vec<u32> = (0..found.len() as u32).collect();
    order.sort_unstable_by_key(|&i| found[i as usize]);
    let results: Vec<&dyn Array> = results.iter().map(AsRef::as_ref).collect();
    let all = concat(&results).map_err(broken)?;
    take(&all, &UInt32Array::from(order), None).map_err(broken)
}

impl Moves {
    fn add(&mut self, group: u32, rows: std::ops::Range<usize>) {
        self.groups.extend(std::iter::repeat_n(group, rows.len()));
        self.rows.extend(rows.map(|row| row as u32));
    }

    fn apply(
        self,
        column: Option<&ArrayRef>,
        total: usize,
        mut change: impl FnMut(Groups<'_>, Option<&ArrayRef>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.groups.is_empty() {
            return Ok(());
        }
        let rows = UInt32Array::from(self.rows);
        let column = column.map(|column| take(column, &rows, None).map_err(broken));
        let groups = Groups {
            ids: Some(&self.groups),
            rows: self.groups.len(),
            total,
        };
        change(groups, column.transpose()?.as_ref())
    }
}

impl Function for Accumulated {
    fn compute(&mut self, rows: &Rows) -> Result<ArrayRef, Failure> {
        let column = self.argument.map(|argument| &rows.columns[argument]);
        if rows.carries && self.frame.reach == Reach::First {
            return layers(self.frame, rows, column, true, self.carried.as_mut());
        }
        let mut own = self.shape.accumulator()?;
        layers(self.frame, rows, column, false, own.as_mut())
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        if self.frame.reach == Reach::First {
            self.carried.keep(groups)?;
        }
        Ok(())
    }

    fn state_types(&self) -> Vec<DataType> {
        self.carried.state_types()
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        self.carried.state_of(groups)
    }

    fn restore(&mut self, groups: &[u32], total: usize, state: &[ArrayRef]) -> Result<(), Failure> {
        let groups = Groups {
            ids: Some(groups),
            rows: groups.len(),
            total,
        };
        self.carried.restore(groups, state)
    }
}

fn broken(error: ArrowError) -> Failure {
    Failure::internal(format!("the results of frames cannot be gathered: {error}"))
}
