//! Jobs on real processes: what comes out when a worker dies, and what is new at the next deployment.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_model::{
    JobId, Phase,
    api::{CheckpointStatus, Job},
};
use weir_tests::{
    api::Api,
    cluster::{self, Cluster, Size, kill_hard},
    kafka::Record,
    wait::{Seen, until},
};

use crate::{Broker, with_broker};

const PATIENCE: Duration = Duration::from_mins(2);

/// Messages of these numbers: the n-th is of the event time n ms.
fn numbered(numbers: std::ops::Range<i64>, partitions: i64) -> Vec<Record> {
    numbers
        .map(|n| Record::value((n % partitions) as i32, format!("{{\"n\": {n}}}")))
        .collect()
}

/// Counts and sums of 100 ms each into files.
fn windows(broker: &Broker, options: &[(&str, &str)], folder: &Path) -> String {
    let columns = "n BIGINT, ts AS TO_TIMESTAMP_LTZ(n, 3), WATERMARK FOR ts AS ts";
    format!(
        "SET 'execution.checkpointing.interval' = '300 ms';
         {}
         CREATE TABLE windows (w TIMESTAMP_LTZ(3), c BIGINT, s BIGINT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json');
         INSERT INTO windows SELECT window_start, COUNT(*), SUM(n) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '0.1' SECOND))
             GROUP BY window_start, window_end;",
        broker.table(columns, options),
        folder.display()
    )
}

/// What the files in a folder have, that are visible: sums by count, sorted.
fn written(folder: &Path) -> Result<Vec<(i64, i64)>> {
    let mut rows = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(rows);
    };
    for entry in entries {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        for line in fs::read_to_string(&path)?.lines() {
            let row: BTreeMap<String, Value> = serde_json::from_str(line)?;
            let number = |key: &str| row.get(key).and_then(Value::as_i64).context("a number");
            rows.push((number("c")?, number("s")?));
        }
    }
    rows.sort_unstable_by_key(|row| (row.1, row.0));
    Ok(rows)
}

/// The windows of the numbers up to this one, each once.
fn expected(numbers: i64) -> Vec<(i64, i64)> {
    let windows = (0..numbers).step_by(100).map(|start| {
        let of_window = start..(start + 100).min(numbers);
        (of_window.end - of_window.start, of_window.sum())
    });
    windows.collect()
}

async fn wait_rows(api: &Api, job: JobId, rows: u64) -> Result<()> {
    until(&format!("{rows} rows to be read"), PATIENCE, async || {
        let read = api.rows_read(job).await?;
        Ok(if read >= rows {
            Seen::Done(())
        } else {
            Seen::NotYet(format!("{read}"))
        })
    })
    .await
}

async fn wait_checkpoint(api: &Api, job: JobId) -> Result<()> {
    let last = |list: weir_model::api::CheckpointList| {
        let complete = list.checkpoints.into_iter();
        complete
            .filter(|checkpoint| checkpoint.status == CheckpointStatus::Completed)
            .map(|checkpoint| checkpoint.number)
            .max()
    };
    let before = last(api.checkpoints(job).await?);
    // The second from now on began behind what was read by now.
    until("two checkpoints", PATIENCE, async || {
        let now = last(api.checkpoints(job).await?);
        Ok(if now >= Some(before.unwrap_or(0) + 2) {
            Seen::Done(())
        } else {
            Seen::NotYet(format!("{now:?} after {before:?}"))
        })
    })
    .await
}

#[test]
fn each_window_is_written_once_though_a_worker_is_killed() {
    with_broker(async |broker| {
        killed_worker(broker).await.expect("as if nothing had happened");
    });
}

