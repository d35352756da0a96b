//! Request bodies and ids, with errors that say what is wrong.

use axum::{
    Json,
    extract::{
        FromRequest, FromRequestParts, Path, Request,
        rejection::{BytesRejection, FailedToBufferBody, JsonRejection},
    },
    http::request::Parts,
};
use serde::de::DeserializeOwned;
use weir_model::{ErrorCode, JobId, SavepointId};

use super::problem::ApiError;

/// A JSON body.
#[derive(Clone, Copy, Debug)]
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(rejected(&rejection)),
        }
    }
}

fn rejected(rejection: &JsonRejection) -> ApiError {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            let detail = "send the body with 'content-type: application/json'";
            ApiError::new(ErrorCode::UnsupportedMediaType, detail)
        }
        JsonRejection::BytesRejection(BytesRejection::FailedToBufferBody(
            FailedToBufferBody::LengthLimitError(_),
        )) => ApiError::new(
            ErrorCode::PayloadTooLarge,
            "the request's body is larger than the limit",
        ),
        other => ApiError::new(ErrorCode::InvalidJson, other.body_text()),
    }
}

/// The job id in the path. One that is not a UUID is the id of no job.
#[derive(Clone, Copy, Debug)]
pub struct JobPath(pub JobId);

impl<S: Send + Sync> FromRequestParts<S> for JobPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let not_found =
            |id: &str| ApiError::new(ErrorCode::JobNotFound, format!("no job with the id '{id}'"));
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| not_found(""))?;
        id.parse().map(Self).map_err(|_| not_found(&id))
    }
}

/// The savepoint id in the path. One that is not a UUID is the id of no savepoint.
#[derive(Clone, Copy, Debug)]
pub struct SavepointPath(pub SavepointId);

impl<S: Send + Sync> FromRequestParts<S> for SavepointPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let not_found = |id: &str| {
            let detail = format!("no savepoint with the id '{id}'");
            ApiError::new(ErrorCode::SavepointNotFound, detail)
        };
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| not_found(""))?;
        id.parse().map(Self).map_err(|_| not_found(&id))
    }
}

/// A job's id and the number of one of its checkpoints in the path.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointPath(pub JobId, pub u64);

impl<S: Send + Sync> FromRequestParts<S> for CheckpointPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let not_found = |number: &str| {
            let detail = format!("no checkpoint with the number '{number}'");
            ApiError::new(ErrorCode::CheckpointNotFound, detail)
        };
        let Path((id, number)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|_| not_found(""))?;
        let no_job = |_| ApiError::new(ErrorCode::JobNotFound, format!("no job with the id '{id}'"));
        let job = id.parse().map_err(no_job)?;
        number
            .parse()
            .map(|number| Self(job, number))
            .map_err(|_| not_found(&number))
    }
}
