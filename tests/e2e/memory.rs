//! State that is larger than memory.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use weir_model::{Phase, api::Output};
use weir_tests::cluster::{self, Cluster, Extra, Size};

use crate::alone;

const PATIENCE: Duration = Duration::from_mins(5);
/// The memory of the worker.
const MEMORY_BYTES: u64 = 96 << 20;
/// What the process has beside, whatever the state: its program, batches on their way, buffers of the database and of uploads.
const BESIDE_BYTES: u64 = 192 << 20;
/// Each key has about a kilobyte of state, so that all of it is four times that memory.
const KEYS: u64 = 384 << 10;
/// How often the number of a row is in its payload.
const REPEATS: usize = 150;

/// Groups of one row each, all of which get a second row when the last one has got its first.
fn script() -> String {
    format!(
        "SET 'pipeline.batch-rows' = '512';
         CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'fields.n.kind' = 'sequence',
           'fields.n.start' = '0', 'fields.n.end' = '{}');
         CREATE TABLE totals (groups BIGINT, entries BIGINT, bytes BIGINT) WITH ('connector' = 'print');
         INSERT INTO totals
         SELECT COUNT(*), SUM(entries), SUM(CHAR_LENGTH(payload))
         FROM (SELECT k, COUNT(*) AS entries, MAX(p) AS payload
               FROM (SELECT MOD(n, {KEYS}) AS k, REPEAT(CAST(n AS STRING), {REPEATS}) AS p FROM numbers)
               GROUP BY k);",
        2 * KEYS - 1
    )
}

/// The length of all groups' greatest payloads.
fn payload_bytes() -> u64 {
    let payload = |n: u64| n.to_string().repeat(REPEATS);
    let greatest = |k: u64| payload(k).max(payload(k + KEYS)).len() as u64;
    (0..KEYS).map(greatest).sum()
}

/// The totals that were printed last.
fn totals(output: &Output) -> Option<[u64; 3]> {
    let cells = output.rows.last()?.row.cells();
    let number = |name: &str| cells.get(name)?.as_u64();
    Some([number("groups")?, number("entries")?, number("bytes")?])
}

/// The most memory that a process has had.
fn peak_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak
        .context("it has a peak")?
        .trim()
        .trim_end_matches("kB")
        .trim();
    Ok(kilobytes.parse::<u64>()? << 10)
}

#[test]
fn a_keyed_aggregation_with_four_times_its_memory_of_state_gives_right_results() {
    alone(async {
        let folder = cluster::folder()?;
        let size = Size { workers: 1, slots: 1 };
        let memory = MEMORY_BYTES.to_string();
        let extra = Extra {
            arguments: vec!["--memory".to_owned(), memory],
            ..Extra::default()
        };
        let cluster = Cluster::start_with(folder.path(), size, &extra).await?;
        let api = &cluster.api;
        let worker = api.workers().await?.workers.pop().context("there is a worker")?;
        let job = api.start(&script(), 1).await?;
        api.wait_phase(job.id, Phase::Finished, PATIENCE).await?;
        let seen = totals(&api.output(job.id).await?).context("it has printed totals")?;
        ensure!(
            seen == [KEYS, 2 * KEYS, payload_bytes()],
            "it has printed {seen:?}"
        );
        let peak = peak_bytes(worker.pid)?;
        ensure!(
            peak <= MEMORY_BYTES / 10 * 12 + BESIDE_BYTES,
            "it has had {} MiB of memory, and was given {}",
            peak >> 20,
            MEMORY_BYTES >> 20
        );
        cluster.stop()
    });
}
