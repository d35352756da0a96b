//! The REST API's answers, the wrong requests above all.

use std::time::Duration;

use futures::StreamExt as _;
use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use weir_control_plane::Limits;
use weir_model::{ErrorCode, Phase, Problem, api, graph};

use crate::{
    cluster::{Cluster, SQL, eventually, limits, unknown_job},
    worker::FakeWorker,
};

#[track_caller]
fn is_problem(answer: &Response) -> StatusCode {
    let kind = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .map(|kind| kind.to_str().expect("text").to_owned());
    assert_eq!(kind.as_deref(), Some("application/problem+json"), "{answer:?}");
    answer.status()
}

async fn check(request: reqwest::RequestBuilder, code: ErrorCode, says: &str) -> Problem {
    let answer = request
        .header("x-request-id", "test-7")
        .send()
        .await
        .expect("an answer");
    let status = is_problem(&answer);
    assert_eq!(answer.headers()["x-request-id"], "test-7");
    let problem: Problem = answer.json().await.expect("a problem");
    assert_eq!(
        (problem.code, status.as_u16(), problem.status),
        (code, code.status(), code.status()),
        "{problem}"
    );
    assert!(
        problem.detail.contains(says),
        "'{}' does not say '{says}'",
        problem.detail
    );
    assert_eq!(problem.request_id.as_deref(), Some("test-7"));
    problem
}

fn post(cluster: &Cluster, path: &str, body: &Value) -> reqwest::RequestBuilder {
    cluster.request(Method::POST, path).json(body)
}

async fn job_count(cluster: &Cluster) -> usize {
    cluster.get::<api::JobList>("/api/v1/jobs").await.jobs.len()
}

#[tokio::test]
async fn every_wrong_request_is_answered_with_a_problem_and_creates_nothing() {
    let cluster = Cluster::start().await;
    let jobs = "/api/v1/jobs";
    let with = |key: &str, value: Value| {
        let mut body = json!({ "sql": SQL });
        body[key] = value;
        post(&cluster, jobs, &body)
    };
    check(
        with("parallelism", json!(0)),
        ErrorCode::InvalidRequest,
        "between 1 and 1024",
    )
    .await;
    check(
        with("parallelism", json!(10_000)),
        ErrorCode::InvalidRequest,
        "not 10000",
    )
    .await;
    check(
        with("parallelism", json!(-1)),
        ErrorCode::InvalidJson,
        "parallelism",
    )
    .await;
    check(with("name", json!("  ")), ErrorCode::InvalidRequest, "empty").await;
    check(
        with("name", json!("x".repeat(201))),
        ErrorCode::InvalidRequest,
        "200 characters",
    )
    .await;
    check(
        with("name", json!("a\nb")),
        ErrorCode::InvalidRequest,
        "control character",
    )
    .await;
    check(with("colour", json!("red")), ErrorCode::InvalidJson, "colour").await;
    check(post(&cluster, jobs, &json!({})), ErrorCode::InvalidJson, "sql").await;
    let text = |body: &'static str, kind: &str| {
        cluster
            .request(Method::POST, jobs)
            .header(header::CONTENT_TYPE, kind)
            .body(body)
    };
    check(text("{", "application/json"), ErrorCode::InvalidJson, "").await;
    check(
        text("sql=1", "application/x-www-form-urlencoded"),
        ErrorCode::UnsupportedMediaType,
        "application/json",
    )
    .await;
    check(
        cluster.request(Method::POST, jobs),
        ErrorCode::UnsupportedMediaType,
        "application/json",
    )
    .await;
    let wrong = post(
        &cluster,
        jobs,
        &json!({ "sql": "INSERT INTO nowhere\n  SELEC 1" }),
    );
    let problem = check(wrong, ErrorCode::SqlSyntax, "").await;
    assert_eq!(problem.location.map(|location| location.line), Some(2));
    let unknown = SQL.replace("'datagen'", "'datagn'");
    let problem = check(
        post(&cluster, jobs, &json!({ "sql": unknown })),
        ErrorCode::UnknownConnector,
        "datagn",
    )
    .await;
    assert_eq!(problem.suggestion.as_deref(), Some("datagen"));
    assert_eq!(job_count(&cluster).await, 0);
}

