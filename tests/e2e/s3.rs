//! Checkpoints and savepoints in an S3-compatible store, which may be away.

use std::{collections::BTreeMap, env, fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use weir_checkpoint::{
    manifest::{CheckpointId, FORMAT, Files, FilesFormat, Kind, Manifest, StateFile, SubtaskState},
    storage::{Stores, Unreadable, layout},
};
use weir_env::{Clock, SystemClock};
use weir_model::{
    JobId, Phase,
    api::{Checkpoint, CheckpointStatus, Exported, GarbageList, Job, Savepoint, Verification},
};
use weir_tests::{
    api::Api,
    cluster::{self, Cluster, Extra, Size, kill_hard},
    s3::{BUCKET, S3},
    wait::{Seen, until},
};

use crate::alone;

const PATIENCE: Duration = Duration::from_mins(1);
/// How many rows the job reads a second.
const RATE: u64 = 1_000;
/// For so long there are rows, beside the time that the store is away: its own time stands still while it recovers.
const SECONDS: u64 = 20;
const KEYS: u64 = 8;
/// More than goes in one part of an upload.
const LARGE_BYTES: usize = 12 << 20;

fn manifest(files: Vec<StateFile>) -> Manifest {
    Manifest {
        format: FORMAT,
        weir_version: "1".to_owned(),
        kind: Kind::Checkpoint,
        job: "j".to_owned(),
        checkpoint: CheckpointId(4),
        generation: 1,
        created_at_ms: 0,
        max_parallelism: 1024,
        subtasks: vec![SubtaskState {
            task: 0,
            subtask: 0,
            key_groups: 0..1024,
            finished: false,
            operators: vec![],
            files: Files {
                format: FilesFormat::Sorted,
                files,
            },
            in_flight: None,
        }],
    }
}

#[test]
fn a_manifest_in_s3_is_created_once_and_a_place_that_was_given_up_stays_empty() {
    alone(async {
        let folder = cluster::folder()?;
        let Some(store) = S3::start(folder.path()).await? else {
            return Ok(());
        };
        let stores = Stores::new(Arc::new(SystemClock::new()), store.settings());
        let job = stores.folder(&format!("s3://{BUCKET}/some folder/jobs/j"))?;
        let path = layout::checkpoint_manifest(CheckpointId(4));
        let missing = job.read_manifest(&path).await;
        ensure!(matches!(missing, Err(Unreadable::Missing(_))), "{missing:?}");
        job.write_manifest(&path, manifest(vec![])).await?;
        let first = job.read_manifest(&path).await?;
        let refused = job.write_manifest(&path, manifest(vec![])).await;
        let refused = refused
            .err()
            .context("a second manifest was written over the first")?;
        ensure!(refused.message.contains("another manifest"), "{refused}");
        ensure!(
            job.void(&path).await? == Some(first),
            "the first one was not left alone"
        );

        let other = layout::checkpoint_manifest(CheckpointId(5));
        ensure!(job.void(&other).await?.is_none(), "there was none");
        let late = job.write_manifest(&other, manifest(vec![])).await;
        let late = late.err().context("a manifest came to be that was given up")?;
        ensure!(late.message.contains("given up"), "{late}");
        let listed = job.list("").await?;
        let paths: Vec<_> = listed.iter().map(|object| object.path.clone()).collect();
        ensure!(paths == [path, other], "{paths:?}");
        job.delete(&paths).await?;
        // What is not there is no error.
        job.delete(&paths).await?;
        ensure!(job.list("").await?.is_empty(), "something stayed");
        Ok(())
    });
}

#[test]
fn large_files_go_to_s3_in_parts_and_come_back_as_they_were() {
    alone(async {
        let folder = cluster::folder()?;
        let Some(store) = S3::start(folder.path()).await? else {
            return Ok(());
        };
        let stores = Stores::new(Arc::new(SystemClock::new()), store.settings());
        let bytes: Vec<u8> = (0..LARGE_BYTES).map(|n| (n % 251) as u8).collect();
        let file = StateFile {
            name: "rows".to_owned(),
            path: "data/0-0/1-rows".to_owned(),
            bytes: LARGE_BYTES as u64,
            crc32: 0,
        };
        let local = |name: &str| folder.path().join(name).join(&file.path);
        fs::create_dir_all(local("one").parent().context("it is in a folder")?)?;
        fs::write(local("one"), &bytes)?;
        let open = |name: &str| stores.folder(&folder.path().join(name).display().to_string());
        let bucket = stores.folder(&format!("s3://{BUCKET}/savepoint"))?;
        open("one")?.copy_to(&bucket, &file.path).await?;
        // Its length is right, its checksum is not the one that is asked for.
        let defect = bucket.verify(&file).await?.context("any checksum was right")?;
        ensure!(defect.contains("checksum"), "{defect}");
        ensure!(bucket.check(&manifest(vec![file.clone()])).await?.is_empty());
        bucket.copy_to(&open("two")?, &file.path).await?;
        ensure!(fs::read(local("two"))? == bytes, "it came back otherwise");
        Ok(())
    });
}

/// How long the store is away; `WEIR_S3_OUTAGE_SECONDS=30` for longer.
fn outage_seconds() -> Result<u64> {
    Ok(env::var("WEIR_S3_OUTAGE_SECONDS").map_or(Ok(5), |text| text.parse())?)
}

/// Rows into files as they are, and sums by key that go on over all of them.
fn script(output: &Path, rows: u64) -> String {
    format!(
        "SET 'execution.checkpointing.interval' = '500 ms';
         SET 'execution.checkpointing.timeout' = '2 s';
         SET 'execution.checkpointing.tolerable-failed-checkpoints' = '1000';
         CREATE TABLE numbers (n BIGINT) WITH (
             'connector' = 'datagen', 'rows-per-second' = '{RATE}', 'number-of-rows' = '{rows}',
             'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{rows}');
         CREATE TABLE result (n BIGINT) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{}');
         CREATE TABLE totals (k BIGINT, c BIGINT, s BIGINT) WITH ('connector' = 'print');
         INSERT INTO result SELECT n FROM numbers;
         INSERT INTO totals SELECT MOD(n, {KEYS}), COUNT(*), SUM(n) FROM numbers GROUP BY MOD(n, {KEYS});",
        output.display()
    )
}

async fn checkpoints(api: &Api, id: JobId) -> Result<Vec<Checkpoint>> {
    Ok(api.checkpoints(id).await?.checkpoints)
}

/// Waits until a checkpoint is complete that is begun from now on.
async fn checkpoint(api: &Api, id: JobId) -> Result<()> {
    let begun = checkpoints(api, id)
        .await?
        .first()
        .map_or(0, |newest| newest.number);
    until("a later checkpoint to be complete", PATIENCE, async || {
        let list = checkpoints(api, id).await?;
        let is_new = |c: &Checkpoint| c.number > begun && c.status == CheckpointStatus::Completed;
        Ok(if list.iter().any(is_new) {
            Seen::Done(())
        } else {
            Seen::NotYet(format!("{:?}", list.first()))
        })
    })
    .await
}

async fn kill_its_worker(api: &Api, id: JobId) -> Result<()> {
    let attempt = api.job(id).await?.attempt;
    let executions = api.executions(id).await?.executions;
    let placement = &executions.first().context("it was executed")?.placement;
    let used = placement.first().context("somewhere")?.worker;
    let workers = api.workers().await?.workers;
    let worker = workers.iter().find(|w| w.id == used).context("it is listed")?;
    kill_hard(worker.pid as i32)?;
    until("the next execution to run", PATIENCE, async || {
        let job = api.job(id).await?;
        Ok(if job.attempt > attempt && job.phase == Phase::Running {
            Seen::Done(())
        } else {
            Seen::NotYet(format!("{job:?}"))
        })
    })
    .await
}

/// The store answers nobody for a while: checkpoints fail, and nothing else.
async fn outage(api: &Api, id: JobId, store: &S3, seconds: u64) -> Result<()> {
    let (before, rows) = (checkpoints(api, id).await?, api.rows_read(id).await?);
    let attempt = api.job(id).await?.attempt;
    let clock = SystemClock::new();
    store.freeze()?;
    let away = until(
        "checkpoints to fail",
        PATIENCE + Duration::from_secs(seconds),
        async || {
            let newest = before.first().map_or(0, |newest| newest.number);
            let failed = checkpoints(api, id).await?.into_iter().filter(|c| {
                c.number >= newest && c.status == CheckpointStatus::Failed && c.failure.is_some()
            });
            let failed = failed.count();
            let over = clock.elapsed() >= Duration::from_secs(seconds);
            Ok(if over && failed > 0 {
                Seen::Done(failed)
            } else {
                Seen::NotYet(format!("{failed} failed"))
            })
        },
    )
    .await;
    let now = api.rows_read(id).await?;
    store.thaw()?;
    println!(
        "{} checkpoints failed in {} ms without the store",
        away?,
        clock.elapsed().as_millis()
    );
    ensure!(now > rows, "the job stood still: {rows} rows before, {now} after");
    checkpoint(api, id).await?;
    let job = api.job(id).await?;
    ensure!(job.attempt == attempt, "the job was deployed anew: {job:?}");
    Ok(())
}

/// Every number once.
pub(crate) fn check_rows(folder: &Path, rows: u64) -> Result<()> {
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with('.') {
            continue;
        }
        for line in fs::read_to_string(&path)?.lines() {
            let row: serde_json::Value = serde_json::from_str(line)?;
            *seen.entry(row["n"].as_u64().context("a number")?).or_default() += 1;
        }
    }
    let lost: Vec<u64> = (1..=rows).filter(|n| !seen.contains_key(n)).take(5).collect();
    let doubled: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).take(5).collect();
    ensure!(
        lost.is_empty() && doubled.is_empty(),
        "lost {lost:?}..., doubled {doubled:?}..."
    );
    ensure!(seen.len() as u64 == rows, "there are others");
    Ok(())
}

