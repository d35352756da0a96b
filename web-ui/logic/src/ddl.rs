//! `CREATE TABLE` out of what a form says.

/// What a form says of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableForm {
    /// The table's name.
    pub name: String,
    /// Columns and constraints, as SQL has them between the parentheses.
    pub columns: String,
    /// Options with their values, in the order to write them; empty values are left out.
    pub options: Vec<(String, String)>,
}

/// The statement.
pub fn create_table(form: &TableForm) -> String {
    let TableForm {
        name,
        columns,
        options,
    } = form;
    let columns = columns.trim().trim_end_matches(',').trim_end();
    let columns = match columns {
        "" => String::new(),
        columns => {
            let lines: Vec<_> = columns
                .lines()
                .map(|line| format!("    {}", line.trim()))
                .collect();
            format!(" (\n{}\n)", lines.join("\n"))
        }
    };
    let given = options.iter().filter(|(_, value)| !value.is_empty());
    let options: Vec<_> = given
        .map(|(key, value)| format!("    {} = {}", text(key), text(value)))
        .collect();
    format!(
        "CREATE TABLE {}{columns} WITH (\n{}\n);\n",
        identifier(name),
        options.join(",\n")
    )
}

/// A name as SQL takes it: in backticks unless it is plain.
fn identifier(name: &str) -> String {
    let name = name.trim();
    let is_plain = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain {
        name.to_owned()
    } else {
        format!("`{}`", name.replace('`', "``"))
    }
}

fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(name: &str, columns: &str, options: &[(&str, &str)]) -> TableForm {
        TableForm {
            name: name.into(),
            columns: columns.into(),
            options: options
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn a_form_becomes_a_statement() {
        let form = form(
            "clicks",
            "id BIGINT,\n  at TIMESTAMP(3),\n",
            &[("connector", "kafka"), ("topic", "it's"), ("format", "")],
        );
        assert_eq!(
            create_table(&form),
            "CREATE TABLE clicks (\n    id BIGINT,\n    at TIMESTAMP(3)\n) WITH (\n    'connector' = 'kafka',\n    'topic' = 'it''s'\n);\n"
        );
    }

    #[test]
    fn names_that_are_not_plain_are_quoted_and_columns_may_lack() {
        let options = [("connector", "nexmark")];
        assert_eq!(
            create_table(&form("2 `a`", " ", &options)),
            "CREATE TABLE `2 ``a``` WITH (\n    'connector' = 'nexmark'\n);\n"
        );
    }
}
