//! Sessions without an aggregation: rows wait until their session has ended, and come out with its bounds.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use arrow_select::interleave::interleave;
use weir_model::{EventTime, Failure};
use weir_proto::graph;

use super::{
    EMIT_ROWS,
    grid::Grid,
    partial,
    sessions::{NONE, Sessions},
};
use crate::{
    operator::{Context, Operator, keys::normal_columns},
    state::{NumberedRows, Scope, Snapshot, Table, numbered::Restored, table::Due},
};

/// Batches that may have nothing left to wait for before the others are numbered anew.
const SLACK_BATCHES: usize = 64;

/// Adds the columns of sessions to rows.
#[derive(Debug)]
pub(in crate::operator) struct SessionTable {
    times: Grid,
    keys: Vec<usize>,
    /// How many columns the rows have.
    columns: usize,
    /// The rows as rows of a table of state.
    kept: NumberedRows,
    sessions: Sessions,
    waiting: Waiting,
    output: SchemaRef,
    watermark: EventTime,
}

/// The rows of open sessions. A batch is kept as long as one of its rows waits.
#[derive(Debug, Default)]
struct Waiting {
    /// In the order in which they came: their columns, and last the number of each row.
    batches: Vec<Vec<ArrayRef>>,
    /// How many rows of each batch wait.
    left: Vec<usize>,
    /// Per session, its rows: batch and row.
    rows: Vec<Vec<(u32, u32)>>,
    /// The number of the next row.
    next: i64,
    is_tracking: bool,
    /// Whether a snapshot knows the rows of each batch.
    known: Vec<bool>,
    /// Keys of rows that have gone since the last snapshot, which knows them.
    gone: Vec<Vec<ArrayRef>>,
}

impl Waiting {
    /// Keeps rows: their columns, with their numbers; and whether a snapshot knows them.
    fn add(&mut self, columns: Vec<ArrayRef>, is_known: bool, sessions: &[u32], total: usize) {
        let number = self.batches.len() as u32;
        self.rows.resize_with(total, Vec::new);
        let mut left = 0;
        for (row, &session) in (0..).zip(sessions) {
            if session != NONE {
                self.rows[session as usize].push((number, row));
                left += 1;
            }
        }
        self.batches.push(columns);
        self.left.push(left);
        self.known.push(is_known);
    }

    /// Numbers for the next rows.
    fn numbers(&mut self, rows: usize) -> ArrayRef {
        let first = self.next;
        self.next += rows as i64;
        Arc::new(Int64Array::from_iter_values(first..self.next))
    }

    fn move_rows(&mut self, from: u32, into: u32) {
        let rows = std::mem::take(&mut self.rows[from as usize]);
        self.rows[into as usize].extend(rows);
    }

    /// Takes out the rows of a session, in the order in which they came.
    fn take(&mut self, session: u32) -> Vec<(u32, u32)> {
        let mut rows = std::mem::take(&mut self.rows[session as usize]);
        rows.sort_unstable();
        for (batch, _) in &rows {
            self.left[*batch as usize] -= 1;
        }
        rows
    }

    /// Some of the columns of some rows.
    fn columns(
        &self,
        rows: &[(u32, u32)],
        columns: impl IntoIterator<Item = usize>,
    ) -> Result<Vec<ArrayRef>, Failure> {
        let mut used: Vec<u32> = rows.iter().map(|(batch, _)| *batch).collect();
        used.sort_unstable();
        used.dedup();
        let place = |batch: u32| used.binary_search(&batch).unwrap_or_default();
        let indices: Vec<(usize, usize)> = rows.iter().map(|&(b, row)| (place(b), row as usize)).collect();
        columns
            .into_iter()
            .map(|column| {
                let arrays = used.iter().map(|b| self.batches[*b as usize][column].as_ref());
                interleave(&arrays.collect::<Vec<_>>(), &indices)
                    .map_err(|e| Failure::internal(format!("cannot gather the rows of sessions: {e}")))
            })
            .collect()
    }

    /// Drops batches of which nothing waits, once there are enough of them.
    fn forget(&mut self) {
        let empty = self.left.iter().filter(|left| **left == 0).count();
        if empty <= self.batches.len() / 2 + SLACK_BATCHES {
            return;
        }
        let mut numbers = vec![0; self.batches.len()];
        let (mut batches, mut left, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for (old, batch) in std::mem::take(&mut self.batches).into_iter().enumerate() {
            if self.left[old] > 0 {
                numbers[old] = batches.len() as u32;
                batches.push(batch);
                left.push(self.left[old]);
                known.push(self.known[old]);
            }
        }
        (self.batches, self.left, self.known) = (batches, left, known);
        for (batch, _) in self.rows.iter_mut().flatten() {
            *batch = numbers[*batch as usize];
        }
    }
}

impl SessionTable {
    pub(in crate::operator) fn new(
        spec: &graph::SessionTable,
        input: &SchemaRef,
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let keys: Vec<usize> = spec.keys.iter().map(|&k| k as usize).collect();
        if let Some(key) = keys.iter().find(|&&k| k >= input.fields().len()) {
            return Err(Failure::internal(format!("key column {key} does not exist")));
        }
        if spec.gap_ms <= 0 {
            return Err(Failure::internal(format!(
                "sessions with a gap of {} ms",
                spec.gap_ms
            )));
        }
        let moment = DataType::Timestamp(TimeUnit::Millisecond, None);
        let columns = input.fields().iter().map(|f| f.data_type().clone());
        partial::check(&output, &columns.chain(vec![moment; 3]).collect::<Vec<_>>())?;
        let types = keys.iter().map(|&k| input.field(k).data_type().clone()).collect();
        Ok(Self {
            times: Grid::new(spec.time_column as usize, 1, 0),
            columns: input.fields().len(),
            kept: NumberedRows::new(input, input.fields().len(), &keys),
            keys,
            sessions: Sessions::new(spec.gap_ms, types)?,
            waiting: Waiting::default(),
            output,
            watermark: EventTime::MIN,
        })
    }

