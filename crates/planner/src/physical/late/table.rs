//! What a table wants of late rows: columns of their source, and what is known of their lateness.

use std::{collections::BTreeMap, sync::Arc};

use arrow_schema::{DataType, Field};
use datafusion_expr::{Expr, lit};
use weir_model::Location;

use crate::{
    catalog::{Catalog, TIMESTAMP_MS, TableDef},
    error::{self, Result},
    logical::{cast_to, proctime},
    parse::tokens::Name,
    physical::{Kind, NodeId, Operators, expr::column, side_table},
};

/// The column of late rows with the event time that the operator had reached.
pub(super) const WATERMARK: &str = "$late_watermark";
/// The row's own event time.
const TIME: &str = "$late.$time";

/// The table that the late rows of a source go to.
#[derive(Debug)]
pub(super) struct LateTable {
    /// The source's name.
    pub(super) source: String,
    /// The table.
    pub(super) sink: Arc<TableDef>,
    /// Where the source says so.
    pub(super) at: Location,
    /// What must be carried to where rows are dropped, by names of its own.
    pub(super) needs: Vec<(String, Need)>,
    /// What each column of the table is.
    columns: Vec<Column>,
}

/// What is needed of a row of the source.
#[derive(Debug)]
pub(super) struct Need {
    /// Over the source's columns.
    pub(super) expr: Expr,
    /// Its type.
    pub(super) data_type: DataType,
}

/// What a column of the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    /// The n-th of what is needed.
    Need(usize),
    /// How far the row's time, which is the n-th of what is needed, lies behind the watermark, ms.
    By(usize),
    Watermark,
    Operator,
}

impl LateTable {
    /// Whether rows of the other's source can go where this one's go.
    pub(super) fn fits(&self, other: &Self) -> bool {
        let needs = |table: &Self| -> Vec<(String, DataType)> {
            let needs = table.needs.iter();
            needs
                .map(|(name, need)| (name.clone(), need.data_type.clone()))
                .collect()
        };
        Arc::ptr_eq(&self.sink, &other.sink) && self.columns == other.columns && needs(self) == needs(other)
    }

    /// What is needed as columns of rows that carry it.
    pub(super) fn needed(&self) -> Vec<(String, Expr)> {
        let names = self.needs.iter().map(|(name, _)| name);
        names.map(|name| (name.clone(), column(name))).collect()
    }

    /// The table's columns over late rows with what is needed in these columns.
    pub(super) fn columns(&self, needs: &[String], operator: &str) -> Vec<(String, Expr)> {
        let ms = |expr| cast_to(expr, &TIMESTAMP_MS, &DataType::Int64);
        let fields = self.sink.table.schema.fields().iter();
        let columns = fields.zip(&self.columns).map(|(field, known)| {
            let to = field.data_type();
            let expr = match *known {
                Column::Need(at) => column(&needs[at]),
                Column::By(time) => {
                    let by = ms(column(WATERMARK)) - ms(column(&needs[time]));
                    cast_to(by, &DataType::Int64, to)
                }
                Column::Watermark => cast_to(column(WATERMARK), &TIMESTAMP_MS, to),
                Column::Operator => cast_to(lit(operator), &DataType::Utf8, to),
            };
            (field.name().clone(), expr)
        });
        columns.collect()
    }
}

/// The tables of late rows that sources name.
pub(super) fn of_sources(
    operators: &Operators,
    catalog: &Catalog,
) -> Result<BTreeMap<NodeId, Arc<LateTable>>> {
    let mut tables = BTreeMap::new();
    for (id, node) in operators.iter() {
        let Kind::Source(source, _) = &node.kind else {
            continue;
        };
        if let Some(option) = &source.late_sink {
            tables.insert(id, Arc::new(of_source(source, option, catalog)?));
        }
    }
    Ok(tables)
}

fn of_source(source: &TableDef, option: &Name, catalog: &Catalog) -> Result<LateTable> {
    let sink = side_table::named(source, option, "late rows", catalog)?;
    let mut table = LateTable {
        source: source.table.name.clone(),
        sink: Arc::clone(&sink),
        at: option.at,
        needs: Vec::new(),
        columns: Vec::new(),
    };
    for field in sink.table.schema.fields() {
        let column = table.column(source, field)?;
        table.columns.push(column);
    }
    Ok(table)
}

impl LateTable {
    /// What a column of the table is, by its name.
    fn column(&mut self, source: &TableDef, field: &Field) -> Result<Column> {
        let name = field.name().as_str();
        if source.columns.iter().any(|c| c.name == name) {
            return self.of_row(source, field);
        }
        let (known, from) = match name {
            "late_by" => (Column::By(self.time(source)), DataType::Int64),
            "late_watermark" => (Column::Watermark, TIMESTAMP_MS),
            "late_operator" => (Column::Operator, DataType::Utf8),
            _ => {
                let known = source.columns.iter().map(|c| c.name.as_str());
                let known = known.chain(["late_by", "late_watermark", "late_operator"]);
                let mut problem = error::unknown(self.at, "column", name, known);
                problem.detail = format!(
                    "'{}' has the column '{name}', which late rows of '{}' do not have: it may have columns of that table, and late_by \
                     BIGINT, late_watermark TIMESTAMP(3), late_operator STRING",
                    self.sink.table.name, self.source
                );
                return Err(problem);
            }
        };
        self.check_type(name, &from, field.data_type())?;
        Ok(known)
    }

    /// A column of the source.
    fn of_row(&mut self, source: &TableDef, field: &Field) -> Result<Column> {
        let (name, to) = (field.name().as_str(), field.data_type());
        let computed = source.columns.iter().find(|c| c.name == name);
        if computed
            .and_then(|c| c.computed.as_ref())
            .is_some_and(proctime::is_call)
        {
            return Err(error::unsupported(
                self.at,
                format!(
                    "'{name}' of '{}' is a processing time, which late rows do not keep: leave it out of '{}'",
                    self.source, self.sink.table.name
                ),
            ));
        }
        let own = source.schema.field_with_name(name);
        let own = own.map_err(|e| error::internal(e.to_string()))?;
        let from = own.data_type().clone();
        self.check_type(name, &from, to)?;
        if own.is_nullable() && !field.is_nullable() {
            return Err(error::invalid(
                self.at,
                format!(
                    "column '{name}' of '{}' is NOT NULL, that of late rows of '{}' may be null: declare it without NOT NULL",
                    self.sink.table.name, self.source
                ),
            ));
        }
        let need = Need {
            expr: cast_to(column(name), &from, to),
            data_type: to.clone(),
        };
        self.needs.push((format!("$late.{name}"), need));
        Ok(Column::Need(self.needs.len() - 1))
    }

    /// Where the row's time is among what is needed.
    fn time(&mut self, source: &TableDef) -> usize {
        let time = source
            .watermark
            .as_ref()
            .map(|w| w.column.clone())
            .unwrap_or_default();
        let from = source
            .schema
            .field_with_name(&time)
            .map(|f| f.data_type().clone());
        let need = Need {
            expr: cast_to(column(time), &from.unwrap_or(TIMESTAMP_MS), &TIMESTAMP_MS),
            data_type: TIMESTAMP_MS,
        };
        self.needs.push((TIME.to_owned(), need));
        self.needs.len() - 1
    }

    fn check_type(&self, name: &str, from: &DataType, to: &DataType) -> Result<()> {
        let tables = (self.source.as_str(), self.sink.as_ref());
        side_table::check_type(tables, "late rows", (name, from, to), self.at)
    }
}
