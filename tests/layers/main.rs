//! The architecture's invariants that a machine can check: who may depend on whom, and where what may stand.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use weir_tests::repository::{direct_dependencies, linked_crates, rust_sources};

mod documents;
mod functions;
mod licences;

/// The crates of the workspace that each may name. `ARCHITECTURE.md` draws the same picture.
const LAYERS: &[(&str, &[&str])] = &[
    ("weir-model", &[]),
    ("weir-env", &["weir-model"]),
    ("weir-proto", &["weir-model"]),
    ("weir-checkpoint", &["weir-model", "weir-env"]),
    ("weir-connector", &["weir-model", "weir-env", "weir-checkpoint"]),
    ("weir-functions", &["weir-model"]),
    (
        "weir-planner",
        &["weir-model", "weir-proto", "weir-connector", "weir-functions"],
    ),
    (
        "weir-worker",
        &[
            "weir-model",
            "weir-env",
            "weir-proto",
            "weir-checkpoint",
            "weir-connector",
            "weir-functions",
        ],
    ),
    (
        "weir-control-plane",
        &[
            "weir-model",
            "weir-env",
            "weir-proto",
            "weir-checkpoint",
            "weir-connector",
            "weir-functions",
            "weir-planner",
        ],
    ),
    (
        "weir",
        &[
            "weir-model",
            "weir-env",
            "weir-proto",
            "weir-checkpoint",
            "weir-connector",
            "weir-functions",
            "weir-planner",
            "weir-worker",
            "weir-control-plane",
        ],
    ),
];

fn ours(dependencies: &BTreeSet<String>) -> BTreeSet<&str> {
    dependencies
        .iter()
        .map(String::as_str)
        .filter(|name| name.starts_with("weir"))
        .collect()
}

#[test]
fn no_crate_depends_against_the_layers() {
    let allowed: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let crates = direct_dependencies("Cargo.toml").expect("cargo describes the workspace");
    let known: BTreeSet<_> = crates.iter().map(|(name, _)| name.as_str()).collect();
    for (name, _) in LAYERS {
        assert!(
            known.contains(name),
            "{name} is in the layers but not in the workspace: change LAYERS"
        );
    }
    for (name, dependencies) in &crates {
        if name == "weir-tests" {
            continue;
        }
        let allowed = allowed
            .get(name.as_str())
            .unwrap_or_else(|| panic!("{name} has no place in LAYERS: give it one"));
        for dependency in ours(dependencies) {
            assert!(
                allowed.contains(&dependency),
                "{name} depends on {dependency}, against the layers"
            );
        }
    }
}

#[test]
fn the_console_sees_the_model_alone() {
    let crates = direct_dependencies("web-ui/Cargo.toml").expect("cargo describes the console");
    assert!(
        crates.iter().any(|(name, _)| name == "weir-ui"),
        "the console is not where it was: {crates:?}"
    );
    for (name, dependencies) in &crates {
        let seen: BTreeSet<_> = ours(dependencies)
            .into_iter()
            .filter(|d| !d.starts_with("weir-ui"))
            .collect();
        assert!(
            seen.is_subset(&BTreeSet::from(["weir-model"])),
            "{name} sees more than weir-model: {seen:?}"
        );
    }
}

/// Asserts that a crate links none of the crates that a predicate names, and does link `witness`, so that a
/// misread list can't pass.
fn check_links_none(package: &str, witness: &str, banned: impl Fn(&str) -> bool) {
    let linked = linked_crates(package).expect("cargo lists what a crate links");
    assert!(
        linked.contains(witness),
        "{package} should link {witness}: {linked:?}"
    );
    let found: Vec<_> = linked.iter().filter(|name| banned(name)).collect();
    assert!(found.is_empty(), "{package} links {found:?}");
}

#[test]
fn the_worker_links_nothing_that_knows_sql() {
    check_links_none("weir-worker", "datafusion-physical-expr", |name| {
        matches!(
            name,
            "weir-planner" | "sqlparser" | "datafusion-sql" | "datafusion-optimizer" | "datafusion"
        )
    });
}

#[test]
fn the_control_plane_does_not_link_the_engine() {
    check_links_none("weir-control-plane", "weir-planner", |name| name == "weir-worker");
}

#[test]
fn the_model_is_plain_data() {
    check_links_none("weir-model", "serde", |name| {
        ["tokio", "arrow", "datafusion", "sqlx", "axum", "tonic"]
            .iter()
            .any(|banned| name.starts_with(banned))
    });
}

#[test]
fn only_the_planner_uses_the_sql_layer_of_datafusion() {
    for (name, dependencies) in direct_dependencies("Cargo.toml").expect("cargo describes the workspace") {
        for banned in ["datafusion-sql", "sqlparser", "datafusion"] {
            let excused = name == "weir-planner" || name == "weir-tests";
            assert!(
                excused || !dependencies.contains(banned),
                "{name} depends on {banned}"
            );
        }
    }
}

/// The checkout's folders with Rust code of the product.
const CODE: &[&str] = &["crates", "control-plane", "worker", "proto"];

/// Asserts that a text stands in no file of `folders` outside `home`, and does stand there. Tests may do as they like.
fn check_only_in(home: &str, text: &str, folders: &[&str]) {
    let sources = rust_sources(folders).expect("the sources can be read");
    let product = |path: &Path| path.components().all(|part| part.as_os_str() != "tests");
    let (inside, outside): (Vec<_>, Vec<_>) = sources
        .iter()
        .filter(|(path, code)| product(path) && code.contains(text))
        .map(|(path, _)| path)
        .partition(|p| p.starts_with(home));
    assert!(outside.is_empty(), "`{text}` stands outside {home}: {outside:?}");
    assert!(
        !inside.is_empty(),
        "`{text}` is nowhere in {home}: the rule watches nothing"
    );
}

#[test]
fn only_the_db_module_talks_sql_to_the_metadata_store() {
    // What connectors say is said to databases of users.
    let folders = [
        "crates/checkpoint",
        "crates/weir",
        "control-plane",
        "worker",
        "proto",
    ];
    check_only_in("control-plane/src/db", "sqlx::query", &folders);
}

#[test]
fn only_the_env_crate_reads_the_clock_and_makes_ids() {
    check_only_in("crates/env/src", "SystemTime::now()", CODE);
    check_only_in("crates/env/src", "Instant::now()", CODE);
    check_only_in("crates/env/src", "Uuid::now_v7()", CODE);
}

#[test]
fn decide_does_no_io_and_reads_no_clock() {
    let sources = rust_sources(&["control-plane/src/job"]).expect("the sources can be read");
    let decide: Vec<_> = sources
        .iter()
        .filter(|(path, _)| path.to_string_lossy().contains("decide"))
        .collect();
    assert!(
        !decide.is_empty(),
        "there is no decide in control-plane/src/job: the rule watches nothing"
    );
    for (path, code) in decide {
        for banned in ["async ", "tokio::", "sqlx::", "Clock", "std::fs", "std::net"] {
            assert!(!code.contains(banned), "{} holds `{banned}`", path.display());
        }
    }
}