    fn fire(&mut self, context: &mut Context) -> Result<(), Failure> {
        let (mut rows, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        let mut of = Vec::new();
        for session in self.sessions.close(self.watermark) {
            let taken = self.waiting.take(session);
            of.resize(of.len() + taken.len(), session);
            let bounds = self.sessions.get(session);
            starts.resize(starts.len() + taken.len(), bounds.start);
            ends.resize(ends.len() + taken.len(), bounds.end);
            rows.extend(taken);
        }
        for from in (0..rows.len()).step_by(EMIT_ROWS) {
            let range = from..rows.len().min(from + EMIT_ROWS);
            let mut columns = self.waiting.columns(&rows[range.clone()], 0..self.columns)?;
            let times = ends[range.clone()].iter().map(|end| end - 1).collect();
            for moments in [starts[range.clone()].to_vec(), ends[range].to_vec(), times] {
                columns.push(partial::moments(&self.output, columns.len(), moments));
            }
            context.emit(partial::batch(&self.output, columns)?);
        }
        self.note_gone(&rows, &of)?;
        if let Some(open) = self.sessions.pack()? {
            let waiting = &mut self.waiting.rows;
            *waiting = open
                .iter()
                .map(|&old| std::mem::take(&mut waiting[old as usize]))
                .collect();
        }
        self.waiting.forget();
        Ok(())
    }

    /// Notes rows that have gone, with their sessions, as far as a snapshot knows them.
    fn note_gone(&mut self, rows: &[(u32, u32)], of: &[u32]) -> Result<(), Failure> {
        if !self.waiting.is_tracking {
            return Ok(());
        }
        let known = rows.iter().zip(of);
        let (rows, of): (Vec<_>, Vec<u32>) = known
            .filter(|((batch, _), _)| self.waiting.known[*batch as usize])
            .unzip();
        if !rows.is_empty() {
            let mut key = self.sessions.keys(&of)?;
            key.extend(self.waiting.columns(&rows, [self.columns])?);
            self.waiting.gone.push(key);
        }
        Ok(())
    }

    /// Says the rows of these sessions, or those of them that no snapshot knows.
    fn say(&self, sessions: &[u32], scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        let is_said = |(batch, _): &&(u32, u32)| scope == Scope::All || !self.waiting.known[*batch as usize];
        let (mut rows, mut of) = (Vec::new(), Vec::new());
        for &session in sessions {
            let of_session = self.waiting.rows[session as usize].iter();
            rows.extend(of_session.filter(is_said));
            of.resize(rows.len(), session);
        }
        let chunk = into.chunk_rows();
        for (rows, of) in rows.chunks(chunk).zip(of.chunks(chunk)) {
            let mut columns = self.sessions.keys(of)?;
            let values = self.kept.values().iter().copied();
            columns.extend(
                self.waiting
                    .columns(rows, [self.columns].into_iter().chain(values))?,
            );
            into.write(0, columns)?;
        }
        Ok(())
    }
}

impl Operator for SessionTable {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        let times = self.times.times(&batch)?;
        let keys: Vec<ArrayRef> = self
            .keys
            .iter()
            .map(|&k| ArrayRef::clone(batch.column(k)))
            .collect();
        let assigned = self.sessions.assign(&keys, times.values(), self.watermark)?;
        if assigned.late > 0 {
            context.drop_late(assigned.late_rows());
        }
        let mut columns = batch.columns().to_vec();
        columns.push(self.waiting.numbers(batch.num_rows()));
        self.waiting
            .add(columns, false, &assigned.sessions, self.sessions.len());
        for (from, into) in assigned.moved {
            self.waiting.move_rows(from, into);
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.watermark = self.watermark.max(watermark);
        self.fire(context)
    }

    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.watermark = EventTime::MAX;
        self.fire(context)
    }

    fn tables(&self) -> Vec<Table> {
        // Of a session's rows, it ends with the last one.
        let time = self.kept.place(self.times.column());
        let end = Due::at(time, self.sessions.gap_ms() - 1);
        vec![self.kept.table("rows of sessions").due(end)]
    }

    fn is_partitioned(&self) -> bool {
        true
    }

