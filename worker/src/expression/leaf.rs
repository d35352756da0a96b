//! Columns and fields of struct columns: what expressions read without computing.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, cast::AsArray, make_array};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, FieldRef, Schema, SchemaRef};
use datafusion_common::{
    Result,
    tree_node::{Transformed, TreeNode},
};
use datafusion_physical_expr::{
    PhysicalExpr, ScalarFunctionExpr,
    expressions::{Column, Literal},
};
use weir_model::Failure;

/// The leaves that a set of expressions reads, in order of first use.
#[derive(Debug)]
pub(super) struct Leaves {
    input: SchemaRef,
    paths: Vec<Path>,
    schema: SchemaRef,
}

/// A column, or a field of a field ... of a struct column.
#[derive(Debug, PartialEq, Eq)]
struct Path {
    column: usize,
    fields: Vec<usize>,
}

impl Leaves {
    /// No leaves, over batches of this schema.
    pub(super) fn new(input: SchemaRef) -> Self {
        Self {
            input,
            paths: Vec::new(),
            schema: Arc::new(Schema::empty()),
        }
    }

    /// The schema of the batches that leaves are reached in.
    pub(super) fn input(&self) -> &SchemaRef {
        &self.input
    }

    /// The input column that a leaf is, unless it is a field of a struct.
    pub(super) fn column(&self, leaf: usize) -> Option<usize> {
        let path = &self.paths[leaf];
        path.fields.is_empty().then_some(path.column)
    }

    /// The expression over the leaves, those that it reads added.
    pub(super) fn rewrite(&mut self, expression: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let rewritten = expression.transform_down(|node| {
            Ok(match path_of(&node, &self.input) {
                Some((path, field)) => {
                    let leaf = self.add(path, Arc::clone(&field));
                    Transformed::yes(column(field.name(), leaf))
                }
                None => Transformed::no(node),
            })
        })?;
        Ok(rewritten.data)
    }

    fn add(&mut self, path: Path, field: FieldRef) -> usize {
        if let Some(leaf) = self.paths.iter().position(|p| *p == path) {
            return leaf;
        }
        let fields: Vec<FieldRef> = self.schema.fields().iter().cloned().chain([field]).collect();
        self.schema = Arc::new(Schema::new(fields));
        self.paths.push(path);
        self.paths.len() - 1
    }

    /// The leaves of a batch's rows. Copies no values.
    pub(super) fn reach(&self, batch: &RecordBatch) -> Result<RecordBatch, Failure> {
        let columns = self.paths.iter().map(|path| path.reach(batch)).collect();
        self.batch(columns, batch.num_rows())
    }

    /// A batch of leaf columns.
    pub(super) fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Failure> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(|e| {
            Failure::internal(format!(
                "rows do not have the columns that an expression reads: {e}"
            ))
        })
    }
}

impl Path {
    fn reach(&self, batch: &RecordBatch) -> ArrayRef {
        let mut array = Arc::clone(batch.column(self.column));
        for &field in &self.fields {
            array = child(&array, field);
        }
        array
    }
}

/// A field of a struct column: null where the struct is null, whatever the child holds there.
pub(crate) fn child(parent: &ArrayRef, field: usize) -> ArrayRef {
    let child = parent.as_struct().column(field);
    let Some(parent_nulls) = parent.nulls().filter(|n| n.null_count() > 0) else {
        return Arc::clone(child);
    };
    let nulls = NullBuffer::union(Some(parent_nulls), child.nulls());
    if nulls.as_ref().map(NullBuffer::null_count) == Some(child.null_count()) {
        return Arc::clone(child);
    }
    match child.to_data().into_builder().nulls(nulls).build() {
        Ok(data) => make_array(data),
        Err(_) => unreachable!("a null buffer of the same length fits any child"),
    }
}

fn path_of(node: &Arc<dyn PhysicalExpr>, input: &Schema) -> Option<(Path, FieldRef)> {
    if let Some(column) = node.downcast_ref::<Column>() {
        let field = input.fields().get(column.index())?;
        return Some((
            Path {
                column: column.index(),
                fields: Vec::new(),
            },
            Arc::clone(field),
        ));
    }
    let call = node
        .downcast_ref::<ScalarFunctionExpr>()
        .filter(|call| call.fun().name() == "get_field")?;
    let (base, names) = call.args().split_first()?;
    let (mut path, mut field) = path_of(base, input)?;
    for name in names {
        let name = name.downcast_ref::<Literal>()?.value().try_as_str()??;
        let DataType::Struct(fields) = field.data_type() else {
            return None;
        };
        let (index, child) = fields.find(name)?;
        let nullable = field.is_nullable() || child.is_nullable();
        let full_name = format!("{}.{}", field.name(), child.name());
        let child = Arc::new(
            child
                .as_ref()
                .clone()
                .with_name(full_name)
                .with_nullable(nullable),
        );
        path.fields.push(index);
        field = child;
    }
    Some((path, field))
}

/// The index of the column that an expression is.
pub(super) fn as_column(expression: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expression.downcast_ref::<Column>().map(Column::index)
}

/// An expression that is a column.
pub(super) fn column(name: &str, index: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(name, index))
}
