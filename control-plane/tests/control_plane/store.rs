//! The metadata store on a real Postgres.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use weir_control_plane::{
    db::{
        Store, StoreError,
        events::{Actor, Kind, NewEvent},
        jobs::NewJob,
        output::Printed,
        transitions::ExecutionChange,
    },
    job::{Base, Desired, Job, decide::Action, transition},
};
use weir_env::{Ids as _, SystemClock, ids::SystemIds};
use weir_model::{
    Failure, Generation, JobId, Phase, SubtaskIndex, TaskId, WorkerId,
    api::{Placement, Worker, WorkerState},
    metrics::JobMetrics,
};
use weir_proto::graph::{JobGraph, Operator};

use crate::cluster::database;

async fn open(url: &str) -> Result<Store, StoreError> {
    Store::open(url, 4, Duration::ZERO, &SystemClock::new()).await
}

async fn store() -> Store {
    open(&database().await).await.expect("a store")
}

fn new_job() -> NewJob {
    let operator = Operator {
        name: "Source: clicks".into(),
        parallelism: 2,
        ..Operator::default()
    };
    NewJob {
        id: JobId(SystemIds.next()),
        name: "clicks".into(),
        sql: "INSERT INTO shown SELECT * FROM clicks".into(),
        graph: JobGraph {
            operators: vec![operator],
            max_parallelism: 1024,
            ..JobGraph::default()
        },
        parallelism: 2,
        base: Base::default(),
        restart_strategy: None,
    }
}

/// Performs the action on the record, as `perform` does.
async fn step(store: &Store, job: &Job, action: &Action, execution: ExecutionChange) -> Job {
    let after = transition::apply(job, action, 50).expect("a new record");
    store
        .move_job(job, &after, &execution, None, &[], 50)
        .await
        .expect("kept");
    let kept = store.job(job.id).await.expect("the job");
    assert_eq!(kept, after, "what is kept is what was decided");
    kept
}

fn placement() -> Vec<Placement> {
    let worker = WorkerId(SystemIds.next());
    let at = |task, subtask| Placement {
        task: TaskId(task),
        subtask: SubtaskIndex(subtask),
        worker,
    };
    vec![at(0, 0), at(0, 1), at(1, 0), at(1, 1)]
}

#[tokio::test]
async fn a_job_is_kept_with_its_script_graph_and_first_event() {
    let store = store().await;
    let new = new_job();
    let job = store.create_job(&new, 7).await.expect("created");
    assert_eq!(
        (job.phase, job.desired, job.created_at_ms),
        (Phase::Created, Desired::Running, 7)
    );
    assert_eq!(store.job(new.id).await.expect("the job"), job);
    assert_eq!(store.sql_of_job(new.id).await.expect("its script"), new.sql);
    assert_eq!(store.graph_of_job(new.id).await.expect("its graph"), new.graph);
    let events = store.events_of_job(new.id).await.expect("its events");
    assert_eq!(
        (events.len(), events[0].kind.as_str(), events[0].actor.as_str()),
        (1, "job_created", "user")
    );
}

#[tokio::test]
async fn a_job_that_cannot_be_kept_whole_is_not_kept_at_all() {
    let store = store().await;
    let broken = NewJob {
        name: "x".repeat(201),
        ..new_job()
    };
    assert!(store.create_job(&broken, 7).await.is_err());
    assert!(matches!(store.job(broken.id).await, Err(StoreError::NoSuchJob)));
    assert!(
        store
            .events_of_job(broken.id)
            .await
            .expect("an answer")
            .is_empty()
    );
}

