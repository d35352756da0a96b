//! Routes about workers and the cluster.

use axum::{Json, extract::State};
use weir_model::{
    Problem,
    api::{Info, WorkerList},
};

use super::{App, problem::ApiError};

/// List workers
///
/// Those alive first; those lost within the last hour after them.
#[utoipa::path(
    get, path = "/workers", tag = "cluster",
    responses(
        (status = 200, description = "workers", body = WorkerList),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn workers(State(app): State<App>) -> Result<Json<WorkerList>, ApiError> {
    let context = &app.context;
    let since_ms = context.clock.now_ms() - context.limits.lost_worker_retention.as_millis() as i64;
    let lost = context.store.workers_lost_since(since_ms).await?;
    let mut workers = context.cluster.workers();
    let alive: Vec<_> = workers.iter().map(|worker| worker.id).collect();
    workers.extend(lost.into_iter().filter(|worker| !alive.contains(&worker.id)));
    Ok(Json(WorkerList { workers }))
}

/// About this cluster
#[utoipa::path(
    get, path = "/info", tag = "cluster",
    responses((status = 200, description = "version, workers and slots", body = Info))
)]
pub async fn info(State(app): State<App>) -> Json<Info> {
    let workers = app.context.cluster.workers();
    Json(Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        slots: workers.iter().map(|worker| worker.slots).sum(),
        free_slots: workers.iter().map(|worker| worker.free_slots).sum(),
        workers: workers.len() as u32,
    })
}
