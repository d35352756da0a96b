//! What the documents say of the code is what the code says of itself.

use std::fs;

use weir_tests::repository::root;

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
    for folder in ["", "docs", "docs/adr", "docs/connectors", "bench", "compose"] {
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
