//! Checkpoints, savepoints, stopping, resuming and rescaling, with workers that give snapshots but run nothing.

use reqwest::{Method, StatusCode};
use serde_json::json;
use weir_checkpoint::manifest::SubtaskState;
use weir_model::{
    Failure, JobId, Phase, Problem,
    api::{self, CheckpointKind, CheckpointStatus, RescaleStatus, SavepointStatus},
};
use weir_proto::control::{AfterBarrier, Deploy};

use crate::{
    cluster::{Cluster, SQL, eventually},
    worker::FakeWorker,
};

/// Takes a checkpoint ten times a second.
fn often() -> String {
    format!("SET 'execution.checkpointing.interval' = '100 ms';\n{SQL}")
}

async fn start(slots: u32) -> (Cluster, FakeWorker) {
    let cluster = Cluster::with_checkpoints().await;
    let worker = FakeWorker::connect(cluster.handle.grpc_address, slots).await;
    (cluster, worker)
}

async fn checkpoints(cluster: &Cluster, job: JobId) -> Vec<api::Checkpoint> {
    let path = format!("/api/v1/jobs/{job}/checkpoints");
    cluster.get::<api::CheckpointList>(&path).await.checkpoints
}

/// The first complete checkpoint from this number on.
async fn completed(cluster: &Cluster, job: JobId, from: u64) -> api::Checkpoint {
    eventually("a checkpoint to be complete", async || {
        let all = checkpoints(cluster, job).await;
        all.into_iter()
            .find(|c| c.number >= from && c.status == CheckpointStatus::Completed)
    })
    .await
}

/// The positions that the sources of a deployment begin with.
fn positions(deploy: &Deploy) -> Vec<String> {
    let splits = deploy.splits.iter().flat_map(|splits| &splits.splits);
    splits
        .map(|split| String::from_utf8(split.state.clone()).expect("text"))
        .collect()
}

async fn savepoint(
    cluster: &Cluster,
    id: weir_model::SavepointId,
    status: SavepointStatus,
) -> api::Savepoint {
    eventually(&format!("the savepoint to be {}", status.as_str()), async || {
        let savepoint: api::Savepoint = cluster.get(&format!("/api/v1/savepoints/{id}")).await;
        (savepoint.status == status).then_some(savepoint)
    })
    .await
}

#[tokio::test]
async fn checkpoints_are_taken_committed_and_kept_in_the_history() {
    let (cluster, worker) = start(2).await;
    let job = cluster.create_job_of(&often(), 2).await;
    let deploy = worker.started(job.id, 1).await;
    let folder = format!(
        "file://{}/jobs/{}",
        cluster.state.as_ref().expect("a folder").path().display(),
        job.id
    );
    assert_eq!(deploy.state_url.as_deref(), Some(folder.as_str()));
    let taken = completed(&cluster, job.id, 1).await;
    assert_eq!((taken.kind, taken.failure), (CheckpointKind::Checkpoint, None));
    let subtasks = worker.mine(&deploy).len();
    let path = format!("/api/v1/jobs/{}/checkpoints/{}", job.id, taken.number);
    let detail: api::CheckpointDetail = cluster.get(&path).await;
    assert_eq!(detail.subtasks.len(), subtasks);
    assert_eq!(
        (detail.subtasks[0].sync_us, detail.subtasks[0].bytes_full),
        (200, 50)
    );
    assert_eq!(
        (taken.bytes_new, taken.bytes_full),
        (10 * subtasks as u64, 50 * subtasks as u64)
    );
    eventually("the checkpoint to be committed", async || {
        worker.state().commits.contains(&taken.number).then_some(())
    })
    .await;
    let later = completed(&cluster, job.id, taken.number + 1).await;
    eventually("the older one to be discarded", async || {
        let all = checkpoints(&cluster, job.id).await;
        all.iter()
            .any(|c| c.number == taken.number && c.status == CheckpointStatus::Discarded)
            .then_some(())
    })
    .await;
    assert!(cluster.job(job.id).await.last_checkpoint >= Some(later.number));
}