/// The last that was printed of each key is its count and its sum over all rows.
async fn check_totals(api: &Api, id: JobId, rows: u64) -> Result<()> {
    let mut last: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for row in api.output(id).await?.rows {
        let cells = row.row.cells();
        let number = |name: &str| cells.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
        let is_new = cells
            .get("$op")
            .and_then(|op| op.as_str())
            .is_none_or(|op| op.starts_with('+'));
        if is_new {
            last.insert(number("k"), (number("c"), number("s")));
        }
    }
    let of_key = |k: u64| (1..=rows).filter(move |n| n % KEYS == k);
    let expected: BTreeMap<_, _> = (0..KEYS)
        .map(|k| (k, (of_key(k).count() as u64, of_key(k).sum::<u64>())))
        .collect();
    ensure!(last == expected, "{last:?} in place of {expected:?}");
    Ok(())
}

/// Stops the job, copies its savepoint out and in again, and begins another job with that.
async fn move_on(api: &Api, id: JobId, sql: &str) -> Result<Job> {
    let _: Job = api.post(&format!("jobs/{id}/stop"), &json!({})).await?;
    let stopped = api.wait_phase(id, Phase::Stopped, PATIENCE).await?;
    let savepoint = stopped.savepoint.context("it was stopped with a savepoint")?;
    let away = format!("s3://{BUCKET}/exported");
    let exported: Exported = api
        .post(&format!("savepoints/{savepoint}/export"), &json!({ "url": away }))
        .await?;
    ensure!(exported.files > 2, "{exported:?}");
    let again = api
        .post::<Exported>(&format!("savepoints/{savepoint}/export"), &json!({ "url": away }))
        .await;
    ensure!(again.is_err(), "a savepoint was written over another: {again:?}");
    let imported: Savepoint = api.post("savepoints/import", &json!({ "url": away })).await?;
    let path = format!("savepoints/{}/verify", imported.id);
    let found: Verification = api.post(&path, &json!({})).await?;
    ensure!(found.intact && found.files > 1, "{found:?}");
    let job: Job = api
        .post(
            "jobs",
            &json!({ "sql": sql, "from": imported.id, "parallelism": 2 }),
        )
        .await?;
    api.wait_phase(job.id, Phase::Running, PATIENCE).await
}

