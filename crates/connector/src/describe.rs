//! All connectors and formats for people and forms: from the definitions that validate tables.

use std::fmt::Write as _;

use weir_model::api::{ConnectorInfo, ConnectorList, FormatInfo, MetadataInfo, OptionInfo, OptionType};

use crate::{
    Connector, Role, connectors,
    filesystem::parquet,
    format::{self, change_json::Dialect, sql_type},
    options::{OptionDef, OptionKind},
};

/// All connectors and formats.
pub fn all() -> ConnectorList {
    ConnectorList {
        connectors: connectors().iter().map(|connector| of(*connector)).collect(),
        formats: formats(),
    }
}

/// A connector.
pub fn of(connector: &dyn Connector) -> ConnectorInfo {
    let has = |role| connector.roles().contains(&role);
    let metadata = connector.metadata().iter().map(|def| MetadataInfo {
        key: def.key.to_owned(),
        data_type: sql_type(&def.kind.data_type()),
        writable: def.is_writable,
        doc: def.doc.to_owned(),
    });
    ConnectorInfo {
        name: connector.name().to_owned(),
        summary: connector.summary().to_owned(),
        reads: has(Role::Source),
        writes: has(Role::Sink),
        looks_up: has(Role::Lookup),
        has_format: connector.has_format(),
        options: connector.options().iter().map(option).collect(),
        metadata: metadata.collect(),
    }
}

/// All formats, by name: those of every connector of bytes, and that of files alone.
fn formats() -> Vec<FormatInfo> {
    let mut formats: Vec<_> = format::NAMES.iter().map(|name| format_of(name)).collect();
    formats.push(FormatInfo {
        name: parquet::NAME.to_owned(),
        summary: parquet::SUMMARY.to_owned(),
        has_changes: false,
        options: parquet::OPTIONS.iter().map(option).collect(),
    });
    formats.sort_by(|a, b| a.name.cmp(&b.name));
    formats
}

fn format_of(name: &str) -> FormatInfo {
    FormatInfo {
        name: name.to_owned(),
        summary: format::summary_of(name).to_owned(),
        has_changes: Dialect::named(name).is_some(),
        options: format::options_of(name).iter().map(option).collect(),
    }
}

fn option(def: &OptionDef) -> OptionInfo {
    let (kind, values) = match def.kind {
        OptionKind::Text => (OptionType::Text, &[][..]),
        OptionKind::Bool => (OptionType::Boolean, &[][..]),
        OptionKind::Int => (OptionType::Integer, &[][..]),
        OptionKind::Float => (OptionType::Number, &[][..]),
        OptionKind::Duration => (OptionType::Duration, &[][..]),
        OptionKind::MemorySize => (OptionType::MemorySize, &[][..]),
        OptionKind::OneOf(words) => (OptionType::OneOf, words),
    };
    OptionInfo {
        key: def.key.to_owned(),
        kind,
        values: values.iter().map(|word| (*word).to_owned()).collect(),
        required: def.required,
        default: def.default.map(str::to_owned),
        doc: def.doc.to_owned(),
    }
}

/// A connector's page, in Markdown.
pub fn page(connector: &dyn Connector) -> String {
    let info = of(connector);
    let mut page = format!(
        "# {}\n\nThe connector `{}` {}.\n",
        info.name, info.name, info.summary
    );
    let roles = [
        (info.reads, "read"),
        (info.writes, "written"),
        (info.looks_up, "asked by key in a lookup join"),
    ];
    let roles: Vec<_> = roles
        .iter()
        .filter(|(can, _)| *can)
        .map(|(_, role)| *role)
        .collect();
    let _ = writeln!(page, "Its tables can be {}.", roles.join(", "));
    if info.has_format {
        page.push_str("They have a [format](formats.md).\n");
    }
    let guide = connector.guide().trim();
    if !guide.is_empty() {
        let _ = write!(page, "\n{guide}\n");
    }
    if !info.options.is_empty() {
        page.push_str("\n## Options\n\n");
        write_options(&info.options, &mut page);
    }
    if !info.metadata.is_empty() {
        page.push_str("\n## Metadata\n\nA column `name TYPE METADATA FROM 'key'` takes one of these:\n\n");
        page.push_str("| Key | Type | |\n|---|---|---|\n");
        for MetadataInfo {
            key,
            data_type,
            writable,
            doc,
        } in &info.metadata
        {
            let also = if *writable { "; can be written too" } else { "" };
            let _ = writeln!(page, "| `{key}` | `{data_type}` | {}{also} |", cell(doc));
        }
    }
    page
}