    fn partition(&self, _port: usize, batch: &RecordBatch) -> Vec<ArrayRef> {
        normal_columns(batch, &self.keys)
    }

    fn track_changes(&mut self) {
        self.sessions.track();
        self.waiting.is_tracking = true;
        self.waiting.known.fill(true);
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        if scope == Scope::All {
            return self.say(&self.sessions.open(), scope, into);
        }
        for gone in self.waiting.gone.drain(..) {
            into.delete(0, gone)?;
        }
        let changed = self.sessions.news()?.open;
        self.say(&changed, scope, into)?;
        self.waiting.known.fill(true);
        Ok(())
    }

    /// Open sessions are what their rows make of them: those come as they once did.
    fn restore(&mut self, _table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        let Restored { keys, numbers, rows } = self.kept.restored(rows)?;
        let times = self.times.times(&rows)?;
        let assigned = self.sessions.assign(&keys, times.values(), EventTime::MIN)?;
        let last = numbers.iter().copied().max();
        self.waiting.next = last.map_or(self.waiting.next, |last| self.waiting.next.max(last + 1));
        let mut columns = rows.columns().to_vec();
        columns.push(Arc::new(Int64Array::new(numbers, None)));
        self.waiting
            .add(columns, true, &assigned.sessions, self.sessions.len());
        for (from, into) in assigned.moved {
            self.waiting.move_rows(from, into);
        }
        Ok(())
    }

    fn restored(&mut self, watermark: EventTime) -> Result<(), Failure> {
        self.watermark = watermark;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Float64Array, StringArray, TimestampMillisecondArray};
    use arrow_schema::{Field, Schema};
    use proptest::prelude::*;

    use super::*;
    use crate::operator::rehearsal::{self, Call};

    /// Keys that are equal and differ in their bits are among them.
    const KEYS: [Option<f64>; 4] = [None, Some(0.0), Some(-0.0), Some(1.5)];

    fn schema(with_windows: bool) -> SchemaRef {
        let moment = DataType::Timestamp(TimeUnit::Millisecond, None);
        let mut fields = vec![
            Field::new("name", DataType::Utf8, false),
            Field::new("t", moment.clone(), false),
            Field::new("k", DataType::Float64, true),
        ];
        let windows = ["window_start", "window_end", "window_time"];
        let windows = windows.map(|name| Field::new(name, moment.clone(), false));
        fields.extend(windows.into_iter().filter(|_| with_windows));
        Arc::new(Schema::new(fields))
    }

    fn rows(rows: &[(usize, i64)], next: &mut i64) -> RecordBatch {
        let names = *next..*next + rows.len() as i64;
        *next = names.end;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(names.map(|n| Some(format!("row {n}"))).collect::<StringArray>()),
            Arc::new(
                rows.iter()
                    .map(|row| Some(row.1))
                    .collect::<TimestampMillisecondArray>(),
            ),
            Arc::new(rows.iter().map(|row| KEYS[row.0]).collect::<Float64Array>()),
        ];
        RecordBatch::try_new(schema(false), columns).expect("fits")
    }

    fn table(keys: &'static [u32]) -> Box<dyn Operator> {
        let spec = graph::SessionTable {
            time_column: 1,
            keys: keys.to_vec(),
            gap_ms: 5,
        };
        Box::new(SessionTable::new(&spec, &schema(false), schema(true)).expect("fits"))
    }

    /// Batches of rows, keys and times from a little before the watermark on, and by how much that rises behind each.
    fn calls(batches: Vec<(Vec<(usize, i64)>, i64)>) -> Vec<Call> {
        let (mut next, mut watermark, mut calls) = (0, 0, Vec::new());
        for (batch, by) in batches {
            let batch: Vec<(usize, i64)> = batch
                .iter()
                .map(|(key, time)| (*key, watermark - 10 + time))
                .collect();
            calls.push(Call::Rows(rows(&batch, &mut next)));
            watermark += by;
            calls.push(Call::Watermark(watermark));
        }
        calls
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Sessions that grow at both ends and become one, late rows, and batches of which nothing waits.
        #[test]
        fn a_restored_session_table_goes_on_as_if_nothing_had_been(
            keys in prop::sample::select(vec![&[2_u32] as &[u32], &[], &[2, 0]]),
            batches in prop::collection::vec(
                (prop::collection::vec((0..KEYS.len(), 0..40_i64), 0..8), 0..12_i64), 1..24),
        ) {
            let calls = calls(batches);
            rehearsal::check_sorted(move || table(keys), &calls);
            let columns: Vec<usize> = keys.iter().map(|key| *key as usize).collect();
            rehearsal::check_rescaled(move || table(keys), &calls, &columns);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn a_session_table_that_is_on_disk_goes_on_as_if_it_were_not(
            keys in prop::sample::select(vec![&[2_u32] as &[u32], &[2, 0]]),
            batches in prop::collection::vec(
                (prop::collection::vec((0..KEYS.len(), 0..40_i64), 0..8), 0..12_i64), 1..24),
        ) {
            rehearsal::check_spilled(move || table(keys), &calls(batches));
        }
    }
}