#[tokio::test]
async fn paths_methods_and_ids_that_do_not_exist_are_problems_too() {
    let cluster = Cluster::start().await;
    let request = |method: Method, path: &str| cluster.request(method, path);
    check(
        request(Method::GET, "/api/v1/nothing"),
        ErrorCode::NotFound,
        "/api/v1/nothing",
    )
    .await;
    check(request(Method::GET, "/api"), ErrorCode::NotFound, "/api").await;
    check(
        request(Method::GET, "/nothing.js"),
        ErrorCode::NotFound,
        "/nothing.js",
    )
    .await;
    check(request(Method::POST, "/"), ErrorCode::NotFound, "").await;
    check(
        request(Method::PUT, "/api/v1/jobs"),
        ErrorCode::MethodNotAllowed,
        "allow",
    )
    .await;
    for path in [
        "",
        "/graph",
        "/events",
        "/executions",
        "/output",
        "/metrics",
        "/stream",
    ] {
        let path = |id: &str| format!("/api/v1/jobs/{id}{path}");
        check(
            request(Method::GET, &path(&unknown_job().to_string())),
            ErrorCode::JobNotFound,
            "",
        )
        .await;
        check(
            request(Method::GET, &path("not-an-id")),
            ErrorCode::JobNotFound,
            "not-an-id",
        )
        .await;
    }
    let unknown = format!("/api/v1/jobs/{}", unknown_job());
    check(request(Method::DELETE, &unknown), ErrorCode::JobNotFound, "").await;
    check(
        request(Method::POST, &format!("{unknown}/cancel")),
        ErrorCode::JobNotFound,
        "",
    )
    .await;
    let put = request(Method::PUT, "/api/v1/jobs")
        .send()
        .await
        .expect("an answer");
    let allowed = put.headers()[header::ALLOW].to_str().expect("text").to_owned();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let cluster = Cluster::start().await;
    let body = json!({ "sql": "x".repeat(1024 * 1024) });
    check(
        post(&cluster, "/api/v1/jobs", &body),
        ErrorCode::PayloadTooLarge,
        "larger than the limit",
    )
    .await;
    // Without a length up front it shows only on the way.
    let chunks = futures::stream::iter((0..32).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024])));
    let streamed = cluster
        .request(Method::POST, "/api/v1/jobs")
        .header(header::CONTENT_TYPE, "application/json")
        .body(reqwest::Body::wrap_stream(chunks));
    check(streamed, ErrorCode::PayloadTooLarge, "larger than the limit").await;
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered() {
    let request_timeout = Duration::from_millis(200);
    let cluster = Cluster::with_limits(Limits {
        request_timeout,
        ..limits()
    })
    .await;
    let mut connection = PgConnection::connect(&cluster.database_url)
        .await
        .expect("the server answers");
    let mut transaction = connection.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE jobs")
        .execute(&mut *transaction)
        .await
        .expect("the lock");
    let request = cluster.request(Method::GET, "/api/v1/jobs");
    check(request, ErrorCode::Timeout, "longer than the server allows").await;
    transaction.rollback().await.expect("undone");
    assert_eq!(job_count(&cluster).await, 0, "and all is well again");
}

#[tokio::test]
async fn an_unreasonable_request_id_is_replaced() {
    let cluster = Cluster::start().await;
    let request = cluster
        .request(Method::GET, "/api/v1/info")
        .header("x-request-id", "a b".repeat(100));
    let answer = request.send().await.expect("an answer");
    let id = answer.headers()["x-request-id"].to_str().expect("text");
    assert_eq!(id.len(), 36, "{id}");
}

#[tokio::test]
async fn sql_is_validated_and_explained_without_a_job() {
    let cluster = Cluster::start().await;
    let ask = |path: &str, sql: &str| post(&cluster, path, &json!({ "sql": sql, "parallelism": 2 }));
    let valid: api::ValidateResponse = ask("/api/v1/sql/validate", SQL)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    assert_eq!(
        valid,
        api::ValidateResponse {
            valid: true,
            problem: None
        }
    );
    let wrong = ask("/api/v1/sql/validate", "SELECT\n\n FROM")
        .send()
        .await
        .expect("an answer");
    assert_eq!(wrong.status(), StatusCode::OK);
    let wrong: api::ValidateResponse = wrong.json().await.expect("JSON");
    let problem = wrong.problem.expect("a problem");
    assert!(!wrong.valid && problem.location.is_some(), "{problem:?}");
    let plan: api::ExplainResponse = ask("/api/v1/sql/explain", SQL)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let kinds: Vec<_> = plan
        .graph
        .operators
        .iter()
        .map(|operator| operator.kind)
        .collect();
    assert_eq!(
        (kinds.first(), kinds.last()),
        (
            Some(&graph::OperatorKind::Source),
            Some(&graph::OperatorKind::Sink)
        )
    );
    assert!(
        plan.graph
            .operators
            .iter()
            .all(|operator| operator.parallelism == 2)
            && !plan.text.is_empty()
    );
    assert_eq!(job_count(&cluster).await, 0);
}

