//! Routes about savepoints: the catalogue, and what can be begun with one.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use weir_checkpoint::restore::Report;
use weir_model::{
    ErrorCode, JobId, Problem, SavepointId,
    api::{
        Compatibility, CompatibilityRequest, CreateSavepoint, Savepoint, SavepointList, SavepointStatus,
        UpdateSavepoint,
    },
};
use weir_proto::graph::JobGraph;

use super::{
    App,
    extract::{JobPath, JsonBody, SavepointPath},
    jobs::{check_parallelism, checked_name, conflict},
    problem::ApiError,
};
use crate::{
    checkpoint::{Input, begin, folder},
    db::{StoreError, savepoints::NewSavepoint},
    job::Job,
};

/// Characters of a description at most.
const DESCRIPTION_CHARS: usize = 10_000;

/// Tags of a savepoint at most, and characters of each.
const TAGS: usize = 50;
const TAG_CHARS: usize = 100;

/// Take a savepoint
///
/// Asks for it; it is there when its status is `completed`. The job goes on.
#[utoipa::path(
    post, path = "/jobs/{id}/savepoints", tag = "savepoints", params(("id" = JobId, Path, description = "the job's id")),
    request_body = CreateSavepoint,
    responses(
        (status = 202, description = "the savepoint, on its way", body = Savepoint),
        (status = 404, description = "no job of that id", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "the job does not run", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn create(
    State(app): State<App>,
    JobPath(id): JobPath,
    JsonBody(request): JsonBody<CreateSavepoint>,
) -> Result<impl IntoResponse, ApiError> {
    let CreateSavepoint {
        name,
        description,
        tags,
    } = request;
    let (context, now_ms) = (&app.context, app.context.clock.now_ms());
    let job = context.store.job(id).await?;
    let named = NewNamed {
        name,
        description,
        tags,
    };
    let new = new_savepoint(&app, &job, named)?;
    context
        .store
        .request_savepoint(&new, now_ms)
        .await
        .map_err(|error| match error {
            StoreError::Stale => conflict(&format!(
                "the job is {}: a savepoint needs one that runs",
                job.phase
            )),
            other => other.into(),
        })?;
    let savepoint = weir_checkpoint::coordinator::Savepoint {
        url: new.url.clone(),
        after: weir_checkpoint::coordinator::After::GoOn,
    };
    let input = Input::Savepoint {
        id: new.id,
        savepoint,
    };
    if !context.checkpoints.tell(job.id, job.generation, input) {
        let why = "the job was deployed anew meanwhile";
        context.store.fail_savepoint(new.id, why, now_ms).await?;
    }
    let kept = context.store.savepoint(new.id).await?;
    let location = format!("/api/v1/savepoints/{}", new.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(kept)))
}

/// What people say of a savepoint to be taken.
#[derive(Debug, Default)]
pub(super) struct NewNamed {
    pub(super) name: Option<String>,
    pub(super) description: String,
    pub(super) tags: Vec<String>,
}

/// A savepoint of the job with an id, a name and a folder.
pub(super) fn new_savepoint(app: &App, job: &Job, named: NewNamed) -> Result<NewSavepoint, ApiError> {
    let NewNamed {
        name,
        description,
        tags,
    } = named;
    let state_url = state_url(app)?;
    check_words(Some(&description), Some(&tags))?;
    let id = SavepointId(app.context.ids.next());
    let made = || job.name.clone();
    Ok(NewSavepoint {
        id,
        name: name
            .map(|name| checked_name("savepoint", &name))
            .transpose()?
            .unwrap_or_else(made),
        description,
        tags,
        job: job.id,
        url: folder::of_savepoint(&state_url, id),
    })
}

/// Where checkpoints and savepoints go.
pub(super) fn state_url(app: &App) -> Result<String, ApiError> {
    let disabled = || {
        let detail = "this cluster has no folder for checkpoints and savepoints: start its control plane with \
                      --checkpoint-dir";
        ApiError::new(ErrorCode::CheckpointsDisabled, detail)
    };
    app.context
        .state_url
        .as_deref()
        .map(ToOwned::to_owned)
        .ok_or_else(disabled)
}

fn check_words(description: Option<&str>, tags: Option<&[String]>) -> Result<(), ApiError> {
    let wrong = |detail: String| Err(ApiError::new(ErrorCode::InvalidRequest, detail));
    if description.is_some_and(|text| text.chars().count() > DESCRIPTION_CHARS) {
        return wrong(format!(
            "the description is longer than {DESCRIPTION_CHARS} characters"
        ));
    }
    let tags = tags.unwrap_or_default();
    if tags.len() > TAGS {
        return wrong(format!("there are more than {TAGS} tags"));
    }
    let bad = |tag: &&String| tag.trim().is_empty() || tag.chars().count() > TAG_CHARS;
    match tags.iter().find(bad) {
        Some(tag) => wrong(format!(
            "the tag '{tag}' is empty or longer than {TAG_CHARS} characters"
        )),
        None => Ok(()),
    }
}

/// List a job's savepoints
///
/// The newest first.
#[utoipa::path(
    get, path = "/jobs/{id}/savepoints", tag = "savepoints", params(("id" = JobId, Path, description = "the job's id")),
    responses(
        (status = 200, description = "its savepoints", body = SavepointList),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn of_job(State(app): State<App>, JobPath(id): JobPath) -> Result<Json<SavepointList>, ApiError> {
    let savepoints = app.context.store.savepoints(Some(id)).await?;
    Ok(Json(SavepointList { savepoints }))
}

/// List savepoints
///
/// The newest first, at most 1000, without the scripts of their jobs. They are kept when their job is deleted.
#[utoipa::path(
    get, path = "/savepoints", tag = "savepoints",
    responses(
        (status = 200, description = "savepoints", body = SavepointList),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn list(State(app): State<App>) -> Result<Json<SavepointList>, ApiError> {
    let savepoints = app.context.store.savepoints(None).await?;
    Ok(Json(SavepointList { savepoints }))
}

/// Show a savepoint
#[utoipa::path(
    get, path = "/savepoints/{id}", tag = "savepoints",
    params(("id" = SavepointId, Path, description = "the savepoint's id")),
    responses(
        (status = 200, description = "the savepoint", body = Savepoint),
        (status = 404, description = "no savepoint of that id", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn show(
    State(app): State<App>,
    SavepointPath(id): SavepointPath,
) -> Result<Json<Savepoint>, ApiError> {
    Ok(Json(app.context.store.savepoint(id).await?))
}

/// Change what is said of a savepoint
///
/// Its name, description and tags; what is left out stays as it is.
#[utoipa::path(
    patch, path = "/savepoints/{id}", tag = "savepoints",
    params(("id" = SavepointId, Path, description = "the savepoint's id")), request_body = UpdateSavepoint,
    responses(
        (status = 200, description = "the savepoint", body = Savepoint),
        (status = 404, description = "no savepoint of that id", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn update(
    State(app): State<App>,
    SavepointPath(id): SavepointPath,
    JsonBody(request): JsonBody<UpdateSavepoint>,
) -> Result<Json<Savepoint>, ApiError> {
    check_words(request.description.as_deref(), request.tags.as_deref())?;
    let name = request
        .name
        .map(|name| checked_name("savepoint", &name))
        .transpose()?;
    let update = UpdateSavepoint { name, ..request };
    Ok(Json(app.context.store.update_savepoint(id, &update).await?))
}

/// Delete a savepoint
///
/// With all of its files. Refused while it is being taken, and while a job would begin with it.
#[utoipa::path(
    delete, path = "/savepoints/{id}", tag = "savepoints",
    params(("id" = SavepointId, Path, description = "the savepoint's id")),
    responses(
        (status = 204, description = "the savepoint is gone"),
        (status = 404, description = "no savepoint of that id", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "it is needed", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn delete(
    State(app): State<App>,
    SavepointPath(id): SavepointPath,
) -> Result<StatusCode, ApiError> {
    let store = &app.context.store;
    let savepoint = store.savepoint(id).await?;
    if savepoint.status == SavepointStatus::InProgress {
        return Err(in_use("it is being taken: wait until it is there"));
    }
    if let Some(job) = store.jobs_in_need_of(id).await?.first() {
        return Err(in_use(&format!(
            "job {job} has no newer checkpoint to begin with"
        )));
    }
    folder::delete(&app.context, &savepoint.url)
        .await
        .map_err(unavailable)?;
    store
        .delete_savepoint(&savepoint, app.context.clock.now_ms())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn in_use(detail: &str) -> ApiError {
    ApiError::new(ErrorCode::SavepointConflict, detail)
}

pub(super) fn unavailable(failure: weir_model::Failure) -> ApiError {
    tracing::warn!(%failure, "the state folder failed a request");
    ApiError::new(ErrorCode::StateUnavailable, failure.to_string())
}

/// The savepoint, if it is there.
pub(super) async fn complete(app: &App, id: SavepointId) -> Result<Savepoint, ApiError> {
    let savepoint = app.context.store.savepoint(id).await?;
    match savepoint.status {
        SavepointStatus::Completed => Ok(savepoint),
        SavepointStatus::InProgress => Err(in_use("it is being taken: wait until it is there")),
        SavepointStatus::Failed => {
            let why = savepoint.failure.unwrap_or_default();
            Err(in_use(&format!("it could not be taken: {why}")))
        }
    }
}

/// Compare a savepoint with a script
///
/// What a job with this script would begin with, operator by operator.
#[utoipa::path(
    post, path = "/savepoints/{id}/compatibility", tag = "savepoints",
    params(("id" = SavepointId, Path, description = "the savepoint's id")), request_body = CompatibilityRequest,
    responses(
        (status = 200, description = "operator by operator", body = Compatibility),
        (status = 400, description = "what is wrong with the script", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no savepoint of that id", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn compatibility(
    State(app): State<App>,
    SavepointPath(id): SavepointPath,
    JsonBody(request): JsonBody<CompatibilityRequest>,
) -> Result<Json<Compatibility>, ApiError> {
    let CompatibilityRequest { sql, parallelism } = request;
    check_parallelism(parallelism)?;
    let savepoint = complete(&app, id).await?;
    let planned = app.planner.plan(&sql, parallelism, app.secrets().await?).await?;
    let report = report(&app, &savepoint, &planned.graph).await?;
    Ok(Json(begin::to_api(&report)))
}

async fn report(app: &App, savepoint: &Savepoint, graph: &JobGraph) -> Result<Report, ApiError> {
    let manifest = folder::manifest_of(&app.context, savepoint)
        .await
        .map_err(unavailable)?;
    Ok(begin::compare(&app.context, &manifest, graph))
}

/// Refuses a job that cannot begin with the savepoint.
pub(super) async fn check_compatible(
    app: &App,
    id: SavepointId,
    graph: &JobGraph,
    allow_dropped_state: bool,
) -> Result<(), ApiError> {
    let savepoint = complete(app, id).await?;
    let report = report(app, &savepoint, graph).await?;
    match report.refusal(allow_dropped_state) {
        None => Ok(()),
        Some(refusal) => Err(ApiError::new(ErrorCode::StateIncompatible, refusal.message)),
    }
}
