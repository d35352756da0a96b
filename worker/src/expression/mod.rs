//! Physical expressions, decoded and evaluated over batches.
//!
//! An expression reads *leaves*: columns and fields of struct columns, which cost nothing to reach. What is computed
//! sees a batch of the leaves alone, so that a filter copies only what is read.
//!
//! - `leaf`: columns, paths into structs, and what the runtime says of time and chance. Leans on `chance`.
//! - `chance`: calls of functions of chance. Leans on nothing.
//! - `decode`: bytes to expressions over leaves. Leans on `leaf`.
//! - `failure`: what a person reads when a row cannot be computed. Leans on nothing.
//! - `projection`: named expressions and filters over batches. Leans on all of the above.
//! - `comparisons`: what a filter says of single columns. Leans on `decode`.

mod chance;
mod comparisons;
mod decode;
mod failure;
mod leaf;
mod projection;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, FieldRef, SchemaRef};
use datafusion_common::ScalarValue;
use datafusion_physical_expr::{PhysicalExpr, expressions::Literal};
use weir_model::Failure;

pub use comparisons::comparisons;
pub(crate) use failure::describe_row;
use leaf::Leaves;
pub use leaf::Surroundings;
pub(crate) use leaf::child as struct_field;
pub use projection::{Filter, FilteredProjection, Projection, Selection};

/// One expression over the columns of a schema.
#[derive(Debug)]
pub struct Expression {
    leaves: Leaves,
    root: Root,
}

impl Expression {
    /// Decodes a serialized DataFusion physical expression over the columns of `input`.
    ///
    /// # Errors
    /// An internal failure when the bytes are not an expression over these columns.
    pub fn decode(bytes: &[u8], input: &SchemaRef) -> Result<Self, Failure> {
        let mut leaves = Leaves::new(Arc::clone(input));
        let root = Root::new(decode::parse(bytes, input)?, &mut leaves)?;
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

    /// One value per row.
    ///
    /// # Errors
    /// A user failure, with the first row that cannot be computed as its place.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef, Failure> {
        self.root.evaluate(&self.leaves.reach(batch)?)
    }

    /// The result: its type and whether it may be null.
    pub fn field(&self) -> &FieldRef {
        &self.root.field
    }

    /// The expression as it is computed, over [`Expression::leaf_column`]s.
    pub(crate) fn computed(&self) -> Option<&Arc<dyn PhysicalExpr>> {
        match &self.root.kind {
            Kind::Computed(expression) => Some(expression),
            Kind::Leaf(_) | Kind::Literal(_) => None,
        }
    }

    /// The input column that a leaf is, unless it is a field of a struct.
    pub(crate) fn leaf_column(&self, leaf: usize) -> Option<usize> {
        self.leaves.column(leaf)
    }

    /// The leaf that the expression is, unless it computes something.
    pub(crate) fn as_leaf(&self) -> Option<usize> {
        match self.root.kind {
            Kind::Leaf(leaf) => Some(leaf),
            Kind::Computed(_) | Kind::Literal(_) => None,
        }
    }
}

/// An expression over a batch of leaves.
#[derive(Debug)]
struct Root {
    field: FieldRef,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Leaf(usize),
    Literal(ScalarValue),
    Computed(Arc<dyn PhysicalExpr>),
}

impl Root {
    /// Adds the leaves that the expression reads.
    fn new(expression: Arc<dyn PhysicalExpr>, leaves: &mut Leaves) -> Result<Self, Failure> {
        let field = expression
            .return_field(leaves.input())
            .map_err(|e| decode::unreadable(&e))?;
        let expression = leaves.rewrite(expression).map_err(|e| decode::unreadable(&e))?;
        let kind = if let Some(leaf) = leaf::as_column(&expression) {
            Kind::Leaf(leaf)
        } else if let Some(literal) = expression.downcast_ref::<Literal>() {
            Kind::Literal(literal.value().clone())
        } else {
            Kind::Computed(expression)
        };
        Ok(Self { field, kind })
    }

    /// The same, with the result cast if it is of another type.
    fn cast_to(self, data_type: &DataType) -> Self {
        if self.field.data_type() == data_type {
            return self;
        }
        let field = Arc::new(self.field.as_ref().clone().with_data_type(data_type.clone()));
        let expression = match self.kind {
            Kind::Leaf(leaf) => leaf::column(self.field.name(), leaf),
            Kind::Literal(value) => Arc::new(Literal::new(value)),
            Kind::Computed(expression) => expression,
        };
        let cast = datafusion_physical_expr::expressions::CastExpr::new(expression, data_type.clone(), None);
        Self {
            field,
            kind: Kind::Computed(Arc::new(cast)),
        }
    }

    fn evaluate(&self, leaves: &RecordBatch) -> Result<ArrayRef, Failure> {
        match &self.kind {
            Kind::Leaf(leaf) => Ok(Arc::clone(leaves.column(*leaf))),
            Kind::Literal(value) => value
                .to_array_of_size(leaves.num_rows())
                .map_err(|e| failure::of_error(&e, None)),
            Kind::Computed(expression) => expression
                .evaluate(leaves)
                .and_then(|value| value.into_array(leaves.num_rows()))
                .map_err(|e| failure::of_rows(&e, expression, leaves)),
        }
    }
}

#[cfg(test)]
mod tests;
