//! Rows in the order of their event time, emitted as the watermark passes them.

use std::sync::Arc;

use arrow::compute::{SortColumn, SortOptions, concat_batches, filter_record_batch, lexsort_to_indices};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, TimestampMillisecondArray,
    cast::AsArray,
    types::{Int64Type, TimestampMillisecondType},
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::take::take_record_batch;
use weir_model::{EventTime, Failure};
use weir_proto::graph;

use super::{Context, Operator};
use crate::{
    expression::describe_row,
    state::{Scope, Snapshot, Table},
};

/// Rows of an emitted batch at most.
const EMIT_ROWS: usize = 8192;

/// Sorts rows by event time and other columns.
#[derive(Debug)]
pub(super) struct Sort {
    order: Vec<(usize, SortOptions)>,
    /// The columns of the rows, and their number.
    schema: SchemaRef,
    waiting: Waiting,
    watermark: EventTime,
}

/// The state: rows that the watermark has not reached. They are numbered as they come, in their last column.
#[derive(Debug, Default)]
struct Waiting {
    /// In the order in which the rows came.
    batches: Vec<RecordBatch>,
    /// The earliest time among them, ms.
    earliest: Option<i64>,
    /// The number of the next row.
    next: i64,
    is_tracking: bool,
    /// The first number that no snapshot knows.
    since: i64,
    /// Numbers of rows that have gone since the last snapshot, which knows them.
    gone: Vec<ArrayRef>,
}

impl Sort {
    pub(super) fn new(spec: &graph::Sort, input: &SchemaRef) -> Result<Self, Failure> {
        let order: Vec<(usize, SortOptions)> = spec
            .order
            .iter()
            .map(|by| {
                let options = SortOptions {
                    descending: by.descending,
                    nulls_first: by.nulls_first,
                };
                (by.column as usize, options)
            })
            .collect();
        let is_time = |t: &DataType| matches!(t, DataType::Timestamp(TimeUnit::Millisecond, _));
        let fits = order.iter().all(|(c, _)| *c < input.fields().len());
        if !fits
            || !order
                .first()
                .is_some_and(|(c, _)| is_time(input.field(*c).data_type()))
        {
            return Err(Failure::internal(
                "a sort by another column than TIMESTAMP(3) first",
            ));
        }
        let mut fields = input.fields().to_vec();
        fields.push(Arc::new(Field::new("$number", DataType::Int64, false)));
        Ok(Self {
            order,
            schema: Arc::new(Schema::new(fields)),
            waiting: Waiting::default(),
            watermark: EventTime::MIN,
        })
    }

    fn times<'a>(&self, batch: &'a RecordBatch) -> Result<&'a TimestampMillisecondArray, Failure> {
        let times = batch.column(self.order[0].0);
        match times.nulls().and_then(|n| n.iter().position(|valid| !valid)) {
            Some(row) => Err(Failure::user(
                "the time that rows are sorted by is null; filter such rows out before",
            )
            .at(describe_row(batch, row))),
            None => Ok(times.as_primitive::<TimestampMillisecondType>()),
        }
    }

    fn fire(&mut self, context: &mut Context) -> Result<(), Failure> {
        let watermark = self.watermark.0;
        if self.waiting.earliest.is_none_or(|earliest| earliest > watermark) {
            return Ok(());
        }
        let all = concat_batches(&self.schema, &std::mem::take(&mut self.waiting.batches)).map_err(broken)?;
        self.waiting.earliest = None;
        let times = self.times(&all)?;
        let is_due: BooleanArray = times.values().iter().map(|t| Some(*t <= watermark)).collect();
        let rest = arrow::compute::not(&is_due).map_err(broken)?;
        let rest = filter_record_batch(&all, &rest).map_err(broken)?;
        self.keep(rest)?;
        let mut due = filter_record_batch(&all, &is_due).map_err(broken)?;
        let numbers = due.remove_column(self.columns());
        self.waiting.note_gone(&numbers);
        let columns: Vec<SortColumn> = self
            .order
            .iter()
            .map(|(column, options)| SortColumn {
                values: Arc::clone(due.column(*column)),
                options: Some(*options),
            })
            .collect();
        let indices = lexsort_to_indices(&columns, None).map_err(broken)?;
        let sorted = take_record_batch(&due, &indices).map_err(broken)?;
        for from in (0..sorted.num_rows()).step_by(EMIT_ROWS) {
            context.emit(sorted.slice(from, EMIT_ROWS.min(sorted.num_rows() - from)));
        }
        Ok(())
    }

    /// How many columns the rows have.
    fn columns(&self) -> usize {
        self.schema.fields().len() - 1
    }

    /// Numbers rows, and keeps them.
    fn add(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let first = self.waiting.next;
        self.waiting.next += batch.num_rows() as i64;
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(Int64Array::from_iter_values(first..self.waiting.next)));
        self.keep(RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(broken)?)
    }

    fn keep(&mut self, batch: RecordBatch) -> Result<(), Failure> {
        let earliest = self.times(&batch)?.values().iter().copied().min();
        self.waiting.earliest = self.waiting.earliest.into_iter().chain(earliest).min();
        if batch.num_rows() > 0 {
            self.waiting.batches.push(batch);
        }
        Ok(())
    }

    /// Says rows from this number on.
    fn say(&self, from: i64, into: &mut Snapshot) -> Result<(), Failure> {
        for batch in &self.waiting.batches {
            let numbers = numbers(batch.column(self.columns()));
            let at = numbers.partition_point(|number| *number < from);
            let rows = batch.slice(at, batch.num_rows() - at);
            let mut columns = rows.columns().to_vec();
            columns.rotate_right(1);
            into.write(0, columns)?;
        }
        Ok(())
    }
}

