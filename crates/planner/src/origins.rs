//! Columns that are not in the rows of a table: metadata and partitions.

use std::sync::Arc;

use arrow_schema::Schema;
use weir_connector::{Connector, connector, origin};
use weir_model::{Location, Problem};
use weir_proto::convert::sql_type;

use crate::{
    catalog::TableDef,
    error::{self, Result},
    parse::{
        ddl::{ColumnKind, CreateTable},
        tokens::Name,
    },
};

/// The same table as one that is written: without what only reading gives.
pub(crate) fn written(table: &TableDef, at: Location) -> Result<TableDef> {
    let known = connector(&table.table.connector).map_or(&[][..], Connector::metadata);
    let can_write = |key: &str| known.iter().any(|def| def.key == key && def.is_writable);
    let mut fields = Vec::new();
    for field in table.table.schema.fields() {
        match origin::metadata_key(field) {
            None => fields.push(Arc::clone(field)),
            Some(_) if origin::is_read_only(field) => {}
            Some(key) if can_write(key) => fields.push(Arc::clone(field)),
            Some(key) => {
                return Err(error::unsupported(
                    at,
                    format!(
                        "column '{}' of '{}' is the metadata '{key}', which '{}' cannot write: declare it METADATA VIRTUAL",
                        field.name(),
                        table.table.name,
                        table.table.connector
                    ),
                ));
            }
        }
    }
    let mut written = table.clone();
    written.table.schema = Arc::new(Schema::new(fields));
    Ok(written)
}

/// Whether the connector has the metadata and the partitions that the table names.
pub(crate) fn check(ddl: &CreateTable, connector: &dyn Connector) -> Result<()> {
    for column in &ddl.columns {
        let ColumnKind::Metadata {
            sql_type: taken, key, ..
        } = &column.kind
        else {
            continue;
        };
        let Some(known) = connector.metadata().iter().find(|def| def.key == key.value) else {
            return Err(unknown_metadata(connector, key));
        };
        if !known.kind.fits(&taken.data_type) {
            return Err(error::type_error(
                column.name.at,
                format!(
                    "column '{}' is {}: the metadata '{}' is {}",
                    column.name.value,
                    sql_type(&taken.data_type),
                    known.key,
                    sql_type(&known.kind.data_type())
                ),
            ));
        }
    }
    let Some(first) = ddl.partitioned_by.first() else {
        return Ok(());
    };
    if !connector.has_partitions() {
        return Err(error::unsupported(
            first.at,
            format!(
                "connector '{}' has no partitions: leave PARTITIONED BY out",
                connector.name()
            ),
        ));
    }
    for name in &ddl.partitioned_by {
        let physical = ddl
            .columns
            .iter()
            .filter(|c| matches!(c.kind, ColumnKind::Physical(_)));
        let mut names = physical.map(|column| column.name.value.as_str());
        if !names.clone().any(|known| known == name.value) {
            return Err(error::unknown(
                name.at,
                "physical column",
                &name.value,
                &mut names,
            ));
        }
    }
    Ok(())
}

fn unknown_metadata(connector: &dyn Connector, key: &Name) -> Problem {
    let keys: Vec<&str> = connector.metadata().iter().map(|def| def.key).collect();
    let mut problem = error::unknown(key.at, "metadata", &key.value, keys.iter().copied());
    problem.detail = match keys.as_slice() {
        [] => format!("connector '{}' has no metadata columns", connector.name()),
        keys => format!(
            "connector '{}' has no metadata '{}': it has {}",
            connector.name(),
            key.value,
            keys.join(", ")
        ),
    };
    problem
}
