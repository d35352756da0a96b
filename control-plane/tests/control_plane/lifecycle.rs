//! Jobs from creation to their end, through failures, losses and restarts of the control plane.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use weir_control_plane::Limits;
use weir_env::{Clock as _, SystemClock};
use weir_model::{Attempt, Failure, FailureClass, Phase, api, metrics::JobMetrics};

use crate::{
    cluster::{Cluster, eventually, limits},
    worker::FakeWorker,
};

async fn cluster_with_workers(slots: [u32; 2]) -> (Cluster, FakeWorker, FakeWorker) {
    let cluster = Cluster::start().await;
    let address = cluster.handle.grpc_address;
    let (first, second) = (
        FakeWorker::connect(address, slots[0]).await,
        FakeWorker::connect(address, slots[1]).await,
    );
    eventually("both workers to be listed", async || {
        (cluster.workers().await.len() == 2).then_some(())
    })
    .await;
    (cluster, first, second)
}

#[tokio::test]
async fn a_job_is_deployed_runs_and_finishes() {
    let (cluster, first, second) = cluster_with_workers([2, 2]).await;
    let job = cluster.create_job(2).await;
    assert_eq!((job.phase, job.attempt), (Phase::Created, Attempt(0)));

    let deploy = first.started(job.id, 1).await;
    second.started(job.id, 1).await;
    assert_eq!(
        first.mine(&deploy).len(),
        second.mine(&deploy).len(),
        "slots are spread evenly"
    );
    let read_here: Vec<_> = deploy.splits.iter().map(|split| split.subtask).collect();
    let mine: Vec<_> = first.mine(&deploy).iter().map(|(_, subtask)| *subtask).collect();
    assert!(
        read_here.iter().all(|subtask| mine.contains(subtask)),
        "only its own splits: {read_here:?} of {mine:?}"
    );
    let running = cluster.wait_for(job.id, Phase::Running).await;
    assert!(running.started_at_ms.is_some());
    assert_eq!(cluster.get::<api::Info>("/api/v1/info").await.free_slots, 2);

    first.metrics(&deploy, 0, 60).await;
    first.print(&deploy, 60, &["{\"n\":1}", "{\"n\":2}"]).await;
    first.finish(&deploy).await;
    assert_eq!(
        cluster.job(job.id).await.phase,
        Phase::Running,
        "half of the job has not finished"
    );
    second.finish(&deploy).await;
    let finished = cluster.wait_for(job.id, Phase::Finished).await;
    assert!(finished.ended_at_ms.is_some() && finished.failure.is_none());

    let output: api::Output = cluster.get(&format!("/api/v1/jobs/{}/output", job.id)).await;
    assert_eq!((output.total_rows, output.rows.len()), (60, 2));
    let numbers: JobMetrics = cluster.get(&format!("/api/v1/jobs/{}/metrics", job.id)).await;
    assert_eq!(numbers.operators[0].rows_in, 60, "the last numbers are kept");
    let executions: api::ExecutionList = cluster.get(&format!("/api/v1/jobs/{}/executions", job.id)).await;
    let execution = &executions.executions[0];
    assert!(execution.ended_at_ms.is_some() && execution.failure.is_none());
    assert_eq!(execution.placement.len(), deploy.assignments.len());
    assert_eq!(
        cluster.events(job.id).await,
        ["job_created", "execution_started", "job_running", "job_finished"]
    );
    eventually("the slots to be free again", async || {
        (cluster.get::<api::Info>("/api/v1/info").await.free_slots == 4).then_some(())
    })
    .await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_job_waits_for_slots_and_runs_when_they_come() {
    let cluster = Cluster::start().await;
    let job = cluster.create_job(3).await;
    let reason = "waiting for 3 slots: 3 needed, 0 free; no worker is connected";
    cluster
        .wait_until(job.id, reason, |job| job.phase_reason.as_deref() == Some(reason))
        .await;
    let first = FakeWorker::connect(cluster.handle.grpc_address, 2).await;
    let reason = "waiting for 1 slot: 3 needed, 2 free";
    cluster
        .wait_until(job.id, reason, |job| job.phase_reason.as_deref() == Some(reason))
        .await;
    assert!(first.state().deploys.is_empty());
    let _second = FakeWorker::connect(cluster.handle.grpc_address, 1).await;
    cluster.wait_for(job.id, Phase::Running).await;
}

#[tokio::test]
async fn jobs_do_not_share_slots() {
    let cluster = Cluster::start().await;
    let worker = FakeWorker::connect(cluster.handle.grpc_address, 2).await;
    let first = cluster.create_job(2).await;
    let deploy = worker.started(first.id, 1).await;
    let second = cluster.create_job(1).await;
    cluster
        .wait_until(second.id, "a wait", |job| job.phase_reason.is_some())
        .await;
    assert_eq!(cluster.job(second.id).await.phase, Phase::Scheduling);
    worker.finish(&deploy).await;
    cluster.wait_for(first.id, Phase::Finished).await;
    cluster.wait_for(second.id, Phase::Running).await;
}

#[tokio::test]
async fn the_users_fault_fails_the_job_and_stops_the_rest() {
    let (cluster, first, second) = cluster_with_workers([1, 1]).await;
    let job = cluster.create_job(2).await;
    let deploy = first.started(job.id, 1).await;
    second.started(job.id, 1).await;
    first
        .fail(&deploy, Failure::user("not a number: 'x'").at("in.json:3"))
        .await;
    let failed = cluster.wait_for(job.id, Phase::Failed).await;
    let failure = failed.failure.expect("a failure");
    assert_eq!(
        (failure.class, failure.place.as_deref()),
        (FailureClass::User, Some("in.json:3"))
    );
    assert_eq!(failed.attempt, Attempt(1), "it was not tried again");
    eventually("the rest to be stopped", async || {
        (!second.state().cancels.is_empty()).then_some(())
    })
    .await;
    let events = cluster.events(job.id).await;
    assert!(
        events.contains(&"task_failed".into()) && events.contains(&"job_failed".into()),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_failure_outside_restarts_the_job_until_it_gives_up() {
    let cluster = Cluster::start().await;
    let worker = FakeWorker::connect(cluster.handle.grpc_address, 2).await;
    let job = cluster.create_job(1).await;
    // Each restart moves the generation twice: it leaves the failed deployment behind, then deploys.
    for generation in [1, 3, 5, 7] {
        let deploy = worker.started(job.id, generation).await;
        assert_eq!(u64::from(deploy.attempt), generation.div_ceil(2));
        worker
            .fail(&deploy, Failure::external("the broker is away"))
            .await;
    }
    let failed = cluster.wait_for(job.id, Phase::Failed).await;
    assert_eq!(failed.attempt, Attempt(4));
    let message = failed.failure.expect("a failure").message;
    assert_eq!(
        message,
        "gave up after 3 restarts in a row; the last failure: the broker is away"
    );
}

#[tokio::test]
async fn a_deployment_that_a_worker_refuses_is_tried_again() {
    let cluster = Cluster::start().await;
    let worker = FakeWorker::connect(cluster.handle.grpc_address, 2).await;
    worker.state().refuse = Some(Failure::internal("no room"));
    let job = cluster.create_job(1).await;
    worker.started(job.id, 3).await;
    let running = cluster.wait_for(job.id, Phase::Running).await;
    assert_eq!(running.attempt, Attempt(2));
}

#[tokio::test]
async fn a_job_runs_again_on_what_is_left_when_a_worker_is_lost() {
    let (cluster, first, mut second) = cluster_with_workers([2, 2]).await;
    let job = cluster.create_job(2).await;
    first.started(job.id, 1).await;
    cluster.wait_for(job.id, Phase::Running).await;
    let clock = SystemClock::new();
    second.disconnect();
    let deploy = first.started(job.id, 3).await;
    assert_eq!(
        first.mine(&deploy).len(),
        deploy.assignments.len(),
        "all of it runs on what is left"
    );
    let again = cluster
        .wait_until(job.id, "attempt 2", |job| {
            job.phase == Phase::Running && job.attempt.0 == 2
        })
        .await;
    assert!(
        clock.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        clock.elapsed()
    );
    let why = again.failure.expect("why it restarted").message;
    assert!(
        why.contains(&second.id.to_string()) && why.contains("was lost"),
        "{why}"
    );
    assert!(
        first.state().cancels.contains(&(job.id.to_string(), 1)),
        "the rest of the old execution was stopped"
    );
    let lost = cluster
        .workers()
        .await
        .into_iter()
        .find(|worker| worker.id == second.id)
        .expect("still listed");
    assert_eq!(lost.state, api::WorkerState::Lost);

    // Back with what it ran: that is an old generation.
    second.reconnect(cluster.handle.grpc_address).await;
    eventually("the old tasks to be stopped", async || {
        second
            .state()
            .cancels
            .contains(&(job.id.to_string(), 1))
            .then_some(())
    })
    .await;
    assert_eq!(
        cluster.job(job.id).await.attempt,
        Attempt(2),
        "the job did not notice"
    );
}

#[tokio::test]
async fn a_silent_worker_is_lost() {
    let (cluster, first, second) = cluster_with_workers([1, 1]).await;
    let job = cluster.create_job(1).await;
    let (busy, other) = eventually("the job to start somewhere", async || {
        let here = !first.state().starts.is_empty();
        let there = !second.state().starts.is_empty();
        (here || there).then_some(if here {
            (&first, &second)
        } else {
            (&second, &first)
        })
    })
    .await;
    busy.fall_silent();
    other.started(job.id, 3).await;
    let job = cluster.wait_for(job.id, Phase::Running).await;
    let why = job.failure.expect("why it restarted").message;
    assert!(why.contains("nothing was heard of it for 1 s"), "{why}");
}

#[tokio::test]
async fn a_cancel_stops_the_tasks_before_the_job_counts_as_cancelled() {
    let cluster = Cluster::start().await;
    let worker = FakeWorker::connect(cluster.handle.grpc_address, 2).await;
    let job = cluster.create_job(2).await;
    worker.started(job.id, 1).await;
    cluster.wait_for(job.id, Phase::Running).await;
    let path = format!("/api/v1/jobs/{}/cancel", job.id);
    let answer = cluster
        .request(Method::POST, &path)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(
        answer.json::<api::Job>().await.expect("a job").phase,
        Phase::Cancelling
    );
    cluster.wait_for(job.id, Phase::Cancelled).await;
    assert!(worker.state().cancels.contains(&(job.id.to_string(), 1)));
    let again = cluster
        .request(Method::POST, &path)
        .send()
        .await
        .expect("an answer");
    assert_eq!(again.status(), StatusCode::ACCEPTED, "asked twice is asked once");
    let events = cluster.events(job.id).await;
    let tail = &events[events.len() - 2..];
    assert_eq!(tail, ["cancel_requested", "job_cancelled"]);
}

#[tokio::test]
async fn a_job_that_waits_for_slots_can_be_cancelled() {
    let cluster = Cluster::start().await;
    let job = cluster.create_job(2).await;
    cluster
        .wait_until(job.id, "a wait", |job| job.phase_reason.is_some())
        .await;
    let path = format!("/api/v1/jobs/{}/cancel", job.id);
    cluster
        .request(Method::POST, &path)
        .send()
        .await
        .expect("an answer");
    cluster.wait_for(job.id, Phase::Cancelled).await;
}

#[tokio::test]
async fn a_restart_of_the_control_plane_does_not_touch_running_jobs() {
    let (cluster, mut first, mut second) = cluster_with_workers([1, 1]).await;
    let job = cluster.create_job(2).await;
    let deploy = first.started(job.id, 1).await;
    second.started(job.id, 1).await;
    cluster.wait_for(job.id, Phase::Running).await;
    let cluster = cluster.restart().await;
    assert_eq!(cluster.job(job.id).await.phase, Phase::Running);
    first.reconnect(cluster.handle.grpc_address).await;
    second.reconnect(cluster.handle.grpc_address).await;
    // Longer than the grace: nobody may be given up.
    SystemClock::new()
        .sleep(limits().adoption_grace + Duration::from_millis(500))
        .await;
    let running = cluster.job(job.id).await;
    assert_eq!((running.phase, running.attempt), (Phase::Running, Attempt(1)));
    assert_eq!(
        (first.state().deploys.len(), second.state().deploys.len()),
        (1, 1)
    );
    assert!(first.state().cancels.is_empty() && second.state().cancels.is_empty());
    first.finish(&deploy).await;
    second.finish(&deploy).await;
    cluster.wait_for(job.id, Phase::Finished).await;
    assert!(cluster.events(job.id).await.contains(&"job_adopted".into()));
}

#[tokio::test]
async fn a_job_that_finished_while_the_control_plane_was_away_is_finished() {
    let cluster = Cluster::start().await;
    let mut worker = FakeWorker::connect(cluster.handle.grpc_address, 1).await;
    let job = cluster.create_job(1).await;
    let deploy = worker.started(job.id, 1).await;
    cluster.wait_for(job.id, Phase::Running).await;
    let cluster = cluster.restart().await;
    worker.finish_silently(&deploy);
    worker.reconnect(cluster.handle.grpc_address).await;
    let finished = cluster.wait_for(job.id, Phase::Finished).await;
    assert_eq!(finished.attempt, Attempt(1));
    eventually("the worker to let go of it", async || {
        worker.state().tasks.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_does_not_come_back_after_a_restart_is_lost() {
    let (cluster, mut first, second) = cluster_with_workers([2, 2]).await;
    let job = cluster.create_job(2).await;
    first.started(job.id, 1).await;
    cluster.wait_for(job.id, Phase::Running).await;
    let gone = second.id;
    drop(second);
    let cluster = cluster.restart().await;
    first.reconnect(cluster.handle.grpc_address).await;
    first.started(job.id, 3).await;
    let running = cluster
        .wait_until(job.id, "attempt 2", |job| job.attempt.0 == 2)
        .await;
    let why = running.failure.expect("why it restarted").message;
    assert!(
        why.contains(&gone.to_string()) && why.contains("did not come back"),
        "{why}"
    );
    eventually("the loss to be listed", async || {
        let workers = cluster.workers().await;
        workers
            .iter()
            .any(|worker| worker.id == gone && worker.state == api::WorkerState::Lost)
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn tasks_that_do_not_come_up_make_the_job_try_again() {
    let limits = Limits {
        deploy_timeout: Duration::from_secs(1),
        ..limits()
    };
    let cluster = Cluster::with_limits(limits).await;
    let worker = FakeWorker::connect(cluster.handle.grpc_address, 1).await;
    worker.state().mute = true;
    let job = cluster.create_job(1).await;
    cluster.wait_for(job.id, Phase::Restarting).await;
    worker.state().mute = false;
    worker.started(job.id, 3).await;
    let running = cluster.wait_for(job.id, Phase::Running).await;
    let why = running.failure.expect("why it restarted").message;
    assert!(why.starts_with("tasks did not come up within 1 s"), "{why}");
}