async fn killed_worker(broker: Broker) -> Result<()> {
    const NUMBERS: i64 = 6000;
    let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
    kafka.create_topic(topic, 4, &[]).await?;
    kafka.produce(topic, &numbered(0..NUMBERS / 2, 4)).await?;
    let folder = cluster::folder()?;
    let cluster = Cluster::start(folder.path(), Size { workers: 3, slots: 1 }).await?;
    let api = &cluster.api;
    let out = folder.path().join("windows");
    let end = NUMBERS / 4;
    let ends: Vec<_> = (0..4)
        .map(|partition| format!("partition:{partition},offset:{end}"))
        .collect();
    let options = [
        ("scan.startup.mode", "earliest-offset"),
        ("scan.bounded.mode", "specific-offsets"),
        ("scan.bounded.specific-offsets", &ends.join(";")),
        ("properties.group.id", topic),
    ];
    let job = api.start(&windows(&broker, &options, &out), 2).await?;
    wait_rows(api, job.id, NUMBERS as u64 / 2).await?;
    wait_checkpoint(api, job.id).await?;
    until("offsets to be committed", PATIENCE, async || {
        let committed = kafka.committed(topic, topic).await?;
        let sum: i64 = committed.values().sum();
        Ok(if sum == NUMBERS / 2 {
            Seen::Done(())
        } else {
            Seen::NotYet(format!("{committed:?}"))
        })
    })
    .await?;
    kafka
        .produce(topic, &numbered(NUMBERS / 2..NUMBERS * 3 / 4, 4))
        .await?;
    let executions = api.executions(job.id).await?.executions;
    let placement = &executions.first().context("it was executed")?.placement;
    let used = placement.first().context("somewhere")?.worker;
    let workers = api.workers().await?.workers;
    let worker = workers.iter().find(|w| w.id == used).context("its worker")?;
    kill_hard(worker.pid as i32)?;
    kafka
        .produce(topic, &numbered(NUMBERS * 3 / 4..NUMBERS, 4))
        .await?;
    let ended = api.wait_phase(job.id, Phase::Finished, PATIENCE).await?;
    ensure!(ended.attempt.0 >= 2, "the worker's death was noticed: {ended:?}");
    ensure!(written(&out)? == expected(NUMBERS), "{:?}", written(&out)?);
    cluster.stop()
}

#[test]
fn a_partition_that_is_new_is_read_from_its_start_when_a_job_goes_on() {
    with_broker(async |broker| new_partition(broker).await.expect("all of it is read"));
}

async fn new_partition(broker: Broker) -> Result<()> {
    let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
    kafka.create_topic(topic, 1, &[]).await?;
    let folder = cluster::folder()?;
    let cluster = Cluster::start(folder.path(), Size { workers: 1, slots: 2 }).await?;
    let api = &cluster.api;
    let table = broker.table("n BIGINT", &[("scan.startup.mode", "latest-offset")]);
    let sql = format!(
        "SET 'execution.checkpointing.interval' = '300 ms'; {table} CREATE TABLE shown WITH ('connector' = 'print') AS SELECT n FROM t;"
    );
    let job = api.start(&sql, 1).await?;
    api.wait_phase(job.id, Phase::Running, PATIENCE).await?;
    kafka.produce(topic, &numbered(0..10, 1)).await?;
    wait_rows(api, job.id, 10).await?;
    let _: Job = api.post(&format!("jobs/{}/stop", job.id), &json!({})).await?;
    api.wait_phase(job.id, Phase::Stopped, PATIENCE).await?;
    kafka.grow_topic(topic, 3).await?;
    // A broker tells of partitions a little after it has made them.
    until("the partitions to be there", PATIENCE, async || {
        match kafka.produce(topic, &numbered(30..60, 3)).await {
            Ok(()) => Ok(Seen::Done(())),
            Err(error) => Ok(Seen::NotYet(format!("{error:#}"))),
        }
    })
    .await?;
    let _: Job = api.post(&format!("jobs/{}/resume", job.id), &json!({})).await?;
    api.wait_phase(job.id, Phase::Running, PATIENCE).await?;
    wait_rows(api, job.id, 30).await?;
    let output = api.output(job.id).await?;
    let mut numbers: Vec<_> = output
        .rows
        .iter()
        .filter_map(|row| row.row.cells().get("n")?.as_i64())
        .collect();
    numbers.sort_unstable();
    let expected: Vec<i64> = (0..10).chain(30..60).collect();
    let read: Vec<i64> = expected.iter().copied().filter(|n| numbers.contains(n)).collect();
    ensure!(read == expected || read == expected[10..], "{numbers:?}");
    let mut once = numbers.clone();
    once.dedup();
    ensure!(once == numbers, "{numbers:?}");
    let _: Job = api.cancel(job.id).await?;
    cluster.stop()
}
