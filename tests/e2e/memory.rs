//! State that is larger than memory.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use weir_model::{Phase, api::Output};
use weir_tests::cluster::{self, Cluster, Extra, Size};

use crate::alone;

/// It takes a quarter of a minute; a slow machine that has more to do may take much longer.
const PATIENCE: Duration = Duration::from_mins(15);
/// The memory of the worker.
const MEMORY_BYTES: u64 = 128 << 20;
/// Each key has about two kilobytes of state, so that all of it is four times that memory.
const KEYS: u64 = 256 << 10;
/// How often the number of a row is in its payload.
const REPEATS: usize = 320;

/// Totals of groups, which have one row each and get a second one when the last of them has got its first. `groups` is a query of `entered`.
fn script(groups: &str) -> String {
    format!(
        "SET 'pipeline.batch-rows' = '256';
         CREATE TABLE numbers (n BIGINT, at AS TO_TIMESTAMP_LTZ(n, 3), WATERMARK FOR at AS at) WITH (
           'connector' = 'datagen', 'rows-per-second' = '100000000',
           'fields.n.kind' = 'sequence', 'fields.n.start' = '0', 'fields.n.end' = '{}');
         CREATE TABLE totals (groups BIGINT, entries BIGINT, bytes BIGINT) WITH ('connector' = 'print');
         CREATE VIEW entered AS
         SELECT MOD(n, {KEYS}) AS k, REPEAT(CAST(n AS STRING), {REPEATS}) AS p, at FROM numbers;
         INSERT INTO totals SELECT COUNT(*), SUM(entries), SUM(CHAR_LENGTH(payload)) FROM ({groups});",
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

/// The most memory that a process has had, without its program: that is a file of the system's, which drops what it needs otherwise.
fn peak_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let bytes = |name: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let line = line.with_context(|| format!("its status has {name}"))?;
        Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? << 10)
    };
    Ok(bytes("VmHWM:")?.saturating_sub(bytes("RssFile:")?))
}

/// Runs the script on a worker with little memory, which is to do with it.
fn check(groups: &'static str) {
    alone(async move {
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
        let job = api.start(&script(groups), 1).await?;
        api.wait_phase(job.id, Phase::Finished, PATIENCE).await?;
        let seen = totals(&api.output(job.id).await?).context("it has printed totals")?;
        ensure!(
            seen == [KEYS, 2 * KEYS, payload_bytes()],
            "it has printed {seen:?}"
        );
        let peak = peak_bytes(worker.pid)?;
        ensure!(
            peak <= MEMORY_BYTES / 10 * 12,
            "it has had {} MiB of memory, and was given {}",
            peak >> 20,
            MEMORY_BYTES >> 20
        );
        cluster.stop()
    });
}

#[test]
fn a_keyed_aggregation_with_four_times_its_memory_of_state_gives_right_results() {
    check("SELECT k, COUNT(*) AS entries, MAX(p) AS payload FROM entered GROUP BY k");
}

/// All of it is in one window, and leaves when that ends.
#[test]
fn a_window_with_four_times_its_memory_of_state_gives_right_results() {
    check(
        "SELECT k, COUNT(*) AS entries, MAX(p) AS payload
         FROM TABLE(TUMBLE(TABLE entered, DESCRIPTOR(at), INTERVAL '1' HOUR))
         GROUP BY k, window_start, window_end",
    );
}

/// Each key has a session of its own, which ends when the input does.
#[test]
fn sessions_with_four_times_their_memory_of_state_give_right_results() {
    check(
        "SELECT k, COUNT(*) AS entries, MAX(p) AS payload
         FROM TABLE(SESSION(TABLE entered PARTITION BY k, DESCRIPTOR(at), INTERVAL '1' HOUR))
         GROUP BY k, window_start, window_end",
    );
}
