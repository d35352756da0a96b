//! What bad requests get: a clear error at once, and nothing half-created.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Body, Method, RequestBuilder};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use weir_model::{ErrorCode, Location, Problem};
use weir_tests::{
    api::{Api, problem},
    cluster::{self, Cluster, Size},
};

use crate::{alone, scripts};

async fn refused(request: RequestBuilder, code: ErrorCode) -> Result<Problem> {
    let problem = problem(request.send().await?).await?;
    ensure!(problem.code == code, "{problem:?} should be {code}");
    ensure!(problem.detail.len() > 10, "{problem:?} says nothing");
    Ok(problem)
}

fn create(api: &Api, body: &serde_json::Value) -> RequestBuilder {
    api.request(Method::POST, "jobs").json(body)
}

/// A body of a hundred megabytes, sent piece by piece with no word of its length.
fn huge(api: &Api) -> RequestBuilder {
    const PIECE: &[u8] = &[b'x'; 1 << 20];
    let pieces = futures::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(PIECE)));
    api.request(Method::POST, "jobs")
        .header("content-type", "application/json")
        .body(Body::wrap_stream(pieces))
}

/// What the server says to the announcement of a hundred megabytes, before any of it is sent.
async fn answer_to_huge_announcement(api: &Api) -> Result<String> {
    let address = api.url.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await?;
    let head = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: 104857600\r\nconnection: close\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    timeout(Duration::from_secs(10), connection.read_to_string(&mut answer))
        .await
        .context("no answer")??;
    Ok(answer)
}

#[test]
fn bad_requests_get_a_clear_error_and_create_nothing() {
    alone(async {
        let folder = cluster::folder()?;
        let cluster = Cluster::start(folder.path(), Size { workers: 1, slots: 2 }).await?;
        let api = &cluster.api;
        let good = scripts::bounded(10);

        check_bodies(api, &good).await?;
        check_sql(api).await?;
        check_paths(api).await?;
        for parallelism in [0, 10_000] {
            let problem = refused(
                create(api, &json!({ "sql": good, "parallelism": parallelism })),
                ErrorCode::InvalidRequest,
            )
            .await?;
            ensure!(
                problem.detail.contains("1024"),
                "{problem:?} does not say what is right"
            );
        }

        ensure!(api.jobs().await?.jobs.is_empty(), "something was created");
        cluster.stop()
    });
}

async fn check_bodies(api: &Api, good: &str) -> Result<()> {
    let text = |content_type: &str, body: String| {
        api.request(Method::POST, "jobs")
            .header("content-type", content_type.to_owned())
            .body(body)
    };
    refused(
        text("text/plain", json!({ "sql": good }).to_string()),
        ErrorCode::UnsupportedMediaType,
    )
    .await?;
    refused(
        text("application/json", "{ not json".into()),
        ErrorCode::InvalidJson,
    )
    .await?;
    refused(
        create(api, &json!({ "name": "without sql" })),
        ErrorCode::InvalidJson,
    )
    .await?;
    refused(
        create(api, &json!({ "sql": good, "paralellism": 2 })),
        ErrorCode::InvalidJson,
    )
    .await?;
    let answer = answer_to_huge_announcement(api).await?;
    ensure!(
        answer.starts_with("HTTP/1.1 413") && answer.contains("payload_too_large"),
        "{answer}"
    );
    // The server may close the connection while the rest is still on its way; it must not take it in.
    if let Ok(response) = huge(api).send().await {
        ensure!(
            problem(response).await?.code == ErrorCode::PayloadTooLarge,
            "a hundred megabytes were taken in"
        );
    }
    ensure!(api.info().await.is_ok(), "the server goes on");
    Ok(())
}

async fn check_sql(api: &Api) -> Result<()> {
    let sql = "CREATE TABLE r (a INT) WITH ('connector' = 'print');\nINSERT INTO r SELECT a FROM nowhere;";
    let problem = refused(create(api, &json!({ "sql": sql })), ErrorCode::SqlUnknownName).await?;
    ensure!(
        problem.location.is_some_and(|at| at.line == 2),
        "{problem:?} is at another place"
    );
    let problem = refused(
        create(api, &json!({ "sql": "INSERT INTO r SELECT a FROM t WHERE" })),
        ErrorCode::SqlSyntax,
    )
    .await?;
    ensure!(
        problem.location.is_some_and(|Location { line, .. }| line == 1),
        "{problem:?} is at another place"
    );
    let sql = "CREATE TABLE s (a INT) WITH ('connector' = 'filesytem');";
    let problem = refused(create(api, &json!({ "sql": sql })), ErrorCode::UnknownConnector).await?;
    ensure!(problem.suggestion.as_deref() == Some("filesystem"), "{problem:?}");
    refused(create(api, &json!({ "sql": "" })), ErrorCode::SqlInvalid).await?;
    refused(
        create(
            api,
            &json!({ "sql": scripts::numbers_from("/no/such/file.json") }),
        ),
        ErrorCode::SourceUnavailable,
    )
    .await?;
    Ok(())
}

async fn check_paths(api: &Api) -> Result<()> {
    let unknown = "00000000-0000-7000-8000-000000000000";
    for path in [
        "",
        "/graph",
        "/events",
        "/executions",
        "/output",
        "/metrics",
        "/stream",
    ] {
        refused(
            api.request(Method::GET, &format!("jobs/{unknown}{path}")),
            ErrorCode::JobNotFound,
        )
        .await?;
    }
    refused(api.request(Method::GET, "jobs/not-an-id"), ErrorCode::JobNotFound).await?;
    refused(
        api.request(Method::DELETE, &format!("jobs/{unknown}")),
        ErrorCode::JobNotFound,
    )
    .await?;
    refused(api.request(Method::GET, "no-such-path"), ErrorCode::NotFound).await?;
    refused(api.request(Method::PUT, "jobs"), ErrorCode::MethodNotAllowed).await?;
    Ok(())
}
