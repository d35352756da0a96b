//! Routes about a job's checkpoints, and about stopping, resuming and rescaling it.

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use weir_model::{
    ErrorCode, JobId, Phase, Problem,
    api::{CheckpointDetail, CheckpointList, ExceptionList, Job, RescaleJob, RescaleList, StopJob},
};

use super::{
    App,
    extract::{CheckpointPath, JobPath, JsonBody},
    jobs::{check_parallelism, conflict},
    problem::ApiError,
    savepoints::{NewNamed, new_savepoint},
};
use crate::{db::StoreError, job};

/// List a job's checkpoints
///
/// Its checkpoints and savepoints, the newest first, at most 200.
#[utoipa::path(
    get, path = "/jobs/{id}/checkpoints", tag = "checkpoints", params(("id" = JobId, Path, description = "the job's id")),
    responses(
        (status = 200, description = "its checkpoints", body = CheckpointList),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn list(State(app): State<App>, JobPath(id): JobPath) -> Result<Json<CheckpointList>, ApiError> {
    app.context.store.job(id).await?;
    let checkpoints = app.context.store.checkpoints(id).await?;
    Ok(Json(CheckpointList { checkpoints }))
}

/// Show a checkpoint
///
/// With the part of each subtask.
#[utoipa::path(
    get, path = "/jobs/{id}/checkpoints/{number}", tag = "checkpoints",
    params(
        ("id" = JobId, Path, description = "the job's id"),
        ("number" = u64, Path, description = "the checkpoint's number"),
    ),
    responses(
        (status = 200, description = "the checkpoint", body = CheckpointDetail),
        (status = 404, description = "no such job or checkpoint", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn show(
    State(app): State<App>,
    CheckpointPath(id, number): CheckpointPath,
) -> Result<Json<CheckpointDetail>, ApiError> {
    app.context.store.job(id).await?;
    Ok(Json(app.context.store.checkpoint(id, number).await?))
}

/// List a job's failures
///
/// What failed, where, and what was done about it, the newest first, at most 200.
#[utoipa::path(
    get, path = "/jobs/{id}/exceptions", tag = "jobs", params(("id" = JobId, Path, description = "the job's id")),
    responses(
        (status = 200, description = "its failures", body = ExceptionList),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn exceptions(
    State(app): State<App>,
    JobPath(id): JobPath,
) -> Result<Json<ExceptionList>, ApiError> {
    app.context.store.job(id).await?;
    let exceptions = app.context.store.exceptions(id).await?;
    Ok(Json(ExceptionList { exceptions }))
}

/// Stop a job
///
/// Asks for it. With a savepoint, the job stops when that is there, and goes on from it when it is resumed; if the
/// savepoint fails, the job goes on. Without one it stops at once, and goes on from its last checkpoint.
#[utoipa::path(
    post, path = "/jobs/{id}/stop", tag = "jobs", params(("id" = JobId, Path, description = "the job's id")),
    request_body = StopJob,
    responses(
        (status = 202, description = "the job, on its way", body = Job),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "the job's phase does not allow it", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn stop(
    State(app): State<App>,
    JobPath(id): JobPath,
    JsonBody(request): JsonBody<StopJob>,
) -> Result<impl IntoResponse, ApiError> {
    let StopJob {
        savepoint,
        drain,
        name,
    } = request;
    let job = app.context.store.job(id).await?;
    let now_ms = app.context.clock.now_ms();
    let stopped = if savepoint {
        let named = NewNamed {
            name,
            ..NewNamed::default()
        };
        let new = new_savepoint(&app, &job, named)?;
        app.context.store.request_stop_with(&new, drain, now_ms).await
    } else if drain || name.is_some() {
        let detail = "'drain' and 'name' are about the savepoint: leave them out, or take one";
        return Err(ApiError::new(ErrorCode::InvalidRequest, detail));
    } else {
        app.context.store.request_stop(id, now_ms).await
    };
    let stopped = stopped.map_err(|error| stale(error, &cannot_stop(&job, savepoint)))?;
    accepted(&app, &stopped).await
}

fn cannot_stop(job: &job::Job, savepoint: bool) -> String {
    let phase = job.phase;
    if job.phase.is_terminal() {
        format!("the job is {phase}: there is nothing to stop")
    } else if savepoint && job.rescale_to.is_some() {
        "the job is being rescaled: a savepoint can be taken when it runs again".to_owned()
    } else if savepoint {
        format!("the job is {phase}, and a savepoint needs one that runs; stop it without a savepoint")
    } else {
        format!("the job is {phase} already")
    }
}

/// Resume a job
///
/// Lets a stopped job go on: from the savepoint that it was stopped with, else from its last checkpoint.
#[utoipa::path(
    post, path = "/jobs/{id}/resume", tag = "jobs", params(("id" = JobId, Path, description = "the job's id")),
    responses(
        (status = 202, description = "the job, on its way", body = Job),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "the job has not stopped", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn resume(State(app): State<App>, JobPath(id): JobPath) -> Result<impl IntoResponse, ApiError> {
    let resumed = app
        .context
        .store
        .request_resume(id, app.context.clock.now_ms())
        .await;
    let resumed =
        resumed.map_err(|error| stale(error, "the job has not stopped: there is nothing to resume"))?;
    accepted(&app, &resumed).await
}

/// Rescale a job
///
/// Asks for it. A job that runs takes a checkpoint, and goes on from it at the new parallelism; one that does not gets
/// it when it runs next.
#[utoipa::path(
    post, path = "/jobs/{id}/rescale", tag = "jobs", params(("id" = JobId, Path, description = "the job's id")),
    request_body = RescaleJob,
    responses(
        (status = 202, description = "the job, on its way", body = Job),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "the job's phase or the cluster's slots do not allow it", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn rescale(
    State(app): State<App>,
    JobPath(id): JobPath,
    JsonBody(RescaleJob { parallelism }): JsonBody<RescaleJob>,
) -> Result<impl IntoResponse, ApiError> {
    check_parallelism(Some(parallelism))?;
    let store = &app.context.store;
    let job = store.job(id).await?;
    let sql = store.sql_of_job(id).await?;
    check_rescale(&app, &job, parallelism)?;
    let planned = app
        .planner
        .plan(&sql, Some(parallelism), app.secrets().await?)
        .await?;
    let now_ms = app.context.clock.now_ms();
    let rescaled = store
        .request_rescale(&job, parallelism, &planned.graph, now_ms)
        .await
        .map_err(|error| stale(error, &format!("the job is {}: it cannot be rescaled", job.phase)))?;
    accepted(&app, &rescaled).await
}

fn check_rescale(app: &App, job: &job::Job, parallelism: u32) -> Result<(), ApiError> {
    if job.rescale_to.unwrap_or(job.parallelism) == parallelism {
        return Err(conflict(&format!(
            "the parallelism of the job is {parallelism} already"
        )));
    }
    if job.phase != Phase::Running {
        return Ok(());
    }
    super::savepoints::state_url(app)?;
    let free_slots = app.context.cluster.observe(job.id).free_slots;
    let slots = free_slots + job.parallelism;
    if parallelism > slots {
        return Err(conflict(&format!(
            "parallelism {parallelism} takes as many slots, and {slots} are there for the job"
        )));
    }
    Ok(())
}

/// List a job's rescales
///
/// With their measured pauses, the newest first, at most 200.
#[utoipa::path(
    get, path = "/jobs/{id}/rescales", tag = "jobs", params(("id" = JobId, Path, description = "the job's id")),
    responses(
        (status = 200, description = "its rescales", body = RescaleList),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn rescales(State(app): State<App>, JobPath(id): JobPath) -> Result<Json<RescaleList>, ApiError> {
    app.context.store.job(id).await?;
    let rescales = app.context.store.rescales(id).await?;
    Ok(Json(RescaleList { rescales }))
}

async fn accepted(app: &App, job: &job::Job) -> Result<(StatusCode, Json<Job>), ApiError> {
    app.context.wake.now();
    app.context.moves.tell(job.id);
    let sql = app.context.store.sql_of_job(job.id).await?;
    Ok((StatusCode::ACCEPTED, Json(job.to_api(sql))))
}

/// A conflict in the words of the request.
fn stale(error: StoreError, detail: &str) -> ApiError {
    match error {
        StoreError::Stale => conflict(detail),
        other => other.into(),
    }
}
