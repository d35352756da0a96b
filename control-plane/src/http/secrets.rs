//! Routes about secrets. No answer has a value.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use weir_connector::secrets::{is_name, is_named_in};
use weir_model::{
    ErrorCode, Problem,
    api::{PutSecret, SecretList},
};

use super::{App, extract::JsonBody, problem::ApiError};

/// Bytes of a value at most.
const MAX_BYTES: usize = 64 << 10;

/// List secrets
///
/// Their names and times. Nothing gives a value back.
#[utoipa::path(
    get, path = "/secrets", tag = "secrets",
    responses(
        (status = 200, description = "secrets, by name", body = SecretList),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn list(State(app): State<App>) -> Result<Json<SecretList>, ApiError> {
    let secrets = app.context.store.secrets().await?;
    Ok(Json(SecretList { secrets }))
}

/// Set a secret
///
/// Keeps a value that tables name by `${secret:name}`; one of that name is replaced. Jobs that run take it with their next deployment.
#[utoipa::path(
    put, path = "/secrets/{name}", tag = "secrets", request_body = PutSecret,
    params(("name" = String, Path, description = "up to 64 letters, digits, `_`, `-` and `.`")),
    responses(
        (status = 201, description = "it is new"),
        (status = 204, description = "it was replaced"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn put(
    State(app): State<App>,
    Path(name): Path<String>,
    JsonBody(request): JsonBody<PutSecret>,
) -> Result<StatusCode, ApiError> {
    let invalid = |detail: String| ApiError::new(ErrorCode::InvalidRequest, detail);
    if !is_name(&name) {
        return Err(invalid(format!(
            "'{name}' is no name of a secret: up to 64 letters, digits, '_', '-' and '.'"
        )));
    }
    if request.value.is_empty() || request.value.len() > MAX_BYTES {
        return Err(invalid(format!("a secret has from 1 to {MAX_BYTES} bytes")));
    }
    let Some(key) = &app.context.secret_key else {
        return Err(invalid(
            "this cluster has no key to seal secrets with: start the control plane with WEIR_SECRET_KEY, 32 random bytes in base64".into(),
        ));
    };
    let sealed = key
        .seal(&name, &request.value)
        .ok_or_else(|| ApiError::new(ErrorCode::Internal, "the system gives no random bytes".to_owned()))?;
    let now_ms = app.context.clock.now_ms();
    let is_new = app.context.store.put_secret(&name, &sealed, now_ms).await?;
    Ok(if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::NO_CONTENT
    })
}

/// Delete a secret
///
/// Refused while a job that has not ended names it.
#[utoipa::path(
    delete, path = "/secrets/{name}", tag = "secrets",
    params(("name" = String, Path, description = "its name")),
    responses(
        (status = 204, description = "it is gone"),
        (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "a job needs it", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn delete(State(app): State<App>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    let store = &app.context.store;
    let scripts = store.scripts_in_use().await?;
    if let Some((job, _)) = scripts.iter().find(|(_, sql)| is_named_in(&name, sql)) {
        return Err(ApiError::new(
            ErrorCode::JobConflict,
            format!("job '{job}' names the secret '{name}': cancel it first"),
        ));
    }
    if store.delete_secret(&name).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::new(
        ErrorCode::NotFound,
        format!("there is no secret named '{name}'"),
    ))
}
