//! Tables of the script that take what a source's rows leave by the side: late rows, dead letters.

use std::sync::Arc;

use arrow_schema::{DataType, Field};
use weir_model::Location;
use weir_proto::convert::sql_type;

use super::{Kind, NodeId, Operators, Sink, schema_of, sink::stores};
use crate::{
    catalog::{Catalog, Relation, TableDef},
    error::{self, Result},
    parse::tokens::Name,
};

/// The table that an option of the source names for these: `late rows`.
pub(super) fn named(
    source: &TableDef,
    option: &Name,
    what: &str,
    catalog: &Catalog,
) -> Result<Arc<TableDef>> {
    let table = match catalog.get(&option.value) {
        Some(Relation::Table(table)) => Arc::clone(table),
        Some(Relation::View(_)) => {
            return Err(error::invalid(
                option.at,
                format!("'{}' is a view: {what} go to a table", option.value),
            ));
        }
        None => {
            let names = catalog.table_names();
            return Err(error::unknown(option.at, "table", &option.value, names));
        }
    };
    if table.table.name == source.table.name {
        return Err(error::invalid(
            option.at,
            format!(
                "{what} of '{}' cannot go back to it: name another table",
                option.value
            ),
        ));
    }
    Ok(table)
}

/// Refuses a column of the table that cannot hold what there is.
pub(super) fn check_type(
    (source, table): (&str, &TableDef),
    what: &str,
    (name, from, to): (&str, &DataType, &DataType),
    at: Location,
) -> Result<()> {
    if from == to || from.equals_datatype(to) || stores(from, to) {
        return Ok(());
    }
    Err(error::type_error(
        at,
        format!(
            "column '{name}' of '{}' is {}, that of {what} of '{source}' is {}: declare it so",
            table.table.name,
            sql_type(to),
            sql_type(from)
        ),
    ))
}

/// Adds the sink of these rows, which have the table's columns. What is the same rows twice is written once.
pub(super) fn write(
    operators: &mut Operators,
    uid: String,
    table: Arc<TableDef>,
    rows: Vec<NodeId>,
) -> Result<()> {
    let fields = table.table.schema.fields().iter();
    let schema = schema_of(fields.map(|f| f.as_ref().clone()).collect())?;
    let input = if let [only] = rows.as_slice() {
        *only
    } else {
        let fields = operators.union_fields(&rows);
        let rows = Kind::SideUnion(rows);
        operators.push(format!("{uid}/union"), rows, schema_of(fields)?)
    };
    let sink = Sink {
        input,
        table,
        updates: None,
        spread_by: Vec::new(),
    };
    operators.push(uid, Kind::Sink(sink), schema);
    Ok(())
}

impl Operators {
    /// The columns of an operator's rows.
    pub(super) fn fields(&self, id: NodeId) -> Vec<Field> {
        let fields = self.get(id).schema.fields();
        fields.iter().map(|f| f.as_ref().clone()).collect()
    }

    /// The columns of all inputs' rows: what may be null in one may be null in all.
    pub(super) fn union_fields(&self, inputs: &[NodeId]) -> Vec<Field> {
        let schemas: Vec<Vec<Field>> = inputs.iter().map(|input| self.fields(*input)).collect();
        let fields = schemas[0].iter().enumerate().map(|(i, field)| {
            let nullable = schemas.iter().any(|fields| fields[i].is_nullable());
            field.clone().with_nullable(nullable)
        });
        fields.collect()
    }
}
