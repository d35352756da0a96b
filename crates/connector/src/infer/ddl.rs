//! `CREATE TABLE` for columns.

use std::fmt::Write as _;

use arrow_schema::{DataType, Field, Schema};

use crate::{format::sql_type, options::Options};

/// The statement that defines a table of these columns, which can be run as it is.
pub fn create_table(name: &str, connector: &str, options: &Options, columns: &Schema) -> String {
    let mut sql = format!("CREATE TABLE {} (\n", quoted(name));
    for (nth, field) in columns.fields().iter().enumerate() {
        let end = if nth + 1 < columns.fields().len() { "," } else { "" };
        let _ = writeln!(sql, "    {}{end}", column(field));
    }
    let _ = write!(sql, ") WITH (\n    'connector' = {}", text(connector));
    for (key, value) in options {
        let _ = write!(sql, ",\n    {} = {}", text(key), text(value));
    }
    sql.push_str("\n);\n");
    sql
}

fn column(field: &Field) -> String {
    format!("{} {}", quoted(field.name()), nullable(field))
}

fn nullable(field: &Field) -> String {
    let strict = if field.is_nullable() { "" } else { " NOT NULL" };
    format!("{}{strict}", full_type(field.data_type()))
}

/// A type with what is within it.
pub(super) fn full_type(data_type: &DataType) -> String {
    match data_type {
        DataType::List(item) => format!("ARRAY<{}>", nullable(item)),
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields.iter().map(|field| column(field)).collect();
            format!("ROW<{}>", fields.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                format!("MAP<{}, {}>", full_type(pair[0].data_type()), nullable(&pair[1]))
            }
            other => sql_type(other),
        },
        other => sql_type(other),
    }
}

/// A name; whatever it is, it is no keyword so.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
