//! Sources that read only what is needed: fields instead of ROWs, columns that queries read, rows that they keep.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use arrow_schema::{DataType, Field, Fields, Schema};
use datafusion_common::{
    DFSchema, DFSchemaRef,
    tree_node::{Transformed, TreeNode, TreeNodeRecursion},
};
use datafusion_expr::{Expr, ExprSchemable};
use weir_connector::changelog::{OP_COLUMN, op_field};

use super::{
    Calc, Kind, NodeId, Operators, calc_schema,
    expr::{Leaf, as_leaf, column, unique_name},
};
use crate::{
    catalog::{TIMESTAMP_MS, TableDef},
    error::{self, Result, plan_defect},
    logical::{cast_to, simplify},
};

/// What a source reads and emits.
#[derive(Clone, Debug)]
pub(crate) struct SourceRead {
    /// What the connector produces.
    pub scan: Schema,
    /// Columns over the scanned ones; the first `emitted` are passed on.
    pub projection: Vec<(String, Expr)>,
    /// How many columns are passed on.
    pub emitted: usize,
    /// The event-time column and the watermark over the projected columns.
    pub watermark: Option<(usize, Expr)>,
    /// Rows to keep, over the projected columns.
    pub filter: Option<Expr>,
}

/// Makes every source read only what the operators behind it need, and melts a lone calc into it where that saves work.
pub(crate) fn prune(operators: &mut Operators) -> Result<()> {
    let sources: Vec<NodeId> = operators
        .iter()
        .filter(|(_, node)| matches!(node.kind, Kind::Source(..)))
        .map(|(id, _)| id)
        .collect();
    sources.into_iter().try_for_each(|id| prune_source(operators, id))
}

fn prune_source(operators: &mut Operators, id: NodeId) -> Result<()> {
    let Kind::Source(table, _) = operators.get(id).kind.clone() else {
        return Ok(());
    };
    let schema = Arc::clone(&operators.get(id).schema);
    let has_time = table.watermark.is_some() && feeds_time(operators, id);
    let consumers = operators.consumers(id);
    let mut build = Build::new(table, schema);
    match consumers.as_slice() {
        [only] => {
            let calc = calc_of(operators, *only)?;
            match build.fold(calc, has_time)? {
                Some(rest) => replace_calc(operators, *only, rest, &build)?,
                None => remove_calc(operators, *only, id),
            }
        }
        several => {
            for consumer in several {
                let mut calc = calc_of(operators, *consumer)?;
                build.read_by_name(&mut calc)?;
                replace_calc(operators, *consumer, calc, &build)?;
            }
        }
    }
    let (read, schema) = build.finish(has_time)?;
    let node = operators.get_mut(id);
    if let Kind::Source(_, slot) = &mut node.kind {
        *slot = Some(read);
    }
    node.schema = schema;
    Ok(())
}

fn calc_of(operators: &Operators, id: NodeId) -> Result<Calc> {
    match &operators.get(id).kind {
        Kind::Calc(calc) => Ok(calc.clone()),
        _ => Err(error::internal(
            "a source is read by an operator other than a calc",
        )),
    }
}

fn replace_calc(operators: &mut Operators, id: NodeId, calc: Calc, build: &Build) -> Result<()> {
    let schema = calc_schema(&calc.columns, &build.emitted_schema()?)?;
    let node = operators.get_mut(id);
    node.schema = schema;
    node.kind = Kind::Calc(calc);
    Ok(())
}

fn remove_calc(operators: &mut Operators, id: NodeId, source: NodeId) {
    for consumer in operators.consumers(id) {
        operators.get_mut(consumer).kind.replace_input(id, source);
    }
    operators.get_mut(id).kind = Kind::Gone;
}

fn feeds_time(operators: &Operators, id: NodeId) -> bool {
    operators
        .consumers(id)
        .into_iter()
        .any(|consumer| operators.get(consumer).kind.needs_watermarks() || feeds_time(operators, consumer))
}

