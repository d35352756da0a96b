//! Routes about jobs.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use weir_model::{
    DEFAULT_MAX_PARALLELISM, ErrorCode, JobId, Problem,
    api::{CreateJob, EventList, ExecutionList, Job, JobList, Output},
    graph::Graph,
    metrics::JobMetrics,
};
use weir_proto::graph::{JobGraph, Operator, Table, operator::Spec};

use super::{
    App,
    extract::{JobPath, JsonBody},
    problem::ApiError,
    savepoints,
    sql::graph_of,
};
use crate::{
    checkpoint::folder,
    db::{StoreError, jobs::NewJob},
    job::{Base, restart::RestartStrategy},
};

/// Characters of a job's name at most.
const NAME_CHARS: usize = 200;

/// Start a job
///
/// Plans the script and accepts the job; it runs as soon as enough slots are free. Nothing is kept when the script is
/// wrong, or cannot begin with the savepoint that is named.
#[utoipa::path(
    post, path = "/jobs", tag = "jobs", request_body = CreateJob,
    responses(
        (status = 201, description = "the job was accepted", body = Job),
        (status = 400, description = "what is wrong with the script", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "it cannot begin with the savepoint", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn create(
    State(app): State<App>,
    JsonBody(request): JsonBody<CreateJob>,
) -> Result<impl IntoResponse, ApiError> {
    let CreateJob {
        sql,
        name,
        parallelism,
        from,
        allow_dropped_state,
        preview,
    } = request;
    check_parallelism(parallelism)?;
    let name = name.map(|name| checked_name("job", &name)).transpose()?;
    let planned = app.planner.plan(&sql, parallelism, app.secrets().await?).await?;
    check_parallelism(Some(planned.parallelism))?;
    if preview {
        check_writes_nothing(&planned.graph)?;
    }
    if let Some(savepoint) = from {
        savepoints::check_compatible(&app, savepoint, &planned.graph, allow_dropped_state).await?;
    }
    let settings = planned.graph.settings.as_ref();
    let base = Base {
        savepoint: from,
        allow_dropped_state,
        ..Base::default()
    };
    let job = NewJob {
        id: app.context.ids.job(),
        name: name.unwrap_or_else(|| made_name(&planned.name)),
        sql,
        parallelism: planned.parallelism,
        base,
        restart_strategy: settings.and_then(RestartStrategy::of_settings),
        graph: planned.graph,
    };
    let kept = app
        .context
        .store
        .create_job(&job, app.context.clock.now_ms())
        .await?;
    tracing::info!(job = %kept.id, name = kept.name, "a job was accepted");
    app.context.wake.now();
    let location = format!("/api/v1/jobs/{}", kept.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(kept.to_api(job.sql)),
    ))
}

/// Refuses a job that writes to another system.
fn check_writes_nothing(graph: &JobGraph) -> Result<(), ApiError> {
    let sink = |operator: &Operator| match &operator.spec {
        Some(Spec::Sink(sink)) => sink.table.clone(),
        _ => None,
    };
    let writes = |table: &Table| !["print", "blackhole"].contains(&table.connector.as_str());
    match graph.operators.iter().filter_map(sink).find(writes) {
        None => Ok(()),
        Some(table) => Err(ApiError::new(
            ErrorCode::InvalidRequest,
            format!(
                "a preview writes nothing, and '{}' is a table of connector '{}': leave its INSERT INTO out",
                table.name, table.connector
            ),
        )),
    }
}

/// List jobs
///
/// The newest first, at most 1000, without their scripts.
#[utoipa::path(
    get, path = "/jobs", tag = "jobs",
    responses(
        (status = 200, description = "jobs", body = JobList),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn list(State(app): State<App>) -> Result<Json<JobList>, ApiError> {
    let jobs = app.context.store.jobs().await?;
    Ok(Json(JobList {
        jobs: jobs.iter().map(|job| job.to_api(String::new())).collect(),
    }))
}

/// Show a job
#[utoipa::path(
    get, path = "/jobs/{id}", tag = "jobs", params(("id" = JobId, Path, description = "the job's id")),
    responses(
        (status = 200, description = "the job", body = Job),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn show(State(app): State<App>, JobPath(id): JobPath) -> Result<Json<Job>, ApiError> {
    let job = app.context.store.job(id).await?;
    let sql = app.context.store.sql_of_job(id).await?;
    Ok(Json(job.to_api(sql)))
}

/// Cancel a job
///
/// Asks for it; the job is cancelled when its tasks have stopped. Cancelling a job that is being or has been cancelled
/// changes nothing.
#[utoipa::path(
    post, path = "/jobs/{id}/cancel", tag = "jobs", params(("id" = JobId, Path, description = "the job's id")),
    responses(
        (status = 202, description = "the job, on its way", body = Job),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "the job has finished or failed", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn cancel(State(app): State<App>, JobPath(id): JobPath) -> Result<impl IntoResponse, ApiError> {
    let job = app
        .context
        .store
        .request_cancel(id, app.context.clock.now_ms())
        .await
        .map_err(|error| match error {
            StoreError::Stale => conflict("the job has already ended: there is nothing to cancel"),
            other => other.into(),
        })?;
    app.context.wake.now();
    app.context.moves.tell(id);
    let sql = app.context.store.sql_of_job(id).await?;
    Ok((StatusCode::ACCEPTED, Json(job.to_api(sql))))
}

/// Delete a job
///
/// Removes all records of a job that has ended, and its checkpoints, but not its savepoints and its entries in the audit
/// trail.
#[utoipa::path(
    delete, path = "/jobs/{id}", tag = "jobs", params(("id" = JobId, Path, description = "the job's id")),
    responses(
        (status = 204, description = "the job is gone"),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "the job has not ended", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn delete(State(app): State<App>, JobPath(id): JobPath) -> Result<StatusCode, ApiError> {
    app.context
        .store
        .delete_job(id, app.context.clock.now_ms())
        .await
        .map_err(|error| match error {
            StoreError::Stale => conflict("the job has not ended: cancel it first"),
            other => other.into(),
        })?;
    app.context.wake.now();
    app.context.moves.tell(id);
    if let Some(state_url) = &app.context.state_url {
        let (context, url) = (app.context.clone(), folder::of_job(state_url, id));
        tokio::spawn(async move {
            // What stays is found as garbage.
            if let Err(failure) = folder::delete(&context, &url).await {
                tracing::warn!(%failure, url, "the checkpoints of a deleted job could not be deleted");
            }
        });
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Show a job's graph
#[utoipa::path(
    get, path = "/jobs/{id}/graph", tag = "jobs", params(("id" = JobId, Path, description = "the job's id")),
    responses(
        (status = 200, description = "its operators and the edges between them", body = Graph),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn graph(State(app): State<App>, JobPath(id): JobPath) -> Result<Json<Graph>, ApiError> {
    let graph = app.context.store.graph_of_job(id).await?;
    graph_of(&graph).map(Json)
}

/// List a job's events
///
/// Who or what did what to it, the newest first, at most 500.
#[utoipa::path(
    get, path = "/jobs/{id}/events", tag = "jobs", params(("id" = JobId, Path, description = "the job's id")),
    responses(
        (status = 200, description = "its events", body = EventList),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn events(State(app): State<App>, JobPath(id): JobPath) -> Result<Json<EventList>, ApiError> {
    app.context.store.job(id).await?;
    Ok(Json(EventList {
        events: app.context.store.events_of_job(id).await?,
    }))
}

/// List a job's executions
///
/// Its attempts with the placement of their subtasks, the newest first.
#[utoipa::path(
    get, path = "/jobs/{id}/executions", tag = "jobs", params(("id" = JobId, Path, description = "the job's id")),
    responses(
        (status = 200, description = "its executions", body = ExecutionList),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn executions(
    State(app): State<App>,
    JobPath(id): JobPath,
) -> Result<Json<ExecutionList>, ApiError> {
    app.context.store.job(id).await?;
    Ok(Json(ExecutionList {
        executions: app.context.store.executions(id).await?,
    }))
}

/// Show what a job printed
///
/// The last rows that its `print` sinks wrote in the current or last execution, and how many there were.
#[utoipa::path(
    get, path = "/jobs/{id}/output", tag = "jobs", params(("id" = JobId, Path, description = "the job's id")),
    responses(
        (status = 200, description = "rows", body = Output),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn output(State(app): State<App>, JobPath(id): JobPath) -> Result<Json<Output>, ApiError> {
    app.context.store.job(id).await?;
    Ok(Json(
        app.context
            .store
            .output(id, app.context.limits.printed_rows)
            .await?,
    ))
}

/// Show a job's numbers
///
/// Live while it runs; the last ones when it has ended.
#[utoipa::path(
    get, path = "/jobs/{id}/metrics", tag = "jobs", params(("id" = JobId, Path, description = "the job's id")),
    responses(
        (status = 200, description = "its numbers", body = JobMetrics),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn metrics(State(app): State<App>, JobPath(id): JobPath) -> Result<Json<JobMetrics>, ApiError> {
    app.context.store.job(id).await?;
    Ok(Json(numbers(&app, id).await?))
}

/// The job's numbers: live ones if there are any, else the last that were kept.
pub(super) async fn numbers(app: &App, id: JobId) -> Result<JobMetrics, ApiError> {
    if let Some(live) = app.context.metrics.of_job(id) {
        return Ok(live);
    }
    let none_yet = || JobMetrics {
        at_ms: app.context.clock.now_ms(),
        ..JobMetrics::default()
    };
    Ok(app
        .context
        .store
        .final_metrics(id)
        .await?
        .unwrap_or_else(none_yet))
}

/// Refuses a parallelism that no job can have.
pub(super) fn check_parallelism(parallelism: Option<u32>) -> Result<(), ApiError> {
    match parallelism {
        Some(p) if !(1..=DEFAULT_MAX_PARALLELISM).contains(&p) => Err(ApiError::new(
            ErrorCode::InvalidRequest,
            format!("parallelism must be between 1 and {DEFAULT_MAX_PARALLELISM}, not {p}"),
        )),
        _ => Ok(()),
    }
}

pub(super) fn checked_name(of: &str, name: &str) -> Result<String, ApiError> {
    let wrong = |what: &str| {
        Err(ApiError::new(
            ErrorCode::InvalidRequest,
            format!("the {of}'s name {what}"),
        ))
    };
    let name = name.trim();
    if name.is_empty() {
        return wrong("is empty; leave it out to get one made for it");
    }
    if name.chars().count() > NAME_CHARS {
        return wrong(&format!("is longer than {NAME_CHARS} characters"));
    }
    if name.chars().any(char::is_control) {
        return wrong("has a control character such as a line break");
    }
    Ok(name.to_owned())
}

/// A name from the script, made to fit.
fn made_name(name: &str) -> String {
    let name: String = name
        .chars()
        .filter(|c| !c.is_control())
        .take(NAME_CHARS)
        .collect();
    if name.trim().is_empty() {
        "job".to_owned()
    } else {
        name
    }
}

pub(super) fn conflict(detail: &str) -> ApiError {
    ApiError::new(ErrorCode::JobConflict, detail)
}
