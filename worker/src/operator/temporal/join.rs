//! Each row with the version of its key that is valid at its time, once the watermark has reached that.

use std::sync::Arc;

use arrow::compute::{filter_record_batch, take};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef, TimeUnit};
use weir_model::{EventTime, Failure};
use weir_proto::graph::{self, join::Type};

use super::{
    state::State,
    versions::{NONE, Versions},
    waiting::{Due, Waiting},
};
use crate::{
    expression::{Filter, describe_row},
    operator::{
        Context, Operator, columns,
        keys::{common_types, normal_columns},
    },
    state::{Scope, Snapshot, Table},
};

/// Joins rows with the versions that are valid at their times.
#[derive(Debug)]
pub(in crate::operator) struct TemporalJoin {
    is_outer: bool,
    /// By port.
    keys: [Vec<usize>; 2],
    times: [usize; 2],
    /// Columns of the left side.
    left: usize,
    /// Over all columns of left, then right.
    condition: Option<(Filter, SchemaRef)>,
    /// Columns of the result among those of left, then right.
    columns: Vec<usize>,
    state: State,
    watermark: EventTime,
    output: SchemaRef,
}

impl TemporalJoin {
    pub(in crate::operator) fn new(
        spec: &graph::TemporalJoin,
        inputs: &[SchemaRef],
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let [left, right] = inputs else {
            let inputs = inputs.len();
            return Err(Failure::internal(format!("a temporal join of {inputs} inputs")));
        };
        let numbers = |numbers: &[u32]| numbers.iter().map(|n| *n as usize).collect::<Vec<_>>();
        let keys = [numbers(&spec.left_keys), numbers(&spec.right_keys)];
        let times = [spec.left_time as usize, spec.right_time as usize];
        let moment = DataType::Timestamp(TimeUnit::Millisecond, None);
        let is_moment = |(input, time): (&SchemaRef, usize)| {
            input.fields().get(time).map(|f| f.data_type()) == Some(&moment)
        };
        if !inputs.iter().zip(times).all(is_moment) {
            return Err(Failure::internal("a temporal join needs times in ms"));
        }
        let key_types = common_types([left, right], &keys)?;
        let fields = left.fields().iter().chain(right.fields()).cloned();
        let both: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let condition = spec
            .filter
            .as_deref()
            .map(|bytes| Filter::decode(bytes, &both))
            .transpose()?;
        Ok(Self {
            is_outer: spec.r#type() == Type::Left,
            left: left.fields().len(),
            condition: condition.map(|filter| (filter, both)),
            columns: numbers(&spec.output),
            state: State {
                versions: Versions::new(SchemaRef::clone(right), &keys[1], key_types, spec.state_ttl_ms)?,
                waiting: Waiting::new(left, &keys[0], times[0]),
            },
            keys,
            times,
            watermark: EventTime::MIN,
            output,
        })
    }

    fn times(&self, port: usize, batch: &RecordBatch) -> Result<ScalarBuffer<i64>, Failure> {
        let times = batch.column(self.times[port]);
        match times.nulls().and_then(|n| n.iter().position(|valid| !valid)) {
            Some(row) => Err(Failure::user(
                "the time that a row is joined by is null; filter such rows out before",
            )
            .at(describe_row(batch, row))),
            None => Ok(columns::values::<i64>(times)),
        }
    }

    fn keys_of(&self, port: usize, batch: &RecordBatch) -> Vec<ArrayRef> {
        self.keys[port]
            .iter()
            .map(|key| Arc::clone(batch.column(*key)))
            .collect()
    }

    /// Rows wait; those that come late wait by themselves.
    fn wait(&mut self, batch: RecordBatch) -> Result<(), Failure> {
        let times = self.times(0, &batch)?;
        let watermark = self.watermark.0;
        if times.iter().all(|time| *time > watermark) {
            self.state.waiting.add(batch, times, false);
            return Ok(());
        }
        for is_late in [true, false] {
            let chosen: BooleanArray = times.iter().map(|t| Some((*t <= watermark) == is_late)).collect();
            let rows = filter_record_batch(&batch, &chosen).map_err(|e| broken(&e))?;
            let times = self.times(0, &rows)?;
            self.state.waiting.add(rows, times, is_late);
        }
        Ok(())
    }

    fn add_versions(&mut self, batch: RecordBatch, now_ms: i64) -> Result<(), Failure> {
        let keys = self.keys_of(1, &batch);
        let nulls = keys.iter().map(Array::logical_nulls);
        let valid = nulls.fold(None, |all, column| {
            NullBuffer::union(all.as_ref(), column.as_ref())
        });
        let batch = match valid {
            Some(valid) if valid.null_count() > 0 => {
                // Nothing is equal to a null.
                filter_record_batch(&batch, &BooleanArray::new(valid.into_inner(), None))
                    .map_err(|e| broken(&e))?
            }
            _ => batch,
        };
        let times = self.times(1, &batch)?;
        let keys = self.keys_of(1, &batch);
        self.state.versions.add(&batch, &keys, &times, now_ms)
    }

