//! Routes about SQL text.

use axum::{Json, extract::State};
use weir_model::{
    ErrorCode, Problem,
    api::{ExampleList, ExplainRequest, ExplainResponse, ValidateResponse},
    graph::Graph,
};
use weir_planner::Planned;

use super::{App, extract::JsonBody, jobs::check_parallelism, problem::ApiError};

/// Check a script
///
/// Says whether the script could be a job. The answer is 200 also when it could not; `problem` then says why, with the
/// line and the column.
#[utoipa::path(
    post, path = "/sql/validate", tag = "sql", request_body = ExplainRequest,
    responses(
        (status = 200, description = "whether it could be a job", body = ValidateResponse),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn validate(
    State(app): State<App>,
    JsonBody(request): JsonBody<ExplainRequest>,
) -> Result<Json<ValidateResponse>, ApiError> {
    match plan(&app, request).await {
        Ok(_) => Ok(Json(ValidateResponse {
            valid: true,
            problem: None,
        })),
        Err(ApiError(problem)) if problem.status == 400 => Ok(Json(ValidateResponse {
            valid: false,
            problem: Some(problem),
        })),
        Err(error) => Err(error),
    }
}

/// Plan a script
///
/// The operator graph that a job with this script would run, without starting it.
#[utoipa::path(
    post, path = "/sql/explain", tag = "sql", request_body = ExplainRequest,
    responses(
        (status = 200, description = "the plan", body = ExplainResponse),
        (status = 400, description = "what is wrong with the script", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn explain(
    State(app): State<App>,
    JsonBody(request): JsonBody<ExplainRequest>,
) -> Result<Json<ExplainResponse>, ApiError> {
    let planned = plan(&app, request).await?;
    let graph = graph_of(&planned.graph)?;
    Ok(Json(ExplainResponse {
        graph,
        text: planned.text,
    }))
}

/// List examples
///
/// Scripts to start from.
#[utoipa::path(
    get, path = "/examples", tag = "sql",
    responses((status = 200, description = "scripts to start from", body = ExampleList))
)]
pub async fn examples(State(app): State<App>) -> Json<ExampleList> {
    Json(ExampleList {
        examples: app.examples.to_vec(),
    })
}

async fn plan(app: &App, request: ExplainRequest) -> Result<Planned, ApiError> {
    let ExplainRequest { sql, parallelism } = request;
    check_parallelism(parallelism)?;
    Ok(app.planner.plan(&sql, parallelism, app.secrets().await?).await?)
}

/// The graph as people see it.
pub(super) fn graph_of(graph: &weir_proto::graph::JobGraph) -> Result<Graph, ApiError> {
    Graph::try_from(graph).map_err(|error| {
        tracing::error!(%error, "a graph is unreadable");
        ApiError::new(ErrorCode::Internal, error.to_string())
    })
}