#[tokio::test]
async fn a_job_can_be_read_in_every_way_and_deleted_once_it_has_ended() {
    let cluster = Cluster::start().await;
    let body = json!({ "sql": SQL, "name": "  my numbers ", "parallelism": 1 });
    let answer = post(&cluster, "/api/v1/jobs", &body)
        .send()
        .await
        .expect("an answer");
    let location = answer.headers()[header::LOCATION]
        .to_str()
        .expect("text")
        .to_owned();
    let job: api::Job = answer.json().await.expect("a job");
    assert_eq!(
        (job.name.as_str(), job.sql.as_str(), job.version),
        ("my numbers", SQL, 1)
    );
    assert_eq!(location, format!("/api/v1/jobs/{}", job.id));
    let listed = cluster.get::<api::JobList>("/api/v1/jobs").await.jobs;
    assert_eq!(
        (listed.len(), listed[0].id, listed[0].sql.as_str()),
        (1, job.id, "")
    );
    let graph: graph::Graph = cluster.get(&format!("{location}/graph")).await;
    assert!(graph.operators.len() >= 2);

    check(
        cluster.request(Method::DELETE, &location),
        ErrorCode::JobConflict,
        "cancel it first",
    )
    .await;
    cluster
        .request(Method::POST, &format!("{location}/cancel"))
        .send()
        .await
        .expect("an answer");
    cluster.wait_for(job.id, Phase::Cancelled).await;
    let deleted = cluster
        .request(Method::DELETE, &location)
        .send()
        .await
        .expect("an answer");
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    check(
        cluster.request(Method::GET, &location),
        ErrorCode::JobNotFound,
        "",
    )
    .await;
    assert_eq!(job_count(&cluster).await, 0);
}

#[tokio::test]
async fn an_ended_job_cannot_be_cancelled() {
    let cluster = Cluster::start().await;
    let worker = FakeWorker::connect(cluster.handle.grpc_address, 1).await;
    let job = cluster.create_job(1).await;
    let deploy = worker.started(job.id, 1).await;
    worker.finish(&deploy).await;
    cluster.wait_for(job.id, Phase::Finished).await;
    let path = format!("/api/v1/jobs/{}/cancel", job.id);
    check(
        cluster.request(Method::POST, &path),
        ErrorCode::JobConflict,
        "already ended",
    )
    .await;
}

#[tokio::test]
async fn the_stream_shows_every_phase_and_ends_with_the_job() {
    let cluster = Cluster::start().await;
    let job = cluster.create_job(1).await;
    let path = format!("/api/v1/jobs/{}/stream", job.id);
    let answer = cluster
        .request(Method::GET, &path)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    let worker = FakeWorker::connect(cluster.handle.grpc_address, 1).await;
    let deploy = worker.started(job.id, 1).await;
    cluster.wait_for(job.id, Phase::Running).await;
    worker.metrics(&deploy, 0, 42).await;
    eventually("the numbers to arrive", async || {
        let numbers: weir_model::metrics::JobMetrics =
            cluster.get(&format!("/api/v1/jobs/{}/metrics", job.id)).await;
        (!numbers.operators.is_empty()).then_some(())
    })
    .await;
    worker.finish(&deploy).await;
    let mut text = String::new();
    let mut bytes = answer.bytes_stream();
    while let Some(chunk) = bytes.next().await {
        text += std::str::from_utf8(&chunk.expect("an unbroken stream")).expect("text");
    }
    let updates: Vec<api::LiveUpdate> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|data| serde_json::from_str(data).expect("an update"))
        .collect();
    let phases: Vec<_> = updates.iter().map(|update| update.job.phase).collect();
    assert!(phases.contains(&Phase::Running), "{phases:?}");
    assert_eq!(
        phases.iter().position(|phase| phase.is_terminal()),
        Some(phases.len() - 1),
        "{phases:?}"
    );
    let last = updates.last().expect("an update");
    assert_eq!(
        (last.job.phase, last.metrics.operators[0].rows_in),
        (Phase::Finished, 42)
    );
    assert_eq!(last.job.sql, "");
}

