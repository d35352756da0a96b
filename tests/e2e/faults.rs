//! Processes that die under a running job.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use weir_env::{Clock, SystemClock};
use weir_model::{Attempt, FailureClass, JobId, Phase, api::Job};
use weir_tests::{
    api::Api,
    cluster::{self, Cluster, Size, is_running, kill_hard},
    wait::{Seen, until},
};

use crate::{alone, scripts};

/// Starts a job that never ends, and waits until rows come out of it.
async fn running_job(api: &Api, rate: u64, parallelism: u32) -> Result<Job> {
    let job = api.start(&scripts::endless(rate), parallelism).await?;
    let job = api
        .wait_phase(job.id, Phase::Running, Duration::from_secs(20))
        .await?;
    wait_printed(api, job.id, 0).await?;
    Ok(job)
}

/// Waits until the job has printed more rows than these.
async fn wait_printed(api: &Api, id: JobId, rows: u64) -> Result<u64> {
    until(
        &format!("more than {rows} printed rows"),
        Duration::from_secs(20),
        async || {
            let total = api.output(id).await?.total_rows;
            Ok(if total > rows {
                Seen::Done(total)
            } else {
                Seen::NotYet(format!("{total} rows"))
            })
        },
    )
    .await
}

/// The workers that the job's newest execution uses.
async fn used_workers(api: &Api, id: JobId) -> Result<BTreeSet<weir_model::WorkerId>> {
    let executions = api.executions(id).await?.executions;
    Ok(executions
        .first()
        .context("the job was executed")?
        .placement
        .iter()
        .map(|p| p.worker)
        .collect())
}

async fn check_survives_loss_of_a_worker(parallelism: u32, slots: u32) -> Result<()> {
    let folder = cluster::folder()?;
    let cluster = Cluster::start(folder.path(), Size { workers: 2, slots }).await?;
    let api = &cluster.api;
    let job = running_job(api, 500, parallelism).await?;
    let used = used_workers(api, job.id).await?;
    let lost = *used.first().context("the job runs somewhere")?;
    let worker = api
        .workers()
        .await?
        .workers
        .into_iter()
        .find(|w| w.id == lost)
        .context("its worker is listed")?;

    let clock = SystemClock::new();
    kill_hard(worker.pid as i32)?;
    let again = until("a second execution to run", Duration::from_secs(10), async || {
        let job = api.job(job.id).await?;
        let done = job.phase == Phase::Running && job.attempt == Attempt(2);
        Ok(if done {
            Seen::Done(job)
        } else {
            Seen::NotYet(format!("{job:?}"))
        })
    })
    .await?;
    println!("running again after {} ms", clock.elapsed().as_millis());

    // The fault happened, the job says why, and it runs elsewhere.
    ensure!(
        !is_running(worker.pid as i32),
        "the worker was killed and is still there"
    );
    let failure = again.failure.context("a job that restarted says why")?;
    ensure!(
        failure.class == FailureClass::Internal,
        "the job blames {failure:?}"
    );
    ensure!(
        !used_workers(api, job.id).await?.contains(&lost),
        "the job runs on the worker that died"
    );
    let events = api.events(job.id).await?.events;
    let why = events
        .iter()
        .find(|e| e.message.contains(&lost.to_string()) || e.message.contains("worker"));
    let why = why.with_context(|| format!("no event names the lost worker: {events:#?}"))?;
    println!("its event: {} {}", why.kind, why.message);
    ensure!(
        events.iter().filter(|e| e.kind == "execution_started").count() == 2,
        "not two executions: {events:#?}"
    );
    wait_printed(api, job.id, 0).await?;
    cluster.stop()
}

#[test]
fn a_job_runs_again_within_ten_seconds_of_the_death_of_its_worker() {
    alone(check_survives_loss_of_a_worker(1, 4));
}

#[test]
fn a_job_over_two_workers_runs_again_on_what_is_left() {
    alone(check_survives_loss_of_a_worker(4, 4));
}

#[test]
fn tasks_go_on_while_the_control_plane_is_down() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), Size { workers: 2, slots: 2 }).await?;
        let api = &cluster.api;
        // Spread over both workers, so that rows cross between them meanwhile.
        let job = running_job(api, 200, 4).await?;
        let pid = cluster.control_plane_pid()?.context("there is a control plane")?;
        let before = api.rows_read(job.id).await?;
        let clock = SystemClock::new();

        kill_hard(pid)?;
        let after = until(
            "another control plane to know the job's rows",
            Duration::from_secs(30),
            async || {
                let again = cluster.control_plane_pid()?.is_some_and(|new| new != pid);
                Ok(match api.rows_read(job.id).await {
                    Ok(rows) if again && rows > before => Seen::Done(rows),
                    Ok(rows) => Seen::NotYet(format!("{rows} rows, before {before}")),
                    Err(error) => Seen::NotYet(format!("{error:#}")),
                })
            },
        )
        .await?;
        let away = clock.elapsed();
        println!("{before} rows before, {after} rows {} ms later", away.as_millis());

        ensure!(
            !is_running(pid),
            "the control plane was killed and is still there"
        );
        let job = api
            .wait_phase(job.id, Phase::Running, Duration::from_secs(10))
            .await?;
        ensure!(job.attempt == Attempt(1), "the job was started anew: {job:?}");
        let events = api.events(job.id).await?.events;
        ensure!(
            events.iter().filter(|e| e.kind == "execution_started").count() == 1,
            "{events:#?}"
        );
        // Rows came at their rate while nobody watched: the counter has no hole of the time away.
        let least = before as f64 + (away.as_secs_f64() - 2.5).max(0.0) * 200.0 * 0.8;
        ensure!(
            after as f64 >= least,
            "{after} rows after {away:?}, {before} before: tasks paused"
        );
        // And they can still be steered.
        api.cancel(job.id).await?;
        api.wait_phase(job.id, Phase::Cancelled, Duration::from_secs(10))
            .await?;
        cluster.stop()
    });
}
