//! Golden SQL: each script beside its input and its expected result, run by the real planner and engine.
//!
//! `<feature>/<case>.sql` is a bounded script that runs from the checkout's top folder. What it writes is compared with
//! files beside it, at every parallelism, as sorted lines:
//!
//! - `<case>.expected.json`: the rows of its one table, printed or written to a file;
//! - `<case>.<table>.expected.json`: the same for one of several tables;
//! - `<case>.expected-error`: that it is refused or fails. The code with line and column, or the class of failure with
//!   its place and operator; then the sentence, in which `{root}` is the folder of the checkout.
//!
//! In a script, `{out}` is a fresh folder; what a `filesystem` sink writes to `{out}/<table>` is that table's result,
//! each line behind the folders of its partition.
//! Comments direct the harness:
//!
//! - `-- parallelism: 1 2 4` what to run at (the default);
//! - `-- changes: in order` the changes themselves are compared too, in their order, at the first parallelism: with
//!   `<case>.changes.json`. What is compared otherwise is the rows that are left when all changes have happened;
//! - `-- late rows: 2` how many rows must have come late (0 unless said);
//! - `-- checkpoints: none, because ...` it is not run with checkpoints: see below;
//! - `-- skipped records: 1` how many records must have been skipped (0 unless said).
//!
//! Each script runs once more with checkpoints: sources read a row or two from one to the next, the job is stopped and gone on with at
//! another parallelism, twice. The result must be the same.
//!
//! `cargo test --workspace --test sql -- tumble` runs the cases whose name contains `tumble`. With
//! `WEIR_BLESS=1`, expected files are written from what comes out; read the difference before you commit it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use weir_tests::repository;

mod case;

use case::Case;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the golden tests could not run: {error:?}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what the arguments ask for, in the manner of Rust's own harness.
fn run() -> Result<bool> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let filters: Vec<_> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    env::set_current_dir(repository::root())?;
    let cases = find_cases(Path::new("tests/sql"))?;
    let chosen: Vec<_> = cases
        .iter()
        .filter(|c| filters.is_empty() || filters.iter().any(|f| c.name.contains(*f)))
        .collect();
    if arguments.iter().any(|a| a == "--list") {
        for case in &chosen {
            println!("{}: test", case.name);
        }
        return Ok(true);
    }
    println!("\nrunning {} tests", chosen.len());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let failures: Vec<_> = chosen.iter().filter_map(|case| check(case, &runtime)).collect();
    for (name, error) in &failures {
        println!("\n---- {name} ----\n{error:?}");
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out\n",
        if failures.is_empty() { "ok" } else { "FAILED" },
        chosen.len() - failures.len(),
        failures.len(),
        cases.len() - chosen.len(),
    );
    Ok(failures.is_empty())
}

fn check<'a>(case: &'a Case, runtime: &tokio::runtime::Runtime) -> Option<(&'a str, anyhow::Error)> {
    let bless = env::var_os("WEIR_BLESS").is_some();
    let straight = runtime.block_on(case.check(bless));
    let kept =
        env::var("WEIR_KEEP_SAVEPOINT").map_or(Ok(()), |name| runtime.block_on(case.keep_savepoints(&name)));
    let result = straight
        .and(kept)
        .and_then(|()| runtime.block_on(case.check_checkpointed()))
        .and_then(|()| runtime.block_on(case.check_savepoints()));
    println!(
        "test {} ... {}",
        case.name,
        if result.is_ok() { "ok" } else { "FAILED" }
    );
    result.err().map(|error| (case.name.as_str(), error))
}

/// Every script below a folder, by name.
fn find_cases(folder: &Path) -> Result<Vec<Case>> {
    let mut scripts = Vec::new();
    for feature in fs::read_dir(folder).context("reading tests/sql")? {
        let feature = feature?.path();
        if feature.is_dir() {
            for entry in fs::read_dir(&feature)? {
                scripts.push(entry?.path());
            }
        }
    }
    scripts.retain(|path: &PathBuf| path.extension().is_some_and(|e| e == "sql"));
    scripts.sort();
    anyhow::ensure!(!scripts.is_empty(), "no script below {}", folder.display());
    scripts.into_iter().map(Case::read).collect()
}
