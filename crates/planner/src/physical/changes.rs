//! Tables whose rows are changes: what is done of another system's table, or what is there of each key now.

use std::sync::Arc;

use datafusion_expr::Expr;
use weir_connector::{
    ChangelogMode,
    changelog::{OP_COLUMN, op_field},
};

use super::{
    Kind, NodeId, Updates,
    expr::column,
    lower::Lower,
    rank::{Rank, RankRange},
    schema_of,
};
use crate::{
    catalog::TableDef,
    error::{self, Result},
    logical::proctime,
};

impl Lower<'_> {
    /// The operator that has a table's rows, and what makes them changes.
    pub(super) fn table_rows(&mut self, table: &Arc<TableDef>) -> Result<(NodeId, Option<Updates>)> {
        let connector =
            weir_connector::connector(&table.table.connector).map_err(|error| table.problem(error))?;
        let source = connector
            .source(&table.resolved()?)
            .map_err(|error| table.problem(error))?;
        let updates = Updates {
            by: format!("table '{}'", table.table.name),
            at: table.at,
        };
        match source.changelog_mode() {
            ChangelogMode::Append => Ok((self.operators.source(table, false)?, None)),
            ChangelogMode::All => Ok((self.operators.source(table, true)?, Some(updates))),
            ChangelogMode::Upsert => Ok((self.normalized(table)?, Some(updates))),
        }
    }

    /// The rows of a table that says what is there of each key now, as changes that say what was there before.
    fn normalized(&mut self, table: &Arc<TableDef>) -> Result<NodeId> {
        if table.primary_key.is_empty() {
            return Err(error::invalid(
                table.at,
                format!(
                    "table '{}' says what is there of each key now: it needs PRIMARY KEY (...) NOT ENFORCED",
                    table.table.name
                ),
            ));
        }
        let source = self.operators.source(table, true)?;
        let reads_source = |input: NodeId| self.operators.get(input).kind.inputs() == [source];
        let existing = self.operators.iter().find(|(_, node)| match &node.kind {
            Kind::Rank(rank) => rank.upserts && reads_source(rank.input),
            _ => false,
        });
        if let Some((id, _)) = existing {
            return Ok(id);
        }
        // The time at which a row passes is no value yet: whoever needs it takes it later.
        let is_value = |computed: &Option<Expr>| !computed.as_ref().is_some_and(proctime::is_call);
        let values = table.columns.iter().filter(|def| is_value(&def.computed));
        let mut columns: Vec<_> = values.map(|def| (def.name.clone(), column(&def.name))).collect();
        let place = |key: &String| columns.iter().position(|(name, _)| name == key);
        let keys: Option<Vec<usize>> = table.primary_key.iter().map(place).collect();
        let keys = keys.ok_or_else(|| {
            error::invalid(
                table.at,
                format!(
                    "the primary key of table '{}' has no value in its rows",
                    table.table.name
                ),
            )
        })?;
        columns.push((OP_COLUMN.to_owned(), column(OP_COLUMN)));
        let scope = self.operators.get(source).uid.clone();
        let input = self
            .operators
            .calc(format!("{scope}/columns"), source, None, columns)?;
        let rank = Rank {
            input,
            keys,
            order: Vec::new(),
            range: RankRange { offset: 0, limit: 1 },
            numbered: false,
            prefers_later: true,
            updates_in_place: true,
            upserts: true,
            window_end: None,
        };
        let rows = self.operators.get(input).schema.fields().iter();
        let mut fields: Vec<_> = rows.map(|field| field.as_ref().clone()).collect();
        fields.pop();
        fields.push(op_field());
        let schema = schema_of(fields)?;
        Ok(self
            .operators
            .push(format!("{scope}/normalize"), Kind::Rank(rank), schema))
    }
}
