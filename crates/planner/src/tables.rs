//! The tables that a script defines, for those who want to look at them without a job.

use std::sync::Arc;

use weir_connector::{OptionError, Secrets, Table};
use weir_model::Problem;

use crate::{
    catalog::{Catalog, Relation, TableDef},
    error::{self, Result},
    parse::{self, Statement},
    physical::Operators,
    script::{on_deep_stack, settings},
    statements::Statements,
};

/// A table that a script defines.
#[derive(Clone, Debug)]
pub struct DefinedTable(Arc<TableDef>);

impl DefinedTable {
    /// The table as the script has it.
    pub fn table(&self) -> &Table {
        &self.0.table
    }

    /// The table as its connector sees it: with the values of secrets.
    pub fn resolved(&self) -> Result<Table> {
        self.0.resolved()
    }

    /// What a connector says is wrong with it, with the place in the script.
    pub fn problem(&self, error: OptionError) -> Problem {
        self.0.problem(error)
    }
}

/// The tables that a script defines, in its order. Its INSERTs are left out, and no connector is asked.
///
/// # Errors
/// What is wrong with the SQL, with its place.
pub async fn tables(sql: &str, secrets: Arc<Secrets>) -> Result<Vec<DefinedTable>> {
    let sql = sql.to_owned();
    on_deep_stack(move || defined(&sql, secrets)).await
}

fn defined(sql: &str, secrets: Arc<Secrets>) -> Result<Vec<DefinedTable>> {
    let (statements, hints) = parse::script(sql)?;
    let settings = settings(&statements)?;
    let mut all = Statements::new(
        Catalog::new(hints, secrets),
        Operators::new(&settings)?,
        settings.wasm,
    );
    let mut names = Vec::new();
    for statement in statements {
        match &statement {
            Statement::Insert(_) => continue,
            Statement::CreateTable(ddl) => {
                if ddl.query.is_some() {
                    return Err(error::unsupported(
                        ddl.name.at,
                        "a table made of a query is a job's: give CREATE TABLE with columns",
                    ));
                }
                if !names.contains(&ddl.name.value) {
                    names.push(ddl.name.value.clone());
                }
            }
            _ => {}
        }
        all.run(statement)?;
    }
    let table = |name: &String| match all.catalog.get(name) {
        Some(Relation::Table(table)) => Some(DefinedTable(Arc::clone(table))),
        _ => None,
    };
    Ok(names.iter().filter_map(table).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_script_s_tables_come_in_its_order_without_its_jobs() {
        let found = tables(
            "CREATE TABLE b (x INT) WITH ('connector' = 'print');
             CREATE TABLE gone (x INT) WITH ('connector' = 'print');
             CREATE TABLE a (x INT) WITH ('connector' = 'nowhere-near', 'y' = 'z');",
            Arc::default(),
        )
        .await;
        assert!(
            found.is_err(),
            "a connector that there is none of is known at once"
        );
        let found = tables(
            "CREATE TABLE b (x INT) WITH ('connector' = 'print');
             CREATE TABLE gone (x INT) WITH ('connector' = 'print');
             CREATE TABLE a (x INT) WITH ('connector' = 'datagen', 'no-such' = '1');
             INSERT INTO b SELECT nothing FROM nowhere;
             DROP TABLE gone;",
            Arc::default(),
        )
        .await
        .expect("tables");
        let names: Vec<_> = found.iter().map(|table| table.table().name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
    }
}
