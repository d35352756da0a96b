//! What a job goes on with: after the death of its worker, after a stop, at another parallelism.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use weir_model::{
    Attempt, JobId, Phase,
    api::{
        CheckpointList, CheckpointStatus, Compatibility, Job, Output, RescaleList, Savepoint,
        SavepointStatus, Verification,
    },
};
use weir_tests::{
    api::Api,
    cluster::{self, Cluster, Size, kill_hard},
    wait::{Seen, until},
};

use crate::{alone, scripts};

const PATIENCE: Duration = Duration::from_secs(30);

/// The counts that the current execution has printed, as far as they are shown.
fn counts(output: &Output) -> Vec<u64> {
    let rows = output.rows.iter().map(|row| row.row.cells());
    let new = rows.filter(|cells| {
        cells
            .get("$op")
            .and_then(|op| op.as_str())
            .is_some_and(|op| op.starts_with('+'))
    });
    new.filter_map(|cells| cells.get("n")?.as_u64()).collect()
}

/// Waits until the job has counted beyond this.
async fn wait_count(api: &Api, id: JobId, beyond: u64) -> Result<u64> {
    until(&format!("a count beyond {beyond}"), PATIENCE, async || {
        let newest = counts(&api.output(id).await?).into_iter().max().unwrap_or(0);
        Ok(if newest > beyond {
            Seen::Done(newest)
        } else {
            Seen::NotYet(format!("{newest}"))
        })
    })
    .await
}

/// Waits until a checkpoint is there that was begun after this call, and says how far the job had counted before.
async fn checkpoint(api: &Api, id: JobId) -> Result<u64> {
    let counted = wait_count(api, id, 0).await?;
    let path = format!("jobs/{id}/checkpoints");
    let begun: CheckpointList = api.get(&path).await?;
    let last = begun
        .checkpoints
        .first()
        .map_or(0, |checkpoint| checkpoint.number);
    until("a checkpoint", PATIENCE, async || {
        let list: CheckpointList = api.get(&path).await?;
        let is_new =
            |c: &&weir_model::api::Checkpoint| c.number > last && c.status == CheckpointStatus::Completed;
        Ok(match list.checkpoints.iter().find(is_new) {
            Some(_) => Seen::Done(()),
            None => Seen::NotYet(format!("{list:?}")),
        })
    })
    .await?;
    Ok(counted)
}

/// Waits until the job runs in this attempt, and checks that it counted on from there.
async fn counts_on(api: &Api, id: JobId, attempt: u32, from: u64) -> Result<()> {
    until("the next execution to run", PATIENCE, async || {
        let job = api.job(id).await?;
        let runs = job.phase == Phase::Running && job.attempt == Attempt(attempt);
        Ok(if runs {
            Seen::Done(())
        } else {
            Seen::NotYet(format!("{job:?}"))
        })
    })
    .await?;
    wait_count(api, id, from).await?;
    let seen = counts(&api.output(id).await?);
    let least = seen.iter().min().context("it has counted")?;
    ensure!(
        *least >= from,
        "it counted from {least} on, and had counted to {from} before its checkpoint"
    );
    let mut sorted = seen.clone();
    sorted.sort_unstable();
    sorted.dedup();
    ensure!(
        sorted == seen,
        "no number comes twice or in another order: {seen:?}"
    );
    Ok(())
}

async fn counting_job(api: &Api) -> Result<Job> {
    let job = api.start(&scripts::counting(50), 1).await?;
    api.wait_phase(job.id, Phase::Running, PATIENCE).await
}

#[test]
fn counts_go_on_from_the_checkpoint_after_a_worker_was_killed() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), Size { workers: 2, slots: 1 }).await?;
        let api = &cluster.api;
        let job = counting_job(api).await?;
        let counted = checkpoint(api, job.id).await?;
        let executions = api.executions(job.id).await?.executions;
        let used = executions
            .first()
            .context("it was executed")?
            .placement
            .first()
            .context("somewhere")?
            .worker;
        let workers = api.workers().await?.workers;
        let worker = workers
            .iter()
            .find(|w| w.id == used)
            .context("its worker is listed")?;
        kill_hard(worker.pid as i32)?;
        counts_on(api, job.id, 2, counted).await?;
        cluster.stop()
    });
}

/// What was said when all tasks of an execution ran.
async fn said_running(api: &Api, id: JobId, execution: usize) -> Result<String> {
    let events = api.events(id).await?.events;
    let mut running: Vec<_> = events
        .into_iter()
        .filter(|event| event.kind == "job_running")
        .collect();
    running.sort_by_key(|event| event.at_ms);
    let event = running.into_iter().nth(execution - 1);
    Ok(event.context("all tasks ran")?.message)
}

