//! The bounded examples: by REST, by the command line and in one process, at several parallelisms.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use weir_model::Phase;
use weir_tests::{
    cluster::{self, Cluster, Size, weir},
    repository::root,
};

use crate::alone;

/// The examples whose input ends, with their expected rows beside them.
fn bounded_examples() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("examples"))? {
        let folder = entry?.path();
        if folder.join("expected.json").exists() {
            names.push(
                folder
                    .file_name()
                    .and_then(|n| n.to_str())
                    .context("a folder has a name")?
                    .to_owned(),
            );
        }
    }
    ensure!(names.len() >= 2, "only {names:?} have an expected.json");
    Ok(names)
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

fn expected(name: &str) -> Result<Vec<String>> {
    let rows = sorted(&fs::read_to_string(
        root().join(format!("examples/{name}/expected.json")),
    )?);
    ensure!(!rows.is_empty(), "{name} expects nothing");
    Ok(rows)
}

#[test]
fn every_example_gives_its_rows_in_one_process() {
    alone(async {
        for name in bounded_examples()? {
            for parallelism in ["1", "2", "4"] {
                let script = format!("examples/{name}/query.sql");
                let run = weir(&["local", &script, "--parallelism", parallelism, "--stats"], &[])?;
                let said = String::from_utf8_lossy(&run.stderr);
                ensure!(run.status.success(), "{name} at {parallelism}: {said}");
                let rows = sorted(&String::from_utf8(run.stdout)?);
                ensure!(
                    rows == expected(&name)?,
                    "{name} at {parallelism} gives {rows:#?}"
                );
                let stats: serde_json::Value = serde_json::from_str(said.lines().last().unwrap_or_default())?;
                ensure!(stats["cpu_seconds"].as_f64() > Some(0.0), "--stats says {stats}");
            }
        }
        Ok(())
    });
}

#[test]
fn every_example_gives_the_same_rows_by_rest_and_by_command_line_on_two_workers() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), Size { workers: 2, slots: 2 }).await?;
        let offered = cluster.api.examples().await?.examples;
        for name in bounded_examples()? {
            // The script as the console offers it: its paths point to the cluster's copy of the inputs.
            let example = offered
                .iter()
                .find(|e| e.name == name)
                .with_context(|| format!("{name} is not offered"))?;
            for parallelism in [1, 2, 4] {
                let rows = run_by_rest(&cluster, &example.sql, parallelism).await?;
                ensure!(
                    rows == expected(&name)?,
                    "{name} by REST at {parallelism} gives {rows:#?}"
                );
            }
            let file = folder.path().join(format!("{name}.sql"));
            fs::write(&file, &example.sql)?;
            let file = file.display().to_string();
            let run = weir(
                &["run", &file, "--wait", "-p", "2"],
                &[("WEIR_URL", &cluster.api.url)],
            )?;
            ensure!(
                run.status.success(),
                "weir run: {}",
                String::from_utf8_lossy(&run.stderr)
            );
            let rows = sorted(&String::from_utf8(run.stdout)?);
            ensure!(rows == expected(&name)?, "{name} by weir run gives {rows:#?}");
        }
        cluster.stop()
    });
}

async fn run_by_rest(cluster: &Cluster, sql: &str, parallelism: u32) -> Result<Vec<String>> {
    let job = cluster.api.start(sql, parallelism).await?;
    cluster
        .api
        .wait_phase(job.id, Phase::Finished, Duration::from_secs(30))
        .await?;
    let workers: std::collections::BTreeSet<_> = cluster.api.executions(job.id).await?.executions[0]
        .placement
        .iter()
        .map(|p| p.worker)
        .collect();
    // Two slots a worker: more than two subtasks must be spread.
    ensure!(
        parallelism <= 2 || workers.len() == 2,
        "parallelism {parallelism} ran on {} worker",
        workers.len()
    );
    let output = cluster.api.output(job.id).await?;
    ensure!(
        output.total_rows == output.rows.len() as u64,
        "{} of {} rows",
        output.rows.len(),
        output.total_rows
    );
    let mut rows: Vec<_> = output.rows.iter().map(|r| r.row.to_string()).collect();
    rows.sort_unstable();
    Ok(rows)
}
