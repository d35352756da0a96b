//! Late rows on their way out of an operator.
//!
//! What a job sends elsewhere of late rows may be more than the operator that drops them reads. So rows carry it in columns behind those of
//! the operator, which are taken off before it sees a batch; of the rows that it then [drops](crate::operator::Context::drop_late), all
//! columns go out by an output of their own.

use std::sync::Arc;

use arrow_array::{RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::take::take_record_batch;
use weir_model::{EventTime, Failure};

/// The name of the column with the event time that the operator had reached.
const WATERMARK: &str = "$late_watermark";

/// The late rows of one input port.
#[derive(Debug)]
pub struct LateRows {
    /// The columns that the operator sees.
    visible: Vec<usize>,
    /// All columns, then the watermark.
    schema: SchemaRef,
}

impl LateRows {
    /// Of rows with these columns, of which so many of the last ones are hidden from the operator.
    pub fn new(input: &SchemaRef, hidden: usize) -> Self {
        Self {
            visible: (0..input.fields().len().saturating_sub(hidden)).collect(),
            schema: Arc::new(late_schema(input)),
        }
    }

    /// The rows as the operator sees them.
    pub fn visible(&self, batch: &RecordBatch) -> Result<RecordBatch, Failure> {
        batch.project(&self.visible).map_err(|e| broken(&e))
    }

    /// Some rows of a batch, with the event time that the operator had reached when it dropped them.
    pub fn take(
        &self,
        batch: &RecordBatch,
        rows: Vec<u32>,
        watermark: EventTime,
    ) -> Result<RecordBatch, Failure> {
        let count = rows.len();
        let rows = take_record_batch(batch, &UInt32Array::from(rows)).map_err(|e| broken(&e))?;
        let mut columns = rows.columns().to_vec();
        columns.push(Arc::new(TimestampMillisecondArray::from_value(
            watermark.0,
            count,
        )));
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|e| broken(&e))
    }
}

/// The schema of late rows of an input.
pub fn late_schema(input: &Schema) -> Schema {
    let watermark = Field::new(WATERMARK, DataType::Timestamp(TimeUnit::Millisecond, None), false);
    let fields = input.fields().iter().cloned();
    Schema::new(fields.chain([Arc::new(watermark)]).collect::<Vec<_>>())
}

/// The columns that an operator sees of an input.
pub fn visible_schema(input: &SchemaRef, hidden: usize) -> SchemaRef {
    if hidden == 0 {
        return Arc::clone(input);
    }
    let visible = input.fields().len().saturating_sub(hidden);
    Arc::new(Schema::new(input.fields()[..visible].to_vec()))
}

fn broken(error: &ArrowError) -> Failure {
    Failure::internal(format!("late rows cannot be told apart: {error}"))
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array, cast::AsArray, types::TimestampMillisecondType};

    use super::*;

    #[test]
    fn an_operator_sees_what_it_reads_and_late_rows_keep_all_columns() {
        let column = |values: [i64; 3]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
        let columns = [("k", column([1, 2, 3])), ("hidden", column([7, 8, 9]))];
        let batch = RecordBatch::try_from_iter(columns).expect("rows");
        let late = LateRows::new(&batch.schema(), 1);
        let visible = late.visible(&batch).expect("projects");
        assert_eq!(visible.schema(), visible_schema(&batch.schema(), 1));
        assert_eq!((visible.num_columns(), visible.num_rows()), (1, 3));
        let rows = late.take(&batch, vec![0, 2], EventTime(50)).expect("takes");
        assert_eq!(
            rows.column(1),
            &(Arc::new(Int64Array::from(vec![7, 9])) as ArrayRef)
        );
        let watermark = rows.column(2).as_primitive::<TimestampMillisecondType>();
        assert_eq!(watermark.values().to_vec(), [50, 50]);
        assert_eq!(rows.schema().field(2).name(), WATERMARK);
    }
}