#[test]
fn a_job_with_its_checkpoints_in_s3_loses_no_row_and_doubles_none() {
    alone(async {
        let folder = cluster::folder()?;
        let Some(store) = S3::start(folder.path()).await? else {
            return Ok(());
        };
        let extra = Extra {
            arguments: vec!["--checkpoint-dir".to_owned(), format!("s3://{BUCKET}/state")],
            environment: store.environment(),
        };
        let size = Size { workers: 2, slots: 2 };
        let cluster = Cluster::start_with(folder.path(), size, &extra).await?;
        let (api, output) = (&cluster.api, folder.path().join("output"));
        let seconds = outage_seconds()?;
        let rows = RATE * (SECONDS + seconds);
        let sql = script(&output, rows);
        let job = api.start(&sql, 2).await?;
        api.wait_phase(job.id, Phase::Running, PATIENCE).await?;
        checkpoint(api, job.id).await?;
        kill_its_worker(api, job.id).await?;
        checkpoint(api, job.id).await?;
        outage(api, job.id, &store, seconds).await?;
        let objects = folder.path().join("s3/objects").join(BUCKET).join("state/jobs");
        ensure!(objects.is_dir(), "its checkpoints are elsewhere");

        let next = move_on(api, job.id, &sql).await?;
        checkpoint(api, next.id).await?;
        let deleted = api.request(Method::DELETE, "garbage").send().await?;
        let deleted: GarbageList = serde_json::from_str(&deleted.text().await?)?;
        println!("{} files of no more use", deleted.files.len());
        // What is left is what there is to begin with.
        kill_its_worker(api, next.id).await?;
        api.wait_phase(next.id, Phase::Finished, PATIENCE * 2).await?;
        check_rows(&output, rows)?;
        check_totals(api, next.id, rows).await?;
        cluster.stop()
    });
}
