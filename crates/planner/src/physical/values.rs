//! Rows that stand in the query: VALUES, and the one row of a SELECT without FROM.

use std::sync::Arc;

use arrow_array::Array as _;
use arrow_schema::{DataType, Field, Schema};
use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::{EmptyRelation, Expr, Values};
use weir_connector::values;

use super::{
    Kind,
    expr::{column, unique_names},
    lower::{Lower, Rel, RelColumn, Role},
};
use crate::{
    catalog::{ColumnDef, TableDef},
    error::{self, Result, plan_defect},
    logical::{cast_to, expr_place, simplify},
};

/// The column of rows that have none.
const NO_COLUMN: &str = "$row";

impl Lower<'_> {
    /// Constant rows.
    pub(crate) fn values(&mut self, values: &Values) -> Result<Rel> {
        let names = values.schema.fields().iter().map(|f| f.name().clone());
        let names: Vec<String> = unique_names(names.map(|n| (n.clone(), column(n))).collect())
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let mut fields = Vec::with_capacity(names.len());
        let mut columns = Vec::with_capacity(names.len());
        for (i, (name, field)) in names.iter().zip(values.schema.fields()).enumerate() {
            let data_type = stored_type(field.data_type());
            let cells = values
                .values
                .iter()
                .map(|row| self.constant(&row[i], &data_type))
                .collect::<Result<Vec<_>>>()?;
            let cells = ScalarValue::iter_to_array(cells).map_err(plan_defect)?;
            fields.push(Field::new(name, data_type, cells.null_count() > 0));
            columns.push(cells);
        }
        let rows = arrow_array::RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
        let rows = rows.map_err(|e| plan_defect(e.into()))?;
        self.constant_rows(
            &rows,
            values.schema.fields().iter().map(|f| f.name().clone()).collect(),
        )
    }

    /// One row without columns: SELECT without FROM.
    pub(crate) fn empty(&mut self, empty: &EmptyRelation) -> Result<Rel> {
        let rows = usize::from(empty.produce_one_row);
        let column: arrow_array::ArrayRef = Arc::new(arrow_array::Int8Array::from(vec![0; rows]));
        let rows = arrow_array::RecordBatch::try_from_iter([(NO_COLUMN, column)]);
        self.constant_rows(&rows.map_err(|e| plan_defect(e.into()))?, Vec::new())
    }

    fn constant(&self, expr: &Expr, data_type: &DataType) -> Result<ScalarValue> {
        let none = Arc::new(DFSchema::empty());
        let at = expr_place(expr).unwrap_or(self.at);
        let from = super::type_of(expr, &none)?;
        let cast = cast_to(expr.clone(), &from, data_type);
        match simplify::simplify(cast, &none).map_err(|e| error::of_datafusion(e, at))? {
            Expr::Literal(value, _) => Ok(value),
            other => Err(error::unsupported(
                at,
                format!(
                    "VALUES takes constants, and '{}' is none: compute it in a SELECT around them",
                    super::format::format_expr(&other)
                ),
            )),
        }
    }

    fn constant_rows(&mut self, rows: &arrow_array::RecordBatch, names: Vec<String>) -> Result<Rel> {
        let table = values::table("VALUES".to_owned(), rows).map_err(|e| plan_defect(e.into()))?;
        let schema = rows.schema();
        let columns = schema.fields().iter().map(|field| ColumnDef {
            name: field.name().clone(),
            computed: None,
        });
        let table = TableDef {
            table,
            columns: columns.collect(),
            schema: Arc::clone(&schema),
            lengths: std::collections::BTreeMap::new(),
            watermark: None,
            primary_key: Vec::new(),
            secrets: Arc::default(),
            late_sink: None,
            dead_letter: None,
            at: self.at,
            options: Vec::new(),
        };
        let uid = self.uid("values");
        let own = DFSchema::try_from(schema.as_ref().clone()).map_err(plan_defect)?;
        let node = self
            .operators
            .push(uid, Kind::Source(Arc::new(table), None), Arc::new(own));
        let columns = names.into_iter().zip(schema.fields());
        Ok(Rel {
            node,
            filters: Vec::new(),
            columns: columns
                .map(|(name, field)| RelColumn {
                    name,
                    expr: column(field.name()),
                    role: Role::Plain,
                })
                .collect(),
            window: None,
            updates: None,
        })
    }
}

/// Constants in the representation that tables have.
fn stored_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Null | DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        other => other.clone(),
    }
}
