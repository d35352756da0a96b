//! The REST API under `/api/v1`, the console, and what machines ask: health, readiness, metrics.
//!
//! - [`problem`]: every error as `application/problem+json`. Leans on nothing.
//! - [`extract`]: request bodies and ids. Leans on `problem`.
//! - [`request`]: ids, spans and counts of requests; the last word on errors. Leans on `problem`.
//! - [`planning`]: SQL to a plan, a few at a time.
//! - [`sql`], [`jobs`], [`checkpoints`], [`savepoints`], [`copies`], [`garbage`], [`connectors`], [`secrets`], [`stream`], [`cluster`]: the routes.
//! - [`probe`]: health, readiness and Prometheus metrics.
//! - [`docs`]: the OpenAPI document and a page to read it.
//! - [`console`]: the console's files.

use std::sync::Arc;

use axum::{Router, http::StatusCode, middleware, routing::get};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer, compression::CompressionLayer, limit::RequestBodyLimitLayer,
    timeout::TimeoutLayer,
};
use utoipa_axum::{router::OpenApiRouter, routes};
use weir_connector::Secrets;
use weir_model::api::Example;

use crate::{context::Context, db::StoreError};

pub mod checkpoints;
pub mod cluster;
pub mod connectors;
pub mod console;
pub mod copies;
pub mod docs;
pub mod extract;
pub mod garbage;
pub mod jobs;
pub mod planning;
pub mod probe;
pub mod problem;
pub mod request;
pub mod savepoints;
pub mod secrets;
pub mod sql;
pub mod stream;

/// What handlers hold on to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    /// The control plane's parts.
    pub context: Context,
    /// SQL that the editor offers.
    pub examples: Arc<Vec<Example>>,
    /// Turns SQL into plans.
    pub planner: planning::Planner,
    /// Counts of requests.
    pub requests: request::Counts,
}

impl App {
    /// What handlers need, around the control plane's parts.
    pub fn new(context: Context, examples: Vec<Example>) -> Self {
        Self {
            context,
            examples: Arc::new(examples),
            planner: planning::Planner::default(),
            requests: request::Counts::default(),
        }
    }

    /// What scripts may name by `${secret:name}`.
    pub async fn secrets(&self) -> Result<Arc<Secrets>, StoreError> {
        let Context {
            store, secret_key, ..
        } = &self.context;
        crate::secrets::load(store, secret_key.as_ref())
            .await
            .map(Arc::new)
    }
}

/// Serves until shutdown.
pub async fn serve(app: App, listener: TcpListener) -> std::io::Result<()> {
    let shutdown = app.context.shutdown.clone();
    axum::serve(listener, router(app))
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

/// Everything that is served, with its layers.
pub fn router(app: App) -> Router {
    let within = |time| TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, time);
    let limits = &app.context.limits;
    let api = api_routes()
        .layer(within(limits.request_timeout))
        .merge(slow_routes().layer(within(limits.slow_request_timeout)));
    let (api, openapi) = OpenApiRouter::with_openapi(docs::head())
        .nest("/api/v1", api)
        .split_for_parts();
    let layers = ServiceBuilder::new()
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn_with_state(app.clone(), request::observe))
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(RequestBodyLimitLayer::new(app.context.limits.body_bytes));
    api.merge(docs::routes(&openapi))
        .route("/healthz", get(probe::healthz))
        .route("/readyz", get(probe::readyz))
        .route("/metrics", get(probe::metrics))
        .fallback(console::serve)
        .layer(layers)
        .with_state(app)
}

/// Routes that read and write whole savepoints, or ask other systems.
fn slow_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(copies::verify))
        .routes(routes!(connectors::test))
        .routes(routes!(connectors::infer))
        .routes(routes!(copies::export))
        .routes(routes!(copies::import))
        .routes(routes!(garbage::list, garbage::delete))
}

/// Routes and their description, from one list.
fn api_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(sql::validate))
        .routes(routes!(sql::explain))
        .routes(routes!(sql::examples))
        .routes(routes!(jobs::list, jobs::create))
        .routes(routes!(jobs::show, jobs::delete))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::graph))
        .routes(routes!(jobs::events))
        .routes(routes!(jobs::executions))
        .routes(routes!(jobs::output))
        .routes(routes!(jobs::metrics))
        .routes(routes!(checkpoints::stop))
        .routes(routes!(checkpoints::resume))
        .routes(routes!(checkpoints::rescale))
        .routes(routes!(checkpoints::rescales))
        .routes(routes!(checkpoints::list))
        .routes(routes!(checkpoints::show))
        .routes(routes!(checkpoints::exceptions))
        .routes(routes!(savepoints::create, savepoints::of_job))
        .routes(routes!(savepoints::list))
        .routes(routes!(savepoints::show, savepoints::update, savepoints::delete))
        .routes(routes!(savepoints::compatibility))
        .routes(routes!(stream::stream))
        .routes(routes!(connectors::list))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::put, secrets::delete))
        .routes(routes!(cluster::workers))
        .routes(routes!(cluster::info))
}
