//! Routes that read or write whole savepoints: verifying, exporting and importing them.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use weir_model::{
    ErrorCode, Failure, Problem, SavepointId,
    api::{ExportSavepoint, Exported, ImportSavepoint, Savepoint, Verification},
};

use super::{
    App,
    extract::{JsonBody, SavepointPath},
    jobs::checked_name,
    problem::ApiError,
    savepoints::{complete, state_url, unavailable},
};
use crate::checkpoint::folder;

/// Verify a savepoint
///
/// Reads every byte of it and compares checksums. May take minutes.
#[utoipa::path(
    post, path = "/savepoints/{id}/verify", tag = "savepoints",
    params(("id" = SavepointId, Path, description = "the savepoint's id")),
    responses(
        (status = 200, description = "what was found", body = Verification),
        (status = 404, description = "no savepoint of that id", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn verify(
    State(app): State<App>,
    SavepointPath(id): SavepointPath,
) -> Result<Json<Verification>, ApiError> {
    let savepoint = complete(&app, id).await?;
    Ok(Json(
        folder::verify(&app.context, &savepoint)
            .await
            .map_err(unavailable)?,
    ))
}

/// Export a savepoint
///
/// Copies it, as one folder, to another store or for another cluster. May take minutes.
#[utoipa::path(
    post, path = "/savepoints/{id}/export", tag = "savepoints",
    params(("id" = SavepointId, Path, description = "the savepoint's id")), request_body = ExportSavepoint,
    responses(
        (status = 200, description = "what was copied", body = Exported),
        (status = 404, description = "no savepoint of that id", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn export(
    State(app): State<App>,
    SavepointPath(id): SavepointPath,
    JsonBody(ExportSavepoint { url }): JsonBody<ExportSavepoint>,
) -> Result<Json<Exported>, ApiError> {
    let savepoint = complete(&app, id).await?;
    check_url(&app, &url)?;
    Ok(Json(
        folder::export(&app.context, &savepoint, &url)
            .await
            .map_err(unavailable)?,
    ))
}

/// Refuses what is no folder.
fn check_url(app: &App, url: &str) -> Result<(), ApiError> {
    let wrong = |failure: Failure| ApiError::new(ErrorCode::InvalidRequest, failure.message);
    app.context.stores.folder(url).map(drop).map_err(wrong)
}

/// Import a savepoint
///
/// Copies one that was exported into the state folder of this cluster, checking every byte. May take minutes.
#[utoipa::path(
    post, path = "/savepoints/import", tag = "savepoints", request_body = ImportSavepoint,
    responses(
        (status = 201, description = "the savepoint", body = Savepoint),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn import(
    State(app): State<App>,
    JsonBody(request): JsonBody<ImportSavepoint>,
) -> Result<impl IntoResponse, ApiError> {
    let ImportSavepoint { url, name } = request;
    check_url(&app, &url)?;
    let name = name.map(|name| checked_name("savepoint", &name)).transpose()?;
    let id = SavepointId(app.context.ids.next());
    let home = folder::of_savepoint(&state_url(&app)?, id);
    let imported = folder::import(&app.context, &url, id, &home)
        .await
        .map_err(unavailable)?;
    let savepoint = Savepoint {
        name: name.unwrap_or_else(|| imported.name.clone()),
        ..imported
    };
    app.context.store.import_savepoint(&savepoint).await?;
    let location = format!("/api/v1/savepoints/{id}");
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(savepoint),
    ))
}
