//! The page on functions is what the planner knows.

use std::{env, fmt::Write as _, fs};

use weir_functions::catalogue::FAMILIES;
use weir_tests::repository::root;

/// The page, from what runs.
fn page() -> String {
    let runs = weir_planner::function_names();
    let mut text = "# Functions\n\nEvery built-in function of Flink's, and whether it runs here. What does not is refused with its place when a script is planned.\n\
        Texts, times and numbers are computed and printed as Flink does; where ours differ, the last column says how.\n\n\
        Beside these: the operators of SQL, `CASE`, `CAST`, `TRY_CAST`, `LIKE ... ESCAPE`, `SIMILAR TO`, `BETWEEN`, `IN`, `IS [NOT] DISTINCT FROM`, `EXTRACT`, `FLOOR(time TO unit)`, `CEIL(time TO unit)`, `POSITION(a IN b)`, `OVERLAY(... PLACING ...)` and `TRIM(... FROM ...)`.\n\
        [Windows](sql.md#windows) have functions of their own.\n\n\
        This page is written by `WEIR_BLESS=1 cargo test -p weir-tests --test layers functions`.\n"
        .to_owned();
    for family in FAMILIES {
        let _ = write!(
            text,
            "\n## {}\n\n| Function | Runs | |\n|---|---|---|\n",
            family.title
        );
        for (name, differs) in family.functions {
            let known = runs.iter().any(|run| run == name);
            let (state, differs) = if known { ("yes", *differs) } else { ("not yet", "") };
            let _ = writeln!(text, "| `{name}` | {state} | {differs} |");
        }
    }
    text
}

#[test]
fn the_page_of_functions_is_what_the_planner_knows() {
    let path = root().join("docs/functions.md");
    if env::var_os("WEIR_BLESS").is_some() {
        fs::write(&path, page()).expect("docs/functions.md can be written");
        return;
    }
    let text = fs::read_to_string(&path).expect("docs/functions.md can be read");
    assert!(
        text == page(),
        "docs/functions.md is not what the planner knows: write it anew as the page says"
    );
}

#[test]
fn every_function_that_runs_is_on_the_page() {
    /// What is not Flink's: other names, and what Flink has as syntax.
    const OURS: &[&str] = &["CBRT", "RLIKE"];
    let listed = |name: &str| {
        FAMILIES
            .iter()
            .flat_map(|f| f.functions)
            .any(|(known, _)| *known == name)
    };
    let runs = weir_planner::function_names();
    assert!(runs.len() > 100, "only {} functions run", runs.len());
    for name in runs {
        assert!(
            listed(&name) || OURS.contains(&name.as_str()),
            "{name} is not in the catalogue of functions"
        );
    }
}