/// Gathers the columns of a source; expressions are over the table's columns.
struct Build {
    table: Arc<TableDef>,
    /// The table's columns.
    schema: DFSchemaRef,
    columns: Vec<(String, Expr)>,
    /// Columns from here on are not passed on.
    emitted: Option<usize>,
    names: HashSet<String>,
    filter: Option<Expr>,
}

impl Build {
    fn new(table: Arc<TableDef>, schema: DFSchemaRef) -> Self {
        Self {
            table,
            schema,
            columns: Vec::new(),
            emitted: None,
            names: HashSet::new(),
            filter: None,
        }
    }

    /// Takes on as much of a lone calc as saves work; the rest of it reads the source's columns.
    fn fold(&mut self, calc: Calc, has_time: bool) -> Result<Option<Calc>> {
        let Calc {
            input,
            filter,
            mut columns,
        } = calc;
        if let (Some(filter), false) = (&filter, has_time) {
            for (_, expr) in &mut columns {
                *expr = self.under(filter, expr)?;
            }
        }
        let all_leaves = columns
            .iter()
            .all(|(_, expr)| as_leaf(expr, &self.schema).is_some());
        let draws = self.draws(calc_leaves(&columns).chain(&filter))?;
        if (all_leaves || filter.is_none()) && !draws {
            let reads = leaves(columns.iter().map(|(_, e)| e), &self.schema)?;
            let free = filter
                .as_ref()
                .map_or(Ok(true), |f| self.is_free(f, &reads, has_time))?;
            if free {
                for (name, expr) in columns {
                    self.emit(name, expr);
                }
                self.emitted = Some(self.columns.len());
                self.filter = filter.map(|f| self.by_name(f)).transpose()?;
                return Ok(None);
            }
        }
        let mut calc = Calc {
            input,
            filter: None,
            columns,
        };
        self.read_by_name(&mut calc)?;
        if let Some(filter) = filter {
            let reads = leaves(calc_leaves(&self.columns), &self.schema)?;
            if self.is_free(&filter, &reads, has_time)? {
                self.emitted = Some(self.columns.len());
                self.filter = Some(self.by_name(filter)?);
            } else {
                calc.filter = Some(self.by_name(filter)?);
            }
        }
        Ok(Some(calc))
    }

