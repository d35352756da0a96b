//! Columns and fields of struct columns, and what the runtime says: what expressions read without computing.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array, cast::AsArray, make_array};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion_common::{
    Result, internal_datafusion_err,
    tree_node::{Transformed, TreeNode, TreeNodeRecursion},
};
use datafusion_physical_expr::{
    PhysicalExpr, ScalarFunctionExpr,
    expressions::{Column, Literal},
};
use weir_functions::{
    chance::Chance,
    clock::{self, Reading},
};
use weir_model::Failure;

use super::{chance::Draw, failure};

/// The name of the column that calls of functions of chance begin with.
pub(super) const SEED: &str = "$seed";

/// What the runtime says to expressions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Time.
    pub reading: Reading,
    /// What functions of chance begin with: the same for all batches of an operator, another one for each operator.
    pub seed: u64,
}

/// The leaves that a set of expressions reads, in order of first use.
#[derive(Debug)]
pub(super) struct Leaves {
    input: SchemaRef,
    leaves: Vec<Leaf>,
    schema: SchemaRef,
    /// None: nobody has said anything.
    surroundings: Option<Surroundings>,
    /// How many calls of functions of chance there are.
    draws: u64,
}

/// What is read.
#[derive(Debug, PartialEq, Eq)]
enum Leaf {
    Path(Path),
    /// What a function of the clock gives, of a type.
    Clock(String, DataType),
    /// What functions of chance begin with.
    Seed,
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
            leaves: Vec::new(),
            schema: Arc::new(Schema::empty()),
            surroundings: None,
            draws: 0,
        }
    }

    /// The schema of the batches that leaves are reached in.
    pub(super) fn input(&self) -> &SchemaRef {
        &self.input
    }

    /// The input column that a leaf is, unless it is a field of a struct.
    pub(super) fn column(&self, leaf: usize) -> Option<usize> {
        match &self.leaves[leaf] {
            Leaf::Path(path) => path.fields.is_empty().then_some(path.column),
            Leaf::Clock(..) | Leaf::Seed => None,
        }
    }

    /// Whether the expressions read what the runtime says.
    pub(super) fn are_surrounded(&self) -> bool {
        self.leaves.iter().any(|leaf| !matches!(leaf, Leaf::Path(_)))
    }

    /// What the runtime says from now on.
    pub(super) fn surround(&mut self, surroundings: Surroundings) {
        self.surroundings = Some(surroundings);
    }

    /// The expression over the leaves, those that it reads added.
    pub(super) fn rewrite(&mut self, expression: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let rewritten = expression.transform_down(|node| {
            let answer = match path_of(&node, &self.input) {
                Some((path, field)) => Some(self.add(Leaf::Path(path), field)),
                None => self.answer(&node)?,
            };
            Ok(match answer {
                // What it reads was rewritten already.
                Some(answer) => Transformed::new(answer, true, TreeNodeRecursion::Jump),
                None => Transformed::no(node),
            })
        })?;
        Ok(rewritten.data)
    }

    /// What takes the place of a function that the runtime answers; none if the expression is no call of one.
    fn answer(&mut self, node: &Arc<dyn PhysicalExpr>) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let Some(call) = node.downcast_ref::<ScalarFunctionExpr>() else {
            return Ok(None);
        };
        let function = call.fun().name();
        if clock::is_clock(function) {
            let field = node.return_field(&self.input)?;
            let leaf = Leaf::Clock(function.to_owned(), field.data_type().clone());
            let field = field.as_ref().clone().with_name(format!("{function}()"));
            return Ok(Some(self.add(leaf, Arc::new(field))));
        }
        let Some(chance) = Chance::of(function) else {
            return Ok(None);
        };
        let mut children = Vec::with_capacity(call.args().len() + 1);
        for arg in call.args() {
            children.push(self.rewrite(Arc::clone(arg))?);
        }
        children.push(self.add(Leaf::Seed, Arc::new(Field::new(SEED, DataType::UInt64, false))));
        self.draws += 1;
        let field = node.return_field(&self.input)?;
        Ok(Some(Arc::new(Draw::new(
            function, chance, children, field, self.draws,
        ))))
    }

    /// The leaf as a column, the same one each time.
    fn add(&mut self, leaf: Leaf, field: FieldRef) -> Arc<dyn PhysicalExpr> {
        if let Some(known) = self.leaves.iter().position(|l| *l == leaf) {
            return column(self.schema.field(known).name(), known);
        }
        let added = column(field.name(), self.leaves.len());
        let fields: Vec<FieldRef> = self.schema.fields().iter().cloned().chain([field]).collect();
        self.schema = Arc::new(Schema::new(fields));
        self.leaves.push(leaf);
        added
    }

    /// The leaves of a batch's rows. Copies no values.
    pub(super) fn reach(&self, batch: &RecordBatch) -> Result<RecordBatch, Failure> {
        let rows = batch.num_rows();
        let said = || {
            let silence = || {
                internal_datafusion_err!("an expression reads the clock or chance where no runtime answers")
            };
            self.surroundings.ok_or_else(silence)
        };
        let columns = self.leaves.iter().map(|leaf| match leaf {
            Leaf::Path(path) => Ok(path.reach(batch)),
            Leaf::Seed => Ok(Arc::new(UInt64Array::from_value(said()?.seed, rows)) as _),
            Leaf::Clock(function, data_type) => {
                let value = said()?.reading.value(function, data_type);
                value.and_then(|value| value.to_array_of_size(rows))
            }
        });
        let columns = columns.collect::<Result<Vec<_>>>();
        self.batch(columns.map_err(|e| failure::of_error(&e, None))?, rows)
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