#[tokio::test]
async fn the_openapi_document_names_every_route_of_the_table() {
    let cluster = Cluster::start().await;
    let document: Value = cluster.get("/api/v1/openapi.json").await;
    assert!(
        document["openapi"]
            .as_str()
            .expect("a version")
            .starts_with("3.1")
    );
    let routes: Vec<String> = document["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .expect("methods")
                .keys()
                .map(move |method| format!("{method} {path}"))
        })
        .collect();
    let expected = [
        "post /api/v1/sql/validate",
        "post /api/v1/sql/explain",
        "get /api/v1/examples",
        "get /api/v1/jobs",
        "post /api/v1/jobs",
        "get /api/v1/jobs/{id}",
        "delete /api/v1/jobs/{id}",
        "post /api/v1/jobs/{id}/cancel",
        "get /api/v1/jobs/{id}/graph",
        "get /api/v1/jobs/{id}/events",
        "get /api/v1/jobs/{id}/executions",
        "get /api/v1/jobs/{id}/output",
        "get /api/v1/jobs/{id}/metrics",
        "get /api/v1/jobs/{id}/stream",
        "post /api/v1/jobs/{id}/stop",
        "post /api/v1/jobs/{id}/resume",
        "post /api/v1/jobs/{id}/rescale",
        "get /api/v1/jobs/{id}/rescales",
        "get /api/v1/jobs/{id}/checkpoints",
        "get /api/v1/jobs/{id}/checkpoints/{number}",
        "get /api/v1/jobs/{id}/exceptions",
        "post /api/v1/jobs/{id}/savepoints",
        "get /api/v1/jobs/{id}/savepoints",
        "get /api/v1/savepoints",
        "get /api/v1/savepoints/{id}",
        "patch /api/v1/savepoints/{id}",
        "delete /api/v1/savepoints/{id}",
        "post /api/v1/savepoints/{id}/verify",
        "post /api/v1/savepoints/{id}/export",
        "post /api/v1/savepoints/{id}/compatibility",
        "post /api/v1/savepoints/import",
        "get /api/v1/garbage",
        "delete /api/v1/garbage",
        "get /api/v1/connectors",
        "post /api/v1/connections/test",
        "post /api/v1/connections/infer",
        "get /api/v1/secrets",
        "put /api/v1/secrets/{name}",
        "delete /api/v1/secrets/{name}",
        "get /api/v1/workers",
        "get /api/v1/info",
    ];
    for route in expected {
        assert!(
            routes.iter().any(|known| known == route),
            "{route} is not in {routes:?}"
        );
    }
    assert_eq!(routes.len(), expected.len(), "{routes:?}");
    let text = document.to_string();
    let references = text
        .split("#/components/schemas/")
        .skip(1)
        .map(|rest| rest.split('"').next().expect("a name"));
    for name in references {
        assert!(
            !document["components"]["schemas"][name].is_null(),
            "the schema {name} is referred to but missing"
        );
    }
}

#[tokio::test]
async fn machines_get_health_readiness_and_numbers() {
    let cluster = Cluster::start().await;
    let worker = FakeWorker::connect(cluster.handle.grpc_address, 3).await;
    let job = cluster.create_job(1).await;
    let deploy = worker.started(job.id, 1).await;
    cluster.wait_for(job.id, Phase::Running).await;
    worker.metrics(&deploy, 0, 42).await;
    for path in ["/healthz", "/readyz"] {
        let answer = cluster
            .request(Method::GET, path)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    let line = format!(
        "weir_operator_rows_in_total{{job=\"{}\",job_name=\"{}\",operator=\"0\"}} 42",
        job.id, job.name
    );
    let text = eventually(&line, async || {
        let answer = cluster
            .request(Method::GET, "/metrics")
            .send()
            .await
            .expect("an answer");
        let text = answer.text().await.expect("text");
        text.contains(&line).then_some(text)
    })
    .await;
    for line in [
        "weir_workers 1",
        "weir_slots 3",
        "weir_slots_free 2",
        "weir_jobs{phase=\"running\"} 1",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "'{line}' is not in\n{text}"
        );
    }
    assert!(
        text.contains("weir_http_requests_total{method=\"POST\",status=\"201\"} 1"),
        "{text}"
    );
}

#[tokio::test]
async fn examples_are_served_as_they_were_given() {
    let cluster = Cluster::start().await;
    let examples = cluster.get::<api::ExampleList>("/api/v1/examples").await.examples;
    assert_eq!((examples.len(), examples[0].sql.as_str()), (1, SQL));
}
