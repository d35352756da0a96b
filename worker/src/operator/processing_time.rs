//! Processing time: rows get the time at which they pass, and watermarks follow the clock.
//!
//! So windows of processing time are windows of event time behind it: a row is never late, and at the end of a bounded input
//! the windows that are open fire.

use std::sync::Arc;

use arrow_array::{RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use weir_model::{EventTime, Failure};
use weir_proto::graph;

use super::{Context, Operator};

/// Stamps rows, and says how far time has come whenever it passes a tick.
#[derive(Debug)]
pub(super) struct ProcessingTime {
    tick_ms: i64,
    offset_ms: i64,
    output: SchemaRef,
    /// The next tick; none: the input has ended.
    next_ms: Option<i64>,
}

impl ProcessingTime {
    pub(super) fn new(
        spec: &graph::ProcessingTime,
        input: &SchemaRef,
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let columns = input.fields().len();
        let is_moment = |t: &DataType| matches!(t, DataType::Timestamp(TimeUnit::Millisecond, _));
        let fits = output.fields().len() == columns + 1 && is_moment(output.field(columns).data_type());
        if !fits || spec.tick_ms <= 0 {
            return Err(Failure::internal(
                "rows cannot be stamped with the processing time as planned",
            ));
        }
        Ok(Self {
            tick_ms: spec.tick_ms,
            offset_ms: spec.offset_ms,
            output,
            // At once: what is behind it learns the time.
            next_ms: Some(i64::MIN),
        })
    }

    fn tell(&mut self, context: &mut Context) {
        let now = context.now_ms;
        if self.next_ms.is_some_and(|next| now >= next) {
            let past = (now - self.offset_ms).rem_euclid(self.tick_ms);
            self.next_ms = Some(now - past + self.tick_ms);
            context.watermark = Some(EventTime(now - 1));
        }
    }
}

impl Operator for ProcessingTime {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        let stamps = TimestampMillisecondArray::from_value(context.now_ms, batch.num_rows());
        let stamped = self.output.field(batch.num_columns()).data_type().clone();
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(stamps.with_data_type(stamped)));
        let stamped = RecordBatch::try_new(Arc::clone(&self.output), columns);
        context.emit(stamped.map_err(|e| Failure::internal(format!("cannot stamp rows: {e}")))?);
        self.tell(context);
        Ok(())
    }

    fn tells_time(&self) -> bool {
        true
    }

    fn timer_ms(&self) -> Option<i64> {
        self.next_ms
    }

    fn on_processing_time(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.tell(context);
        Ok(())
    }

    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.next_ms = None;
        context.watermark = Some(EventTime::MAX);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array, cast::AsArray, types::TimestampMillisecondType};
    use arrow_schema::{Field, Schema};

    use super::*;

    #[test]
    fn rows_are_stamped_and_a_watermark_comes_with_every_tick() {
        let input = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let moment = DataType::Timestamp(TimeUnit::Millisecond, None);
        let output = Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, false),
            Field::new("$proctime", moment, false),
        ]));
        let spec = graph::ProcessingTime {
            tick_ms: 10,
            offset_ms: 3,
        };
        let mut time = ProcessingTime::new(&spec, &input, output).expect("fits");
        let mut context = Context {
            now_ms: 100,
            ..Context::default()
        };
        let mut rows = |context: &mut Context| {
            let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
            let batch = RecordBatch::try_new(Arc::clone(&input), vec![numbers]).expect("rows");
            time.on_batch(0, batch, context).expect("stamps");
            (time.timer_ms(), context.watermark.take().map(|w| w.0))
        };
        assert_eq!(
            rows(&mut context),
            (Some(103), Some(99)),
            "the first says the time"
        );
        context.now_ms = 102;
        assert_eq!(rows(&mut context), (Some(103), None));
        context.now_ms = 127;
        assert_eq!(rows(&mut context), (Some(133), Some(126)));
        let stamps = context.emitted[2]
            .column(1)
            .as_primitive::<TimestampMillisecondType>();
        assert_eq!(stamps.values().to_vec(), [127, 127]);
        context.now_ms = 133;
        time.on_processing_time(&mut context).expect("ticks");
        assert_eq!(context.watermark.take(), Some(EventTime(132)));
        time.on_end(&mut context).expect("ends");
        assert_eq!((context.watermark, time.timer_ms()), (Some(EventTime::MAX), None));
    }
}
