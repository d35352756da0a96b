//! What the documents say of the code is what the code says of itself.

use std::{env, fmt::Write as _, fs};

use weir_connector::{
    connectors,
    format::{FORMAT, csv, json},
    options::{OptionDef, OptionKind},
    origin::MetadataDef,
};
use weir_proto::convert::sql_type;
use weir_tests::repository::root;

const BEGIN: &str = "--test layers documents` -->\n";
const END: &str = "<!-- end of connectors -->";

/// The options as a table.
fn table<'a>(options: impl Iterator<Item = &'a OptionDef>) -> String {
    let mut text = "| Option | Value | Default | |\n|---|---|---|---|\n".to_owned();
    for OptionDef {
        key,
        kind,
        required,
        default,
        doc,
    } in options
    {
        let default = match default {
            Some(default) => format!("`{default}`"),
            None if *required => "required".to_owned(),
            None => String::new(),
        };
        let _ = writeln!(
            text,
            "| `{key}` | {} | {default} | {} |",
            value(*kind),
            doc.replace('|', "\\|")
        );
    }
    text
}

fn value(kind: OptionKind) -> String {
    match kind {
        OptionKind::Text => "text".to_owned(),
        OptionKind::Bool => "`true`, `false`".to_owned(),
        OptionKind::Int => "whole number".to_owned(),
        OptionKind::Float => "number".to_owned(),
        OptionKind::Duration => "duration".to_owned(),
        OptionKind::MemorySize => "size, as `128 MB`".to_owned(),
        OptionKind::OneOf(words) => words
            .iter()
            .map(|w| format!("`{w}`"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// The section on connectors, from what they declare.
fn connector_section() -> String {
    let mut text = String::new();
    for connector in connectors() {
        let _ = writeln!(
            text,
            "\n### `{}`\n\n{}.\n",
            connector.name(),
            sentence(connector.summary())
        );
        if connector.options().is_empty() {
            text += "It has no options.\n";
        } else {
            text += &table(connector.options().iter());
        }
        if connector.options().iter().any(|option| option.key == FORMAT.key) {
            text += "\nand those of its format.\n";
        }
        text += &metadata(connector.metadata());
    }
    let _ = write!(text, "\n### Format `json`\n\n{}", table(json::OPTIONS.iter()));
    let _ = writeln!(text, "\n### Format `csv`\n\n{}", table(csv::OPTIONS.iter()));
    text
}

/// The metadata columns as a table.
fn metadata(columns: &[MetadataDef]) -> String {
    if columns.is_empty() {
        return String::new();
    }
    let mut text = "\n| Metadata | Type | |\n|---|---|---|\n".to_owned();
    for column in columns {
        let MetadataDef {
            key,
            kind,
            is_writable,
            doc,
        } = column;
        let also = if *is_writable { "; can be written too" } else { "" };
        let _ = writeln!(
            text,
            "| `{key}` | `{}` | {doc}{also} |",
            sql_type(&kind.data_type())
        );
    }
    text
}

fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

#[test]
fn documents_list_every_connector_with_its_options() {
    let path = root().join("docs/sql.md");
    let text = fs::read_to_string(&path).expect("docs/sql.md can be read");
    let (before, rest) = text.split_once(BEGIN).expect("the section begins");
    let (section, after) = rest.split_once(END).expect("the section ends");
    let expected = connector_section();
    if env::var_os("WEIR_BLESS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}"))
            .expect("docs/sql.md can be written");
        return;
    }
    assert!(
        section == expected,
        "docs/sql.md is not what connectors declare: write it anew as the comment there says"
    );
}

#[test]
fn documents_list_every_setting() {
    let code =
        fs::read_to_string(root().join("crates/planner/src/settings.rs")).expect("the settings can be read");
    let known = code
        .split_once("const KNOWN")
        .expect("the list begins")
        .1
        .split_once("];")
        .expect("the list ends")
        .0;
    let settings: Vec<_> = known.split('"').skip(1).step_by(2).collect();
    assert!(
        settings.contains(&"parallelism.default"),
        "the list was misread: {settings:?}"
    );
    let text = fs::read_to_string(root().join("docs/sql.md")).expect("docs/sql.md can be read");
    for setting in settings {
        assert!(
            text.contains(&format!("`{setting}`")),
            "docs/sql.md does not say what {setting} does"
        );
    }
}

#[test]
fn no_link_between_documents_is_broken() {
    let mut checked = 0;
    for folder in ["", "docs", "docs/adr", "bench", "compose"] {
        for entry in fs::read_dir(root().join(folder)).expect("the folder can be read") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|e| e != "md") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a document can be read");
            for target in text
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split_once(')'))
                .map(|(target, _)| target)
            {
                let file = target.split('#').next().unwrap_or_default();
                if !file.is_empty() && !file.contains("://") {
                    let linked = path.parent().expect("a document lies in a folder").join(file);
                    assert!(
                        linked.exists(),
                        "{} links to {target}, which is not there",
                        path.display()
                    );
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 10, "only {checked} links were found");
}
