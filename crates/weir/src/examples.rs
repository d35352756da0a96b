//! The scripts and inputs that come with the binary.

use std::{fs, io, path::Path};

use rust_embed::RustEmbed;
use weir_model::api::Example;

/// `examples/` of the source tree.
#[derive(RustEmbed)]
#[folder = "../../examples"]
struct Files;

/// Writes the examples' inputs to `<data_dir>/examples` and gives the scripts with their paths pointing there.
///
/// The scripts in the source tree name their inputs relative to its root, for `weir local`; a cluster's workers may run
/// anywhere, so theirs are absolute.
pub(crate) fn install(data_dir: &Path) -> io::Result<Vec<Example>> {
    let root = data_dir.join("examples");
    fs::create_dir_all(&root)?;
    let root = root.canonicalize()?;
    let mut examples = Vec::new();
    // The scripts that made the inputs are not needed where they run.
    for path in Files::iter().filter(|path| !path.ends_with(".py")) {
        let Some(file) = Files::get(&path) else { continue };
        if let Some(name) = path.strip_suffix("/query.sql") {
            let sql =
                String::from_utf8_lossy(&file.data).replace("'examples/", &format!("'{}/", root.display()));
            examples.push(example(name, sql));
        } else {
            write_if_changed(&root.join(&*path), &file.data)?;
        }
    }
    examples.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(examples)
}

/// The example of a script: its first comment lines say its title and description.
fn example(name: &str, sql: String) -> Example {
    let said = |key: &str| {
        let prefix = format!("-- {key}:");
        sql.lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .map_or_else(String::new, |v| v.trim().to_owned())
    };
    Example {
        name: name.to_owned(),
        title: said("title"),
        description: said("description"),
        sql,
    }
}

fn write_if_changed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_has_a_title_and_finds_its_input_anywhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let examples = install(folder.path()).expect("installs");
        assert!(!examples.is_empty());
        for example in examples {
            assert!(
                !example.title.is_empty() && !example.description.is_empty(),
                "{}",
                example.name
            );
            for path in example.sql.split('\'').filter(|part| part.contains("/examples/")) {
                assert!(Path::new(path).exists(), "{}: {path}", example.name);
            }
        }
    }
}