    /// Whether expressions read a computed column of chance: it must be computed once, and read by its name.
    fn draws<'a>(&self, exprs: impl Iterator<Item = &'a Expr>) -> Result<bool> {
        let is_drawn = |leaf: &Leaf| {
            let mut columns = self.table.columns.iter().filter(|def| def.name == leaf.column);
            columns.any(|def| def.computed.as_ref().is_some_and(Expr::is_volatile))
        };
        Ok(leaves(exprs, &self.schema)?.iter().any(is_drawn))
    }

    /// A computed column as the leaf that it is in all rows that pass the filter, if it is one in them.
    fn under(&self, filter: &Expr, expr: &Expr) -> Result<Expr> {
        if as_leaf(expr, &self.schema).is_none() {
            return Ok(expr.clone());
        }
        let conditions = datafusion_expr::utils::split_conjunction(filter);
        let computed = resolve(expr.clone(), &self.table, &self.schema)?;
        let simple = simplify::simplify_where(computed, &conditions, &self.schema).map_err(plan_defect)?;
        Ok(if as_leaf(&simple, &self.schema).is_some() {
            simple
        } else {
            expr.clone()
        })
    }

    /// Whether the source can filter without passing on columns that nobody else reads: columns can be hidden only
    /// where there is event time.
    fn is_free(&self, filter: &Expr, emitted: &[Leaf], has_time: bool) -> Result<bool> {
        let reads = leaves(std::iter::once(filter), &self.schema)?;
        Ok(has_time || reads.iter().all(|leaf| emitted.contains(leaf)))
    }

    /// Makes a calc read the source's columns instead of the table's.
    fn read_by_name(&mut self, calc: &mut Calc) -> Result<()> {
        for (_, expr) in &mut calc.columns {
            *expr = self.by_name(expr.clone())?;
        }
        calc.filter = calc
            .filter
            .take()
            .map(|filter| self.by_name(filter))
            .transpose()?;
        Ok(())
    }

    /// The expression over the source's columns, adding those that it reads.
    fn by_name(&mut self, expr: Expr) -> Result<Expr> {
        let schema = Arc::clone(&self.schema);
        let replaced = expr.transform_down(|e| match as_leaf(&e, &schema) {
            Some(leaf) => {
                let name = self.column_of(&leaf, e);
                Ok(Transformed::new(column(name), true, TreeNodeRecursion::Jump))
            }
            None => Ok(Transformed::no(e)),
        });
        Ok(replaced.map_err(plan_defect)?.data)
    }

    /// The name of the column that is this leaf, added if there is none.
    fn column_of(&mut self, leaf: &Leaf, expr: Expr) -> String {
        let same = |(_, e): &&(String, Expr)| as_leaf(e, &self.schema).as_ref() == Some(leaf);
        if let Some((name, _)) = self.columns.iter().find(same) {
            return name.clone();
        }
        let name = if self.names.contains(leaf.name()) {
            leaf.dotted()
        } else {
            leaf.name().to_owned()
        };
        self.emit(name, expr);
        self.columns
            .last()
            .map(|(name, _)| name.clone())
            .unwrap_or_default()
    }

    fn emit(&mut self, name: String, expr: Expr) {
        let name = unique_name(name, &mut self.names);
        self.columns.push((name, expr));
    }

    fn emitted_schema(&self) -> Result<DFSchemaRef> {
        let emitted = self.emitted.unwrap_or(self.columns.len());
        calc_schema(&self.columns[..emitted], &self.schema)
    }

    /// Whether the rows are changes.
    fn is_changelog(&self) -> bool {
        self.schema
            .fields()
            .last()
            .is_some_and(|field| field.name() == OP_COLUMN)
    }

    /// Makes what each row does the last of the columns that are passed on.
    fn put_op_last(&mut self) {
        let emitted = self.emitted.unwrap_or(self.columns.len());
        if let Some(at) = self.columns.iter().position(|(name, _)| name == OP_COLUMN) {
            self.columns[at..emitted].rotate_left(1);
        }
    }

    fn finish(mut self, has_time: bool) -> Result<(SourceRead, DFSchemaRef)> {
        self.put_op_last();
        if self.columns.is_empty() {
            let first = self.table.table.schema.field(0).name().clone();
            self.emit(first.clone(), column(first));
            self.emitted = None;
        }
        let emitted = self.emitted.unwrap_or(self.columns.len());
        let watermark = if has_time { self.watermark()? } else { None };
        let schema = calc_schema(&self.columns[..emitted], &self.schema)?;
        let mut fields = self.table.table.schema.fields().to_vec();
        fields.extend(self.is_changelog().then(|| Arc::new(op_field())));
        let physical = Arc::new(DFSchema::try_from(Schema::new(fields)).map_err(plan_defect)?);
        let mut projection = Vec::with_capacity(self.columns.len());
        for (name, expr) in &self.columns {
            projection.push((name.clone(), resolve(expr.clone(), &self.table, &physical)?));
        }
        let scan = scan_schema(&self.table, leaves(calc_leaves(&projection), &physical)?);
        Ok((
            SourceRead {
                scan,
                projection,
                emitted,
                watermark,
                filter: self.filter,
            },
            schema,
        ))
    }

    /// The event-time column and the watermark, over the projected columns.
    fn watermark(&mut self) -> Result<Option<(usize, Expr)>> {
        let Some(watermark) = self.table.watermark.clone() else {
            return Ok(None);
        };
        let time = column(&watermark.column);
        let data_type = time.get_type(self.schema.as_ref()).map_err(plan_defect)?;
        let time = cast_to(time, &data_type, &TIMESTAMP_MS);
        let position = self
            .columns
            .iter()
            .position(|(_, expr)| *expr == time)
            .unwrap_or_else(|| {
                self.emit(watermark.column.clone(), time);
                self.columns.len() - 1
            });
        Ok(Some((position, self.by_name(watermark.expr)?)))
    }
}

