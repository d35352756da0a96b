//! Every error as `application/problem+json`.

use std::any::Any;

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use weir_model::{ErrorCode, Problem};

use crate::db::StoreError;

/// What a handler answers when it cannot do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError(pub Problem);

impl ApiError {
    /// An error with a code and a sentence.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self(Problem::new(code, detail))
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::NoSuchJob => Self::new(ErrorCode::JobNotFound, detail),
            StoreError::NoSuchSavepoint => Self::new(ErrorCode::SavepointNotFound, detail),
            StoreError::NoSuchCheckpoint => Self::new(ErrorCode::CheckpointNotFound, detail),
            StoreError::Stale => Self::new(ErrorCode::JobConflict, detail),
            StoreError::Unavailable(_) => {
                tracing::error!(%error, "a request failed");
                Self::new(
                    ErrorCode::StoreUnavailable,
                    "the metadata store does not answer; try again later",
                )
            }
            StoreError::SchemaTooNew { .. } | StoreError::Migrate(_) | StoreError::Unreadable(_) => {
                tracing::error!(%error, "a request failed");
                Self::new(ErrorCode::Internal, detail)
            }
        }
    }
}

impl IntoResponse for ApiError {
    /// The body is written by [`render`], which knows the request's id.
    fn into_response(self) -> axum::response::Response {
        let mut response = status(self.0.status).into_response();
        response.extensions_mut().insert(self.0);
        response
    }
}

/// The answer to a request whose handler panicked.
pub fn from_panic(panic: Box<dyn Any + Send>) -> Response<Body> {
    let words = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let words = words
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(panic = words, "a request handler panicked");
    ApiError::new(
        ErrorCode::Internal,
        "a defect in Weir: the server's log says more under this request's id",
    )
    .into_response()
}

/// Gives an error response its body, whoever made it: a handler, the router or a layer.
pub fn render(response: axum::response::Response, request_id: &str) -> axum::response::Response {
    let (mut parts, body) = response.into_parts();
    let problem = match parts.extensions.remove::<Problem>() {
        Some(problem) => problem,
        None if parts.status.is_success() || is_page(&parts.headers) => {
            return Response::from_parts(parts, body);
        }
        None => match of_status(parts.status) {
            Some(problem) => problem,
            None => return Response::from_parts(parts, body),
        },
    };
    let problem = Problem {
        request_id: Some(request_id.to_owned()),
        ..problem
    };
    let text = serde_json::to_vec(&problem).expect("a problem holds nothing that JSON cannot");
    parts.status = status(problem.status);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    Response::from_parts(parts, Body::from(text))
}

fn is_page(headers: &axum::http::HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// The problem behind a status that no handler of ours chose.
fn of_status(status: StatusCode) -> Option<Problem> {
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => (ErrorCode::NotFound, "no such path"),
        StatusCode::METHOD_NOT_ALLOWED => (
            ErrorCode::MethodNotAllowed,
            "the path exists, but not with this method; see the 'allow' header",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (
            ErrorCode::PayloadTooLarge,
            "the request's body is larger than the limit",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            ErrorCode::UnsupportedMediaType,
            "send the body with 'content-type: application/json'",
        ),
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => (
            ErrorCode::Timeout,
            "the request took longer than the server allows",
        ),
        status if status.is_client_error() => (ErrorCode::InvalidRequest, "the request is not acceptable"),
        status if status.is_server_error() => (ErrorCode::Internal, "a defect in Weir"),
        _ => return None,
    };
    Some(Problem::new(code, detail))
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
