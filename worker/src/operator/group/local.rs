//! The phase before the shuffle: folds the rows of a batch to partial rows, so that fewer travel. Holds nothing between batches.
//!
//! Where keys hardly repeat, folding saves nothing: it is left out for a while then, as in windowed aggregates.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use weir_model::Failure;
use weir_proto::graph;

use crate::operator::{
    Context, Operator,
    aggregate::{Shape, Shapes, ones},
    window::{
        local::Reduction,
        pane::Pane,
        partial::{self, chunks},
    },
};

/// Folds each batch by key.
#[derive(Debug)]
pub(in crate::operator) struct LocalGroupAggregate {
    keys: Vec<usize>,
    shapes: Shapes,
    groups: Pane,
    reduction: Reduction,
    output: SchemaRef,
}

impl LocalGroupAggregate {
    pub(in crate::operator) fn new(
        spec: &graph::LocalGroupAggregate,
        input: &SchemaRef,
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let keys = super::global::key_columns(&spec.keys, input)?;
        let key_types: Vec<DataType> = keys.iter().map(|&k| input.field(k).data_type().clone()).collect();
        let shapes = spec
            .aggregates
            .iter()
            .map(|a| Shape::of_raw(a, input))
            .collect::<Result<Vec<_>, _>>()?;
        let mut types = partial::types(&key_types, &shapes);
        // There is no pane.
        types.remove(types.len() - 2);
        partial::check(&output, &types)?;
        Ok(Self {
            groups: Pane::new(&key_types, &shapes)?,
            keys,
            shapes,
            reduction: Reduction::default(),
            output,
        })
    }

    fn fold(&mut self, keys: &[ArrayRef], batch: &RecordBatch, context: &mut Context) -> Result<(), Failure> {
        let arguments: Vec<_> = self
            .shapes
            .iter()
            .map(|s| s.column.map(|c| ArrayRef::clone(batch.column(c))))
            .collect();
        self.groups.update(keys, &arguments, batch.num_rows())?;
        self.reduction.saw(batch.num_rows(), self.groups.len());
        for groups in chunks(self.groups.len()) {
            let mut columns = self.groups.keys(groups.clone())?;
            columns.extend(self.groups.partials(groups.clone())?);
            columns.push(self.groups.rows(groups));
            context.emit(partial::batch(&self.output, columns)?);
        }
        self.groups.clear();
        Ok(())
    }

    /// The rows as partial rows of their own.
    fn pass(&self, mut columns: Vec<ArrayRef>, batch: &RecordBatch) -> Result<RecordBatch, Failure> {
        let rows = batch.num_rows();
        for shape in &self.shapes {
            columns.extend(shape.partial_of_rows(shape.column.map(|c| batch.column(c)), rows)?);
        }
        columns.push(ones(rows));
        partial::batch(&self.output, columns)
    }
}

impl Operator for LocalGroupAggregate {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let keys: Vec<ArrayRef> = self
            .keys
            .iter()
            .map(|&k| ArrayRef::clone(batch.column(k)))
            .collect();
        if self.reduction.passes(batch.num_rows()) {
            context.emit(self.pass(keys, &batch)?);
            return Ok(());
        }
        self.fold(&keys, &batch, context)
    }
}
