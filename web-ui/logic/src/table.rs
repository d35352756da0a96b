//! Printed rows as columns and cells.

use serde_json::Value;
use weir_model::api::OutputRow;

/// The rows of one sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The sink's name.
    pub name: String,
    /// Column names, in the order in which they first appear.
    pub columns: Vec<String>,
    /// A cell per column; none where the row has no such column or it is null.
    pub rows: Vec<Vec<Option<Cell>>>,
}

/// A value as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its text.
    pub text: String,
    /// Whether it is a number, to be aligned at its end.
    pub is_number: bool,
}

/// One table per sink, in the order in which they first appear; of each, the last `limit` rows.
pub fn tables(output: &[OutputRow], limit: usize) -> Vec<Table> {
    let mut names: Vec<&str> = Vec::new();
    for row in output {
        if !names.contains(&row.table.as_str()) {
            names.push(&row.table);
        }
    }
    names.into_iter().map(|name| table(name, output, limit)).collect()
}

fn table(name: &str, output: &[OutputRow], limit: usize) -> Table {
    let of_sink: Vec<_> = output.iter().filter(|r| r.table == name).collect();
    let rows: Vec<_> = of_sink[of_sink.len().saturating_sub(limit)..]
        .iter()
        .map(|r| r.row.cells())
        .collect();
    let mut columns: Vec<String> = Vec::new();
    for column in rows.iter().flat_map(|cells| cells.keys()) {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    let rows = rows
        .iter()
        .map(|row| columns.iter().map(|c| cell(row.get(c)?)).collect())
        .collect();
    Table {
        name: name.to_owned(),
        columns,
        rows,
    }
}

fn cell(value: &Value) -> Option<Cell> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(Cell {
        text,
        is_number: value.is_number(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weir_model::api::RowText;

    use super::*;

    fn row(table: &str, row: Value) -> OutputRow {
        OutputRow {
            table: table.to_owned(),
            row: RowText::new(row.to_string()).expect("JSON"),
        }
    }

    fn texts(table: &Table) -> Vec<Vec<&str>> {
        table
            .rows
            .iter()
            .map(|r| {
                r.iter()
                    .map(|c| c.as_ref().map_or("-", |c| c.text.as_str()))
                    .collect()
            })
            .collect()
    }

    #[test]
    fn columns_keep_the_order_of_the_rows() {
        let output = [
            row("t", json!({"z": 1, "a": "x"})),
            row("t", json!({"z": null, "b": true, "a": {"k": [1]}})),
        ];
        let tables = tables(&output, 10);
        assert_eq!(tables[0].columns, ["z", "a", "b"]);
        assert_eq!(texts(&tables[0]), [["1", "x", "-"], ["-", "{\"k\":[1]}", "true"]]);
        assert!(tables[0].rows[0][0].as_ref().is_some_and(|c| c.is_number));
    }

    #[test]
    fn each_sink_has_its_table_and_keeps_its_last_rows() {
        let output: Vec<_> = (0..6)
            .map(|n| row(if n % 2 == 0 { "even" } else { "odd" }, json!({"n": n})))
            .collect();
        let tables = tables(&output, 2);
        assert_eq!(
            tables.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(),
            ["even", "odd"]
        );
        assert_eq!(texts(&tables[0]), [["2"], ["4"]]);
        assert_eq!(texts(&tables[1]), [["3"], ["5"]]);
    }
}