fn calc_leaves(columns: &[(String, Expr)]) -> impl Iterator<Item = &Expr> {
    columns.iter().map(|(_, expr)| expr)
}

/// An expression over the table's columns as one over its physical columns.
pub(super) fn resolve(expr: Expr, table: &TableDef, physical: &DFSchemaRef) -> Result<Expr> {
    let resolved = expr.transform_up(|e| {
        let computed = match &e {
            Expr::Column(c) => table
                .columns
                .iter()
                .find(|def| def.name == c.name)
                .and_then(|def| def.computed.clone()),
            _ => None,
        };
        Ok(computed.map_or_else(|| Transformed::no(e), Transformed::yes))
    });
    let resolved = resolved.map_err(plan_defect)?.data;
    simplify::simplify(resolved, physical).map_err(plan_defect)
}

/// The leaves that expressions read, each once.
pub(super) fn leaves<'a>(exprs: impl Iterator<Item = &'a Expr>, schema: &DFSchema) -> Result<Vec<Leaf>> {
    let mut found = Vec::new();
    for expr in exprs {
        expr.apply(|e| match as_leaf(e, schema) {
            Some(leaf) => {
                if !found.contains(&leaf) {
                    found.push(leaf);
                }
                Ok(TreeNodeRecursion::Jump)
            }
            None => Ok(TreeNodeRecursion::Continue),
        })
        .map_err(plan_defect)?;
    }
    Ok(found)
}

/// Fields to read of a ROW; none: all of it.
#[derive(Default)]
struct Wanted(Option<BTreeMap<String, Wanted>>);

impl Wanted {
    fn add(&mut self, path: &[String], is_new: bool) {
        match path.split_first() {
            None => self.0 = None,
            Some((first, rest)) => {
                if is_new {
                    self.0 = Some(BTreeMap::new());
                }
                if let Some(fields) = &mut self.0 {
                    let is_new = !fields.contains_key(first);
                    fields.entry(first.clone()).or_default().add(rest, is_new);
                }
            }
        }
    }

    fn of(&self, data_type: &DataType) -> DataType {
        match (&self.0, data_type) {
            (Some(wanted), DataType::Struct(fields)) => {
                let kept = fields
                    .iter()
                    .filter_map(|field| wanted.get(field.name()).map(|w| w.field(field)));
                DataType::Struct(kept.collect::<Fields>())
            }
            _ => data_type.clone(),
        }
    }

    fn field(&self, field: &Field) -> Field {
        field.clone().with_data_type(self.of(field.data_type()))
    }
}

/// The table's physical columns that are read, in the table's order.
pub(super) fn scan_schema(table: &TableDef, reads: Vec<Leaf>) -> Schema {
    let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
    for leaf in &reads {
        let is_new = !wanted.contains_key(&leaf.column);
        wanted
            .entry(leaf.column.clone())
            .or_default()
            .add(&leaf.path, is_new);
    }
    let all = table.table.schema.fields();
    let mut fields: Vec<Field> = all
        .iter()
        .filter_map(|field| wanted.get(field.name()).map(|w| w.field(field)))
        .collect();
    if fields.is_empty() {
        // Rows must be counted even if no value is read.
        fields.extend(all.first().map(|field| field.as_ref().clone()));
    }
    fields.extend(wanted.contains_key(OP_COLUMN).then(op_field));
    Schema::new(fields)
}