    fn fire(&mut self, context: &mut Context) -> Result<(), Failure> {
        let watermark = self.watermark.0;
        for due in self.state.waiting.due(watermark)? {
            self.join(&due, context)?;
        }
        self.state.versions.drop_superseded(watermark)
    }

    /// Emits rows with their versions.
    fn join(&mut self, due: &Due, context: &mut Context) -> Result<(), Failure> {
        let slots = self
            .state
            .versions
            .valid(&self.keys_of(0, &due.rows), &due.times, context.now_ms)?;
        let (mut rows, mut found) = (Vec::new(), Vec::new());
        for (row, slot) in (0_u32..).zip(slots) {
            if slot != NONE {
                rows.push(row);
                found.push(slot);
            }
        }
        if due.is_late {
            context.late_rows += (due.rows.num_rows() - rows.len()) as u64;
        }
        let right = self.state.versions.columns(&found)?;
        let passes = self.passes(due, &rows, &right)?;
        let places: Vec<u32> = (0..rows.len() as u32)
            .filter(|place| {
                passes
                    .as_ref()
                    .is_none_or(|p| p.is_valid(*place as usize) && p.value(*place as usize))
            })
            .collect();
        let (of_left, of_right) = if self.is_outer {
            let mut of_right = vec![None; due.rows.num_rows()];
            for place in places {
                of_right[rows[place as usize] as usize] = Some(place);
            }
            (None, UInt32Array::from(of_right))
        } else {
            let of_left: UInt32Array = places.iter().map(|place| rows[*place as usize]).collect();
            let is_all = of_left.len() == due.rows.num_rows();
            ((!is_all).then_some(of_left), UInt32Array::from(places))
        };
        self.emit(due, of_left.as_ref(), &right, &of_right, context)
    }

    /// Whether rows and their versions meet the condition.
    fn passes(&self, due: &Due, rows: &[u32], right: &[ArrayRef]) -> Result<Option<BooleanArray>, Failure> {
        let Some((condition, schema)) = &self.condition else {
            return Ok(None);
        };
        let of_left = UInt32Array::from(rows.to_vec());
        let left = due
            .rows
            .columns()
            .iter()
            .map(|column| take(column, &of_left, None));
        let mut columns = left.collect::<Result<Vec<_>, _>>().map_err(|e| broken(&e))?;
        columns.extend(right.iter().cloned());
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let pairs = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
            .map_err(|e| broken(&e))?;
        condition.passes(&pairs).map(Some)
    }

    fn emit(
        &self,
        due: &Due,
        of_left: Option<&UInt32Array>,
        right: &[ArrayRef],
        of_right: &UInt32Array,
        context: &mut Context,
    ) -> Result<(), Failure> {
        let column = |&column: &usize| {
            if column >= self.left {
                return take(&right[column - self.left], of_right, None);
            }
            match of_left {
                Some(rows) => take(due.rows.column(column), rows, None),
                None => Ok(Arc::clone(due.rows.column(column))),
            }
        };
        let columns = self.columns.iter().map(column);
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(|e| broken(&e))?;
        let options = RecordBatchOptions::new().with_row_count(Some(of_right.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options);
        context.emit(
            batch.map_err(|e| {
                Failure::internal(format!("joined rows do not have the planned columns: {e}"))
            })?,
        );
        Ok(())
    }
}

impl Operator for TemporalJoin {
    fn on_batch(&mut self, port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        if port == 0 {
            self.wait(batch)
        } else {
            self.add_versions(batch, context.now_ms)
        }
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.watermark = self.watermark.max(watermark);
        self.fire(context)
    }

    fn is_timed(&self) -> bool {
        self.state.versions.has_ttl()
    }

    fn timer_ms(&self) -> Option<i64> {
        self.state.versions.timer_ms()
    }

    fn on_processing_time(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.state.versions.drop_untouched(context.now_ms)
    }

    fn tables(&self) -> Vec<Table> {
        self.state.tables()
    }

    fn track_changes(&mut self) {
        self.state.track_changes();
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        self.state.snapshot(scope, into)
    }

    fn restore(&mut self, table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        self.state.restore(table, rows)
    }

    fn is_partitioned(&self) -> bool {
        true
    }

    fn partition(&self, port: usize, batch: &RecordBatch) -> Vec<ArrayRef> {
        normal_columns(batch, &self.keys[port])
    }

    fn restored(&mut self, watermark: EventTime) -> Result<(), Failure> {
        self.watermark = watermark;
        self.state.restored()?;
        self.state.versions.restored(watermark.0)
    }

    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.watermark = EventTime::MAX;
        self.fire(context)
    }
}

fn broken(error: &ArrowError) -> Failure {
    Failure::internal(format!("rows of a temporal join cannot be picked: {error}"))
}

#[cfg(test)]
impl TemporalJoin {
    /// Rows that wait, versions and keys that are kept.
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        let State { waiting, versions } = &self.state;
        (waiting.len(), versions.len(), versions.keys())
    }
}
