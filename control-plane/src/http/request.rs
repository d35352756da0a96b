//! What every request gets: an id, a span, a count; and every error response its body.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};
use parking_lot::Mutex;
use tracing::Instrument as _;

use super::{App, problem};

const REQUEST_ID: &str = "x-request-id";

/// Requests answered so far, by method and status. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Counts(Arc<Mutex<BTreeMap<(String, u16), Count>>>);

/// Requests of one method and status.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// How many.
    pub requests: u64,
    /// How long they took in all, to the first byte of the answer.
    pub took: Duration,
}

impl Counts {
    fn add(&self, method: &str, status: u16, took: Duration) {
        let mut counts = self.0.lock();
        let count = counts.entry((method.to_owned(), status)).or_default();
        count.requests += 1;
        count.took += took;
    }

    /// All counts.
    pub fn all(&self) -> BTreeMap<(String, u16), Count> {
        self.0.lock().clone()
    }
}

/// Gives the request its id (the caller's own if it is reasonable) and a span, counts it, and renders its errors.
pub async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = request_id(&app, &request);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!("request", %id, %method, path);
    let clock = &app.context.clock;
    let began = clock.elapsed();
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = problem::render(response, &id);
    let (status, took) = (response.status().as_u16(), clock.elapsed().saturating_sub(began));
    // A method of somebody's invention must not become a label.
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"].contains(&method.as_str());
    app.requests
        .add(if known { method.as_str() } else { "other" }, status, took);
    span.in_scope(|| tracing::debug!(status, took_ms = took.as_millis() as u64, "answered"));
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

fn request_id(app: &App, request: &Request) -> String {
    let reasonable = |id: &&str| {
        (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let given = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(reasonable);
    given.map_or_else(|| app.context.ids.next().to_string(), str::to_owned)
}
