//! Gathers the rows for one destination into batches worth sending.

use std::time::Duration;

use arrow_array::{RecordBatch, UInt32Array};
use arrow_select::{interleave::interleave_record_batch, take::take_record_batch};
use weir_model::Failure;

/// Source batches that one destination keeps alive at most.
const MAX_SOURCES: usize = 64;

/// Rows picked from batches, waiting for company. They are copied once, when they are sent.
#[derive(Debug, Default)]
pub struct Coalescer {
    target_rows: usize,
    sources: Vec<RecordBatch>,
    /// Source and row.
    picked: Vec<(usize, usize)>,
    /// When the first row that waits came.
    since: Option<Duration>,
}

impl Coalescer {
    /// Gathers about so many rows.
    pub fn new(target_rows: usize) -> Self {
        Self {
            target_rows: target_rows.max(1),
            ..Self::default()
        }
    }

    /// Adds these rows of the batch; gives back a batch when enough have gathered.
    pub fn push(
        &mut self,
        batch: &RecordBatch,
        rows: &[u32],
        now: Duration,
    ) -> Result<Option<RecordBatch>, Failure> {
        if rows.is_empty() {
            return Ok(None);
        }
        if self.picked.is_empty() && rows.len() >= self.target_rows {
            return pick(batch, rows).map(Some);
        }
        let source = self.sources.len();
        self.sources.push(batch.clone());
        self.picked.extend(rows.iter().map(|&row| (source, row as usize)));
        self.since.get_or_insert(now);
        if self.picked.len() >= self.target_rows || self.sources.len() >= MAX_SOURCES {
            return self.flush();
        }
        Ok(None)
    }

    /// Adds the whole batch; gives back a batch when enough rows have gathered.
    pub fn push_whole(&mut self, batch: RecordBatch, now: Duration) -> Result<Option<RecordBatch>, Failure> {
        if self.picked.is_empty() && batch.num_rows() >= self.target_rows {
            return Ok(Some(batch));
        }
        let rows: Vec<u32> = (0..batch.num_rows() as u32).collect();
        self.push(&batch, &rows, now)
    }

    /// When the first row that waits came, if any waits.
    pub fn since(&self) -> Option<Duration> {
        self.since
    }

    /// All rows that wait.
    pub fn flush(&mut self) -> Result<Option<RecordBatch>, Failure> {
        self.since = None;
        let batch = match self.sources.as_slice() {
            [] => return Ok(None),
            [source] => {
                let rows: Vec<u32> = self.picked.iter().map(|&(_, row)| row as u32).collect();
                pick(source, &rows)
            }
            sources if sources[0].num_columns() == 0 => pick_none(&sources[0], self.picked.len()),
            sources => {
                let sources: Vec<&RecordBatch> = sources.iter().collect();
                interleave_record_batch(&sources, &self.picked).map_err(gathering)
            }
        };
        self.sources.clear();
        self.picked.clear();
        batch.map(Some)
    }
}

fn pick(batch: &RecordBatch, rows: &[u32]) -> Result<RecordBatch, Failure> {
    if rows.len() == batch.num_rows() {
        // Ascending and all of them.
        return Ok(batch.clone());
    }
    if batch.num_columns() == 0 {
        return pick_none(batch, rows.len());
    }
    take_record_batch(batch, &UInt32Array::from(rows.to_vec())).map_err(gathering)
}

fn pick_none(batch: &RecordBatch, rows: usize) -> Result<RecordBatch, Failure> {
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(batch.schema(), vec![], &options).map_err(gathering)
}

fn gathering(error: arrow_schema::ArrowError) -> Failure {
    Failure::internal(format!("cannot gather rows for the exchange: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, cast::AsArray, types::Int64Type};

    use super::*;

    fn batch(values: std::ops::Range<i64>) -> RecordBatch {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        RecordBatch::try_from_iter([("n", values)]).expect("one column")
    }

    fn values(batch: &RecordBatch) -> Vec<i64> {
        batch.column(0).as_primitive::<Int64Type>().values().to_vec()
    }

    const NOW: Duration = Duration::from_millis(1);

    #[test]
    fn rows_gather_in_order_until_there_are_enough() {
        let mut coalescer = Coalescer::new(5);
        assert_eq!(coalescer.push(&batch(0..10), &[1, 3], NOW), Ok(None));
        assert_eq!(coalescer.push(&batch(10..20), &[], NOW * 2), Ok(None));
        assert_eq!(coalescer.push(&batch(20..30), &[0, 9], NOW * 3), Ok(None));
        assert_eq!(coalescer.since(), Some(NOW), "the first row sets the time");
        let gathered = coalescer
            .push(&batch(30..40), &[5, 6], NOW * 4)
            .expect("works")
            .expect("six are enough");
        assert_eq!(values(&gathered), [1, 3, 20, 29, 35, 36]);
        assert_eq!(coalescer.since(), None);
        assert_eq!(coalescer.flush(), Ok(None));
    }

    #[test]
    fn a_large_batch_passes_straight_through() {
        let mut coalescer = Coalescer::new(5);
        let whole = batch(0..10);
        let passed = coalescer
            .push_whole(whole.clone(), NOW)
            .expect("works")
            .expect("ten are enough");
        assert!(
            Arc::ptr_eq(passed.column(0), whole.column(0)),
            "nothing is copied"
        );
        assert_eq!(coalescer.push_whole(batch(0..2), NOW), Ok(None));
        let gathered = coalescer
            .push_whole(batch(2..5), NOW)
            .expect("works")
            .expect("five are enough");
        assert_eq!(values(&gathered), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn few_rows_of_many_batches_do_not_keep_all_of_them_alive() {
        let mut coalescer = Coalescer::new(1_000_000);
        let sent = (0..MAX_SOURCES)
            .filter_map(|_| coalescer.push(&batch(0..10), &[0], NOW).expect("works"))
            .count();
        assert_eq!(sent, 1);
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let empty = |rows: usize| {
            pick_none(&batch(0..1).project(&[]).expect("no columns"), rows).expect("no columns")
        };
        let mut coalescer = Coalescer::new(100);
        assert_eq!(coalescer.push_whole(empty(3), NOW), Ok(None));
        assert_eq!(coalescer.push_whole(empty(4), NOW), Ok(None));
        assert_eq!(coalescer.flush().expect("works").map(|b| b.num_rows()), Some(7));
    }
}
