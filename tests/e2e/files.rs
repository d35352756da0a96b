//! Files of an object store in and out, exactly once: a folder that is watched, and uploads that are committed.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use serde_json::json;
use weir_env::failpoint;
use weir_model::{JobId, Phase, api::Job};
use weir_tests::{
    api::Api,
    cluster::{self, Cluster, Extra, Size},
    s3::{BUCKET, S3},
    wait::{Seen, until},
};

use crate::{alone, s3::check_rows};

const PATIENCE: Duration = Duration::from_mins(1);

/// What ends a worker, each after a checkpoint has rows: before they are in a checkpoint, while some are committed, when all are.
const STEPS: &[&str] = &[
    "filesystem.prepared",
    "filesystem.committing",
    "filesystem.committed",
];

const FILES_AT_ONCE: u64 = 5;
const ROWS_OF_FILE: u64 = 200;

fn script() -> String {
    format!(
        "SET 'execution.checkpointing.interval' = '500 ms';
         CREATE TABLE incoming (n BIGINT) WITH ('connector' = 'filesystem', 'format' = 'json',
             'path' = 's3://{BUCKET}/incoming', 'source.monitor-interval' = '100 ms');
         CREATE TABLE outgoing (n BIGINT) WITH ('connector' = 'filesystem', 'format' = 'json',
             'path' = 's3://{BUCKET}/outgoing', 'sink.rolling-policy.file-size' = '500 b');
         INSERT INTO outgoing SELECT n FROM incoming;"
    )
}

/// The store's folders, and how many rows were put into the first of them.
struct Bucket<'a> {
    folder: &'a Path,
    rows: u64,
}

impl Bucket<'_> {
    /// Puts some more files there.
    fn put(&mut self) -> Result<()> {
        let folder = self.folder.join("incoming");
        fs::create_dir_all(&folder)?;
        for _ in 0..FILES_AT_ONCE {
            let mut lines = String::new();
            for _ in 0..ROWS_OF_FILE {
                self.rows += 1;
                writeln!(lines, "{{\"n\":{}}}", self.rows)?;
            }
            let hidden = folder.join(format!(".{}", self.rows));
            fs::write(&hidden, lines)?;
            fs::rename(hidden, folder.join(format!("{:06}.json", self.rows)))?;
        }
        Ok(())
    }

    /// Waits until each row is seen once.
    async fn seen(&self) -> Result<()> {
        let folder = self.folder.join("outgoing");
        until("each row to be seen once", PATIENCE, async || {
            if !folder.exists() {
                return Ok(Seen::NotYet("no row at all".to_owned()));
            }
            Ok(match check_rows(&folder, self.rows) {
                Ok(()) => Seen::Done(()),
                Err(differs) => Seen::NotYet(format!("of {} rows {differs}", self.rows)),
            })
        })
        .await
    }
}

/// Has a worker end at a step, and waits until the job runs again.
async fn end_at(api: &Api, job: JobId, step: &str, armed: &Path, bucket: &mut Bucket<'_>) -> Result<()> {
    let attempt = api.job(job).await?.attempt;
    fs::write(armed, "")?;
    bucket.put()?;
    until(step, PATIENCE, async || {
        let now = api.job(job).await?;
        Ok(
            if !armed.exists() && now.attempt > attempt && now.phase == Phase::Running {
                Seen::Done(())
            } else {
                Seen::NotYet(format!("{:?} in attempt {:?}", now.phase, now.attempt))
            },
        )
    })
    .await
}

/// Stops the job, and begins another at another parallelism with its savepoint.
async fn move_on(api: &Api, job: JobId) -> Result<JobId> {
    let _: Job = api.post(&format!("jobs/{job}/stop"), &json!({})).await?;
    let stopped = api.wait_phase(job, Phase::Stopped, PATIENCE).await?;
    let savepoint = stopped.savepoint.context("it was stopped with a savepoint")?;
    let body = json!({ "sql": script(), "from": savepoint, "parallelism": 3 });
    let next: Job = api.post("jobs", &body).await?;
    api.wait_phase(next.id, Phase::Running, PATIENCE).await?;
    Ok(next.id)
}

#[test]
fn each_row_of_watched_objects_is_in_an_object_once_whichever_step_of_a_commit_is_the_last() {
    alone(async {
        let folder = cluster::folder()?;
        let failpoints = tempfile::tempdir()?;
        let Some(store) = S3::start(folder.path()).await? else {
            return Ok(());
        };
        let mut environment = store.environment();
        let armed = failpoints.path().display().to_string();
        environment.push((failpoint::VARIABLE.to_owned(), armed));
        let extra = Extra {
            arguments: Vec::new(),
            environment,
        };
        let size = Size { workers: 2, slots: 2 };
        let cluster = Cluster::start_with(folder.path(), size, &extra).await?;
        let api = &cluster.api;
        let objects = folder.path().join("s3/objects").join(BUCKET);
        let mut bucket = Bucket {
            folder: &objects,
            rows: 0,
        };
        let job = api.start(&script(), 2).await?.id;
        api.wait_phase(job, Phase::Running, PATIENCE).await?;
        bucket.put()?;
        bucket.seen().await?;
        for step in STEPS {
            end_at(api, job, step, &failpoints.path().join(step), &mut bucket)
                .await
                .with_context(|| (*step).to_owned())?;
            bucket.seen().await.with_context(|| format!("after {step}"))?;
        }
        let next = move_on(api, job).await?;
        bucket.put()?;
        bucket.seen().await.context("after a stop")?;
        let notes = objects.join("outgoing/.inprogress");
        until("no upload to be noted any more", PATIENCE, async || {
            let left = fs::read_dir(&notes).map_or(0, Iterator::count);
            Ok(if left == 0 {
                Seen::Done(())
            } else {
                Seen::NotYet(format!("{left} are"))
            })
        })
        .await?;
        api.cancel(next).await?;
        api.wait_phase(next, Phase::Cancelled, PATIENCE).await?;
        bucket.seen().await.context("at the end")?;
        cluster.stop()
    });
}
