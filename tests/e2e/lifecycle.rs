//! Jobs from their start to their end, whichever it is.

use std::{fs, time::Duration};

use anyhow::{Context, ensure};
use reqwest::Method;
use weir_model::{Attempt, ErrorCode, FailureClass, Phase};
use weir_tests::{
    api::problem,
    cluster::{self, Cluster, Size, weir},
    wait::{Seen, until},
};

use crate::{alone, scripts};

const SMALL: Size = Size { workers: 1, slots: 2 };

#[test]
fn a_job_waits_for_slots_and_says_how_many_are_missing() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), SMALL).await?;
        let api = &cluster.api;
        let first = api.start(&scripts::endless(10), 1).await?;
        api.wait_phase(first.id, Phase::Running, Duration::from_secs(20))
            .await?;
        ensure!(api.info().await?.free_slots == 1, "one of two slots is taken");

        let second = api.start(&scripts::bounded(10), 2).await?;
        let reason = until(
            "the second job to say what it waits for",
            Duration::from_secs(10),
            async || {
                let job = api.job(second.id).await?;
                Ok(match (job.phase, job.phase_reason) {
                    (Phase::Scheduling, Some(reason)) if reason.contains("slot") => Seen::Done(reason),
                    other => Seen::NotYet(format!("{other:?}")),
                })
            },
        )
        .await?;
        ensure!(
            reason.contains('2') && reason.contains('1'),
            "it says neither what it needs nor what is free: {reason}"
        );

        api.cancel(first.id).await?;
        api.wait_phase(first.id, Phase::Cancelled, Duration::from_secs(10))
            .await?;
        api.wait_phase(second.id, Phase::Finished, Duration::from_secs(20))
            .await?;
        let late = api
            .request(Method::POST, &format!("jobs/{}/cancel", second.id))
            .send()
            .await?;
        ensure!(
            problem(late).await?.code == ErrorCode::JobConflict,
            "a finished job can't be cancelled"
        );
        cluster.stop()
    });
}

#[test]
fn a_job_with_bad_data_fails_once_and_says_where() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), SMALL).await?;
        let input = folder.path().join("numbers.json");
        fs::write(&input, "{\"n\": 1}\n{\"n\": 2}\n{\"n\": three}\n")?;
        let job = cluster
            .api
            .start(&scripts::numbers_from(&input.display().to_string()), 1)
            .await?;
        let job = cluster
            .api
            .wait_phase(job.id, Phase::Failed, Duration::from_secs(20))
            .await?;
        ensure!(
            job.attempt == Attempt(1),
            "what can't succeed was tried again: {job:?}"
        );
        let failure = job.failure.context("a failed job says why")?;
        ensure!(failure.class == FailureClass::User, "{failure:?}");
        ensure!(
            failure
                .place
                .as_deref()
                .is_some_and(|p| p.ends_with("numbers.json:3")),
            "{failure:?}"
        );
        ensure!(
            failure
                .operator_name
                .as_deref()
                .is_some_and(|n| n.contains("numbers")),
            "{failure:?}"
        );
        let events = cluster.api.events(job.id).await?.events;
        ensure!(events.iter().any(|e| e.kind == "job_failed"), "{events:#?}");
        cluster.stop()
    });
}

#[test]
fn a_running_job_is_cancelled_and_then_deleted() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), SMALL).await?;
        let api = &cluster.api;
        let job = api.start(&scripts::endless(10), 2).await?;
        api.wait_phase(job.id, Phase::Running, Duration::from_secs(20))
            .await?;

        let refused = api
            .request(Method::DELETE, &format!("jobs/{}", job.id))
            .send()
            .await?;
        ensure!(
            problem(refused).await?.code == ErrorCode::JobConflict,
            "a running job can't be deleted"
        );
        api.cancel(job.id).await?;
        api.wait_phase(job.id, Phase::Cancelled, Duration::from_secs(10))
            .await?;
        until("its slots to be free", Duration::from_secs(10), async || {
            let free = api.info().await?.free_slots;
            Ok(if free == 2 {
                Seen::Done(())
            } else {
                Seen::NotYet(format!("{free} are free"))
            })
        })
        .await?;
        // Asking twice does no harm.
        ensure!(
            api.cancel(job.id).await?.phase == Phase::Cancelled,
            "it stays cancelled"
        );

        api.delete(job.id).await?;
        let gone = api
            .request(Method::GET, &format!("jobs/{}", job.id))
            .send()
            .await?;
        ensure!(
            problem(gone).await?.code == ErrorCode::JobNotFound,
            "a deleted job is gone"
        );
        ensure!(api.jobs().await?.jobs.is_empty(), "a deleted job is not listed");
        cluster.stop()
    });
}

#[test]
fn a_cluster_started_again_finds_its_jobs() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), SMALL).await?;
        let done = cluster.api.start(&scripts::bounded(100), 2).await?;
        cluster
            .api
            .wait_phase(done.id, Phase::Finished, Duration::from_secs(20))
            .await?;
        let live = cluster.api.start(&scripts::endless(10), 1).await?;
        cluster
            .api
            .wait_phase(live.id, Phase::Running, Duration::from_secs(20))
            .await?;
        cluster.stop()?;

        let cluster = Cluster::start(folder.path(), SMALL).await?;
        let finished = cluster.api.job(done.id).await?;
        ensure!(
            finished.phase == Phase::Finished && finished.attempt == Attempt(1),
            "{finished:?}"
        );
        // Its workers went with the cluster, so it runs anew.
        until("the live job to run again", Duration::from_secs(40), async || {
            let job = cluster.api.job(live.id).await?;
            let again = job.phase == Phase::Running && job.attempt > Attempt(1);
            Ok(if again {
                Seen::Done(())
            } else {
                Seen::NotYet(format!("{job:?}"))
            })
        })
        .await?;
        cluster.stop()
    });
}

#[test]
fn two_clusters_do_not_share_a_data_folder() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), SMALL).await?;
        let data = folder.path().join("data").display().to_string();
        let listen = format!("127.0.0.1:{}", cluster::free_port()?);
        let second = weir(&["up", "--listen", &listen, "--data-dir", &data], &[])?;
        let said = String::from_utf8_lossy(&second.stderr);
        ensure!(
            second.status.code() == Some(1) && said.contains("another"),
            "{}: {said}",
            second.status
        );
        ensure!(cluster.api.info().await.is_ok(), "the first cluster goes on");
        cluster.stop()
    });
}
