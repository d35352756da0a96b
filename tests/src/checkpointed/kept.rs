//! Savepoints that are kept for later versions, which must go on from them.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context, Result, anyhow, ensure};
use tempfile::TempDir;

use super::{End, Left, Run, stage, url};
use crate::local::{Collected, Printed, Refused};

const MANIFEST: &str = "manifest.json";
const PRINTED: &str = "printed.json";

/// Runs the first part of a script, and puts its savepoint and what it has printed into a new folder.
pub async fn keep(sql: &str, run: Run, folder: &Path) -> Result<()> {
    ensure!(run.end == Some(End::Savepoint), "a savepoint is wanted");
    let (work, rows) = (TempDir::new()?, Arc::new(Collected::default()));
    let stage = stage(sql, run, 1, work.path(), &rows).await.map_err(refused)?;
    let (_, left) = stage.run(None).await.map_err(|e| anyhow!("{e}"))?;
    let left = left.context("the script ended before its savepoint")?;
    let from = left.folder.trim_start_matches("file://");
    for file in left.manifest.files() {
        let to = folder.join(&file.path);
        fs::create_dir_all(to.parent().context("a folder")?)?;
        fs::copy(Path::new(from).join(&file.path), to)?;
    }
    fs::create_dir_all(folder)?;
    fs::write(
        folder.join(MANIFEST),
        serde_json::to_string(&left.manifest)? + "\n",
    )?;
    rows.go_back_to(left.manifest.checkpoint.0);
    let printed = rows.take();
    fs::write(folder.join(PRINTED), serde_json::to_string(&printed)? + "\n")?;
    Ok(())
}

/// Goes on from such a folder to the end of the input. Returns all that was printed, before and since.
pub async fn go_on(sql: &str, run: Run, folder: &Path) -> Result<Printed> {
    let folder = folder.canonicalize()?;
    let read = |name: &str| fs::read(folder.join(name)).with_context(|| format!("reading {name}"));
    let left = Left {
        manifest: serde_json::from_slice(&read(MANIFEST)?)?,
        folder: url(&folder),
    };
    let before: Printed = serde_json::from_slice(&read(PRINTED)?)?;
    ensure!(!before.is_empty(), "nothing was printed before the savepoint");
    let (work, rows) = (TempDir::new()?, Arc::new(Collected::after(before.clone())));
    let stage = stage(sql, run, 2, work.path(), &rows).await.map_err(refused)?;
    stage.run(Some(left)).await.map_err(|e| anyhow!("{e}"))?;
    let printed = rows.take();
    ensure!(printed != before, "nothing was printed since");
    Ok(printed)
}

fn refused(refused: Refused) -> anyhow::Error {
    anyhow!("{refused:?}")
}