#[tokio::test]
async fn every_step_of_a_jobs_life_is_kept_as_it_was_decided() {
    let store = store().await;
    let job = store.create_job(&new_job(), 7).await.expect("created");
    let job = step(
        &store,
        &job,
        &Action::Wait {
            reason: "waiting".into(),
        },
        ExecutionChange::None,
    )
    .await;
    let begin = ExecutionChange::Begin {
        placement: placement(),
    };
    let job = step(&store, &job, &Action::Deploy, begin.clone()).await;
    let job = step(&store, &job, &Action::MarkRunning, ExecutionChange::None).await;
    let failure = Failure::internal("worker 1 was lost");
    let restart = Action::Restart {
        failure: failure.clone(),
        restarts: 1,
        at_ms: 99,
        remember_ms: 0,
    };
    let end = |failure| ExecutionChange::End {
        failure,
        metrics: Some(JobMetrics {
            at_ms: 12,
            ..JobMetrics::default()
        }),
    };
    let job = step(&store, &job, &restart, end(Some(failure.clone()))).await;
    let job = step(&store, &job, &Action::Reschedule, ExecutionChange::None).await;
    let job = step(&store, &job, &Action::Deploy, begin).await;
    let job = step(&store, &job, &Action::MarkRunning, ExecutionChange::None).await;
    let finished = Action::End {
        phase: Phase::Finished,
        failure: None,
    };
    let job = step(&store, &job, &finished, end(None)).await;
    assert_eq!((job.attempt.0, job.generation), (2, Generation(3)));

    let executions = store.executions(job.id).await.expect("executions");
    let failures: Vec<_> = executions
        .iter()
        .map(|execution| execution.failure.clone())
        .collect();
    assert_eq!(failures, [None, Some(failure)], "the newest first");
    assert!(
        executions
            .iter()
            .all(|execution| execution.ended_at_ms == Some(50) && execution.placement.len() == 4)
    );
    assert_eq!(
        store
            .final_metrics(job.id)
            .await
            .expect("an answer")
            .map(|metrics| metrics.at_ms),
        Some(12)
    );
}

#[tokio::test]
async fn a_step_from_a_record_that_has_moved_on_is_refused_and_changes_nothing() {
    let store = store().await;
    let job = store.create_job(&new_job(), 7).await.expect("created");
    store.request_cancel(job.id, 8).await.expect("cancelling");
    let after = transition::apply(&job, &Action::Deploy, 9).expect("a record");
    let begin = ExecutionChange::Begin {
        placement: placement(),
    };
    let event = NewEvent {
        at_ms: 9,
        actor: Actor::ControlPlane,
        job: Some(job.id),
        kind: Kind::ExecutionStarted,
        message: "started".into(),
    };
    let moved = store.move_job(&job, &after, &begin, None, &[event], 9).await;
    assert!(matches!(moved, Err(StoreError::Stale)), "{moved:?}");
    assert!(store.executions(job.id).await.expect("executions").is_empty());
    let kinds: Vec<_> = store
        .events_of_job(job.id)
        .await
        .expect("events")
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, ["cancel_requested", "job_created"]);
}

#[tokio::test]
async fn only_open_executions_of_the_current_generation_are_taken_over() {
    let store = store().await;
    let begin = ExecutionChange::Begin {
        placement: placement(),
    };
    let open = store.create_job(&new_job(), 7).await.expect("created");
    let open = step(&store, &open, &Action::Deploy, begin.clone()).await;
    let failed = store.create_job(&new_job(), 7).await.expect("created");
    let failed = step(&store, &failed, &Action::Deploy, begin).await;
    let failure = Failure::internal("lost");
    let restart = Action::Restart {
        failure: failure.clone(),
        restarts: 1,
        at_ms: 99,
        remember_ms: 0,
    };
    step(
        &store,
        &failed,
        &restart,
        ExecutionChange::End {
            failure: Some(failure),
            metrics: None,
        },
    )
    .await;
    store.create_job(&new_job(), 7).await.expect("created");
    let found = store.open_executions().await.expect("executions");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].job, found[0].generation, found[0].placement.len()),
        (open.id, Generation(1), 4)
    );
}

