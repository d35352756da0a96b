//! Requests to the REST API, and what can go wrong with them.

use std::fmt;

use leptos::prelude::window;
use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Request, RequestInit, Response};
use weir_model::{ErrorCode, JobId, Problem, SavepointId};

/// How long an answer may take; the server gives up earlier, and says so.
const TIMEOUT_MS: u32 = 40_000;

/// The same where the server reads or writes whole savepoints.
const SLOW_TIMEOUT_MS: u32 = 3_610_000;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The server says what is wrong.
    Problem(Box<Problem>),
    /// No answer came: the server is down or the network is.
    Unreachable,
    /// The answer is not what the API promises; with the HTTP status.
    Unreadable(u16),
}

impl Error {
    /// What the server says, if it did.
    pub(crate) fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// The stable code, if the server gave one.
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        self.problem().map(|p| p.code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem(problem) => problem.fmt(f),
            Self::Unreachable => f.write_str("The control plane does not answer. Is it running?"),
            Self::Unreadable(status) => {
                write!(
                    f,
                    "The server's answer (HTTP {status}) can't be read. Is something else listening here?"
                )
            }
        }
    }
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Asks for what is at a path under `/api/v1`.
pub(crate) async fn get<T: DeserializeOwned>(path: &str) -> Result<T> {
    read(send("GET", path, None).await?).await
}

/// Posts a body to a path under `/api/v1`.
pub(crate) async fn post<T: DeserializeOwned>(path: &str, body: &impl Serialize) -> Result<T> {
    let body = serde_json::to_string(body).map_err(|_| Error::Unreadable(0))?;
    read(send("POST", path, Some(body)).await?).await
}

/// Posts nothing to a path under `/api/v1`.
pub(crate) async fn post_empty<T: DeserializeOwned>(path: &str) -> Result<T> {
    read(send("POST", path, None).await?).await
}

/// Posts nothing to a path under `/api/v1` that takes its time.
pub(crate) async fn post_slow<T: DeserializeOwned>(path: &str) -> Result<T> {
    read(send_within("POST", path, None, SLOW_TIMEOUT_MS).await?).await
}

/// Changes what is at a path under `/api/v1`.
pub(crate) async fn patch<T: DeserializeOwned>(path: &str, body: &impl Serialize) -> Result<T> {
    let body = serde_json::to_string(body).map_err(|_| Error::Unreadable(0))?;
    read(send("PATCH", path, Some(body)).await?).await
}

/// Puts something at a path under `/api/v1`.
pub(crate) async fn put(path: &str, body: &impl Serialize) -> Result<()> {
    let body = serde_json::to_string(body).map_err(|_| Error::Unreadable(0))?;
    send("PUT", path, Some(body)).await.map(|_| ())
}

/// Deletes what is at a path under `/api/v1`.
pub(crate) async fn delete(path: &str) -> Result<()> {
    send("DELETE", path, None).await.map(|_| ())
}

/// The path of a job, or of something below it: `job_path(id, "/events")`.
pub(crate) fn job_path(id: JobId, below: &str) -> String {
    format!("/jobs/{id}{below}")
}

/// The path of a savepoint, or of something below it.
pub(crate) fn savepoint_path(id: SavepointId, below: &str) -> String {
    format!("/savepoints/{id}{below}")
}

/// The whole address of a path, for those that fetch by themselves.
pub(crate) fn url(path: &str) -> String {
    format!("/api/v1{path}")
}

async fn send(method: &str, path: &str, body: Option<String>) -> Result<Response> {
    send_within(method, path, body, TIMEOUT_MS).await
}

/// Answers of a status that is not a success become errors.
async fn send_within(method: &str, path: &str, body: Option<String>, timeout_ms: u32) -> Result<Response> {
    let init = RequestInit::new();
    init.set_method(method);
    init.set_signal(Some(&AbortSignal::timeout_with_u32(timeout_ms)));
    if let Some(body) = &body {
        init.set_body(&JsValue::from_str(body));
    }
    let request = Request::new_with_str_and_init(&url(path), &init).map_err(|_| Error::Unreachable)?;
    if body.is_some() {
        let _ = request.headers().set("content-type", "application/json");
    }
    let answer = JsFuture::from(window().fetch_with_request(&request))
        .await
        .map_err(|_| Error::Unreachable)?;
    let response: Response = answer.unchecked_into();
    if response.ok() {
        return Ok(response);
    }
    let status = response.status();
    let problem = text(&response)
        .await
        .and_then(|text| serde_json::from_str(&text).ok());
    Err(problem.map_or(Error::Unreadable(status), |p| Error::Problem(Box::new(p))))
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T> {
    let text = text(&response).await.ok_or(Error::Unreachable)?;
    serde_json::from_str(&text).map_err(|_| Error::Unreadable(response.status()))
}

async fn text(response: &Response) -> Option<String> {
    JsFuture::from(response.text().ok()?).await.ok()?.as_string()
}