#[tokio::test]
async fn a_job_goes_on_from_its_last_checkpoint_after_a_failure() {
    let (cluster, worker) = start(1).await;
    let job = cluster.create_job_of(&often(), 1).await;
    let deploy = worker.started(job.id, 1).await;
    assert!(deploy.restore.is_empty(), "there is nothing to begin with");
    worker.state().position = 41;
    let before = completed(&cluster, job.id, 1).await;
    let taken = completed(&cluster, job.id, before.number + 2).await;
    worker
        .fail(&deploy, Failure::external("the broker is away"))
        .await;
    let again = worker.started(job.id, 3).await;
    assert_eq!(positions(&again), ["{\"position\":41}"]);
    let state: SubtaskState = serde_json::from_slice(&again.restore[0].states[0].state).expect("a state");
    assert_eq!(
        state.operators.len(),
        deploy
            .graph
            .expect("a graph")
            .operators
            .iter()
            .filter(|o| o.task == state.task)
            .count()
    );
    let running = cluster.wait_for(job.id, Phase::Running).await;
    assert!(running.restored_from >= Some(taken.number), "{running:?}");
    let list: api::ExceptionList = cluster.get(&format!("/api/v1/jobs/{}/exceptions", job.id)).await;
    let exception = &list.exceptions[0];
    assert_eq!(exception.failure.message, "the broker is away");
    assert_eq!(exception.worker, Some(worker.id));
    assert_eq!(exception.done, "restart 1 after 0.1 s");
    assert!(cluster.events(job.id).await.contains(&"state_restored".into()));
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_read_is_passed_over_for_the_one_before() {
    let (cluster, worker) = start(1).await;
    let sql = format!("SET 'state.checkpoints.num-retained' = '5';\n{}", often());
    let job = cluster.create_job_of(&sql, 1).await;
    let deploy = worker.started(job.id, 1).await;
    worker.state().position = 1;
    let first = completed(&cluster, job.id, 1).await;
    completed(&cluster, job.id, first.number + 2).await;
    // From here on no other checkpoint is complete.
    worker.state().fail_snapshots = Some(Failure::external("disk full"));
    worker
        .fail(&deploy, Failure::external("the broker is away"))
        .await;
    cluster
        .wait_until(job.id, "a restart", |job| {
            job.attempt.0 >= 1 && job.phase != Phase::Running
        })
        .await;
    let newest = checkpoints(&cluster, job.id)
        .await
        .into_iter()
        .find(|c| c.status == CheckpointStatus::Completed);
    let newest = newest.expect("a complete checkpoint").number;
    let folder = cluster
        .state
        .as_ref()
        .expect("a folder")
        .path()
        .join("jobs")
        .join(job.id.to_string());
    let damaged = damage(&folder, newest);
    assert!(
        damaged,
        "the manifest of checkpoint {newest} was not found in {}",
        folder.display()
    );
    let again = worker.started(job.id, 3).await;
    assert!(!again.restore.is_empty());
    let running = cluster.job(job.id).await;
    assert!(running.restored_from < Some(newest), "{running:?}");
    assert!(
        cluster
            .events(job.id)
            .await
            .contains(&"checkpoint_unreadable".into())
    );
}

/// Cuts the manifest of a checkpoint short.
fn damage(folder: &std::path::Path, number: u64) -> bool {
    let mut found = false;
    for entry in walk(folder) {
        let text = std::fs::read_to_string(&entry).unwrap_or_default();
        if text.contains("\"weir_version\"") && text.contains(&format!("\"checkpoint\":{number},")) {
            std::fs::write(&entry, &text[..text.len() / 2]).expect("written");
            found = true;
        }
    }
    found
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[tokio::test]
async fn more_failed_checkpoints_than_may_be_restart_the_job() {
    let (cluster, worker) = start(1).await;
    worker.state().fail_snapshots = Some(Failure::external("disk full"));
    let job = cluster.create_job_of(&often(), 1).await;
    worker.started(job.id, 1).await;
    worker.started(job.id, 3).await;
    let list: api::ExceptionList = cluster.get(&format!("/api/v1/jobs/{}/exceptions", job.id)).await;
    let message = &list.exceptions.last().expect("a failure").failure.message;
    assert!(message.contains("disk full"), "{message}");
    let failed = checkpoints(&cluster, job.id).await;
    assert!(
        failed
            .iter()
            .any(|c| c.status == CheckpointStatus::Failed && c.failure.is_some()),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_savepoint_is_taken_verified_renamed_and_deleted() {
    let (cluster, worker) = start(1).await;
    let job = cluster.create_job(1).await;
    worker.started(job.id, 1).await;
    cluster.wait_for(job.id, Phase::Running).await;
    let body = json!({ "name": "before the change", "tags": ["daily"] });
    let path = format!("/api/v1/jobs/{}/savepoints", job.id);
    let asked: api::Savepoint = cluster.post(&path, &body, StatusCode::ACCEPTED).await;
    let taken = savepoint(&cluster, asked.id, SavepointStatus::Completed).await;
    assert_eq!(
        (taken.name.as_str(), taken.job_name.as_str()),
        ("before the change", job.name.as_str())
    );
    assert!(taken.bytes > 0 && taken.sql == SQL, "{taken:?}");
    let path = format!("/api/v1/savepoints/{}", taken.id);
    let found: api::Verification = cluster
        .post(&format!("{path}/verify"), &json!({}), StatusCode::OK)
        .await;
    assert!(found.intact, "{found:?}");
    let body = json!({ "description": "for the auditors" });
    let answer = cluster
        .request(Method::PATCH, &path)
        .json(&body)
        .send()
        .await
        .expect("an answer");
    let renamed: api::Savepoint = answer.json().await.expect("a savepoint");
    assert_eq!(
        (renamed.name.as_str(), renamed.description.as_str()),
        ("before the change", "for the auditors")
    );
    let answer = cluster
        .request(Method::DELETE, &path)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let folder = taken.url.strip_prefix("file://").expect("a folder");
    let left = std::path::Path::new(folder);
    assert!(!left.exists() || walk(left).is_empty(), "its files are gone");
    assert_eq!(cluster.job(job.id).await.phase, Phase::Running, "the job went on");
    let answer = cluster
        .request(Method::GET, &path)
        .send()
        .await
        .expect("an answer");
    let problem: Problem = answer.json().await.expect("a problem");
    assert_eq!(problem.code.as_str(), "savepoint_not_found");
}

#[tokio::test]
async fn a_job_stops_with_a_savepoint_and_goes_on_from_it() {
    let (cluster, worker) = start(1).await;
    let job = cluster.create_job(1).await;
    worker.started(job.id, 1).await;
    cluster.wait_for(job.id, Phase::Running).await;
    worker.state().position = 99;
    let path = format!("/api/v1/jobs/{}", job.id);
    let asked: api::Job = cluster
        .post(
            &format!("{path}/stop"),
            &json!({ "drain": true }),
            StatusCode::ACCEPTED,
        )
        .await;
    assert!(
        matches!(asked.phase, Phase::Stopping | Phase::Stopped),
        "{asked:?}"
    );
    let stopped = cluster.wait_for(job.id, Phase::Stopped).await;
    let with = stopped.savepoint.expect("a savepoint");
    savepoint(&cluster, with, SavepointStatus::Completed).await;
    let trigger = worker.state().triggers.last().cloned().expect("a trigger");
    assert_eq!(
        (trigger.after(), trigger.savepoint_url.is_some()),
        (AfterBarrier::Drain, true)
    );
    assert!(
        worker.state().commits.contains(&trigger.checkpoint),
        "what it stops with is committed"
    );
    let answer = cluster
        .request(Method::DELETE, &format!("/api/v1/savepoints/{with}"))
        .send()
        .await
        .expect("an answer");
    let problem: Problem = answer.json().await.expect("a problem");
    assert_eq!(
        problem.code.as_str(),
        "savepoint_conflict",
        "the job would begin with it"
    );
    let resumed: api::Job = cluster
        .post(&format!("{path}/resume"), &json!({}), StatusCode::ACCEPTED)
        .await;
    assert_eq!(resumed.ended_at_ms, None);
    let again = worker.started(job.id, 2).await;
    assert_eq!(positions(&again), ["{\"position\":99}"]);
    let events = cluster.events(job.id).await;
    for expected in ["stop_requested", "job_stopped", "job_resumed", "state_restored"] {
        assert!(
            events.contains(&expected.into()),
            "{expected} is not in {events:?}"
        );
    }
}

#[tokio::test]
async fn a_job_that_fails_while_it_commits_the_savepoint_to_stop_with_goes_on_from_that() {
    let (cluster, worker) = start(1).await;
    let job = cluster.create_job_of(&often(), 1).await;
    let deploy = worker.started(job.id, 1).await;
    completed(&cluster, job.id, 1).await;
    worker.state().hold_savepoints = true;
    let path = format!("/api/v1/jobs/{}/stop", job.id);
    let _: api::Job = cluster.post(&path, &json!({}), StatusCode::ACCEPTED).await;
    let url = eventually("the commit of a savepoint", async || {
        let state = worker.state();
        let trigger = state.triggers.last()?;
        let told = state.commits.contains(&trigger.checkpoint);
        trigger.savepoint_url.clone().filter(|_| told)
    })
    .await;
    worker
        .fail(&deploy, Failure::external("the broker is away"))
        .await;
    let again = worker.started(job.id, 3).await;
    let from = &again.restore[0].states[0].folder_url;
    assert_eq!(*from, url, "what was perhaps committed is not done again");
}

#[tokio::test]
async fn a_job_whose_savepoint_to_stop_with_fails_goes_on() {
    let (cluster, worker) = start(1).await;
    let job = cluster.create_job(1).await;
    worker.started(job.id, 1).await;
    cluster.wait_for(job.id, Phase::Running).await;
    worker.state().fail_snapshots = Some(Failure::external("disk full"));
    let path = format!("/api/v1/jobs/{}", job.id);
    let _: api::Job = cluster
        .post(&format!("{path}/stop"), &json!({}), StatusCode::ACCEPTED)
        .await;
    let says = "it was not stopped: disk full";
    cluster
        .wait_until(job.id, says, |job| {
            job.phase == Phase::Running && job.phase_reason.as_deref() == Some(says)
        })
        .await;
    worker.state().fail_snapshots = None;
    let _: api::Job = cluster
        .post(&format!("{path}/stop"), &json!({}), StatusCode::ACCEPTED)
        .await;
    cluster.wait_for(job.id, Phase::Stopped).await;
}

#[tokio::test]
async fn a_job_is_rescaled_from_a_checkpoint_that_is_taken_for_it() {
    let (cluster, worker) = start(3).await;
    let job = cluster.create_job(1).await;
    worker.started(job.id, 1).await;
    cluster.wait_for(job.id, Phase::Running).await;
    worker.state().position = 7;
    let path = format!("/api/v1/jobs/{}", job.id);
    let too_many = cluster
        .request(Method::POST, &format!("{path}/rescale"))
        .json(&json!({ "parallelism": 4 }));
    let problem: Problem = too_many
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("a problem");
    assert!(problem.detail.contains("3 are there"), "{problem}");
    let _: api::Job = cluster
        .post(
            &format!("{path}/rescale"),
            &json!({ "parallelism": 3 }),
            StatusCode::ACCEPTED,
        )
        .await;
    let again = worker.started(job.id, 3).await;
    assert!(
        again
            .graph
            .as_ref()
            .expect("a graph")
            .operators
            .iter()
            .any(|o| o.parallelism == 3)
    );
    assert!(
        positions(&again).contains(&"{\"position\":7}".to_owned()),
        "{:?}",
        positions(&again)
    );
    let running = cluster
        .wait_until(job.id, "parallelism 3", |job| {
            job.phase == Phase::Running && job.parallelism == 3
        })
        .await;
    assert_eq!((running.rescale_to, running.attempt.0), (None, 2));
    let list: api::RescaleList = cluster.get(&format!("{path}/rescales")).await;
    let rescale = &list.rescales[0];
    assert_eq!(
        (rescale.from, rescale.to, rescale.status),
        (1, 3, RescaleStatus::Completed)
    );
    assert!(
        rescale.pause_ms >= rescale.redeploy_ms && rescale.redeploy_ms.is_some(),
        "{rescale:?}"
    );
    let list: api::ExceptionList = cluster.get(&format!("{path}/exceptions")).await;
    assert!(list.exceptions.is_empty(), "a rescale is no failure");
}

#[tokio::test]
async fn a_job_begins_with_the_savepoint_of_another() {
    let (cluster, worker) = start(2).await;
    let job = cluster.create_job(1).await;
    worker.started(job.id, 1).await;
    cluster.wait_for(job.id, Phase::Running).await;
    worker.state().position = 12;
    let path = format!("/api/v1/jobs/{}/savepoints", job.id);
    let asked: api::Savepoint = cluster.post(&path, &json!({}), StatusCode::ACCEPTED).await;
    let taken = savepoint(&cluster, asked.id, SavepointStatus::Completed).await;
    let of = format!("/api/v1/savepoints/{}/compatibility", taken.id);
    let report: api::Compatibility = cluster.post(&of, &json!({ "sql": SQL }), StatusCode::OK).await;
    assert!(report.compatible, "{report:?}");
    let other = SQL.replace("numbers", "others");
    let report: api::Compatibility = cluster.post(&of, &json!({ "sql": other }), StatusCode::OK).await;
    assert!(!report.compatible && report.compatible_if_dropped, "{report:?}");
    let body = json!({ "sql": other, "from": taken.id });
    let problem: Problem = cluster.post("/api/v1/jobs", &body, StatusCode::CONFLICT).await;
    assert_eq!(problem.code.as_str(), "state_incompatible");
    let body = json!({ "sql": SQL, "from": taken.id });
    let second: api::Job = cluster.post("/api/v1/jobs", &body, StatusCode::CREATED).await;
    let deploy = worker.started(second.id, 1).await;
    assert_eq!(positions(&deploy), ["{\"position\":12}"]);
}

#[tokio::test]
async fn a_savepoint_is_exported_and_imported_as_one_folder() {
    let (cluster, worker) = start(1).await;
    let job = cluster.create_job(1).await;
    worker.started(job.id, 1).await;
    cluster.wait_for(job.id, Phase::Running).await;
    let path = format!("/api/v1/jobs/{}/savepoints", job.id);
    let asked: api::Savepoint = cluster
        .post(&path, &json!({ "name": "moved" }), StatusCode::ACCEPTED)
        .await;
    let taken = savepoint(&cluster, asked.id, SavepointStatus::Completed).await;
    let elsewhere = tempfile::TempDir::new().expect("a folder");
    let url = format!("file://{}/moved", elsewhere.path().display());
    let exported: api::Exported = cluster
        .post(
            &format!("/api/v1/savepoints/{}/export", taken.id),
            &json!({ "url": url }),
            StatusCode::OK,
        )
        .await;
    assert!(exported.files >= 2, "{exported:?}");
    let other = Cluster::with_checkpoints().await;
    let imported: api::Savepoint = other
        .post(
            "/api/v1/savepoints/import",
            &json!({ "url": url }),
            StatusCode::CREATED,
        )
        .await;
    assert_eq!(
        (imported.name.as_str(), imported.sql.as_str(), imported.job),
        ("moved", SQL, taken.job)
    );
    assert_ne!(imported.url, url, "it is in the folder of that cluster");
    let worker = FakeWorker::connect(other.handle.grpc_address, 1).await;
    let body = json!({ "sql": SQL, "from": imported.id });
    let second: api::Job = other.post("/api/v1/jobs", &body, StatusCode::CREATED).await;
    worker.started(second.id, 1).await;
}

#[tokio::test]
async fn a_restarted_control_plane_goes_on_with_the_checkpoints_of_running_jobs() {
    let (cluster, mut worker) = start(1).await;
    let job = cluster.create_job_of(&often(), 1).await;
    worker.started(job.id, 1).await;
    let before = completed(&cluster, job.id, 1).await;
    worker.disconnect();
    let cluster = cluster.restart().await;
    worker.reconnect(cluster.handle.grpc_address).await;
    let after = completed(&cluster, job.id, before.number + 3).await;
    assert_eq!(after.generation, before.generation, "the job was not restarted");
    let all = checkpoints(&cluster, job.id).await;
    let numbers: std::collections::BTreeSet<u64> = all.iter().map(|c| c.number).collect();
    assert_eq!(numbers.len(), all.len(), "no number was used twice");
}

#[tokio::test]
async fn without_a_folder_for_it_nothing_is_kept_and_that_is_said() {
    let cluster = Cluster::start().await;
    let worker = FakeWorker::connect(cluster.handle.grpc_address, 1).await;
    let job = cluster.create_job_of(&often(), 1).await;
    let deploy = worker.started(job.id, 1).await;
    assert_eq!(deploy.state_url, None);
    cluster.wait_for(job.id, Phase::Running).await;
    let path = format!("/api/v1/jobs/{}/savepoints", job.id);
    let problem: Problem = cluster.post(&path, &json!({}), StatusCode::CONFLICT).await;
    assert_eq!(problem.code.as_str(), "checkpoints_disabled");
    worker.finish(&deploy).await;
    cluster.wait_for(job.id, Phase::Finished).await;
}

#[tokio::test]
async fn a_stop_without_a_savepoint_goes_on_from_the_last_checkpoint() {
    let (cluster, worker) = start(1).await;
    let job = cluster.create_job_of(&often(), 1).await;
    worker.started(job.id, 1).await;
    worker.state().position = 5;
    let first = completed(&cluster, job.id, 1).await;
    completed(&cluster, job.id, first.number + 2).await;
    let path = format!("/api/v1/jobs/{}", job.id);
    let _: api::Job = cluster
        .post(
            &format!("{path}/stop"),
            &json!({ "savepoint": false }),
            StatusCode::ACCEPTED,
        )
        .await;
    let stopped = cluster.wait_for(job.id, Phase::Stopped).await;
    assert_eq!(stopped.savepoint, None);
    let _: api::Job = cluster
        .post(&format!("{path}/resume"), &json!({}), StatusCode::ACCEPTED)
        .await;
    let again = worker.started(job.id, 2).await;
    assert_eq!(positions(&again), ["{\"position\":5}"]);
    let _: Problem = cluster
        .post(&format!("{path}/resume"), &json!({}), StatusCode::CONFLICT)
        .await;
}

#[tokio::test]
async fn what_no_checkpoint_refers_to_is_listed_and_deleted_and_nothing_else() {
    let (cluster, worker) = start(1).await;
    let job = cluster.create_job_of(&often(), 1).await;
    let deploy = worker.started(job.id, 1).await;
    let taken = completed(&cluster, job.id, 1).await;
    worker
        .fail(&deploy, Failure::external("the broker is away"))
        .await;
    worker.started(job.id, 3).await;
    let folder = cluster
        .state
        .as_ref()
        .expect("a folder")
        .path()
        .join("jobs")
        .join(job.id.to_string());
    let left = folder.join("state/1/0-0");
    std::fs::create_dir_all(&left).expect("a folder");
    std::fs::write(left.join(format!("{}-rows", taken.number + 1000)), "left behind").expect("written");
    std::fs::write(folder.join("notes.txt"), "not ours").expect("written");
    let found: api::GarbageList = cluster.get("/api/v1/garbage").await;
    let file = found
        .files
        .iter()
        .find(|file| file.path.starts_with("state/1/"))
        .expect("it is found");
    assert_eq!((file.job, file.bytes), (job.id, 11));
    assert!(file.why.contains("deployment 1 is gone"), "{}", file.why);
    let answer = cluster
        .request(Method::DELETE, "/api/v1/garbage")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!left.exists() || walk(&left).is_empty(), "it is gone");
    assert!(
        folder.join("notes.txt").exists(),
        "what is nobody's is left alone"
    );
}