#[tokio::test]
async fn printed_rows_are_a_bounded_sample_in_order() {
    let store = store().await;
    let job = store.create_job(&new_job(), 7).await.expect("created");
    let print = |subtask, total_rows, rows: std::ops::Range<u32>| Printed {
        job: job.id,
        table: "shown".into(),
        subtask,
        total_rows,
        rows: rows.map(|n| format!("{{\"z\":{n},\"a\":null}}")).collect(),
    };
    store.add_printed(&print(0, 3, 0..3), 5).await.expect("kept");
    store.add_printed(&print(1, 100, 3..6), 5).await.expect("kept");
    store.add_printed(&print(0, 10, 6..7), 5).await.expect("kept");
    let output = store.output(job.id, 5).await.expect("output");
    assert_eq!(output.total_rows, 110);
    let rows: Vec<_> = output.rows.iter().map(|row| row.row.to_string()).collect();
    let expected: Vec<_> = (2..7).map(|n| format!("{{\"z\":{n},\"a\":null}}")).collect();
    assert_eq!(
        rows, expected,
        "the last five, the oldest first, columns as printed"
    );
    store.add_printed(&print(0, 99, 0..50), 5).await.expect("kept");
    assert_eq!(store.output(job.id, 1000).await.expect("output").rows.len(), 5);

    step(
        &store,
        &job,
        &Action::Deploy,
        ExecutionChange::Begin {
            placement: placement(),
        },
    )
    .await;
    assert_eq!(
        store.output(job.id, 5).await.expect("output").total_rows,
        0,
        "a new execution prints anew"
    );
    let gone = Printed {
        job: JobId(SystemIds.next()),
        ..print(0, 1, 0..1)
    };
    store
        .add_printed(&gone, 5)
        .await
        .expect("rows of a job that is gone are no error");
}

#[tokio::test]
async fn workers_are_kept_when_lost_and_come_back() {
    let store = store().await;
    let worker = Worker {
        id: WorkerId(SystemIds.next()),
        address: "10.0.0.7:7000".into(),
        pid: 17,
        slots: 4,
        free_slots: 0,
        state: WorkerState::Alive,
        registered_at_ms: 5,
        last_heartbeat_ms: 5,
        memory_bytes: 0,
        cpu_milli: 0,
        version: "0.1.0".into(),
    };
    let event = |at_ms, kind| NewEvent {
        at_ms,
        actor: Actor::Worker(worker.id),
        job: None,
        kind,
        message: String::new(),
    };
    store
        .worker_registered(&worker, &event(5, Kind::WorkerRegistered))
        .await
        .expect("kept");
    assert_eq!(
        store.workers_alive().await.expect("workers"),
        std::slice::from_ref(&worker)
    );
    let last = Worker {
        last_heartbeat_ms: 9,
        memory_bytes: 1 << 40,
        state: WorkerState::Lost,
        ..worker.clone()
    };
    store
        .worker_lost(&last, &event(10, Kind::WorkerLost))
        .await
        .expect("kept");
    assert_eq!(store.workers_lost_since(10).await.expect("workers"), [last]);
    assert!(store.workers_lost_since(11).await.expect("workers").is_empty());
    store
        .worker_registered(&worker, &event(20, Kind::WorkerRegistered))
        .await
        .expect("kept");
    assert_eq!(store.workers_alive().await.expect("workers").len(), 1);
}

#[tokio::test]
async fn a_schema_newer_than_the_binary_is_refused() {
    let url = database().await;
    open(&url).await.expect("a store").close().await;
    let mut connection = PgConnection::connect(&url).await.expect("the server answers");
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'from the future', true, '', 0)";
    sqlx::query(newer).execute(&mut connection).await.expect("a row");
    let error = open(&url).await.expect_err("refused").to_string();
    assert!(
        error.contains("newer than this binary") && error.contains("9999"),
        "{error}"
    );
}

#[tokio::test]
async fn a_store_that_is_not_there_is_named_as_such() {
    let error = open("postgres://weir@127.0.0.1:1/weir")
        .await
        .expect_err("nobody listens");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("the metadata store does not answer"),
        "{error}"
    );
}