impl Waiting {
    /// Notes rows that have gone, by their numbers in ascending order.
    fn note_gone(&mut self, of: &ArrayRef) {
        let known = numbers(of).partition_point(|number| *number < self.since);
        if self.is_tracking && known > 0 {
            self.gone.push(of.slice(0, known));
        }
    }
}

fn numbers(column: &ArrayRef) -> &[i64] {
    column.as_primitive::<Int64Type>().values()
}

fn broken(error: ArrowError) -> Failure {
    Failure::internal(format!("rows cannot be sorted: {error}"))
}

impl Operator for Sort {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        let watermark = self.watermark.0;
        let times = self.times(&batch)?.values();
        if times.iter().all(|t| *t > watermark) {
            return self.add(&batch);
        }
        let late = (0..).zip(times.iter()).filter(|(_, t)| **t <= watermark);
        context.drop_late(late.map(|(row, _)| row));
        let in_time: BooleanArray = times.iter().map(|t| Some(*t > watermark)).collect();
        self.add(&filter_record_batch(&batch, &in_time).map_err(broken)?)
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
        let fields = self.schema.fields().iter();
        let mut types: Vec<DataType> = fields.map(|field| field.data_type().clone()).collect();
        types.truncate(self.columns());
        vec![Table::new("rows", &[], &[DataType::Int64], &types)]
    }

    fn track_changes(&mut self) {
        self.waiting.is_tracking = true;
        self.waiting.since = self.waiting.next;
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        if scope == Scope::All {
            return self.say(0, into);
        }
        for gone in self.waiting.gone.drain(..) {
            into.delete(0, vec![gone])?;
        }
        self.say(self.waiting.since, into)?;
        self.waiting.since = self.waiting.next;
        Ok(())
    }

    fn restore(&mut self, _table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        let mut columns = rows.columns().to_vec();
        columns.rotate_left(1);
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(broken)?;
        let last = numbers(rows.column(self.columns())).last().copied();
        self.waiting.next = last.map_or(self.waiting.next, |last| last + 1);
        self.keep(rows)
    }

    fn restored(&mut self, watermark: EventTime) -> Result<(), Failure> {
        self.watermark = watermark;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_proto::graph::SortColumn as By;

    use super::*;
    use crate::operator::rehearsal::{self, Call};

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("t", DataType::Timestamp(TimeUnit::Millisecond, None), false),
            Field::new("n", DataType::Int64, false),
        ]))
    }

    fn rows(times: &[i64], next: &mut i64) -> RecordBatch {
        let numbers = *next..*next + times.len() as i64;
        *next = numbers.end;
        let names = numbers.clone().map(|n| (n % 3 != 0).then(|| format!("row {n}")));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(names.collect::<arrow_array::StringArray>()),
            Arc::new(TimestampMillisecondArray::from(times.to_vec())),
            Arc::new(Int64Array::from_iter_values(numbers)),
        ];
        RecordBatch::try_new(schema(), columns).expect("fits")
    }

    fn sort() -> Box<dyn Operator> {
        let by = |column, descending| By {
            column,
            descending,
            nulls_first: true,
        };
        let spec = graph::Sort {
            order: vec![by(1, false), by(0, true)],
        };
        Box::new(Sort::new(&spec, &schema()).expect("fits"))
    }

    #[test]
    fn rows_come_out_by_time_and_what_else_orders_them_and_late_ones_are_counted() {
        let (mut next, mut sort, mut context) = (0, sort(), Context::default());
        let batch = rows(&[5, 3, 3, 9], &mut next);
        sort.on_batch(0, batch, &mut context).expect("runs");
        sort.on_watermark(EventTime(5), &mut context).expect("runs");
        let numbers = |batch: &RecordBatch| batch.column(2).as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(numbers(&context.emitted.remove(0)), [2, 1, 0]);
        let batch = rows(&[5, 6], &mut next);
        sort.on_batch(0, batch, &mut context).expect("runs");
        sort.on_end(&mut context).expect("runs");
        assert_eq!(numbers(&context.emitted.remove(0)), [5, 3]);
        assert_eq!(context.late_rows, 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Rows of one time that order alike as well: they come out in the order that they would have.
        #[test]
        fn a_restored_sort_goes_on_as_if_nothing_had_been(
            batches in prop::collection::vec((prop::collection::vec(0..20_i64, 0..9), 0..4_i64), 1..20)
        ) {
            let (mut next, mut watermark, mut calls) = (0, 0, Vec::new());
            for (times, by) in batches {
                let times: Vec<i64> = times.iter().map(|time| time + watermark - 3).collect();
                calls.push(Call::Rows(rows(&times, &mut next)));
                watermark += by;
                calls.push(Call::Watermark(watermark));
            }
            rehearsal::check(sort, &calls);
        }
    }
}
