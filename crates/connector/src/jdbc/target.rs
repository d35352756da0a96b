//! A table of the database, and the statements that change it.

use serde::{Deserialize, Serialize};

use crate::postgres::quoted;

/// Where rows wait for the commit of their checkpoint.
const STAGED: &str = "weir_staged";
/// Which rows were moved.
const COMMITTED: &str = "weir_committed";

/// A table to write: quoted names, so that they mean just what they say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Target {
    /// None: what the connection's search path says.
    schema: Option<String>,
    table: String,
    pub(super) columns: Vec<String>,
    /// The columns of the primary key; none: rows are only appended.
    pub(super) keys: Vec<String>,
}

impl Target {
    /// The error says what is wrong with the name.
    pub(super) fn new(name: &str, columns: Vec<String>, keys: Vec<String>) -> Result<Self, String> {
        let parts: Vec<&str> = name.split('.').map(|part| part.trim_matches('"')).collect();
        let (schema, table) = match parts[..] {
            [table] if !table.is_empty() => (None, table),
            [schema, table] if !schema.is_empty() && !table.is_empty() => (Some(schema), table),
            _ => return Err(format!("'{name}' is neither 'table' nor 'schema.table'")),
        };
        Ok(Self {
            schema: schema.map(str::to_owned),
            table: table.to_owned(),
            columns,
            keys,
        })
    }

    /// The table's name in SQL.
    pub(super) fn name(&self) -> String {
        self.beside(&self.table)
    }

    /// Where rows are staged, in SQL: in the same schema, so that who may write the one can be let write the other.
    pub(super) fn staged(&self) -> String {
        self.beside(STAGED)
    }

    /// Where it is noted what was moved, in SQL.
    pub(super) fn committed(&self) -> String {
        self.beside(COMMITTED)
    }

    fn beside(&self, table: &str) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(table)),
            None => quoted(table),
        }
    }

    /// Adds rows or, of keys that are there, replaces them. `rows` is an item of FROM that names JSON arrays of rows `r`.
    pub(super) fn upsert(&self, rows: &str) -> String {
        let columns = list(&self.columns, quoted);
        let values = list(&self.columns, |column| format!("r.{}", quoted(column)));
        let insert = format!(
            "INSERT INTO {} ({columns}) SELECT {values} FROM {rows}",
            self.name()
        );
        if self.keys.is_empty() {
            return insert;
        }
        let rest: Vec<_> = self
            .columns
            .iter()
            .filter(|column| !self.keys.contains(column))
            .cloned()
            .collect();
        let action = if rest.is_empty() {
            "NOTHING".to_owned()
        } else {
            let set = |column: &str| format!("{0} = EXCLUDED.{0}", quoted(column));
            format!("UPDATE SET {}", list(&rest, set))
        };
        format!("{insert} ON CONFLICT ({}) DO {action}", list(&self.keys, quoted))
    }

    /// Deletes rows with the keys of such rows.
    pub(super) fn delete(&self, rows: &str) -> String {
        let equal = self.keys.iter().map(|key| format!("t.{0} = r.{0}", quoted(key)));
        let equal = equal.collect::<Vec<_>>().join(" AND ");
        format!("DELETE FROM {} AS t USING {rows} WHERE {equal}", self.name())
    }

    /// Rows `r` that a JSON text in SQL holds.
    pub(super) fn rows_of(&self, json: &str) -> String {
        format!("json_populate_recordset(NULL::{}, {json}) AS r", self.name())
    }
}

fn list(names: &[String], as_sql: impl Fn(&str) -> String) -> String {
    names
        .iter()
        .map(|name| as_sql(name))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str, columns: &[&str], keys: &[&str]) -> Target {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Target::new(name, owned(columns), owned(keys)).expect(name)
    }

    #[test]
    fn rows_are_appended_or_replace_those_of_their_key() {
        let rows = "x";
        assert_eq!(
            target("s.t", &["a", "B\""], &[]).upsert(rows),
            r#"INSERT INTO "s"."t" ("a", "B""") SELECT r."a", r."B""" FROM x"#
        );
        assert_eq!(
            target("t", &["a", "b", "c"], &["a", "c"]).upsert(rows),
            r#"INSERT INTO "t" ("a", "b", "c") SELECT r."a", r."b", r."c" FROM x ON CONFLICT ("a", "c") DO UPDATE SET "b" = EXCLUDED."b""#
        );
        assert!(
            target("t", &["a"], &["a"])
                .upsert(rows)
                .ends_with(r#"ON CONFLICT ("a") DO NOTHING"#)
        );
        assert_eq!(
            target("t", &["a", "b"], &["a", "b"]).delete(rows),
            r#"DELETE FROM "t" AS t USING x WHERE t."a" = r."a" AND t."b" = r."b""#
        );
    }

    #[test]
    fn a_name_is_a_table_or_one_in_a_schema() {
        assert_eq!(target("\"s\".t", &[], &[]).staged(), "\"s\".\"weir_staged\"");
        for name in ["", "a.b.c", ".t"] {
            assert!(Target::new(name, Vec::new(), Vec::new()).is_err(), "{name}");
        }
    }
}
