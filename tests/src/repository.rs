//! The checkout: its folders, its source files, its crates as cargo sees them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The checkout's top folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ has a parent folder")
        .to_owned()
}

/// Every Rust file of these folders of the checkout, with its text; what was built is left out.
pub fn rust_sources(folders: &[&str]) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut found)?;
    }
    if found.is_empty() {
        bail!("no Rust file in {folders:?}: a rule over them would hold for nothing");
    }
    Ok(found)
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if path.is_dir() && !matches!(name, "target" | "dist") {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            found.push((path.strip_prefix(root())?.to_owned(), text));
        }
    }
    Ok(())
}

/// Runs cargo in the checkout and returns what it prints. Offline: what is asked about has been built.
pub fn cargo(arguments: &[&str]) -> Result<String> {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--offline")
        // Some set this for themselves; with it, every crate seems to link what any of them does.
        .env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION")
        .current_dir(root())
        .output()?;
    if !output.status.success() {
        bail!(
            "cargo {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The crates of the checkout that a manifest's package names as dependencies, without those for its tests.
pub fn direct_dependencies(manifest: &str) -> Result<Vec<(String, BTreeSet<String>)>> {
    let text = cargo(&[
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
        "--manifest-path",
        manifest,
    ])?;
    let metadata: Value = serde_json::from_str(&text)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata has no packages")?;
    packages.iter().map(package_dependencies).collect()
}

fn package_dependencies(package: &Value) -> Result<(String, BTreeSet<String>)> {
    let name = package["name"].as_str().context("a package without a name")?;
    let dependencies = package["dependencies"]
        .as_array()
        .context("a package without dependencies")?;
    let names = dependencies
        .iter()
        .filter(|d| d["kind"] != "dev")
        .filter_map(|d| d["name"].as_str());
    Ok((name.to_owned(), names.map(str::to_owned).collect()))
}

/// Every crate that is linked into this one, itself included.
pub fn linked_crates(package: &str) -> Result<BTreeSet<String>> {
    let text = cargo(&[
        "tree", "--locked", "-p", package, "-e", "normal", "--prefix", "none", "-f", "{p}",
    ])?;
    Ok(text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect())
}
