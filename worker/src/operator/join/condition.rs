//! What pairs with equal keys must meet besides.

use arrow_array::{Array, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_select::filter::prep_null_mask_filter;
use weir_model::Failure;

use super::{
    output::Rows,
    regular::{Arrived, Join, broken},
};
use crate::operator::Context;

impl Join {
    /// Whether the condition reads what the runtime says of time and chance.
    pub(super) fn is_surrounded(&self) -> bool {
        self.condition
            .as_ref()
            .is_some_and(|(condition, _)| condition.is_surrounded())
    }

    /// Tells it to the condition.
    pub(super) fn surround(&mut self, context: &mut Context) {
        if let Some((condition, _)) = &mut self.condition
            && condition.is_surrounded()
        {
            condition.surround(context.surroundings(&mut self.seed));
        }
    }

    /// Drops the candidates that do not pass the condition.
    pub(super) fn keep_passing(
        &mut self,
        arrived: &Arrived,
        come: &mut Vec<u32>,
        kept: &mut Vec<u32>,
    ) -> Result<(), Failure> {
        if let Some(passes) = self.passes(arrived, come, kept)? {
            let mut keep = passes.values().iter();
            come.retain(|_| keep.next().unwrap_or(false));
            let mut keep = passes.values().iter();
            kept.retain(|_| keep.next().unwrap_or(false));
        }
        Ok(())
    }

    fn passes(
        &mut self,
        arrived: &Arrived,
        come: &[u32],
        kept: &[u32],
    ) -> Result<Option<BooleanArray>, Failure> {
        let Some((filter, schema)) = &self.condition else {
            return Ok(None);
        };
        let (_, other) = self.state.sides(arrived.port);
        let rows = Rows {
            port: arrived.port,
            left: self.left,
            batch: &arrived.batch,
            other,
        };
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        let columns = rows.columns(&all, come, kept)?;
        let options = RecordBatchOptions::new().with_row_count(Some(come.len()));
        let candidates =
            RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|e| broken(&e))?;
        let passes = filter.passes(&candidates)?;
        Ok(Some(if passes.null_count() > 0 {
            prep_null_mask_filter(&passes)
        } else {
            passes
        }))
    }
}