/// The page of all formats, in Markdown.
pub fn formats_page() -> String {
    let mut page =
        "# Formats\n\nHow rows are written in files and messages: `'format' = '...'`.\nA record that cannot be read fails the job, is skipped by \
         `'...ignore-parse-errors'`, or [goes to another table](../sql.md#records-that-cannot-be-read) by `'dead-letter'`.\n"
            .to_owned();
    for format in all().formats {
        let _ = write!(
            page,
            "\n## {}\n\nThe format `{}` is {}.\n\n",
            format.name, format.name, format.summary
        );
        write_options(&format.options, &mut page);
    }
    page
}

/// The page that leads to the others, in Markdown.
pub fn index_page() -> String {
    let mut page = "# Connectors\n\nWhat tables can be made of: `'connector' = '...'`.\n\n".to_owned();
    page.push_str("| Connector | | Reads | Writes | Looks up |\n|---|---|---|---|---|\n");
    let mark = |is: bool| if is { "yes" } else { "" };
    for info in all().connectors {
        let _ = writeln!(
            page,
            "| [`{}`]({}.md) | {} | {} | {} | {} |",
            info.name,
            info.name,
            cell(&info.summary),
            mark(info.reads),
            mark(info.writes),
            mark(info.looks_up)
        );
    }
    page.push_str("\nRows in files and messages have a [format](formats.md).\n");
    page
}

fn write_options(options: &[OptionInfo], page: &mut String) {
    page.push_str("| Option | Type | Default | |\n|---|---|---|---|\n");
    for option in options {
        let default = match (&option.default, option.required) {
            (_, true) => "required".to_owned(),
            (Some(default), _) => format!("`{default}`"),
            (None, _) => String::new(),
        };
        let kind = match option.kind {
            OptionType::OneOf => {
                let words = option.values.iter().map(|word| format!("`{word}`"));
                words.collect::<Vec<_>>().join(", ")
            }
            kind => kind.as_str().to_owned(),
        };
        let _ = writeln!(
            page,
            "| `{}` | {kind} | {default} | {} |",
            option.key,
            cell(&option.doc)
        );
    }
}

/// A text within a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use super::*;

    /// The pages that are generated, by file name.
    fn pages() -> Vec<(String, String)> {
        let of_connectors = connectors()
            .iter()
            .map(|connector| (format!("{}.md", connector.name()), page(*connector)));
        let others = [
            ("README.md".to_owned(), index_page()),
            ("formats.md".to_owned(), formats_page()),
        ];
        of_connectors.chain(others).collect()
    }

    #[test]
    fn the_pages_of_the_documentation_are_those_of_the_code() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/connectors");
        let pages = pages();
        if env::var_os("WEIR_BLESS").is_some() {
            fs::create_dir_all(&folder).expect("a folder");
            for (name, page) in &pages {
                fs::write(folder.join(name), page).expect("is written");
            }
        }
        for (name, page) in &pages {
            let there = fs::read_to_string(folder.join(name)).unwrap_or_default();
            assert_eq!(
                &there, page,
                "docs/connectors/{name} is old: run this test with WEIR_BLESS=1, and read the difference"
            );
        }
        let names: Vec<_> = fs::read_dir(&folder)
            .expect("the folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        for name in names {
            assert!(
                pages.iter().any(|(known, _)| *known == name),
                "docs/connectors/{name} is of nothing"
            );
        }
    }

    #[test]
    fn every_connector_and_option_says_what_it_is() {
        let all = all();
        for connector in &all.connectors {
            assert!(
                connector.reads || connector.writes || connector.looks_up,
                "{}",
                connector.name
            );
            assert!(!connector.summary.is_empty(), "{}", connector.name);
        }
        let options = all.connectors.iter().map(|c| (&c.name, &c.options));
        let options = options.chain(all.formats.iter().map(|f| (&f.name, &f.options)));
        for (name, options) in options {
            for option in options {
                assert!(!option.doc.is_empty(), "{name}: {}", option.key);
                assert!(
                    !(option.required && option.default.is_some()),
                    "{name}: {}",
                    option.key
                );
            }
        }
        assert!(all.formats.iter().all(|format| !format.summary.is_empty()));
    }
}