#[test]
fn a_worker_that_is_started_anew_has_the_state_of_the_one_before() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), Size { workers: 1, slots: 1 }).await?;
        let api = &cluster.api;
        let job = counting_job(api).await?;
        ensure!(said_running(api, job.id, 1).await? == "all tasks run");
        let counted = checkpoint(api, job.id).await?;
        let workers = api.workers().await?.workers;
        kill_hard(workers.first().context("there is one")?.pid as i32)?;
        counts_on(api, job.id, 2, counted).await?;
        let said = said_running(api, job.id, 2).await?;
        let from_local = said.ends_with("MiB of their state were on the workers, 0 MiB were downloaded");
        ensure!(from_local && !said.contains("; 0 MiB"), "{said}");
        cluster.stop()
    });
}

#[test]
fn a_job_that_was_stopped_counts_on_from_its_savepoint_and_so_does_another() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), Size { workers: 1, slots: 2 }).await?;
        let api = &cluster.api;
        let job = counting_job(api).await?;
        let counted = wait_count(api, job.id, 20).await?;
        let _: Job = api.post(&format!("jobs/{}/stop", job.id), &json!({})).await?;
        let stopped = api.wait_phase(job.id, Phase::Stopped, PATIENCE).await?;
        let id = stopped.savepoint.context("it was stopped with a savepoint")?;
        let savepoint: Savepoint = api.get(&format!("savepoints/{id}")).await?;
        ensure!(savepoint.status == SavepointStatus::Completed, "{savepoint:?}");
        let found: Verification = api.post(&format!("savepoints/{id}/verify"), &json!({})).await?;
        ensure!(found.intact && found.files > 1, "{found:?}");
        let _: Job = api.post(&format!("jobs/{}/resume", job.id), &json!({})).await?;
        counts_on(api, job.id, 2, counted).await?;
        let request = json!({ "sql": scripts::counting(50), "from": id });
        let other: Job = api.post("jobs", &request).await?;
        counts_on(api, other.id, 1, counted).await?;
        cluster.stop()
    });
}

#[test]
fn a_job_that_is_rescaled_counts_on_at_the_new_parallelism() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), Size { workers: 1, slots: 2 }).await?;
        let api = &cluster.api;
        let job = counting_job(api).await?;
        let counted = checkpoint(api, job.id).await?;
        let _: Job = api
            .post(&format!("jobs/{}/rescale", job.id), &json!({ "parallelism": 2 }))
            .await?;
        counts_on(api, job.id, 2, counted).await?;
        let list: RescaleList = api.get(&format!("jobs/{}/rescales", job.id)).await?;
        let rescale = list.rescales.first().context("it was rescaled")?;
        println!("rescaled with a pause of {:?} ms", rescale.pause_ms);
        ensure!(rescale.to == 2 && rescale.pause_ms.is_some(), "{rescale:?}");
        cluster.stop()
    });
}

/// Numbers from 1 on are summed up, so each total says of which numbers it is.
#[test]
fn a_changed_script_keeps_the_aggregates_that_it_still_has_and_begins_the_others() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), Size { workers: 1, slots: 2 }).await?;
        let api = &cluster.api;
        let before = scripts::aggregates(
            "n BIGINT, greatest BIGINT, total BIGINT",
            "COUNT(*), MAX(v), SUM(v)",
        );
        let job = api.start(&before, 1).await?;
        wait_count(api, job.id, 20).await?;
        let _: Job = api.post(&format!("jobs/{}/stop", job.id), &json!({})).await?;
        let stopped = api.wait_phase(job.id, Phase::Stopped, PATIENCE).await?;
        let id = stopped.savepoint.context("it was stopped with a savepoint")?;
        let after = scripts::aggregates(
            "total BIGINT, n BIGINT, since BIGINT, seen BIGINT, kinds BIGINT",
            "SUM(v), COUNT(*), MIN(v), COUNT(v), COUNT(DISTINCT v % 5)",
        );
        let report: Compatibility = api
            .post(
                &format!("savepoints/{id}/compatibility"),
                &json!({ "sql": after }),
            )
            .await?;
        ensure!(!report.compatible && report.compatible_if_dropped, "{report:?}");
        let said = report.operators.iter().map(|operator| operator.reason.as_str());
        let said = said.collect::<Vec<_>>().join("\n");
        ensure!(said.contains("begin now; MAX(v) is dropped"), "{said}");
        let request = json!({ "sql": after, "from": id, "allow_dropped_state": true });
        let changed: Job = api.post("jobs", &request).await?;
        wait_count(api, changed.id, 60).await?;
        let output = api.output(changed.id).await?;
        let rows = output.rows.iter().map(|row| row.row.cells());
        for cells in rows {
            let of = |name: &str| cells.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
            let (n, seen) = (of("n"), of("seen"));
            ensure!(of("total") == n * (n + 1) / 2, "{cells:?}");
            // The first row that is taken back is of a moment at which the new ones had seen none.
            ensure!(of("since") > 20 || seen == 0, "{cells:?}");
            ensure!(seen == 0 || of("since") + seen == n + 1, "{cells:?}");
            ensure!(of("kinds") == seen.min(5), "{cells:?}");
        }
        ensure!(!output.rows.is_empty(), "nothing came");
        cluster.stop()
    });
}
