//! Sessions without an aggregation: rows wait until their session has ended, and come out with its bounds.

use arrow_array::{ArrayRef, RecordBatch};
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
use crate::operator::{Context, Operator};

/// Batches that may have nothing left to wait for before the others are numbered anew.
const SLACK_BATCHES: usize = 64;

/// Adds the columns of sessions to rows.
#[derive(Debug)]
pub(in crate::operator) struct SessionTable {
    times: Grid,
    keys: Vec<usize>,
    sessions: Sessions,
    waiting: Waiting,
    output: SchemaRef,
    watermark: EventTime,
}

/// The rows of open sessions. A batch is kept as long as one of its rows waits.
#[derive(Debug, Default)]
struct Waiting {
    batches: Vec<RecordBatch>,
    /// How many rows of each batch wait.
    left: Vec<usize>,
    /// Per session, its rows: batch and row.
    rows: Vec<Vec<(u32, u32)>>,
}

impl Waiting {
    fn add(&mut self, batch: RecordBatch, sessions: &[u32], total: usize) {
        let number = self.batches.len() as u32;
        self.rows.resize_with(total, Vec::new);
        let mut left = 0;
        for (row, &session) in (0..).zip(sessions) {
            if session != NONE {
                self.rows[session as usize].push((number, row));
                left += 1;
            }
        }
        self.batches.push(batch);
        self.left.push(left);
    }

    fn move_rows(&mut self, from: u32, into: u32) {
        let rows = std::mem::take(&mut self.rows[from as usize]);
        self.rows[into as usize].extend(rows);
    }

    /// Takes out the rows of a session.
    fn take(&mut self, session: u32) -> Vec<(u32, u32)> {
        let rows = std::mem::take(&mut self.rows[session as usize]);
        for (batch, _) in &rows {
            self.left[*batch as usize] -= 1;
        }
        rows
    }

    /// The columns of some rows.
    fn columns(&self, rows: &[(u32, u32)]) -> Result<Vec<ArrayRef>, Failure> {
        let mut used: Vec<u32> = rows.iter().map(|(batch, _)| *batch).collect();
        used.sort_unstable();
        used.dedup();
        let place = |batch: u32| used.binary_search(&batch).unwrap_or_default();
        let indices: Vec<(usize, usize)> = rows.iter().map(|&(b, row)| (place(b), row as usize)).collect();
        let Some(first) = used.first() else {
            return Ok(Vec::new());
        };
        (0..self.batches[*first as usize].num_columns())
            .map(|column| {
                let arrays = used
                    .iter()
                    .map(|b| self.batches[*b as usize].column(column).as_ref());
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
        let (mut batches, mut left) = (Vec::new(), Vec::new());
        for (old, batch) in std::mem::take(&mut self.batches).into_iter().enumerate() {
            if self.left[old] > 0 {
                numbers[old] = batches.len() as u32;
                batches.push(batch);
                left.push(self.left[old]);
            }
        }
        (self.batches, self.left) = (batches, left);
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
            keys,
            sessions: Sessions::new(spec.gap_ms, types)?,
            waiting: Waiting::default(),
            output,
            watermark: EventTime::MIN,
        })
    }

    fn fire(&mut self, context: &mut Context) -> Result<(), Failure> {
        let (mut rows, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for session in self.sessions.close(self.watermark) {
            let taken = self.waiting.take(session);
            let bounds = self.sessions.get(session);
            starts.resize(starts.len() + taken.len(), bounds.start);
            ends.resize(ends.len() + taken.len(), bounds.end);
            rows.extend(taken);
        }
        for from in (0..rows.len()).step_by(EMIT_ROWS) {
            let range = from..rows.len().min(from + EMIT_ROWS);
            let mut columns = self.waiting.columns(&rows[range.clone()])?;
            let times = ends[range.clone()].iter().map(|end| end - 1).collect();
            for moments in [starts[range.clone()].to_vec(), ends[range].to_vec(), times] {
                columns.push(partial::moments(&self.output, columns.len(), moments));
            }
            context.emit(partial::batch(&self.output, columns)?);
        }
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
        self.waiting.add(batch, &assigned.sessions, self.sessions.len());
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
}
