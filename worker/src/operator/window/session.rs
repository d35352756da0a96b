//! Session windows: rows of a key that follow each other within a gap, aggregated in one phase behind the shuffle.

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use arrow_select::take::take;
use weir_model::{EventTime, Failure};
use weir_proto::graph;

use super::{
    EMIT_ROWS,
    grid::Grid,
    partial,
    sessions::{NONE, Sessions},
    slots::Slots,
};
use crate::operator::{
    Context, Operator,
    aggregate::{Shape, Shapes},
};

/// Aggregates raw rows into the results of sessions.
#[derive(Debug)]
pub(in crate::operator) struct SessionAggregate {
    times: Grid,
    keys: Vec<usize>,
    shapes: Shapes,
    sessions: Sessions,
    slots: Slots,
    output: SchemaRef,
    watermark: EventTime,
}

impl SessionAggregate {
    pub(in crate::operator) fn new(
        spec: &graph::SessionAggregate,
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
        let types: Vec<DataType> = keys.iter().map(|&k| input.field(k).data_type().clone()).collect();
        let shapes = spec
            .aggregates
            .iter()
            .map(|a| Shape::of_raw(a, input))
            .collect::<Result<Vec<_>, _>>()?;
        let moment = DataType::Timestamp(TimeUnit::Millisecond, None);
        let results = shapes.iter().map(|s| s.result_type().clone());
        let emitted: Vec<DataType> = types
            .iter()
            .cloned()
            .chain(results)
            .chain(vec![moment; 3])
            .collect();
        partial::check(&output, &emitted)?;
        Ok(Self {
            times: Grid::new(spec.time_column as usize, 1, 0),
            keys,
            sessions: Sessions::new(spec.gap_ms, types)?,
            slots: Slots::new(&shapes)?,
            shapes,
            output,
            watermark: EventTime::MIN,
        })
    }

    /// Adds rows to their sessions; `wanted` are those that are not late, if some are.
    fn add(
        &mut self,
        batch: &RecordBatch,
        sessions: &[u32],
        wanted: Option<UInt32Array>,
    ) -> Result<(), Failure> {
        let argument = |shape: &Shape| {
            let column = shape.column.map(|c| batch.column(c));
            column
                .map(|column| match &wanted {
                    None => Ok(ArrayRef::clone(column)),
                    Some(rows) => take(column, rows, None)
                        .map_err(|e| Failure::internal(format!("cannot leave out late rows: {e}"))),
                })
                .transpose()
        };
        let arguments = self.shapes.iter().map(argument).collect::<Result<Vec<_>, _>>()?;
        self.slots.update(sessions, self.sessions.len(), &arguments)
    }

    fn fire(&mut self, context: &mut Context) -> Result<(), Failure> {
        let closed = self.sessions.close(self.watermark);
        for sessions in closed.chunks(EMIT_ROWS) {
            let mut columns = self.sessions.keys(sessions)?;
            columns.extend(self.slots.results(sessions)?);
            let moments = |of: fn(i64, i64) -> i64| {
                let session = |&s: &u32| self.sessions.get(s);
                sessions.iter().map(session).map(|s| of(s.start, s.end)).collect()
            };
            for of in [
                |start, _| start,
                |_, end| end,
                |_, end: i64| end.saturating_sub(1),
            ] {
                columns.push(partial::moments(&self.output, columns.len(), moments(of)));
            }
            context.emit(partial::batch(&self.output, columns)?);
        }
        if let Some(open) = self.sessions.pack()? {
            self.slots.keep(&open)?;
        }
        Ok(())
    }
}

impl Operator for SessionAggregate {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        let times = self.times.times(&batch)?;
        let keys: Vec<ArrayRef> = self
            .keys
            .iter()
            .map(|&k| ArrayRef::clone(batch.column(k)))
            .collect();
        let mut assigned = self.sessions.assign(&keys, times.values(), self.watermark)?;
        if assigned.late == 0 {
            self.add(&batch, &assigned.sessions, None)?;
        } else {
            context.drop_late(assigned.late_rows());
            let on_time = |&row: &u32| assigned.sessions[row as usize] != NONE;
            let wanted: UInt32Array = (0..batch.num_rows() as u32)
                .filter(on_time)
                .collect::<Vec<_>>()
                .into();
            assigned.sessions.retain(|&session| session != NONE);
            self.add(&batch, &assigned.sessions, Some(wanted))?;
        }
        for (from, into) in assigned.moved {
            self.slots.move_rows(from, into, self.sessions.len())?;
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
