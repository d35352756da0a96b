//! What machines ask: whether the process lives, whether it can serve, and its numbers.

use std::time::Duration;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use weir_model::{ErrorCode, Phase, metrics::OperatorMetrics};

use super::{App, problem::ApiError};
use crate::{
    db::StoreError,
    job::Job,
    metrics::prometheus::{CONTENT_TYPE, Exposition},
};

/// How long the metadata store may take to answer before this control plane calls itself not ready.
const READY_WAIT: Duration = Duration::from_secs(2);

/// The process serves requests.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The metadata store answers, so that requests can be served well.
pub async fn readyz(State(app): State<App>) -> Result<&'static str, ApiError> {
    let slow = || {
        ApiError::new(
            ErrorCode::StoreUnavailable,
            "the metadata store does not answer in time",
        )
    };
    tokio::select! {
        answer = app.context.store.ping() => answer?,
        () = app.context.clock.sleep(READY_WAIT) => return Err(slow()),
    }
    Ok("ready\n")
}

/// Everything as Prometheus text.
pub async fn metrics(State(app): State<App>) -> Result<Response, ApiError> {
    let mut text = Exposition::default();
    cluster(&app, &mut text);
    jobs(&app, &mut text).await?;
    requests(&app, &mut text);
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text.into_text()).into_response())
}

fn cluster(app: &App, text: &mut Exposition) {
    let workers = app.context.cluster.workers();
    text.family("weir_workers", "gauge", "Workers that are connected.")
        .sample(&[], workers.len() as f64);
    let slots: u32 = workers.iter().map(|worker| worker.slots).sum();
    text.family("weir_slots", "gauge", "Slots of all connected workers.")
        .sample(&[], slots.into());
    let free: u32 = workers.iter().map(|worker| worker.free_slots).sum();
    text.family("weir_slots_free", "gauge", "Slots that are free.")
        .sample(&[], free.into());
    let mut memory = text.family(
        "weir_worker_memory_bytes",
        "gauge",
        "Resident memory of a worker.",
    );
    for worker in &workers {
        memory.sample(&[("worker", &worker.id.to_string())], worker.memory_bytes as f64);
    }
    let mut cpu = text.family(
        "weir_worker_cpu_cores",
        "gauge",
        "Cores that a worker keeps busy.",
    );
    for worker in &workers {
        cpu.sample(
            &[("worker", &worker.id.to_string())],
            f64::from(worker.cpu_milli) / 1000.0,
        );
    }
}

async fn jobs(app: &App, text: &mut Exposition) -> Result<(), StoreError> {
    let counts = app.context.store.job_counts().await?;
    let mut family = text.family("weir_jobs", "gauge", "Jobs by phase.");
    for phase in Phase::ALL {
        let count = counts
            .iter()
            .find(|(counted, _)| *counted == phase)
            .map_or(0, |(_, count)| *count);
        family.sample(&[("phase", phase.as_str())], count as f64);
    }
    let active = app.context.store.jobs_to_reconcile(&[]).await?;
    let mut restarts = text.family("weir_job_restarts", "gauge", "Restarts in a row.");
    for job in &active {
        restarts.sample(
            &[("job", &job.id.to_string()), ("job_name", &job.name)],
            job.restarts.into(),
        );
    }
    operators(app, &active, text);
    Ok(())
}

type Number = fn(&OperatorMetrics) -> Option<f64>;

const OPERATOR_FAMILIES: [(&str, &str, &str, Number); 6] = [
    (
        "weir_operator_rows_in_total",
        "counter",
        "Rows received in this execution.",
        |o| Some(o.rows_in as f64),
    ),
    (
        "weir_operator_rows_out_total",
        "counter",
        "Rows emitted in this execution.",
        |o| Some(o.rows_out as f64),
    ),
    (
        "weir_operator_late_rows_total",
        "counter",
        "Rows too late for their window.",
        |o| Some(o.late_rows as f64),
    ),
    (
        "weir_operator_skipped_records_total",
        "counter",
        "Records that could not be parsed and were skipped.",
        |o| Some(o.skipped_records as f64),
    ),
    (
        "weir_operator_lag_records",
        "gauge",
        "Records that wait outside behind what a source has read.",
        |o| o.lag_records.map(|lag| lag as f64),
    ),
    (
        "weir_operator_watermark_seconds",
        "gauge",
        "The lowest watermark, seconds since 1970.",
        |o| o.watermark.map(|watermark| watermark.0 as f64 / 1000.0),
    ),
];

fn operators(app: &App, jobs: &[Job], text: &mut Exposition) {
    let numbers: Vec<_> = jobs
        .iter()
        .filter_map(|job| Some((job, app.context.metrics.of_job(job.id)?)))
        .collect();
    for (name, kind, help, number) in OPERATOR_FAMILIES {
        let mut family = text.family(name, kind, help);
        for (job, numbers) in &numbers {
            for operator in &numbers.operators {
                if let Some(value) = number(operator) {
                    let (id, operator) = (job.id.to_string(), operator.operator.to_string());
                    family.sample(
                        &[("job", &id), ("job_name", &job.name), ("operator", &operator)],
                        value,
                    );
                }
            }
        }
    }
    let mut family = text.family(
        "weir_subtask_time_ratio",
        "gauge",
        "Share of the last second that a subtask was busy, backpressured or idle.",
    );
    for (job, numbers) in &numbers {
        for subtask in &numbers.subtasks {
            let (id, task, index) = (
                job.id.to_string(),
                subtask.task.to_string(),
                subtask.subtask.to_string(),
            );
            for (state, share) in [
                ("busy", subtask.busy),
                ("backpressured", subtask.backpressured),
                ("idle", subtask.idle),
            ] {
                family.sample(
                    &[
                        ("job", &id),
                        ("task", &task),
                        ("subtask", &index),
                        ("state", state),
                    ],
                    share,
                );
            }
        }
    }
}

fn requests(app: &App, text: &mut Exposition) {
    let counts = app.requests.all();
    let mut family = text.family("weir_http_requests_total", "counter", "REST requests answered.");
    for ((method, status), count) in &counts {
        family.sample(
            &[("method", method), ("status", &status.to_string())],
            count.requests as f64,
        );
    }
    let mut family = text.family(
        "weir_http_request_seconds_total",
        "counter",
        "Time spent on REST requests, to the first byte.",
    );
    for ((method, status), count) in &counts {
        family.sample(
            &[("method", method), ("status", &status.to_string())],
            count.took.as_secs_f64(),
        );
    }
}
