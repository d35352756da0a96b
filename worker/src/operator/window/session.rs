//! Session windows: rows of a key that follow each other within a gap, aggregated in one phase behind the shuffle.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array, cast::AsArray, types::Int64Type};
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
use crate::{
    operator::{
        Context, Operator,
        aggregate::{Shape, Shapes},
        keys::normal_columns,
    },
    state::{
        NumberedRows, Scope, Snapshot, Table,
        table::{Due, Part},
    },
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

    /// Says these sessions: key, start, then end and what has been made of their rows.
    fn say(&self, sessions: &[u32], into: &mut Snapshot) -> Result<(), Failure> {
        for sessions in sessions.chunks(into.chunk_rows()) {
            let bounds = sessions.iter().map(|&session| self.sessions.get(session));
            let (starts, ends): (Vec<i64>, Vec<i64>) = bounds.map(|s| (s.start, s.end)).unzip();
            let mut columns = NumberedRows::key(self.sessions.keys(sessions)?, starts);
            columns.push(Arc::new(Int64Array::from(ends)));
            columns.extend(self.slots.state_of(sessions)?);
            into.write(0, columns)?;
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

    fn tables(&self) -> Vec<Table> {
        let mut parts = vec![Part::own("$end", DataType::Int64)];
        parts.extend_from_slice(self.slots.parts());
        let start = [DataType::Int64];
        let end = self.keys.len() + 1;
        vec![Table::of_parts("sessions", self.sessions.types(), &start, parts).due(Due::at(end, -1))]
    }

    fn is_partitioned(&self) -> bool {
        true
    }

    fn partition(&self, _port: usize, batch: &RecordBatch) -> Vec<ArrayRef> {
        normal_columns(batch, &self.keys)
    }

    fn track_changes(&mut self) {
        self.sessions.track();
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        if scope == Scope::All {
            return self.say(&self.sessions.open(), into);
        }
        let news = self.sessions.news()?;
        news.gone.into_iter().try_for_each(|gone| into.delete(0, gone))?;
        self.say(&news.open, into)
    }

    fn restore(&mut self, _table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        let (keys, rest) = rows.columns().split_at(self.keys.len());
        let [starts, ends, state @ ..] = rest else {
            return Err(Failure::internal(
                "sessions of an operator's state have no bounds",
            ));
        };
        let [starts, ends] = [starts, ends].map(|column| column.as_primitive::<Int64Type>().values());
        let first = self.sessions.len() as u32;
        self.sessions.restore(keys, starts, ends)?;
        let slots: Vec<u32> = (first..self.sessions.len() as u32).collect();
        self.slots.restore(&slots, self.sessions.len(), state)
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
    use weir_proto::{graph::AggregateFunction as F, schema};

    use super::*;
    use crate::operator::rehearsal::{self, Call};

    /// Keys that are equal and differ in their bits are among them.
    const KEYS: [Option<f64>; 4] = [None, Some(0.0), Some(-0.0), Some(1.5)];
    const MOMENT: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

    fn input() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("t", MOMENT, false),
            Field::new("k", DataType::Float64, true),
            Field::new("n", DataType::Int64, false),
        ]))
    }

    fn rows(rows: &[(usize, i64)], next: &mut i64) -> RecordBatch {
        let numbers = *next..*next + rows.len() as i64;
        *next = numbers.end;
        let names = numbers
            .clone()
            .map(|n| (n % 4 != 3).then(|| format!("row {}", n % 9)));
        let times = rows.iter().map(|row| Some(row.1));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(names.collect::<StringArray>()),
            Arc::new(times.collect::<TimestampMillisecondArray>()),
            Arc::new(rows.iter().map(|row| KEYS[row.0]).collect::<Float64Array>()),
            Arc::new(Int64Array::from_iter_values(numbers)),
        ];
        RecordBatch::try_new(input(), columns).expect("fits")
    }

    fn sessions(keys: &'static [u32]) -> Box<dyn Operator> {
        let calls = [
            (F::CountStar, None, DataType::Int64, false),
            (F::Count, Some(0), DataType::Int64, true),
            (F::Sum, Some(3), DataType::Int64, false),
            (F::Max, Some(0), DataType::Utf8, false),
            (F::LastValue, Some(0), DataType::Utf8, false),
            (F::Listagg, Some(0), DataType::Utf8, false),
        ];
        let field = |result: &DataType| Field::new("r", result.clone(), true);
        let aggregate =
            |(function, column, result, distinct): &(F, Option<u32>, DataType, bool)| graph::Aggregate {
                function: (*function).into(),
                column: *column,
                result: schema::encode(&Schema::new(vec![field(result)])).expect("encodes"),
                distinct: *distinct,
                separator: ",".to_owned(),
                ..Default::default()
            };
        let spec = graph::SessionAggregate {
            time_column: 1,
            gap_ms: 5,
            keys: keys.to_vec(),
            aggregates: calls.iter().map(aggregate).collect(),
        };
        let keys = keys.iter().map(|key| input().field(*key as usize).clone());
        let mut fields: Vec<Field> = keys.chain(calls.iter().map(|call| field(&call.2))).collect();
        fields.extend(["start", "end", "time"].map(|name| Field::new(name, MOMENT, false)));
        let output = Arc::new(Schema::new(fields));
        Box::new(SessionAggregate::new(&spec, &input(), output).expect("fits"))
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

        /// Sessions that grow at both ends and become one, and late rows.
        #[test]
        fn restored_sessions_go_on_as_if_nothing_had_been(
            keys in prop::sample::select(vec![&[2_u32] as &[u32], &[], &[2, 0]]),
            batches in prop::collection::vec(
                (prop::collection::vec((0..KEYS.len(), 0..40_i64), 0..8), 0..12_i64), 1..24),
        ) {
            let calls = calls(batches);
            rehearsal::check_sorted(move || sessions(keys), &calls);
            let columns: Vec<usize> = keys.iter().map(|key| *key as usize).collect();
            rehearsal::check_rescaled(move || sessions(keys), &calls, &columns);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn sessions_that_are_on_disk_go_on_as_if_they_were_not(
            keys in prop::sample::select(vec![&[2_u32] as &[u32], &[2, 0]]),
            batches in prop::collection::vec(
                (prop::collection::vec((0..KEYS.len(), 0..40_i64), 0..8), 0..12_i64), 1..24),
        ) {
            rehearsal::check_spilled(move || sessions(keys), &calls(batches));
        }
    }
}
