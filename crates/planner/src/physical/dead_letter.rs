//! Records that sources cannot read into tables of their own: `'dead-letter' = '...'` among the options of a source.
//!
//! They leave a source by a second output. Which columns the table has of them is said by the columns' names.

use std::{collections::BTreeMap, sync::Arc};

use arrow_schema::{DataType, Field};
use datafusion_expr::{Expr, lit};
use weir_connector::dead_letter::{self, ERROR, FAILED_AT, PLACE, RECORD, TEXT};

use super::{Kind, NodeId, Operators, expr::column, schema_of, side_table};
use crate::{
    catalog::{Catalog, TableDef},
    error::{self, Result},
    logical::cast_to,
    parse::tokens::Name,
};

/// The column with the name of the table that could not be read.
const SOURCE: &str = "source";

/// Sends the records that sources cannot read to the tables that they name.
pub(crate) fn route(operators: &mut Operators, catalog: &Catalog) -> Result<()> {
    let sources: Vec<(NodeId, Arc<TableDef>)> = operators
        .iter()
        .filter_map(|(id, node)| match &node.kind {
            Kind::Source(table, _) => Some((id, Arc::clone(table))),
            _ => None,
        })
        .collect();
    let mut by_table: BTreeMap<String, (Arc<TableDef>, Vec<NodeId>)> = BTreeMap::new();
    for (id, source) in sources {
        let Some(option) = &source.dead_letter else {
            continue;
        };
        let sink = side_table::named(&source, option, "dead letters", catalog)?;
        let columns = columns(&source, &sink, option)?;
        let uid = format!("{}/dead-letters", operators.get(id).uid);
        let fields = dead_letter::schema()
            .fields()
            .iter()
            .map(|f| f.as_ref().clone())
            .collect();
        let letters = operators.push(uid.clone(), Kind::DeadLetters(id), schema_of(fields)?);
        let rows = operators.calc(format!("{uid}/calc"), letters, None, columns)?;
        let of_table = by_table.entry(sink.table.name.clone());
        of_table.or_insert_with(|| (sink, Vec::new())).1.push(rows);
    }
    for (name, (sink, rows)) in by_table {
        side_table::write(operators, format!("dead-letters-{name}"), sink, rows)?;
    }
    Ok(())
}

/// The table's columns over dead letters.
fn columns(source: &TableDef, sink: &TableDef, option: &Name) -> Result<Vec<(String, Expr)>> {
    let fields = sink.table.schema.fields().iter();
    fields
        .map(|field| Ok((field.name().clone(), of(source, sink, field, option)?)))
        .collect()
}

fn of(source: &TableDef, sink: &TableDef, field: &Field, option: &Name) -> Result<Expr> {
    let name = field.name().as_str();
    let kept = match name {
        RECORD if field.data_type() == &DataType::Utf8 => TEXT,
        RECORD | ERROR | PLACE | FAILED_AT => name,
        SOURCE => SOURCE,
        _ => {
            let known = [RECORD, ERROR, PLACE, SOURCE, FAILED_AT];
            let mut problem = error::unknown(option.at, "column", name, known);
            problem.detail = format!(
                "'{}' has the column '{name}', which dead letters do not have: it may have record BYTES or STRING, error STRING, place \
                 STRING, source STRING, failed_at TIMESTAMP_LTZ(3)",
                sink.table.name
            );
            return Err(problem);
        }
    };
    let from = match kept {
        SOURCE => DataType::Utf8,
        kept => {
            let schema = dead_letter::schema();
            let field = schema.field_with_name(kept);
            field
                .map_err(|e| error::internal(e.to_string()))?
                .data_type()
                .clone()
        }
    };
    let tables = (source.table.name.as_str(), sink);
    side_table::check_type(
        tables,
        "dead letters",
        (name, &from, field.data_type()),
        option.at,
    )?;
    let value = match kept {
        SOURCE => lit(source.table.name.as_str()),
        kept => column(kept),
    };
    Ok(cast_to(value, &from, field.data_type()))
}
