//! Routes about what in the state folder is of no more use.

use axum::{Json, extract::State};
use weir_model::{
    ErrorCode, Problem,
    api::{Garbage, GarbageList},
};

use super::{App, problem::ApiError, savepoints::state_url};
use crate::checkpoint::{garbage, history::Trouble};

/// List what may be deleted
///
/// Files in the folders of jobs that no checkpoint refers to that is kept, with the reasons.
#[utoipa::path(
    get, path = "/garbage", tag = "checkpoints",
    responses(
        (status = 200, description = "what may be deleted", body = GarbageList),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn list(State(app): State<App>) -> Result<Json<GarbageList>, ApiError> {
    let found = garbage::find(&app.context, &state_url(&app)?).await?;
    Ok(Json(list_of(found)))
}

/// Delete what may be deleted
///
/// The answer says what was.
#[utoipa::path(
    delete, path = "/garbage", tag = "checkpoints",
    responses(
        (status = 200, description = "what was deleted", body = GarbageList),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn delete(State(app): State<App>) -> Result<Json<GarbageList>, ApiError> {
    let state_url = state_url(&app)?;
    let found = garbage::find(&app.context, &state_url).await?;
    garbage::delete(&app.context, &state_url, &found).await?;
    Ok(Json(list_of(found)))
}

fn list_of(files: Vec<Garbage>) -> GarbageList {
    GarbageList {
        bytes: files.iter().map(|file| file.bytes).sum(),
        files,
    }
}

impl From<Trouble> for ApiError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Store(error) => error.into(),
            Trouble::Failure(failure) => Self::new(ErrorCode::StateUnavailable, failure.to_string()),
        }
    }
}
