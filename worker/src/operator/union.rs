//! The rows of several inputs as one. Stateless.

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use weir_model::Failure;

use super::{Context, Operator};

/// Gives the rows of all inputs the same column names.
#[derive(Debug)]
pub(super) struct Union {
    output: SchemaRef,
}

impl Union {
    pub(super) fn new(inputs: &[SchemaRef], output: SchemaRef) -> Result<Self, Failure> {
        let types = |schema: &SchemaRef| {
            schema
                .fields()
                .iter()
                .map(|f| f.data_type().clone())
                .collect::<Vec<_>>()
        };
        if inputs.iter().any(|input| types(input) != types(&output)) {
            return Err(Failure::internal("the inputs of a union differ in their columns"));
        }
        Ok(Self { output })
    }
}

impl Operator for Union {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        // Rows may have no columns: they are only counted.
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = batch.columns().to_vec();
        let batch = RecordBatch::try_new_with_options(self.output.clone(), columns, &options)
            .map_err(|e| Failure::internal(format!("rows do not fit the union: {e}")))?;
        context.emit(batch);
        Ok(())
    }
}
