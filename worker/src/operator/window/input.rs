//! What a window aggregate reads: partial rows of the phase before, or raw rows.

use std::ops::Range;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use weir_model::Failure;
use weir_proto::graph;

use super::{
    grid::Part,
    pane::Pane,
    partial::{self, Layout},
};
use crate::operator::{
    aggregate::{Shape, Shapes, partial_columns},
    keys::normal_columns,
};

/// How to read the rows of an input.
#[derive(Debug)]
pub(super) enum Input {
    /// Partial rows, which begin with so many keys.
    Partial(usize, Layout),
    /// Raw rows.
    Raw(Raw),
}

/// Where the columns of raw rows are.
#[derive(Debug)]
pub(super) struct Raw {
    keys: Vec<usize>,
    /// Per aggregate; none: COUNT(*).
    arguments: Vec<Option<usize>>,
}

/// An input with the types of its keys and its aggregates.
pub(super) type Typed<I> = (I, Vec<DataType>, Shapes);

impl Input {
    /// The input that the job graph says.
    pub(super) fn new(spec: &graph::WindowAggregate, input: &SchemaRef) -> Result<Typed<Self>, Failure> {
        if spec.raw {
            let (raw, keys, shapes) = Raw::new(&spec.keys, &spec.aggregates, input)?;
            return Ok((Self::Raw(raw), keys, shapes));
        }
        let keys = spec.key_count as usize;
        let layout = Layout::new(keys, spec.aggregates.iter().map(partial_columns));
        let types: Vec<DataType> = input.fields().iter().map(|f| f.data_type().clone()).collect();
        if types.len() != layout.columns() {
            return Err(Failure::internal(format!(
                "a window aggregate over {} columns instead of {}",
                types.len(),
                layout.columns()
            )));
        }
        let calls = spec.aggregates.iter().zip(&layout.partials);
        let shapes = calls
            .map(|(aggregate, columns)| Shape::of_partial(aggregate, &types[columns.start]))
            .collect::<Result<Shapes, _>>()?;
        let key_types = types[..keys].to_vec();
        partial::check(input, &partial::types(&key_types, &shapes))?;
        Ok((Self::Partial(keys, layout), key_types, shapes))
    }

    /// The keys of rows, as tables of state have them.
    pub(super) fn keys(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        match self {
            Self::Partial(keys, _) => normal_columns(batch, &(0..*keys).collect::<Vec<_>>()),
            Self::Raw(raw) => normal_columns(batch, &raw.keys),
        }
    }

    /// Adds rows of a batch to a pane.
    pub(super) fn add(&self, pane: &mut Pane, batch: &RecordBatch, part: &Part) -> Result<(), Failure> {
        match self {
            Self::Partial(keys, layout) => {
                let columns = |range: Range<usize>| {
                    range
                        .map(|c| part.of(batch.column(c)))
                        .collect::<Result<Vec<ArrayRef>, Failure>>()
                };
                let keys = columns(0..*keys)?;
                let partials = layout.partials.iter().map(|p| columns(p.clone()));
                let partials = partials.collect::<Result<Vec<_>, _>>()?;
                pane.merge(&keys, &partials, &part.of(batch.column(layout.rows))?)
            }
            Self::Raw(raw) => {
                let (keys, arguments) = raw.columns(batch, part)?;
                pane.update(&keys, &arguments, part.len(batch.num_rows()))
            }
        }
    }
}

impl Raw {
    /// Raw rows with keys in these columns.
    pub(super) fn new(
        keys: &[u32],
        aggregates: &[graph::Aggregate],
        input: &SchemaRef,
    ) -> Result<Typed<Self>, Failure> {
        let keys: Vec<usize> = keys.iter().map(|&k| k as usize).collect();
        if let Some(key) = keys.iter().find(|&&k| k >= input.fields().len()) {
            return Err(Failure::internal(format!("key column {key} does not exist")));
        }
        let types = keys.iter().map(|&k| input.field(k).data_type().clone()).collect();
        let shapes = aggregates
            .iter()
            .map(|a| Shape::of_raw(a, input))
            .collect::<Result<Shapes, _>>()?;
        let arguments = shapes.iter().map(|shape| shape.column).collect();
        Ok((Self { keys, arguments }, types, shapes))
    }

    /// The keys and the arguments of rows of a batch.
    pub(super) fn columns(
        &self,
        batch: &RecordBatch,
        part: &Part,
    ) -> Result<(Vec<ArrayRef>, Vec<Option<ArrayRef>>), Failure> {
        let keys = self.keys.iter().map(|&k| part.of(batch.column(k)));
        let arguments = self
            .arguments
            .iter()
            .map(|column| column.map(|c| part.of(batch.column(c))).transpose());
        Ok((
            keys.collect::<Result<_, _>>()?,
            arguments.collect::<Result<_, _>>()?,
        ))
    }
}
