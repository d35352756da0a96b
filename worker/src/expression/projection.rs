//! Named expressions and filters over batches.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, cast::AsArray};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::filter::{FilterBuilder, FilterPredicate};
use weir_model::Failure;
use weir_proto::graph;

use super::{
    Root, decode,
    leaf::{Leaves, Surroundings},
};

/// Expressions that make rows of another schema.
#[derive(Debug)]
pub struct Projection {
    leaves: Leaves,
    roots: Vec<Root>,
    schema: SchemaRef,
}

impl Projection {
    /// Decodes expressions over `input` that make rows of `output`; results of another type than `output` says are cast.
    pub fn decode(
        expressions: &[graph::NamedExpr],
        input: &SchemaRef,
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        if expressions.len() != output.fields().len() {
            return Err(Failure::internal(format!(
                "{} expressions for {} columns",
                expressions.len(),
                output.fields().len()
            )));
        }
        let mut leaves = Leaves::new(Arc::clone(input));
        let roots = expressions
            .iter()
            .zip(output.fields())
            .map(|(e, field)| {
                Ok(Root::new(decode::parse(&e.expr, input)?, &mut leaves)?.cast_to(field.data_type()))
            })
            .collect::<Result<_, Failure>>()?;
        Ok(Self {
            leaves,
            roots,
            schema: output,
        })
    }

    /// Whether its expressions read what the runtime says.
    pub fn is_surrounded(&self) -> bool {
        self.leaves.are_surrounded()
    }

    /// What the runtime says from now on.
    pub fn surround(&mut self, surroundings: Surroundings) {
        self.leaves.surround(surroundings);
    }

    /// The schema of the rows it makes.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// One row per row.
    pub fn project(&self, batch: &RecordBatch) -> Result<RecordBatch, Failure> {
        self.project_leaves(&self.leaves.reach(batch)?)
    }

    fn project_leaves(&self, leaves: &RecordBatch) -> Result<RecordBatch, Failure> {
        let columns = self
            .roots
            .iter()
            .map(|root| root.evaluate(leaves))
            .collect::<Result<_, _>>()?;
        new_batch(&self.schema, columns, leaves.num_rows())
    }
}

/// A batch; a null in a column that has none is the user's failure.
fn new_batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Failure> {
    let null = schema
        .fields()
        .iter()
        .zip(&columns)
        .find(|(f, c)| !f.is_nullable() && c.null_count() > 0);
    if let Some((field, _)) = null {
        return Err(Failure::user(format!(
            "column '{}' is declared NOT NULL but a row has a null in it",
            field.name()
        )));
    }
    RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &RecordBatchOptions::new().with_row_count(Some(rows)),
    )
    .map_err(|e| Failure::internal(format!("computed rows do not have the planned columns: {e}")))
}

/// Which rows of a batch pass a filter.
#[derive(Debug)]
pub enum Selection {
    /// Every row.
    All,
    /// No row.
    None,
    /// These.
    Some(FilterPredicate),
}

impl Selection {
    fn of(passes: &BooleanArray) -> Self {
        match passes.true_count() {
            0 => Self::None,
            n if n == passes.len() => Self::All,
            _ => Self::Some(FilterBuilder::new(passes).optimize().build()),
        }
    }

    /// The selected rows of columns of the batch, and how many; columns are copied unless all rows pass.
    pub fn columns(&self, columns: &[ArrayRef], rows: usize) -> Result<(Vec<ArrayRef>, usize), Failure> {
        match self {
            Self::All => Ok((columns.to_vec(), rows)),
            Self::None => Ok((columns.iter().map(|c| c.slice(0, 0)).collect(), 0)),
            Self::Some(predicate) => {
                let columns = columns
                    .iter()
                    .map(|c| predicate.filter(c))
                    .collect::<Result<_, _>>();
                let columns = columns.map_err(|e| Failure::internal(format!("cannot filter rows: {e}")))?;
                Ok((columns, predicate.count()))
            }
        }
    }
}

/// A boolean expression that keeps the rows for which it is true.
#[derive(Debug)]
pub struct Filter {
    leaves: Leaves,
    root: Root,
}

impl Filter {
    /// Decodes a boolean expression over `input`.
    pub fn decode(bytes: &[u8], input: &SchemaRef) -> Result<Self, Failure> {
        let mut leaves = Leaves::new(Arc::clone(input));
        let root = Root::new(decode::parse(bytes, input)?, &mut leaves)?;
        if root.field.data_type() != &DataType::Boolean {
            return Err(Failure::internal(format!(
                "a filter of type {}",
                root.field.data_type()
            )));
        }
        Ok(Self { leaves, root })
    }

    /// Whether it reads what the runtime says.
    pub fn is_surrounded(&self) -> bool {
        self.leaves.are_surrounded()
    }

    /// What the runtime says from now on.
    pub fn surround(&mut self, surroundings: Surroundings) {
        self.leaves.surround(surroundings);
    }

    /// For each row, whether it is true; may be null.
    pub fn passes(&self, batch: &RecordBatch) -> Result<BooleanArray, Failure> {
        let passes = self.root.evaluate(&self.leaves.reach(batch)?)?;
        Ok(passes.as_boolean().clone())
    }

    /// The rows for which it is true; null counts as false.
    pub fn select(&self, batch: &RecordBatch) -> Result<Selection, Failure> {
        let passes = self.root.evaluate(&self.leaves.reach(batch)?)?;
        Ok(Selection::of(passes.as_boolean()))
    }
}

/// A filter, then a projection: only what the projection reads of the rows that pass is copied.
#[derive(Debug)]
pub struct FilteredProjection {
    filter: Option<Filter>,
    projection: Projection,
}

impl FilteredProjection {
    /// Both over the same input rows.
    pub fn new(filter: Option<Filter>, projection: Projection) -> Self {
        Self { filter, projection }
    }

    /// Whether either reads what the runtime says.
    pub fn is_surrounded(&self) -> bool {
        self.projection.is_surrounded() || self.filter.as_ref().is_some_and(Filter::is_surrounded)
    }

    /// What the runtime says from now on.
    pub fn surround(&mut self, surroundings: Surroundings) {
        self.projection.surround(surroundings);
        if let Some(filter) = &mut self.filter {
            filter.surround(surroundings);
        }
    }

    /// The projected rows that pass; none if no row does.
    pub fn apply(&self, batch: &RecordBatch) -> Result<Option<RecordBatch>, Failure> {
        let Some(filter) = &self.filter else {
            return self.projection.project(batch).map(Some);
        };
        let leaves = match filter.select(batch)? {
            Selection::None => return Ok(None),
            Selection::All => self.projection.leaves.reach(batch)?,
            selection @ Selection::Some(_) => {
                let all = self.projection.leaves.reach(batch)?;
                let (columns, rows) = selection.columns(all.columns(), all.num_rows())?;
                self.projection.leaves.batch(columns, rows)?
            }
        };
        self.projection.project_leaves(&leaves).map(Some)
    }
}
