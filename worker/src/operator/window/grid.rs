//! Rows to panes of one length.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use arrow_array::{
    Array, ArrayRef, RecordBatch, TimestampMillisecondArray, UInt32Array, cast::AsArray,
    types::TimestampMillisecondType,
};
use arrow_schema::DataType;
use arrow_select::take::take;
use weir_model::{EventTime, Failure};

use crate::expression::describe_row;

/// Runs of rows of one pane that are worth a slice each; with more of them, rows are gathered by pane.
const SLICED_RUNS: usize = 8;

/// Panes that follow each other: `[start, start + size)` for every start that is `offset` past a multiple of `size`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    time_column: usize,
    size_ms: i64,
    offset_ms: i64,
}

/// The rows of one pane in a batch.
#[derive(Debug)]
pub(super) struct Part {
    /// The pane's first millisecond.
    pub(super) start: i64,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    All,
    Run(Range<usize>),
    These(UInt32Array),
}

impl Part {
    /// The part's rows of a column of the batch. Copies only rows that are not adjacent.
    pub(super) fn of(&self, column: &ArrayRef) -> Result<ArrayRef, Failure> {
        match &self.rows {
            Rows::All => Ok(Arc::clone(column)),
            Rows::Run(run) => Ok(column.slice(run.start, run.len())),
            Rows::These(rows) => take(column, rows, None)
                .map_err(|e| Failure::internal(format!("cannot gather the rows of a window: {e}"))),
        }
    }

    /// How many rows of a batch of so many rows.
    pub(super) fn len(&self, batch_rows: usize) -> usize {
        match &self.rows {
            Rows::All => batch_rows,
            Rows::Run(run) => run.len(),
            Rows::These(rows) => rows.len(),
        }
    }

    /// Which rows of a batch of so many rows.
    pub(super) fn rows(&self, batch_rows: usize) -> Vec<u32> {
        match &self.rows {
            Rows::All => (0..batch_rows as u32).collect(),
            Rows::Run(run) => (run.start as u32..run.end as u32).collect(),
            Rows::These(rows) => rows.values().to_vec(),
        }
    }
}

impl Grid {
    /// Panes of times in this column. The size is positive.
    pub(super) fn new(time_column: usize, size_ms: i64, offset_ms: i64) -> Self {
        Self {
            time_column,
            size_ms,
            offset_ms: offset_ms.rem_euclid(size_ms),
        }
    }

    /// The same panes over batches with their starts in this column.
    pub(super) fn over(self, time_column: usize) -> Self {
        Self { time_column, ..self }
    }

    /// The column of times.
    pub(super) fn column(self) -> usize {
        self.time_column
    }

    /// The start of the pane that a moment falls into.
    #[inline]
    pub(super) fn start(self, time: i64) -> i64 {
        // Both terms are within the size, so that nothing overflows.
        let past = (time.rem_euclid(self.size_ms) - self.offset_ms).rem_euclid(self.size_ms);
        time.saturating_sub(past)
    }

    /// The last moment of the pane that starts here: it is complete when the watermark reaches this.
    #[inline]
    pub(super) fn last(self, start: i64) -> EventTime {
        EventTime(start.saturating_add(self.size_ms - 1))
    }

    /// The start of the pane of each row.
    pub(super) fn starts(self, batch: &RecordBatch) -> Result<Vec<i64>, Failure> {
        let times = self.times(batch)?;
        let mut pane = Near::of(self, times.values().first().copied().unwrap_or_default());
        Ok(times
            .values()
            .iter()
            .map(|&time| {
                if !pane.holds(time) {
                    pane = Near::of(self, time);
                }
                pane.start
            })
            .collect())
    }

    /// The batch's rows by pane.
    pub(super) fn split(self, batch: &RecordBatch) -> Result<Vec<Part>, Failure> {
        let times = self.times(batch)?.values();
        let (Some(&first), rows) = (times.first(), times.len()) else {
            return Ok(Vec::new());
        };
        let pane = Near::of(self, first);
        let (min, max) = times
            .iter()
            .fold((first, first), |(min, max), &t| (min.min(t), max.max(t)));
        if pane.holds(min) && pane.holds(max) {
            return Ok(vec![Part {
                start: pane.start,
                rows: Rows::All,
            }]);
        }
        let runs = self.runs(times);
        if runs.len() <= SLICED_RUNS {
            return Ok(runs
                .into_iter()
                .map(|(start, run)| Part {
                    start,
                    rows: Rows::Run(run),
                })
                .collect());
        }
        let mut panes: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for (start, run) in runs {
            panes
                .entry(start)
                .or_insert_with(|| Vec::with_capacity(rows))
                .extend(run.start as u32..run.end as u32);
        }
        Ok(panes
            .into_iter()
            .map(|(start, rows)| Part {
                start,
                rows: Rows::These(rows.into()),
            })
            .collect())
    }

    /// Adjacent rows of one pane.
    fn runs(self, times: &[i64]) -> Vec<(i64, Range<usize>)> {
        let mut runs: Vec<(i64, Range<usize>)> = Vec::new();
        let mut pane = Near::of(self, times[0]);
        let mut from = 0;
        for (row, &time) in times.iter().enumerate() {
            if !pane.holds(time) {
                runs.push((pane.start, from..row));
                from = row;
                pane = Near::of(self, time);
            }
        }
        runs.push((pane.start, from..times.len()));
        runs
    }

    /// The time of each row; a null is the data's failure.
    pub(super) fn times(self, batch: &RecordBatch) -> Result<&TimestampMillisecondArray, Failure> {
        let column = batch.columns().get(self.time_column).filter(|c| {
            matches!(
                c.data_type(),
                DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, _)
            )
        });
        let Some(column) = column else {
            return Err(Failure::internal(format!(
                "column {} of a window's input is not TIMESTAMP(3)",
                self.time_column
            )));
        };
        if let Some(row) = column
            .nulls()
            .and_then(|nulls| nulls.iter().position(|valid| !valid))
        {
            return Err(
                Failure::user("the time of a window's row is null; filter such rows out before")
                    .at(describe_row(batch, row)),
            );
        }
        Ok(column.as_primitive::<TimestampMillisecondType>())
    }
}

/// The pane of the row before: most rows fall into it too, which two comparisons tell without a division.
struct Near {
    start: i64,
    last: i64,
}

impl Near {
    #[inline]
    fn of(grid: Grid, time: i64) -> Self {
        let start = grid.start(time);
        Self {
            start,
            last: grid.last(start).0,
        }
    }

    #[inline]
    fn holds(&self, time: i64) -> bool {
        self.start <= time && time <= self.last
    }
}
