//! Every crate's licence is one that `deny.toml` allows, checked without cargo-deny.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use weir_tests::repository::{cargo, root};

/// The quoted strings of the first list after `heading` in `deny.toml`.
fn listed(text: &str, heading: &str) -> BTreeSet<String> {
    let list = text
        .split_once(heading)
        .unwrap_or_else(|| panic!("deny.toml has no `{heading}`"))
        .1;
    let list = list.split_once(']').expect("the list ends").0;
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether an SPDX expression can be satisfied from `allowed`. OR binds less than AND, parentheses most; some old
/// manifests write `/` for OR.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    let mut words = expression.replace('(', " ( ").replace(')', " ) ");
    words = words.replace(" WITH ", "~WITH~");
    let words: Vec<_> = words.split_whitespace().map(|w| w.replace('~', " ")).collect();
    let (value, rest) = any_of(&words, allowed);
    assert!(
        rest.is_empty(),
        "cannot read the licence expression `{expression}`"
    );
    value
}

fn any_of<'a>(words: &'a [String], allowed: &BTreeSet<String>) -> (bool, &'a [String]) {
    let (mut value, mut rest) = all_of(words, allowed);
    while rest.first().is_some_and(|w| w == "OR") {
        let (next, after) = all_of(&rest[1..], allowed);
        (value, rest) = (value || next, after);
    }
    (value, rest)
}

fn all_of<'a>(words: &'a [String], allowed: &BTreeSet<String>) -> (bool, &'a [String]) {
    let (mut value, mut rest) = one(words, allowed);
    while rest.first().is_some_and(|w| w == "AND") {
        let (next, after) = one(&rest[1..], allowed);
        (value, rest) = (value && next, after);
    }
    (value, rest)
}

fn one<'a>(words: &'a [String], allowed: &BTreeSet<String>) -> (bool, &'a [String]) {
    let (first, rest) = words.split_first().expect("a licence stands here");
    if first != "(" {
        return (allowed.contains(first), rest);
    }
    let (value, rest) = any_of(rest, allowed);
    assert_eq!(
        rest.first().map(String::as_str),
        Some(")"),
        "a parenthesis is not closed"
    );
    (value, &rest[1..])
}

#[test]
fn every_crates_licence_is_allowed() {
    let deny = fs::read_to_string(root().join("deny.toml")).expect("deny.toml can be read");
    let allowed = listed(&deny, "[licenses]");
    // Platforms that this machine is not have crates that were never fetched here.
    let host = cargo_host();
    let text = cargo(&[
        "metadata",
        "--locked",
        "--format-version",
        "1",
        "--filter-platform",
        &host,
    ])
    .expect("cargo describes the workspace");
    let metadata: Value = serde_json::from_str(&text).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 100, "only {} crates seen", packages.len());
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(
            satisfied(licence, &allowed),
            "{name} is under `{licence}`, which deny.toml does not allow"
        );
    }
}

fn cargo_host() -> String {
    let output = std::process::Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("rustc speaks UTF-8");
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc names its host")
        .to_owned()
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned()]);
    let check = |expression, expected| assert_eq!(satisfied(expression, &allowed), expected, "{expression}");
    check("MIT", true);
    check("GPL-3.0", false);
    check("GPL-3.0 OR MIT", true);
    check("GPL-3.0 AND MIT", false);
    check("MIT/GPL-3.0", true);
    check("(GPL-3.0 OR MIT) AND MIT", true);
    check("GPL-3.0 OR MIT AND GPL-2.0", false);
    check("Apache-2.0 WITH LLVM-exception", true);
    check("Apache-2.0", false);
}
